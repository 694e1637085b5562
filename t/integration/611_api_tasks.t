#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Tasks made through the API: run at once without a crontab worker, with
# subtasks, once for each Idempotency-Key, within the limits of their tenant,
# and counted.
use strict;
use warnings;

use File::Temp;
use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';

my $dir = File::Temp->newdir('reeve-api-tasks-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'tasks', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  say: { kind: exec, command: [cat] }
  long: { kind: exec, command: [sh, -c, 'exec sleep 60'], kill_after: 1s }
YAML
  queue: { kind: queue, topics: { high: 1, common: 1 }, concurrency: 8 }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my $path = '/api/v1/tasks';
my %token = map { $_ => $api->token('acme', $_) } qw(viewer operator);
my $other = $api->token('other', 'operator');

sub status_is
{
	my ($a, $status, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($a->{status}, $status, $title) or diag($a->{text});
	return;
}

sub create
{
	my ($body, %headers) = @_;
	return $api->call('POST', $path, $token{operator}, $body, %headers);
}

# Twelve clients send the same at the same moment: all are told of the one task,
# or to wait for the first.
sub at_once
{
	my ($n) = @_;
	pipe my $read, my $write or die "pipe: $!";
	my @pids;
	for (1 .. 12) {
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			delete $api->{http};
			my $a = create({ handler => 'say', params => { one => "of many $n" } },
				'idempotency-key' => "many $n");
			syswrite $write, ($a->{body}{id} // $a->{body}{detail} // $a->{text}) . "\n";
			POSIX::_exit(0);
		}
		push @pids, $pid;
	}
	close $write;
	my %seen = map { $_ => 1 } <$read>;
	waitpid($_, 0) for @pids;
	delete $seen{"a request with this Idempotency-Key is under way\n"};
	return keys %seen == 1 || diag(explain(\%seen)) && 0;
}

sub get { return $api->call('GET', "$path/instances/$_[0]", $token{viewer}) }

sub becomes
{
	my ($id, $state, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $a;
	ok(wait_until(sub { ($a = get($id))->{body}{status} eq $state }, 20), $title)
		or diag($a->{text});
	return $a->{body};
}

subtest 'a task' => sub {
	my $a = create({ handler => 'say', params => { a => [1] }, topic => 'high' });
	status_is($a, 201, 'is created');
	is($a->{body}{status}, 'PENDING', 'it waits');
	is($a->{body}{trigger}, 'api', 'made by the API');
	is($a->{headers}{location}, "$path/instances/$a->{body}{id}", 'Location says where it is');
	my $run = becomes($a->{body}{id}, 'SUCCESS', 'and runs at once');
	is($run->{result}, '{"a":[1]}', 'with its params');
	is_deeply($run->{executionParams}, { a => [1] }, 'which are told');
	status_is($api->call('GET', "$path/instances/$run->{id}", $other), 404, 'to nobody else');
	status_is($api->call('POST', $path, $token{viewer}, { handler => 'say' }), 403,
		'a viewer makes none');
	is($api->pg->psql(q{SELECT count(*) FROM reeve.audit_log WHERE action = 'createTask'}), 1,
		'it is in the audit log');

	$a = create({ handler => 'fail', retry => 0 });
	is(becomes($a->{body}{id}, 'FAILED', 'one that fails')->{topic}, 'common',
		'is in the topic common');
	status_is($api->call('POST', "$path/instances/$a->{body}{id}/retry", $token{operator}), 200,
		'it is run again');
	ok(wait_until(sub { @{ get($a->{body}{id})->{body}{errors} } == 2 }, 20), 'at once, too');
	becomes($a->{body}{id}, 'FAILED', 'and fails again');
	$a = create({ handler => 'say', delay => '1h', priority => 7, timeout => '5s',
		deadline => '2099-01-01T00:00:00Z' });
	status_is($a, 201, 'one for later');
	is($a->{body}{priority}, 7, 'with its priority');
	is($a->{body}{timeout}, 5000, 'its timeout');
	is($a->{body}{deadline}, '2099-01-01T00:00:00.000000Z', 'its deadline');
	like($a->{body}{dueAt}, qr/^20/, 'and when it is due');
	ok(wait_until(sub { $redis->cmd('ZCARD', 'reeve:queue:{common}:delayed') == 1 }, 10),
		'waits in Redis');
	status_is($api->call('POST', "$path/instances/$a->{body}{id}/cancel", $token{operator}),
		200, 'it is cancelled');
	$a = create({ handler => 'say', at => '2099-01-01T00:00:00Z' });
	is($a->{body}{dueAt}, '2099-01-01T00:00:00.000000Z', 'or at a time');
	$api->call('POST', "$path/instances/$a->{body}{id}/cancel", $token{operator});
};

subtest 'what does not fit' => sub {
	my $refused = sub {
		my ($body, $wanted) = @_;
		my $a = create($body);
		status_is($a, 422, "$wanted: 422");
		like(ApiNode::errors($a), qr/$wanted/, $wanted);
	};
	$refused->({}, 'handler: is missing');
	$refused->({ handler => 'nope' }, 'handler: process.yaml of this node has no');
	$refused->({ handler => 'say', params => [1] }, 'params: must be an object');
	$refused->({ handler => 'say', topic => 'A!' }, 'topic: is a name');
	$refused->({ handler => 'say', delay => 1, at => '2099-01-01T00:00:00Z' }, 'at: does not go');
	$refused->({ handler => 'say', timeout => 0 }, 'timeout: ');
	$refused->({ handler => 'say', nope => 1 }, 'nope: there is no such field');
	$refused->({ handler => 'say', subtasks => [] }, 'subtasks: must have 1 to 1000');
	$refused->({ handler => 'say', subtasks => [({}) x 1001] }, 'subtasks: must have 1 to 1000');
	$refused->({ handler => 'say', subtasks => [{}, { handler => 'nope' }] },
		'subtasks\[1\]\.handler: process\.yaml');
	$refused->({ handler => 'say', subtasks => [{ topic => '?' }] }, 'subtasks\[0\]\.topic: ');
	$refused->({ handler => 'say', subtasks => [{ delay => 1 }] },
		'subtasks\[0\]\.delay: there is no such field');
	is($api->pg->psql(q{SELECT count(*) FROM reeve.task_instances}), 4, 'nothing was made of it');
};

subtest 'a unique key' => sub {
	my %task = (handler => 'long', uniqueKey => 'report');
	my $id = create(\%task)->{body}{id};
	my $a = create(\%task);
	status_is($a, 409, 'has one holder');
	like($a->{body}{detail}, qr/task $id holds/, 'which is named');
	status_is($api->call('POST', $path, $other, \%task), 201, 'in each tenant');
	becomes($id, 'RUNNING', 'while it runs, too');
	status_is(create(\%task), 409, 'nobody else');
	$api->call('POST', "$path/instances/$id/cancel", $token{operator});
	becomes($id, 'CANCELLED', 'until its end');
	$a = create(\%task);
	status_is($a, 201, 'then it is free');
	status_is($api->call('POST', "$path/instances/$id/retry", $token{operator}), 409,
		'which a retry respects');
	$api->call('POST', "$path/instances/$a->{body}{id}/cancel", $token{operator});
	becomes($a->{body}{id}, 'CANCELLED', 'the end');
};

subtest 'subtasks' => sub {
	my $a = create({ handler => 'say', params => { of => 'all' }, topic => 'high', priority => 3,
		subtasks => [map { { params => { n => $_ }, ($_ == 2 ? (topic => 'common') : ()) } } 1 .. 20] });
	status_is($a, 201, 'are made with their task');
	is_deeply($a->{body}{subtasks}, { total => 20, done => 0, failed => 0 }, 'which counts them');
	my $id = $a->{body}{id};
	my $run = becomes($id, 'SUCCESS', 'and ends with the last of them');
	is_deeply($run->{subtasks}, { total => 20, done => 20, failed => 0 }, 'when all are done');
	is($run->{progress}, 100, 'which is its progress');
	my @parts = @{ $api->call('GET', "$path/instances?parent=$id", $token{viewer})->{body}{items} };
	is(scalar @parts, 20, 'each is an instance');
	is(scalar(grep { $_->{topic} eq 'common' } @parts), 1, 'with a topic of its own or that of the task');
	is(scalar(grep { $_->{priority} == 3 } @parts), 20, 'and its priority');
	is(get($parts[-1]{id})->{body}{result}, '{"n":1}', 'and params');

	$a = create({ handler => 'say', subtasks => [{}, { handler => 'fail', retry => 0 }, {}] });
	$run = becomes($a->{body}{id}, 'FAILED', 'one that fails fails the task');
	is_deeply($run->{subtasks}, { total => 3, done => 3, failed => 1 }, 'once all are over');

	$a = create({ handler => 'long', subtasks => [{}, {}, { handler => 'say' }] });
	$id = $a->{body}{id};
	ok(wait_until(sub { get($id)->{body}{subtasks}{done} == 1 }, 20), 'while some run');
	status_is($api->call('POST', "$path/instances/$id/cancel", $token{operator}), 200,
		'the task is cancelled');
	is(get($id)->{body}{status}, 'CANCELLED', 'at once');
	ok(wait_until(sub {
		@{ $api->call('GET', "$path/instances?parent=$id&status=CANCELLED", $token{viewer})
			->{body}{items} } == 2;
	}, 20), 'and so are its subtasks');
};

subtest 'Idempotency-Key' => sub {
	my %key = ('idempotency-key' => 'order 4711');
	my %task = (handler => 'say', params => { order => 4711 });
	my $a = create(\%task, %key);
	status_is($a, 201, 'a request');
	is($a->{headers}{'idempotent-replayed'}, undef, 'that is new');
	my $b = create(\%task, %key);
	status_is($b, 201, 'sent again');
	is($b->{text}, $a->{text}, 'is answered the same');
	is($b->{headers}{location}, $a->{headers}{location}, 'with its Location');
	is($b->{headers}{'idempotent-replayed'}, 'true', 'which it says');
	is($api->pg->psql(q{SELECT count(*) FROM reeve.task_instances WHERE execution_params LIKE '%4711%'}),
		1, 'and done once');
	status_is(create({ %task, priority => 2 }, %key), 422, 'for another request it is refused');
	my $c = $api->call('POST', $path, $other, \%task, %key);
	status_is($c, 201, 'another tenant');
	isnt($c->{body}{id}, $a->{body}{id}, 'has keys of its own');
	status_is(create(\%task, 'idempotency-key' => 'x' x 256), 400, 'one too long is none');
	my %d = (taskName => 'once', taskHandler => 'say', scheduleType => 'FIXED_RATE', interval => '1h');
	status_is($api->call('POST', "$path/definitions", $token{operator}, \%d, %key), 422,
		'nor is one of another path');
	my %own = ('idempotency-key' => 'd');
	my @made = map { $api->call('POST', "$path/definitions", $token{operator}, \%d, %own) } 1, 2;
	is_deeply([map { $_->{status} } @made], [201, 201], 'definitions, too');
	is($made[0]{headers}{etag}, $made[1]{headers}{etag}, 'with their ETag');
	my $bad = create({ handler => 'nope' }, 'idempotency-key' => 'bad');
	status_is($bad, 422, 'what was refused');
	status_is(create(\%task, 'idempotency-key' => 'bad'), 201, 'took no key');

	is(scalar(grep { !at_once($_) } 1 .. 4), 0, 'or that the first is under way');
	is($api->pg->psql(q{SELECT concat_ws(' of ', count(DISTINCT execution_params), count(*)) FROM reeve.task_instances}
		. q{ WHERE execution_params LIKE '%of many%'}), '4 of 4', 'many at once are one');

	# As if the worker had died, or the database, before the answer was there.
	my $forget = sub {
		$api->pg->psql('UPDATE reeve.idempotency_keys SET status = NULL, headers = NULL,'
			. " answer = NULL WHERE key = '$_[0]'");
	};
	becomes($a->{body}{id}, 'SUCCESS', 'when the answer got lost');
	$forget->('order 4711');
	$b = create(\%task, %key);
	status_is($b, 201, 'it is told by what was made');
	is_deeply([$b->{body}{id}, $b->{body}{status}, @{ $b->{headers} }{qw(location idempotent-replayed)}],
		[$a->{body}{id}, 'SUCCESS', $a->{headers}{location}, 'true'], 'as it is now');
	$forget->('d');
	$b = $api->call('POST', "$path/definitions", $token{operator}, \%d, %own);
	is_deeply([$b->{status}, $b->{body}{id}, @{ $b->{headers} }{qw(location etag)}],
		[201, $made[0]{body}{id}, @{ $made[0]{headers} }{qw(location etag)}], 'definitions, too');
	$api->call('DELETE', $made[0]{headers}{location}, $token{operator});
	$b = $api->call('POST', "$path/definitions", $token{operator}, \%d, %own);
	status_is($b, 409, 'what was made and deleted is not made again');
	$api->pg->psql(q{UPDATE reeve.idempotency_keys SET created_at = created_at - interval '25 hours'});
	$b = create(\%task, %key);
	isnt($b->{body}{id}, $a->{body}{id}, 'after a day it is forgotten');
};

subtest 'limits' => sub {
	$api->token('small', 'operator');
	$api->pg->psql(q{UPDATE reeve.tenants SET runs_max = 3, definitions_max = 1 WHERE id = 'small'});
	my $small = $api->token('small', 'operator');
	my $make = sub { $api->call('POST', $path, $small, $_[0]) };
	my @a = map { $make->({ handler => 'long' }) } 1 .. 3;
	is_deeply([map { $_->{status} } @a], [201, 201, 201], 'so many runs');
	my $a = $make->({ handler => 'say' });
	status_is($a, 429, 'and no more');
	is($a->{headers}{'retry-after'}, 1, 'come again');
	like($a->{body}{detail}, qr/3 runs/, 'it says how many');
	status_is(create({ handler => 'say' }), 201, 'others are not concerned');
	my $id = $a[0]{body}{id};
	$api->call('POST', "$path/instances/$id/cancel", $small);
	ok(wait_until(sub { $make->({ handler => 'say' })->{status} == 201 }, 20),
		'when one has ended there is room');
	status_is($make->({ handler => 'say', subtasks => [({}) x 4] }), 429, 'subtasks count');
	$api->call('POST', "$path/instances/$_->{body}{id}/cancel", $small) for @a;
	ok(wait_until(sub { $api->pg->psql('SELECT count(*) FROM reeve.tenant_runs') == 0 }, 20),
		'in the end none is counted');
	status_is($make->({ handler => 'say', subtasks => [({}) x 3] }), 201, 'all of the room');
	ok(wait_until(sub { $api->pg->psql('SELECT count(*) FROM reeve.tenant_runs') == 0 }, 20),
		'is free again when they are done');
	my $over = $a[0]{body}{id};
	$make->({ handler => 'long' }) for 1 .. 3;
	$a = $api->call('POST', "$path/instances/$over/retry", $small);
	status_is($a, 429, 'one that is over is not run again beyond the limit');
	is($api->call('GET', "$path/instances/$over", $small)->{body}{status}, 'CANCELLED',
		'and is as it was');
	$api->call('POST', "$path/instances/$_->{id}/cancel", $small)
		for grep { $_->{status} =~ /PENDING|RUNNING/ }
		@{$api->call('GET', "$path/instances", $small)->{body}{items}};
	ok(wait_until(sub { $api->call('POST', "$path/instances/$over/retry", $small)->{status} == 200 },
		20), 'when there is room it is');
	is($api->pg->psql("SELECT is_counted FROM reeve.task_instances WHERE id = '$over'"), 't',
		'and counts');
	$api->call('POST', "$path/instances/$over/cancel", $small);
	my %d = (taskHandler => 'say', scheduleType => 'FIXED_RATE', interval => '1h');
	my @d = map { $api->call('POST', "$path/definitions", $small, { %d, taskName => "d$_" }) } 1, 2;
	is_deeply([map { $_->{status} } @d], [201, 409], 'so many definitions, and no more');
};

subtest 'statistics' => sub {
	my $fresh = $api->token('fresh', 'operator');
	my $stats = sub { $api->call('GET', "$path/stats" . ($_[0] // ''), $fresh) };
	my $a = $stats->();
	status_is($a, 200, 'are told');
	is_deeply([@{ $a->{body} }{qw(processing completed failed processingRate successRate)}],
		[0, 0, 0, 0, undef], 'of one tenant alone');
	is_deeply($a->{body}{pending}, { total => 0, byTopic => {} }, 'nothing waits');
	$api->call('POST', $path, $fresh, { handler => $_, retry => 0 }) for qw(say say say fail);
	my $long = $api->call('POST', $path, $fresh, { handler => 'long' })->{body}{id};
	$api->call('POST', $path, $fresh, { handler => 'say', delay => '1h', topic => 'high' });
	ok(wait_until(sub {
		my $b = $stats->()->{body};
		$b->{completed} == 3 && $b->{failed} == 1 && $b->{processing} == 1;
	}, 20), 'what ended and runs is counted') or diag(explain($stats->()->{body}));
	my $b = $stats->('?window=1h')->{body};
	is_deeply($b->{pending}, { total => 1, byTopic => { high => 1 } }, 'what waits, by topic');
	is($b->{successRate}, 0.75, 'the rate of success');
	cmp_ok($b->{processingRate}, '>', 0, 'and how many end a second');
	status_is($stats->('?window=1s'), 400, 'a window is a minute at least');
	my ($later) = map { $_->{id} }
		@{$api->call('GET', "$path/instances?status=PENDING", $fresh)->{body}{items}};
	$api->call('POST', "$path/instances/$_/cancel", $fresh) for $long, $later;
	ok(wait_until(sub { my $b = $stats->()->{body};
		$b->{cancelled} == 2 && $b->{processing} == 0 && $b->{pending}{total} == 0 }, 20),
		'what is cancelled is, waiting or running') or diag(explain($stats->()->{body}));
	$b = $stats->()->{body};
	is_deeply([@$b{qw(completed failed successRate)}], [3, 1, 0.75], 'and nothing else');
	$api->call('POST', $path, $fresh, { handler => 'say', subtasks => [({}) x 2] });
	ok(wait_until(sub { $stats->()->{body}{completed} == 5 }, 20), 'subtasks are, the whole is not')
		or diag(explain($stats->()->{body}));
};

subtest 'of many, a few are found without a look at the rest' => sub {
	my $many = $api->token('many', 'operator');
	my $sql = sub { $api->pg->psql(@_) };
	$sql->("INSERT INTO reeve.task_instances (id, tenant_id, handler, topic, status)"
		. " SELECT reeve.uuid_new(), 'many', 'say', 'none', 'SUCCESS' FROM generate_series(1, 20000)");
	$sql->("INSERT INTO reeve.task_instances (id, tenant_id, handler, topic, status)"
		. " SELECT reeve.uuid_floor(now() - interval '1 minute' * n), 'many', 'say', 'none', s"
		. " FROM unnest(ARRAY['RUNNING', 'PENDING', 'FAILED']) WITH ORDINALITY x (s, n)");
	$sql->('ANALYZE reeve.task_instances');
	# Scans of the index of what runs, and rows read of all runs.
	my $look = sub { return split /\t/, $sql->(<<'SQL') };
SELECT (SELECT sum(idx_scan) FROM pg_stat_user_indexes
		WHERE pg_get_indexdef(indexrelid) LIKE '%RUNNING%'),
	(SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))
		FROM pg_stat_user_tables WHERE relname LIKE 'task\_instances%')
SQL
	my @paths = ('stats', 'scheduler/running', map { "instances?status=$_" } qw(RUNNING PENDING FAILED));
	my (%found, $rounds);
	my $round = sub {
		for my $p (@paths) {
			my $a = $api->call('GET', "$path/$p", $many);
			$found{$p} = $p eq 'stats' ? $a->{body}{processing} + $a->{body}{pending}{total}
				: join ' ', map { $_->{status} } @{$a->{body}{items}};
		}
		$rounds++;
	};
	# A connection tells what it has read a second later, all of it at once.
	my ($used, $read) = $look->();
	my @now;
	wait_until(sub { $round->(); @now = $look->(); $rounds >= 20 && $now[0] >= $used + 3 * 20 }, 20,
		'the index of what runs is used');
	is_deeply(\%found, { stats => 2, 'scheduler/running' => 'RUNNING',
		map { ("instances?status=$_" => $_) } qw(RUNNING PENDING FAILED) }, 'they are found');
	$read = $now[1] - $read;
	cmp_ok($read, '>', 0, "$rounds rounds have read $read rows");
	cmp_ok($read, '<', 200 * $rounds, 'of 20000');
};

subtest 'Redis away' => sub {
	$redis->kill9;
	my $a = create({ handler => 'say', params => { n => 'late' } });
	status_is($a, 201, 'tasks are taken');
	$redis->start;
	chmod 0777, $redis->{socket};
	becomes($a->{body}{id}, 'SUCCESS', 'and run when it is back');
};

$api->node->stop;
done_testing();
