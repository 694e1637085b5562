#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# queue - enqueuing, running and finishing tasks; latency; memory
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use RedisServer;
use Reeve qw(slurp wait_until);
use Bench qw(figure helper limited median percentile pss_kb run_helper
	say_step start_helper stop_helper);

use constant RUNS => 3;		# of each, interleaved with its limit
use constant TASKS => 200_000;	# of one run
use constant WORKER_TASKS => 20_000;
use constant EXEC_TASKS => 1_500;
use constant EXEC_WINDOW => 8;
use constant ENQUEUED => 100_000;
use constant MEMORY_WORKERS => 4;
use constant REST => 5;		# seconds after a burst, see CONSUMER_REST_US
use constant PACED => 1000;
use constant PACE => 100;	# tasks per second

my $stream = 'reeve:queue:{common}';
my $own = 'limit:{common}';	# the stream of the limits

Bench->goals(
	consume_1_ratio => '>= 0.65',
	consume_2_ratio => '>= 0.6',
	enqueue_ratio => '>= 0.85',
	exec_ratio => '>= 0.8',
	latency_p50_ratio => '<= 1.5',
	latency_p99 => '<= 1000 us',
	worker_pss => '<= 0.5 MB',
);

my $r = Reeve->new(name => 'bench-queue');
my $redis = RedisServer->new($r->dir);
my $socket = "$r->{dir}/redis.sock";
my $plugin = helper('queue_plugin.so');
my $params = '{"order":1234567890,"to":"someone@example.org","text":"'
	. 'x' x 30 . '"}';

# A child as simple as one can be written.
$r->write_script('child', <<'PERL');
#!/usr/bin/perl
$| = 1;
while (<STDIN>) {
	print qq({"id":"$1","ok":true}\n) if /"id":"([^"]+)"/;
}
PERL

sub configure
{
	my ($count) = @_;
	$r->write_config(<<"YAML");
redis: { url: "unix://$socket" }
handlers:
  noop: { kind: plugin, path: $plugin }
  stamp: { kind: plugin, path: $plugin, config: "$r->{dir}/stamps" }
  child: { kind: worker, command: ["$r->{dir}/child"] }
  true: { kind: exec, command: [/bin/true], concurrency: ${\EXEC_WINDOW} }
processes:
  queue: { kind: queue, topics: { common: $count } }
YAML
	return;
}

# About 200 bytes, as reevectl makes them.
sub task
{
	my ($handler) = @_;
	return '{"id":"019a0000-0000-7000-8000-000000000000","handler":"'
		. "$handler\",\"params\":$params,\"tenant\":\"default\","
		. '"attempt":0,"created":1763800000000}';
}

sub scale
{
	my ($count) = @_;
	my ($rc, $out, $err) = $r->ctl('scale', 'queue.common', $count);
	die "scale: $err" if $rc != 0;
	return;
}

sub fresh
{
	my ($key) = @_;
	$redis->cmd('DEL', $key);
	$redis->cmd('XGROUP', 'CREATE', $key, 'reeve', 0, 'MKSTREAM');
	return;
}

# How fast the stream, which is full, gets empty once `start` is called.
sub drain_rate
{
	my ($key, $start) = @_;
	my $watch = start_helper(helper('queue_loop'), 'watch', $socket, $key);
	readline $watch->{out};
	my @more = $start->();
	my %got = stop_helper($watch);
	stop_helper($_, 'KILL') for @more;
	return $got{left}[0] * 1e6 / ($got{until_us}[0] - $got{from_us}[0]);
}

sub fill
{
	my ($key, $count, $task) = @_;
	run_helper('queue_loop', 'add', $socket, $key, $count, $task);
	return;
}

sub pause_topic
{
	my ($what) = @_;
	my ($rc, undef, $err) = $r->ctl('queue', $what, 'common');
	die "queue $what: $err" if $rc != 0;
	return;
}

sub daemon_rate
{
	my ($count, $handler) = @_;
	pause_topic('pause');
	fill($stream, $count, task($handler));
	my $rate = drain_rate($stream, sub { pause_topic('resume'); return });
	my $dead = $redis->cmd('XLEN', "$stream:dead");
	die "$dead tasks for $handler went to the dead letters\n" if $dead > 0;
	return $rate;
}

sub loop_rate
{
	my ($count, $workers, $batch) = @_;
	fresh($own);
	fill($own, $count, task('noop'));
	return drain_rate($own, sub {
		return map { consumer($_, $batch) } 1 .. $workers;
	});
}

sub consumer
{
	my ($name, $batch, @stamps) = @_;
	return start_helper(helper('queue_loop'), 'consume', $socket, $own,
		$batch, $name, @stamps);
}

sub bench_consume
{
	for my $workers (1, 2) {
		my (@rates, @limits, @wide);
		scale($workers);
		for (1 .. RUNS) {
			push @rates, daemon_rate(TASKS, 'noop');
			push @limits, loop_rate(TASKS, $workers, 64);
			push @wide, loop_rate(TASKS, $workers, 256);
		}
		limited("consume_$workers", median(@rates), median(@limits),
			'tasks/s');
		figure("consume_${workers}_256_limit", median(@wide),
			'tasks/s');
	}
	scale(1);
	return;
}

# With a child that speaks lines; beside the same loop.
sub bench_worker
{
	my (@rates, @limits);
	for (1 .. RUNS) {
		push @rates, daemon_rate(WORKER_TASKS, 'child');
		push @limits, loop_rate(TASKS, 1, 64);
	}
	limited('worker', median(@rates), median(@limits), 'tasks/s');
	return;
}

sub bench_exec
{
	my (@rates, @limits);
	for (1 .. RUNS) {
		push @rates, daemon_rate(EXEC_TASKS, 'true');
		my %got = run_helper('queue_loop', 'spawn', EXEC_TASKS,
			EXEC_WINDOW);
		push @limits, EXEC_TASKS * 1e6 / $got{spent_us}[0];
	}
	limited('exec', median(@rates), median(@limits), 'tasks/s');
	return;
}

sub bench_enqueue
{
	my (@rates, @limits);
	pause_topic('pause');
	for (1 .. RUNS) {
		my $from = Bench::now_us();
		my ($rc, undef, $err) = $r->ctl('queue', 'push', 'common',
			'noop', $params, '--count', ENQUEUED);
		die "queue push: $err" if $rc != 0;
		push @rates, ENQUEUED * 1e6 / (Bench::now_us() - $from);
		fresh($own);
		$from = Bench::now_us();
		fill($own, ENQUEUED, task('noop'));
		push @limits, ENQUEUED * 1e6 / (Bench::now_us() - $from);
	}
	limited('enqueue', median(@rates), median(@limits), 'tasks/s');
	pause_topic('resume');
	wait_until { $redis->cmd('XLEN', $stream) == 0 } 60;
	return;
}

sub paced
{
	my ($key, $file) = @_;
	unlink $file if $key eq $own;
	truncate $file, 0 if $key ne $own;
	my @more = $key eq $own ? consumer('one', 64, $file) : ();
	run_helper('queue_loop', 'pace', $socket, $key, PACED, PACE);
	wait_until { $redis->cmd('XLEN', $key) == 0 } 10;
	stop_helper($_, 'KILL') for @more;
	return (slurp($file) // '') =~ /^wait_us (\d+)$/mg;
}

sub bench_latency
{
	my (@p50, @p99, @limit50, @limit99);
	for (1 .. RUNS) {
		my @waits = paced($stream, "$r->{dir}/stamps");
		push @p50, percentile(0.5, @waits);
		push @p99, percentile(0.99, @waits);
		fresh($own);
		@waits = paced($own, "$r->{dir}/loop-stamps");
		push @limit50, percentile(0.5, @waits);
		push @limit99, percentile(0.99, @waits);
	}
	limited('latency_p50', median(@p50), median(@limit50), 'us');
	limited('latency_p99', median(@p99), median(@limit99), 'us');
	return;
}

sub mean_pss
{
	my (@pids) = @_;
	my $sum = 0;
	$sum += pss_kb($_) for @pids;
	return $sum / @pids / 1024;
}

# Of a few workers that have done nothing but no-op tasks, and of as many
# loops after as much work.
sub bench_memory
{
	scale(MEMORY_WORKERS);
	daemon_rate(TASKS, 'noop');
	fresh($own);
	my @loops = map { consumer($_, 64) } 1 .. MEMORY_WORKERS;
	fill($own, TASKS, task('noop'));
	wait_until { $redis->cmd('XLEN', $own) == 0 } 60;
	figure('worker_pss_busy', mean_pss($r->pids('queue.common')), 'MB');
	sleep REST;
	limited('worker_pss', mean_pss($r->pids('queue.common')),
		mean_pss(map { $_->{pid} } @loops), 'MB');
	stop_helper($_, 'KILL') for @loops;
	scale(1);
	return;
}

my @parts = (
	[ consume => \&bench_consume ],
	[ memory => \&bench_memory ],
	[ worker => \&bench_worker ],
	[ exec => \&bench_exec ],
	[ enqueue => \&bench_enqueue ],
	[ latency => \&bench_latency ],
);
my %wanted = map { $_ => 1 } @ARGV ? @ARGV : map { $_->[0] } @parts;
configure(1);
$r->start or die "reeved does not start\n";
for my $part (@parts) {
	my ($name, $run) = @$part;
	next if !delete $wanted{$name};
	say_step($name);
	$run->();
}
die 'bench: queue has no part called ' . join(', ', sort keys %wanted) . "\n"
	if %wanted;
$r->stop;
