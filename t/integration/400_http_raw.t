#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Whatever a client sends, or does not send, the http workers live on and
# serve the others.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);
use Reeve qw(http_get http_request slow);

my $YAML = <<'YAML';
processes:
  web:
    kind: http
    count: 1
    listen: ["127.0.0.1:@PORT@", "unix:@DIR@/web.sock"]
    max_header: 4K
    max_body: 64K
    max_connections: 50
    header_timeout: 500ms
    body_timeout: 500ms
    keepalive_timeout: 60s
    auth: none
YAML

my $HOST = "Host: a\r\n";

sub connected
{
	my ($r) = @_;
	my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $r->port, Timeout => slow(5)) or die "connect: $@";
	$sock->autoflush(1);
	return $sock;
}

# Everything until the other side closes; undef when that takes too long,
# "RESET…" when it is cut.
sub rest_of
{
	my ($sock, $seconds) = @_;
	my $select = IO::Select->new($sock);
	my ($end, $all) = (time + slow($seconds), '');
	while ((my $left = $end - time) > 0) {
		$select->can_read($left) or next;
		my $n = sysread $sock, $all, 65536, length $all;
		return "RESET $! $all" if !defined $n;
		return $all if $n == 0;
	}
	return undef;
}

sub start_daemon
{
	my ($name) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config($YAML);
	$r->start or return;
	return $r;
}

subtest 'http workers answer on TCP and on unix sockets' => sub {
	my $r = start_daemon('http') or return;

	for my $where ($r->port, $r->dir . '/web.sock') {
		my ($status, $body) = http_get($where, '/healthz');
		is("$status $body", qq(200 {"status":"ok"}\n), "healthz $where");
		($status, $body) = http_get($where, '/readyz');
		is($status, 200, 'readyz');
		($status, $body) = http_get($where, '/metrics');
		like($body, qr/^reeve_up 1$/m, 'metrics');
		($status, $body) = http_get($where, '/api/v1/pools?pool=web');
		is(decode_json($body)->{pools}[0]{ready}, 1, 'status');
	}
	my ($status, $body, $head) = http_get($r->port, '/nope');
	is($status, 404, 'another path is not found');
	is(decode_json($body)->{status}, 404, 'as a problem document says');
	($status, undef, $head) = http_request('POST', $r->port, '/healthz');
	is($status, 405, 'another method is not allowed');
	like($head, qr/^Allow: GET, HEAD\r?$/m, 'and those that are get named');
	$r->finish;
};

subtest 'a body too long does not reset the answer' => sub {
	my $r = start_daemon('long') or return;
	my $sock = connected($r);
	my $part = 'x' x 65536;

	print $sock "POST / HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\n";
	for (1 .. 10) {
		syswrite $sock, $part or last;
	}
	my $all = rest_of($sock, 10);
	like($all // 'nothing', qr{^HTTP/1\.1 413 .*\}\n\z}s,
		'it arrives whole, although the client kept sending');
	$r->finish;
};

subtest 'random bytes do no harm' => sub {
	my $r = start_daemon('random') or return;
	my ($pid) = $r->pids('web');
	my $seed = int rand 1e9;
	srand $seed;
	my @part = ("GET ", "POST / HTTP/1.1\r\n", $HOST, "\r\n", "\r\n\r\n",
		"Content-Length: ", "Transfer-Encoding: chunked\r\n", "0\r\n",
		"ffffffffffffffff", "\0", "\n", ":", "%", "/../");

	for (1 .. 300) {
		my $sock = connected($r);
		my $text = join '', map { rand() < 0.7 ? $part[rand @part]
			: chr int rand 256 } 1 .. 1 + rand 30;
		syswrite $sock, $text;
		close $sock;
	}
	my ($status) = http_get($r->port, '/healthz');
	is($status, 200, "the worker answers after 300 of them (seed $seed)");
	is(($r->pids('web'))[0], $pid, 'and is the same');
	is(($r->workers('web'))[0]{restarts}, 0, 'it never died');
	$r->finish;
};

subtest 'slow clients cannot hold a worker' => sub {
	my $r = start_daemon('slow') or return;

	my @slow = map { connected($r) } 1 .. 40;
	my $served = 0;
	my $end = time + slow(10);
	my %open = map { fileno($_) => $_ } @slow;
	my %seen;
	while (%open && time < $end) {
		for my $sock (values %open) {
			syswrite $sock, 'G' if !$seen{fileno $sock};
		}
		my ($status) = http_get($r->port, '/healthz');
		$served++ if $status == 200;
		last if $status != 200;
		for my $sock (IO::Select->new(values %open)->can_read(0.05)) {
			my $fd = fileno $sock;
			my $n = sysread $sock, $seen{$fd}, 4096,
				length($seen{$fd} // '');
			delete $open{$fd} if !$n;
		}
	}
	ok(!%open, 'clients that trickle are cut');
	is(scalar(grep { /^HTTP\/1\.1 408 / } values %seen), 40,
		'each with 408');
	cmp_ok($served, '>', 5, 'and others are served all the time');
	my ($w) = $r->workers('web');
	is($w->{restarts}, 0, 'by a worker that lives on');
	$r->finish;
};

subtest 'a worker full of slow clients serves again' => sub {
	my $r = start_daemon('full') or return;

	my @slow = map { connected($r) } 1 .. 60;	# more than max_connections
	syswrite $_, 'GET' for @slow;
	my ($status) = http_request('GET', $r->port, '/healthz', 10);
	is($status, 200, 'when it has cut them');
	$r->finish;
};

subtest 'a worker full of idle clients serves others' => sub {
	my $r = start_daemon('idle') or return;

	my @idle = map { connected($r) } 1 .. 60;	# more than max_connections
	syswrite $_, "GET /healthz HTTP/1.1\r\n$HOST\r\n" for @idle;
	my $from = time;
	my @status = map { (http_request('GET', $r->port, '/healthz', 10))[0] } 1 .. 20;
	is("@status", join(' ', (200) x 20), 'who comes anew');
	cmp_ok(time - $from, '<', slow(10), 'soon, though the limit of idleness is a minute');
	$r->finish;
};

subtest 'requests in one write and byte by byte are answered in order' => sub {
	my $r = start_daemon('pipe') or return;

	my $text = join '', map { "GET /$_ HTTP/1.1\r\n${HOST}"
		. ($_ == 50 ? "Connection: close\r\n" : '') . "\r\n" } 1 .. 50;
	my $sock = connected($r);
	print $sock $text;
	my $all = rest_of($sock, 10) // '';
	is(scalar(() = $all =~ m{^HTTP/1\.1 404 }mg), 50, 'fifty at once');

	$sock = connected($r);
	$text = "GET /healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n";
	syswrite $sock, $_ for split //, $text;
	like(rest_of($sock, 10) // '', qr/\{"status":"ok"\}\n\z/,
		'one in many pieces');
	$r->finish;
};

done_testing();
