#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Deployments over the API: made, listed, looked at and aborted by an admin of
# the tenant default, and by nobody else.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use ApiNode;
use PgServer;
use Reeve qw(run_command slurp spew wait_until);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $api = ApiNode->new(name => 'deployments', pools => <<'YAML');
  shop:
    kind: deploy
    root: @DIR@/shop
    source: { directory: @DIR@ }
    health: { for: 0s }
    hooks: { prepare: "while test -e hold; do sleep 0.02; done" }
YAML
my $dir = $api->node->dir;
my $path = '/api/v1/deployments';
my $admin = $api->token('default', 'admin');
my $state;

sub archive
{
	my ($version, @files) = @_;
	mkdir "$dir/$version.tree";
	spew("$dir/$version.tree/$_", '') for @files;
	run_command(30, 'tar', '-czf', "$dir/$version.tar.gz", '-C', "$dir/$version.tree", '.');
	return;
}

sub becomes
{
	my ($id, $wanted, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $a;
	wait_until { $a = $api->call('GET', "$path/$id", $admin); ($a->{body}{state} // '') eq $wanted } 10;
	is($a->{body}{state}, $wanted, $title) or diag($a->{text});
	return $a->{body};
}

archive('v1');
archive('v2', 'hold');
wait_until { $api->{pg}->psql('SELECT count(*) FROM reeve.deploy_members') } 10;

my @push = ('POST', $path, $admin, { app => 'shop', version => 'v1' }, 'idempotency-key' => 'v1');
my $a = $api->call(@push);
is($a->{status}, 202, 'a push is taken') or diag($a->{text});
is($a->{body}{state}, 'QUEUED', 'and waits for the worker');
is($a->{headers}{location}, "$path/$a->{body}{id}", 'it is told where it stands');
my $b = $api->call(@push);
is_deeply([$b->{status}, $b->{text}, @{ $b->{headers} }{qw(location idempotent-replayed)}],
	[202, $a->{text}, $a->{headers}{location}, 'true'], 'sent again it is the same one');
like($a->{body}{createdBy}, qr/^token /, 'which knows who wanted it');
my $all = becomes($a->{body}{id}, 'DONE', 'who carries it out');
is($all->{steps}[0]{step}, 'fetch', 'its steps are told');
is(readlink "$dir/shop/current", 'releases/v1', 'the release is live');

$a = $api->call('POST', $path, $admin, { app => 'shop', version => 'v2' });
my $id = $a->{body}{id};
is($api->call('POST', "$path/$id/abort", $admin)->{status}, 202, 'one under way is aborted');
becomes($id, 'ABORTED', 'and goes back');
is($api->call('POST', "$path/$id/abort", $admin)->{status}, 409, 'once');

$api->pg->psql("UPDATE reeve.idempotency_keys SET status = NULL, answer = NULL");
$b = $api->call(@push);
is_deeply([$b->{status}, @{ $b->{body} }{qw(id state)}, $b->{headers}{location}],
	[202, @{$all}{qw(id state)}, "$path/$all->{id}"],
	'and by then that it is done');

my $list = $api->call('GET', "$path?app=shop", $admin);
is(join(' ', map { "$_->{version}:$_->{state}" } @{ $list->{body}{items} }),
	'v2:ABORTED v1:DONE', 'both are on the list');

# What the node's file says now, unless the call says something else.
my $text = slurp($api->node->config);
spew($api->node->config, $text =~ s/^(    health:)/    strategy: all\n$1/mr);
is(($api->node->ctl('reload'))[0], 0, 'another strategy is loaded');
for my $way ([{}, 'all'], [{ strategy => 'rolling' }, 'rolling'], [{}, 'all']) {
	$a = $api->call('POST', $path, $admin, { app => 'shop', version => 'v1', %{ $way->[0] } });
	is(becomes($a->{body}{id}, 'DONE', 'a release goes live')->{strategy}, $way->[1],
		"strategy $way->[1]");
}

is($api->call('POST', $path, $admin, { app => 'nobody', version => 'v1' })->{status}, 404,
	'an application that no node has is none');
$a = $api->call('POST', $path, $admin, { app => 'shop', version => '../v1' });
is($a->{status}, 422, 'a path is no version');
like(ApiNode::errors($a), qr/^version: letters, digits/, 'as is said of the field');
is($api->call('POST', $path, $admin, { app => 'shop', version => 'v1.partial' })->{status}, 422,
	'nor is what is not yet one');
is($api->call('GET', $path, $api->token('default', 'operator'))->{status}, 403,
	'an operator may not');
is($api->call('GET', $path, $api->token('acme', 'admin'))->{status}, 403,
	'nor may the admin of another tenant');
is($api->{pg}->psql("SELECT string_agg(action, ' ' ORDER BY id) FROM reeve.audit_log"
	. " WHERE object = 'deployment'"), 'createDeployment createDeployment abortDeployment'
		. ' createDeployment' x 3,
	'the audit log has it all');

is($api->node->stop, 0, 'it stops');
done_testing();
