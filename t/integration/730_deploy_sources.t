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
use File::Path qw(make_path);
use POSIX qw(mkfifo);
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
  tags:
$pool    root: $dir/tags
    source: { git: $dir/repository }
    verify: gpg
    verify_key: $dir/gnupg
  odd:
$pool    root: $dir/odd
    source: { directory: \@DIR\@/packages }
    shared: [data/kept]
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
	run(@git, qw(branch v2));
	pushes('fromgit', 'v2', 1, qr{couldn't find remote ref refs/tags/v2}, 'a branch is none');
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
	pushes('mini', 'v3', 1, qr/fetch: cp: exit status/, 'none will not');
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
	my @git = ('git', '-C', "$dir/repository", '-c', 'user.name=t', '-c', 'user.email=t@localhost');
	run(@git, qw(tag -u t@localhost -m s1 s1));
	run(@git, qw(update-ref refs/tags/s2 refs/tags/s1));
	run(@git, qw(tag -a -m s3 s3));
	run_command(10, qw(gpgconf --kill gpg-agent));
	pushes('tags', 's1', 0, undef, 'a signed tag will do');
	pushes('tags', 's2', 1, qr/verify: what was signed is another tag than s2/,
		'one under a new name will not');
	pushes('tags', 's3', 1, qr/verify: git: exit status 1/, 'nor one without a signature');
	is_deeply([glob "$dir/tags/releases/*"], ["$dir/tags/releases/s1"], 'the first stays, alone');
	pushes('signed', 'v1', 0, undef, 'the right one will do');
	pushes('signed', 'v2', 1, qr/BAD signature/, 'that of another will not');
	pushes('signed', 'v3', 1, qr/fetch: cp: exit status/, 'none will not');
	is(readlink "$dir/signed/current", 'releases/v1', 'the one before stays');
};

subtest 'what is not the release itself' => sub {
	my $tree = "$packages/v1.tree";
	mkfifo("$tree/pipe", 0644) or die "mkfifo: $!";
	$app->pack('v1');
	pushes('odd', 'v1', 1, qr{v1\.partial/pipe\n.*no release has devices}s, 'a pipe is refused');
	unlink "$tree/pipe";
	if (is_root()) {
		chmod 04755, "$tree/serve.sh";
		$app->pack('v1');
		pushes('odd', 'v1', 1, qr{v1\.partial/serve\.sh\n.*setuid}s, 'a setuid bit is refused');
		chmod 0755, "$tree/serve.sh";
	}
	spew("$dir/file", 'x');
	run('tar', '-P', '-cf', "$packages/up.tar", '--transform', 's,.*,../../up-there,', "$dir/file");
	pushes('odd', 'up', 1, qr/unpack: tar: exit status 2/, 'nothing is unpacked above it');
	ok(!-e "$dir/odd/up-there", 'where it does not belong');
	make_path("$dir/away/kept");
	symlink "$dir/away", "$dir/out" or die "symlink: $!";
	run('tar', '-C', $dir, '-cf', "$packages/through.tar", 'out');
	run('tar', '-P', '-rf', "$packages/through.tar", '--transform', 's,.*,out/through,', "$dir/file");
	pushes('odd', 'through', 1, qr/unpack: tar: exit status 2/, 'nor through a link');
	ok(!-e "$dir/away/through", 'to elsewhere');
	symlink "$dir/away", "$tree/data" or die "symlink: $!";
	$app->pack('v1');
	pushes('odd', 'v1', 1, qr{data is a link}, 'nothing is shared behind a link');
	ok(-d "$dir/away/kept", 'where all stays as it was');
	unlink "$tree/data";
	$app->pack('v1');
	pushes('odd', 'v1', 0, undef, 'without all that it will do');
	is(readlink "$dir/odd/current/data/kept", "$dir/odd/shared/data/kept", 'and what is shared is');
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
	$stays->('wrong', qr/gate .*\n.*nonsense/,
		'a bad process.yaml is refused');
	like($app->node->log, qr/deployment \S+: gate: /, 'the log tells');
	$app->release('ends', 'process.yaml' => "processes: { more: { kind: program,"
		. " command: ['false'], ready: { after: 1s } } }\n");
	$stays->('ends', qr/reload: the new configuration was refused/,
		'one whose pool does not come up as well');
	$app->release('more', 'process.yaml' => "processes: { more: { kind: program,"
		. " command: [sleep, '1000'], ready: { after: 0s } } }\n");
	pushes('app', 'more', 0, undef, 'a good one is taken over');
	ok(scalar $app->node->pids('more'), 'and its pools run');
};

is($app->node->stop, 0, 'it stops');
done_testing();
