#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Two nodes, and whatever may die dies: each time of the plan has one run, no
# run is outside of the plan, and each run comes to its end.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use CronNode;
use Reeve qw(alive send_signal slow wait_until);

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

# So many at once that they are fired in great batches, too.
my ($DEFINITIONS, $EVERY_MS, $SECONDS) = (110, 1000, $ENV{REEVE_CRON_SECONDS} // 6);

my $c = CronNode->new('once', redis => ['--appendonly', 'yes', '--appendfsync', 'always'],
	settings => { fsync => 'on' });
my ($redis, $pg) = ($c->redis, $c->pg);
my %more = (crontab => 'count: 2, scan_interval: 1s, preload: 3s, node_timeout: 3s,'
		. ' reconcile_every: 1s, backoff_max: 200ms',
	pools => "  queue: { kind: queue, topics: [high], node_timeout: 3s,"
		. " lease: 4s, renew_every: 1s, claim_after: 5s, backoff_max: 200ms }\n");
my @nodes = map { $c->node($_, %more) } qw(a b);
$_->start or BAIL_OUT('no daemon') for @nodes;

# The plan: so many definitions, from two seconds on.
my $from = $c->sql("SELECT date_trunc('second', clock_timestamp()) + interval '2 s'");
$c->sql("INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type, rule,"
	. " topic, overlap, start_at, end_at, next_fire) SELECT 'd' || n, 'note', 'FIXED_RATE',"
	. " '{\"every\":$EVERY_MS}', 'high', 'allow', '$from', timestamptz '$from'"
	. " + interval '$SECONDS s', '$from' FROM generate_series(1, $DEFINITIONS) n");
my $until = time + 2 + $SECONDS;

# What may happen, each at random.
my @pick = map { my $pool = $_; sub {
	my @pids = $nodes[rand 2]->pids($pool);
	send_signal('KILL', $pids[rand @pids]) if @pids;
} } qw(crontab crontab queue);
push @pick, sub {
	my @pids = $nodes[rand 2]->pids('crontab');
	my $pid = $pids[rand @pids] // return;
	send_signal('STOP', $pid);
	sleep 1.5;
	send_signal('CONT', $pid) if alive($pid);
};
push @pick, sub { $pg->restart(rand 2 < 1 ? 'immediate' : 'fast') };
push @pick, sub { $redis->kill9; sleep rand 0.5; $redis->start };
push @pick, sub {
	my $node = $nodes[rand 2];
	send_signal('KILL', $node->pid);
	waitpid $node->pid, 0;
	sleep 0.3;
	$node->launch;
};
my $seed = $ENV{REEVE_CRON_SEED} // time ^ $$;
srand $seed;
my @done;
while (time < $until - 1) {
	my $i = int rand @pick;
	push @done, $i;
	$pick[$i]->();
	sleep 0.2 + rand 0.5;
}
$_->wait_ready for @nodes;
note("seed $seed, did @done");

wait_until { eval { $c->sql("SELECT count(*) FROM reeve.task_definitions"
	. ' WHERE next_fire IS NOT NULL') == 0 } } 20, 'the plan comes to its end';
is($c->sql("WITH plan AS (SELECT d.id, t FROM reeve.task_definitions d, generate_series("
	. "timestamptz '$from', timestamptz '$from' + interval '$SECONDS s',"
	. " interval '$EVERY_MS ms') t), run AS (SELECT task_definition_id AS id,"
	. " fire_time AS t FROM reeve.task_instances)"
	. ' SELECT (SELECT count(*) FROM (TABLE plan EXCEPT ALL TABLE run) x),'
	. ' (SELECT count(*) FROM (TABLE run EXCEPT ALL TABLE plan) x)'), "0\t0",
	'each time of the plan has one run, and there is no other');
my $late = $c->sql('SELECT extract(epoch FROM max(created_at - fire_time))'
	. ' FROM reeve.task_instances');
cmp_ok($late, '<', slow(8), "whoever dies, another fires: the latest by $late s");
wait_until { eval { $c->sql("SELECT count(*) FROM reeve.task_instances"
	. " WHERE status IN ('PENDING', 'RUNNING')") == 0 } } 50, 'all of them end'
	or diag($c->sql("SELECT id, status, worker, epoch, due_at FROM reeve.task_instances"
		. " WHERE status IN ('PENDING', 'RUNNING') LIMIT 5"));
is($c->sql("SELECT string_agg(DISTINCT status, ' ') FROM reeve.task_instances"),
	'SUCCESS', 'all with success');
my %seen = map { (split)[0] => 1 } $c->runs;
is(scalar keys %seen, $DEFINITIONS * (1000 * $SECONDS / $EVERY_MS + 1),
	'all were carried out');
is($c->sql('SELECT count(*) FROM reeve.task_active'), 0, 'nothing is left over');
diag("seed $seed, did @done") if !Test::More->builder->is_passing;
# What was killed with a daemon is nobody's child.
$_->finish for @nodes;
done_testing();
