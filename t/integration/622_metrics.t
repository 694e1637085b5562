#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# /metrics of a node with every kind of pool: what promtool has to say of it,
# and the figures by the names that dashboards and alerts use.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp ();
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(http_get spew run_command wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';

my $dir = File::Temp->newdir('reeve-metrics-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'metrics', redis => $redis->url, unstarted => 1,
	pools => <<'YAML');
  queue: { kind: queue, topics: { high: 1, low: 1 } }
  crontab: { kind: crontab, count: 1, scan_interval: 1s }
  job: { kind: program, command: [sleep, "1000"] }
YAML
chmod 0777, $redis->{socket};
$api->node->start;

sub metrics
{
	my (undef, $body) = http_get($api->node->port, '/metrics');
	return $body;
}

# The values of a name, by its labels.
sub values_of
{
	my ($name, $text) = @_;
	return { map { /^\Q$name\E(?:\{(.*)\})? (\S+)$/ ? ($1 // '', $2) : () }
		split /\n/, $text };
}

sub value { return values_of($_[0], $_[1] // metrics())->{$_[2] // ''} }

is(value('task_execution_success_rate'), 'NaN', 'a rate of nothing is none');
$redis->cmd('XADD', 'reeve:queue:{high}', '*', 'task', qq({"handler":"$_"}))
	for qw(noop noop noop fail);
wait_until(sub { (value('task_execution_success_rate') // '') eq '0.75' }, 30,
	'task_execution_success_rate is the share that succeeded') or diag(metrics());
my $text = metrics();
my $mean = value('task_execution_duration_avg', $text);
cmp_ok($mean, '>', 0, 'task_execution_duration_avg is in seconds');
cmp_ok($mean, '<', 30, 'and the mean');
is(value('scheduler_health_status'), 1, 'scheduler_health_status is 1 while it does');
my $run = values_of('reeve_task_run_seconds', $text);
my @three = map { $run->{qq(topic="high",handler="noop",quantile="$_")} // -1 } qw(0.5 0.95 0.99);
ok($three[0] > 0 && $three[0] <= $three[1] && $three[1] <= $three[2],
	'each handler has its P50, P95 and P99') or diag("@three");
is(values_of('reeve_task_run_seconds_count', $text)->{'topic="high",handler="noop"'}, 3,
	'and its count');
cmp_ok(value('reeve_machine_memory_available_bytes', $text), '>', 0, 'the machine has memory');
cmp_ok(values_of('reeve_pool_resident_memory_bytes', $text)->{'pool="http",kind="http"'}, '>',
	1 << 19, 'and a pool has some of it');

# Nobody takes them: the topic is paused.
$redis->cmd('SET', 'reeve:queue:{low}:paused', '1');
$redis->cmd('PUBLISH', 'reeve:control', 'pause low');
$redis->cmd('XADD', 'reeve:queue:{low}', '*', 'task', '{"handler":"noop"}') for 1 .. 50;
wait_until(sub { (values_of('task_queue_size', metrics())->{'topic="low"'} // 0) > 40 }, 30,
	'task_queue_size is what waits in a topic');

# What the contract wants to be told of each part, and by which name it is.
my %figures = (
	scheduler => [qw(reeve_scheduler_leader reeve_cron_runs_total task_queue_size
		reeve_scheduler_nodes_online reeve_cron_failures_total)],
	workers => [qw(reeve_queue_tasks_in_flight task_execution_success_rate
		reeve_task_run_seconds reeve_pool_heartbeat_age_seconds)],
	tasks => [qw(reeve_queue_waiting reeve_queue_pending reeve_queue_delayed reeve_queue_dead
		reeve_queue_tasks_total reeve_queue_added_total task_execution_duration_avg)],
	system => [qw(reeve_redis_connections reeve_redis_memory_bytes
		reeve_database_connections reeve_database_slow_queries reeve_machine_load
		reeve_machine_memory_available_bytes)],
);
wait_until(sub { $text = metrics();
	$text =~ /^reeve_redis_memory_bytes/m && $text =~ /^reeve_database_connections/m }, 30,
	'Redis and PostgreSQL are told of');
for my $part (sort keys %figures) {
	my @silent = grep { $text !~ /^# HELP \Q$_\E \S.*\n# TYPE \Q$_\E \w+\n\Q$_\E[ {]/m }
		@{$figures{$part}};
	is("@silent", '', "every figure of the $part has its help, its type and a value");
}
my ($used) = $redis->cmd('INFO', 'memory') =~ /^used_memory:(\d+)/m;
my $told = value('reeve_redis_memory_bytes', $text);
ok($told > $used / 2 && $told < $used * 2, 'the memory of Redis is what it says')
	or diag("$told, not $used");
cmp_ok(value('reeve_redis_connections', $text), '>=', 1, 'and its connections are counted');
cmp_ok(value('reeve_database_connections', $text), '>=', 2, 'as those of PostgreSQL');
is(value('reeve_database_slow_queries', $text), 0, 'in which no query is slow');
is(value('reeve_queue_added_total', $text, 'topic="low"'), 50, 'what came into a topic is');

SKIP: {
	my $promtool = in_path('promtool') or skip 'no promtool here', 1;
	spew("$dir/metrics", metrics());
	my ($code, $out, $err) = run_command(30, 'sh', '-c',
		"$promtool check metrics <$dir/metrics");
	is("$code $out$err", '0 ', 'promtool has nothing to say against any of it');
}

$api->pg->stop('immediate');
wait_until(sub { value('scheduler_health_status') eq '0' }, 30,
	'scheduler_health_status is 0 without PostgreSQL');

$api->node->stop;
done_testing();
