#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What transactions commit is run, and what Redis loses of it as well: all of
# it, to the end, while workers are at it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(wait_until);
use Test::More;
use TrackNode;
use Tree qw(builddir);

plan skip_all => may_track() if may_track();

my $TASKS = $ENV{REEVE_FLUSH_TASKS} // 2000;
my $echo = builddir() . '/t/plugins/echo.so';
my ($r, $redis, $pg) = track_node('flush', 'topics: { high: 2 }, concurrency: 8',
	handlers => "  echo: { kind: plugin, path: $echo }\n"
		. "  again: { kind: exec, retry: { max: 3, base: 2s, cap: 2s },"
		. " command: [sh, -c, 'test \$REEVE_ATTEMPT -gt 0'] }\n",
	more => '  crontab: { kind: crontab, reconcile_every: 1s }');
$r->start or BAIL_OUT('it does not start');

sub count
{
	return $pg->psql("SELECT count(*) FROM reeve.task_instances WHERE $_[0]");
}

subtest 'of a thousand transactions the committed half runs' => sub {
	$pg->psql(join "\n", map {
		"BEGIN; SELECT reeve.push('high', 'note', '{\"n\":$_}'); "
			. ($_ % 2 ? 'COMMIT;' : 'ROLLBACK;')
	} 1 .. 1000);
	ok(wait_until(sub { count("status = 'SUCCESS'") == 500 }, 20), 'it does');
	is(count('true'), 500, 'nothing else is there');
	is(count("(execution_params::json->>'n')::int % 2 <> 1"), 0,
		'nor of the other half');
	my %seen = map { (split)[0] => 1 } runs($r);
	is(keys(%seen) . ' ' . runs($r), '500 500', 'each once');
};

subtest 'what Redis loses comes back and finishes' => sub {
	# Two are at a worker, some wait for a retry or for their time, and most
	# have not begun.
	$pg->psql("SELECT reeve.push('high', 'gate') FROM generate_series(1, 2);"
		. " SELECT reeve.push('high', 'again') FROM generate_series(1, 20)");
	ok(wait_until(sub { count("handler = 'gate' AND status = 'RUNNING'") == 2
		&& count("handler = 'again' AND due_at IS NOT NULL") == 20 }, 10),
		'two run, and some wait for a retry');
	is(($r->ctl('queue', 'pause', 'high'))[0], 0, 'nothing else begins');
	$pg->psql("SELECT reeve.push('high', 'echo', delay => '2 s')"
		. ' FROM generate_series(1, 100);'
		. " SELECT reeve.push('high', 'echo') FROM generate_series(1, $TASKS)");
	ok(wait_until(sub { $redis->cmd('XLEN', 't:queue:{high}') >= $TASKS }, 20),
		'all the others are in Redis');
	$redis->cmd('FLUSHALL');
	is(($r->ctl('queue', 'resume', 'high'))[0], 0, 'Redis forgets all');
	open_gate($r, 'ok');
	open_gate($r, 'fail');
	# Who has to run again waits at the gate.
	ok(wait_until(sub { count("handler = 'gate' AND status = 'RUNNING'") == 1 }, 30),
		'one that fails is tried again');
	open_gate($r, 'ok');
	ok(wait_until(sub { count("status IN ('PENDING', 'RUNNING')") == 0 }, 45),
		'all come to their end')
		or diag(map { "@$_\n" } $pg->rows('SELECT handler, status, count(*),'
			. ' min(due_at) FROM reeve.task_instances GROUP BY 1, 2'));
	is(count("status = 'SUCCESS'"), 500 + 2 + 20 + 100 + $TASKS, 'with success');
	ok(wait_until(sub { is_idle($redis) }, 10), 'nothing is left in Redis');
	is(scalar(dead_letters($redis)), 0, 'nor a dead letter');
};

is(($r->ctl('fsck'))[0], 0, 'PostgreSQL and Redis agree')
	or diag(($r->ctl('fsck'))[1]);
$r->finish;
done_testing();
