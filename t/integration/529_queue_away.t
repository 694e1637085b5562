#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Redis is away under load: the workers wait without spinning, come back and
# go on, and nothing is lost.  REEVE_TEST_AWAY_S=60 makes it a minute.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use QueueNode;
use Reeve qw(is_sanitized wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

my $AWAY = $ENV{REEVE_TEST_AWAY_S} // 8;
my $TASKS = 240;
my $HZ = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# Seconds of CPU that a process has used; what it waited for not counted.
sub cpu_of
{
	my ($pid) = @_;
	my @fields = Reeve::proc_stat($pid);
	return ($fields[11] + $fields[12]) / $HZ;
}

my ($r, $redis) = node('away', 'topics: { high: 2 }, concurrency: 16',
	redis => ['--appendonly', 'yes', '--appendfsync', 'always']);
$r->start or BAIL_OUT('no daemon');
my %pids = map { $_ => [$r->pids($_)] } qw(queue.high governor);
push_task($redis, "{\"handler\":\"nap\",\"id\":\"n$_\"}") for 1 .. $TASKS;
ok(wait_until(sub { runs($r) > 60 }, 10), 'tasks run');

$redis->kill9;
# What they run has come to its end by then.
sleep 1;
my %before = map { $_ => cpu_of($_) } $r->pid, map { @$_ } values %pids;
my $ran = runs($r);
my $since = time;
sleep $AWAY - 1;
for my $pool (sort keys %pids) {
	for my $pid (@{ $pids{$pool} }) {
		my $used = cpu_of($pid) - $before{$pid};
		my $limit = (is_sanitized() ? 0.03 : 0.01) * $AWAY + 0.05;
		cmp_ok($used, '<=', $limit, sprintf '%s uses %.2f s of CPU in %.1f s',
			$pool, $used, time - $since);
	}
}
cmp_ok(cpu_of($r->pid) - $before{$r->pid}, '<=', 0.05, 'the master none');
is(scalar(runs($r)), $ran, 'nothing is begun meanwhile');
cmp_ok($ran, '<', $TASKS, 'and much is still to be done');
my $lines = () = $r->pool_log('queue.high') =~ /\n/g;
cmp_ok($lines, '<', 100, "it is told in $lines lines");

$redis->start;
ok(wait_until(sub { is_idle($redis) }, 30), 'all is done when it is back');
is(pending($redis), 0, 'nothing is pending');
my %runs;
$runs{(split / /)[0]}++ for runs($r);
is(scalar(keys %runs), $TASKS, 'every task has run');
# Longer than its lease nothing is held: what was in hand is run again.
is_deeply([grep { $runs{$_} > 1 } keys %runs], [], 'each of them once') if $AWAY < 15;
is_deeply([map { $r->pids($_) } sort keys %pids], [map { @{ $pids{$_} } } sort keys %pids],
	'by the processes of the start');
is(scalar(dead_letters($redis)), 0, 'there are no dead letters');
$r->finish;

done_testing();
