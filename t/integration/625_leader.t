#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# One worker of all nodes leads, another soon after it is gone; and what it
# does: nodes that are silent are offline, what Redis has lost comes back, what
# is too old goes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Open2;
use Test::More;
use Time::HiRes qw(time);
use CronNode;
use Reeve qw(send_signal slow wait_until);

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

my $c = CronNode->new('leader');
my $redis = $c->redis;
my %more = (crontab => 'node_timeout: 3s, reconcile_every: 1s, statistics_every: 1s',
	pools => "  queue: { kind: queue, topics: [high], node_timeout: 3s }\n");
my ($a, $b) = map { $c->node($_, %more) } qw(a b);

sub leads
{
	my ($node) = @_;
	return $c->sql('SELECT leader FROM reeve.scheduler'
		. " WHERE leader_until > clock_timestamp()") =~ m{^$node/};
}

# From the moment until it leads, by PostgreSQL's clock.
sub since
{
	my ($moment) = @_;
	return $c->sql('SELECT extract(epoch FROM leader_since)'
		. ' FROM reeve.scheduler') - $moment;
}

$a->start or BAIL_OUT('no daemon');
wait_until { leads('a') } 5, 'a leads';
my $ready = $c->sql("SELECT extract(epoch FROM started_at) FROM reeve.worker_registry");
cmp_ok(since($ready), '<', slow(0.5), 'soon after the start: ' . since($ready) . ' s');
$b->start or BAIL_OUT('no daemon');
like($redis->cmd('GET', 't:scheduler:leader'), qr{^a/crontab\.0/\d+ 1$}, 'Redis says so');
wait_until { $c->sql("SELECT count(*) FROM reeve.worker_registry"
	. " WHERE state = 'ONLINE'") == 2 } 5, 'both nodes are registered';

subtest 'after a crash another leads, and the node is offline' => sub {
	# It runs, and nobody will say how it ended.
	$c->sql("SELECT reeve.push('high', 'long')");
	wait_until { $c->sql("SELECT count(*) FROM reeve.task_instances"
		. " WHERE status = 'RUNNING'") == 1 } 5, 'a task runs';
	my $moment = time;
	send_signal('KILL', $a->pid);
	waitpid $a->pid, 0;
	wait_until { leads('b') } 8, 'b leads';
	cmp_ok(since($moment), '<', slow(4), 'within four seconds: ' . since($moment) . ' s');
	is($c->sql('SELECT term FROM reeve.scheduler'), 2, 'in another term');
	wait_until { $c->sql("SELECT state FROM reeve.worker_registry"
		. " WHERE worker_id = 'a'") eq 'OFFLINE' } 8, 'a is offline';
	wait_until { $c->sql("SELECT count(*) FROM reeve.task_instances"
		. " WHERE status = 'RUNNING' AND execution_node = 'b'") == 1 } 10,
		'what ran there runs here';
	pass('and all is well');
};

subtest 'after a clean stop another leads at once' => sub {
	$a->start or return fail('it starts again');
	$_->wait_ready for $a, $b;
	my $moment = time;
	# Its task ends with it.
	send_signal('TERM', $b->worker('crontab')->{pid});
	wait_until { $c->sql('SELECT term FROM reeve.scheduler') == 3 } 5, 'another leads';
	cmp_ok(since($moment), '<', slow(1), 'within a second: ' . since($moment) . ' s');
};

subtest 'what Redis has lost comes back' => sub {
	$c->sql("SELECT reeve.push('lost', 'note') FROM generate_series(1, 10000)");
	$c->sql("SELECT reeve.push('lost', 'note', delay => interval '1 hour')"
		. ' FROM generate_series(1, 50)');
	my $length = sub { eval { $redis->cmd('XLEN', 't:queue:{lost}') } // 0 };
	my $later = sub { eval { $redis->cmd('ZCARD', 't:queue:{lost}:delayed') } // 0 };
	wait_until { $length->() == 10000 && $later->() == 50 } 15, 'they are there';
	wait_until { $redis->cmd('EXISTS', 't:alive') } 5, 'and so is the mark';
	$redis->cmd('FLUSHALL');
	wait_until { $length->() >= 10000 && $later->() >= 50 } 15, 'they are back';
	my %seen = map { (/"id":"([^"]+)"/)[0] => 1 } $c->stream('lost');
	is(scalar keys %seen, 10000, 'each of them');
	wait_until { $redis->cmd('EXISTS', 't:alive') } 5, 'and so is the mark';
	$c->sql("UPDATE reeve.task_instances SET status = 'CANCELLED', end_time = now()"
		. " WHERE topic = 'lost'");
};

subtest 'a task that is in no stream is found' => sub {
	my $id = $c->sql("SELECT reeve.push('gone', 'note')");
	wait_until { (eval { $redis->cmd('XLEN', 't:queue:{gone}') } // 0) == 1 } 5, 'it is there';
	$redis->cmd('DEL', 't:queue:{gone}');
	$c->sql("UPDATE reeve.task_instances SET created_at = now() - interval '1 minute'"
		. " WHERE id = '$id'");
	wait_until { (eval { $redis->cmd('XLEN', 't:queue:{gone}') } // 0) == 1 } 10,
		'it is there again';
	pass('and all is well');
};

subtest 'what is too old goes, and days are counted' => sub {
	my $id = $c->define(name => 'd', rule => '{"every":3600000}');
	wait_until { $c->sql("SELECT success FROM reeve.crontab_statistics"
		. " WHERE task_definition_id = '$id'") eq '1' } 10, 'a run is counted';
	$c->sql("SELECT reeve.partition_make('task_instances', current_date - 40),"
		. " reeve.partition_make('task_instances', current_date - 20)");
	# Whoever reads for long is waited for, but not by all tasks.
	my $reader = open2(my $out, my $in, 'psql', '-XqAt', '-d', $c->pg->url);
	print {$in} "BEGIN; SELECT count(*) >= 0 FROM reeve.task_instances;\n";
	$in->flush;
	readline $out;
	$c->sql("INSERT INTO reeve.audit_log (id, tenant_id, who, action, object)"
		. " SELECT reeve.uuid_floor(now() - day * interval '1 day'), 'default', 'x', 'y', object"
		. " FROM (VALUES (31, 'instance'), (32, 'instance'), (33, 'token'), (29, 'instance')) a (day, object)");
	$c->sql("INSERT INTO reeve.idempotency_keys (tenant_id, key, operation, request_hash, object_id, created_at)"
		. " SELECT 'default', n, 'x', '', reeve.uuid_new(), now() - n * interval '20 hours' FROM generate_series(1, 2) n");
	is($c->sql('SELECT reeve.audit_retain(30, 1), reeve.audit_retain(30, 100000)'), "2\t1",
		'rows of the audit log about runs go with them');
	is($c->sql("SELECT string_agg(object, ' ' ORDER BY id) FROM reeve.audit_log WHERE who = 'x'"),
		'token instance', 'others stay, and what is younger');
	is($c->sql("SELECT string_agg(key, ' ') FROM reeve.idempotency_keys"), 1, 'as do keys of a day');
	is($c->sql("SELECT coalesce(reeve.retain(30), 'none')"), 'none',
		'nothing is dropped under who reads it');
	is($c->sql("SELECT reeve.partition_make('task_instances', current_date + 40)"), 'f',
		'nor a partition made');
	close $in;
	waitpid $reader, 0;
	is($c->sql('SELECT reeve.retain(30)'),
		'task_instances_' . $c->sql("SELECT to_char(current_date - 40, 'YYYYMMDD')"),
		'the partition of 40 days ago is dropped');
};

send_signal('KILL', map { $_->pids('queue') } $a, $b);
$_->finish for $a, $b;
done_testing();
