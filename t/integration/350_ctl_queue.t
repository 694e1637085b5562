#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl and what lies in Redis, without a daemon: topics, dead letters,
# one task by its id, and the test of handlers and stored tasks.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json encode_json);
use Test::More;
use Reeve qw(wait_until);
use RedisServer;

plan skip_all => 'redis-server is not installed'
	if !grep { -x "$_/redis-server" } split /:/, $ENV{PATH};

my $r = Reeve->new(name => 'ctl-queue');
my $redis = RedisServer->new($r->dir);
my $url = $redis->url;
delete @ENV{qw(NO_COLOR REEVE_SOCKET)};

my $HEAD = qq(redis: { url: "$url", prefix: "t:" }\n);
$r->write_config($HEAD . <<'YAML');
handlers:
  note: { kind: exec, command: [cat] }
  web: { kind: http, url: "http://127.0.0.1:1/x" }
processes:
  queue: { kind: queue, topics: { high: 2, common: 1 } }
YAML

sub fresh
{
	$redis->cmd('FLUSHALL');
	return;
}

sub stream { return "t:queue:{$_[0]}" }

# A task as a producer writes it.
sub envelope
{
	my ($id, %more) = @_;
	return encode_json({ id => $id, handler => 'note', %more });
}

# As a worker writes a dead letter.
sub bury
{
	my ($topic, $text, $reason) = @_;
	return $redis->cmd('XADD', stream($topic) . ':dead', '*', 'task',
		$text, 'reason', $reason, 'at', time * 1000, 'deliveries', 1,
		'worker', 'n1/queue.high.0/77');
}

# Held by a worker: the group is made, and the entry read.
sub take
{
	my ($topic, $text, $consumer) = @_;
	my $id = $redis->cmd('XADD', stream($topic), '*', 'task', $text);
	eval { $redis->cmd('XGROUP', 'CREATE', stream($topic), 'reeve', 0) };
	$redis->cmd('XREADGROUP', 'GROUP', 'reeve', $consumer, 'STREAMS',
		stream($topic), '>');
	return $id;
}

sub json
{
	my ($exit, $out, $err) = $r->ctl('--json', @_);
	return (eval { decode_json($out) } // "no JSON: $out $err", $exit);
}

sub waiting
{
	my ($topic) = @_;
	return map { decode_json($_->[1][1]) }
		@{ $redis->cmd('XRANGE', stream($topic), '-', '+') };
}

subtest 'a Redis that is away, or not named, is said' => sub {
	my $far = Reeve->new(name => 'ctl-queue-far');
	$far->write_config(<<'YAML');
redis: { url: "unix:///nonexistent/redis.sock" }
handlers: { note: { kind: exec, command: [cat] } }
processes: { queue: { kind: queue, topics: { high: 1 } } }
YAML
	my ($exit, $out, $err) = $far->ctl('queue', 'list');
	is($exit, 71, 'out of reach is exit code 71');
	like($err, qr{cannot reach Redis: .*/nonexistent/redis\.sock},
		'with the place');
	$far->write_config("processes: {}\n");
	($exit, $out, $err) = $far->ctl('queue', 'list');
	is($exit, 1, 'no redis.url is exit code 1');
	like($err, qr/has no redis\.url/, 'which is said');
};

subtest 'queue push enqueues, and refuses what no worker would take' => sub {
	fresh();
	my ($exit, $out, $err) = $r->ctl('queue', 'push', 'high', 'note',
		'{"n":1}');
	is($exit, 0, 'one is enqueued') or diag($err);
	my ($task) = waiting('high');
	is("$task->{id}\n", $out, 'its id is printed');
	is_deeply($task->{params}, { n => 1 }, 'its params are there');

	my ($doc) = json('queue', 'push', 'normal', 'note');
	is($doc->{topic}, 'common', 'normal is another name of common');
	like($doc->{entry}, qr/^\d+-\d+$/, 'as JSON the entry is told too');

	is((json('queue', 'push', 'high', 'note', '{}', '--count', 2500))[0]
		{enqueued}, 2500, 'many go at once');
	is($redis->cmd('XLEN', stream('high')), 2501, 'all of them');

	my %bad = (
		'params that are no JSON' => [2, 'high', 'note', '{x}'],
		'params too deep' => [2, 'high', 'note',
			('[' x 100) . (']' x 100)],
		'an unknown topic' => [1, 'none', 'note'],
		'an unknown handler' => [1, 'high', 'none'],
		'a span that is none' => [2, 'high', 'note', '--delay', '5x'],
		'a time that is none' => [2, 'high', 'note', '--at', 'noon'],
		'two times' => [2, 'high', 'note', '--delay', '5s', '--at',
			'2030-01-01T00:00:00Z'],
		'to wait for many' => [2, 'high', 'note', '--count', 2,
			'--wait'],
		'a key that is too long' => [2, 'high', 'note', '--unique',
			'k' x 200],
	);
	for my $what (sort keys %bad) {
		my ($want, @words) = @{ $bad{$what} };
		($exit, $out, $err) = $r->ctl('queue', 'push', @words);
		is($exit, $want, "$what: exit code $want");
		like($err, qr/\S/, 'with a reason');
	}
	is($redis->cmd('XLEN', stream('high')), 2501, 'nothing was enqueued');
};

subtest 'delays and unique keys' => sub {
	fresh();
	my ($doc) = json('queue', 'push', 'high', 'note', '{}', '--delay', '1h',
		'--unique', 'k');
	my $id = $doc->{id};
	my %delayed = @{ $redis->cmd('ZRANGE', stream('high') . ':delayed', 0,
		-1, 'WITHSCORES') };
	my ($score) = values %delayed;
	cmp_ok(abs($score / 1000 - time - 3600), '<', 60, 'due in an hour');
	is($redis->cmd('GET', stream('high') . ':unique:k'), $id,
		'it holds its key');
	my ($exit, $out, $err) = $r->ctl('queue', 'push', 'high', 'note', '{}',
		'--unique', 'k');
	is($exit, 1, 'a second one is refused');
	like($err, qr/\Q$id\E holds the key "k"/, 'and who holds it is told');

	# An empty key lies in another slot than the topic's.
	$redis->cmd('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
	$redis->cmd('SLOWLOG', 'RESET');
	json('queue', 'push', 'high', 'note', '{}', '--delay', '1h');
	my @scripts = grep { $_->[0] =~ /^EVAL/ } map { $_->[3] }
		@{ $redis->cmd('SLOWLOG', 'GET', -1) };
	$redis->cmd('CONFIG', 'SET', 'slowlog-log-slower-than', 10000);
	my ($keys) = map { $_->[2] } @scripts;
	is_deeply([@{ $scripts[0] }[3 .. 2 + $keys]],
		[stream('high'), stream('high') . ':delayed'],
		'a script gets no key that is none');
};

subtest 'queue list, peek, pause and resume' => sub {
	fresh();
	take('high', envelope('a'), 'n1/queue.high.0/77');
	$redis->cmd('XADD', stream('high'), '*', 'task', envelope('b'));
	$redis->cmd('XADD', stream('high'), '*', 'task', "\e[31mno json");
	bury('high', envelope('d'), 'no luck');
	$redis->cmd('ZADD', stream('high') . ':delayed', 1e13, envelope('e'));
	$redis->cmd('HSET', stream('high') . ':stats', 'success', 7);

	my ($list) = json('queue', 'list');
	my ($high) = grep { $_->{topic} eq 'high' } @$list;
	is(@$list, 2, 'every topic is listed');
	is_deeply([@$high{qw(waiting pending delayed dead consumers done)}],
		[2, 1, 1, 1, 1, 7], 'with what is in it');
	like(($r->ctl('queue', 'list'))[1],
		qr/^high\s+open\s+2\s+1\s+1\s+1\s+1\s+7\s+0\/s/m,
		'in a table too');

	my ($exit, $out) = $r->ctl('queue', 'peek', 'high');
	like($out, qr/^\d+-\d+\s.*\sa\s+note\s+0\s+\{\}$/m, 'peek shows tasks');
	unlike($out, qr/\e/, 'and no control bytes');
	my ($peek) = json('queue', 'peek', '-n', 2, 'high');
	is(@$peek, 2, 'as many as asked for');
	is($peek->[1]{task}{id}, 'b', 'as JSON the envelope whole');
	is((json('queue', 'peek', 'high'))[0][2]{task}, "\e[31mno json",
		'or as the text it is');

	is((json('queue', 'pause', 'high'))[0]{paused}, JSON::PP::true,
		'a topic is paused');
	is($redis->cmd('EXISTS', stream('high') . ':paused'), 1, 'in its key');
	like(($r->ctl('queue', 'list'))[1], qr/^high\s+paused/m,
		'which the list tells');
	is(($r->ctl('queue', 'resume', 'high'))[1], "high: open\n",
		'and open again');
	is($redis->cmd('EXISTS', stream('high') . ':paused'), 0,
		'the key is gone');
};

subtest 'dead letters are listed and shown' => sub {
	fresh();
	my $entry = bury('high', envelope('d1', attempt => 4, errors => [
		{ at => 1e12, text => "first\nlast" } ]), 'no luck');
	bury('high', 'not JSON', 'bad envelope');
	my ($exit, $out) = $r->ctl('queue', 'dead', 'list', 'high');
	like($out, qr/^\Q$entry\E\s+d1\s+note\s+4\s+.*no luck$/m,
		'task, handler, attempts and reason');
	like($out, qr/\s-\s+-\s+0\s.*bad envelope$/m,
		'also of what is no envelope');
	my ($exit2, $out2, $err2) = $r->ctl('queue', 'dead', 'list', '-n', 1,
		'high');
	like($err2, qr/1 of 2 dead letters are shown/, 'a part is told as one');

	($exit, $out) = $r->ctl('queue', 'dead', 'show', 'high', 'd1');
	is($exit, 0, 'one is shown, by the id of its task');
	like($out, qr/^reason\s+no luck$/m, 'with its reason');
	like($out, qr/^errors\s+2001-09-09T\S+ first last$/m,
		'and its errors, a line each');
	my ($show) = json('queue', 'dead', 'show', 'high', $entry);
	is($show->[0]{envelope}{id}, 'd1', 'or by that of the entry');
	is($show->[0]{errors}[0]{text}, "first\nlast", 'as JSON unchanged');

	my $err;
	($exit, $out, $err) = $r->ctl('queue', 'dead', 'show', 'high', 'x');
	is($exit, 1, 'one that is not there is an error');
	like($err, qr/x: no such dead letter/, 'and told');
	is(($r->ctl('queue', 'dead', 'show', 'high'))[0], 2,
		'none named is bad usage');
	is(($r->ctl('queue', 'dead', 'purge', 'high', 'd1', '--all'))[0], 2,
		'so is one and all');
};

subtest 'dead letters are retried and purged' => sub {
	fresh();
	bury('high', envelope("d$_", attempt => 4, crashes => 2), 'no luck')
		for 1 .. 250;
	my ($doc, $exit) = json('queue', 'dead', 'retry', 'high', 'd7');
	is($exit, 0, 'one is retried');
	my ($task) = waiting('high');
	is($task->{id}, 'd7', 'it waits again');
	is($task->{attempt}, 0, 'as if never tried');
	ok(!$task->{crashes}, 'and without crashes');
	is($redis->cmd('XLEN', stream('high') . ':dead'), 249,
		'its dead letter is gone');

	$redis->cmd('ZADD', 't:cancels', (time + 60) * 1000, "d$_") for 8, 9;
	json('queue', 'dead', 'retry', 'high', 'd8');
	is_deeply($redis->cmd('ZRANGE', 't:cancels', 0, -1), ['d9'],
		'a mark that would cancel it is taken away');

	bury('high', 'not JSON', 'bad envelope');
	bury('high', envelope('old', deadline => 1), 'too late');
	bury('high', envelope('u', unique => 'k'), 'no luck');
	$redis->cmd('SET', stream('high') . ':unique:k', 'other');
	my ($code, $out, $err) = $r->ctl('queue', 'dead', 'retry', 'high',
		'--all');
	is($code, 1, 'all are retried, but for those that can not');
	is($out, "248 enqueued\n", 'their number is told');
	like($err, qr/stays dead: its envelope can't be read/, 'the bad one');
	like($err, qr/old\) stays dead: its deadline has passed/,
		'the late one');
	like($err, qr/u\) stays dead: task other holds its key "k"/,
		'the one of many');
	is($redis->cmd('XLEN', stream('high') . ':dead'), 3, 'these are left');
	is(scalar(waiting('high')), 250, 'the others wait');

	$redis->cmd('DEL', stream('high') . ':unique:k');
	is(($r->ctl('queue', 'dead', 'retry', 'high', 'u'))[0], 0,
		'a key that is free is taken');
	is($redis->cmd('GET', stream('high') . ':unique:k'), 'u', 'by it');

	is(($r->ctl('queue', 'dead', 'purge', 'high', 'old'))[1], "1 deleted\n",
		'one is purged');
	($doc, $exit) = json('queue', 'dead', 'purge', 'high', '--all');
	is($doc->{deleted}, 1, 'the rest is purged');
	is($redis->cmd('XLEN', stream('high') . ':dead'), 0, 'none is left');
	is(($r->ctl('queue', 'dead', 'purge', 'high', '--all'))[0], 0,
		'nothing to do is no error');
};

subtest 'task show finds a task wherever it is' => sub {
	fresh();
	take('high', envelope('held'), 'n1/queue.high.0/77');
	$redis->many(map { ['XADD', stream('common'), '*', 'task',
		envelope("x$_", params => { id => 'waits' })] } 1 .. 5000);
	$redis->cmd('XADD', stream('common'), '*', 'task',
		'{ "handler": "note", "id" : "waits" }');
	$redis->cmd('ZADD', stream('common') . ':delayed',
		(time + 60) * 1000, envelope('later'));
	bury('high', envelope('dead'), 'no luck');
	$redis->cmd('HSET', 't:task:gone', 'state', 'SUCCESS', 'result', 'ok',
		'attempts', 1, 'at', time * 1000, 'handler', 'note');

	my %want = (held => ['RUNNING', 'taken'], waits => ['PENDING',
		'waiting'], later => ['PENDING', 'delayed'], dead => ['FAILED',
		'dead']);
	for my $id (sort keys %want) {
		my ($doc) = json('task', 'show', $id);
		is($doc->{state}, $want{$id}[0], "$id is $want{$id}[0]");
		is_deeply([map { $_->{place} } @{ $doc->{places} }],
			[$want{$id}[1]], "and found as $want{$id}[1]");
		is(($r->ctl('task', 'show', $id))[0], 0, 'also for people');
	}
	my ($doc) = json('task', 'show', 'held');
	is($doc->{places}[0]{consumer}, 'n1/queue.high.0/77', 'with its worker');
	($doc) = json('task', 'show', 'gone');
	is_deeply([$doc->{state}, $doc->{record}{result}], ['SUCCESS', 'ok'],
		'one that has ended by its record');
	my ($exit, $out, $err) = $r->ctl('task', 'show', 'never');
	is($exit, 1, 'an unknown one is an error');
	like($err, qr/no task never is known/, 'and told');
};

subtest 'task cancel marks, ends or refuses' => sub {
	fresh();
	take('high', envelope('held'), 'n1/queue.high.0/77');
	my ($doc, $exit) = json('task', 'cancel', 'held');
	is($exit, 0, 'a running one is cancelled');
	like($doc->{cancel}, qr{n1/queue\.high\.0/77}, 'by its worker');
	cmp_ok($redis->cmd('ZSCORE', 't:cancels', 'held'), '>', time * 1000,
		'the mark is kept');

	$redis->cmd('ZADD', stream('high') . ':delayed', (time + 60) * 1000,
		envelope('later', unique => 'k', reply => JSON::PP::true));
	$redis->cmd('SET', stream('high') . ':unique:k', 'later');
	is(($r->ctl('task', 'cancel', 'later'))[0], 0, 'so is a delayed one');
	is($redis->cmd('ZCARD', stream('high') . ':delayed'), 0, 'at once');
	is($redis->cmd('EXISTS', stream('high') . ':unique:k'), 0,
		'its key is free');
	is($redis->cmd('HGET', 't:task:later', 'state'), 'CANCELLED',
		'and who waits for it sees it');
	is($redis->cmd('HGET', stream('high') . ':stats', 'cancelled'), 1,
		'it is counted');

	bury('high', envelope('dead'), 'no luck');
	$redis->cmd('HSET', 't:task:gone', 'state', 'SUCCESS');
	my $err;
	for my $id (qw(dead gone later never)) {
		($exit, undef, $err) = $r->ctl('task', 'cancel', $id);
		is($exit, 1, "$id can not be cancelled");
	}
	is($redis->cmd('ZCARD', 't:cancels'), 1, 'and none of them is marked');
};

subtest 'task retry runs a dead or delayed one now' => sub {
	fresh();
	bury('high', envelope('dead', attempt => 3), 'no luck');
	is(($r->ctl('task', 'retry', 'dead'))[0], 0, 'a dead one');
	is((waiting('high'))[0]{attempt}, 0, 'begins anew');
	my ($exit, $out, $err) = $r->ctl('task', 'retry', 'dead');
	is($exit, 1, 'only once');
	like($err, qr/waits already, in high/, 'as is told');

	$redis->cmd('ZADD', stream('common') . ':delayed', (time + 60) * 1000,
		envelope('later', attempt => 1, at => (time + 60) * 1000));
	is(($r->ctl('task', 'retry', 'later'))[0], 0, 'a delayed one');
	my ($task) = waiting('common');
	is($task->{attempt}, 1, 'goes on');
	ok(!$task->{at}, 'and is not put off again');
	is($redis->cmd('ZCARD', stream('common') . ':delayed'), 0, 'once');

	take('common', envelope('held'), 'n1/queue.common.0/78');
	is(($r->ctl('task', 'retry', 'held'))[0], 1, 'a running one is left');
};

subtest 'task explain tells the story' => sub {
	fresh();
	bury('high', envelope('d', created => 1.7e12, attempt => 2, errors => [
		{ at => 1.7e12 + 1000, text => 'no luck' },
		{ at => 1.7e12 + 3000, text => 'none again' }]), 'none again');
	my ($exit, $out) = $r->ctl('task', 'explain', 'd');
	is($exit, 0, 'a dead one has one');
	like($out, qr/created\ for\ the\ handler\ note\n
		\S+\s+1(?:\.0)?\ s\s+attempt\ 1\ failed:\ no\ luck\n
		\S+\s+2(?:\.0)?\ s\s+attempt\ 2\ failed:\ none\ again\n
		\S+\s.*to\ the\ dead\ letters\ of\ high,\ by\ n1\S+:/x,
		'in the order it happened') or diag($out);

	$redis->cmd('ZADD', stream('high') . ':delayed', (time + 60) * 1000,
		envelope('r', attempt => 1));
	like(($r->ctl('task', 'explain', 'r'))[1],
		qr/due for attempt 2, in .* in high/, 'a retry says when');
	take('high', envelope('h'), 'n1/queue.high.0/77');
	my ($doc) = json('task', 'explain', 'h');
	like(join("\n", map { $_->{text} } @{ $doc->{events} }),
		qr{enqueued in high as .*held by n1/queue\.high\.0/77}s,
		'a running one says by whom');
	is(($r->ctl('task', 'explain', 'never'))[0], 1,
		'nothing to tell is an error');
};

subtest 'handlers check finds what can not be carried out' => sub {
	fresh();
	my ($exit, $out) = $r->ctl('handlers', 'check');
	is($exit, 0, 'all is well');
	like($out, qr/^2 handlers and 0 stored tasks: 0 problems$/m, 'as told');

	$redis->cmd('XADD', stream('high'), '*', 'task', '{"handler":"old"}')
		for 1 .. 3;
	$redis->cmd('ZADD', stream('high') . ':delayed', 1e13, '{"handler":7}');
	bury('common', 'not JSON', 'bad');
	$redis->cmd('XADD', stream('common'), '*', 'other', 1);
	($exit, $out) = $r->ctl('handlers', 'check');
	is($exit, 1, 'stored tasks are looked at');
	like($out, qr/^topic high: 3 in the queue: no handler is called "old"/m,
		'those of a handler that is gone');
	like($out, qr/^topic high: 1 delayed: can't be read: .*handler/m,
		'delayed ones');
	like($out, qr/^topic common: 1 dead: can't be read/m, 'dead ones');
	like($out, qr/^topic common: 1 in the queue: there is no field "task"/m,
		'and entries that are no tasks');
	my ($doc) = json('handlers', 'check');
	ok(!$doc->{ok}, 'as JSON');
	is($doc->{envelopes}, 6, 'with how many were read');
	is(@{ $doc->{problems} }, 4, 'and each problem once');
};

subtest 'handlers check tests commands, plugins and addresses' => sub {
	my $bad = Reeve->new(name => 'ctl-handlers');
	$bad->write_script('plain', "text\n");
	chmod 0644, $bad->dir . '/plain';
	$bad->write_script('lost', "#!/nonexistent/perl\n");
	$bad->write_config(<<'YAML');
handlers:
  fine: { kind: exec, command: [sh, -c, 'true'] }
  own_path: { kind: exec, command: [lost2], environment: { PATH: "@DIR@" } }
  nothing: { kind: exec, command: [/nonexistent/x] }
  plain: { kind: exec, command: [@DIR@/plain] }
  lost: { kind: worker, command: [@DIR@/lost] }
  nowhere: { kind: exec, command: [cat], directory: /nonexistent }
  plugin: { kind: plugin, path: /nonexistent.so }
  text: { kind: plugin, path: @DIR@/plain }
processes: {}
YAML
	my ($exit, $out, $err) = $bad->ctl('handlers', 'check');
	is($exit, 1, 'it needs no Redis for that') or diag($err);
	like($out, qr/^handler own_path: no command lost2 in \//m,
		'a command that is in no directory');
	like($out, qr{^handler nothing: .*/nonexistent/x: No such file}m,
		'a file that is not there');
	like($out, qr/^handler plain: .*not executable/m,
		'one that is not executable');
	like($out, qr{^handler lost: .*interpreter /nonexistent/perl}m,
		'one whose interpreter is missing');
	like($out, qr/^handler nowhere: its directory/m, 'a directory');
	like($out, qr/^handler plugin: .*No such file/m, 'a plugin');
	like($out, qr/^handler text: .*no shared object/m,
		'one that is none');
	unlike($out, qr/^handler fine/m, 'what is well is not named');
	like($out, qr/^8 handlers and 0 stored tasks: 7 problems$/m,
		'the count is told');
};

subtest 'a key of another type is an error, not a crash' => sub {
	fresh();
	$redis->cmd('SET', stream('high'), 'text');
	for my $words ([qw(queue list)], [qw(queue peek high)],
		[qw(task show x)], [qw(handlers check)]) {
		my ($exit, $out, $err) = $r->ctl(@$words);
		is($exit, 1, "@$words: exit code 1");
		like($err, qr/WRONGTYPE/, 'with the word of Redis');
	}
};

done_testing();
