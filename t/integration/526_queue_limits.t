#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Limits of a handler and of a task.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(send_signal slurp spew wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

my $more = <<'YAML';
  few: { kind: exec, command: [sh, -c, 'echo + >> @DIR@/few; sleep 0.1; echo - >> @DIR@/few'], concurrency: 2 }
  rate: { kind: exec, command: [sh, -c, 'date +%s.%N >> @DIR@/rate'], rate: { count: 5, per: 1s } }
  once: { kind: exec, command: [sh, -c, 'echo $REEVE_TASK_ID >> @DIR@/runs; exit 3'], retry: { max: 0 } }
  snooze: { kind: worker, command: [sh, @DIR@/snooze] }
YAML
my ($r, $redis) = node('limits', 'topics: { high: 1 }, concurrency: 16',
	handlers => $more);
# Not now, three times over; then done.
spew("$r->{dir}/snooze", <<'SH');
while read -r line; do
	id=$(printf '%s' "$line" | sed 's/^{"id":"\([^"]*\).*/\1/')
	echo "$line" >> "${0%/*}/snoozed"
	if [ "$(wc -l < "${0%/*}/snoozed")" -le 3 ]; then
		echo "{\"id\":\"$id\",\"ok\":false,\"snooze_ms\":100}"
	else
		echo "{\"id\":\"$id\",\"ok\":true}"
	fi
done
SH
$r->start or BAIL_OUT('no daemon');

push_task($redis, '{"handler":"few"}', 12);
ok(wait_until(sub { is_idle($redis) }, 10), 'a handler of few at a time');
my ($now, $most) = (0, 0);
for (split /\n/, slurp("$r->{dir}/few")) {
	$now += $_ eq '+' ? 1 : -1;
	$most = $now if $now > $most;
}
is($most, 2, 'never runs more');

my $begun = time;
push_task($redis, '{"handler":"rate"}', 12);
ok(wait_until(sub { is_idle($redis) }, 10), 'a handler of few a second');
my @at = split /\n/, slurp("$r->{dir}/rate");
is(scalar(@at), 12, 'does all');
cmp_ok(time - $begun, '>=', 1.2, 'takes its time');

push_task($redis, sprintf '{"handler":"note","id":"over","deadline":%d}',
	(time - 1) * 1000);
ok(wait_until(sub { dead_letters($redis) == 1 }, 10), 'a deadline in the past');
like((dead_letters($redis))[0]{reason}, qr/deadline/, 'is told');
is(scalar(grep { /^over/ } runs($r)), 0, 'and the task is not begun');

$begun = time;
push_task($redis, sprintf '{"handler":"long","id":"cut","deadline":%d}',
	(time + 1) * 1000);
ok(wait_until(sub { dead_letters($redis) == 2 }, 15), 'a deadline in the run');
cmp_ok(time - $begun, '>=', 0.9, 'ends it when it comes');
is(scalar(grep { /^cut/ } runs($r)), 1, 'and it is not tried again');

push_task($redis, '{"handler":"once","id":"once"}');
ok(wait_until(sub { dead_letters($redis) == 3 }, 10), 'without retries');
is(scalar(grep { /^once/ } runs($r)), 1, 'a task is tried once');

push_task($redis, '{"handler":"snooze","id":"snooze"}');
ok(wait_until(sub { is_idle($redis) && -e "$r->{dir}/snoozed"
	&& 4 == (() = slurp("$r->{dir}/snoozed") =~ /\n/g) }, 10),
	'a task that snoozes comes again');
unlike(slurp("$r->{dir}/snoozed"), qr/"attempt":[1-9]/, 'and no attempt is counted');
is(scalar(dead_letters($redis)), 3, 'it is no failure');
$r->finish;

# The same for all workers of the node together.
my $shared = <<'YAML';
  few: { kind: exec, command: [sh, -c, 'echo + $PPID >> @DIR@/few; sleep 0.05; echo - >> @DIR@/few'], concurrency: 2 }
  rate: { kind: exec, command: [sh, -c, 'date +%s.%N >> @DIR@/rate'], rate: { count: 5, per: 1s } }
  alone: { kind: exec, command: [sh, -c, 'echo $PPID >> @DIR@/alone; exec sleep 60'], concurrency: 1, kill_after: 1s }
YAML
($r, $redis) = node('shared', 'topics: { high: 4 }, concurrency: 4, healthy_after: 0s',
	handlers => $shared);
$r->start or BAIL_OUT('no daemon');
push_task($redis, '{"handler":"few"}', 40);
ok(wait_until(sub { is_idle($redis) }, 20), 'four workers have a handler of two');
($now, $most) = (0, 0);
my %workers;
for (split /\n/, slurp("$r->{dir}/few")) {
	$now += /^\+/ ? 1 : -1;
	$most = $now if $now > $most;
	$workers{$1} = 1 if /^\+ (\d+)/;
}
is($most, 2, 'it never runs more than two');
is(scalar(keys %workers), 4, 'and each worker has its turn');

$begun = time;
push_task($redis, '{"handler":"rate"}', 12);
ok(wait_until(sub { is_idle($redis) }, 10), 'and one of five a second');
cmp_ok(time - $begun, '>=', 1.2, 'which takes its time');

sub alone { return split /\n/, slurp("$r->{dir}/alone") // '' }

push_task($redis, "{\"handler\":\"alone\",\"id\":\"a$_\"}") for 1, 2;
ok(wait_until(sub { alone() == 1 }, 10), 'of one that runs alone one begins');
send_signal('KILL', (alone())[0]);
ok(wait_until(sub { alone() == 2 }, 10), 'the next when its worker is dead');
isnt((alone())[1], (alone())[0], 'in another');
sleep 0.5;
is(scalar(alone()), 2, 'and no third');
for (1, 2) {
	$redis->cmd('PUBLISH', 't:control', "cancel a$_");
	$redis->cmd('ZADD', 't:cancels', (time + 60) * 1000, "a$_");
}
ok(wait_until(sub { is_idle($redis) }, 10), 'all can be cancelled');
$r->finish;

done_testing();
