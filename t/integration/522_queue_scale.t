#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Autoscaling by the length of the queue: up, down, and over a new governor.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(http_get send_signal wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

subtest 'a long queue makes more workers, an empty one fewer' => sub {
	my ($r, $redis) = node('scale', 'topics: { high: { min: 1, max: 4, initial: 1,'
		. ' step: 2, up_every: 1s, down_every: 2s } }, concurrency: 1');
	$r->start or return;
	my $pool = sub { $r->pool('queue.high') };
	is($pool->()->{desired}, 1, 'the initial number');
	push_task($redis, '{"handler":"nap"}', 50);
	my %seen;
	ok(wait_until(sub { my $p = $pool->(); $seen{$p->{desired}} = 1;
		$p->{ready} == 4 }, 10), 'up to the most');
	ok($seen{3}, 'by steps');
	is($pool->()->{source}, 'autoscale', 'its source is told');
	my ($old) = $r->pids('governor');
	send_signal('KILL', $old);
	ok(wait_until(sub { my ($new) = $r->pids('governor');
		$new && $new != $old && eval { $pool->()->{ready} } }, 10),
		'the governor dies and is replaced');
	%seen = ();
	ok(wait_until(sub { my $p = $pool->(); $seen{$p->{desired} // 0} = 1;
		is_idle($redis) }, 20), 'all is done');
	ok(wait_until(sub { my $p = $pool->(); $seen{$p->{desired}} = 1;
		$p->{desired} == 1 && $p->{ready} == 1 }, 10),
		'and down to the initial number');
	ok($seen{2}, 'by steps, from where the last governor was');
	is(scalar(runs($r)), 50, 'each ran once');
	$r->finish;
};

subtest 'a count in the key pins it' => sub {
	my ($r, $redis) = node('pin', 'topics: { high: { min: 1, max: 4, initial: 1,'
		. ' step: 2, up_every: 1s, down_every: 1s } }, concurrency: 1');
	$redis->cmd('SET', 't:consumers', 'high: 2');
	$r->start or return;
	ok(wait_until(sub { $r->pool('queue.high')->{ready} == 2 }, 5), 'as it says');
	push_task($redis, '{"handler":"nap"}', 20);
	my $most = 0;
	ok(wait_until(sub { my $n = $r->pool('queue.high')->{desired};
		$most = $n if $n > $most; is_idle($redis) }, 15), 'all is done');
	is($most, 2, 'by no more');
	$r->finish;
};

subtest 'a pool of several topics is counted by its name' => sub {
	my ($r, $redis) = node('several', 'topics: [high, low], max: 4');
	$r->start or return;
	$redis->cmd('SET', 't:consumers', 'queue: 3');
	ok(wait_until(sub { $r->pool('queue')->{ready} == 3 }, 5), 'as the key says');
	like($r->pool('queue')->{source}, qr/^redis t:consumers/, 'which is told');
	my ($exit, $out, $err) = $r->ctl('consumers', 'set', 'queue=0');
	is($exit, 0, 'reevectl sets it too') or diag($err);
	is($redis->cmd('GET', 't:consumers'), "queue: 0\n", 'in the key');
	is($r->pool('queue')->{ready}, 0, 'and waits for it');
	like(($r->ctl('consumers', 'get'))[1],
		qr/^queue\s+queue\s+0\s+0\s+0-4\s+redis/m, 'and shows it');
	($exit, undef, $err) = $r->ctl('consumers', 'set', 'queue=5');
	is($exit, 1, 'not beyond its bounds');
	($exit, undef, $err) = $r->ctl('consumers', 'set', 'low=1');
	is($exit, 1, 'nor by one of its topics') or diag($err);

	$redis->cmd('XADD', 't:queue:{low}', '*', 'task', '{"handler":"note"}') for 1 .. 3;
	$redis->cmd('ZADD', 't:queue:{low}:delayed', 1e13, '{"handler":"note"}');
	$redis->cmd('XADD', 't:queue:{low}:dead', '*', 'task', 'x', 'reason', 'y') for 1, 2;
	my %wanted = (waiting => 3, delayed => 1, dead => 2, pending => 0);
	my %seen;
	ok(wait_until(sub {
		my (undef, $text) = http_get($r->socket, '/metrics');
		($seen{$_}) = $text =~ /^reeve_queue_$_\{topic="low"\} (\d+)$/m
			for keys %wanted;
		return !grep { ($seen{$_} // -1) != $wanted{$_} } keys %wanted;
	}, 5), 'the metrics tell the length of each of its topics')
		or diag(explain \%seen);

	is(($r->ctl('consumers', 'unset'))[0], 0, 'the key is unset');
	is($r->pool('queue')->{ready}, 1, 'and the number is that of the file');
	ok(wait_until(sub { runs($r) == 3 }, 5), 'and what has waited runs');
	$r->finish;
};

done_testing();
