#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Handlers with processes and plugins, in the real daemon: the samples answer,
# and nothing of a handler outlives the worker that ran it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(alive slurp wait_until);
use RedisServer;
use Test::More;
use Tree qw(srcdir builddir in_path);

plan skip_all => 'redis-server is not installed' if !in_path('redis-server');

my %interpreters = ('worker.py' => 'python3', 'worker.php' => 'php',
	'worker.js' => 'node');
my $samples = srcdir() . '/etc/examples';
my $plugin = builddir() . '/t/plugins/echo.so';

sub node
{
	my ($name, $handlers) = @_;
	my $r = Reeve->new(name => $name);
	my $redis = RedisServer->new($r->dir);
	my $url = $redis->url;
	$r->write_config(<<"YAML");
redis: { url: "$url", prefix: "t:" }
handlers:
$handlers
processes:
  queue: { kind: queue, topics: [high], count: 1, concurrency: 8, stop_timeout: 3s }
YAML
	return ($r, $redis);
}

# The pid that a handler has written into a file.
sub told_pid
{
	my ($r, $file) = @_;
	my $path = $r->dir . "/$file";
	wait_until(sub { (slurp($path) // '') =~ /\n/ }, 10) or return 0;
	my ($pid) = slurp($path) =~ /^(\d+)/;
	return $pid;
}

subtest 'the samples do their work' => sub {
	my $handlers = "  handler.sh: { kind: exec, command: [$samples/handler.sh] }\n";
	my @found = grep { in_path($interpreters{$_}) } sort keys %interpreters;
	$handlers .= "  $_: { kind: worker, command: [$interpreters{$_}, $samples/$_] }\n"
		for @found;
	my ($r, $redis) = node('samples', $handlers);
	$r->start or return;
	for my $name ('handler.sh', @found) {
		my ($rc, $out) = $r->ctl('queue', 'push', 'high', $name,
			'{"text":"to be or not"}', '--wait');
		is($rc, 0, "$name succeeds");
		like($out, qr/"words": ?4/, 'with its result');
		($rc, undef, my $err) = $r->ctl('queue', 'push', 'high', $name, '{}', '--wait');
		is($rc, 1, 'and fails with bad params');
		like($err, qr/params\.text is missing/, 'for that reason');
	}
	$r->finish;
};

subtest 'a plugin does its work, a bad one keeps the old workers' => sub {
	plan skip_all => 'the sample plugin is not built' if !-e $plugin;
	my ($r, $redis) = node('plugin', "  echo: { kind: plugin, path: $plugin }");
	$r->start or return;
	my @pids = $r->pids('queue');
	my ($rc, $out) = $r->ctl('queue', 'push', 'high', 'echo', '{"a":1}', '--wait');
	like($out, qr/SUCCESS.*\{"a":1\}/, 'it answers');
	$r->write_config(slurp($r->config) =~ s/echo\.so/old.so/r);
	($rc, undef, my $err) = $r->ctl('reload');
	isnt($rc, 0, 'a plugin of another ABI is no good reload');
	is_deeply([$r->pids('queue')], \@pids, 'the worker stays');
	($rc, $out) = $r->ctl('queue', 'push', 'high', 'echo', '{"a":2}', '--wait');
	like($out, qr/SUCCESS.*\{"a":2\}/, 'and answers');
	$r->finish;
};

subtest 'nothing of a handler outlives its worker' => sub {
	my ($r, $redis) = node('orphans', <<'YAML');
  exec: { kind: exec, command: [sh, -c, 'sleep 300 & echo $! > @DIR@/exec; wait'], retry: { max: 0 } }
  escaped: { kind: exec, command: [sh, -c, 'setsid sleep 300 & echo $! > @DIR@/escaped; wait'], retry: { max: 0 } }
  worker: { kind: worker, command: [sh, -c, 'read -r line; sleep 300 & echo $! > @DIR@/worker; wait'], retry: { max: 0 } }
YAML
	$r->start or return;
	my ($worker) = $r->pids('queue');
	my %pids;
	for my $name (qw(exec escaped worker)) {
		$r->ctl('queue', 'push', 'high', $name, '{}');
		$pids{$name} = told_pid($r, $name);
		ok($pids{$name} && alive($pids{$name}), "a child of $name runs");
	}
	kill 'KILL', $worker;
	for my $name (sort keys %pids) {
		ok(wait_until(sub { !alive($pids{$name}) }, 5),
			"$name: it is gone soon after the worker");
	}
	$r->finish;
};

done_testing();
