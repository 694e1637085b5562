#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Tracked tasks where rows, entries and workers do not agree.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(wait_until);
use Test::More;
use TrackNode;

plan skip_all => may_track() if may_track();

my ($r, $redis, $pg) = track_node('edges', 'topics: { high: 1 }, node_timeout: 2s,'
	. ' renew_every: 500ms',
	handlers => <<'YAML');
  assassin: { kind: exec, command: [sh, -c, 'echo $REEVE_TASK_ID $REEVE_EPOCH >> @DIR@/runs; kill -9 $PPID; sleep 9'], tracked: true }
  cat: { kind: exec, command: [cat], tracked: true }
YAML
$r->start or BAIL_OUT('it does not start');

# A row that PostgreSQL has before any entry.
sub insert
{
	my (%with) = (id => task_id(), handler => 'note', topic => 'high', @_);
	my @names = sort keys %with;
	$pg->psql('INSERT INTO reeve.task_instances (' . join(', ', @names)
		. ') VALUES (' . join(', ', map { "'$with{$_}'" } @names) . ')');
	return $with{id};
}

sub runs_of
{
	my ($id) = @_;
	return scalar grep { /^\Q$id\E / } runs($r);
}

subtest 'who takes its worker along fails for good' => sub {
	my $id = track_push($redis, 'assassin');
	ok(is_state($pg, $id, 'FAILED', 30), 'its row says so');
	my $row = row($pg, $id);
	like($row->{error_message}, qr/died 3 times.*SIGKILL/, 'and why');
	is(runs_of($id), 3, 'it ran three times');
	is($row->{epoch}, 4, 'each was a dispatch, as is its end');
	ok(wait_until(sub { grep { $_->{task} =~ /$id/ } dead_letters($redis) }, 10),
		'it is a dead letter');
};

subtest 'a row is as its end left it' => sub {
	my $id = insert(status => 'SUCCESS', result => 'mine');
	track_push($redis, 'note', id => $id, stored => 'true');
	my $other = insert(status => 'CANCELLED');
	track_push($redis, 'note', id => $other, stored => 'true');
	ok(wait_until(sub { is_idle($redis) }, 10), 'entries of it are dropped');
	is(runs_of($id) + runs_of($other), 0, 'and nothing runs');
	is(row($pg, $id)->{result}, 'mine', 'nothing is changed');
};

subtest 'what a dead worker ran is run again, and nobody else\'s' => sub {
	my $own = insert(status => 'RUNNING', epoch => 4, worker =>
		row($pg, (map { $_->[0] } $pg->rows("SELECT id FROM"
		. " reeve.task_instances WHERE worker IS NOT NULL LIMIT 1"))[0])->{worker});
	track_push($redis, 'note', id => $own, stored => 'true');
	ok(is_state($pg, $own, 'SUCCESS'), 'of a process of this node that is gone');
	is(row($pg, $own)->{epoch}, 5, 'with a new epoch');

	my $far = insert(status => 'RUNNING', epoch => 1, worker => 'far/queue.high.0/1');
	$redis->cmd('HSET', 't:worker:far', 'pid', 1);
	track_push($redis, 'note', id => $far, stored => 'true');
	ok(wait_until(sub { is_idle($redis) }, 10), 'of a node that lives: dropped');
	is(row($pg, $far)->{epoch} . runs_of($far), '10', 'and left alone');
	$redis->cmd('DEL', 't:worker:far');
	track_push($redis, 'note', id => $far, stored => 'true');
	ok(is_state($pg, $far, 'SUCCESS'), 'of a node that is silent: run again');
};

subtest 'what a worker gives up is not left as running' => sub {
	my $id = track_push($redis, 'gate');
	is_state($pg, $id, 'RUNNING');
	$redis->cmd('FLUSHALL');
	ok(is_state($pg, $id, 'PENDING', 20), 'its row says that it waits')
		or diag($r->pool_log('queue.high'));
	ok($pg->psql("SELECT due_at IS NOT NULL AND retry_count = 0 FROM"
		. " reeve.task_instances WHERE id = '$id'") eq 't',
		'and is due, with no failure counted');
	track_push($redis, 'gate', id => $id, stored => 'true');
	ok(is_state($pg, $id, 'RUNNING'), 'who brings it again has it run');
	open_gate($r, 'ok');
	ok(is_state($pg, $id, 'SUCCESS'), 'to its end');
};

subtest 'a row that is lost is made again' => sub {
	my $id = track_push($redis, 'note', stored => 'true', priority => 7);
	ok(is_state($pg, $id, 'SUCCESS'), 'and the task is done');
	is($pg->psql("SELECT priority FROM reeve.task_instances WHERE id = '$id'"),
		7, 'as its envelope says');
};

subtest 'a row that PostgreSQL will never take holds up nobody' => sub {
	$pg->psql(<<'SQL');
CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.result = 'poison' OR NEW.execution_params = '"poison"' THEN
		RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER picky BEFORE INSERT OR UPDATE ON reeve.task_instances
	FOR EACH ROW EXECUTE FUNCTION picky();
SQL
	my @good = map { task_id() } 1 .. 40;
	my ($end, $begin) = map { task_id() } 1, 2;
	my @all = ((map { [$_, 'cat', '1'] } @good[0 .. 19]),
		[$begin, 'cat', '"poison"'], (map { [$_, 'cat', '1'] } @good[20 .. 39]));
	$redis->many(map { ['XADD', 't:queue:{high}', '*', 'task',
		qq({"id":"$_->[0]","handler":"$_->[1]","params":$_->[2]})] } @all);
	ok(wait_until(sub { $pg->psql("SELECT count(*) FROM reeve.task_instances"
		. " WHERE handler = 'cat' AND status = 'SUCCESS'") == 40 }, 20),
		'the others go on');
	ok(wait_until(sub { grep { $_->{reason} =~ /PostgreSQL refuses it: not this/ }
		dead_letters($redis) }, 10), 'it is a dead letter that says why');

	$pg->psql(q(CREATE OR REPLACE FUNCTION picky() RETURNS trigger
		LANGUAGE plpgsql AS $$ BEGIN IF NEW.result = 'done' THEN
		RAISE EXCEPTION 'not this one' USING ERRCODE = 'check_violation';
		END IF; RETURN NEW; END $$));
	$end = track_push($redis, 'note');
	ok(is_state($pg, $end, 'SUCCESS'), 'one with a bad result is ended without');
	is(row($pg, $end)->{error_message}, 'its texts could not be stored',
		'and says so');
	$pg->psql('DROP TRIGGER picky ON reeve.task_instances');
};

subtest 'tables that are not there are waited for' => sub {
	$pg->psql('ALTER TABLE reeve.task_instances RENAME TO away');
	my $id = track_push($redis, 'note');
	ok(wait_until(sub { $r->pool_log('queue.high')
		=~ /task_instances" does not exist, trying again/ }, 10), 'as the log tells');
	$pg->psql('ALTER TABLE reeve.away RENAME TO task_instances');
	ok(is_state($pg, $id, 'SUCCESS'), 'the task is done when they are');
};
$r->finish;

subtest 'without a database nothing is tracked' => sub {
	my ($r, $redis) = node('untracked', 'topics: { high: 1 }');
	$r->start or return;
	push_task($redis, '{"handler":"note","id":"any","tracked":true}', 2);
	ok(wait_until(sub { is_idle($redis) }, 10), 'tasks are done nevertheless');
	is(scalar(runs($r)), 2, 'all of them');
	my @told = $r->pool_log('queue.high') =~ /leave no trace here/g;
	is(scalar @told, 1, 'which is told once');
	push_task($redis, '{"handler":"note","tracked":true,"stored":true}');
	ok(wait_until(sub { $redis->cmd('ZCARD', 't:queue:{high}:delayed') == 1 }, 10),
		'what PostgreSQL has is left to a node that knows it');
	$r->finish;
};

done_testing();
