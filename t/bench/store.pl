#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# store - tracked tasks: begun and ended in PostgreSQL
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use PgServer;
use RedisServer;
use Reeve qw(wait_until);
use TrackNode qw(migrate);
use Bench qw(figure helper limited median run_helper say_step start_helper
	stop_helper);

use constant RUNS => 3;		# of each, interleaved with its limit
use constant TASKS => 50_000;	# of one run
use constant BATCH => 256;	# rows of the limit's statements
use constant CONCURRENCY => 1000;

my $stream = 'reeve:queue:{common}';

Bench->goals(
	tracked_1 => '>= 25000 tasks/s',
	tracked_1_ratio => '>= 0.35',
	tracked_2_ratio => '>= 0.35',
);

my $r = Reeve->new(name => 'bench-store');
my $redis = RedisServer->new($r->dir);
my $socket = "$r->{dir}/redis.sock";
my $pg = PgServer->new($r->dir, fsync => 'on', full_page_writes => 'on',
	shared_buffers => '256MB', max_wal_size => '4GB');
my $plugin = helper('queue_plugin.so');
my $task = '{"handler":"noop","params":{"order":1234567890,'
	. '"to":"someone@example.org","text":"' . 'x' x 30 . '"}}';

sub configure
{
	my $url = $pg->socket_url;
	$r->write_config(<<"YAML");
redis: { url: "unix://$socket" }
database: { url: "$url", connections: 2 }
handlers:
  noop: { kind: plugin, path: $plugin, tracked: true }
processes:
  queue: { kind: queue, topics: { common: 1 }, concurrency: ${\CONCURRENCY} }
YAML
	return;
}

sub ctl
{
	my ($rc, undef, $err) = $r->ctl(@_);
	die "@_: $err" if $rc != 0;
	return;
}

sub daemon_rate
{
	my ($count) = @_;
	ctl('queue', 'pause', 'common');
	run_helper('queue_loop', 'add', $socket, $stream, $count, $task);
	my $watch = start_helper(helper('queue_loop'), 'watch', $socket, $stream);
	readline $watch->{out};
	ctl('queue', 'resume', 'common');
	my %got = stop_helper($watch);
	my $dead = $redis->cmd('XLEN', "$stream:dead");
	die "$dead tasks went to the dead letters\n" if $dead > 0;
	return $got{left}[0] * 1e6 / ($got{until_us}[0] - $got{from_us}[0]);
}

sub loop_rate
{
	my ($count, $workers) = @_;
	my $from = Bench::now_us();
	my @loops = map { start_helper(helper('store_loop'), $pg->socket_url,
		$count / $workers, BATCH) } 1 .. $workers;
	stop_helper($_) for @loops;
	return $count * 1e6 / (Bench::now_us() - $from);
}

# Each run in a table of the same size.
sub fresh
{
	$pg->psql('TRUNCATE reeve.task_instances; CHECKPOINT');
	return;
}

sub bench_tracked
{
	for my $workers (1, 2) {
		my (@rates, @limits);
		ctl('scale', 'queue.common', $workers);
		for (1 .. RUNS) {
			fresh();
			push @rates, daemon_rate(TASKS);
			my $kept = $pg->psql("SELECT count(*) FROM"
				. " reeve.task_instances WHERE status = 'SUCCESS'");
			die "$kept tasks are kept\n" if $kept != TASKS;
			fresh();
			push @limits, loop_rate(TASKS, $workers);
		}
		limited("tracked_$workers", median(@rates), median(@limits),
			'tasks/s');
	}
	return;
}

my @parts = ([ tracked => \&bench_tracked ]);
my %wanted = map { $_ => 1 } @ARGV ? @ARGV : map { $_->[0] } @parts;
migrate($pg);
configure();
$r->start or die "reeved does not start\n";
for my $part (@parts) {
	my ($name, $run) = @$part;
	next if !delete $wanted{$name};
	say_step($name);
	$run->();
}
die 'bench: store has no part called ' . join(', ', sort keys %wanted) . "\n"
	if %wanted;
$r->stop;
