#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Definitions fire at their times, and what was missed, overlaps or depends on
# another is treated as they say.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Open2;
use Test::More;
use CronNode;
use Reeve qw(send_signal slow wait_until);

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

my $c = CronNode->new('cron');
# Nothing below is found by looking: what changes is told.
my $r = $c->node('a', crontab => 'scan_interval: 1m, preload: 2m',
	handlers => "  while: { kind: exec, command: [sleep, '4'] }\n"
		. "  twice: { kind: exec, retry: { max: 2, base: 100ms, cap: 100ms },"
		. " command: [sh, -c, 'test \$REEVE_ATTEMPT -gt 0'] }\n",
	pools => "  queue: { kind: queue, topics: [high], concurrency: 16 }\n");
$r->start or BAIL_OUT('no daemon');

# [state, text] of a definition's runs by their times.
sub runs_of
{
	my ($name) = @_;
	return $c->rows("SELECT i.status, coalesce(i.error_message, '')"
		. ' FROM reeve.task_instances i JOIN reeve.task_definitions d'
		. " ON d.id = i.task_definition_id WHERE d.task_name = '$name'"
		. ' ORDER BY i.fire_time');
}
sub states { return join ' ', map { $_->[0] } runs_of(@_) }

# States until they are these.
sub becomes
{
	my ($name, $wanted, $title, $seconds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $re = ref $wanted ? $wanted : qr/^\Q$wanted\E$/;
	wait_until { states($name) =~ $re } $seconds // 8;
	like(states($name), $re, $title);
}

my $soon = "date_trunc('second', clock_timestamp()) + interval '1 s'";
my $stop = "clock_timestamp() + interval '2.2 s'";

subtest 'each kind of schedule fires at its times' => sub {
	$c->define(name => 'rate', rule => '{"every":500}', overlap => 'allow',
		next => $soon);
	$c->define(name => 'cron', type => 'CRON', next => $soon, overlap => 'allow',
		rule => '{"cron":["* * * * * *"],"dialect":"seconds"}');
	$c->define(name => 'once', type => 'ONCE', rule => '{"at":"2026-01-01T00:00:00Z"}',
		next => $soon);
	$c->define(name => 'delay', type => 'FIXED_DELAY', rule => '{"delay":300}',
		next => $soon);
	becomes('rate', qr/^(SUCCESS ){4}/, 'a rate');
	becomes('cron', qr/^(SUCCESS ){2}/, 'an expression');
	becomes('delay', qr/^(SUCCESS ){2}/, 'a pause, again after each end');
	becomes('once', 'SUCCESS', 'once');
	is($c->sql("SELECT status FROM reeve.task_definitions WHERE task_name = 'once'"),
		'DISABLED', 'and then no more');
	is($c->sql("SELECT string_agg(action || ' of ' || who, ', ') FROM reeve.audit_log"
			. " WHERE before->>'task_name' = 'once'"),
		'disableDefinition of scheduler', 'as the audit log says');
	is($c->sql('SELECT count(*) FROM reeve.task_instances i JOIN reeve.task_definitions d'
		. ' ON d.id = task_definition_id WHERE fire_time <>'
		. " date_trunc('milliseconds', fire_time) AND task_name <> 'delay'"), 0,
		'at the times planned');
	my $late = $c->sql('SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract('
		. 'epoch FROM created_at - fire_time) * 1000) FROM reeve.task_instances');
	cmp_ok($late, '<', slow(40), "the median is $late ms late");
	my $early = $c->sql('SELECT min(extract(epoch FROM created_at - fire_time) * 1000)'
		. ' FROM reeve.task_instances');
	cmp_ok($early, '>', -20, "none is early ($early ms)");
};

subtest 'a change is heard at once' => sub {
	$c->sql("UPDATE reeve.task_definitions SET status = 'DISABLED' WHERE task_name = 'rate'");
	$c->sql("DELETE FROM reeve.task_definitions WHERE task_name = 'delay'");
	$c->sql("UPDATE reeve.task_definitions SET rule = '{\"cron\":[\"0 0 0 1 1 *\"],"
		. "\"dialect\":\"seconds\"}', next_fire = now() + interval '1 hour'"
		. " WHERE task_name = 'cron'");
	my $count = sub { $c->sql("SELECT count(*) FROM reeve.task_instances WHERE"
		. " fire_time > clock_timestamp() - interval '1 s'") };
	wait_until { $count->() == 0 } 5, 'nothing fires any more';
	$c->define(name => 'new', overlap => 'allow', in => 0.1,
		rule => '{"every":3600000}');
	becomes('new', qr/^(PENDING|RUNNING|SUCCESS)$/, 'a new one does', 3);
};

subtest 'a stopped scheduler fires nothing, until it is started' => sub {
	$c->sql('UPDATE reeve.scheduler SET is_running = false');
	wait_until { $r->log =~ /is stopped: nothing/ } 5, 'it hears of it';
	$c->define(name => 'stopped', overlap => 'allow', in => 0.1,
		rule => '{"every":3600000}');
	$c->define(name => 'witness', in => 0.1);
	is(states('stopped'), '', 'nothing fires');
	$c->sql('UPDATE reeve.scheduler SET is_running = true');
	becomes('stopped', qr/^\w+$/, 'then it does');
	$c->sql("UPDATE reeve.task_definitions SET status = 'DISABLED' WHERE task_name = 'witness'");
};

subtest 'what was missed is treated as the definition says' => sub {
	my %row = (rule => '{"every":60000}',
		next => "date_trunc('minute', clock_timestamp()) - interval '10 min'");
	$c->define(%row, name => 'skip', misfire => 'skip');
	$c->define(%row, name => 'run-one', misfire => 'once');
	$c->define(%row, name => 'all', misfire => 'all', misfire_max => 3, overlap => 'allow');
	$c->define(%row, name => 'in-order', misfire => 'all', misfire_max => 3);
	$c->define(name => 'long-ago', rule => '{"every":1000}', misfire => 'skip',
		next => "date_trunc('second', clock_timestamp()) - interval '40 days'",
		end_at => '2027-01-01', overlap => 'forbid');
	# A time of less than a minute ago may be there too, and is no misfire; and
	# one of a minute that has begun since.
	my $rest = qr/( SUCCESS| SKIPPED){0,2}/;
	becomes('skip', qr/^(MISFIRED ?){9,10}$rest$/, 'skip');
	becomes('run-one', qr/^(MISFIRED ){8,9}SUCCESS$rest$/, 'once: the last is run');
	becomes('all', qr/^(MISFIRED ){6,7}(SUCCESS ?){3}$rest$/, 'all: the last three are');
	becomes('in-order', qr/^(MISFIRED ){6,7}(SUCCESS ?){3}$rest$/,
		'one after the other, when they may not overlap');
	wait_until { (runs_of('long-ago'))[0] } 5, 'a long time is looked at';
	my @long = grep { $_->[0] eq 'MISFIRED' } runs_of('long-ago');
	is(scalar @long, 100, 'of many times the last hundred have a row');
	like($long[0][1], qr/all times since 20\d\d-/, 'and the first says of the others');
	$c->sql("DELETE FROM reeve.task_definitions WHERE task_name = 'long-ago'");
};

subtest 'runs overlap as the definition says' => sub {
	my %row = (rule => '{"every":200}', handler => 'nap', status => 'DISABLED');
	my @names = map { { name => "o-$_", overlap => $_ } } qw(forbid queue replace allow);
	$c->define(%row, %$_) for @names;
	# Five times each.
	$c->sql("UPDATE reeve.task_definitions SET status = 'ENABLED', next_fire = date_trunc('second', now()) + interval '1 s',"
		. " end_at = date_trunc('second', now()) + interval '1900 ms' WHERE task_name LIKE 'o-%'");
	becomes('o-forbid', qr/^(SUCCESS|SKIPPED)( SUCCESS| SKIPPED){4}$/, 'forbid: left out');
	like(states('o-forbid'), qr/SKIPPED/, 'some are');
	is((grep { $_->[0] eq 'SKIPPED' } runs_of('o-forbid'))[0][1],
		'the run before it was not over', 'and say why');
	becomes('o-allow', join(' ', ('SUCCESS') x 5), 'allow: all at once');
	becomes('o-replace', qr/^((SUCCESS|CANCELLED|SKIPPED) ){4}SUCCESS$/, 'replace: the last is left');
	like(states('o-replace'), qr/CANCELLED/, 'the others are cancelled');
	becomes('o-queue', join(' ', ('SUCCESS') x 5), 'queue: one after the other', 15);
	is($c->sql('SELECT count(*) FROM reeve.task_instances a JOIN reeve.task_instances b'
		. ' ON a.task_definition_id = b.task_definition_id AND a.id < b.id'
		. ' JOIN reeve.task_definitions d ON d.id = a.task_definition_id'
		. " WHERE d.task_name = 'o-queue' AND b.start_time < a.end_time"), 0,
		'none began before the one before it had ended');
	is($c->sql("SELECT count(*) FROM reeve.task_definitions"
		. " WHERE task_name LIKE 'o-%' AND next_fire IS NOT NULL"), 0,
		'nothing comes after the end of the window');
};

subtest 'a run waits for the run it depends on' => sub {
	my %row = (rule => '{"every":3600000}', next => $soon);
	my $first = $c->define(%row, name => 'first', handler => 'nap');
	my $second = $c->define(%row, name => 'second', depends_on => $first);
	$c->define(%row, name => 'third', depends_on => $second);
	my $bad = $c->define(%row, name => 'bad', handler => 'fail');
	$c->define(%row, name => 'after-bad', depends_on => $bad);
	becomes('third', 'SUCCESS', 'a chain runs to its end', 12);
	is($c->sql('SELECT count(*) FROM reeve.task_instances a JOIN reeve.task_definitions d'
		. ' ON d.id = a.task_definition_id JOIN reeve.task_instances b'
		. ' ON b.task_definition_id = d.depends_on WHERE a.start_time < b.end_time'), 0,
		'in its order');
	becomes('after-bad', 'SKIPPED', 'what depends on a failure does not run');
};

subtest 'a tenant has so many runs, and no more' => sub {
	$c->sql("INSERT INTO reeve.tenants (id, runs_max) VALUES ('small', 2)");
	my %row = (tenant_id => 'small', handler => 'nap', status => 'DISABLED');
	$c->define(%row, name => "few$_", rule => '{"every":100}', overlap => $_ < 3 ? 'allow' : 'forbid')
		for 1 .. 4;
	$c->define(%row, name => 'few-inline', rule => '{"every":100}', inline => 'true');
	$c->sql("UPDATE reeve.task_definitions SET status = 'ENABLED', next_fire = now(),"
		. " end_at = now() + interval '1500 ms' WHERE tenant_id = 'small'");
	my $of = "FROM reeve.task_instances WHERE tenant_id = 'small'";
	wait_until { $c->sql("SELECT count(*) FROM reeve.task_definitions WHERE tenant_id = 'small'"
		. ' AND next_fire IS NOT NULL') == 0 } 8, 'all have fired';
	is($c->sql("SELECT count(DISTINCT fire_time) >= 10 AND count(*) >= 50 $of"), 't',
		'every fire has a row');
	wait_until { $c->sql("SELECT count(*) $of AND status IN ('PENDING', 'RUNNING')") == 0 } 10,
		'those that were made end';
	is($c->sql("SELECT max(n) FROM (SELECT (SELECT count(*) $of AND status = 'SUCCESS'"
		. ' AND created_at <= i.created_at AND end_time > i.created_at) AS n'
		. " FROM reeve.task_instances i WHERE i.tenant_id = 'small' AND status = 'SUCCESS') s"), 2,
		'never more at a time than it may have, and all that it may');
	is($c->sql("SELECT string_agg(DISTINCT error_message, '; ') $of AND status = 'SKIPPED'"
		. " AND error_message NOT LIKE 'the run before%'"),
		'the tenant may have 2 runs that are not over, and no more', 'the others say why');
	is($c->sql('SELECT count(*) FROM reeve.tenant_runs'), 0, 'in the end none is counted');

	# What keeps the tenant busy keeps nobody else from firing.
	my $holder = open2(my $told, my $tell, 'psql', '-XqAt', '-d', $c->pg->url);
	print {$tell} "BEGIN; SELECT id FROM reeve.tenants WHERE id = 'small' FOR NO KEY UPDATE;\n";
	$tell->flush;
	readline $told;
	$c->define(tenant_id => $_, name => "held-$_", rule => '{"every":3600000}', next => $soon)
		for qw(small default);
	becomes('held-default', 'SUCCESS', 'while somebody holds it, others fire');
	is(states('held-small'), '', 'and its own do not');
	print {$tell} "ROLLBACK;\n\\q\n";
	close $tell;
	waitpid $holder, 0;
	becomes('held-small', 'SUCCESS', 'until it is free');

	# Who is left out for another reason takes nobody's place.
	my $long = $c->define(%row, name => 'busy', rule => '{"every":1000}', handler => 'long');
	my $next = $c->define(%row, name => 'next', rule => '{"every":3600000}');
	$c->sql("UPDATE reeve.task_definitions SET status = 'ENABLED', next_fire = now(),"
		. " end_at = now() + interval '1500 ms' WHERE id = '$long'");
	wait_until { $c->sql("SELECT count(*) $of AND task_definition_id = '$long'"
		. " AND status = 'SKIPPED'") == 1 } 5, 'one runs, and is left out then';
	$c->sql("UPDATE reeve.task_definitions SET status = 'ENABLED', next_fire = now(), end_at = NULL"
		. " WHERE id IN ('$long', '$next')");
	becomes('next', 'SUCCESS', 'the other has its place');
	$c->sql("UPDATE reeve.task_definitions SET status = 'DISABLED', task_handler = 'long'"
		. " WHERE tenant_id = 'small'");
	my ($code, $out, $said) = $r->ctl('cron', 'run', '--tenant', 'small', '--database',
		$c->pg->url, 'next');
	is($code, 0, 'a run by hand counts') or diag($said);
	($code, $out, $said) = $r->ctl('cron', 'run', '--tenant', 'small', '--database',
		$c->pg->url, 'next');
	isnt($code, 0, 'and is refused, too');
	like($said, qr/may have 2 runs/, 'with the reason');
	my $left = sub { return split /\n/, $c->sql("SELECT id $of AND status IN ('PENDING', 'RUNNING')") };
	$r->ctl('task', 'cancel', $_) for $left->();
	wait_until { !$left->() } 10, 'and end';
};

subtest 'inline runs are carried out in the crontab worker' => sub {
	my %row = (rule => '{"every":3600000}', next => $soon, inline => 'true');
	$c->define(%row, name => 'i-well');
	$c->define(%row, name => 'i-bad', handler => 'fail');
	$c->define(%row, name => 'i-none', handler => 'nowhere');
	$c->define(%row, name => 'i-twice', handler => 'twice');
	$c->define(%row, name => 'i-pause', type => 'FIXED_DELAY', rule => '{"delay":200}');
	becomes('i-well', 'SUCCESS', 'one succeeds');
	is($c->sql("SELECT string_agg(DISTINCT split_part(worker, '/', 2), ' ')"
		. " FROM reeve.task_instances WHERE status = 'SUCCESS' AND worker LIKE '%/crontab.%'"),
		'crontab.0', 'there');
	becomes('i-bad', 'FAILED', 'one fails');
	becomes('i-none', 'FAILED', 'one has no handler');
	becomes('i-pause', qr/^SUCCESS SUCCESS/, 'one comes again after a pause');
	becomes('i-twice', 'SUCCESS', 'one needs two tries');
	is($c->sql("SELECT retry_count FROM reeve.task_instances i JOIN reeve.task_definitions d"
		. " ON d.id = task_definition_id WHERE task_name = 'i-twice'"), 1, 'which are counted');
	my $long = $c->define(%row, name => 'i-long', handler => 'while', in => 0.1);
	becomes('i-long', 'RUNNING', 'one runs');
	send_signal('KILL', $r->worker('crontab')->{pid});
	wait_until { $c->sql("SELECT count(*) FROM reeve.task_instances WHERE"
		. " task_definition_id = '$long' AND worker LIKE '%/queue.%'") == 1 } 10,
		'it is put into the queue when its worker dies';
	becomes('i-long', 'SUCCESS', 'and ends there', 10);
};

$r->finish;
done_testing();
