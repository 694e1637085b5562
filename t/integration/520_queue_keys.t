#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Keys of uniqueness, and pauses that begin before the workers do.
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

subtest 'a task with a unique key runs once' => sub {
	my ($r, $redis) = node('unique', 'topics: { high: 1 }');
	$r->start or return;
	push_task($redis, "{\"handler\":\"note\",\"id\":\"u$_\",\"unique\":\"k$_\"}")
		for 1 .. 20;
	ok(wait_until(sub { (stats($redis)->{success} // 0) == 20 }, 10),
		'each is done');
	is(scalar(runs($r)), 20, 'and was begun once');
	is_deeply($redis->cmd('KEYS', 't:*:unique:*'), [], 'their keys are free');
	push_task($redis, '{"handler":"nap","unique":"k"}', 8);
	ok(wait_until(sub { is_idle($redis) }, 10), 'of eight with one key');
	is(stats($redis)->{duplicate}, 7, 'seven are duplicates');
	is(scalar(runs($r)), 21, 'and one has run');
	is_deeply($redis->cmd('KEYS', 't:*:unique:*'), [], 'its key is free');
	$r->finish;
};

subtest 'a unique task without an id survives its worker' => sub {
	my ($r, $redis) = node('nameless', 'topics: { high: 1 }, healthy_after: 0s, stop_timeout: 2s');
	$r->start or return;
	push_task($redis, '{"handler":"long","unique":"k"}');
	ok(wait_until(sub { runs($r) == 1 }, 10), 'it runs');
	send_signal('KILL', $r->pids('queue.high'));
	ok(wait_until(sub { runs($r) == 2 }, 15), 'and again after the loss');
	my ($one, $two) = map { [split / /] } runs($r);
	is($two->[0], $one->[0], 'under the same id');
	cmp_ok($two->[1], '>', $one->[1], 'and a higher epoch');
	is(stats($redis)->{duplicate}, undef, 'it is no duplicate of itself');
	$redis->cmd('PUBLISH', 't:control', "cancel $one->[0]");
	ok(wait_until(sub { is_idle($redis) }, 10), 'it can be cancelled');
	is_deeply($redis->cmd('KEYS', 't:*:unique:*'), [], 'its key is free');
	$r->finish;
};

subtest 'nothing is read from a topic that was paused before' => sub {
	my ($r, $redis) = node('paused', 'topics: { high: 2 }');
	$redis->cmd('SET', 't:queue:{high}:paused', 1);
	push_task($redis, '{"handler":"note"}', 10);
	$r->start or return;
	sleep 1;
	is(scalar(runs($r)), 0, 'none has begun');
	is($redis->cmd('XLEN', 't:queue:{high}'), 10, 'all wait');
	is(pending($redis), 0, 'in the queue');
	$redis->cmd('DEL', 't:queue:{high}:paused');
	$redis->cmd('PUBLISH', 't:control', 'resume high');
	ok(wait_until(sub { is_idle($redis) }, 10), 'and run when it is resumed');
	for (1 .. 10) {
		$redis->cmd('SET', 't:queue:{high}:paused', 1);
		$redis->cmd('PUBLISH', 't:control', 'pause high');
		wait_until { my @lines = $r->pool_log('queue.high') =~ /is paused/g;
			@lines >= 2 * $_ } 5;
		sleep 0.3;
		push_task($redis, '{"handler":"note"}', 3);
		sleep 0.1;
		last if pending($redis) != 0;
		$redis->cmd('DEL', 't:queue:{high}:paused');
		$redis->cmd('PUBLISH', 't:control', 'resume high');
		wait_until { is_idle($redis) } 10;
	}
	is(pending($redis), 0, 'no waiting read takes any after a pause');
	$r->finish;
};

done_testing();
