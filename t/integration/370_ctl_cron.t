#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl cron: definitions made, changed, shown, run by hand and removed,
# all of it in PostgreSQL; and what is wrong with a command line.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Time::Local qw(timegm);
use PgServer;
use Reeve qw(program run_command spew);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $dir = tempdir('reeve-cron-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $pg = PgServer->new($dir);
delete @ENV{qw(REEVE_DATABASE_URL REEVE_SOCKET NO_COLOR), grep { /^PG/ } keys %ENV};
spew("$dir/process.yaml", <<"YAML");
redis: { url: "redis://127.0.0.1:1/0" }
database: { url: "@{[$pg->url]}" }
handlers:
  sync-data: { kind: exec, command: [cat] }
  notify: { kind: http, url: "http://127.0.0.1:1/x" }
processes:
  queue: { kind: queue, topics: { high: 1, common: 1 } }
YAML

sub ctl { return run_command(30, program('reevectl'), '-c', "$dir/process.yaml", @_) }

sub cron
{
	my ($exit, $out, $err) = ctl('cron', @_);
	$err .= "(exit $exit)" if $exit != 0;
	return ($out, $err);
}

# It must succeed; its JSON.
sub doc
{
	my ($out, $err) = cron('--json', @_);
	is($err, '', "cron @_");
	return $err eq '' ? decode_json($out) : {};
}

# It must fail so, with such a reason.
sub refuses
{
	my ($exit, $like, @words) = @_;
	my ($got, $out, $err) = ctl('cron', @words);
	is($got, $exit, "exit $exit: cron @words");
	like($err, $like, 'with a reason');
	is($out, '', 'and no output');
	return;
}

sub sql { return $pg->psql(@_) }
sub fresh { sql('TRUNCATE reeve.task_definitions, reeve.task_instances, reeve.task_active,
	reeve.outbox, reeve.crontab_statistics'); return }

sub seconds_of
{
	my ($iso) = @_;
	return timegm($6, $5, $4, $3, $2 - 1, $1)
		if ($iso // '') =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.\d+)?Z$/;
	fail("'$iso' is a time");
	return 0;
}

my @HOURLY = qw(--handler sync-data --cron @hourly);

subtest 'without the tables it says what to do' => sub {
	refuses(1, qr/`reevectl migrate`/, 'list');
	is((ctl('migrate', '--migrations', "$FindBin::Bin/../../migrations"))[0], 0,
		'and then they are there');
	my ($out) = cron('list');
	like($out, qr/^NAME +STATE/, 'with no definition in them');
};

subtest 'add: every option is a column' => sub {
	fresh();
	my $made = doc('add', 'first', @HOURLY);
	like($made->{id}, qr/^[0-9a-f]{8}-[0-9a-f]{4}-7/, 'its id is a uuid v7');
	my $next = seconds_of($made->{next_fire});
	is($next % 3600, 0, 'it fires at a full hour');
	ok($next > time && $next <= time + 3601, 'the next one');

	doc('add', 'second', qw(--handler notify --every 90s --topic high --priority 7
		--timeout 1m --retry 0 --misfire all:5 --overlap queue --inline
		--depends-on first --params), '{"a":[1, 2]}',
		'--description', "all\nof it");
	my $d = doc('show', 'second');
	is_deeply({ map { $_ => $d->{$_} } qw(name tenant handler type rule params topic priority
		timeout_ms retry_max misfire misfire_max overlap depends_on description
		status source version active) }, {
		name => 'second', tenant => 'default', handler => 'notify', type => 'FIXED_RATE',
		rule => { every => '90s' }, params => { a => [1, 2] }, topic => 'high',
		priority => 7, timeout_ms => 60000, retry_max => 0, misfire => 'all',
		misfire_max => 5, overlap => 'queue', depends_on => 'first',
		description => "all\nof it", status => 'ENABLED', source => 'cli',
		version => 1, active => 0 }, 'as it was said');
	ok($d->{inline}, 'inline too');
	is(seconds_of($d->{next_fire}) % 90, 0, 'a rate counts from 1970');

	doc('add', 'third', qw(--handler notify --delay 1m --tz Europe/Berlin --disabled
		--start 2030-06-01T12:00 --end 2030-06-02));
	is(sql(q{SELECT schedule_type, time_zone, start_at, end_at, next_fire IS NULL, status
		FROM reeve.task_definitions WHERE task_name = 'third'}),
		join("\t", 'FIXED_DELAY', 'Europe/Berlin', '2030-06-01 10:00:00+00',
			'2030-06-01 22:00:00+00', 't', 'DISABLED'),
		'what repeats the rule for readers says the same');

	doc('add', 'fourth', qw(--handler notify --tz Europe/Berlin --cron), '0 3 * * *', '--cron',
		'0 4 * * MON');
	$d = doc('show', 'fourth');
	is_deeply($d->{rule}, { cron => ['0 3 * * *', '0 4 * * MON'],
		timeZone => 'Europe/Berlin' }, 'several expressions');
	like(sql('SELECT rule FROM reeve.crontab'), qr/"crontabs" ?: ?\["0 3 \* \* \*"/,
		'the view of old names shows them');

	my ($out, $err) = cron('add', 'fifth', qw(--handler notify --at 2035-01-01T00:00:00Z));
	like($out, qr/^added fifth \(\S+\), fires at 2035-01-01T00:00:00\+00:00$/, 'once');
	($out, $err) = cron('list');
	is($err, '', 'list is a success');
	like($out, qr/^second +enabled +every 90s +notify +high \(inline\) +20/m, 'a rate');
	like($out, qr/^third +disabled +1m after its end \(Europe\/Berlin\) +notify +common +- /m,
		'a delay');
	like($out, qr/^fourth +enabled +0 3 \* \* \* \| 0 4 \* \* MON \(Europe/m, 'expressions');
	is_deeply([map { $_->{name} } @{ doc('list') }], [qw(fifth first fourth second third)],
		'and as JSON, by name');
	($out) = cron('show', 'fifth');
	like($out, qr/^schedule +once at 2035-01-01T00:00:00\+00:00$/m, 'show tells all of one');
};

subtest 'what is wrong with an option is exit code 2, and nothing is done' => sub {
	fresh();
	my @bad = (
		[qr/needs a --handler/, qw(--every 1m)],
		[qr/needs one of --cron, --every, --delay and --at/, qw(--handler notify)],
		[qr/exclude each other/, qw(--handler notify --every 1m --delay 1m)],
		[qr/--cron "0 25 \* \* \*": column 3: /, qw(--handler notify --cron), '0 25 * * *'],
		[qr/--cron "1 2 3": column \d/, qw(--handler notify --cron @daily --cron), '1 2 3'],
		[qr/--dialect: .*vixie, seconds, quartz/, @HOURLY, qw(--dialect perl)],
		[qr/--every: .*10ms to 3650d/, qw(--handler notify --every 1)],
		[qr/--at: \S/, qw(--handler notify --at tomorrow)],
		[qr/would never fire/, qw(--handler notify --at 2020-01-01T00:00:00Z)],
		[qr/would never fire/, @HOURLY, qw(--end 2020-01-01)],
		[qr/would never fire/, qw(--handler notify --cron), '0 0 30 2 *'],
		[qr/end is before start/, @HOURLY, qw(--start 2036-01-01 --end 2035-01-01)],
		[qr/--tz: .*Mars/, @HOURLY, qw(--tz Mars/Base)],
		[qr/--params is no JSON/, @HOURLY, qw(--params {a})],
		[qr/--topic takes .*"Common"/, @HOURLY, qw(--topic Common)],
		[qr/--priority takes .*"high"/, @HOURLY, qw(--priority high)],
		[qr/--timeout takes/, @HOURLY, qw(--timeout 0s)],
		[qr/--retry takes .*"-1"/, @HOURLY, '--retry=-1'],
		[qr/--misfire takes .*"twice"/, @HOURLY, qw(--misfire twice)],
		[qr/--misfire all:N takes .*"0"/, @HOURLY, qw(--misfire all:0)],
		[qr/--overlap takes .*"no"/, @HOURLY, qw(--overlap no)],
		[qr/--inline and --no-inline/, @HOURLY, qw(--inline --no-inline)],
		[qr/--description is not UTF-8/, @HOURLY, '--description', "\xff"],
	);
	refuses(2, $_->[0], 'add', 'bad', @{$_}[1 .. $#$_]) for @bad;
	refuses(2, qr/the name is empty/, 'add', '', @HOURLY);
	refuses(2, qr/longer than 100/, 'add', 'n' x 101, @HOURLY);
	refuses(2, qr/control character/, 'add', "a\eb", @HOURLY);
	refuses(2, qr/usage: reevectl cron add/, 'add', @HOURLY);
	refuses(2, qr/takes no --hours/, 'add', 'bad', @HOURLY, qw(--hours 1));
	refuses(2, qr/--hours takes a number/, 'preview', qw(--hours 0));
	refuses(2, qr/--params is no JSON/, 'run', 'bad', '--params', '{');
	is(sql('SELECT count(*) FROM reeve.task_definitions'), 0, 'nothing was made');
};

subtest 'names, handlers and tenants that are not there' => sub {
	fresh();
	refuses(1, qr/no handler called "sync-dat"; did you mean "sync-data"\?/, 'add', 'a',
		qw(--handler sync-dat --every 1m));
	my ($exit, $out, $err) = ctl(qw(cron add a --handler elsewhere --every 1m --force));
	is($exit, 0, '--force takes a handler of another node');
	like($err, qr/no handler called "elsewhere"/, 'and says so');
	refuses(1, qr/has a definition called "a" already/, 'add', 'a', @HOURLY);
	refuses(1, qr/no tenant "acme"/, 'add', 'a', @HOURLY, qw(--tenant acme));
	sql(q{INSERT INTO reeve.tenants (id) VALUES ('acme') ON CONFLICT DO NOTHING});
	doc('add', 'a', @HOURLY, qw(--tenant acme));
	is_deeply([map { $_->{handler} } @{ doc('list') }, @{ doc(qw(list --tenant acme)) }],
		[qw(elsewhere sync-data)], 'a name is of its tenant');
	($exit, $out, $err) = ctl('cron', 'add', 'b', @HOURLY, qw(--topic slow));
	is($exit, 0, 'a topic may be served by another node');
	like($err, qr/no queue pool .* serves the topic "slow"/, 'but a warning says so');
	refuses(1, qr/no definition called "nobody"/, @$_) for ['show', 'nobody'], ['rm', 'nobody'],
		['run', 'nobody'], ['history', 'nobody'], ['edit', 'nobody', '--retry', '1'],
		['preview', 'nobody'];
	refuses(1, qr/--depends-on: .*"nobody"/, 'add', 'c', @HOURLY, qw(--depends-on nobody));
};

subtest 'edit changes what is said, and only that' => sub {
	fresh();
	my $id = doc('add', 'e', @HOURLY, qw(--retry 3 --params), '{"a":1}')->{id};
	my $before = doc('show', 'e');
	doc('edit', 'e', qw(--retry none --timeout 5s));
	my $after = doc('show', $id);
	is($after->{retry_max}, undef, 'none takes away');
	is($after->{timeout_ms}, 5000, 'another is set');
	is($after->{version}, $before->{version} + 1, 'the version grows by one');
	is_deeply([@$after{qw(rule params next_fire)}], [@$before{qw(rule params next_fire)}],
		'the rest stays, and so does the time');

	doc('edit', 'e', qw(--cron), '30 12 1 * *', qw(--tz Asia/Tokyo --end 2100-01-01));
	$after = doc('show', 'e');
	is_deeply($after->{rule}, { cron => ['30 12 1 * *'], timeZone => 'Asia/Tokyo',
		end => '2100-01-01T00:00:00+09:00' }, 'a new rule takes the place of the old');
	like($after->{next_fire}, qr/-01T03:30:00/, 'and there is a new time');
	doc('edit', 'e', qw(--end none));
	is_deeply(doc('show', 'e')->{rule}, { cron => ['30 12 1 * *'], timeZone => 'Asia/Tokyo' },
		'the end is taken away');
	doc('edit', 'e', qw(--every 10m));
	is_deeply(doc('show', 'e')->{rule}, { every => '10m', timeZone => 'Asia/Tokyo' },
		'another type goes with the zone that was');
	refuses(2, qr/--cron "x": column 2/, 'edit', 'e', qw(--cron x));
	refuses(2, qr/would never fire/, 'edit', 'e', qw(--end 2020-01-01));
	refuses(2, qr/says what to change/, 'edit', 'e');
	refuses(1, qr/no handler called "notifi"; did you mean "notify"/, 'edit', 'e',
		qw(--handler notifi));
	is(doc('show', 'e')->{version}, $after->{version} + 2, 'what is refused changes nothing');

	doc('add', 'f', @HOURLY, qw(--depends-on e));
	refuses(1, qr/depends on this one itself/, 'edit', 'e', qw(--depends-on f));
	refuses(1, qr/depends on this one itself/, 'edit', 'e', qw(--depends-on e));
	doc('edit', 'f', qw(--depends-on none));
	is(doc('show', 'f')->{depends_on}, undef, 'it depends on nothing any more');

	sql(q{UPDATE reeve.task_definitions SET source = 'file:n1' WHERE task_name = 'f'});
	refuses(1, qr/from the process\.yaml of n1/, 'edit', 'f', qw(--retry 1));
	refuses(1, qr/from the process\.yaml of n1/, 'rm', 'f');
	doc('edit', 'f', qw(--retry 1 --force));
};

subtest 'a change is told to the crontab workers' => sub {
	fresh();
	doc('add', 'n', @HOURLY);
	my $out = $pg->psql(<<'SQL' =~ s/CTL/join ' ', map { "'$_'" } program('reevectl'), '-c', "$dir\/process.yaml"/er);
LISTEN reeve_definitions;
\! CTL cron edit n --retry 2
SELECT 1;
SQL
	like($out, qr/Asynchronous notification "reeve_definitions"/, 'at once');
};

subtest 'disable and enable' => sub {
	fresh();
	doc('add', $_, @HOURLY) for qw(a b);
	is_deeply(doc('disable', qw(a b))->{disabled}, [qw(a b)], 'two at once');
	is(sql('SELECT count(*) FROM reeve.task_definitions
		WHERE next_fire IS NULL AND status = \'DISABLED\''), 2, 'they have no next time');
	my ($out, $err) = cron('enable', qw(a nobody b));
	like($err, qr/"nobody".*\(exit 1\)/s, 'one that is not there is an error');
	is($out, "enabled a\nenabled b\n", 'the others are enabled all the same');
	ok(seconds_of($_->{next_fire}) > time - 5, "$_->{name} fires again") for @{ doc('list') };
	my $version = doc('show', 'a')->{version};
	doc('enable', 'a');
	is(doc('show', 'a')->{version}, $version, 'what is enabled stays as it is');
	sql(q{UPDATE reeve.task_definitions SET status = 'DISABLED', next_fire = NULL,
		rule = '{"at":"2020-01-01T00:00:00Z"}', schedule_type = 'ONCE' WHERE task_name = 'b'});
	refuses(1, qr/"b" would never fire/, 'enable', 'b');
};

subtest 'run makes a run, its mark and its way to the queue, or nothing' => sub {
	fresh();
	doc('add', 'r', qw(--handler notify --every 1h --topic high --retry 2 --timeout 3s --params),
		'{"n":1}');
	my $id = doc('run', 'r')->{id};
	is(sql("SELECT status, trigger, handler, topic, execution_params, retry_max, timeout_ms,
		fire_time IS NULL FROM reeve.task_instances WHERE id = '$id'"),
		join("\t", qw(PENDING manual notify high {"n":1} 2 3000 t)), 'an instance');
	is(sql("SELECT count(*) FROM reeve.task_active a JOIN reeve.task_definitions d
		ON d.id = a.definition_id WHERE a.instance_id = '$id' AND d.task_name = 'r'"), 1,
		'which is under way');
	my ($topic, $envelope) = split /\t/,
		sql("SELECT topic, envelope FROM reeve.outbox WHERE instance_id = '$id'");
	is($topic, 'high', 'and on its way');
	is_deeply({ map { $_ => decode_json($envelope)->{$_} } qw(id handler params) },
		{ id => $id, handler => 'notify', params => { n => 1 } }, 'as a task');
	my ($out) = cron('run', 'r', '--params', '[2]');
	chomp $out;
	is(sql("SELECT execution_params FROM reeve.task_instances WHERE id = '$out'"), '[2]',
		'with other params');

	sql('ALTER TABLE reeve.outbox ADD CONSTRAINT never CHECK (topic = \'\') NOT VALID');
	refuses(1, qr/violates/, 'run', 'r');
	sql('ALTER TABLE reeve.outbox DROP CONSTRAINT never');
	is(sql('SELECT count(*) FROM reeve.task_instances'), 2, 'all or nothing');
};

subtest 'a delay counts from the end of a run' => sub {
	fresh();
	my %delays = ('1h30m' => 5400, '1d' => 86400, '10500ms' => 10.5);
	for my $delay (sort keys %delays) {
		doc('add', "d$delay", qw(--handler notify --delay), $delay);
		my $id = doc('run', "d$delay")->{id};
		sql('UPDATE reeve.task_definitions SET next_fire = NULL');
		doc('edit', "d$delay", '--start', '2020-01-01');
		is(doc('show', "d$delay")->{next_fire}, undef, 'none while it runs');
		sql("BEGIN; UPDATE reeve.task_instances SET status = 'SUCCESS', end_time = now()
			WHERE id = '$id'; SELECT reeve.runs_ended('{$id}'); COMMIT");
		is(sql("SELECT extract(epoch FROM next_fire - last_end)::real
			FROM reeve.task_definitions WHERE task_name = 'd$delay'"), $delays{$delay},
			"$delay after its end");
	}
	sql("UPDATE reeve.task_definitions SET next_fire = NULL,
		last_fire = now() - interval '1 minute'; SELECT reeve.loose_ends()");
	is(sql("SELECT extract(epoch FROM next_fire - last_end)::real
		FROM reeve.task_definitions WHERE task_name = 'd1d'"), 86400,
		'and so if the end of the run is lost');
};

# Ends a run as a worker would, after so many ms.
sub finish
{
	my ($id, $state, $ms, $error) = @_;
	sql("UPDATE reeve.task_instances SET status = '$state', start_time = created_at,
		end_time = created_at + $ms * interval '1 ms', execution_duration = $ms,
		execution_node = 'n1', error_message = " . ($error ? "'$error'" : 'NULL')
		. " WHERE id = '$id'");
	return;
}

subtest 'history and stats tell what became of it' => sub {
	fresh();
	doc('add', $_, @HOURLY) for qw(h i);
	my @ids = map { doc('run', 'h')->{id} } 1 .. 4;
	finish($ids[0], 'SUCCESS', 100);
	finish($ids[1], 'FAILED', 300, 'it broke');
	finish($ids[2], 'TIMEOUT', 2000);
	sql("UPDATE reeve.task_instances SET fire_time = created_at - interval '1.5 s'
		WHERE id = '$ids[0]'");
	my $runs = doc('history', 'h');
	is_deeply([map { $_->{state} } @$runs], [qw(PENDING TIMEOUT FAILED SUCCESS)],
		'the newest first');
	is_deeply([@{ $runs->[3] }{qw(id lateness_ms duration_ms trigger node)}],
		[$ids[0], 1500, 100, 'manual', 'n1'], 'with lateness and duration');
	is($runs->[2]{error}, 'it broke', 'and the error');
	is(scalar @{ doc(qw(history h -n 2)) }, 2, '-n of them');
	is(scalar @{ doc('history', 'i') }, 0, 'of one that has none');
	is(scalar @{ doc('history') }, 4, 'of all');
	my ($out) = cron('history', 'h');
	like($out, qr/FAILED +manual +- .*300 ms +0 +n1 +it broke/, 'as a table');

	sql(q{INSERT INTO reeve.crontab_statistics (task_definition_id, day, runs, success, failed,
		duration_ms_sum, duration_ms_max)
		SELECT id, (now() AT TIME ZONE 'UTC')::date - n, 10, 9, 1, 1000, 500
		FROM reeve.task_definitions, generate_series(0, 20) n WHERE task_name = 'h'});
	my $days = doc('stats', 'h', '--days', 3);
	is_deeply([map { $_->{runs} } @$days], [10, 10, 4], 'kept days, and today as it stands');
	is_deeply([@{ $days->[2] }{qw(success failed timeout misfired duration_ms_max)}],
		[1, 1, 1, 0, 2000], 'by their ends');
	is($days->[2]{duration_ms_average}, 800, 'with their average');
	my $all = doc('stats');
	is_deeply([map { [@$_{qw(name day runs)}] } @$all], [['h', undef, 64]],
		'all definitions in one line each, of seven days');
	($out) = cron('stats', 'h');
	like($out, qr/^h +20\d\d-\d\d-\d\d +4 +1 +1 +1 +0 +0 +0 +0 +800 ms/m, 'as a table');
};

subtest 'preview counts what is coming by minutes' => sub {
	fresh();
	doc('add', 'm', qw(--handler notify --cron), '* * * * *');
	doc('add', 'q', qw(--handler notify --cron), '*/15 * * * *');
	doc('add', 's', qw(--handler notify --every 20s));
	doc('add', 'never', @HOURLY, '--disabled');
	my $p = doc('preview', '--hours', 1);
	# What becomes due meanwhile counts as well.
	cmp_ok(abs($p->{fires} - (60 + 4 + 180)), '<=', 3, 'all of an hour');
	my %minutes = map { $_->{minute} => $_ } @{ $p->{minutes} };
	my (undef, $quarter) = sort grep { /:(?:00|15|30|45):00Z/ } keys %minutes;
	is($minutes{$quarter}{load}, 5, 'the load of a minute');
	is_deeply($minutes{$quarter}{definitions}, [map { { name => $_->[0], count => $_->[1] } }
		['m', 1], ['q', 1], ['s', 3]], 'and whose it is');
	is($p->{peak}{load}, 5, 'the most of a minute');
	cmp_ok(abs(doc('preview', 'q')->{fires} - 96), '<=', 1, 'of one, a day ahead');
	my ($out) = cron('preview', 'm', '--hours', 1);
	like($out, qr/^20\S+:00Z +1 +m$/m, 'as a table');
	like($out, qr/^6[01] fires until .*; at most 1 in a minute/m, 'with a sum');
	doc('add', 'f', qw(--handler notify --every 10ms));
	ok(doc('preview')->{is_cut}, 'a flood is cut');
};

subtest 'rm takes the definition and frees what waited for it' => sub {
	fresh();
	doc('add', 'up', @HOURLY);
	doc('add', 'down', @HOURLY, qw(--depends-on up));
	my $held = doc('run', 'down')->{id};
	my $running = doc('run', 'up')->{id};
	my $waiting = doc('run', 'up')->{id};
	sql("UPDATE reeve.task_instances SET is_held = true WHERE id IN ('$held', '$waiting');
		UPDATE reeve.task_instances SET status = 'RUNNING' WHERE id = '$running';
		DELETE FROM reeve.outbox");
	is_deeply(doc('rm', 'up')->{removed}, ['up'], 'it goes');
	is(doc('show', 'down')->{depends_on}, undef, 'nothing depends on it any more');
	is(sql("SELECT status FROM reeve.task_instances WHERE id = '$waiting'"), 'CANCELLED',
		'what was held behind another run of it is cancelled');
	is(sql("SELECT status FROM reeve.task_instances WHERE id = '$running'"), 'RUNNING',
		'what runs is not');
	is(sql('SELECT instance_id FROM reeve.outbox'), $held, 'and what waited for it goes on');
	is(scalar @{ doc('history') }, 3, 'the history stays');
	sql('UPDATE reeve.task_definitions SET is_system = true');
	refuses(1, qr/--force/, 'rm', 'down');
	doc('rm', 'down', '--force');
};

subtest 'each change is in the audit log' => sub {
	fresh();
	sql('TRUNCATE reeve.audit_log');
	doc('add', 'up', @HOURLY);
	doc('add', 'down', @HOURLY, qw(--depends-on up));
	doc('edit', 'down', qw(--retry 3));
	doc($_, 'down') for qw(disable disable enable run);
	doc('rm', 'up');
	sql(q{UPDATE reeve.task_definitions SET topic = 'low', secret_params = '\xab'});
	sql(q{UPDATE reeve.task_definitions SET next_fire = now(), last_state = 'SUCCESS'});
	is(sql(q{SELECT string_agg(a.action || ' ' || (coalesce(a.after, a.before)->>'task_name'), ', '
			ORDER BY a.at) FROM reeve.audit_log a WHERE who LIKE 'reevectl of %'
			AND action <> 'runDefinition'}),
		'createDefinition up, createDefinition down, updateDefinition down,'
		. ' disableDefinition down, enableDefinition down, updateDefinition down,'
		. ' deleteDefinition up', 'of reevectl');
	is(sql(q{SELECT (before->>'retry_max') IS NULL AND after->>'retry_max' = '3'
		FROM reeve.audit_log WHERE after->>'retry_max' = '3' ORDER BY at LIMIT 1}), 't',
		'with what was there, and what is there now');
	is(sql(q{SELECT count(*) FROM reeve.audit_log a JOIN reeve.task_instances i
		ON a.after->>'instance' = i.id::text WHERE a.action = 'runDefinition'}), 1, 'and a run');
	is(sql(q{SELECT string_agg(action || ' ' || (after->>'topic') || ' '
		|| coalesce(after->>'secret_params', 'sealed'), ', ') FROM reeve.audit_log
		WHERE who LIKE 'SQL of %'}), 'updateDefinition low sealed', 'or of a hand in the table');
};

done_testing();
