#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl --url: the commands carried out on another node by its API print
# what they print there, and what the API refuses is told.
use strict;
use warnings;

use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(free_port is_root program run_command send_signal slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';
delete @ENV{qw(REEVE_DATABASE_URL REEVE_SOCKET REEVE_URL REEVE_TOKEN REEVE_CAFILE
	http_proxy https_proxy ALL_PROXY all_proxy)};

my $dir = File::Temp->newdir('reeve-ctl-url-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'ctlurl', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  talk: { kind: exec, command: [sh, -c, 'for i in 1 2 3; do echo "line $i" >&2; done; echo done'] }
  hold: { kind: exec, command: [sh, -c, 'echo begun >&2; while test -e @DIR@/hold; do sleep 0.02; done; echo over >&2'],
    kill_after: 1s }
YAML
  near: { kind: http, listen: ["unix:@DIR@/api.sock"], count: 1 }
  queue: { kind: queue, topics: { high: 1, common: 1 } }
  crontab: { kind: crontab, count: 1 }
  shop:
    kind: deploy
    root: @DIR@/shop
    source: { directory: @DIR@ }
    health: { for: 0s }
    hooks: { prepare: "while test -e stay; do sleep 0.02; done" }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
our $url = 'http://127.0.0.1:' . $api->node->port;
my %token = map { my $t = $_; map { ("$t $_" => $api->token($t, $_)) } qw(viewer operator admin) }
	qw(default acme);

# With a token, on that node: exit code, standard output and error.
sub there
{
	my ($who, @words) = @_;
	local $ENV{REEVE_TOKEN} = $token{$who} // $who;
	return run_command(20, program('reevectl'), '--url', $url, @words);
}

# On the node itself.
sub here
{
	my @words = @_;
	return run_command(20, program('reevectl'), '-c', $api->node->{config}, @words);
}

sub done
{
	my ($who, @words) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = there($who, @words);
	is($exit, 0, "@words") or diag($err);
	chomp $out;
	return $out;
}

sub json { return decode_json(done(@_, '--json')) }

sub refused
{
	my ($why, $exit, $who, @words) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = there($who, @words);
	is($code, $exit, "@words: exit $exit");
	like($err, $why, 'it says why');
	is(($err =~ tr/\n//), 1, 'in one line');
	return;
}

# The same command there and on the node itself, but for what the API does not
# tell and what goes on meanwhile; it measures queues only now and then.
sub same
{
	my ($words, @but) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @texts;
	wait_until {
		@texts = ();
		for my $run (\&here, sub { there('default admin', @_) }) {
			my ($exit, $out, $err) = $run->('--json', @$words);
			my $doc = $exit == 0 ? decode_json($out) : $err;
			delete @$_{@but} for ref $doc eq 'ARRAY' ? @$doc : ref $doc ? $doc : ();
			push @texts, JSON::PP->new->canonical->pretty->allow_nonref->encode($doc);
		}
		$texts[0] eq $texts[1];
	} 10;
	return is($texts[1], $texts[0], "@$words says the same there and here");
}

subtest 'where' => sub {
	local $ENV{REEVE_TOKEN} = $token{'default viewer'};
	my @command = (program('reevectl'), 'status');
	for my $way ("$url/", 'unix:' . $api->node->dir . '/api.sock') {
		my ($exit, $out, $err) = run_command(20, @command, '--url', $way);
		is($exit, 0, $way) or diag($err);
		like($out, qr/^queue\.high +queue +running +1\/1/m, 'the pools are told');
		local $ENV{REEVE_URL} = $way;
		is((run_command(20, @command))[0], 0, 'by REEVE_URL, too');
	}
	local $ENV{REEVE_URL} = 'http://127.0.0.1:' . free_port();
	my ($exit, undef, $err) = run_command(20, @command);
	is($exit, 71, 'nobody is there');
	like($err, qr/^reevectl: cannot reach \Q$ENV{REEVE_URL}\E: Connection refused$/, 'and why');
	is((here('status'))[0], 0, '-c counts more than REEVE_URL');
	is((run_command(20, program('reevectl'), qw(cron next --dialect vixie), '* * * * *'))[0], 0,
		'what needs no node is done with REEVE_URL');
	($exit, undef, $err) = run_command(20, program('reevectl'), 'reload');
	is($exit, 2, 'what the API has not is refused');
	like($err, qr/^reevectl: reload works on the node itself only: no --url; unset REEVE_URL/,
		'and says so');
	like((run_command(20, program('reevectl'), @$_, '--help'))[1], $_->[0] eq 'reload'
		? qr/^On the node itself only/m : qr{^With --url: GET /api/v1/nodes$}m, "so does its help: @$_")
		for ['reload'], ['nodes'];
	for ([['ftp://x'], qr/of no kind/], [['http://a:secret@x'], qr/no user and no password/],
		['http://x/?a=1', qr/has a query/], ['unix:x', qr/no absolute path/]) {
		my ($text, $why) = @$_;
		$text = $text->[0] if ref $text;
		($exit, undef, $err) = run_command(20, @command, '--url', $text);
		is($exit, 2, $text);
		like($err, $why, 'is refused');
		unlike($err, qr/secret/, 'and no password is told');
	}
	($exit, undef, $err) = run_command(20, @command, '--url', $url, '--token-file', "$dir/none");
	is($exit, 2, 'a file without a token');
	like($err, qr{cannot read \S+/none: No such file}, 'is told');
};

subtest 'who' => sub {
	refused(qr/401 Unauthorized: .*it was the token of REEVE_TOKEN$/, 1, 'reeve_wrong', 'cron', 'list');
	my ($exit, undef, $err) = run_command(20, program('reevectl'), '--url', $url, 'cron', 'list');
	is($exit, 1, 'without a token');
	like($err, qr/401 .*; no token was given: set REEVE_TOKEN, or name its file by --token-file$/,
		'how to give one is told');
	spew("$dir/token", "$token{'acme viewer'}\n");
	($exit, undef, $err) = run_command(20, program('reevectl'), '--url', $url, '--token-file',
		"$dir/token", 'cron', 'list');
	is($exit, 0, 'from a file') or diag($err);
	refused(qr/403 Forbidden: .*operator/, 1, 'acme viewer',
		qw(cron add x --handler noop --every 1h));
	refused(qr/403 Forbidden: this wants a token of the tenant default/, 1, 'acme admin', 'status');
	refused(qr/takes no --tenant/, 2, 'acme admin', qw(cron list --tenant default));
};

subtest 'definitions' => sub {
	like(done('default operator', qw(cron add base --handler talk --every 36h)),
		qr/^added base \([0-9a-f-]{36}\), fires at \d{4}-/, 'one is made');
	done('default operator', qw(cron add nightly --handler talk --tz Europe/Berlin --disabled
		--cron), '0 3 * * *', '--cron', '30 4 1 * *', qw(--timeout 90s --retry 2 --misfire all:7
		--overlap queue --topic high --priority 5 --depends-on base --params),
		'{"a": 0.1, "b": 12345678901234567890}', '--description', 'at night');
	same([qw(cron list)], qw(tenant active system));
	same([qw(cron show nightly)], qw(tenant active system));
	like(done('default viewer', qw(cron list)),
		qr/^nightly +disabled +0 3 \* \* \* \| 30 4 1 \* \* \(Europe\/Berlin\) +talk +high/m,
		'as a table, too');
	my $row = "SELECT to_jsonb(d) - '{version,modified,updated_at}'::text[]"
		. " FROM reeve.task_definitions d WHERE task_name = 'nightly'";
	my $was = $api->pg->psql($row);
	done('default operator', qw(cron edit nightly --priority), $_) for 6, 5;
	is($api->pg->psql($row), $was, 'what is edited there and back is what it was');
	is(done('default operator', qw(cron edit nightly --retry none --depends-on none --every 2h)),
		'changed nightly (' . json('default viewer', qw(cron show nightly))->{id} . ')',
		'one is changed');
	my $d = json('default viewer', qw(cron show nightly));
	is_deeply([@$d{qw(type rule retry_max depends_on timeout_ms overlap misfire_max status)}],
		['FIXED_RATE', { every => '2h', timeZone => 'Europe/Berlin' }, undef, undef, 90000,
			'queue', 7, 'DISABLED'], 'as it was said, and the rest stays');
	is($api->pg->psql("SELECT task_params FROM reeve.task_definitions"
		. " WHERE task_name = 'nightly'"), '{"a": 0.1, "b": 12345678901234567890}',
		'its params stay to the letter');
	is(done('default operator', qw(cron enable nightly)), 'enabled nightly', 'enabled');
	is_deeply(json('default operator', qw(cron disable nightly base)),
		{ ok => JSON::PP::true, disabled => [qw(nightly base)] }, 'disabled');
	my ($exit, $out, $err) = there('default operator', qw(cron rm nope nightly));
	is("$exit $out", "1 removed nightly\n", 'what is not there spares no other');
	like($err, qr/has no definition called "nope"/, 'but is told');
	refused(qr/409 Conflict: something has that name already/, 1, 'default operator',
		qw(cron add base --handler talk --every 1h));
	refused(qr/422 .*; taskHandler: process\.yaml of this node has no handler/, 1,
		'default operator', qw(cron edit base --handler nope));
	refused(qr/--every: /, 2, 'default operator', qw(cron edit base --every soon));
	is(done('acme viewer', qw(cron list)) =~ /base/, '', 'another tenant sees none of them');
	refused(qr/has no definition called "base"/, 1, 'acme operator', qw(cron rm base));
	refused(qr/404 Not Found: there is no such definition/, 1, 'acme operator', qw(cron show),
		json('default viewer', qw(cron show base))->{id});
};

my $node_dir = $api->node->dir;

# What a task is, once it is so.
sub becomes
{
	my ($who, $id, $state) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $t;
	wait_until { $t = json_quietly($who, qw(task show), $id); ($t->{state} // '') eq $state } 20,
		"$id is $state";
	return $t;
}

sub json_quietly
{
	my ($exit, $out) = there(@_, '--json');
	return $exit == 0 ? decode_json($out) : {};
}

subtest 'tasks' => sub {
	my $id = done('default operator', qw(queue push high talk),
		'{"a": 0.1, "b": 12345678901234567890}', qw(--unique one));
	like($id, qr/^[0-9a-f-]{36}$/, 'its id is printed');
	my $t = becomes('default viewer', $id, 'SUCCESS');
	is($t->{kept}{params}, '{"a": 0.1, "b": 12345678901234567890}', 'params are to the letter');
	my ($exit, $out) = here(qw(task show --json), $id);
	my $kept = decode_json($out)->{kept};
	delete @$kept{qw(epoch lines tenant)};
	is_deeply($t->{kept}, $kept, 'what is kept is told there as here');
	wait_until { (here(qw(task logs), $id))[1] =~ /line 3/ } 20, 'its lines are kept a moment later';
	is(done('default viewer', qw(task logs), $id), do { my $log = (here(qw(task logs), $id))[1];
		chomp $log; $log }, 'what it said, too');
	like(done('default viewer', qw(task logs -n 1), $id), qr/\A\S+ INFO  line 3\z/, 'or the end of it');
	like(done('default operator', qw(queue push high talk --wait)), qr/ SUCCESS: done$/,
		'a push waits');
	refused(qr/task [0-9a-f-]{36}: FAILED: /, 1, 'default operator', qw(queue push high fail --wait));
	is(done('default operator', qw(queue push high noop --count 3)), '3 enqueued', 'several');
	is(done('default operator', qw(queue push high noop --delay 1h --unique two --json))
		=~ /"topic": "high"/, 1, 'as JSON');
	refused(qr/409 Conflict: .*holds the unique key/, 1, 'default operator',
		qw(queue push high noop --delay 1h --unique two));
	refused(qr/422 .*; handler: .*no handler of that name; topic: is a name of/, 1,
		'default operator', qw(queue push A/B nope));
	refused(qr/403 Forbidden/, 1, 'acme viewer', qw(queue push high noop));
	refused(qr/404 Not Found: there is no such instance/, 1, 'acme operator', qw(task), $_, $id)
		for qw(show logs cancel retry);
	refused(qr/404 Not Found: no id is like that/, 1, 'default viewer', qw(task show a?b));
	is(done('default operator', qw(task retry), $id),
		"task $id: waits in the outbox of PostgreSQL", 'run again');
	becomes('default viewer', $id, 'SUCCESS');
};

subtest 'a task that runs' => sub {
	spew("$node_dir/hold", '');
	my $id = done('default operator', qw(queue push high hold));
	my $log = "$dir/follow";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$ENV{REEVE_TOKEN} = $token{'default viewer'};
		open STDOUT, '>', $log;
		exec program('reevectl'), '--url', $url, qw(task logs -f), $id or exit 127;
	}
	wait_until { (slurp($log) // '') =~ /begun/ } 20, 'its lines are told as they come';
	unlink "$node_dir/hold";
	waitpid $pid, 0;
	is($?, 0, 'until it is over');
	like(slurp($log), qr/\A\S+ INFO  begun\n\S+ INFO  over\n\z/, 'each of them once');
	spew("$node_dir/hold", '');
	$id = done('default operator', qw(queue push high hold));
	becomes('default viewer', $id, 'RUNNING');
	like(done('default operator', qw(task cancel), $id), qr/^task $id: told to \S+queue\.high/,
		'one is cancelled');
	becomes('default viewer', $id, 'CANCELLED');
	refused(qr/409 Conflict: it is over: CANCELLED/, 1, 'default operator', qw(task cancel), $id);
	unlink "$node_dir/hold";
};

subtest 'queues and nodes' => sub {
	same([qw(nodes)], qw(heartbeat_ms heartbeat_at redis running pools));
	same([qw(queue list)], qw(paused done rate consumers oldest_ms));
	same([qw(queue dead list high)], qw(age_ms envelope));
	my ($letter) = @{ json('default admin', qw(queue dead list high)) };
	is_deeply(json('default admin', qw(queue dead show high), $letter->{id})->[0]{entry},
		$letter->{entry}, 'one by the id of its task');
	like(done('default admin', qw(queue dead show high), $letter->{entry}),
		qr/^reason +retry: exit status 1$/m, 'or of its entry');
	refused(qr/^reevectl: x: no such dead letter of the topic high/, 1, 'default admin',
		qw(queue dead show high x));
	refused(qr/403 Forbidden/, 1, 'default viewer', qw(queue dead list high));
	refused(qr/tenant default/, 1, 'acme admin', $_) for qw(nodes);
	like(done('default viewer', qw(consumers get)), qr/^high +queue\.high +1 +1 +- /m, 'consumers');
	refused(qr/queue pause works on the node itself only/, 2, 'default admin', qw(queue pause high));
};

subtest 'runs of definitions' => sub {
	done('default operator', qw(cron add once --handler talk --topic high --disabled --at
		2099-01-01T00:00:00Z --params), '{"a": 0.1}');
	my $id = done('default operator', qw(cron run once));
	is(becomes('default viewer', $id, 'SUCCESS')->{kept}{definition}, 'once', 'one is run now');
	is($api->pg->psql("SELECT handler, execution_params, trigger FROM reeve.task_instances"
		. " WHERE id = '$id'"), qq(talk\t{"a": 0.1}\tmanual), 'as its definition says');
	is($api->pg->psql("SELECT count(*) FROM reeve.audit_log WHERE action = 'runDefinition'"
		. " AND after->>'instance' = '$id' AND who LIKE 'token operator%'"), 1, 'and who wanted it is kept');
	like(done('default operator', qw(cron run once --wait --params), '{"b": 2}'), qr/ SUCCESS: done$/,
		'with other params, and waited for');
	like($api->pg->psql("SELECT string_agg(execution_params, ' ' ORDER BY id) FROM reeve.task_instances"
		. " WHERE task_definition_id IS NOT NULL AND trigger = 'manual'"), qr/\{"b": 2\}$/, 'which it got');
	refused(qr/403 Forbidden/, 1, 'default viewer', qw(cron run once));
	refused(qr/has no definition called/, 1, 'acme operator', qw(cron run once));
	refused(qr/422 .*params: must be an object/, 1, 'default operator', qw(cron run once --params 1));
	done('default operator', qw(cron add often --handler talk --every 100ms --topic high));
	wait_until { @{ json_quietly('default viewer', qw(cron history often)) // [] } } 20, 'runs';
	done('default operator', qw(cron disable often));
	wait_until { !grep { $_->{state} =~ /PENDING|RUNNING/ }
		@{ json_quietly('default viewer', qw(cron history -n 100)) } } 20, 'all have ended';
	same([qw(cron history often -n 2)], 'result');
	same([qw(cron history -n 100)], 'result');
	same([qw(task list -n 1000)], 'tenant');
	like(done('default viewer', qw(task list -n 1)), qr/\ATASK .*\n[0-9a-f-]{36} +talk +high +S(?:UCCESS|KIPPED) +cron +often /,
		'the last task of all');
	is(@{ json('acme viewer', qw(task list)) }, 0, 'and none of another tenant');
};

subtest 'the scheduler' => sub {
	same([qw(scheduler status)], qw(enabled due lateness changed_by));
	is(done('default admin', qw(scheduler stop)), 'no definition fires on any node', 'stopped');
	like(done('acme viewer', qw(scheduler status)), qr/^running +no: nothing fires/, 'by anybody seen');
	refused(qr/403 Forbidden/, 1, 'acme admin', qw(scheduler start));
	is((here(qw(scheduler restart)))[1], "definitions fire\n", 'started from the node itself');
	is(json('default admin', qw(scheduler start))->{running}, JSON::PP::true, 'which it was already');
};

subtest 'deployments' => sub {
	for my $version (qw(v1 v2)) {
		mkdir "$node_dir/$version.tree";
		spew("$node_dir/$version.tree/$_", '') for $version eq 'v2' ? qw(file stay) : 'file';
		run_command(30, 'tar', '-czf', "$node_dir/$version.tar.gz", '-C', "$node_dir/$version.tree", '.');
	}
	my ($exit, $out, $err) = there('default admin', qw(deploy push v1 --wait));
	is($exit, 0, 'a release goes live') or diag("$out$err");
	like($out, qr/^\S+ +\S+ +fetch +DONE .*^ {4}current -> releases\/v1\n.*\nshop v1: DONE\n\z/ms,
		'with all its steps');
	my $id = done('default admin', qw(deploy push v2 --app shop));
	wait_until { json_quietly('default admin', qw(deploy show), $id)->{state} eq 'RUNNING' } 20;
	is(done('default admin', qw(deploy abort)), 'shop v2 goes back', 'one is aborted');
	unlink glob "$node_dir/shop/releases/*/stay";
	($exit, $out) = there('default admin', qw(deploy show -f), $id);
	is($exit, 1, 'and followed to its end');
	like($out, qr/^shop v2: (?!DONE)/m, 'which is not that it is live');
	same([qw(deploy list)]);
	same([qw(deploy show), $id]);
	refused(qr/409 Conflict: it is over/, 1, 'default admin', qw(deploy abort), $id);
	refused(qr/shop: nothing is under way/, 1, 'default admin', qw(deploy abort));
	refused(qr/shop has no earlier release/, 1, 'default admin', qw(deploy rollback));
	refused(qr/is no version/, 2, 'default admin', qw(deploy push ../x));
	refused(qr/403 Forbidden/, 1, $_, qw(deploy list --app shop)) for 'default operator', 'acme admin';
};

# A server that gives one answer after the other, and keeps what it was asked.
sub stub
{
	my (@answers) = @_;
	my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1)
		or die "listen: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$SIG{ALRM} = 'DEFAULT';
		alarm 60;
		for my $answer (@answers) {
			my $c = $s->accept;
			my ($head, $n) = ('', 0);
			while (defined(my $line = <$c>)) {
				$n = $1 if $line =~ /^content-length: (\d+)/i;
				$head .= $line;
				last if $line eq "\r\n";
			}
			my $body = '';
			read $c, $body, $n;
			open my $f, '>>', "$dir/asked";
			print {$f} $head, $body, "\n";
			close $f;
			print {$c} $answer;
			close $c;
		}
		POSIX::_exit(0);
	}
	return ('http://127.0.0.1:' . $s->sockport, $pid);
}

sub http
{
	my ($status, $body, $more) = @_;
	return "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n"
		. "Content-Type: application/json\r\n" . ($more // '') . "\r\n$body";
}

sub stubbed
{
	my ($answers, @words) = @_;
	unlink "$dir/asked";
	my ($where, $pid) = stub(@$answers);
	local $url = $where;
	my @got = there('secret', @words);
	send_signal('KILL', $pid);
	waitpid $pid, 0;
	return (@got, slurp("$dir/asked"));
}

subtest 'answers that are seldom' => sub {
	my $id = '019a0000-0000-7000-8000-000000000000';
	my $d = '{"id": "' . $id . '", "taskName": "a", "taskHandler": "h", "rule": {"every": "1h"},'
		. ' "taskParams": {}, "enabled": true, "source": "api", "version": 7}';
	my ($exit, $out, $err, $asked) = stubbed([http('200 OK', qq({"items": [$d], "nextCursor": null})),
		http('200 OK', $d), http('412 Precondition Failed',
			'{"title": "Precondition Failed", "status": 412, "detail": "it has changed since"}')],
		qw(cron edit a --retry 3));
	is($exit, 1, 'somebody was faster');
	is($err, "reevectl: 412 Precondition Failed: it has changed since\n", 'and that is told');
	like($asked, qr{^PUT /api/v1/tasks/definitions/$id .*^If-Match: "7"\r$}ms, 'by the version');
	($exit, $out, $err, $asked) = stubbed([http('302 Found', '', "Location: http://x.invalid/\r\n")],
		qw(status));
	is($exit, 1, 'a redirect');
	like($err, qr/302, which is no answer of reeve: is \S+ its API\?$/, 'is not followed');
	like($asked, qr/^Authorization: Bearer secret\r$/m, 'the token goes where it was meant to');
	($exit, $out, $err) = stubbed([http('503 Service Unavailable',
		'{"title": "Service Unavailable", "detail": "no \\u001b[31mdatabase"}', "Retry-After: 5\r\n")],
		qw(cron list));
	is($exit, 71, 'the database is away');
	like($err, qr/503 Service Unavailable: no .+database; wait 5 s$/, 'and until when');
	unlike($err, qr/\e/, 'and the terminal is left alone');
	($exit, $out, $err) = stubbed(["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"], qw(cron list));
	is($exit, 71, 'an answer that is cut');
	($exit, $out, $err) = stubbed([http('200 OK', '<html>')], qw(cron list));
	is($exit, 71, 'an answer of something else');
	like($err, qr/what is no JSON/, 'is told');
	my $line = sub { "id: $_[0]$id\nevent: log\ndata: {\"time\": \"2026-11-22T10:00:00Z\","
		. " \"level\": \"INFO\", \"message\": \"$_[1]\"}\n\n" };
	my $stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
	$id =~ s/^.//;
	($exit, $out, $err, $asked) = stubbed([http('200 OK', '{"items": [], "nextCursor": null}'),
		$stream . $line->(1, 'one') . ":\n\n" . 'id: 2', $stream . $line->(2, 'two')
			. "event: end\ndata: {}\n\n"], qw(task logs -f), "0$id");
	is("$exit $err", '0 ', 'a stream that was lost is taken up');
	is($out, "2026-11-22T10:00:00.000Z INFO  one\n2026-11-22T10:00:00.000Z INFO  two\n",
		'and no line comes twice');
	like($asked, qr/^Last-Event-ID: 1$id\r$/m, 'behind the last one told');
	($exit, $out, $err) = stubbed([http('200 OK', '{"items": [], "nextCursor": null}'),
		http('503 Service Unavailable', '{"title": "Service Unavailable"}'),
		http('404 Not Found', '{"title": "Not Found"}')], qw(task logs -f), "0$id");
	is("$exit $err", "1 reevectl: 503 Service Unavailable; trying again\nreevectl: 404 Not Found\n",
		'unless the task is gone');
};

# nginx with a certificate of its own, that has the API below /reeve.
sub tls_front
{
	my $port = free_port();
	my ($exit, undef, $err) = run_command(30, qw(openssl req -x509 -newkey ec -pkeyopt
		ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=front -addext),
		'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
	is($exit, 0, 'a certificate') or diag($err);
	my $user = is_root() ? 'user root;' : '';
	my $temp = join ' ', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
	spew("$dir/nginx.conf", <<"CONF");
$user
daemon off;
pid $dir/nginx.pid;
error_log stderr;
events { worker_connections 64; }
http {
	access_log off; $temp
	server {
		listen 127.0.0.1:$port ssl;
		ssl_certificate $dir/cert.pem;
		ssl_certificate_key $dir/key.pem;
		location /reeve/ { proxy_pass $url/; }
	}
}
CONF
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>', "$dir/nginx.err";
		exec 'nginx', '-c', "$dir/nginx.conf" or exit 127;
	}
	wait_until { my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) } 10,
		'nginx is there' or diag(slurp("$dir/nginx.err"));
	return ("https://127.0.0.1:$port/reeve/", $port, $pid);
}

SKIP: {
	local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/sbin";
	skip 'nginx or openssl is not installed', 1 unless in_path('nginx') && in_path('openssl');
	subtest 'TLS' => sub {
		my ($front, $port, $pid) = tls_front();
		local $url = $front;
		refused(qr/^reevectl: \Q$front\E is not to be trusted: .*--cacert or REEVE_CAFILE/, 71,
			'default viewer', qw(nodes));
		my @ca = ('--cacert', "$dir/cert.pem");
		like(done('default viewer', @ca, 'nodes'), qr/ ONLINE /, 'with its authority');
		my $id = done('default operator', @ca, qw(queue push high talk));
		like(done('default operator', @ca, qw(task logs -f), $id), qr/line 1\n.*line 3$/s,
			'a stream through it');
		local $ENV{REEVE_CAFILE} = "$dir/cert.pem";
		done('default viewer', 'status');
		$url = "https://localhost:$port/reeve";
		refused(qr/is not to be trusted: /, 71, 'default viewer', 'nodes');
		$ENV{REEVE_CAFILE} = "$dir/none.pem";
		refused(qr/^reevectl: cannot read the certificates of --cacert or REEVE_CAFILE/, 71,
			'default viewer', 'nodes');
		send_signal('TERM', $pid);
		waitpid $pid, 0;
	};
}

$api->node->stop;
done_testing();
