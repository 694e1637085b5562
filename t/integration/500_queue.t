#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Tasks of Redis Streams reach their handlers: success, retry, dead letters,
# delays, uniqueness, cancelling, pausing, bad envelopes, counts at run time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Reeve qw(run_command slurp wait_until);
use RedisServer;
use Test::More;
use Time::HiRes qw(time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

sub node
{
	my ($name, $more) = @_;
	my $r = Reeve->new(name => $name);
	my $redis = RedisServer->new($r->dir);
	my $url = $redis->url;
	$r->write_config(<<"YAML" . ($more // ''));
redis: { url: "$url", prefix: "t:" }
handlers:
  note: { kind: exec, command: [sh, -c, 'cat >> \@DIR\@/notes; echo >> \@DIR\@/notes; echo \$REEVE_TASK_ID'] }
  fail: { kind: exec, command: [sh, -c, 'echo \$REEVE_ATTEMPT >> \@DIR\@/tries; echo no luck >&2; exit 3'], retry: { max: 2, base: 100ms, cap: 300ms } }
  half: { kind: exec, command: [sh, -c, 'echo "50 half way" >&3; sleep 0.2; echo whole'] }
  fatal: { kind: exec, command: [/nonexistent/program] }
  slow: { kind: exec, command: [sh, -c, 'echo begun >> \@DIR\@/slow; exec sleep 60'], timeout: 30s, kill_after: 1s, retry: { max: 0 } }
  late: { kind: exec, command: [sh, -c, 'trap "" TERM; while :; do sleep 0.1; done'], timeout: 300ms, kill_after: 200ms, retry: { max: 0 } }
processes:
  queue: { kind: queue, topics: { high: 2, common: 1 }, concurrency: 8 }
YAML
	return ($r, $redis);
}

sub push_raw
{
	my ($redis, $topic, $text) = @_;
	return $redis->cmd('XADD', "t:queue:{$topic}", '*', 'task', $text);
}

sub dead
{
	my ($redis, $topic) = @_;
	return map { { @{$_->[1]} } }
		@{$redis->cmd('XRANGE', "t:queue:{$topic}:dead", '-', '+')};
}

# Nothing is left in the topic: not waiting, not pending, not delayed.
sub is_drained
{
	my ($redis, $topic) = @_;
	# Both in one: a retry moves from one to the other.
	return $redis->cmd('EVAL', "return redis.call('XLEN', KEYS[1])"
		. " + redis.call('ZCARD', KEYS[2])", 2, "t:queue:{$topic}",
		"t:queue:{$topic}:delayed") == 0;
}

subtest 'a task by one XADD is carried out' => sub {
	my ($r, $redis) = node('queue');
	$r->start or return;
	push_raw($redis, 'high', '{"handler":"note","params":{"n":1}}');
	push_raw($redis, 'common', '{"handler":"note","params":{"n":2}}');
	ok(wait_until(sub { (slurp("$r->{dir}/notes") // '') =~ /"n":1/
		&& slurp("$r->{dir}/notes") =~ /"n":2/ }, 10),
		'params are on standard input');
	ok(wait_until(sub { is_drained($redis, 'high')
		&& is_drained($redis, 'common') }, 10), 'and nothing is left');
	is($redis->hash('HGETALL', 't:queue:{high}:stats')->{success}, 1,
		'it was counted');
	my ($rc, $out) = $r->ctl('queue', 'push', 'high', 'note', '{}', '--wait');
	is($rc, 0, 'reevectl pushes one and waits');
	like($out, qr/^[0-9a-f-]{36} SUCCESS/, 'for its end');
	($rc, $out) = $r->ctl('queue', 'push', 'high', 'half', '{}', '--wait');
	my ($id) = $out =~ /^(\S+) SUCCESS/;
	my $record = $redis->hash('HGETALL', "t:task:$id");
	is("$record->{progress} $record->{progress_text}", '50 half way',
		'its progress is told to who waits');
	$r->finish;
};

subtest 'a failure is tried again, and then a dead letter with its reason' => sub {
	my ($r, $redis) = node('retry');
	$r->start or return;
	my ($rc, $out, $err) = $r->ctl('queue', 'push', 'high', 'fail', '{}', '--wait');
	is($rc, 1, 'the push fails in the end');
	like($err, qr/FAILED.*no luck/, 'with the handler\'s words');
	is(slurp("$r->{dir}/tries"), "0\n1\n2\n", 'after two retries');
	my ($letter) = dead($redis, 'high');
	like($letter->{reason}, qr/exit status 3.*no luck/, 'the letter says why');
	my $task = JSON::PP::decode_json($letter->{task});
	is(scalar @{$task->{errors}}, 3, 'each attempt\'s error is kept');
	push_raw($redis, 'high', '{"handler":"fatal"}');
	ok(wait_until(sub { dead($redis, 'high') == 2 }, 10),
		'what can\'t be run is dead at once');
	ok(wait_until(sub { is_drained($redis, 'high') }, 5), 'nothing is left');
	$r->finish;
};

subtest 'a task beyond its timeout is killed with its group' => sub {
	my ($r, $redis) = node('timeout');
	$r->start or return;
	my ($rc, undef, $err) = $r->ctl('queue', 'push', 'high', 'late', '{}', '--wait');
	is($rc, 1, 'it fails');
	like($err, qr/TIMEOUT/, 'by its timeout');
	$r->finish;
};

subtest 'bad envelopes are dead letters, and the worker lives' => sub {
	my ($r, $redis) = node('bad');
	$r->start or return;
	my ($worker) = $r->pids('queue.common');
	my @bad = ('', 'x', '[]', '{', '{"handler":1}', '{"params":{}}',
		'{"handler":"nobody"}', "{\"handler\":\"note\",\"params\":\"\xff\"}",
		'{"handler":"note","params":' . ('[' x 200) . (']' x 200) . '}',
		'{"handler":"note","attempt":"many"}',
		'{"handler":"note","handler":"fail"}', 'y' x 200_000);
	push_raw($redis, 'common', $_) for @bad;
	$redis->cmd('XADD', 't:queue:{common}', '*', 'other', 'field');
	push_raw($redis, 'common', '{"handler":"note","params":"after"}');
	ok(wait_until(sub { (slurp("$r->{dir}/notes") // '') =~ /"after"/ }, 10),
		'what comes after them is done');
	ok(wait_until(sub { is_drained($redis, 'common') }, 10), 'none is left');
	my @letters = dead($redis, 'common');
	is(scalar @letters, @bad + 1, 'each is a dead letter');
	is(scalar(grep { length($_->{reason} // '') } @letters), scalar @letters,
		'with a reason');
	ok((grep { $_->{reason} =~ /no handler is called 'nobody'/ } @letters),
		'an unknown handler by its name');
	is(($r->pids('queue.common'))[0], $worker, 'the worker is the same');
	$r->finish;
};

subtest 'delays, uniqueness and pauses' => sub {
	my ($r, $redis) = node('delay');
	$r->start or return;
	my $begun = time;
	my ($rc) = $r->ctl('queue', 'push', 'high', 'note', '"later"', '--delay', '1s');
	is($rc, 0, 'a delayed task is taken');
	is($redis->cmd('ZCARD', 't:queue:{high}:delayed'), 1, 'and waits');
	ok(wait_until(sub { (slurp("$r->{dir}/notes") // '') =~ /"later"/ }, 10),
		'until it is due');
	cmp_ok(time - $begun, '>=', 0.9, 'and not before');

	my @push = ('queue', 'push', 'high', 'slow', '{}', '--unique', 'k');
	($rc, my $id) = $r->ctl(@push);
	is($rc, 0, 'the first of its key is taken');
	ok(wait_until(sub { -e "$r->{dir}/slow" }, 10), 'and runs');
	($rc, undef, my $err) = $r->ctl(@push);
	is($rc, 1, 'the second is not');
	chomp $id;
	like($err, qr/\Q$id\E holds the key/, 'and is told why');
	push_raw($redis, 'high', '{"handler":"slow","unique":"k"}');
	ok(wait_until(sub { ($redis->hash('HGETALL', 't:queue:{high}:stats')
		->{duplicate} // 0) == 1 }, 10), 'nor is a foreign one');

	is(($r->ctl('queue', 'pause', 'common'))[0], 0, 'a topic is paused');
	ok(wait_until(sub { $r->pool_log('queue.common') =~ /is paused/ }, 10),
		'the worker knows');
	push_raw($redis, 'common', '{"handler":"note","params":"paused"}');
	is(($r->ctl('queue', 'resume', 'common'))[0], 0, 'and resumed');
	ok(wait_until(sub { slurp("$r->{dir}/notes") =~ /"paused"/ }, 10),
		'what waited is done');

	# A cancelled task ends, and its key is free.
	$redis->cmd('ZADD', 't:cancels', int((time + 60) * 1000), $id);
	$redis->cmd('PUBLISH', 't:control', "cancel $id");
	ok(wait_until(sub { ($redis->hash('HGETALL', 't:queue:{high}:stats')
		->{cancelled} // 0) == 1 }, 10), 'a running task is cancelled');
	is($redis->cmd('EXISTS', 't:queue:{high}:unique:k'), 0, 'its key is free');
	$r->finish;
};

subtest 'the key in Redis changes the number of consumers' => sub {
	my ($r, $redis) = node('counts');
	$r->start or return;
	my @pids = $r->pids('queue.high');
	$redis->cmd('SET', 't:consumers', 'high: 4');
	ok(wait_until(sub { $r->pool('queue.high')->{ready} == 4 }, 5), 'up');
	like($r->pool('queue.high')->{source}, qr/t:consumers/, 'its source is told');
	for my $bad ('high: [', 'high: many', 'nope: 3', 'high: 100000') {
		$redis->cmd('SET', 't:consumers', $bad);
		ok(wait_until(sub { length($r->status->{counts_error} // '') }, 5),
			"'$bad' is an error that status shows");
		is($r->pool('queue.high')->{desired}, 4, 'and changes nothing');
		$redis->cmd('SET', 't:consumers', 'high: 4');
		ok(wait_until(sub { !length($r->status->{counts_error} // '') }, 5),
			'until it is right again');
	}
	$redis->cmd('SET', 't:consumers', 'normal: 2');
	ok(wait_until(sub { $r->pool('queue.common')->{ready} == 2
		&& $r->pool('queue.high')->{ready} == 2 }, 5),
		'the other goes back to the file');
	$redis->stop;
	ok(wait_until(sub { ($r->status->{counts_error} // '') =~ /away/ }, 10),
		'Redis away is told');
	is($r->pool('queue.common')->{desired}, 2, 'and the counts stay');
	$redis->start;
	ok(wait_until(sub { !length($r->status->{counts_error} // '') }, 10),
		'it comes back');
	is(join(' ', sort { $a <=> $b } $r->pids('queue.high')),
		join(' ', sort { $a <=> $b } @pids), 'the first two never changed');
	$r->finish;
};

done_testing();
