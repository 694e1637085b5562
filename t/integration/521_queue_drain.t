#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Workers that go, and what they leave to others.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(send_signal slow wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

subtest 'a worker that is told to go leaves nothing pending' => sub {
	my ($r, $redis) = node('drain', 'topics: { high: 3 }, concurrency: 4');
	$r->start or return;
	push_task($redis, '{"handler":"nap"}', 40);
	ok(wait_until(sub { runs($r) > 5 }, 10), 'tasks run');
	my $begun = time;
	$r->signal('TERM');
	is($r->wait_exit, 0, 'the daemon ends');
	cmp_ok(time - $begun, '<', slow(5), 'soon');
	is(pending($redis), 0, 'nothing is pending');
	is(stats($redis)->{success}, scalar(runs($r)), 'all that began is done');
	is($redis->cmd('XLEN', 't:queue:{high}'), 40 - runs($r), 'the rest waits');
};

subtest 'idle workers go at once, also when told just after a read' => sub {
	my ($r, $redis) = node('idle', 'topics: [high, common, low], count: 2');
	$r->start or return;
	my $begun = time;
	for (1 .. 3) {
		my @pids = $r->pids('queue');
		push_task($redis, '{"handler":"note"}', 2);
		send_signal('TERM', @pids);
		ok(wait_until(sub { my @now = $r->pids('queue');
			@now == 2 && !grep { my $p = $_; grep { $_ == $p } @pids } @now },
			10), 'they are replaced');
	}
	cmp_ok(time - $begun, '<', slow(15), 'without waiting for their reads');
	ok(wait_until(sub { is_idle($redis) }, 10), 'and nothing was left');
	$r->finish;
};

subtest 'a worker takes over no more than it may run' => sub {
	my ($r, $redis) = node('room', 'topics: { high: 3 }, concurrency: 4, healthy_after: 0s, stop_timeout: 2s');
	$r->start or return;
	push_task($redis, '{"handler":"long"}', 12);
	ok(wait_until(sub { runs($r) == 12 }, 10), 'three workers are full');
	$redis->cmd('SET', 't:consumers', 'high: 1');
	ok(wait_until(sub { 1 == grep { $_->{pid} } $r->workers('queue.high') }, 15),
		'two have to go');
	is(scalar(runs($r)), 12, 'the third has no room for what they held');
	send_signal('KILL', $r->pids('queue.high'));
	ok(wait_until(sub { runs($r) >= 16 }, 15), 'a new one takes from them');
	sleep 1;
	is(scalar(runs($r)), 16, 'and begins as many as its concurrency');
	$r->finish;
};

subtest 'what a dead worker has put aside is not forgotten' => sub {
	my ($r, $redis) = node('aside', 'topics: { high: 2 }, healthy_after: 0s, stop_timeout: 2s');
	$r->start or return;
	push_task($redis, '{"handler":"fail","id":"f"}');
	ok(wait_until(sub { $redis->cmd('ZCARD', 't:queue:{high}:delayed') == 1 }, 10),
		'a failed task waits');
	$redis->cmd('ZADD', 't:queue:{high}:delayed', 1, '{"handler":"note","id":"foreign"}');
	ok(wait_until(sub { is_idle($redis) }, 15), 'it is done, and so is one of '
		. 'which nobody was told');
	is(scalar(grep { /^foreign / } runs($r)), 1, 'once');
	$r->finish;
};

done_testing();
