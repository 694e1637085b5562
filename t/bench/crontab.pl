#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# crontab - definitions that are due together, and many that are not
#
# 10,000 definitions are due in the same second: how late is each, to the
# moment it is written, to the start of its handler (a plugin that does
# nothing), and to its end?  Then 100,000 definitions of which none is due:
# what do they cost a worker?  Redis, PostgreSQL and the node share the machine.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use Bench qw(figure median percentile pss_kb say_step);
use Time::HiRes qw(sleep);
use CronNode;
use Reeve qw(program run_command slurp wait_until);

my ($DUE, $HELD, $ROUNDS, $IDLE_S) = (10000, 100000, 3, 20);

Bench->goals(
	crontab_written_p99 => '<= 300 ms',
	crontab_start_p99 => '<= 500 ms',
	crontab_held_pss => '<= 64 MB',
	crontab_held_cpu => '0 %',
);
CronNode::is_there() or die "bench: no PostgreSQL here\n";

my $c = CronNode->new('bench-cron', redis => ['--appendonly', 'yes'],
	settings => { fsync => 'on', full_page_writes => 'on', shared_buffers => '256MB' });
my $plugin = program('../t/plugins/echo.so');
run_command(60, 'make', '-s', '-C', program('..'), 't/plugins/echo.so');
my $r = $c->node('a',
	handlers => "  echo: { kind: plugin, path: $plugin }\n",
	pools => "  queue: { kind: queue, topics: { high: 1 }, concurrency: 1000 }\n");
$r->start or die $r->log;

# Milliseconds from the planned time to a column's.
sub late
{
	my ($from, $column) = @_;
	return sort { $a <=> $b } split /\n/, $c->sql("SELECT extract(epoch FROM"
		. " $column - fire_time) * 1000 FROM reeve.task_instances"
		. " WHERE fire_time = '$from'");
}

my %all;
for my $round (1 .. $ROUNDS) {
	say_step("$DUE definitions in one second, round $round of $ROUNDS");
	$c->sql('TRUNCATE reeve.task_definitions CASCADE');
	my $from = $c->sql("SELECT date_trunc('second', clock_timestamp()) + interval '8 s'");
	$c->sql('INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type,'
		. " rule, topic, next_fire) SELECT 'd' || n, 'echo', 'FIXED_RATE',"
		. " '{\"every\":3600000}', 'high', '$from' FROM generate_series(1, $DUE) n");
	$c->sql('ANALYZE reeve.task_definitions');
	# A look costs what is measured: none in the first seconds.
	sleep 11;
	wait_until { sleep 1; $c->sql("SELECT count(*) FROM reeve.task_instances WHERE"
		. " fire_time = '$from' AND status = 'SUCCESS'") >= $DUE } 60, 'all have run';
	for ([written => 'created_at'], [start => 'start_time'], [end => 'end_time']) {
		my ($name, $column) = @$_;
		my @ms = late($from, $column);
		push @{$all{"${name}_p$_"}}, percentile($_ / 100, @ms) for 50, 99;
	}
}
figure("crontab_$_", median(@{$all{$_}}), 'ms') for sort keys %all;

say_step("$HELD definitions, and none is due");
$c->sql('TRUNCATE reeve.task_definitions CASCADE');
$c->sql('INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type, rule,'
	. " topic, next_fire) SELECT 'h' || n, 'echo', 'CRON',"
	. " '{\"cron\":[\"0 3 * * *\"]}', 'high', now() + interval '6 hours'"
	. " FROM generate_series(1, $HELD) n");
# What was changed is read once more for a minute, whose commit may have been late.
sleep 75;
my ($pid) = $r->pids('crontab');
my $ticks = sub { my @f = split ' ', slurp("/proc/$pid/stat"); $f[13] + $f[14] };
my $before = $ticks->();
sleep $IDLE_S;
figure('crontab_held_cpu', ($ticks->() - $before) / $IDLE_S, '%');
figure('crontab_held_pss', pss_kb($pid) / 1024, 'MB');
$r->finish;
