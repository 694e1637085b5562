# SPDX-License-Identifier: ISC
#
# QueueNode - a daemon with one queue pool and a Redis of its own.
#
#	my ($r, $redis) = node($name, 'topics: { high: 2 }', %more);
#
# Its handlers write a line "ID EPOCH" into DIR/runs as they begin.
package QueueNode;

use strict;
use warnings;

use Exporter 'import';

use Reeve qw(slurp);
use RedisServer;

our @EXPORT = qw(node push_task runs stats pending is_idle dead_letters);

sub node
{
	my ($name, $pool, %o) = @_;
	my $r = Reeve->new(name => $name);
	my $redis = $o{server} // RedisServer->new($r->dir, @{$o{redis} // []});
	my $url = $redis->url;
	my $run = 'echo $REEVE_TASK_ID $REEVE_EPOCH >> @DIR@/runs';
	$r->write_config(<<"YAML");
redis: { url: "$url", prefix: "t:" }
handlers:
  note: { kind: exec, command: [sh, -c, '$run'] }
  nap: { kind: exec, command: [sh, -c, '$run; exec sleep 0.3'] }
  long: { kind: exec, command: [sh, -c, '$run; exec sleep 60'], kill_after: 1s }
  fail: { kind: exec, command: [sh, -c, '$run; exit 3'], retry: { max: 1, base: 1s, cap: 1s } }
@{[$o{handlers} // '']}
processes:
  queue: { kind: queue, $pool }
YAML
	return ($r, $redis);
}

sub push_task
{
	my ($redis, $text, $count) = @_;
	$redis->many(map { ['XADD', 't:queue:{high}', '*', 'task', $text] }
		1 .. $count // 1);
}

sub runs
{
	my ($r) = @_;
	return split /\n/, slurp("$r->{dir}/runs") // '';
}

sub stats { return $_[0]->hash('HGETALL', 't:queue:{high}:stats') }
sub pending { return $_[0]->cmd('XPENDING', 't:queue:{high}', 'reeve')->[0] }

sub is_idle
{
	my ($redis) = @_;
	# Both in one: a retry moves from one to the other.
	return eval { $redis->cmd('EVAL', "return redis.call('XLEN', KEYS[1])"
		. " + redis.call('ZCARD', KEYS[2])", 2, 't:queue:{high}',
		't:queue:{high}:delayed') == 0 };
}

sub dead_letters
{
	my ($redis, $topic) = @_;
	$topic //= 'high';
	return map { { @{$_->[1]} } }
		@{$redis->cmd('XRANGE', "t:queue:{$topic}:dead", '-', '+')};
}

1;
