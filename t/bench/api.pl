#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# api - creates, gets and lists over HTTP, beside pgbench, nginx and idle clients
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use File::Temp ();
use IO::Socket::INET;
use ApiNode;
use Bench qw(figure limited pss_kb say_step start_nginx stop_helper);
use PgServer;
use Reeve qw(run_command spew);

Bench->goals(
	api_create_ratio => '>= 0.8 of a bare INSERT by pgbench',
	api_create => '>= 5000 1/s',
	api_create_p99 => '<= 100 ms',
);

my ($seconds, $clients, $idle) = (8, 32, 5000);
my $dir = File::Temp->newdir("reeve-bench-XXXXXX", TMPDIR => 1);
chmod 0755, $dir;
my $api = ApiNode->new(name => 'bench', http => ', max_connections: 20000',
	pg => PgServer->new("$dir",
		fsync => 'on', full_page_writes => 'on', shared_buffers => '256MB'));
my $token = $api->token('default', 'admin');
my $port = $api->node->port;
my $url = "http://127.0.0.1:$port/api/v1/tasks";

# wrk on a path; body: sent with POST.  { rate, p99_ms }
sub wrk
{
	my ($at, $body) = @_;
	my $lua = "$dir/wrk.lua";
	spew($lua, defined $body ? "wrk.method = 'POST'\nwrk.body = '$body'\n"
		. "wrk.headers['Content-Type'] = 'application/json'\n" : '');
	my ($code, $text) = run_command($seconds + 30, 'wrk', '-t2', "-c$clients", "-d${seconds}s",
		'--latency', '-s', $lua, '-H', "Authorization: Bearer $token", $at);
	my $seen = Bench::read_wrk($text);
	die "$at: $seen->{errors} errors\n$text" if $seen->{errors};
	my ($p99, $unit) = $text =~ /^\s+99%\s+([\d.]+)(us|ms|s)/m;
	return { rate => $seen->{rate},
		p99_ms => $p99 * { us => 0.001, ms => 1, s => 1000 }->{$unit} };
}

# The same row by itself, one INSERT a transaction.
sub pgbench
{
	spew("$dir/insert.sql", "INSERT INTO reeve.task_instances (id, handler, topic)"
		. " VALUES (reeve.uuid_new(), 'noop', 'common');\n");
	my ($code, $text, $err) = run_command($seconds + 30, PgServer::bin_dir() . '/pgbench', '-n',
		'-M', 'prepared', '-f', "$dir/insert.sql", '-c', 8, '-j', 2, '-T', $seconds,
		$api->pg->url);
	my ($rate) = $text =~ /^tps = ([\d.]+)/m or die "pgbench: $text$err";
	return $rate;
}

say_step('creates, and bare INSERTs');
my $create = wrk($url, '{"handler":"noop"}');
limited('api_create', $create->{rate}, pgbench(), '1/s');
figure('api_create_p99', $create->{p99_ms}, 'ms');

my $made = $api->call('POST', '/api/v1/tasks', $token, { handler => 'noop' });
my $one = $api->call('GET', "/api/v1/tasks/instances/$made->{body}{id}", $token)->{text};
say_step('gets and lists, and nginx with the same text');
my $get = wrk("$url/instances/$made->{body}{id}");
my $list = wrk("$url/instances?limit=50");
my $fixed = start_nginx("$dir", 1, $one =~ s/\s+\z//r);
my $nginx = wrk("http://127.0.0.1:$fixed->{port}/");
stop_helper($fixed, 'TERM');
limited('api_get', $get->{rate}, $nginx->{rate}, '1/s');
figure('api_get_p99', $get->{p99_ms}, 'ms');
figure('api_list', $list->{rate}, '1/s');
figure('api_list_p99', $list->{p99_ms}, 'ms');

say_step("$idle idle clients");
my ($pid) = $api->node->pids('http');
my $before = pss_kb($pid);
my @idle = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") // die "connect: $!" }
	1 .. $idle;
for my $s (@idle) {
	syswrite $s, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
	sysread $s, my $answer, 4096;
}
figure('api_idle_connection', (pss_kb($pid) - $before) / $idle, 'KiB');
close $_ for @idle;
$api->node->stop;
