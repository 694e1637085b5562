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
