#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The API's runs: looked at, cancelled, run again, and their logs, also while
# they are written.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(slow wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';

my $dir = File::Temp->newdir('reeve-api-runs-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'runs', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  talk: { kind: exec, command: [sh, -c, 'for i in 1 2 3; do echo "line $i" >&2; done; echo done'] }
  odd: { kind: exec, command: [sh, -c, 'printf "a\\000b\\377c\\n" >&2; printf "x\\000y"'] }
  long: { kind: exec, command: [sh, -c, 'echo begun >&2; exec sleep 60'], kill_after: 1s }
  told: { kind: exec, command: [sh, -c, 'echo "$(cat) $REEVE_TOPIC $REEVE_TENANT $REEVE_TIMEOUT_MS"'] }
  steps: { kind: exec, command: [sh, -c, 'echo 40 half way >&3; exec sleep 60'], kill_after: 1s }
  no: { kind: exec, command: [sh, -c, 'echo no way >&2; exit 3'], retry: { max: 1, base: 10ms, cap: 10ms } }
YAML
  queue: { kind: queue, topics: { high: 1 } }
  crontab: { kind: crontab, count: 1 }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my $path = '/api/v1/tasks/instances';
my %token = map { $_ => $api->token('acme', $_) } qw(viewer operator);
my $other = $api->token('other', 'operator');

sub status_is
{
	my ($a, $status, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($a->{status}, $status, $title) or diag($a->{text});
	return;
}

sub get { return $api->call('GET', "$path/$_[0]", $token{viewer}) }
sub post { return $api->call('POST', "$path/$_[0]", $token{operator}) }

# A task of a handler, as SQL enqueues it.
sub task
{
	my ($handler, %o) = @_;
	my $more = join '', map { ", $_ => $o{$_}" } sort keys %o;
	return $api->pg->psql("SELECT reeve.push('high', '$handler', '{\"n\": 1}',"
		. " tenant => 'acme'$more)");
}

sub becomes
{
	my ($id, $state, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $a;
	ok(wait_until(sub { ($a = get($id))->{body}{status} eq $state }, 20), $title)
		or diag($a->{text});
	return $a->{body};
}

subtest 'a run' => sub {
	my $id = task('talk');
	my $run = becomes($id, 'SUCCESS', 'is seen to its end');
	is($run->{taskHandler}, 'talk', 'with its handler');
	is($run->{topic}, 'high', 'its topic');
	is_deeply($run->{executionParams}, { n => 1 }, 'its params');
	is($run->{result}, 'done', 'what it printed');
	like($run->{startTime}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'when it began');
	ok($run->{executionDuration} >= 0, 'how long it took');
	like($run->{worker}, qr{/queue\.high\.0/}, 'and who ran it');
	my $failed = becomes(task('no'), 'FAILED', 'one that fails, too');
	is_deeply([map { $_->{attempt} } @{ $failed->{errors} }], [1, 2], 'with each attempt');
	like($failed->{errorMessage}, qr/no way/, 'and why');
	status_is($api->call('GET', "$path/$id", $other), 404, 'another tenant finds nothing');
	status_is(get('0192aaaa-0000-7000-8000-000000000000'), 404, 'nor does anybody what is not');
	status_is(get('42'), 404, 'an id is a uuid');
};

subtest 'lists' => sub {
	my @ids = map { task('talk') } 1 .. 3;
	my $at = $api->pg->psql("SELECT reeve.iso(clock_timestamp() + interval '2 ms')");
	select undef, undef, undef, 0.01;
	push @ids, task('talk');
	becomes($_, 'SUCCESS', 'done') for @ids;
	my $list = sub {
		my ($query, $as) = @_;
		my $a = $api->call('GET', "$path?$query", $as // $token{viewer});
		status_is($a, 200, $query);
		return @{ $a->{body}{items} // [] };
	};
	is(scalar $list->('limit=500'), 6, 'all of the tenant');
	is(scalar $list->('', $other), 0, 'none of them for another');
	is_deeply([map { $_->{id} } $list->('limit=2')], [@ids[3, 2]], 'the newest first');
	ok(!exists +($list->('limit=1'))[0]{executionParams}, 'without what may be long');
	is(scalar $list->('status=FAILED'), 1, 'by status');
	is(scalar $list->('status=completed'), 5, 'by what others call it');
	is(scalar $list->('status=processing'), 0, 'likewise');
	is(scalar $list->('handler=no'), 1, 'by handler');
	is(scalar $list->('topic=high&status=success'), 5, 'by topic');
	is(scalar $list->('topic=low'), 0, 'of which another has none');
	is(scalar $list->("parent=$ids[0]"), 0, 'by parent');
	is(scalar $list->("definition=$ids[0]"), 0, 'by definition');
	is(scalar $list->('trigger=push'), 6, 'by what made it');
	my ($one) = $list->('limit=1');
	is(scalar $list->("node=$one->{executionNode}"), 6, 'by node');
	is(scalar $list->("to=$at"), 5, 'made before a time');
	is(scalar $list->("from=$at&limit=5"), 1, 'and since');
	is(scalar $list->('from=1969-12-31T00:00:00Z'), 6, 'since long before the first');
	is(scalar $list->('to=1969-12-31T00:00:00Z'), 0, 'of which there are none');
	is(scalar $list->('to=9999-12-31T23:59:59Z'), 6, 'to the end of time');
	my ($cursor, @seen) = ('');
	do {
		my $a = $api->call('GET', "$path?limit=4$cursor", $token{viewer});
		push @seen, map { $_->{id} } @{ $a->{body}{items} };
		$cursor = defined $a->{body}{nextCursor} ? "&cursor=$a->{body}{nextCursor}" : undef;
	} while (defined $cursor);
	is(scalar @seen, 6, 'page by page');
	is_deeply(\@seen, [sort { $b cmp $a } @seen], 'in order');
	is_deeply([map { $_->{id} } $list->('sort=createdAt&status=SUCCESS')],
		[sort map { $_->{id} } $list->('status=SUCCESS')], 'and the oldest first');
	my $next = $api->call('GET', "$path?limit=4&sort=createdAt", $token{viewer})->{body}{nextCursor};
	is_deeply([map { $_->{id} } $list->("sort=createdAt&cursor=$next")], [reverse @seen[0, 1]],
		'in pages, too');
	status_is($api->call('GET', "$path?cursor=$next", $token{viewer}), 400,
		'of which a cursor is for this order alone');
	status_is($api->call('GET', "$path?$_", $token{viewer}), 400, "$_ is refused")
		for qw(status=odd definition=42 from=yesterday limit=0 cursor=MTp4 nope=1);
};

subtest 'a run that is cancelled' => sub {
	my $late = task('talk', delay => "'1 hour'::interval");
	status_is($api->call('POST', "$path/$late/cancel", $token{viewer}), 403, 'not by a viewer');
	status_is($api->call('POST', "$path/$late/cancel", $other), 404, 'nor by another tenant');
	my $a = post("$late/cancel");
	status_is($a, 200, 'before it begins');
	is($a->{body}{status}, 'CANCELLED', 'is so at once');
	like(post("$late/cancel")->{body}{detail}, qr/it is over: CANCELLED/, 'and not twice');

	my $id = task('long');
	becomes($id, 'RUNNING', 'one that runs');
	status_is(post("$id/cancel"), 200, 'is cancelled');
	becomes($id, 'CANCELLED', 'by its worker');
	status_is(post("$id/cancel"), 409, 'and not twice');
	status_is(post('0192aaaa-0000-7000-8000-000000000000/cancel'), 404, 'one that is not: 404');
	status_is(post(uc($id) . '/retry'), 200, 'it may be run again, its id in capitals');
	becomes($id, 'RUNNING', 'whatever mark it had');
	status_is(post("$id/retry"), 409, 'but not while it runs');
	post("$id/cancel");
	becomes($id, 'CANCELLED', 'it is cancelled again');
	is($api->pg->psql(q{SELECT string_agg(action, ' ' ORDER BY id) FROM reeve.audit_log}),
		'cancelInstance cancelInstance retryInstance cancelInstance',
		'each change is in the audit log, and no refusal');
};

subtest 'a definition of each kind, from its making to the end of its runs' => sub {
	my $defs = '/api/v1/tasks/definitions';
	my %body = (taskHandler => 'told', topic => 'high', taskParams => { of => 'it' },
		timeout => '50s', retry => 4, priority => 9);
	my $at = $api->pg->psql("SELECT reeve.iso(clock_timestamp() + interval '600 ms')");
	my %kinds = (
		CRON => { cronExpression => '* * * * * *' },
		FIXED_RATE => { interval => '300ms' },
		FIXED_DELAY => { interval => '300ms' },
		ONCE => { runAt => $at },
	);
	my %id = map { $_ => $api->call('POST', $defs, $token{operator}, { %body,
		taskName => "kind $_", scheduleType => $_, %{$kinds{$_}} })->{body}{id} } keys %kinds;
	my $runs = sub {
		my ($kind) = @_;
		return @{ $api->call('GET', "$path?definition=$id{$kind}&status=SUCCESS",
			$token{viewer})->{body}{items} };
	};
	for my $kind (sort keys %kinds) {
		my $wanted = $kind eq 'ONCE' ? 1 : 2;
		ok(wait_until(sub { $runs->($kind) >= $wanted }, 20), "$kind: it fires, and runs");
		my $run = get(($runs->($kind))[-1]{id})->{body};
		is_deeply([@$run{qw(taskName trigger taskHandler topic timeout retry priority)}],
			["kind $kind", 'cron', 'told', 'high', 50000, 4, 9], 'as it says');
		is_deeply($run->{executionParams}, { of => 'it' }, 'with its params');
		is($run->{result}, '{"of":"it"} high acme 50000', 'which the handler is given, and its settings')
			or diag(explain($run));
		like($run->{fireTime}, qr/^20/, 'at its time');
	}
	is(substr(($runs->('ONCE'))[0]{fireTime}, 0, 23), substr($at, 0, 23),
		'once is when it was asked for');
	my $once = $api->call('GET', "$defs/$id{ONCE}", $token{viewer})->{body};
	ok(!$once->{enabled} && !defined $once->{nextFire}, 'and then no more');
	is($once->{lastState}, 'SUCCESS', 'its last state is told');
	status_is($api->call('DELETE', "$defs/$_", $token{operator}), 204, 'it is deleted')
		for values %id;
	my $late = $api->call('POST', $defs, $token{operator}, { %body, taskName => 'late',
		taskHandler => 'long', timeout => '300ms', retry => 0, scheduleType => 'ONCE',
		runAt => $api->pg->psql("SELECT reeve.iso(clock_timestamp() + interval '500 ms')") })->{body}{id};
	my $run;
	ok(wait_until(sub { ($run) = @{ $api->call('GET', "$path?definition=$late&status=TIMEOUT",
		$token{viewer})->{body}{items} } }, 20), 'one that takes too long is ended');
	like($run->{errorMessage}, qr/\S/, 'with the reason: ' . ($run->{errorMessage} // ''));
	$api->call('DELETE', "$defs/$late", $token{operator});
};

subtest 'how far a run is' => sub {
	my $id = task('steps');
	my $run;
	ok(wait_until(sub { $run = get($id)->{body}; ($run->{progress} // 0) == 40 }, 20),
		'is seen while it runs') or diag(explain($run));
	is("$run->{status} $run->{progressText}", 'RUNNING half way', 'with its words');
	post("$id/cancel");
	is(becomes($id, 'CANCELLED', 'and stays')->{progress}, 40, 'as it was');
};

subtest 'a pause after each run' => sub {
	my $defs = '/api/v1/tasks/definitions';
	my %body = (taskName => 'pause', taskHandler => 'long', scheduleType => 'FIXED_DELAY',
		interval => '100ms', overlap => 'allow', topic => 'high');
	my $id = $api->call('POST', $defs, $token{operator}, \%body)->{body}{id};
	my @runs;
	ok(wait_until(sub {
		@runs = @{ $api->call('GET', "$path?definition=$id", $token{viewer})->{body}{items} };
		@runs == 1 && $runs[0]{status} eq 'RUNNING';
	}, 20), 'while one goes on');
	my $a = $api->call('PUT', "$defs/$id", $token{operator}, { %body, interval => '200ms' });
	is("$a->{status} " . ($a->{body}{nextFire} // 'never'), '200 never',
		'a change has no next fire before its end');
	$api->call('POST', "$defs/$id/disable", $token{operator});
	$a = $api->call('POST', "$defs/$id/enable", $token{operator});
	is("$a->{status} " . ($a->{body}{nextFire} // 'never'), '200 never', 'nor has who enables it');
	post("$runs[0]{id}/cancel");
	ok(wait_until(sub {
		2 == @{ $api->call('GET', "$path?definition=$id", $token{viewer})->{body}{items} };
	}, 20), 'after which it is run again');
	$api->call('DELETE', "$defs/$id", $token{operator});
	@runs = @{ $api->call('GET', "$path?definition=$id", $token{viewer})->{body}{items} };
	post("$_->{id}/cancel") for @runs;
};

subtest 'a definition that is deleted' => sub {
	my $defs = '/api/v1/tasks/definitions';
	my $a = $api->call('POST', $defs, $token{operator}, { taskName => 'queue', taskHandler => 'long',
		scheduleType => 'FIXED_RATE', interval => '500ms', overlap => 'queue', topic => 'high' });
	status_is($a, 201, 'while runs of it wait behind one');
	my $runs = sub { @{ $api->call('GET', "$path?definition=$a->{body}{id}", $token{viewer})->{body}{items} } };
	ok(wait_until(sub { 2 <= grep { $_->{held} } $runs->() }, 20), 'that goes on');
	ok(wait_until(sub { grep { $_->{status} eq 'RUNNING' } $runs->() }, 20), 'and on');
	status_is($api->call('DELETE', "$defs/$a->{body}{id}", $token{operator}), 204, 'goes');
	my %n;
	$n{$_->{status}}++ for $runs->();
	is($n{RUNNING}, 1, 'the one that runs stays');
	ok($n{CANCELLED} >= 2 && keys %n == 2, 'and the others wait for nothing')
		or diag(explain(\%n));
	post("$_->{id}/cancel") for grep { $_->{status} eq 'RUNNING' } $runs->();
};

subtest 'logs' => sub {
	my $id = task('talk');
	becomes($id, 'SUCCESS', 'a run has ended');
	my $a;
	ok(wait_until(sub {
		$a = $api->call('GET', "$path/$id/logs", $token{viewer});
		@{ $a->{body}{items} } == 3;
	}, 10), 'its lines are there') or diag($a->{text});
	is_deeply([map { $_->{message} } @{ $a->{body}{items} }], ['line 1', 'line 2', 'line 3'],
		'in order');
	my $odd = task('odd');
	is(becomes($odd, 'SUCCESS', 'one that writes what is no text')->{result}, "x\x{fffd}y",
		'has its result');
	my $b;
	ok(wait_until(sub {
		$b = $api->call('GET', "$path/$odd/logs", $token{viewer});
		@{ $b->{body}{items} } == 1;
	}, 10), 'and its line');
	is($b->{body}{items}[0]{message}, "a\x{fffd}b\x{fffd}c", 'to its end');
	my $level = $a->{body}{items}[0]{level};
	$a = $api->call('GET', "$path/$id/logs?limit=2", $token{viewer});
	my $next = $a->{body}{nextCursor};
	$a = $api->call('GET', "$path/$id/logs?limit=2&cursor=$next", $token{viewer});
	is_deeply([map { $_->{message} } @{ $a->{body}{items} }], ['line 3'], 'page by page');
	$a = $api->call('GET', "$path/$id/logs?level=error", $token{viewer});
	is(scalar @{ $a->{body}{items} }, $level eq 'ERROR' ? 3 : 0, 'by level');
	status_is($api->call('GET', "$path/$id/logs", $other), 404, 'not for another tenant');
	status_is($api->call('GET', "$path/$id/logs?follow=1", $other), 404, 'nor as a stream');

	my $s = $api->follow("$path/$id/logs?follow=1", $token{viewer}, sub { 0 });
	like($s->{head}, qr{^Content-Type: text/event-stream\r?$}mi, 'followed, it is a stream');
	is(join(' ', map { $_->{event} } @{ $s->{events} }), 'state log log log end',
		'that ends with a run that is over');
	is($s->{events}[-1]{data}{status}, 'SUCCESS', 'and says how');
	$s = $api->follow("$path/$id/logs?follow=1", $token{viewer}, sub { 0 },
		'Last-Event-ID' => $s->{events}[1]{id});
	is(join(' ', map { $_->{event} } @{ $s->{events} }), 'state log log end',
		'it goes on behind what was seen');
};

subtest 'a log that is followed' => sub {
	my $id = task('long');
	becomes($id, 'RUNNING', 'while it runs');
	my $told = 0;
	my $s = $api->follow("$path/$id/logs?follow=1", $token{viewer}, sub {
		my ($events) = @_;
		if (!$told && grep { $_->{event} eq 'log' } @$events) {
			$told = 1;
			post("$id/cancel");
		}
		return 0;
	});
	is($s->{events}[0]{data}{status}, 'RUNNING', 'says how it stands');
	ok((grep { ($_->{data}{message} // '') eq 'begun' } @{ $s->{events} }), 'what it writes');
	is($s->{events}[-1]{event}, 'end', 'and when it has ended') or diag(explain($s));
	is($s->{events}[-1]{data}{status}, 'CANCELLED', 'and how');
};

subtest 'a token that is revoked' => sub {
	my $short = $api->token('acme', 'viewer');
	my $id = task('long');
	becomes($id, 'RUNNING', 'a run');
	my $asked = 0;
	my $s = $api->follow("$path/$id/logs?follow=1", $short, sub {
		$api->pg->psql("UPDATE reeve.api_tokens SET revoked_at = now()"
			. " WHERE token_hash = sha256('$short')") if @{ $_[0] } && !$asked++;
		return 0;
	});
	ok($s->{ended}, 'ends what it had opened');
	ok(!(grep { $_->{event} eq 'end' } @{ $s->{events} }), 'before the run is over');
	post("$id/cancel");
	becomes($id, 'CANCELLED', 'the end');
};

subtest 'a token that ends' => sub {
	my $id = task('long');
	becomes($id, 'RUNNING', 'a run');
	$api->pg->psql("INSERT INTO reeve.api_tokens (tenant_id, name, role, token_hash, expires_at)"
		. " VALUES ('acme', 'ends', 'viewer', sha256('ends'), now() + interval '2 seconds')");
	my $from = time;
	my $s = $api->follow("$path/$id/logs?follow=1", 'ends', sub { 0 });
	ok($s->{ended}, 'ends what it had opened');
	cmp_ok(time - $from, '<', slow(5), 'with itself');
	is($s->{events}[0]{data}{status}, 'RUNNING', 'which told of the run until then');
	ok(!(grep { $_->{event} eq 'end' } @{ $s->{events} }), 'and not of its end');
	post("$id/cancel");
	becomes($id, 'CANCELLED', 'the end');
};

subtest 'a worker that drains' => sub {
	my $id = task('long');
	becomes($id, 'RUNNING', 'a run');
	my $asked = 0;
	my $s = $api->follow("$path/$id/logs?follow=1", $token{viewer}, sub {
		my ($events) = @_;
		$api->node->ctl('restart', 'http') if @$events && !$asked++;
		return 0;
	});
	ok($s->{ended}, 'ends its streams');
	ok(!(grep { $_->{event} eq 'end' } @{ $s->{events} }), 'and does not say that the run is over');
	delete $api->{http};
	status_is(post("$id/cancel"), 200, 'another serves');
	becomes($id, 'CANCELLED', 'as before');
};

subtest 'Redis away' => sub {
	my $id = task('long');
	becomes($id, 'RUNNING', 'while a task runs');
	$redis->kill9;
	my $a;
	ok(wait_until(sub { ($a = post("$id/cancel"))->{status} == 503 }, 10),
		'its worker cannot be told: 503') or diag($a->{text});
	ok($a->{headers}{'retry-after'} > 0, 'come again');
	status_is(get($id), 200, 'what needs no Redis is served');
	$redis->start;
	chmod 0777, $redis->{socket};
	ok(wait_until(sub { post("$id/cancel")->{status} != 503 }, 10), 'it goes on by itself');
};

$api->node->stop;
done_testing();
