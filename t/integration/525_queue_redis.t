#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Redis without memory, as a replica, loading: told, and over by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

sub logs { return $_[0]->pool_log('queue.high') }

subtest 'no memory' => sub {
	my ($r, $redis) = node('oom', 'topics: { high: 2 }');
	$r->start or return;
	$redis->cmd('SET', 't:queue:{high}:paused', 1);
	$redis->cmd('PUBLISH', 't:control', 'pause high');
	push_task($redis, '{"handler":"note"}', 20);
	push_task($redis, '{"handler":"fail"}', 3);
	$redis->cmd('CONFIG', 'SET', 'maxmemory', 1);
	$redis->cmd('DEL', 't:queue:{high}:paused');
	$redis->cmd('PUBLISH', 't:control', 'resume high');
	ok(wait_until(sub { logs($r) =~ /OOM/ }, 10), 'it is told');
	ok(wait_until(sub { pending($redis) == 3 }, 10), 'what needs none is done');
	is($redis->cmd('XLEN', 't:queue:{high}'), 3, 'the rest is kept');
	$redis->cmd('CONFIG', 'SET', 'maxmemory', 0);
	ok(wait_until(sub { is_idle($redis) }, 15), 'and done when there is some');
	is(scalar(dead_letters($redis)), 3, 'the failed ones are dead letters');
	is(scalar(runs($r)), 26, 'each ran as often as it should');
	$r->finish;
};

subtest 'a replica' => sub {
	my ($r, $redis) = node('replica', 'topics: { high: 2 }, concurrency: 4');
	$r->start or return;
	my @pids = $r->pids('queue.high');
	push_task($redis, "{\"handler\":\"nap\",\"id\":\"n$_\"}") for 1 .. 30;
	ok(wait_until(sub { runs($r) >= 8 }, 10), 'tasks run');
	$redis->cmd('REPLICAOF', '127.0.0.1', 1);
	ok(wait_until(sub { logs($r) =~ /READONLY|replica/ }, 10), 'it is told');
	sleep 1;
	my $lines = () = logs($r) =~ /\n/g;
	cmp_ok($lines, '<', 200, "in $lines lines");
	$redis->cmd('REPLICAOF', 'NO', 'ONE');
	ok(wait_until(sub { is_idle($redis) }, 20), 'all is done after it');
	my %ids = map { (split / /)[0] => 1 } runs($r);
	is(scalar(keys %ids), 30, 'each has run');
	is("@{[$r->pids('queue.high')]}", "@pids", 'by the workers of the start');
	$r->finish;
};

subtest 'a server that loads its data' => sub {
	my ($r, $redis) = node('loading', 'topics: { high: 2 }', redis => [
		'--key-load-delay', 3000, '--loading-process-events-interval-bytes', 1024]);
	$redis->many(map { ['SET', "x:$_", 'y' x 500] } 1 .. 500);
	$r->start or return;
	my @pids = $r->pids('queue.high');
	push_task($redis, '{"handler":"note"}', 5);
	ok(wait_until(sub { is_idle($redis) }, 10), 'tasks are done');
	$redis->cmd('SET', 't:queue:{high}:paused', 1);
	$redis->cmd('PUBLISH', 't:control', 'pause high');
	push_task($redis, '{"handler":"note"}', 5);
	$redis->cmd('DEL', 't:queue:{high}:paused');
	$redis->cmd('SAVE');
	$redis->kill9;
	$redis->start;
	like(logs($r), qr/loading/i, 'it is told');
	ok(wait_until(sub { is_idle($redis) }, 40), 'and they go on after it')
		or diag(logs($r));
	is("@{[$r->pids('queue.high')]}", "@pids", 'by the workers of the start');
	$r->finish;
};

done_testing();
