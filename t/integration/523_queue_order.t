#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# One worker, several topics: strict order, ageing, weighted shares.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

my $say = <<'YAML';
  say: { kind: exec, command: [sh, -c, 'echo $REEVE_TOPIC >> @DIR@/order'] }
  slow: { kind: exec, command: [sh, -c, 'echo $REEVE_TOPIC >> @DIR@/order; sleep 0.05'] }
YAML

sub fill
{
	my ($redis, $handler, %count) = @_;
	for my $topic (sort keys %count) {
		$redis->many(map { ['XADD', "t:queue:{$topic}", '*', 'task',
			"{\"handler\":\"$handler\"}"] } 1 .. $count{$topic});
	}
}

sub order { return split /\n/, slurp("$_[0]{dir}/order") // '' }

sub first_of
{
	my ($topic, @order) = @_;
	return (grep { $order[$_] eq $topic } 0 .. $#order)[0] // -1;
}

subtest 'weighted shares over a backlog' => sub {
	my ($r, $redis) = node('weighted', 'topics: [high, common, low], count: 1,'
		. ' concurrency: 4, order: weighted, weights: { high: 6, common: 3, low: 1 }',
		handlers => $say);
	fill($redis, 'say', high => 300, common => 300, low => 300);
	$r->start or return;
	ok(wait_until(sub { order($r) >= 400 }, 15), 'tasks run');
	my @first = (order($r))[0 .. 399];
	my %share = (high => 60, common => 30, low => 10);
	for my $topic (sort keys %share) {
		my $percent = (grep { $_ eq $topic } @first) / 4;
		cmp_ok(abs($percent - $share{$topic}), '<=', 5,
			"$topic has $percent % of $share{$topic} %");
	}
	$r->finish;
};

subtest 'strict order' => sub {
	my ($r, $redis) = node('strict', 'topics: [high, common, low], count: 1,'
		. ' concurrency: 2, max_wait: 0s', handlers => $say);
	fill($redis, 'say', high => 60, common => 20, low => 20);
	$r->start or return;
	ok(wait_until(sub { order($r) == 100 }, 15), 'all run');
	# At the start one topic may be connected before another.
	my @order = (order($r))[8 .. 99];
	cmp_ok(first_of('common', @order), '>=', 40, 'first the most urgent topic');
	cmp_ok(first_of('low', @order), '>=', 60, 'and last the least');
	fill($redis, 'say', low => 1);
	ok(wait_until(sub { order($r) == 101 }, 5), 'each is served when alone');
	fill($redis, 'say', high => 1);
	ok(wait_until(sub { order($r) == 102 }, 5), 'at once');
	$r->finish;
};

subtest 'strict order with ageing' => sub {
	my ($r, $redis) = node('ageing', 'topics: [high, low], count: 1,'
		. ' concurrency: 1, max_wait: 1s', handlers => $say);
	fill($redis, 'slow', high => 116, low => 6);
	$r->start or return;
	ok(wait_until(sub { order($r) == 122 }, 18), 'all run');
	my @order = order($r);
	is(first_of('low', @order[3 .. 8]), -1, 'first the urgent ones');
	my $aged = first_of('low', @order[9 .. $#order]);
	cmp_ok($aged, '>', 0, 'then one that has waited');
	cmp_ok($aged, '<', 90, 'before the urgent ones end');
	$r->finish;
};

done_testing();
