#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A worker, Redis or PostgreSQL dies at a step of a tracked task: it is not
# lost, and ends once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Open2;
use POSIX qw(mkfifo);
use QueueNode;
use Reeve qw(send_signal slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep time);
use TrackNode;
use Tree qw(builddir);

plan skip_all => may_track() if may_track();

my $echo = builddir() . '/t/plugins/echo.so';

# What runs waits at the gate; what is begun or ended waits for PostgreSQL,
# where somebody has locked the table.
my ($r, $redis, $pg) = track_node('faults',
	'topics: { high: 1 }, stop_timeout: 5s, concurrency: 8',
	redis_args => ['--appendonly', 'yes']);
$r->start or BAIL_OUT('it does not start');

# Nobody writes into the table until unlock_table.
sub lock_table
{
	my $pid = open2(my $out, my $in, 'psql', '-XqAt', '-d', $pg->url);
	print {$in} "BEGIN; LOCK reeve.task_instances IN SHARE MODE; SELECT 1;\n";
	$in->flush;
	readline $out;
	return { pid => $pid, in => $in };
}

sub unlock_table
{
	my ($lock) = @_;
	close $lock->{in};
	waitpid $lock->{pid}, 0;
	return;
}

sub is_waiting_for_lock
{
	return wait_until { $pg->psql(q(SELECT count(*) FROM pg_stat_activity
		WHERE wait_event_type = 'Lock' AND query LIKE '%task_instances%'))
		> 0 } 10;
}

# Who dies; each comes back by itself or is brought back.
my %deaths = (
	worker => sub {
		my ($pid) = $r->pids('queue.high');
		send_signal('KILL', $pid);
		wait_until { my ($new) = $r->pids('queue.high');
			$new && $new != $pid } 10;
	},
	redis => sub { $redis->kill9; $redis->start; },
	postgresql => sub { $pg->kill; $pg->start; },
);

# Each of the three is at another step.
for my $who (sort keys %deaths) {
	subtest "$who dies" => sub {
		my ($running, $ending, $begun) = map { task_id() } 1 .. 3;
		track_push($redis, 'gate', id => $_) for $running, $ending;
		is_state($pg, $_, 'RUNNING') for $running, $ending;
		my $lock = lock_table();
		open_gate($r, 'ok');
		ok(is_waiting_for_lock(), 'one is being ended, one runs');
		track_push($redis, 'note', id => $begun);
		ok(wait_until(sub { pending($redis) == 3 }, 10),
			'and one is being begun');
		$deaths{$who}->();
		unlock_table($lock);
		ok(wait_until(sub {
			# Whoever has to run again waits at the gate.
			if (open my $f, '+<', "$r->{dir}/gate") {
				print {$f} "ok\n";
				$f->flush;
				sleep 0.05;
			}
			eval { is_idle($redis) };
		}, 20), 'Redis lets go of all');
		is(row($pg, $_)->{status}, 'SUCCESS', 'it is a success')
			for $running, $ending, $begun;
		is($pg->psql("SELECT count(*) FROM reeve.task_instances WHERE status"
			. " <> 'SUCCESS'"), 0, 'nothing is left');
		is(scalar(dead_letters($redis)), 0, 'nor a dead letter');
	};
}
is(($r->ctl('fsck'))[0], 0, 'PostgreSQL and Redis agree after all that')
	or diag(($r->ctl('fsck'))[1]);
$r->finish;

subtest 'who comes back too late changes nothing' => sub {
	my ($r, $redis) = track_node('zombie', 'topics: { high: 2 },'
		. ' hang_timeout: 60s, concurrency: 1, lease: 1s,'
		. '  renew_every: 300ms, claim_after: 1500ms', pg => $pg,
		handlers => '  epoch: { kind: exec, tracked: true, command: [sh, -c,'
			. " 'read word < \@DIR\@/gate.\$REEVE_EPOCH; echo \$word'] }");
	mkfifo("$r->{dir}/gate.$_", 0666) for 1, 2;
	chmod 0666, map { "$r->{dir}/gate.$_" } 1, 2;
	$r->start or return;
	my $id = track_push($redis, 'epoch');
	is_state($pg, $id, 'RUNNING');
	my ($pid) = row($pg, $id)->{worker} =~ /(\d+)$/;
	send_signal('STOP', $pid);
	ok(wait_until(sub { row($pg, $id)->{epoch} == 2 }, 20),
		'another worker takes it over');
	open my $one, '>', "$r->{dir}/gate.1" or die "gate.1: $!";
	print {$one} "late\n";
	close $one;
	send_signal('CONT', $pid);
	ok(wait_until(sub { $r->pool_log('queue.high')
		=~ /\Q$id\E .*(?:too late|lease is lost)/ }, 10),
		'the first is told that it is too late');
	is(row($pg, $id)->{status}, 'RUNNING', 'and changes nothing');
	open my $two, '>', "$r->{dir}/gate.2" or die "gate.2: $!";
	print {$two} "second\n";
	close $two;
	ok(is_state($pg, $id, 'SUCCESS'), 'the second ends it');
	is(row($pg, $id)->{result}, 'second', 'with its result');
	ok(wait_until(sub { is_idle($redis) }, 10), 'Redis lets go of it');
	$r->finish;
};

subtest 'PostgreSQL is away under load' => sub {
	my ($r, $redis) = track_node('away', 'topics: [high, low],'
		. ' count: 1, concurrency: 16, order: weighted', pg => $pg, handlers =>
		"  kept: { kind: plugin, path: $echo, tracked: true }\n"
		. "  free: { kind: plugin, path: $echo }");
	$r->start or return;
	my $count = 3000;
	my $tasks = sub {
		my ($topic, $handler, $n) = @_;
		$redis->many(map { ['XADD', "t:queue:{$topic}", '*', 'task',
			qq({"handler":"$handler","params":{"n":$_}})] } 1 .. $n);
	};
	my $done = sub { $pg->psql("SELECT count(*) FROM reeve.task_instances"
		. " WHERE handler = 'kept' AND status = 'SUCCESS'") };
	$tasks->('high', 'kept', 100);
	ok(wait_until(sub { $done->() == 100 }, 10), 'tasks are kept');
	my $id = track_push($redis, 'gate');
	is_state($pg, $id, 'RUNNING');
	$pg->stop('immediate');
	open_gate($r, 'ok');
	$tasks->('high', 'kept', $count);
	$tasks->($_, 'free', 500) for 'high', 'low';
	my $counts = sub { $redis->hash('HGETALL', "t:queue:{$_[0]}:stats") };
	ok(wait_until(sub { ($counts->('low')->{success} // 0) == 500 }, 10),
		'what is not tracked goes on without it');
	ok(wait_until(sub { ($counts->('high')->{success} // 0) >= 600 }, 20),
		'also in one topic with what is');
	my ($pid) = $r->pids('queue');
	my $kb = sub { (slurp("/proc/$pid/smaps_rollup") =~ /^Pss:\s+(\d+)/m)[0] };
	my $before = $kb->();
	$tasks->('high', 'kept', 1000);
	wait_until { $redis->cmd('XLEN', 't:queue:{high}')
		- pending($redis) == 0 } 20;
	cmp_ok($kb->() - $before, '<', 4096, 'memory does not grow with what waits')
		if !Reeve::is_sanitized();
	$pg->start;
	ok(is_state($pg, $id, 'SUCCESS'), 'the outcome that waited is kept');
	ok(wait_until(sub { $done->() == 100 + $count + 1000 }, 30),
		'all that waited is done') or diag($done->());
	is($pg->psql("SELECT count(*) FROM reeve.task_instances WHERE handler = 'kept' AND epoch <> 1"),
		0, 'each of it once');
	ok(wait_until(sub { is_idle($redis) }, 10), 'nothing is left in Redis');
	my ($same) = $r->pids('queue');
	is($same, $pid, 'by the same worker');
	$r->finish;
};

done_testing();
