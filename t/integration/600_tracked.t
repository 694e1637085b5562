#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The life of a tracked task in PostgreSQL, to each of its ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(wait_until);
use Test::More;
use TrackNode;

plan skip_all => may_track() if may_track();

my ($r, $redis, $pg) = track_node('tracked', 'topics: { high: 1 }',
	handlers => <<'YAML');
  talk:
    kind: exec
    tracked: true
    task_logs_max: 3
    command: [sh, -c, 'echo 40 half way >&3; printf "one\nERROR: two\n[warn] three\nfour\nfive\n" >&2; read word < @DIR@/gate; echo 90 >&3']
  doze:
    kind: worker
    tracked: true
    command: [perl, -ne, '$| = 1; /"id":"([^"]+)"/; printf qq({"id":"$1",%s}\n), $n++ ? q("ok":true) : q("ok":false,"snooze_ms":20)']
  bytes: { kind: exec, tracked: true, command: [printf, 'a\377b\0c'] }
YAML
$r->start or BAIL_OUT('it does not start');

subtest 'a task of another program is kept from its begin on' => sub {
	my $id = track_push($redis, 'gate', params => '{"a":1}');
	ok(is_state($pg, $id, 'RUNNING'), 'it is RUNNING');
	my $row = row($pg, $id);
	is($row->{epoch}, 1, 'for the first time');
	like($row->{worker}, qr{^\Q$row->{execution_node}\E/queue\.high\.0/\d+$},
		'at this worker');
	is($row->{execution_params}, '{"a":1}', 'with its params');
	open_gate($r, 'ok');
	ok(is_state($pg, $id, 'SUCCESS'), 'and then SUCCESS');
	ok(wait_until(sub { is_idle($redis) }, 10), 'Redis lets go of it');
	is(scalar(runs($r)), 1, 'it ran once');
};

subtest 'an entry without an id gets one' => sub {
	$redis->cmd('XADD', 't:queue:{high}', '*', 'task', '{"handler":"note"}');
	ok(wait_until(sub { rows_of($pg, "handler = 'note' AND status = 'SUCCESS'") },
		10), 'it is kept');
	my ($row) = rows_of($pg, "handler = 'note'");
	is($row->{result}, 'done', 'with its result');
};


subtest 'a failure is kept for each attempt' => sub {
	my $id = track_push($redis, 'fail');
	ok(is_state($pg, $id, 'FAILED'), 'it has FAILED');
	my $row = row($pg, $id);
	is($row->{retry_count}, 2, 'after two attempts');
	is($row->{epoch}, 2, 'which were two dispatches');
	is($row->{error_message}, 'exit status 3: no way', 'with the last error');
	is($pg->psql("SELECT string_agg(e->>'attempt', ',') FROM reeve.task_instances,"
		. " jsonb_array_elements(errors) e WHERE id = '$id'"), '1,2',
		'and those of all');
	ok(wait_until(sub { grep { $_->{task} =~ /$id/ } dead_letters($redis) }, 10),
		'it is a dead letter');
	ok(wait_until(sub { $pg->psql(q(SELECT count FROM reeve.error_logs
		WHERE error_type = 'error' AND error_message = 'exit status 3: no way'))
		eq '2' }, 10), 'its error is counted');
	is($pg->psql("SELECT log_level || ' ' || log_message FROM reeve.task_logs"
		. " WHERE task_instance_id = '$id' ORDER BY id"),
		"INFO no way\nINFO no way", 'and what it said is kept');
};

subtest 'a retry that works is a success' => sub {
	my $id = track_push($redis, 'gate');
	is_state($pg, $id, 'RUNNING');
	open_gate($r, 'fail');
	ok(wait_until(sub { row($pg, $id)->{epoch} == 2 }, 10), 'it runs again');
	open_gate($r, 'ok');
	ok(is_state($pg, $id, 'SUCCESS'), 'and succeeds');
	my $row = row($pg, $id);
	is($row->{retry_count}, 1, 'one failure is counted');
	is($row->{error_message}, '', 'and is its error no more');
	like($row->{errors}, qr/"attempt": 1/, 'but was one');
};

subtest 'what takes too long ends as TIMEOUT' => sub {
	my $id = track_push($redis, 'long', timeout_ms => 50, retry_max => 0);
	ok(is_state($pg, $id, 'TIMEOUT'), 'its row says so');
	like(row($pg, $id)->{error_message}, qr/timed out/, 'and why');
	$id = track_push($redis, 'note', deadline => 1000);
	ok(is_state($pg, $id, 'TIMEOUT'), 'as does one whose deadline is over');
};

subtest 'a task is cancelled while it runs, and before' => sub {
	my $id = track_push($redis, 'long');
	is_state($pg, $id, 'RUNNING');
	is(($r->ctl('task', 'cancel', $id))[0], 0, 'cancel is told');
	ok(is_state($pg, $id, 'CANCELLED'), 'it is CANCELLED');
	my ($early) = task_id();
	$redis->cmd('ZADD', 't:cancels', time * 1000 + 60000, $early);
	$redis->cmd('PUBLISH', 't:control', "cancel $early");
	track_push($redis, 'note', id => $early);
	ok(is_state($pg, $early, 'CANCELLED'), 'one that had not begun too');
};

subtest 'progress and lines are seen while it runs' => sub {
	my $id = track_push($redis, 'talk');
	ok(wait_until(sub { row($pg, $id)->{progress} eq '40' }, 10), 'progress');
	is(row($pg, $id)->{progress_text}, 'half way', 'with its text');
	ok(wait_until(sub { $pg->psql("SELECT log_level FROM reeve.task_logs"
		. " WHERE task_instance_id = '$id' ORDER BY id") eq
		"INFO\nERROR\nWARN\nWARN" }, 10), 'lines by level, up to the limit');
	open_gate($r, 'ok');
	ok(is_state($pg, $id, 'SUCCESS'), 'it ends well');
	is(row($pg, $id)->{progress}, 90, 'what was told last stays');
};

subtest 'a snooze is no failure' => sub {
	my $id = track_push($redis, 'doze');
	ok(is_state($pg, $id, 'SUCCESS'), 'it is done the second time');
	my $row = row($pg, $id);
	is("$row->{retry_count} $row->{epoch}", '0 2', 'with no failure counted');
};

subtest 'nobody is asked to do what can never be done' => sub {
	my $id = track_push($redis, 'nobody', tracked => 'true');
	ok(is_state($pg, $id, 'FAILED'), 'no such handler');
	like(row($pg, $id)->{error_message}, qr/no handler is called 'nobody'/,
		'as the row says');
	track_push($redis, 'note', id => 'my-own');
	ok(wait_until(sub { grep { $_->{reason} =~ /uuid of version 7, not 'my-own'/ }
		dead_letters($redis) }, 10), 'an id that is none is a dead letter');
};

subtest 'a task that comes twice runs once' => sub {
	my $before = runs($r);
	my $id = track_push($redis, 'gate');
	is_state($pg, $id, 'RUNNING');
	track_push($redis, 'gate', id => $id);
	ok(wait_until(sub { $redis->cmd('XLEN', 't:queue:{high}') == 1 }, 10),
		'the second entry is dropped while it runs');
	open_gate($r, 'ok');
	ok(is_state($pg, $id, 'SUCCESS'), 'it ends');
	track_push($redis, 'gate', id => $id) for 1 .. 3;
	ok(wait_until(sub { is_idle($redis) }, 10), 'others are dropped after it');
	is(scalar(runs($r)), $before + 1, 'it ran once');
	is(row($pg, $id)->{epoch}, 1, 'and was dispatched once');
};

subtest 'any bytes are a result' => sub {
	my $id = track_push($redis, 'bytes');
	ok(is_state($pg, $id, 'SUCCESS'), 'the task is done');
	is(row($pg, $id)->{result}, "a\xef\xbf\xbdb\xef\xbf\xbdc",
		'what PostgreSQL can not keep is replaced');
};

subtest 'a parent ends with its last child' => sub {
	my $parent = task_id();
	$pg->psql("INSERT INTO reeve.task_instances (id, handler, topic, children)"
		. " VALUES ('$parent', '', 'high', 2)");
	my @ids = map { task_id() } 1 .. 2;
	$pg->psql("INSERT INTO reeve.task_instances (id, handler, topic, parent_id)"
		. " VALUES ('$ids[0]', 'note', 'high', '$parent'),"
		. " ('$ids[1]', 'fail', 'high', '$parent')");
	track_push($redis, 'note', id => $ids[0], stored => 'true');
	ok(wait_until(sub { row($pg, $parent)->{children_done} == 1 }, 10),
		'the first is counted');
	is(row($pg, $parent)->{status} . row($pg, $parent)->{progress},
		'RUNNING50', 'it is under way');
	track_push($redis, 'fail', id => $ids[1], stored => 'true');
	ok(is_state($pg, $parent, 'FAILED'), 'it fails with a child');
	is(row($pg, $parent)->{children_done} . row($pg, $parent)->{children_failed},
		'21', 'both are counted');
};

subtest 'what is not tracked leaves no trace' => sub {
	track_push($redis, 'plain');
	ok(wait_until(sub { is_idle($redis) }, 10), 'it is done');
	is($pg->psql("SELECT count(*) FROM reeve.task_instances"
		. " WHERE handler = 'plain'"), 0, 'there is no row of it');
	my $id = track_push($redis, 'plain', tracked => 'true');
	ok(is_state($pg, $id, 'SUCCESS'), 'unless it asks for one');
};

$r->finish;
done_testing();
