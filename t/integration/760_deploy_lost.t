#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Three nodes with one application, of which some are lost under way: the
# others come to an end without them, and who comes back runs what is live.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(descendants_of send_signal spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $dir = File::Temp::tempdir('reeve-lost-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir);
my $pg = DeployNode::database($dir);
$ENV{REEVE_DEPLOY_HOLD} = "$dir/hold.";

my @nodes = map {
	my $node = DeployNode->new(name => $_, redis => $redis->url, pg => $pg, unstarted => 1,
		options => <<"YAML", pools => <<'YAML');
    consumers_during: { high: 1 }
    node_timeout: 2s
    canary: 50%
    canary_for: 500ms
    health: { for: 100ms, interval: 50ms }
YAML
  queue: { kind: queue, topics: { high: 2 } }
YAML
	$node->node->start;
	$node;
} qw(n1 n2 n3);
my %node = map { $_->node->{name} => $_ } @nodes;
$redis->cmd('SET', "t:consumers:$_", 'high: 2') for keys %node;

sub release { my ($version) = @_; $_->release($version) for @nodes; return }

sub push_as
{
	my ($strategy, $version) = @_;
	return $pg->psql('INSERT INTO reeve.deployments (app, kind, version, strategy)'
		. " VALUES ('app', 'push', '$version', '$strategy') RETURNING id") =~ s/\s.*//sr;
}

sub reason { return $pg->psql("SELECT coalesce(reason, '') FROM reeve.deployments WHERE id = '$_[0]'") }

# NODE:STATE of each.
sub states
{
	my ($id) = @_;
	return split ' ', $pg->psql("SELECT string_agg(node || ':' || state, ' ' ORDER BY node)"
		. " FROM reeve.deployment_nodes WHERE deployment_id = '$id'");
}

# Which node is at a step; there it stays.
sub held_at
{
	my ($id, $step) = @_;
	wait_until { -e "$dir/hold.$step.held" } 10, "one comes to $step" or return;
	return $pg->psql("SELECT node FROM reeve.deployment_nodes WHERE deployment_id = '$id'"
		. " AND step = '$step' ORDER BY node LIMIT 1");
}

sub others { my ($name) = @_; return grep { $_->node->{name} ne $name } @nodes }

sub runs { my ($version, @of) = @_; return join(' ', map { $_->current } @of) eq
	join(' ', ("releases/$version") x @of) }

sub is_whole
{
	my ($version, @of) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(wait_until(sub { !grep { $_->says ne $version } @of }, 10), "$version runs there")
		or diag(map { $_->node->{name} . ': ' . $_->says . "\n" } @of);
	ok(runs($version, @of), 'and is current');
	return;
}

# The whole machine: the master and what runs below it.
sub crash
{
	my ($node) = @_;
	$node->node->remember;
	send_signal('KILL', descendants_of($node->node->pid));
	$node->node->kill9;
	return;
}

wait_until { $pg->psql('SELECT count(*) FROM reeve.deploy_members') == 3 } 10, 'all are there';
release($_) for qw(v1 v2 v3 v4 v5 v6);
is($nodes[0]->wait_over(push_as('all', 'v1')), 'DONE', 'a release is live');
is_whole('v1', @nodes);

subtest 'lost when they follow one another' => sub {
	spew("$dir/hold.reload", '');
	my $id = push_as('rolling', 'v2');
	my $lost = held_at($id, 'reload') or return;
	crash($node{$lost});
	is($nodes[0]->wait_over($id), 'FAILED', 'the others do not begin')
		or diag(states($id));
	is(reason($id), "$lost: not heard of for 2 s", 'for this reason');
	is_whole('v1', others($lost));
	unlink "$dir/hold.reload.held";
	$id = push_as('rolling', 'v3');
	is($nodes[0]->wait_over($id), 'DONE', 'the next one does without it');
	is_whole('v3', others($lost));
	is($node{$lost}->current, 'releases/v2', 'which is where it was');
	$node{$lost}->node->start;
	is_whole('v3', $node{$lost});
	ok(wait_until(sub { $redis->cmd('GET', "t:consumers:$lost") eq 'high: 2' }, 10),
		'with the counts that it had');
	ok(wait_until(sub { join(' ', states($id)) eq 'n1:DONE n2:DONE n3:DONE' }, 10),
		'and has no more to do') or diag(states($id));
};

subtest 'lost when all are at it' => sub {
	spew("$dir/hold.reload", '');
	my $id = push_as('all', 'v4');
	my $lost = held_at($id, 'reload') or return;
	my @asleep = ($node{$lost}->node->pid, descendants_of($node{$lost}->node->pid));
	send_signal('STOP', @asleep);
	unlink "$dir/hold.reload.held";
	is($nodes[0]->wait_over($id), 'DONE', 'the others go on') or diag(states($id));
	is(reason($id), "$lost: not heard of for 2 s", 'and it is said who did not');
	is_whole('v4', others($lost));
	is($nodes[0]->wait_over(push_as('all', 'v5')), 'DONE', 'and take the next');
	send_signal('CONT', @asleep);
	is_whole('v5', $node{$lost});
	is($pg->psql("SELECT state FROM reeve.deployment_nodes WHERE deployment_id = '$id'"
		. " AND node = '$lost'"), 'ROLLED_BACK', 'by way of what it had before');
};

subtest 'a share of them first' => sub {
	spew("$dir/hold.watch", '');
	my $id = push_as('canary', 'v6');
	my $firsts = "SELECT count(*) FROM reeve.deployment_nodes WHERE deployment_id = '$id' AND";
	ok(wait_until(sub { $pg->psql("$firsts step = 'watch'") == 2 }, 10), 'half of three are two');
	my @rest = grep { /:WAITING$/ } states($id);
	is(scalar @rest, 1, 'the third waits for both') or diag(states($id));
	my ($name) = $rest[0] =~ /^(.*):/;
	is($node{$name}->current, 'releases/v5', 'with what it had');
	unlink "$dir/hold.watch.held";
	is($nodes[0]->wait_over($id), 'DONE', 'then it follows') or diag(reason($id));
	is_whole('v6', @nodes);
	is($pg->psql("$firsts is_canary"), 2, 'two were first');
};

# What nodes of an application without any are told: each state, or nothing.
sub look
{
	my ($share, @of) = @_;
	my $list = join ',', map { "('$_')" } @of;
	return $pg->psql("SELECT string_agg(coalesce((SELECT state"
		. " || (CASE WHEN is_canary THEN '!' ELSE '' END) FROM"
		. " reeve.deploy_look('other', node, node || '/other.0/1', 'rolling', '$share', 30000)), ''), ' ')"
		. " FROM (VALUES $list) l (node)");
}

sub node_ends
{
	my ($node) = @_;
	return $pg->psql('SELECT reeve.deploy_node_end(deployment_id, node, fence, '
		. "'DONE', NULL) FROM reeve.deployment_nodes WHERE node = '$node' AND state = 'FORWARD'");
}

sub goes_away { $pg->psql("UPDATE reeve.deploy_members SET seen_at = now() - interval '31 s'"
	. " WHERE app = 'other' AND node = '$_[0]'") }

sub begin
{
	my ($strategy, $count) = @_;
	return $pg->psql('DELETE FROM reeve.deployments; DELETE FROM reeve.deploy_members;'
		. " INSERT INTO reeve.deploy_members (app, node)"
		. " SELECT 'other', 'x' || i FROM generate_series(1, $count) i;"
		. ' INSERT INTO reeve.deployments (app, kind, version, strategy)'
		. " VALUES ('other', 'push', 'v', '$strategy') RETURNING id") =~ s/.*?(\S{36}).*/$1/sr;
}

is($_->node->stop, 0, 'a node stops') for @nodes;

for (['10%', 2, 1], ['10%', 10, 1], ['10%', 11, 2], ['100%', 3, 2], ['34%', 3, 2], [2, 3, 2], [7, 3, 2], [1, 3, 1]) {
	my ($share, $count, $first) = @$_;
	begin('canary', $count);
	is(look($share, map { "x$_" } 1 .. $count),
		join(' ', ('FORWARD!') x $first, ('') x ($count - $first)),
		"$share of $count nodes are $first");
}

sub state_of { return $pg->psql("SELECT state FROM reeve.deployments WHERE id = '$_[0]'") }

subtest 'lost before its turn' => sub {
	begin('rolling', 3);
	is(look('1', qw(x1 x2 x3)), 'FORWARD  ', 'by rolling, one is at it');
	goes_away('x2');
	is(look('1', qw(x1 x3)), 'BACK ', 'and goes back');
	for my $strategy (qw(all canary)) {
		my $id = begin($strategy, 3);
		look('1', qw(x1 x2 x3));
		goes_away('x2');
		look('1', 'x1');
		node_ends('x1');
		look('1', 'x3');
		node_ends('x3');
		is(state_of($id), 'DONE', "by $strategy the others go on");
		is(look('1', 'x2'), 'FORWARD', 'and it follows when it is back');
	}
};

subtest 'a canary is lost' => sub {
	my $id = begin('canary', 3);
	look('1', qw(x1 x2 x3));
	goes_away('x1');
	is(look('1', qw(x2 x3)), ' ', 'the others do not begin');
	is(state_of($id), 'FAILED', 'and that is the end of it');
	is(reason($id), 'x1: not heard of for 30 s', 'for this reason');
};

done_testing();
