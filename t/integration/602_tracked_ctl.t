#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Tracked tasks from the command line.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use QueueNode;
use Reeve qw(run_command program wait_until);
use Test::More;
use TrackNode;

plan skip_all => may_track() if may_track();

my ($r, $redis, $pg) = track_node('ctl', 'topics: { high: 1 }, concurrency: 4',
	more => '  crontab: { kind: crontab, count: 1 }',
	handlers => '  say: { kind: exec, tracked: true, command: [sh, -c,'
		. ' "echo one >&2; read word < @DIR@/gate; echo ERROR two >&2; echo 42"] }');
$r->start or BAIL_OUT('it does not start');

sub ctl
{
	my ($rc, $out, $err) = $r->ctl(@_);
	chomp $out;
	return ($rc, $out, $err);
}

sub kept
{
	my ($id) = @_;
	my (undef, $out) = ctl('task', 'show', $id, '--json');
	return JSON::PP::decode_json($out);
}

subtest 'a task is pushed through PostgreSQL' => sub {
	my ($rc, $id) = ctl('queue', 'push', 'high', 'say', '{"a":1}', '--track');
	is($rc, 0, 'it is committed');
	like($id, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'its id is told');
	ok(is_state($pg, $id, 'RUNNING'), 'it comes to run');
	my (undef, $out) = ctl('task', 'show', $id);
	like($out, qr/^state +RUNNING$/m, 'show tells its state');
	like($out, qr/^params +\{"a": 1\}$/m, 'and params');
	like($out, qr/^place +taken in high by .*queue\.high\.0/m, 'and where it is');
	($rc, undef, my $err) = ctl('task', 'retry', $id);
	is($rc, 1, 'it can not be retried while it runs');
	open_gate($r, 'go');
	ok(is_state($pg, $id, 'SUCCESS'), 'and ends');
	my $doc = kept($id);
	is_deeply([@{ $doc->{kept} }{qw(state result attempts epoch handler)}],
		['SUCCESS', '42', 1, 1, 'say'], 'show tells how');
	ok($doc->{kept}{ended} >= $doc->{kept}{started}, 'and when');
	ok(wait_until(sub { (ctl('task', 'logs', $id))[1] =~ /two/ }, 10),
		'its lines are there');
	like((ctl('task', 'logs', $id))[1],
		qr/^\S+Z INFO  one\n\S+Z ERROR ERROR two$/, 'with levels and times');
	like((ctl('task', 'logs', '-n', 1, $id))[1], qr/^\S+Z ERROR ERROR two$/,
		'or only the last');
	like((ctl('task', 'explain', $id))[1],
		qr/created for the handler say\n.*begun by .*\n.*SUCCESS after 1 attempts: 42/,
		'explain tells its story');
	($rc, undef, $err) = ctl('task', 'cancel', $id);
	is($rc, 1, 'it can not be cancelled any more');
	like($err, qr/has ended: it is SUCCESS/, 'as is told');
};

subtest 'push waits for the end' => sub {
	my ($rc, $out) = ctl('queue', 'push', 'high', 'note', '--track', '--wait');
	is($rc, 0, 'of a success');
	like($out, qr/^\S+ SUCCESS: done$/, 'and tells the result');
	($rc, undef, my $err) = ctl('queue', 'push', 'high', 'fail', '--track', '--wait');
	is($rc, 1, 'and of a failure');
	like($err, qr/FAILED: exit status 3: no way/, 'with its error');
};

subtest 'what is over is run once more' => sub {
	my ($id) = map { $_->[0] } $pg->rows(
		"SELECT id FROM reeve.task_instances WHERE handler = 'fail'");
	like((ctl('task', 'show', $id))[1],
		qr/^errors +\S+Z, attempt 1: exit status 3: no way\n +\S+Z, attempt 2/m,
		'show tells each error');
	is((ctl('task', 'retry', $id))[0], 0, 'retry is told');
	ok(wait_until(sub { my $row = row($pg, $id);
		$row->{epoch} == 5 && $row->{status} eq 'FAILED' }, 10),
		'it ran twice more, with epochs of its own');
	ok(wait_until(sub { dead_letters($redis) == 1 }, 10), 'it is dead again, once');
	is((ctl('queue', 'dead', 'retry', 'high', $id))[0], 0,
		'dead letters go the same way');
	ok(wait_until(sub { row($pg, $id)->{epoch} == 8 }, 10), 'it ran again');
};

subtest 'a task is cancelled before it begins, and while it runs' => sub {
	my (undef, $id) = ctl('queue', 'push', 'high', 'note', '--track', '--delay', '1h');
	ok(wait_until(sub { $redis->cmd('ZCARD', 't:queue:{high}:delayed') == 1 }, 10),
		'one is delayed');
	my ($rc, $out) = ctl('task', 'cancel', $id);
	like($out, qr/cancelled before it began/, 'it is cancelled');
	is(row($pg, $id)->{status}, 'CANCELLED', 'its row says so');
	ok(is_idle($redis), 'and Redis has let go of it');
	(undef, $id) = ctl('queue', 'push', 'high', 'long', '--track');
	is_state($pg, $id, 'RUNNING');
	like((ctl('task', 'cancel', $id))[1], qr/told to .*queue\.high/,
		'one that runs is told');
	ok(is_state($pg, $id, 'CANCELLED'), 'and ends');
	is_deeply([map { $_->[0] } $pg->rows("SELECT action || ': ' || (before->>'status')"
			. " FROM reeve.audit_log WHERE who LIKE 'reevectl of %' ORDER BY at")],
		['retryInstance: FAILED', 'retryInstance: FAILED', 'cancelInstance: PENDING',
			'cancelInstance: RUNNING'], 'all of it is in the audit log');
};

subtest 'a unique key is held until the end' => sub {
	my @push = ('queue', 'push', 'high', 'gate', '--track', '--unique', 'k');
	my (undef, $id) = ctl(@push);
	is_state($pg, $id, 'RUNNING');
	my ($rc, undef, $err) = ctl(@push);
	is($rc, 1, 'another is not enqueued');
	like($err, qr/task \Q$id\E holds the key "k"/, 'as is told');
	open_gate($r, 'ok');
	is_state($pg, $id, 'SUCCESS');
	($rc, $id) = ctl(@push);
	is($rc, 0, 'after it one is');
	is_state($pg, $id, 'RUNNING');
	open_gate($r, 'ok');
	is_state($pg, $id, 'SUCCESS');
};

subtest 'without PostgreSQL what Redis knows is told' => sub {
	my (undef, $id) = ctl('queue', 'push', 'high', 'note', '--track', '--delay', '1h');
	wait_until { $redis->cmd('ZCARD', 't:queue:{high}:delayed') == 1 } 10;
	$pg->stop('immediate');
	my ($rc, $out, $err) = ctl('task', 'show', $id);
	is($rc, 0, 'show works');
	like($out, qr/^state +PENDING$/m, 'with what is there');
	like($err, qr/cannot reach PostgreSQL/, 'and tells that it is not all');
};

$r->finish;
done_testing();
