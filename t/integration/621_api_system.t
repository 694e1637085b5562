#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What the API says of the whole system, and the scheduler of all nodes:
# stopped, started and restarted.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp ();
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(sleep time);
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(slow slurp wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';

my $dir = File::Temp->newdir('reeve-api-system-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'system', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  long: { kind: exec, command: [sleep, "60"], kill_after: 1s }
YAML
  queue: { kind: queue, topics: { high: 1, low: 1 } }
  crontab: { kind: crontab, count: 2 }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my %token = map { $_ => $api->token('default', $_) } qw(viewer operator admin);
my %acme = map { $_ => $api->token('acme', $_) } qw(viewer admin);
my $scheduler = '/api/v1/tasks/scheduler';

sub status_is
{
	my ($a, $status, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($a->{status}, $status, $title) or diag($a->{text});
	return;
}

sub get { return $api->call('GET', $_[0], $_[1] // $token{viewer}) }
sub post { return $api->call('POST', $_[0], $_[1] // $token{admin}) }
sub sql { return $api->pg->psql(@_) }

subtest 'the system' => sub {
	status_is(get('/api/v1/status', 'reeve_no'), 401, 'only who has a token is told');
	status_is(get('/api/v1/status', $acme{admin}), 403, 'of the tenant default');
	my $s;
	wait_until(sub {
		$s = get('/api/v1/status')->{body};
		$s->{status} eq 'healthy';
	}, 30, 'all is well') or diag(JSON::PP->new->encode($s));
	is_deeply($s->{reasons}, [], 'and nothing is to be said against it');
	ok($s->{dbStatus}{connected} && $s->{dbStatus}{latency} > 0, 'the database answers');
	ok($s->{executorStatus}{standardTasks}{concurrentTasks} >= 2, 'tasks may run');
	my $m = get('/api/v1/monitoring')->{body};
	ok($m->{systemStatus}{memoryAvailable} > 0 && $m->{systemStatus}{cpus} > 0,
		'the machine is told of');
	ok($m->{dbStats}{server}{connections} > 0 && $m->{dbStats}{server}{sizeBytes} > 0,
		'and the database');
	is(join(' ', map { $_->{name} } @{$m->{executorStats}}), 'http queue.high queue.low crontab',
		'and the pools');
	wait_until(sub { @{get('/api/v1/nodes')->{body}{items}} == 1 }, 30, 'the node is listed');
	wait_until(sub { (get('/api/v1/queues')->{body}{items}[0]{measuredAge} // -1) >= 0 }, 30,
		'the topics are measured');
	my @queues = @{get('/api/v1/queues')->{body}{items}};
	is(join(' ', sort map { "$_->{topic}:$_->{consumers}" } @queues), 'high:1 low:1',
		'each with its consumers');
	my @consumers = @{get('/api/v1/consumers')->{body}{items}};
	like($consumers[0]{consumer}, qr{^[^/]+/queue\.high\.0/\d+$}, 'who are listed by name');
};

subtest 'dead letters' => sub {
	$redis->cmd('XADD', 'reeve:queue:{low}:dead', '*', 'task',
		qq({"id":"n$_","handler":"fail","params":{"n":$_},"attempt":3}), 'reason', "no $_",
		'at', 1_700_000_000_000 + $_, 'worker', 'n/queue.0/1', 'deliveries', 1)
		for 1 .. 3;
	$redis->cmd('XADD', 'reeve:queue:{low}:dead', '*', 'task', 'nonsense', 'reason', 'odd');
	my $path = '/api/v1/queues/low/dead';
	status_is(get($path), 403, 'are for an admin');
	my $a = get("$path?limit=3", $token{admin});
	status_is($a, 200, 'who gets them');
	is(join(' ', map { $_->{id} // '-' } @{$a->{body}{items}}), '- n3 n2', 'the newest first');
	is_deeply($a->{body}{items}[1]{taskParams}, { n => 3 }, 'with their params');
	is($a->{body}{items}[1]{reason}, 'no 3', 'and why');
	$a = get("$path?limit=3&cursor=$a->{body}{nextCursor}", $token{admin});
	is(join(' ', map { $_->{id} } @{$a->{body}{items}}), 'n1', 'page by page');
	is($a->{body}{nextCursor}, undef, 'to the last');
	status_is(get('/api/v1/queues/No!/dead', $token{admin}), 404, 'a topic has a name');
	status_is(get("$path?cursor=MTp4", $token{admin}), 400, 'and a cursor a form');
	status_is(get("$path?cursor=" . encode_base64url("listDeadLetters 0:$_"), $token{admin}), 400,
		"which is not $_") for '0-0', '1', '99999999999999999999-1';
	status_is(get('/api/v1/nodes?cursor=' . encode_base64url("listNodes 0:\xff")), 400,
		'nor what is no UTF-8');
	status_is(get('/api/v1/nodes?cursor=' . encode_base64url('listNodes 0:a')), 200,
		'and one that is made up leads nowhere else');
};

sub define
{
	my ($name, %o) = @_;
	my $misfire = $o{misfire} // 'skip';
	my $a = $api->call('POST', '/api/v1/tasks/definitions', $token{operator}, {
		taskName => $name, taskHandler => $o{handler} // 'noop', topic => 'high',
		scheduleType => 'FIXED_RATE', interval => '250ms', overlap => 'allow',
		misfire => $misfire });
	die $a->{text} if $a->{status} != 201;
	return $a->{body}{id};
}

sub fires { return sql("SELECT count(*) FROM reeve.task_instances WHERE trigger = 'cron'") }

subtest 'the scheduler' => sub {
	my $id = define('tick');
	wait_until(sub { fires() >= 3 }, 30, 'a definition fires');
	my $s;
	wait_until(sub { ($s = get("$scheduler/status")->{body})->{leader} }, 30, 'somebody leads');
	ok($s->{running} && $s->{term} >= 1 && $s->{leaderSince}, 'since when, and in which term');
	is($s->{enabledDefinitions}, 1, 'enabled definitions are counted');
	ok($s->{lateness}{fires} >= 3 && $s->{lateness}{maximum} < 5000, 'and how late they fire');
	is(get("$scheduler/status", $acme{viewer})->{body}{enabledDefinitions}, 0,
		"another tenant's are not");

	status_is(post("$scheduler/stop", $token{operator}), 403, 'an operator may not stop it');
	status_is(post("$scheduler/stop", $acme{admin}), 403, 'nor who is of another tenant');
	my $a = post("$scheduler/stop");
	status_is($a, 200, 'an admin may');
	ok(!$a->{body}{running}, 'it is stopped');
	like($a->{body}{changedBy}, qr/^token admin/, 'by whom is told');
	is(get("$scheduler/status", $acme{viewer})->{body}{changedBy}, undef,
		'but not to another tenant');
	my $late = sql('SELECT changed_at FROM reeve.scheduler');
	sleep(2); # what is waited for is that nothing comes
	is(sql("SELECT count(*) FROM reeve.task_instances WHERE trigger = 'cron'"
		. " AND created_at > '$late'::timestamptz + interval '1 second'"), 0,
		'no run is made from one second on');
	my $was = fires();
	post("$scheduler/stop");
	is(sql("SELECT count(*) FROM reeve.audit_log WHERE action = 'stopScheduler'"), 1,
		'to stop it twice is to stop it once');
	status_is($api->call('POST', '/api/v1/tasks', $token{operator},
		{ handler => 'noop', topic => 'high' }), 201, 'tasks can be run meanwhile');

	$a = post("$scheduler/start");
	ok($a->{body}{running}, 'it is started');
	wait_until(sub { fires() > $was }, 30, 'and fires again');
	sql("UPDATE reeve.task_definitions SET status = 'DISABLED' WHERE id = '$id'");

	$was = sql('SELECT count(*) FROM reeve.task_instances');
	post("$scheduler/stop");
	my $skips = define('skips');
	my $once = define('once', misfire => 'once');
	sql("UPDATE reeve.task_definitions SET next_fire = now() - interval '2 minutes'"
		. " WHERE task_name IN ('skips', 'once')");
	post("$scheduler/restart");
	ok(get("$scheduler/status")->{body}{running}, 'a restart starts it, too');
	my $count = sub {
		my ($d, $which) = @_;
		return sql("SELECT count(*) FROM reeve.task_instances WHERE $which"
			. " AND task_definition_id = '$d'"
			. " AND fire_time < now() - interval '100 seconds'");
	};
	wait_until(sub { $count->($skips, "status = 'MISFIRED'") > 0 }, 30,
		'what was missed is left out where misfire is skip');
	is($count->($skips, "status <> 'MISFIRED'"), 0, 'all of it');
	wait_until(sub { sql("SELECT count(*) FROM reeve.task_instances WHERE"
		. " task_definition_id = '$once' AND status = 'SUCCESS'") > 0 }, 30,
		'and made up for once where it is once');
	sql("UPDATE reeve.task_definitions SET status = 'DISABLED'");
};

subtest 'what runs' => sub {
	my $a = $api->call('POST', '/api/v1/tasks', $token{operator},
		{ handler => 'long', topic => 'high' });
	my $id = $a->{body}{id};
	my $list;
	wait_until(sub {
		$list = get("$scheduler/running")->{body}{items};
		grep { $_->{id} eq $id } @$list;
	}, 30, 'is listed') or diag($a->{text});
	is($list->[0]{status}, 'RUNNING', 'as it is');
	is_deeply(get("$scheduler/running", $acme{viewer})->{body}{items}, [],
		'to its own tenant alone');
	wait_until(sub { get('/api/v1/status')->{body}{taskStats}{processing} == 1 }, 30,
		'the status counts it');
	$api->call('POST', "/api/v1/tasks/instances/$id/cancel", $token{operator});
	wait_until(sub { !@{get("$scheduler/running")->{body}{items}} }, 30, 'until it is over');
};

subtest 'the audit log' => sub {
	status_is(get('/api/v1/audit', $token{operator}), 403, 'is for admins');
	my $a = get('/api/v1/audit?object=scheduler', $token{admin});
	is(join(' ', map { $_->{action} } @{$a->{body}{items}}), 'restartScheduler stopScheduler'
		. ' startScheduler stopScheduler', 'says what was done, the newest first');
	is($a->{body}{items}[-1]{after}{running}, JSON::PP::false, 'and what came of it');
	is_deeply(get('/api/v1/audit', $acme{admin})->{body}{items}, [],
		"of one's own tenant");
	$a = get('/api/v1/audit?limit=1', $token{admin});
	my $b = get("/api/v1/audit?limit=1&cursor=$a->{body}{nextCursor}", $token{admin});
	isnt($a->{body}{items}[0]{id}, $b->{body}{items}[0]{id}, 'page by page');
};

subtest 'the database away' => sub {
	$api->pg->kill;
	my $s;
	wait_until(sub {
		my $a = get('/api/v1/status');
		$s = $a->{body};
		$a->{status} == 200 && $s->{status} eq 'degraded';
	}, 4, 'whose token is known is told') or diag(JSON::PP->new->encode($s // {}));
	ok(grep({ /the database does not answer/ } @{$s->{reasons} // []}), 'what is wrong');
	$api->pg->start;
};

$api->node->stop;
done_testing();
