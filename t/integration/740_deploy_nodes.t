#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Two nodes with one application: in which order they take a release, and that
# all of them go back when one does; one deployment after the other; aborts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep);
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $dir = File::Temp::tempdir('reeve-nodes-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir);
my $pg = DeployNode::database($dir);
$ENV{REEVE_DEPLOY_HOLD} = "$dir/hold.";

# Its task `work` does what the release says, unless a file `broken` is there.
my @nodes = map {
	my $name = $_;
	my $node = DeployNode->new(name => $name, redis => $redis->url, pg => $pg, unstarted => 1,
		handlers => <<"YAML", options => <<"YAML", pools => <<"YAML");
  work: { kind: exec, tracked: true, retry: { max: 0 }, command: [sh, -c, 'test ! -e $dir/broken && test ! -e \@DIR\@/app/current/fails'] }
YAML
    hooks: { after_switch: "test ! -e bad-on-$name" }
    consumers_during: { high: 1 }
    strategy: canary
    canary_for: 1s
    health: { for: 100ms, interval: 50ms, failure_rise: 20 }
YAML
  queue: { kind: queue, topics: { high: 2 } }
YAML
	$node->node->start;
	$node;
} qw(n1 n2);
my ($n1, $n2) = @nodes;

sub release
{
	my ($version, %files) = @_;
	$_->release($version, %files) for @nodes;
	return;
}

sub currents { return join ' ', map { $_->current =~ s{.*/}{}r } @nodes }

# A push with another strategy than that of the file.
sub push_as
{
	my ($strategy, $version) = @_;
	return $pg->psql('INSERT INTO reeve.deployments (app, kind, version, strategy)'
		. " VALUES ('app', 'push', '$version', '$strategy') RETURNING id") =~ s/\s.*//sr;
}

sub reason { return $pg->psql("SELECT reason FROM reeve.deployments WHERE id = '$_[0]'") }

wait_until { $pg->psql('SELECT count(*) FROM reeve.deploy_members') == 2 } 10,
	'both nodes are there';

for my $strategy (qw(rolling all)) {
	subtest "strategy $strategy" => sub {
		release("$strategy-1");
		is($n1->wait_over(push_as($strategy, "$strategy-1")), 'DONE', 'a release goes live');
		is(currents(), "$strategy-1 $strategy-1", 'on both');
		release("$strategy-2", 'bad-on-n1' => '');
		my $id = push_as($strategy, "$strategy-2");
		is($n1->wait_over($id), 'ROLLED_BACK', 'one that fails on one node comes back');
		is(currents(), "$strategy-1 $strategy-1", 'on both');
		like(reason($id), qr/^n1: after_switch: .*exit status 1/, 'for this reason');
	};
}

# Tasks for both nodes, until told to end.
sub with_tasks
{
	my ($what) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my $n = 0;
		$redis->disconnect;
		while (1) {
			$redis->cmd('XADD', 't:queue:{high}', '*', 'task',
				sprintf '{"id":"%012x-7000-8000-%08x%04x","handler":"work"}'
					=~ s/%012x/%08x-%04x/r, (time * 1000) >> 16,
				(time * 1000) & 0xffff, $$, ++$n);
			sleep 0.01;
		}
	}
	$redis->disconnect;
	my $got = $what->();
	kill KILL => $pid;
	waitpid $pid, 0;
	return $got;
}

subtest 'strategy canary' => sub {
	release('canary-1', fails => '');
	my $id = push_as('canary', 'canary-1');
	is(with_tasks(sub { $n1->wait_over($id) }), 'ROLLED_BACK',
		'a canary whose tasks fail goes back');
	like(reason($id), qr/watch: 100 % of its tasks fail; 0 % did before, and 0 % where the old release runs/,
		'for this reason');
	is(currents(), 'all-1 all-1', 'and the other has not begun');
	spew("$dir/broken", '');
	$pg->psql('DELETE FROM reeve.task_instances');
	release('canary-2');
	$id = push_as('canary', 'canary-2');
	is(with_tasks(sub { $n1->wait_over($id) }), 'DONE',
		'what fails everywhere is not its fault') or diag(reason($id));
	is(currents(), 'canary-2 canary-2', 'and the other follows');
};

# Ten tasks and more of the new release have ended on each node.
sub have_failed
{
	my ($id) = @_;
	return wait_until { $pg->psql("SELECT count(*) FROM (SELECT FROM reeve.task_instances i"
		. " JOIN reeve.deployment_nodes n ON n.node = i.execution_node"
		. " AND i.start_time > n.switched_at AND i.status = 'FAILED'"
		. " WHERE n.deployment_id = '$id' GROUP BY n.node HAVING count(*) >= 10) t") == 2 } 20;
}

sub fails_by_all
{
	my ($version) = @_;
	spew("$dir/hold.watch", '');
	release($version, fails => '');
	my $id = push_as('all', $version);
	with_tasks(sub { have_failed($id) }) or diag('too few tasks have failed');
	unlink "$dir/hold.watch.held";
	return $id;
}

subtest 'beside its own past' => sub {
	unlink "$dir/broken";
	$pg->psql("UPDATE reeve.task_instances SET status = 'SUCCESS'");
	my $id = fails_by_all('past-1');
	is($n1->wait_over($id), 'ROLLED_BACK', 'when all are at it, a rise is one over the past');
	like(reason($id), qr/100 % of its tasks fail; 0 % did before$/, 'which it says');
	$pg->psql("UPDATE reeve.task_instances SET status = 'FAILED'");
	$id = fails_by_all('past-2');
	is($n1->wait_over($id), 'DONE', 'what has failed before is not its fault')
		or diag(reason($id));
	is(currents(), 'past-2 past-2', 'on both');
};

subtest 'one after the other' => sub {
	release($_) for qw(first second third);
	spew("$dir/hold.prepare", '');
	my $first = push_as('rolling', 'first');
	wait_until { -e "$dir/hold.prepare.held" } 10, 'the first is under way';
	my $second = push_as('rolling', 'second');
	my $third = push_as('rolling', 'third');
	is(($n1->ctl('deploy', 'abort', $third))[0], 0, 'one that waits is aborted');
	is($pg->psql("SELECT state FROM reeve.deployments WHERE id = '$second'"), 'QUEUED',
		'the second waits');
	unlink "$dir/hold.prepare.held";
	is($n1->wait_over($first), 'DONE', 'the first ends');
	is($n1->wait_over($second), 'DONE', 'then the second');
	is($n1->wait_over($third), 'ABORTED', 'the third is not begun');
	is(currents(), 'second second', 'the second is live');
};

subtest 'an abort' => sub {
	$redis->cmd('SET', "t:consumers:$_", 'high: 2') for qw(n1 n2);
	for my $step (qw(switch reload.done)) {
		(my $version = "at-$step") =~ tr/./-/;
		release($version);
		spew("$dir/hold.$step", '');
		my $id = push_as('all', $version);
		wait_until { -e "$dir/hold.$step.held" } 10, "it comes to $step";
		is(($n1->ctl('deploy', 'abort', $id))[0], 0, "an abort at $step");
		unlink "$dir/hold.$step.held";
		is($n1->wait_over($id), 'ABORTED', 'ends it');
		is(currents(), 'second second', 'what was there is there');
		is(join(' ', map { $redis->cmd('GET', "t:consumers:$_") } qw(n1 n2)),
			'high: 2 high: 2', 'and the counts are what they were');
	}
};

is($_->node->stop, 0, 'a node stops') for @nodes;
done_testing();
