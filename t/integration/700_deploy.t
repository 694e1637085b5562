#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A release goes live and back: the steps in order, each failure on the old
# release, and what is under way goes on after a crash.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use DeployNode;
use PgServer;
use Reeve qw(slurp spew wait_until);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $app = DeployNode->new(name => 'deploy', options => <<'YAML');
    hooks: { prepare: "echo prepared $REEVE_VERSION; test ! -e bad-prepare && if test -e hold; then : > $REEVE_ROOT/held; while test ! -e held; do sleep 0.02; done; fi" }
    shared: [var/data]
    keep: 2
YAML

sub pushed
{
	my ($version, $wanted, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = $app->ctl('deploy', 'push', $version, '--wait');
	is($exit, $wanted, $title) or diag($out, $err, $app->node->log);
	return $out;
}

subtest 'a first release' => sub {
	$app->release('v1');
	my $out = pushed('v1', 0, 'is pushed');
	is(readlink($app->root . '/current'), 'releases/v1', 'current leads to it');
	like($out, qr/fetch .*unpack .*prepare .*gate .*switch .*reload .*prune /s,
		'its steps are shown');
	like($out, qr/prepared v1/, 'and what they said');
	wait_until { $app->says eq 'v1' } 10;
	is($app->says, 'v1', 'the pool runs it');
	is(readlink($app->root . '/releases/v1/var/data'), $app->root . '/shared/var/data',
		'shared paths are links');
};

subtest 'a second one, and back' => sub {
	$app->release('v2');
	pushed('v2', 0, 'is pushed');
	is($app->says, 'v2', 'the pool runs it');
	my ($exit, $out, $err) = $app->ctl('deploy', 'rollback', '--wait');
	is($exit, 0, 'the one before comes back') or diag($out, $err);
	is($app->says, 'v1', 'and runs');
	($exit, $out) = $app->ctl('--json', 'deploy', 'list');
	is(join(' ', map { "$_->{kind}:$_->{version}:$_->{state}" } @{ decode_json($out) }),
		'rollback:v1:DONE push:v2:DONE push:v1:DONE', 'all of it is on the list');
};

subtest 'the audit log' => sub {
	is($app->pg->psql("SELECT string_agg(action || ' ' || (after->>'kind') || ' '"
			. " || (after->>'version'), ', ' ORDER BY at) FROM reeve.audit_log"
			. " WHERE who LIKE 'reevectl of %'"),
		'createDeployment push v1, createDeployment push v2, createDeployment rollback v1',
		'says who asked for which');
};

subtest 'what can go wrong' => sub {
	my $stays = sub {
		my ($version, $why) = @_;
		local $Test::Builder::Level = $Test::Builder::Level + 1;
		my $out = pushed($version, 1, "$version does not go live");
		like($out, $why, 'which it says');
		is(readlink($app->root . '/current'), 'releases/v1', 'current is what it was');
		is($app->says, 'v1', 'and so is what runs');
	};
	$stays->('v99', qr/has no v99\.tar\.gz/);
	$app->release('v3', 'bad-prepare' => '');
	$stays->('v3', qr/prepare: .*exit status 1/);
	$app->release('v6', 'bad-prepare' => '');
	$stays->('v6', qr/prepare: .*exit status 1/);
	unlink $app->packages . '/v6.tree/bad-prepare';
	$app->pack('v6');
	pushed('v6', 0, 'one that is mended and pushed again is got anew');
	is(($app->ctl('deploy', 'rollback', 'v1', '--wait'))[0], 0, 'and may go again');
	$app->release('v4', 'serve.sh' => "#!/bin/sh\nexit 1\n");
	$stays->('v4', qr/ROLLED_BACK/);
	my ($exit, $out, $err) = $app->ctl('deploy', 'push', '../v1');
	is($exit, 2, 'a version is no path');
	is(($app->ctl('deploy', 'push', "v1.$_"))[0], 2, "v1.$_ is not of another one")
		for qw(partial archive archive.asc);
};

subtest 'a crash' => sub {
	$app->release('v5', hold => '');
	my ($exit, $id) = $app->ctl('deploy', 'push', 'v5');
	chomp $id;
	wait_until { -e $app->root . '/held' } 10;
	my ($pid) = map { $_->{pid} } $app->node->workers('app');
	kill KILL => $pid;
	unlink $app->root . '/releases/v5/hold';
	spew($app->root . '/releases/v5/held', '');
	my $state = '';
	wait_until { $state = $app->pg->psql("SELECT state FROM reeve.deployments WHERE id = '$id'");
		$state ne 'RUNNING' } 20;
	is($state, 'DONE', 'of its worker: the next one goes on');
	is($app->says, 'v5', 'and the release is live');
	ok(-e $app->root . '/releases/v1', 'the one before is kept');
	ok(!-e $app->root . '/releases/v2', 'older ones are gone');
};

$app->node->stop;
done_testing();
