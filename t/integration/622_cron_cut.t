#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Three nodes, each cut from PostgreSQL, from Redis or from both at times, or
# stopped for longer than a node may be silent: each time of the plan has one
# run, no run is outside of the plan, and each run comes to its end.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use CronNode;
use Reeve qw(alive send_signal wait_until);
use Wire;

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

my ($DEFINITIONS, $EVERY_MS, $SECONDS) = (10, 250, $ENV{REEVE_CRON_SECONDS} // 6);

my $c = CronNode->new('cut');
my (@nodes, %wire);
for my $name (qw(a b c)) {
	my ($pg, $redis) = map { Wire->new($_) } $c->pg->port,
		$c->redis->{socket};
	$wire{$name} = [$pg, $redis];
	push @nodes, $c->node($name,
		pg => $c->pg->url =~ s/:\d+/':' . $pg->port/er,
		redis => 'unix://' . $redis->path,
		crontab => 'scan_interval: 1s, preload: 3s, node_timeout: 2s,'
			. ' reconcile_every: 1s, lock_expire: 10s, backoff_max: 200ms',
		pools => "  queue: { kind: queue, topics: [high], node_timeout: 2s,"
			. " lease: 3s, renew_every: 700ms, claim_after: 4s }\n");
}
$_->launch for @nodes;
$_->wait_ready for @nodes;

my $from = $c->sql("SELECT date_trunc('second', clock_timestamp()) + interval '1 s'");
$c->sql("INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type, rule,"
	. " topic, overlap, start_at, end_at, next_fire) SELECT 'd' || n, 'note', 'FIXED_RATE',"
	. " jsonb_build_object('every', $EVERY_MS, 'start', a, 'end', z), 'high', 'allow', a, z, a"
	. " FROM generate_series(1, $DEFINITIONS) n, (SELECT timestamptz '$from',"
	. " timestamptz '$from' + interval '$SECONDS s') t (a, z)");
my $until = time + 1 + $SECONDS;

my $seed = $ENV{REEVE_CRON_SEED} // time ^ $$;
srand $seed;
my @done;
while (time < $until - 1) {
	my $node = $nodes[rand 3];
	my $name = qw(a b c)[rand 3];
	my $which = int rand 4;
	my @cut = $which == 2 ? @{$wire{$name}} : $wire{$name}[$which % 2];
	my $pause = (0.1, 0.8, 2.5)[rand 3];
	push @done, "$name$which/$pause";
	if ($which == 3) {
		my @pids = grep { alive($_) } map { $node->pids($_) } 'crontab', 'queue';
		send_signal('STOP', @pids);
		sleep $pause;
		send_signal('CONT', grep { alive($_) } @pids);
	} elsif (rand 2 < 1) {
		$_->freeze for @cut;
		sleep $pause;
		$_->thaw for @cut;
	} else {
		$_->break for @cut;
		sleep $pause;
		$_->mend for @cut;
	}
	sleep rand 0.3;
}
note("seed $seed, did @done");

wait_until { $c->sql("SELECT count(*) FROM reeve.task_definitions"
	. ' WHERE next_fire IS NOT NULL') == 0 } 20, 'the plan comes to its end';
is($c->sql("WITH plan AS (SELECT d.id, t FROM reeve.task_definitions d, generate_series("
	. "timestamptz '$from', timestamptz '$from' + interval '$SECONDS s',"
	. " interval '$EVERY_MS ms') t), run AS (SELECT task_definition_id AS id,"
	. " fire_time AS t FROM reeve.task_instances)"
	. ' SELECT (SELECT count(*) FROM (TABLE plan EXCEPT ALL TABLE run) x),'
	. ' (SELECT count(*) FROM (TABLE run EXCEPT ALL TABLE plan) x)'), "0\t0",
	'each time of the plan has one run, and there is no other');
wait_until { $c->sql("SELECT count(*) FROM reeve.task_instances"
	. " WHERE status IN ('PENDING', 'RUNNING')") == 0 } 40, 'all of them end'
	or diag($c->sql("SELECT id, status, worker, epoch, due_at FROM reeve.task_instances"
		. " WHERE status IN ('PENDING', 'RUNNING') LIMIT 5"));
is($c->sql("SELECT string_agg(DISTINCT status, ' ') FROM reeve.task_instances"),
	'SUCCESS', 'all with success');
is($c->sql('SELECT count(*) FROM reeve.task_active'), 0, 'nothing is left over');
is(($nodes[0]->ctl('fsck'))[0], 0, 'PostgreSQL and Redis agree')
	or diag(($nodes[0]->ctl('fsck'))[1]);
diag("seed $seed, did @done") if !Test::More->builder->is_passing;
$_->finish for @nodes;
done_testing();
