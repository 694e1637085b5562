#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Whoever is killed at whatever step of a deployment: what comes back goes on
# there, or all the way back, and leaves nothing half done.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(send_signal slow spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $COUNTS = "high: 3\n";
my $dir = File::Temp::tempdir('reeve-killed-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir, qw(--appendonly yes --appendfsync always));
my $app = DeployNode->new(name => 'killed', redis => $redis->url, unstarted => 1,
	options => <<'YAML', pools => <<'YAML');
    hooks: { after_switch: "test ! -e bad" }
    consumers_during: { high: 1 }
    shared: [data]
    backoff_max: 100ms
YAML
  queue: { kind: queue, topics: { high: 2 } }
YAML
my $holds = $app->node->dir . '/hold.';
$ENV{REEVE_DEPLOY_HOLD} = $holds;
$app->node->start;
$redis->cmd('SET', 't:consumers:killed', $COUNTS);
$app->release($_) for qw(v1 v2 v3 v4);
$app->release('bad', bad => '');
is(($app->ctl('deploy', 'push', 'v1', '--wait'))[0], 0, 'a release is live')
	or diag($app->node->log);

sub kill_worker
{
	my ($pid) = $app->node->wait_pool('app', 1);
	send_signal('KILL', $pid);
	return wait_until { my ($now) = $app->node->pids('app'); $now && $now != $pid } 10;
}

sub kill_master
{
	$app->node->kill9;
	return $app->node->start;
}

# All of it at once, as when the power goes.
sub kill_machine
{
	$app->node->kill9;
	$redis->kill9;
	$app->pg->stop('immediate');
	$redis->start;
	$app->pg->start;
	return $app->node->start;
}

# Push a version, and kill at each of the points; returns the end state and
# how long it took behind the last of them.
sub push_through
{
	my ($version, $kill, @points) = @_;
	spew("$holds$_", '') for @points;
	my ($exit, $id, $err) = $app->ctl('deploy', 'push', $version);
	diag($err) if $exit;
	chomp $id;
	for my $point (@points) {
		my $held = "$holds$point.held";
		wait_until { -e $held } 10, "$version comes to $point" or return ('', 0);
		$kill->() or fail("what was killed at $point comes back");
		-e $app->root . '/current/serve.sh' or fail("at $point current leads to a release");
		unlink $held;
	}
	my $began = time;
	return ($app->wait_over($id) // '', time - $began);
}

sub is_whole
{
	my ($version) = @_;
	is($app->current, "releases/$version", "current leads to $version");
	wait_until { $app->says eq $version } 10;
	is($app->says, $version, 'which is what runs');
	is($redis->cmd('GET', 't:consumers:killed'), $COUNTS, 'the counts are what they were');
	ok(scalar $app->node->wait_pool('queue.high', 3), 'and so are the consumers');
	is_deeply([glob $app->root . '/releases/*.partial'], [], 'nothing is left half done');
	return;
}

subtest 'the worker, at every step' => sub {
	my ($state, $took) = push_through('v2', \&kill_worker, qw(fetch verify unpack unpack.done
		prepare gate lower before_switch switch switch.done reload after_switch watch
		restore restore.done prune));
	is($state, 'DONE', 'the release goes live');
	cmp_ok($took, '<', slow(10), 'in time');
	is_whole('v2');
};

subtest 'the worker, at every step of the way back' => sub {
	my ($state, $took) = push_through('bad', \&kill_worker, qw(back.lower back.switch
		back.switch.done back.reload back.restore back.rollback));
	is($state, 'ROLLED_BACK', 'the release before comes back');
	cmp_ok($took, '<', slow(10), 'in time');
	is_whole('v2');
};

subtest 'the master, where most is under way' => sub {
	my ($state, $took) = push_through('v3', \&kill_master,
		qw(lower.done switch.done reload));
	is($state, 'DONE', 'the release goes live');
	cmp_ok($took, '<', slow(10), 'in time');
	is_whole('v3');
};

subtest 'the machine' => sub {
	my ($state) = push_through('v4', \&kill_machine, qw(lower.done switch.done));
	is($state, 'DONE', 'the release goes live');
	is_whole('v4');
	($state) = push_through('bad', \&kill_machine, qw(back.switch));
	is($state, 'ROLLED_BACK', 'one that does not comes back');
	is_whole('v4');
	is($app->pg->psql("SELECT count(*) FROM reeve.deployment_steps WHERE state = 'RUNNING'"),
		0, 'no step is left open');
};

is($app->node->stop, 0, 'it stops');
done_testing();
