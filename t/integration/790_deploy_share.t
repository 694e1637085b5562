#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# strategy: canary on a single node: some of its consumers run the new release
# before the others do.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $dir = File::Temp::tempdir('reeve-share-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir);
my $app = DeployNode->new(name => 'share', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', options => <<'YAML', pools => <<'YAML');
  work: { kind: exec, tracked: true, retry: { max: 0 }, directory: "@DIR@/app/current", command: [sh, -c, 'cat version && . @DIR@/app/current/work.sh'] }
YAML
    hooks: { before_switch: "test -e version" }
    consumers_during: { high: 2 }
    strategy: canary
    canary: 25%
    canary_for: 300ms
    health: { for: 100ms, interval: 50ms }
YAML
  queue: { kind: queue, topics: { high: 4 }, concurrency: 1 }
YAML
my $pg = $app->pg;
my $root = $app->root;
my $hold = $app->node->dir . '/hold.canary.done';
$ENV{REEVE_DEPLOY_HOLD} = $app->node->dir . '/hold.';
$app->node->start;
$app->release($_, version => $_, 'work.sh' => 'sleep 0.02') for qw(v1 v2 v4 v5);
$app->release('v3', version => 'v3', 'work.sh' => 'exit 3');

sub push_it
{
	my ($version) = @_;
	my ($exit, $id, $err) = $app->ctl('deploy', 'push', $version);
	is($exit, 0, "push of $version") or diag($err);
	chomp $id;
	return $id;
}

sub reason { return $pg->psql("SELECT coalesce(reason, '') FROM reeve.deployments WHERE id = '$_[0]'") }

sub steps
{
	return $pg->psql("SELECT string_agg(step, ' ' ORDER BY id) FROM reeve.deployment_steps"
		. " WHERE deployment_id = '$_[0]'");
}

my $made = 0;
sub give
{
	my ($count) = @_;
	for (1 .. $count) {
		my $ms = time * 1000;
		$redis->cmd('XADD', 't:queue:{high}', '*', 'task',
			sprintf '{"id":"%08x-%04x-7000-8000-%012x","handler":"work"}',
			$ms >> 16, $ms & 0xffff, ++$made);
	}
	return;
}

# How long they are watched: whoever fails is found out before.
sub watch_for
{
	my ($time) = @_;
	my $config = $app->node->config;
	spew($config, slurp($config) =~ s/canary_for: \S+/canary_for: $time/r);
	is(($app->ctl('reload'))[0], 0, "watched for $time");
	return;
}

sub waits_for_all
{
	return wait_until { $redis->cmd('XLEN', 't:queue:{high}') == 0
		&& $pg->psql('SELECT count(*) FROM reeve.task_instances WHERE end_time IS NULL') == 0
	} 30, 'all tasks are done';
}

# CONSUMER:RELEASE of all that ran now.
sub who_runs_what
{
	my ($count) = @_;
	waits_for_all();
	$pg->psql('DELETE FROM reeve.task_instances');
	give($count);
	waits_for_all();
	return $pg->psql("SELECT string_agg(DISTINCT split_part(worker, '/', 2) || ':' || result, ' '"
		. ' ORDER BY split_part(worker, \'/\', 2) || \':\' || result) FROM reeve.task_instances');
}

sub is_whole
{
	my ($version) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(join(' ', map { "queue.high.$_:$version" } 0 .. 3), who_runs_what(60),
		"all consumers run $version");
	is($app->current, "releases/$version", 'as all do');
	ok(!-l "$root/canary" && !-e "$root/canary.workers", 'nothing is left of the few');
	return;
}

# Up to the moment at which the few have done well.
sub comes_to_the_end_of_it
{
	my ($version) = @_;
	spew($hold, '');
	my $id = push_it($version);
	wait_until { -e "$hold.held" } 20, 'the few have done well' or diag($app->node->log);
	return $id;
}

is(($app->ctl('deploy', 'push', 'v1', '--wait'))[0], 0, 'the first release has nothing beside it');
is_whole('v1');

subtest 'a share of the consumers is first' => sub {
	my $id = comes_to_the_end_of_it('v2');
	is(who_runs_what(60), 'queue.high.0:v2 ' . join(' ', map { "queue.high.$_:v1" } 1 .. 3),
		'a quarter of four is one');
	is($app->current, 'releases/v1', 'the node is where it was');
	unlink "$hold.held";
	is($app->wait_over($id), 'DONE', 'then all follow') or diag(reason($id));
	is(steps($id), 'fetch verify unpack prepare gate before_switch canary lower switch'
		. ' whole reload after_switch watch restore prune', 'in this order');
	is_whole('v2');
};

subtest 'they fail' => sub {
	watch_for('20s');
	my $id = push_it('v3');
	wait_until { -e "$root/canary.workers" } 20, 'the few are named';
	my $state;
	wait_until {
		give(40) if $redis->cmd('XLEN', 't:queue:{high}') < 20;
		($state = $pg->psql("SELECT state FROM reeve.deployments WHERE id = '$id'")) ne 'RUNNING';
	} 20, 'it ends';
	is($state, 'ROLLED_BACK', 'all goes back');
	# The consumer that was there before may have had a last one in hand.
	like(reason($id), qr/^share: canary: \d\d+ % of its tasks fail; 0 % did before(, and 0 % where the old release runs)?$/,
		'for this reason');
	unlike(steps($id), qr/ switch whole /, 'the node did not take it');
	is_whole('v2');
	watch_for('300ms');
};

subtest 'killed' => sub {
	my $id = comes_to_the_end_of_it('v4');
	$app->node->kill9;
	$app->node->start;
	unlink "$hold.held";
	is($app->wait_over($id), 'DONE', 'it goes on when all is back') or diag(reason($id));
	is_whole('v4');
};

subtest 'aborted' => sub {
	my $id = comes_to_the_end_of_it('v5');
	is(($app->ctl('deploy', 'abort', $id))[0], 0, 'an abort');
	unlink "$hold.held";
	is($app->wait_over($id), 'ABORTED', 'ends it');
	is_whole('v4');
};

subtest 'a single consumer' => sub {
	$redis->cmd('SET', 't:consumers:share', 'high: 1');
	$redis->cmd('PUBLISH', 't:control', 'consumers');
	$app->node->wait_pool('queue.high', 1);
	my $id = push_it('v5');
	is($app->wait_over($id), 'DONE', 'has none beside it') or diag(reason($id));
	like($pg->psql("SELECT output FROM reeve.deployment_steps WHERE deployment_id = '$id'"
		. " AND step = 'canary'"), qr/there are no two consumers/, 'which is told');
	is($pg->psql("SELECT finished_at - started_at >= '300 ms' FROM reeve.deployment_steps"
		. " WHERE deployment_id = '$id' AND step = 'watch'"), 't',
		'and all of it is watched for as long');
};

is($app->node->stop, 0, 'it stops');
done_testing();
