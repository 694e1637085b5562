#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A disk that is full, wherever that shows: the release before stays or comes
# back, all of it runs, nothing is left half done, and the reason is told.  By
# root on a small file system; else by a limit of the size of files, and a
# directory that may not be written to.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(is_root run_command spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $COUNTS = "high: 3\n";
my $LARGE = 700_000; # more than there is room for
my $dir = File::Temp::tempdir('reeve-full-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir);
my @mount = ('mount', '-t', 'tmpfs', '-o', 'size=384k,nr_inodes=64,mode=0777', 'none');
my $mounted = is_root() && (run_command(10, @mount, $dir))[0] == 0;
run_command(10, 'umount', $dir) if $mounted;
my $app = DeployNode->new(name => 'full', redis => $redis->url, unstarted => 1,
	options => <<'YAML' . ($mounted ? '' : "    rlimit: { fsize: @{[$LARGE / 2]} }\n"),
    hooks: { after_switch: "test ! -e bad" }
    consumers_during: { high: 1 }
YAML
	pools => <<'YAML');
  queue: { kind: queue, topics: { high: 2 } }
YAML
my $root = $app->root;
my $holds = $app->node->dir . '/hold.';
run_command(10, @mount, $root) if $mounted;
END { local $?; run_command(10, 'umount', $root) if $mounted }
my $full = $mounted ? qr/No space left on device/ : qr/SIGXFSZ|File too large/;

$ENV{REEVE_DEPLOY_HOLD} = $holds;
$app->node->start;
$redis->cmd('SET', 't:consumers:full', $COUNTS);
$app->release('v1');
is(($app->ctl('deploy', 'push', 'v1', '--wait'))[0], 0, 'what fits goes live')
	or diag($app->node->log);
wait_until { $app->says eq 'v1' } 10;
my ($pid) = $app->node->wait_pool('web', 1);

sub reason { return $app->pg->psql("SELECT reason FROM reeve.deployments WHERE id = '$_[0]'") }

# Push a version, do something at a step, and something when it was seen; its id.
sub push_with
{
	my ($version, $step, $before, $seen, $after) = @_;
	spew("$holds$step", '') if defined $step;
	my ($exit, $id, $err) = $app->ctl('deploy', 'push', $version);
	diag($err) if $exit;
	chomp $id;
	if (defined $step) {
		wait_until { -e "$holds$step.held" } 10, "$version comes to $step";
		$before->();
		unlink "$holds$step.held";
	}
	if (defined $seen) {
		ok(wait_until(sub { $app->node->log =~ $seen }, 10), 'it is seen');
		$after->();
	}
	return $id;
}

sub ends
{
	my ($id, $state, $why) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($app->wait_over($id), $state, "it ends: $state") or diag(reason($id), $app->node->log);
	like(reason($id), $why, 'which is told') if defined $why;
	return;
}

sub all_is_well
{
	my ($version) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($app->current, "releases/$version", "current is $version");
	wait_until { $app->says eq $version } 10;
	is($app->says, $version, 'which runs');
	is($redis->cmd('GET', 't:consumers:full'), $COUNTS, 'the counts are what they were');
	ok(scalar $app->node->wait_pool('queue.high', 3), 'and so are the consumers');
	is_deeply([grep { !m{/v\d$} } glob "$root/releases/*"], [], 'nothing is left half done');
	is_deeply([glob "$root/current*"], ["$root/current"], 'and no link');
	return;
}

# Neither a name nor a byte more.
sub fill
{
	my $n = 0;
	open my $fh, '>', "$root/fill.data" or die "fill: $!";
	while (syswrite $fh, 'x' x 4096) { }
	close $fh;
	$n++ while open my $f, '>', "$root/fill.$n";
	return;
}

sub clean { return unlink glob "$root/fill.*" }

sub deny { return $mounted ? fill() : chmod 0555, $root }
sub allow { return $mounted ? clean() : chmod 0777, $root }

subtest 'at fetch' => sub {
	$app->release('large', data => join '', map { pack 'L', rand 2 ** 32 } 1 .. $LARGE / 4);
	ends(push_with('large'), 'FAILED', qr/^full: fetch: cp: .*$full/);
	all_is_well('v1');
};

subtest 'at unpack' => sub {
	$app->release('wide', data => 'x' x $LARGE);
	ends(push_with('wide'), 'FAILED', qr/^full: unpack: tar: .*$full/);
	all_is_well('v1');
};

subtest 'at the switch' => sub {
	plan skip_all => 'root may write everywhere' if is_root() && !$mounted;
	$app->release('v2');
	my $id = push_with('v2', 'switch', \&deny, qr/switch: /, sub { });
	ends($id, 'FAILED', qr/^full: switch: \S+: (No space left on device|Permission denied)$/);
	allow();
	all_is_well('v1');
	is(($app->node->pids('web'))[0], $pid, 'which was not restarted');
};

subtest 'on the way back' => sub {
	plan skip_all => 'a file system of its own needs root' if !$mounted;
	$app->release('v3', bad => '');
	spew("${holds}back.rollback", '');
	my $id = push_with('v3', 'after_switch', \&deny);
	wait_until { -e "${holds}back.rollback.held" } 10;
	deny();
	unlink "${holds}back.rollback.held";
	ends($id, 'ROLLED_BACK', qr/^full: after_switch: \S+ exit status 1$/);
	ok(!-e "$root/releases/v3", 'what can not be marked is not kept');
	clean();
	all_is_well('v1');
};

subtest 'of the database' => sub {
	$app->release('v4');
	my $id = push_with('v4', 'gate', sub { $app->pg->psql(<<'SQL') },
CREATE FUNCTION reeve.is_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER is_full BEFORE INSERT OR UPDATE ON reeve.deployment_steps
	FOR EACH ROW EXECUTE FUNCTION reeve.is_full();
SQL
		qr/gate: the database: could not extend/, sub {
			all_is_well_but_for_it();
			$app->pg->psql('DROP TRIGGER is_full ON reeve.deployment_steps');
		});
	ends($id, 'FAILED', qr/^full: gate: the database: could not extend file: No space left/);
	all_is_well('v1');

};

sub all_is_well_but_for_it
{
	is($app->current, 'releases/v1', 'the release before is current');
	is($app->says, 'v1', 'and runs');
	return;
}

subtest 'of Redis' => sub {
	$app->release('v5');
	my $id = push_with('v5', 'restore', sub { $redis->cmd(qw(CONFIG SET maxmemory 1)) },
		qr/restore: redis: OOM .*trying again/, sub { $redis->cmd(qw(CONFIG SET maxmemory 0)) });
	ends($id, 'DONE');
	all_is_well('v5');
};

is($app->node->stop, 0, 'it stops');
done_testing();
