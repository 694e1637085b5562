#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Two daemons that are called alike by mistake: it is told, and they stop to
# take each other's tasks for those of the dead.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(slurp wait_until);
use Test::More;
use Tree qw(in_path);

plan skip_all => 'redis-server is not installed' if !in_path('redis-server');

my $pool = 'topics: { high: 1 }, node_timeout: 1s, lease: 4s, renew_every: 1s';
my ($a, $redis) = node('twin-a', $pool);
my ($b) = node('twin-b', $pool, server => $redis);
$_->start or BAIL_OUT('no daemon') for $a, $b;

ok(wait_until(sub { $a->log =~ /another daemon is called \S+, too/
	&& $b->log =~ /another daemon is called \S+, too/ }, 20), 'both tell');
push_task($redis, '{"handler":"long","id":"x"}');
ok(wait_until(sub { runs($a) + runs($b) == 1 }, 10), 'a task runs');
# Time for several looks at who is dead.
ok(!wait_until(sub { runs($a) + runs($b) > 1 }, 3), 'and is not taken from who has it');
$redis->cmd('ZADD', 't:cancels', (time + 60) . '000', 'x');
$redis->cmd('PUBLISH', 't:control', 'cancel x');
$_->finish for $a, $b;
done_testing();
