#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Where releases come from and how they prove it; and whatever is wrong with
# one, the release before stays, with everything running.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Copy qw(copy);
use Test::More;
use DeployNode;
use PgServer;
use Reeve qw(free_port http_get is_root run_command slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
for my $program (qw(git minisign gpg gpgv python3)) {
	in_path($program) or plan skip_all => "$program is not installed";
}

my $dir = File::Temp::tempdir('reeve-sources-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $port = free_port();
my $pool = "    kind: deploy\n    health: { for: 0s }\n";
my $app = DeployNode->new(name => 'sources', unstarted => 1,
	head => "include: \@DIR\@/app/current/process*.yaml\n",
	options => <<"YAML", pools => <<"YAML");
    hooks: { before_switch: "if test -e hang; then sleep 60; fi", after_switch: "test ! -e bad" }
    hook_timeout: 300ms
YAML
  fromgit:
$pool    root: $dir/git
    source: { git: $dir/repository }
  sum:
$pool    root: $dir/sum
    source: { url: "http://127.0.0.1:$port/{version}.tar.gz" }
    verify: sha256
  mini:
$pool    root: $dir/mini
    source: { directory: \@DIR\@/packages }
    verify: minisign
    verify_key: $dir/minisign.pub
  signed:
$pool    root: $dir/signed
    source: { directory: \@DIR\@/packages }
    verify: gpg
    verify_key: $dir/keyring.gpg
  small:
$pool    root: $dir/small
    source: { directory: \@DIR\@/packages }
  server:
    kind: program
    command: [python3, -m, http.server, "$port", --bind, 127.0.0.1]
    directory: \@DIR\@/packages
    ready: { tcp: "127.0.0.1:$port" }
YAML

sub run
{
	my ($code, $out, $err) = run_command(60, @_);
	die "@_: $out$err" if $code != 0;
	return $out;
}

sub pushes
{
	my ($name, $version, $exit, $like, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = $app->ctl('deploy', 'push', $version, '--app', $name, '--wait');
	is($code, $exit, $title) or diag($out, $err);
	like($out, $like, 'which is told') if defined $like;
	return;
}

my $packages = $app->packages;
$app->release($_, name => $_) for qw(v1 v2 v3);

# A disk that is too small, or a limit that says so.
my $mounted = 0;
mkdir "$dir/small";
if (is_root()) {
	$mounted = (run_command(10, qw(mount -t tmpfs -o size=64k none), "$dir/small"))[0] == 0;
}
END { local $?; run_command(10, 'umount', "$dir/small") if $mounted }
$app->node->start;

subtest 'a repository of git' => sub {
	my @git = ('git', '-C', "$dir/repository", '-c', 'user.name=t', '-c', 'user.email=t@localhost');
	run('git', 'init', '-q', "$dir/repository");
	spew("$dir/repository/file", 'one');
	run(@git, 'add', '.');
	run(@git, qw(commit -qm one));
	run(@git, qw(tag v1));
	pushes('fromgit', 'v1', 0, undef, 'a tag is a version');
	is(slurp("$dir/git/current/file"), 'one', 'its files are there');
	pushes('fromgit', 'v2', 1, qr/Remote branch v2 not found/, 'a missing tag is none');
	is(readlink "$dir/git/current", 'releases/v1', 'the one before stays');
	is_deeply([glob "$dir/git/releases/*"], ["$dir/git/releases/v1"], 'alone');
};

subtest 'a URL and its SHA-256' => sub {
	my ($sum) = run('sha256sum', "$packages/v1.tar.gz") =~ /^(\w+)/;
	spew("$packages/v1.tar.gz.sha256", "$sum  v1.tar.gz\n");
	spew("$packages/v2.tar.gz.sha256", "$sum  v2.tar.gz\n");
	pushes('sum', 'v1', 0, undef, 'the right sum will do');
	pushes('sum', 'v2', 1, qr/verify: the SHA-256 of .* is not/, 'another will not');
	pushes('sum', 'v3', 1, qr/404/, 'none will not');
	is(readlink "$dir/sum/current", 'releases/v1', 'the one before stays');
	is_deeply([glob "$dir/sum/releases/*"], ["$dir/sum/releases/v1"], 'alone');
};

subtest 'a signature of minisign' => sub {
	run('minisign', '-G', '-W', '-p', "$dir/minisign.pub", '-s', "$dir/minisign.key");
	run('minisign', '-S', '-s', "$dir/minisign.key", '-m', "$packages/v1.tar.gz");
	copy("$packages/v1.tar.gz.minisig", "$packages/v2.tar.gz.minisig");
	pushes('mini', 'v1', 0, undef, 'the right one will do');
	pushes('mini', 'v2', 1, qr/Signature verification failed/, 'that of another will not');
	pushes('mini', 'v3', 1, qr/verify: minisign: exit status/, 'none will not');
	is(readlink "$dir/mini/current", 'releases/v1', 'the one before stays');
};

subtest 'a signature of gpg' => sub {
	local $ENV{GNUPGHOME} = "$dir/gnupg";
	mkdir $ENV{GNUPGHOME}, 0700;
	my @gpg = qw(gpg --batch --quiet --passphrase= --pinentry-mode loopback);
	run(@gpg, qw(--quick-gen-key t@localhost ed25519 sign never));
	run(@gpg, '--output', "$dir/keyring.gpg", '--export');
	run(@gpg, '--armor', '--detach-sign', "$packages/v1.tar.gz");
	copy("$packages/v1.tar.gz.asc", "$packages/v2.tar.gz.asc");
	run_command(10, qw(gpgconf --kill gpg-agent));
	pushes('signed', 'v1', 0, undef, 'the right one will do');
	pushes('signed', 'v2', 1, qr/BAD signature/, 'that of another will not');
	pushes('signed', 'v3', 1, qr/verify: gpgv: exit status/, 'none will not');
	is(readlink "$dir/signed/current", 'releases/v1', 'the one before stays');
};

subtest 'a full disk' => sub {
	plan skip_all => 'a file system of its own needs root' if !$mounted;
	pushes('small', 'v1', 0, undef, 'what fits will do');
	$app->release('big', map { ("file$_" => join '', map { chr rand 256 } 1 .. 20_000) } 1 .. 5);
	pushes('small', 'big', 1, qr/No space left on device/, 'what does not is refused');
	is(readlink "$dir/small/current", 'releases/v1', 'the one before stays');
	is_deeply([glob "$dir/small/releases/*"], ["$dir/small/releases/v1"], 'alone');
};

subtest 'a release that is no good' => sub {
	pushes('app', 'v1', 0, undef, 'a good one is live');
	wait_until { $app->says eq 'v1' } 10;
	my ($pid) = $app->node->pids('web');
	my $stays = sub {
		my ($version, $why, $title) = @_;
		pushes('app', $version, 1, $why, $title);
		is($app->current, 'releases/v1', 'the one before is current');
		is($app->says, 'v1', 'and runs');
	};
	$app->release('hangs', hang => '');
	$stays->('hangs', qr/before_switch: .*took too long/, 'a hook that hangs is ended');
	is(($app->node->pids('web'))[0], $pid, 'nothing was restarted for it');
	$app->release('fails', bad => '');
	$stays->('fails', qr/after_switch: .*exit status 1/, 'a hook that fails is the end');
	$app->release('wrong', 'process.yaml' => "processes: { more: { kind: nonsense } }\n");
	$stays->('wrong', qr/reload: the new configuration was refused/,
		'a bad process.yaml is refused');
	like($app->node->log, qr/deployment \S+: reload: the new configuration/, 'the log tells');
	$app->release('more', 'process.yaml' => "processes: { more: { kind: program,"
		. " command: [sleep, '1000'], ready: { after: 0s } } }\n");
	pushes('app', 'more', 0, undef, 'a good one is taken over');
	ok(scalar $app->node->pids('more'), 'and its pools run');
};

is($app->node->stop, 0, 'it stops');
done_testing();
