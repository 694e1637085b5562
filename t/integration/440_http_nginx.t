#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# etc/nginx/reeve.conf puts nginx in front of several nodes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(in_path srcdir);
use Reeve qw(http_get is_root send_signal slurp spew wait_until);

$ENV{PATH} .= ':/usr/sbin:/sbin';
plan skip_all => 'nginx is not installed' unless in_path('nginx');

my $UUID = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

sub node
{
	my ($name) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config(<<'YAML');
processes:
  web:
    kind: http
    count: 2
    listen: "127.0.0.1:@PORT@"
    trusted_proxies: ["127.0.0.1"]
    access_log: "@DIR@/access"
YAML
	$r->start or BAIL_OUT('no daemon');
	return $r;
}

# The sample with the addresses of the test, and what /etc/nginx/nginx.conf
# would say.
sub nginx_config
{
	my ($r, $port, @nodes) = @_;
	my $dir = $r->dir;
	my $sample = slurp(srcdir() . '/etc/nginx/reeve.conf');
	my $servers = join "\n", map { "server 127.0.0.1:" . $_->port
		. ' max_fails=3 fail_timeout=5s;' } @nodes;
	$sample =~ s/^\tserver 127\.0\.0\.1:8084 .*$/$servers/m
		or fail('the sample names a node');
	$sample =~ s/\blisten 80;/listen 127.0.0.1:$port;/
		or fail('the sample listens');
	$sample =~ s{/var/log/nginx/}{$dir/}
		or fail('the sample has a log');
	spew("$dir/reeve.conf", $sample);
	my $user = is_root() ? 'user root;' : '';
	my $temp = join "\n", map { "${_}_temp_path $dir/$_;" }
		qw(client_body proxy fastcgi uwsgi scgi);
	spew("$dir/nginx.conf", <<"CONF");
$user
daemon off;
pid $dir/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http { access_log off; $temp include $dir/reeve.conf; }
CONF
	return "$dir/nginx.conf";
}

sub ask
{
	my ($port, $path, $fields) = @_;
	my $sock = Reeve::connect_to($port) or return '';
	print $sock "GET $path HTTP/1.1\r\nHost: reeve.example.org\r\n"
		. "Connection: close\r\n" . ($fields // '') . "\r\n";
	$sock->flush;
	return Reeve::read_all($sock, 10) // '';
}

my ($a, $b) = (node('a'), node('b'));
my $port = Reeve::free_port();
my $config = nginx_config($a, $port, $a, $b);
my ($code, undef, $text) = Reeve::run_command(10, 'nginx', '-t', '-q', '-c', $config);
is("$code$text", '0', 'nginx -t finds nothing wrong');

my $pid = fork // die "fork: $!";
if ($pid == 0) {
	open STDERR, '>', $a->dir . '/nginx.err';
	exec 'nginx', '-c', $config or exit 127;
}
wait_until { (http_get($port, '/healthz'))[0] == 200 } 10, 'nginx answers'
	or diag(slurp($a->dir . '/nginx.err'));

my $all = ask($port, '/healthz', "X-Request-Id: from-client\r\n"
	. "X-Forwarded-For: 9.9.9.9\r\nForwarded: for=8.8.8.8\r\n");
like($all, qr{\AHTTP/1\.1 200 .*^X-Request-Id: from-client\r$}ms,
	'an id goes through and comes back');
$all = ask($port, '/healthz', "X-Request-Id: two words\r\n");
like($all, qr/^X-Request-Id: [0-9a-f]{32}\r$/m, 'a bad one is replaced');
like(ask($port, '/metrics', "Accept-Encoding: gzip\r\n"),
	qr{\AHTTP/1\.1 200 .*^Content-Encoding: gzip\r$}ms,
	'a compressed answer goes through');
like(ask($port, '/nope'), qr{\AHTTP/1\.1 404 .*problem\+json}s,
	'and so does a problem');
wait_until {
	my $log = join '', map { slurp($_->dir . '/access') // '' } $a, $b;
	$log =~ m{^9\.9\.9\.9 - - .* "-" "-" from-client \S+$}m;
} 10, 'a node takes nginx\' word for the client';
wait_until { (slurp($a->dir . '/reeve.log') // '') =~ m{ from-client \S+ 127\.0\.0\.1:\d+ 200$}m }
	10, 'and nginx logs the same id';

my $good = 0;
for (1 .. 200) {
	$good++ if (http_get($port, '/healthz'))[0] == 200;
}
is($good, 200, '200 requests are answered');
my ($accepted, $tasks) = (0, 0);
for my $r ($a, $b) {
	my ($s, $m) = http_get($r->port, '/metrics');
	$accepted += $1 while $m =~ /^reeve_http_connections_accepted_total\{[^}]*\} (\d+)$/mg;
	$tasks++ if (slurp($r->dir . '/access') // '') =~ m{/healthz};
}
is($tasks, 2, 'by both nodes');
cmp_ok($accepted, '<', 60, 'on connections that are kept');

$good = 0;
my %old = map { $_ => 1 } map { $_->pids('web') } $a, $b;
for my $i (1 .. 10) {
	my $r = $i % 2 ? $a : $b;
	spew($r->config, slurp($r->config) =~ s/^.*max_body.*\n//mr
		. "    max_body: ${i}K\n");
	$r->signal('HUP');
	for (1 .. 30) {
		$good++ if (http_get($port, '/healthz'))[0] == 200;
	}
}
is($good, 300, 'none fails while nodes reload');
wait_until { !grep { $old{$_} } map { $_->pids('web') } $a, $b } 10,
	'their workers are new';

$b->finish;
$good = 0;
for (1 .. 50) {
	$good++ if (http_get($port, '/healthz'))[0] == 200;
}
is($good, 50, 'none fails when one node is gone');

send_signal('QUIT', $pid);
waitpid $pid, 0;
is($?, 0, 'nginx stops');
$a->finish;
done_testing();
