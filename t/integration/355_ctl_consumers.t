#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl and running queue workers: their number, told and waited for; tasks
# cancelled, retried and explained while they run.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Reeve qw(slurp wait_until);
use RedisServer;

plan skip_all => 'redis-server is not installed'
	if !grep { -x "$_/redis-server" } split /:/, $ENV{PATH};

my $r = Reeve->new(name => 'ctl-consumers');
my $redis = RedisServer->new($r->dir);
my $url = $redis->url;
delete @ENV{qw(NO_COLOR REEVE_SOCKET)};
$r->write_config(qq(node: n1\nredis: { url: "$url", prefix: "t:" }\n)
	. <<'YAML');
handlers:
  note: { kind: exec, command: [cat] }
  slow: { kind: exec, command: [sh, -c, 'echo begun >> @DIR@/slow; exec sleep 60'] }
  fail: { kind: exec, command: [sh, -c, 'echo no luck >&2; exit 3'], retry: { max: 1, base: 100ms, cap: 200ms } }
  later: { kind: exec, command: [sh, -c, 'test -e @DIR@/go'], retry: { max: 1, base: 1h, cap: 2h } }
processes:
  queue: { kind: queue, topics: { high: 1, common: { min: 1, max: 3 } } }
YAML
$r->start or BAIL_OUT('no daemon');

sub json
{
	my ($exit, $out, $err) = $r->ctl('--json', @_);
	return (eval { decode_json($out) } // "no JSON: $out $err", $exit);
}

sub size
{
	my ($topic) = @_;
	my $p = $r->pool("queue.$topic");
	return "$p->{ready}/$p->{desired}";
}

subtest 'the numbers of the file are in effect at first' => sub {
	my ($exit, $out) = $r->ctl('consumers', 'get');
	is($exit, 0, 'get tells');
	like($out, qr/^t:consumers is not set$/m, 'that there is no key');
	like($out, qr/^high\s+queue\.high\s+1\s+1\s+0-200\s+process\.yaml$/m,
		'and what each topic has');
};

subtest 'set waits until the pools have their new size' => sub {
	my ($exit, $out, $err) = $r->ctl('consumers', 'set', 'high=3',
		'normal=2');
	is($exit, 0, 'it returns') or diag($err);
	is(size('high'), '3/3', 'when all are ready');
	is(size('common'), '2/2', 'in each topic');
	is($redis->cmd('GET', 't:consumers'), "high: 3\ncommon: 2\n",
		'the key is plain');

	my ($doc, $code) = json('consumers', 'set', 'high=2');
	is($code, 0, 'one topic of them');
	is_deeply([map { "$_->{topic} $_->{ready}" } @{ $doc->{pools} }],
		['high 2', 'common 2'], 'leaves the other');
	like($doc->{pools}[0]{source}, qr/^redis t:consumers/,
		'where it comes from is told');
};

subtest 'what can not be is refused, and nothing is written' => sub {
	my $before = $redis->cmd('GET', 't:consumers');
	my %bad = (
		'too many' => [1, 'common=9', qr/common takes from 1 to 3/],
		'an unknown topic' => [1, 'none=1', qr/the topic "none"/],
		'no number' => [2, 'high=x', qr/high=x.* no TOPIC=N/],
		'a negative one' => [2, 'high=-1', qr/no TOPIC=N/],
		'no topic' => [2, 'high', qr/no TOPIC=N/],
	);
	for my $what (sort keys %bad) {
		my ($want, $word, $text) = @{ $bad{$what} };
		my ($exit, $out, $err) = $r->ctl('consumers', 'set', 'high=1',
			$word);
		is($exit, $want, "$what: exit code $want");
		like($err, $text, 'with the reason');
	}
	is($redis->cmd('GET', 't:consumers'), $before, 'the key is as it was');

	$redis->cmd('SET', 't:consumers:n1', 'high: 1');
	my ($exit, $out, $err) = $r->ctl('consumers', 'set', 'high=1');
	is($exit, 1, 'a key of the node goes before it');
	like($err, qr/t:consumers:n1 is set and goes before t:consumers/,
		'and is told');
	$redis->cmd('DEL', 't:consumers:n1');
};

subtest 'garbage is told, and can be removed' => sub {
	$redis->cmd('SET', 't:consumers', 'high: [');
	my ($exit, $out, $err) = $r->ctl('consumers', 'set', 'high=1');
	is($exit, 1, 'nothing can be added to it');
	like($err, qr/t:consumers can't be added to: line \d+/, 'as is told');
	wait_until { (json('consumers', 'get'))[0]{error} } 10,
		'the complaint of the governor is shown';
	like(($r->ctl('status'))[1], qr/^counts: t:consumers: line/m,
		'in the status too');
	($exit, $out, $err) = $r->ctl('consumers', 'unset');
	is($exit, 0, 'unset returns') or diag($err);
	is(size('high'), '1/1', 'when the number of the file is back');
	is(size('common'), '1/1', 'in each topic');
	is($redis->cmd('EXISTS', 't:consumers'), 0, 'the key is gone');
	is((json('consumers', 'get'))[0]{error}, undef, 'so is the complaint');
};

subtest 'a running task is cancelled, and its story told' => sub {
	my ($exit, $id) = $r->ctl('queue', 'push', 'high', 'slow');
	chomp $id;
	wait_until { -e $r->dir . '/slow' } 10, 'it runs';
	my ($doc) = json('task', 'show', $id);
	is($doc->{state}, 'RUNNING', 'show says so');
	like(($r->ctl('task', 'explain', $id))[1],
		qr{held by n1/queue\.high\.0/\d+}, 'explain says by whom');
	is(($r->ctl('task', 'cancel', $id))[0], 0, 'it is cancelled');
	wait_until { $redis->cmd('XLEN', 't:queue:{high}') == 0 } 10,
		'and gone at once';
	is($redis->cmd('HGET', 't:queue:{high}:stats', 'cancelled'), 1,
		'as cancelled');
	is(($r->ctl('task', 'cancel', $id))[0], 1, 'it can not be again');
};

subtest 'a waiting task is cancelled before it is begun' => sub {
	$r->ctl('queue', 'pause', 'high');
	my ($exit, $id) = $r->ctl('queue', 'push', 'high', 'slow');
	chomp $id;
	like(($r->ctl('task', 'explain', $id))[1],
		qr/has waited for a worker for .*: the topic is paused/,
		'explain says why it waits');
	is(($r->ctl('task', 'cancel', $id))[0], 0, 'it is marked');
	like(($r->ctl('task', 'show', $id))[1], qr/^cancelled\s/m,
		'as show tells');
	$r->ctl('queue', 'resume', 'high');
	wait_until { $redis->cmd('XLEN', 't:queue:{high}') == 0 } 10,
		'and ended when its turn comes';
	is(slurp($r->dir . '/slow'), "begun\n", 'without being run');
};

subtest 'a dead task is explained, and retried to its end' => sub {
	my ($exit, $out, $err) = $r->ctl('queue', 'push', 'high', 'fail', '{}',
		'--wait');
	is($exit, 1, 'it fails for good');
	my ($id) = $err =~ /task (\S+):/;
	my ($doc) = json('task', 'explain', $id);
	my @story = map { $_->{text} } @{ $doc->{events} };
	is(scalar(grep { /^attempt [12] failed: .*no luck/ } @story), 2,
		'both attempts are told') or diag(@story);
	is(scalar(grep { /^to the dead letters of high/ } @story), 1,
		'and its death');

	my ($code, $text) = $r->ctl('queue', 'dead', 'retry', 'high', $id);
	is($code, 0, 'it is retried');
	wait_until {
		my ($list) = json('queue', 'dead', 'list', 'high');
		@$list == 1 && $list->[0]{attempts} == 2;
	} 10, 'and has all its attempts again';
	is(($r->ctl('queue', 'dead', 'purge', 'high', '--all'))[1],
		"1 deleted\n", 'it is purged');
};

subtest 'a retry that is far away is run at once' => sub {
	my ($exit, $id) = $r->ctl('queue', 'push', 'common', 'later');
	chomp $id;
	wait_until {
		$redis->cmd('ZCARD', 't:queue:{common}:delayed') == 1
	} 10, 'it failed and waits';
	like(($r->ctl('task', 'explain', $id))[1], qr/due for attempt 2, in /,
		'for long');
	Reeve::spew($r->dir . '/go', '');
	is(($r->ctl('task', 'retry', $id))[0], 0, 'it is run now');
	wait_until {
		($redis->cmd('HGET', 't:queue:{common}:stats', 'success') // 0)
			== 1
	} 10, 'with success';
};

subtest 'a delayed task is cancelled, and push waits for results' => sub {
	my ($exit, $id) = $r->ctl('queue', 'push', 'common', 'note', '{}',
		'--delay', '1h');
	chomp $id;
	like(($r->ctl('task', 'cancel', $id))[1], qr/before it was due/,
		'at once');
	my ($doc) = json('queue', 'push', 'common', 'note', '{"n":1}',
		'--wait');
	is_deeply([@$doc{qw(state result)}], ['SUCCESS', '{"n":1}'],
		'the result is in the answer');
	is((json('task', 'show', $doc->{id}))[0]{record}{result}, '{"n":1}',
		'and kept');
	like(($r->ctl('task', 'explain', $doc->{id}))[1], qr/SUCCESS after 1/,
		'and told');
};

subtest 'the topics are completed' => sub {
	plan skip_all => 'no bash' if !-x '/bin/bash';
	my ($exit, $out) = Reeve::run_command(20, '/bin/bash', '-c',
		'source "$1"; shift; COMP_WORDS=("$@"); '
			. 'COMP_CWORD=$(($# - 1)); _reevectl; '
			. 'echo "${COMPREPLY[*]}"', 'bash',
		"$FindBin::Bin/../../etc/bash-completion/reevectl",
		Reeve::program('reevectl'), '-c', $r->config, 'queue', 'dead',
		'list', '');
	is($out, "high common\n", 'where one is wanted');
};

subtest 'bytes of anybody are shown without harm' => sub {
	$redis->cmd('SET', 't:consumers', "\e[2J\xff\xfe" . 'x' x 100_000);
	my (undef, $out) = $r->ctl('consumers', 'get');
	like($out, qr/^     \[2J\?\?x+$/m, 'what moves the cursor, and is no text');
	like($out, qr/and more, 100006 bytes in all/, 'and no more than is of use');
	$redis->cmd('DEL', 't:consumers');
};

subtest 'nodes are told without PostgreSQL' => sub {
	my ($exit, $out, $err) = $r->ctl('nodes');
	is("$exit $err", '0 ', 'if none is named');
	$redis->cmd('DEL', 't:worker:n1');
	like(($r->ctl('nodes'))[1], qr/^NODE/, 'also when there are none');
};

$r->finish;
done_testing();
