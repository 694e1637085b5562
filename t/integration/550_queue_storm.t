#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# 100,000 tasks while workers, governor, master and Redis are killed, stopped,
# told to reload and scaled: every one runs, nothing is left pending.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(is_sanitized send_signal slow slurp wait_until);
use RedisServer;
use Test::More;
use Time::HiRes qw(sleep time);

my $top = $ENV{builddir} // "$FindBin::Bin/../../build";
my $plugin = "$top/t/plugins/record.so";
my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;
plan skip_all => 'the sample plugin is not built' if !-e $plugin;

my $COUNT = is_sanitized() ? 20_000 : 100_000;
my $r = Reeve->new(name => 'queuestorm');
my $redis = RedisServer->new($r->dir, '--appendonly', 'yes',
	'--appendfsync', 'everysec');
my $url = $redis->url;
$r->write_config(<<"YAML");
redis: { url: "$url", prefix: "t:" }
handlers:
  record: { kind: plugin, path: "$plugin", config: "\@DIR\@/done" }
processes:
  queue: { kind: queue, topics: { high: { min: 1, max: 6, initial: 3 } }, concurrency: 32,
    lease: 3s, renew_every: 500ms, claim_after: 5s, node_timeout: 2s,
    healthy_after: 0s, backoff_max: 500ms, crashes_max: 100 }
YAML
$r->start or BAIL_OUT('no daemon');
$redis->many(map { ['XADD', 't:queue:{high}', '*', 'task',
	"{\"id\":\"t$_\",\"handler\":\"record\"}"] } 1 .. $COUNT);

sub is_idle
{
	# Both in one: a retry moves from one to the other.
	return eval { $redis->cmd('EVAL', "return redis.call('XLEN', KEYS[1])"
		. " + redis.call('ZCARD', KEYS[2])", 2, 't:queue:{high}',
		't:queue:{high}:delayed') == 0 };
}

# The daemon is killed and another takes its place at once.
sub replace_master
{
	$r->kill9;
	wait_until { !$r->strays } slow(5);
	$r->launch;
	$r->wait_up;
}

my %said;
my @deeds = (
	(map { my $signal = $_; ["worker $signal" => sub {
		my @pids = $r->pids('queue.high') or return;
		my $pid = $pids[rand @pids];
		send_signal($signal, $pid);
		if ($signal eq 'STOP' && rand > 0.4) {
			sleep 0.05;
			send_signal('CONT', $pid);
		}
	}] } qw(KILL KILL TERM STOP)),
	['reload' => sub { $r->signal('HUP') }],
	['scale' => sub {
		$redis->cmd('SET', 't:consumers', 'high: ' . (1 + int rand 6)) }],
	['governor' => sub { send_signal('KILL', $r->pids('governor')) }],
	['master' => sub { replace_master() }],
	['redis' => sub {
		# What was acknowledged in the last second may come again.
		$redis->kill9;
		sleep 0.1;
		$redis->start;
	}],
);

my $slots = 0;
my $until = time + slow(20);
while (time < $until && !is_idle()) {
	my $deed = $deeds[rand @deeds];
	eval { $deed->[1]->() };
	$said{$deed->[0]}++;
	my $now = eval { @{$redis->cmd('XINFO', 'CONSUMERS', 't:queue:{high}', 'reeve')} } // 0;
	$slots = $now if $now > $slots;
	sleep 0.2;
}
note(join ', ', map { "$_: $said{$_}" } sort keys %said);
eval { send_signal('CONT', $r->pids('queue.high')) };
$redis->cmd('SET', 't:consumers', 'high: 4');
ok(wait_until(sub { is_idle() }, 90), 'the topic is empty in the end')
	or diag(explain eval { $redis->cmd('XPENDING', 't:queue:{high}', 'reeve') });

my %runs;
$runs{$_}++ for split /\n/, slurp("$r->{dir}/done") // '';
my @never = grep { !$runs{"t$_"} } 1 .. $COUNT;
is(scalar @never, 0, 'every id has run at least once')
	or diag("never: @never[0 .. ($#never > 9 ? 9 : $#never)]");
my $twice = grep { $_ > 1 } values %runs;
note("$twice of $COUNT ran more than once");
is($redis->cmd('XPENDING', 't:queue:{high}', 'reeve')->[0], 0, 'nothing is pending');
ok(wait_until(sub { @{$redis->cmd('XINFO', 'CONSUMERS', 't:queue:{high}', 'reeve')} <= 6 }, 30),
	'no consumer is left behind');
$r->finish;
done_testing();
