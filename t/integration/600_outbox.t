#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The outbox: what a transaction pushed is in Redis when it is committed, and
# only then; once, whoever takes it there, and whatever goes away meanwhile.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);
use CronNode;
use Reeve qw(slow wait_until);

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

my $c = CronNode->new('outbox', redis => ['--appendonly', 'yes']);
my ($redis, $pg) = ($c->redis, $c->pg);
my $r = $c->node('a');
$c->sql('ALTER SCHEMA reeve RENAME TO later');
$r->start or BAIL_OUT('no daemon');
wait_until { $r->log =~ /reevectl migrate/ } 5, 'it says what makes the tables';
$c->sql('ALTER SCHEMA later RENAME TO reeve');
wait_until { $r->log =~ /leads now/ } 5, 'it goes on when they are there';

sub length_of { return eval { $redis->cmd('XLEN', "t:queue:{$_[0]}") } // -1 }
sub ids { return map { decode_json($_)->{id} } $c->stream($_[0]) }
sub is_empty { return $c->sql('SELECT count(*) FROM reeve.outbox') == 0 }

# So many in one transaction, to a topic.
sub push_many
{
	my ($topic, $count, $more) = @_;
	return $c->sql("SELECT reeve.push('$topic', 'note', jsonb_build_object('n', n)"
		. ($more // '') . ") FROM generate_series(1, $count) n");
}

# From the insert, by PostgreSQL's clock, to the entry, by Redis'.
subtest 'a push is in the queue within milliseconds' => sub {
	push_many('soon', 1) for 1 .. 15;
	# The first leader of all may take one that is on its way for lost.
	wait_until { length_of('soon') >= 15 } 5, 'all are there';
	my @ms = sort { $a <=> $b } map {
		($_->[0] =~ /^(\d+)/)[0] - decode_json($_->[1][1])->{created}
	} @{$redis->cmd('XRANGE', 't:queue:{soon}', '-', '+')};
	cmp_ok($ms[7], '<=', slow(30), "the median is $ms[7] ms");
};

subtest 'what is rolled back never comes, what is committed does' => sub {
	my @script;
	push @script, "BEGIN; SELECT reeve.push('half', 'note', '{\"n\":$_}'); "
		. ($_ % 2 ? 'COMMIT;' : 'ROLLBACK;') for 1 .. 1000;
	$c->sql(join "\n", @script);
	wait_until { length_of('half') >= 500 && is_empty() } 10, 'they come';
	is_deeply([sort { $a <=> $b } map { decode_json($_)->{params}{n} }
			$c->stream('half')], [map { 2 * $_ - 1 } 1 .. 500],
		'exactly the committed half is there, each once');
};

subtest 'who may push may do nothing else' => sub {
	$c->sql('CREATE ROLE shop; GRANT USAGE ON SCHEMA reeve TO shop');
	my $push = "SET ROLE shop; SELECT reeve.push('shop', 'note')";
	ok(!eval { $c->sql($push) }, 'nobody may, unless told');
	$c->sql('GRANT EXECUTE ON FUNCTION reeve.push TO shop');
	my $id = $c->sql($push);
	wait_until { length_of('shop') == 1 } 5, 'then a push comes';
	for my $more ("reeve.task_cancel('$id')", "reeve.task_retry('$id')",
		'count(*) FROM reeve.task_instances') {
		ok(!eval { $c->sql("SET ROLE shop; SELECT $more") }, "not $more");
	}
};

my $other = $c->node('b');
$other->start or BAIL_OUT('no second daemon');

subtest 'two dispatchers take each row once' => sub {
	push_many('twice', 1000) for 1 .. 3;
	wait_until { length_of('twice') >= 3000 && is_empty() } 20, 'all are there';
	my @ids = ids('twice');
	my %seen = map { $_ => 1 } @ids;
	is(scalar @ids, 3000, 'as many entries as rows');
	is(scalar keys %seen, 3000, 'each task once');
	is_deeply([map { scalar grep { $_->{state} eq 'ready' } $_->workers('crontab') }
		$r, $other], [1, 1], 'both are well');
};
$other->finish;

subtest 'a delay waits in Redis, a held key is not taken twice' => sub {
	push_many('later', 3, ", delay => interval '1 hour'");
	push_many('later', 2, ", unique_key => 'k', tracked => false");
	wait_until { is_empty() && length_of('later') == 1 } 5, 'both kinds are taken';
	is($redis->cmd('ZCARD', 't:queue:{later}:delayed'), 3, 'three wait');
	my $score = $redis->cmd('ZRANGE', 't:queue:{later}:delayed', 0, 0, 'WITHSCORES')->[1];
	my $off = $score / 1000 - time - 3600;
	cmp_ok(abs $off, '<', slow(5), "for an hour ($off s off)");
	is(decode_json(($c->stream('later'))[0])->{id},
		$redis->cmd('GET', 't:queue:{later}:unique:k'),
		'one has the key, the other is dropped');
};

subtest 'a topic that cannot be written to does not stop the others' => sub {
	$redis->cmd('SET', 't:queue:{bad}', 'no stream');
	push_many('bad', 10);
	push_many('good', 10);
	wait_until { length_of('good') == 10 } 5, 'the others are taken';
	is($c->sql("SELECT count(*) FROM reeve.outbox WHERE topic = 'bad'"), 10,
		'its own rows stay');
	$redis->cmd('DEL', 't:queue:{bad}');
	wait_until { length_of('bad') == 10 && is_empty() } 10,
		'they are taken when it can be';
	pass('and all is well');
};

subtest 'without Redis rows wait, and no transaction does' => sub {
	$redis->kill9;
	push_many('away', 100);
	wait_until { $r->log =~ /the outbox waits/ } 5, 'it says so';
	is($c->sql("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"),
		0, 'no transaction is open');
	is($c->sql('SELECT count(*) FROM reeve.outbox'), 100, 'all rows wait');
	my $from = time;
	$redis->start;
	wait_until { length_of('away') == 100 && is_empty() } 10, 'then they are taken';
	cmp_ok(time - $from, '<', slow(4), 'within seconds');
};

subtest 'PostgreSQL may be restarted' => sub {
	push_many('again', 2000);
	$pg->restart('immediate');
	push_many('again', 100);
	wait_until { is_empty() && length_of('again') >= 2100 } 15, 'all is taken';
	my %seen = map { $_ => 1 } ids('again');
	is(scalar keys %seen, 2100, 'nothing is lost');
};

$r->finish;
done_testing();
