#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# fsck finds where PostgreSQL and Redis differ, and mends it; nodes lists nodes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use QueueNode;
use Reeve qw(wait_until);
use Test::More;
use TrackNode;

plan skip_all => may_track() if may_track();

my ($r, $redis, $pg) = track_node('fsck', 'topics: { high: 1, low: 1 }',
	more => '  crontab: { kind: crontab, count: 1 }');

# The exit code, and what was found and mended by check, where anything was.
sub fsck
{
	my ($rc, $out, $err) = $r->ctl('fsck', '--json', @_);
	my $doc = eval { JSON::PP::decode_json($out) } or diag($err);
	return ($rc, { map { $_->{name} => [$_->{found}, $_->{mended}] }
		grep { $_->{found} > 0 } @{ $doc->{checks} } });
}

sub row_like
{
	my ($id, %set) = @_;
	$set{id} = $id;
	$set{$_} //= 'note' for 'handler';
	$set{$_} //= 'high' for 'topic';
	my @names = sort keys %set;
	$pg->psql('INSERT INTO reeve.task_instances (' . join(', ', @names)
		. ", created_at) VALUES (" . join(', ', map { "'$set{$_}'" } @names)
		. ", now() - interval '20 s')");
	return $id;
}

subtest 'what nobody looks after is found without a daemon' => sub {
	$pg->psql("SELECT reeve.push('high', 'note');"
		. " UPDATE reeve.outbox SET created_at = now() - interval '2 minutes';"
		. " UPDATE reeve.scheduler SET leader = 'x/crontab.0/1',"
		. " leader_until = now() - interval '1 minute'");
	my ($rc, $out) = $r->ctl('fsck');
	is($rc, 1, 'the exit code says so');
	like($out, qr/^outbox +1 +tasks are committed, and were not taken/m,
		'a row in the outbox');
	like($out, qr{^leader +1 +.* x/crontab\.0/1$}m, 'a leader that is gone');
	like($out, qr/^lost +0 +well/m, 'and what is well is told, too');
};

my %id;
$r->start or BAIL_OUT('it does not start');
$r->ctl('queue', 'pause', 'low');
wait_until { $pg->psql('SELECT count(*) FROM reeve.outbox') == 0 } 10;

# Faults of every kind.
$id{$_} = task_id() for qw(lost running gone later over parent child active);
row_like($id{lost});
row_like($id{running}, status => 'RUNNING', epoch => 4, execution_node => 'x',
	worker => 'x/queue.high.0/1');
$pg->psql("UPDATE reeve.task_instances SET start_time = created_at"
	. " WHERE status = 'RUNNING'");
row_like($id{over}, status => 'SUCCESS');
row_like($id{parent}, status => 'PENDING', children => 2);
row_like($id{child}, status => 'SUCCESS', parent_id => $id{parent});
my $stored = '"handler":"note","tracked":true,"stored":true';
$redis->cmd('XADD', 't:queue:{low}', '*', 'task', qq({"id":"$id{$_}",$stored}))
	for qw(gone over);
$redis->cmd('ZADD', 't:queue:{high}:delayed', 9e12, qq({"id":"$id{later}",$stored}));
$pg->psql("INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type,"
	. " rule, topic) VALUES ('d', 'note', 'FIXED_RATE', '{\"every\":3600000}', 'low');"
	. " INSERT INTO reeve.task_active SELECT '$id{active}', id, now() - interval '20 s'"
	. ' FROM reeve.task_definitions;'
	. " INSERT INTO reeve.task_keys VALUES ('default', 'k', '$id{over}');"
	. " INSERT INTO reeve.tenant_runs VALUES ('$id{over}', 'default');"
	. ' DROP TABLE reeve.task_logs_'
	. $pg->psql("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', 'YYYYMMDD')"));
# And a running system beside them.
$r->ctl('queue', 'push', 'high', 'nap', '--count', 20);

subtest 'all of it is mended beside a running system' => sub {
	my ($rc, $found) = fsck('--repair');
	is($rc, 0, 'nothing is left');
	is($found->{partitions}[0], 1, 'the partition was found');
	delete $found->{partitions}; # others are made, too
	is_deeply($found, { lost => [1, 1], running => [1, 1], stale => [3, 3],
		active => [1, 1], keys => [1, 1], limits => [1, 1], fires => [1, 1],
		children => [1, 1] }, 'each fault, and nothing else');
	ok(is_state($pg, $id{lost}, 'SUCCESS'), 'what was lost has run');
	ok(is_state($pg, $id{running}, 'SUCCESS'), 'and what ran nowhere');
	cmp_ok(row($pg, $id{running})->{epoch}, '>=', 6, 'with new epochs');
	is_deeply([@{ row($pg, $id{parent}) }{qw(status children_done children_failed)}],
		['FAILED', 2, 1], 'a subtask that is gone counts as failed');
	is($redis->cmd('XLEN', 't:queue:{low}') + $redis->cmd('ZCARD', 't:queue:{high}:delayed'),
		0, 'what was over has left Redis');
	like($pg->psql("SELECT next_fire - now() FROM reeve.task_definitions"),
		qr/^00:[0-5]/, 'the definition has its next time');
};

subtest 'and then all is well' => sub {
	wait_until { is_idle($redis) } 20;
	my ($rc, $out) = $r->ctl('fsck');
	is($rc, 0, 'fsck says so');
	unlike($out, qr/^\w+ +[1-9]/m, 'of each check');
	diag($out) if $rc != 0;
	is(($r->ctl('fsck', '--all'))[0], 2, 'a flag it does not have is refused');
};

subtest 'the node is told, and what it has in hand' => sub {
	my (undef, $id) = $r->ctl('queue', 'push', 'high', 'gate');
	ok(wait_until(sub { pending($redis) == 1 }, 10), 'it has a task');
	my ($rc, $out) = $r->ctl('nodes', '--json');
	my ($node) = @{ JSON::PP::decode_json($out) };
	is($rc, 0, 'nodes tells');
	is_deeply([@{$node}{qw(state pid leader running)}, $node->{redis}{pid}],
		['ONLINE', $r->pid, JSON::PP::true(), 1, $r->pid], 'how it is');
	my $pid = $r->pid;
	like(($r->ctl('nodes'))[1],
		qr{^\S+ +ONLINE +\S+ +$pid +leads +.* alive +1 +.*queue\.high 1/1}m,
		'and so for people');
	open_gate($r, 'ok');
};

$r->finish;
done_testing();
