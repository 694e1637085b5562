#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A task is cancelled wherever it is.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

my $late = <<'YAML';
  late: { kind: exec, command: [sh, -c, 'trap "echo fine; exit 0" TERM; echo $REEVE_TASK_ID >> @DIR@/runs; while :; do sleep 0.05; done'], kill_after: 2s }
YAML

my ($r, $redis) = node('cancel', 'topics: { high: 1 }, concurrency: 1, node_timeout: 1s',
	handlers => $late);
$r->start or BAIL_OUT('no daemon');

sub mark
{
	my ($id) = @_;
	$redis->cmd('ZADD', 't:cancels', int((time + 60) * 1000), $id);
}

sub cancel
{
	my ($id) = @_;
	mark($id);
	$redis->cmd('PUBLISH', 't:control', "cancel $id");
}

sub cancelled { return stats($redis)->{cancelled} // 0 }
sub runs_of
{
	my ($id) = @_;
	return scalar grep { /^\Q$id\E\b/ } runs($r);
}

push_task($redis, '{"handler":"long","id":"running"}');
ok(wait_until(sub { runs_of('running') == 1 }, 10), 'one runs');
push_task($redis, '{"handler":"note","id":"waiting"}');
push_task($redis, '{"handler":"note","id":"marked"}');
mark('marked');
cancel('waiting');
# The marks are looked at four times a second.
sleep 0.8;
cancel('running');
ok(wait_until(sub { cancelled() == 3 }, 10),
	'it is cancelled, and so are those that wait behind it');
ok(wait_until(sub { is_idle($redis) }, 10), 'none is left');
is(runs_of('waiting') + runs_of('marked'), 0, 'which never began');

push_task($redis, '{"handler":"fail","id":"again"}');
ok(wait_until(sub { $redis->cmd('ZCARD', 't:queue:{high}:delayed') == 1 }, 10),
	'one waits for its second try');
cancel('again');
ok(wait_until(sub { cancelled() == 4 && is_idle($redis) }, 10), 'it is cancelled');
is(runs_of('again'), 1, 'and is not tried again');

push_task($redis, '{"handler":"late","id":"late","reply":true}');
ok(wait_until(sub { runs_of('late') == 1 }, 10), 'one runs');
cancel('late');
ok(wait_until(sub { cancelled() == 5 && is_idle($redis) }, 10),
	'it is cancelled, though it says that it is done');
is($redis->hash('HGETALL', 't:task:late')->{state}, 'CANCELLED', 'for all to see');
cancel('late');
cancel('nobody');
push_task($redis, '{"handler":"note","id":"after"}');
ok(wait_until(sub { runs_of('after') == 1 && is_idle($redis) }, 10),
	'cancelling what is gone does no harm');
is(scalar(dead_letters($redis)), 0, 'there are no dead letters');
is(stats($redis)->{success}, 1, 'and no other successes');

# The mark is known to the worker, which looks for news of it now and then.
push_task($redis, '{"handler":"fail","id":"anew"}');
ok(wait_until(sub { dead_letters($redis) == 1 }, 10), 'one is a dead letter');
my $before = runs_of('anew');
my $marks = cancelled();
cancel('anew');
is(($r->ctl('queue', 'dead', 'retry', 'high', 'anew'))[0], 0,
	'it is tried again, though it was cancelled meanwhile');
ok(wait_until(sub { runs_of('anew') > $before }, 10), 'and it runs');
is(cancelled(), $marks, 'and is not cancelled');
$r->finish;

done_testing();
