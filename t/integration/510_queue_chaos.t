#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Whatever dies, every task runs: workers, governor, master's reloads, Redis.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(is_sanitized send_signal slow slurp wait_until);
use RedisServer;
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

# Leases are short where the test waits for their end, and longer where a busy
# machine is not to lose them.
my $LONG = 'lease: 3s, renew_every: 500ms, claim_after: 5s, node_timeout: 2s';
my $SHORT = 'lease: 1s, renew_every: 250ms, claim_after: 2s, node_timeout: 1s';

sub node
{
	my ($name, $work, $lease, @redis) = @_;
	# Only the poison is told by the deaths: elsewhere they are our deed.
	my $crashes = $name eq 'poison' ? 3 : 100;
	my $r = Reeve->new(name => $name);
	my $redis = RedisServer->new($r->dir, @redis);
	my $url = $redis->url;
	$r->write_config(<<"YAML");
redis: { url: "$url", prefix: "t:" }
handlers:
  work: { kind: exec, command: [sh, -c, '$work'], timeout: 60s, retry: { max: 20, base: 100ms, cap: 1s } }
  kill: { kind: exec, command: [sh, -c, '$work; kill -9 \$PPID; sleep 60'] }
processes:
  queue: { kind: queue, topics: { high: 3 }, concurrency: 16, lease: 3s, renew_every: 500ms, claim_after: 5s, node_timeout: 2s, healthy_after: 0s, crashes_max: $crashes }
YAML
	return ($r, $redis);
}

sub push_all
{
	my ($redis, $count) = @_;
	$redis->many(map { ['XADD', 't:queue:{high}', '*', 'task',
		"{\"id\":\"task-$_\",\"handler\":\"work\"}"] } 1 .. $count);
}

sub runs_of
{
	my ($r) = @_;
	my %runs;
	$runs{$_}++ for split /\n/, slurp("$r->{dir}/done") // '';
	return \%runs;
}

sub is_idle
{
	my ($redis) = @_;
	# Both in one: a retry moves from one to the other.
	return eval { $redis->cmd('EVAL', "return redis.call('XLEN', KEYS[1])"
		. " + redis.call('ZCARD', KEYS[2])", 2, 't:queue:{high}',
		't:queue:{high}:delayed') == 0 };
}

subtest 'every task runs while workers are killed, stopped, told to go' => sub {
	my ($r, $redis) = node('chaos', 'sleep 0.02; echo $REEVE_TASK_ID >> @DIR@/done', $LONG);
	my $count = is_sanitized() ? 600 : 2000;
	$r->start or return;
	push_all($redis, $count);
	my @what = qw(KILL TERM STOP KILL);
	my $kills = 0;
	my $until = time + slow(5);
	while (time < $until && !is_idle($redis)) {
		my @pids = $r->pids('queue.high');
		if (@pids) {
			my $pid = $pids[rand @pids];
			my $signal = $what[rand @what];
			send_signal($signal, $pid);
			$kills++;
			send_signal('CONT', $pid) if $signal eq 'STOP' && rand > 0.5;
		}
		send_signal('KILL', $r->pids('governor')) if rand > 0.9;
		$r->signal('HUP') if rand > 0.8;
		sleep 0.1;
	}
	send_signal('CONT', $r->pids('queue.high'));
	cmp_ok($kills, '>', 5, "$kills signals were sent");
	ok(wait_until(sub { is_idle($redis) }, 40), 'the topic is empty in the end')
		or diag(explain $redis->cmd('XPENDING', 't:queue:{high}', 'reeve'));
	my $runs = runs_of($r);
	is(scalar keys %$runs, $count, 'every id has run');
	my $more = grep { $_ > 1 } values %$runs;
	cmp_ok($more, '<=', $kills * 16, "$more ran twice: no more than were killed");
	is($redis->cmd('XPENDING', 't:queue:{high}', 'reeve')->[0], 0,
		'nothing is pending');
	$r->finish;
};

subtest 'every task runs while Redis is killed and comes back' => sub {
	my ($r, $redis) = node('redis', 'sleep 0.02; echo $REEVE_TASK_ID >> @DIR@/done', $LONG,
		'--appendonly', 'yes', '--appendfsync', 'always');
	my $count = 600;
	$r->start or return;
	push_all($redis, $count);
	my @pids = $r->pids('queue.high');
	for (1 .. 3) {
		sleep 0.5;
		$redis->kill9;
		sleep 0.3;
		$redis->start;
	}
	ok(wait_until(sub { is_idle($redis) }, 40), 'the topic is empty in the end');
	is(scalar keys %{runs_of($r)}, $count, 'every id has run');
	is("@{[sort $r->pids('queue.high')]}", "@{[sort @pids]}",
		'by the workers of the start');
	$r->finish;
};

subtest 'a task that kills its worker is a dead letter after three' => sub {
	my ($r, $redis) = node('poison', 'echo $REEVE_TASK_ID >> @DIR@/done', $LONG);
	$r->start or return;
	$redis->cmd('XADD', 't:queue:{high}', '*', 'task', '{"id":"poison","handler":"kill"}');
	ok(wait_until(sub { $redis->cmd('XLEN', 't:queue:{high}:dead') == 1 }, 30),
		'it becomes one') or diag($r->log);
	my %letter = @{$redis->cmd('XRANGE', 't:queue:{high}:dead', '-', '+')->[0][1]};
	like($letter{reason}, qr/task poison died 3 times, the last of SIGKILL, peak memory [1-9][\d.]* MiB/,
		'with the reason');
	is(runs_of($r)->{poison}, 3, 'after three runs');
	like($letter{task}, qr/"id":"poison"/, 'and the task');
	push_all($redis, 20);
	ok(wait_until(sub { is_idle($redis) }, 20), 'the pool lives on');
	is(scalar keys %{runs_of($r)}, 21, 'and works');
	$r->finish;
};

subtest 'a long task outlives its lease by renewal' => sub {
	my ($r, $redis) = node('lease', 'echo $REEVE_TASK_ID >> @DIR@/done; sleep 3', $SHORT);
	$r->start or return;
	push_all($redis, 1);
	ok(wait_until(sub { is_idle($redis) }, 20), 'it is done after 3 s');
	is_deeply(runs_of($r), { 'task-1' => 1 }, 'once, under a lease of 1 s');
	$r->finish;
};

subtest 'a worker that sleeps through its lease is fenced' => sub {
	my ($r, $redis) = node('fence', 'echo $REEVE_TASK_ID $REEVE_EPOCH >> @DIR@/done; sleep 2; echo end >> @DIR@/ends',
		$SHORT);
	$r->start or return;
	push_all($redis, 1);
	my ($owner);
	wait_until { my $p = $redis->cmd('XPENDING', 't:queue:{high}', 'reeve', '-', '+', 1);
		$owner = $p->[0][1] if @$p; -e "$r->{dir}/done" } 10;
	my ($pid) = $owner =~ m{/(\d+)$};
	send_signal('STOP', $pid);
	ok(wait_until(sub { (() = (slurp("$r->{dir}/done") // '') =~ /task-1/g) == 2 }, 20),
		'another takes it over');
	send_signal('CONT', $pid);
	ok(wait_until(sub { is_idle($redis) }, 20), 'it is done');
	ok(wait_until(sub { $r->pool_log('queue.high') =~ /its lease is lost/ }, 10),
		'and the sleeper\'s result is dropped');
	is($redis->hash('HGETALL', 't:queue:{high}:stats')->{success}, 1, 'it counts once');
	$r->finish;
};

subtest 'what is deleted in Redis is made again' => sub {
	my ($r, $redis) = node('mend', 'echo $REEVE_TASK_ID >> @DIR@/done', $LONG);
	$r->start or return;
	push_all($redis, 3);
	ok(wait_until(sub { keys %{runs_of($r)} == 3 }, 10), 'it works');
	$redis->cmd('FLUSHALL');
	$redis->cmd('SCRIPT', 'FLUSH');
	push_all($redis, 6);
	ok(wait_until(sub { keys %{runs_of($r)} == 6 }, 20), 'after FLUSHALL');
	$redis->cmd('XGROUP', 'DESTROY', 't:queue:{high}', 'reeve');
	push_all($redis, 9);
	ok(wait_until(sub { keys %{runs_of($r)} == 9 }, 20), 'without its group');
	$redis->cmd('DEL', 't:queue:{high}');
	$redis->cmd('SET', 't:queue:{high}', 'no stream');
	ok(wait_until(sub { $r->pool_log('queue.high') =~ /WRONGTYPE/ }, 20),
		'a key of another type is told');
	$redis->cmd('DEL', 't:queue:{high}');
	push_all($redis, 12);
	ok(wait_until(sub { keys %{runs_of($r)} == 12 }, 20), 'and mended');
	$r->finish;
};

done_testing();
