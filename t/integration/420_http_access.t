#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The access log has a line for each answer, and no worker waits for it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(http_get send_signal slow slurp
	wait_until);

my $DATE = qr{\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]};
my $UUID = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

sub yaml
{
	my ($to, $more) = @_;
	return <<"YAML" . ($more // '');
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:\@PORT\@", "unix:\@DIR\@/web.sock"]
    header_timeout: 500ms
    trusted_proxies: [unix]
    access_log: $to
YAML
}

sub daemon
{
	my ($name, $to) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config(yaml($to));
	$r->start or return;
	return $r;
}

# Send bytes on a connection of their own, wait for its end.
sub talk
{
	my ($where, $text) = @_;
	my $sock = Reeve::connect_to($where) or die "connect: $!";
	print $sock $text;
	$sock->flush;
	return Reeve::read_all($sock, 10) // '';
}

sub lines
{
	my ($path) = @_;
	return split /\n/, slurp($path) // '';
}

# The lines of the file once there are so many.
sub wait_lines
{
	my ($path, $count) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until { lines($path) >= $count } 10, "there are $count lines"
		or diag(slurp($path) // 'no file');
	return lines($path);
}

# How often each id is in the files, once there are so many.
sub wait_ids
{
	my ($count, @globs) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %seen;
	wait_until {
		%seen = ();
		$seen{$_}++ for map { / ($UUID) \S+$/ } map { lines($_) }
			map { glob } @globs;
		keys %seen == $count;
	} 10, "all $count lines are there" or diag(scalar keys %seen);
	return %seen;
}

sub ask_many
{
	my ($r, $count) = @_;
	my $good = 0;
	for (1 .. $count) {
		my ($status) = http_get($r->port, "/healthz?$_");
		$good++ if $status == 200;
	}
	return $good;
}

subtest 'each answer is a line' => sub {
	my $r = daemon('lines', '@DIR@/access') or return;
	my $file = "$r->{dir}/access";
	my @lines;

	talk($r->port, "GET /a%20b%22/../%22%C3%A4?x=\"1\" HTTP/1.1\r\n"
		. "Host: a\r\nReferer: http://x/\"y\"\\\r\n"
		. "User-Agent: curl/7 \xc3\xa4\r\nX-Request-Id: the-id\r\n"
		. "X-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n");
	@lines = wait_lines($file, 1);
	like($lines[-1], qr{^127\.0\.0\.1 - - $DATE "GET /%22%C3%A4\?x=\\x221\\x22 HTTP/1\.1" 404 \d+ "http://x/\\x22y\\x22\\x5C" "curl/7 \\xC3\\xA4" the-id \d+\.\d{6}$},
		'in the combined format, with the id and the time');
	talk("$r->{dir}/web.sock", "HEAD /healthz HTTP/1.0\r\n"
		. "X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n\r\n");
	@lines = wait_lines($file, 2);
	like($lines[-1], qr{^1\.2\.3\.4 - - $DATE "HEAD /healthz HTTP/1\.0" 200 0 "-" "-" $UUID 0\.\d{6}$},
		'with the client that a trusted proxy names, and bytes sent');
	talk($r->port, "BREW / HTTP/1.1\r\nHost: a\r\n"
		. "X-Forwarded-For: 1.2.3.4\r\nReferer: x\r\n\r\n");
	@lines = wait_lines($file, 3);
	like($lines[-1], qr{^127\.0\.0\.1 - - $DATE "-" 501 \d+ "-" "-" $UUID 0\.\d{6}$},
		'also what was refused');
	talk($r->port, 'GET /slow');
	@lines = wait_lines($file, 4);
	like($lines[-1], qr{"-" 408 \d+ "-" "-" $UUID [0-9]+\.\d{6}$},
		'and what came too slowly');
	talk($r->port, 'GET /' . 'a' x 3000 . '?' . 'b' x 3000
		. " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: "
		. 'c' x 3000 . "\r\n\r\n");
	@lines = wait_lines($file, 5);
	like($lines[-1], qr{"GET /a{1499}\.\.\.\?b{700}\.\.\. HTTP/1\.1" 404 \d+ "-" "c{700}\.\.\." },
		'a long one is cut');
	talk($r->port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" x 500
		. "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	@lines = wait_lines($file, 506);
	is(scalar(grep { m{"GET /(?:healthz)? HTTP/1\.1" } } @lines), 501,
		'many at once are all there');
	unlike($r->pool_log('web'), qr/healthz/, 'none is in the usual log');
	is((stat $file)[2] & 07777, 0640, 'others can not read it');
	$r->finish;
};

subtest 'it is off by itself, and may go to the usual log' => sub {
	my $r = daemon('usual', 'off') or return;

	is(ask_many($r, 3), 3, 'requests are answered');
	unlike($r->log, qr/healthz/, 'and leave no line');
	$r->write_config(yaml('"-"'));
	ok($r->reload, 'it is switched on');
	is(ask_many($r, 3), 3, 'requests are answered again');
	wait_until { (() = $r->pool_log('web') =~ m{^\S+ 127\.0\.0\.1 - - $DATE "GET /healthz\?\d HTTP/1\.1" 200 16 "-" "-" $UUID 0\.\d{6}$}mg) == 3 }
		10, 'each is a line of the pool\'s log' or diag($r->log);
	$r->write_config(yaml('access.log'));
	ok(!$r->reload, 'a relative path is refused');
	like($r->log, qr/must be off, - or an absolute path/, 'and why');
	$r->finish;
};

subtest 'it can be rotated, and survives its writer' => sub {
	my $r = daemon('rotate', '@DIR@/access') or return;
	my $file = "$r->{dir}/access";
	my $asked = 0;

	for my $i (1 .. 5) {
		$asked += ask_many($r, 20);
		rename $file, "$file.$i" or die "$file: $!" if -e $file;
		$r->signal('USR1');
		$asked += ask_many($r, 20);
		wait_until { -e $file } 10, "turn $i makes a new file";
	}
	# What it has read and not yet written would go with it.
	wait_ids($asked, "$file*");
	my ($logger) = $r->pids('logger');
	send_signal('KILL', $logger);
	$asked += ask_many($r, 20);
	wait_until { my ($new) = $r->pids('logger'); $new && $new != $logger }
		10, 'a new logger runs';
	$asked += ask_many($r, 20);
	my %old = map { $_ => 1 } $r->pids('web');
	$r->signal('USR2');
	wait_until { 2 == grep { !$old{$_} } $r->pids('web') } 10,
		'the daemon is upgraded';
	$asked += ask_many($r, 20);
	$r->write_config(yaml('@DIR@/other'));
	ok($r->reload, 'another file is named');
	$asked += ask_many($r, 20);
	my %seen = wait_ids($asked, "$file*", "$r->{dir}/other");
	is(scalar(grep { $_ != 1 } values %seen), 0, 'each once');
	cmp_ok(scalar(lines("$r->{dir}/other")), '>=', 1,
		'the last ones in the other file');
	$r->finish;
};

subtest 'a disk that is full holds up no request' => sub {
	my $r = daemon('full', '/dev/full') or return;
	my $text = "GET /healthz HTTP/1.1\r\nHost: a\r\nUser-Agent: "
		. 'x' x 700 . "\r\n\r\n";
	my $last = "GET /healthz HTTP/1.1\r\nHost: a\r\n"
		. "Connection: close\r\n\r\n";
	my ($answers, $longest) = (0, 0);

	# More than the logger, the pipes and the workers keep.
	for (1 .. 60) {
		my $start = time;
		my $all = talk($r->port, $text x 500 . $last);
		$longest = time - $start if time - $start > $longest;
		$answers += () = $all =~ m{^HTTP/1\.1 200 }mg;
	}
	is($answers, 60 * 501, 'all are answered');
	cmp_ok($longest, '<', slow(2), 'at once');
	is(scalar(grep { $_->{restarts} } $r->workers('web')), 0,
		'by workers that live on');
	$r->finish;
};

done_testing();
