#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A reload and a stop cut no client that is owed an answer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(http_get slow wait_until);

my $REQUEST = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

sub yaml
{
	my ($max_body, $linger) = @_;
	return <<"YAML";
processes:
  web:
    kind: http
    count: 2
    listen: "127.0.0.1:\@PORT\@"
    max_body: $max_body
    linger: $linger
    stop_timeout: 5s
YAML
}

sub connected
{
	my ($r) = @_;
	my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $r->port, Timeout => slow(5)) or die "connect: $@";
	$sock->autoflush(1);
	return $sock;
}

# One answer, "" when the connection ends before it.
sub answer_of
{
	my ($sock) = @_;
	my $select = IO::Select->new($sock);
	my ($end, $all) = (time + slow(10), '');
	while ((my $left = $end - time) > 0) {
		$select->can_read($left) or next;
		sysread $sock, $all, 65536, length $all or return '';
		return $all if $all =~ /\{"status":"ok"\}\n\z/;
	}
	return '';
}

subtest 'an idle connection gets one more answer after a reload' => sub {
	my $r = Reeve->new(name => 'idle');
	$r->write_config(yaml('1M', '20s'));
	$r->start or return;
	my @old = $r->pids('web');
	my @idle = map { connected($r) } 1 .. 10;
	my $half = connected($r);
	for my $sock (@idle) {
		print $sock $REQUEST;
		like(answer_of($sock), qr/^HTTP\/1\.1 200/, 'one is served');
	}
	print $half substr $REQUEST, 0, 10;

	$r->write_config(yaml('2M', '20s'));
	ok($r->reload, 'the pool is rolled');
	wait_until {
		my %now = map { $_ => 1 } $r->pids('web');
		!grep { $now{$_} } @old;
	} 10, 'the old workers drain';

	for my $sock (@idle) {
		print $sock $REQUEST;
		like(answer_of($sock), qr/^Connection: close\r$/m,
			'the next request is answered, with close');
		ok(!sysread($sock, my $rest, 1), 'and then it ends');
	}
	print $half substr $REQUEST, 10;
	like(answer_of($half), qr/^HTTP\/1\.1 200/,
		'a request that was half there is answered as well');
	close $_ for @idle, $half;
	wait_until { !grep { kill 0, $_ } @old } 10, 'the old workers leave';
	$r->finish;
};

subtest 'keep-alive clients do not notice twenty reloads' => sub {
	my $r = Reeve->new(name => 'reloads');
	$r->write_config(yaml('1M', '1s'));
	$r->start or return;

	my ($asked, $failed, @socks) = (0, 0);
	for my $round (1 .. 20) {
		$r->write_config(yaml($round * 1024, '1s'));
		$r->signal('HUP');
		for (1 .. 50) {
			my $i = $_ % 8;
			my $sock = $socks[$i] //= connected($r);
			print $sock $REQUEST;
			my $answer = answer_of($sock);
			$asked++;
			$failed++ if $answer !~ /^HTTP\/1\.1 200/;
			delete $socks[$i]
				if !$answer || $answer =~ /^Connection: close/m;
		}
	}
	is($failed, 0, "of $asked requests none failed");
	$r->finish;
};

subtest 'clients that say nothing do not hold up a stop' => sub {
	my $r = Reeve->new(name => 'stop');
	$r->write_config(yaml('1M', '300ms'));
	$r->start or return;

	my @idle = map { connected($r) } 1 .. 4;
	print { $idle[0] } $REQUEST;
	like(answer_of($idle[0]), qr/^HTTP\/1\.1 200/, 'one is served');
	print { $idle[1] } 'GET /heal';
	my $start = time;
	$r->finish;
	cmp_ok(time - $start, '<', slow(8), 'it ends by stop_timeout');
};

done_testing();
