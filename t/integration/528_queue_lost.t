#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What a worker has lost, and what it never knew it had.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(http_get send_signal slow wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

my $STREAM = 't:queue:{high}';

# Who has which entry.
sub owners
{
	my ($redis) = @_;
	return map { $_->[0] => $_->[1] }
		@{$redis->cmd('XPENDING', $STREAM, 'reeve', '-', '+', 100)};
}

subtest 'the outcome of a task that is lost is never told' => sub {
	my ($r, $redis) = node('lost', 'topics: { high: 1 }');
	$r->start or return;
	push_task($redis, '{"handler":"nap","id":"kept","reply":true}');
	ok(wait_until(sub { is_idle($redis) }, 10), 'one is done');
	wait_until { @{$redis->cmd('HGETALL', 't:task:kept')} } 5;
	my $record = $redis->hash('HGETALL', 't:task:kept');
	is($record->{state}, 'SUCCESS', 'its outcome is told');
	is($record->{epoch}, 1, 'with its epoch');
	cmp_ok($redis->cmd('TTL', 't:task:kept'), '>', 80000, 'for a day');

	push_task($redis, '{"handler":"nap","id":"lost","reply":true,"unique":"k"}');
	ok(wait_until(sub { grep { /^lost/ } runs($r) }, 10), 'another runs');
	my %owners = owners($redis);
	my ($entry) = keys %owners;
	$redis->cmd('XCLAIM', $STREAM, 'reeve', 'somebody', 0, $entry);
	ok(wait_until(sub { $r->pool_log('queue.high') =~ /lost .*lease is lost/ },
		10), 'it is taken by somebody: what its worker says is dropped');
	is_deeply($redis->cmd('HGETALL', 't:task:lost'), [], 'and not told');
	is_deeply({ owners($redis) }, { $entry => 'somebody' },
		'it stays with whom it is');
	$r->finish;
};

subtest 'what a killed worker had in hand is in flight no more' => sub {
	my ($r, $redis) = node('gauge', 'topics: { high: 1 }, healthy_after: 0s, crashes_max: 100');
	$r->start or return;
	my $gauge = sub {
		my (undef, $text) = http_get($r->socket, '/metrics');
		my ($n) = $text =~ /^reeve_queue_tasks_in_flight\{topic="high",handler="long"\} (\d+)$/m;
		return $n // 0;
	};
	push_task($redis, "{\"handler\":\"long\",\"id\":\"l$_\"}") for 1 .. 5;
	for my $runs (5, 10, 15) {
		ok(wait_until(sub { runs($r) == $runs }, 10), "$runs have begun");
		is($gauge->(), 5, 'five are in flight');
		send_signal('KILL', $r->pids('queue.high'));
	}
	ok(wait_until(sub { runs($r) == 20 }, 10), 'and again');
	$redis->cmd('PUBLISH', 't:control', "cancel l$_") for 1 .. 5;
	ok(wait_until(sub { $gauge->() == 0 }, 10), 'and none when they are cancelled');
	ok(wait_until(sub { is_idle($redis) }, 10), 'which is their end');
	$r->finish;
};

subtest 'what a worker held beside poison is none' => sub {
	my ($r, $redis) = node('beside', 'topics: { high: 1 }, healthy_after: 0s',
		handlers => "  kill: { kind: exec, command: [sh, -c,"
			. " 'kill -9 \$PPID; sleep 60'] }\n");
	$r->start or return;
	$redis->many((map { ['XADD', $STREAM, '*', 'task',
		"{\"handler\":\"nap\",\"id\":\"n$_\"}"] } 1 .. 5),
		['XADD', $STREAM, '*', 'task', '{"handler":"kill","id":"poison"}']);
	ok(wait_until(sub { is_idle($redis) }, 20), 'all come to an end');
	my @letters = dead_letters($redis);
	is(scalar(@letters), 1, 'one is a dead letter');
	like($letters[0]{reason}, qr/task poison died 3 times/, 'the poison');
	is(stats($redis)->{success}, 5, 'the others are done');
	$r->finish;
};

# What a worker reads, and never hears of: the answer goes to somebody who
# says that he is this worker.
sub read_as
{
	my ($redis, $name, $text) = @_;
	$redis->cmd('MULTI');
	$redis->cmd('XADD', $STREAM, '*', 'task', $text);
	$redis->cmd('XREADGROUP', 'GROUP', 'reeve', $name, 'STREAMS', $STREAM, '>');
	$redis->cmd('EXEC');
}

sub cut_connections
{
	my ($redis) = @_;
	$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
}

subtest 'a delivery that was lost with its connection comes again' => sub {
	my ($r, $redis) = node('unseen', 'topics: { high: 1 }');
	$r->start or return;
	push_task($redis, '{"handler":"long","id":"held"}');
	ok(wait_until(sub { runs($r) == 1 }, 10), 'one runs');
	my %owners = owners($redis);
	my ($name) = values %owners;
	read_as($redis, $name, "{\"handler\":\"note\",\"id\":\"u$_\"}") for 1 .. 3;
	is(pending($redis), 4, 'three more are its own, which it can not know');
	my $begun = time;
	cut_connections($redis);
	ok(wait_until(sub { runs($r) == 4 && pending($redis) == 1 }, 10),
		'they run when it is connected again');
	cmp_ok(time - $begun, '<', slow(6), 'and not after claim_after');
	is(scalar(grep { /^held/ } runs($r)), 1, 'what it had in hand goes on');
	my @row = @{$redis->cmd('XPENDING', $STREAM, 'reeve', '-', '+', 1)->[0]};
	is($row[3], 1, 'and is delivered no second time');
	like($r->pool_log('queue.high'), qr/took 3 tasks whose delivery was lost/,
		'which is told');
	$redis->cmd('PUBLISH', 't:control', 'cancel held');
	ok(wait_until(sub { is_idle($redis) }, 10), 'it can be cancelled');
	$r->finish;
};

subtest 'connections come and go, and each task runs once' => sub {
	my ($r, $redis) = node('cut', 'topics: [high, low], concurrency: 8');
	$r->start or return;
	push_task($redis, "{\"handler\":\"nap\",\"id\":\"n$_\"}") for 1 .. 60;
	for (1 .. 12) {
		sleep 0.15;
		cut_connections($redis);
	}
	ok(wait_until(sub { is_idle($redis) }, 20), 'all are done');
	my %runs;
	$runs{(split / /)[0]}++ for runs($r);
	is(scalar(keys %runs), 60, 'each has run');
	is_deeply([grep { $runs{$_} > 1 } keys %runs], [], 'none twice');
	is(stats($redis)->{success}, 60, 'and counts once');
	$r->finish;
};

done_testing();
