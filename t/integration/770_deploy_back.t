#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What else may be wrong when a release comes or goes back: the first of all,
# a link that is not ours, a process.yaml that was broken meanwhile, texts
# that are no texts; and which releases are kept.
use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::UNIX;
use Test::More;
use DeployNode;
use PgServer;
use Reeve qw(slurp spew wait_until);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

# Its 63rd byte is the first of a letter of two.
my $odd = '/' . 'x' x 61 . "\xc3\xbc" . 'x' x 20;
my $bin = File::Temp::tempdir('reeve-bin-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $bin;
# An rm that can't remove a release called v7.
spew("$bin/rm", <<'SH', 0755);
#!/bin/sh
case "$*" in *.v7.old*) echo "it is stuck" >&2; exit 1;; esac
exec /bin/rm "$@"
SH
# A disk that fails to keep one called s1, or s2 before that has its name.
spew("$bin/sync", <<'SH', 0755);
#!/bin/sh
case "$*" in *releases/s1|*releases/s2.partial) echo "it is lost" >&2; exit 1;; esac
exec /bin/sync "$@"
SH
$ENV{PATH} = "$bin:$ENV{PATH}";
my $app = DeployNode->new(name => 'back', options => <<'YAML', pools => <<"YAML");
    hooks: { prepare: "echo from $REEVE_FROM_VERSION; if test -e prepare.sh; then exec sh ./prepare.sh; fi", after_switch: "if test -e after.sh; then exec sh ./after.sh; fi" }
    keep: 1
    health: { for: 0s, interval: 20ms }
YAML
  odd:
    kind: deploy
    root: \@DIR\@/odd
    source: { directory: \@DIR\@/packages }
    hooks: { prepare: ["$odd"] }
YAML
my $root = $app->root;

sub pushed
{
	my ($version, $wanted, $title, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = $app->ctl('deploy', 'push', $version, '--app', $name // 'app',
		'--wait');
	is($exit, $wanted, $title) or diag($out, $err, $app->node->log);
	return $out;
}

subtest 'the very first release fails' => sub {
	$app->release('v1', 'after.sh' => "exit 3\n");
	my ($before) = $app->node->wait_pool('web', 1);
	pushed('v1', 1, 'its push ends');
	is($app->current, '', 'there is no current release');
	is($app->says, 'v1', 'its pool had come up');
	my ($pid) = $app->node->wait_pool('web', 1);
	isnt(readlink "/proc/$pid/cwd", "$root/releases/v1", 'and runs it no longer');
};

subtest 'a link that leads elsewhere' => sub {
	mkdir "$root/other" or die "other: $!";
	symlink 'other', "$root/current" or die "current: $!";
	$app->release('v2');
	like(pushed('v2', 1, 'is no release'), qr/fetch: \S+ leads to other, which is no release/,
		'which is told');
	is($app->current, 'other', 'and it stays');
	unlink "$root/current";
	mkdir "$root/current" or die "current: $!";
	like(pushed('v2', 1, 'nor is a directory'), qr/current is no link/, 'which is told');
	rmdir "$root/current";
	symlink "$root/releases/gone", "$root/current" or die "current: $!";
	$app->release('v3', 'after.sh' => "exit 3\n");
	pushed('v3', 1, 'where a release is gone there is none to go back to');
	is($app->current, '', 'and nothing leads there');
	pushed('v2', 0, 'nor is it in the way');
	is($app->says, 'v2', 'of the next');
};

subtest 'process.yaml is broken on the way' => sub {
	$app->release('v4', 'after.sh' => <<'SH');
: > $REEVE_ROOT/waits
while test -e $REEVE_ROOT/waits; do sleep 0.02; done
exit 3
SH
	my ($exit, $id) = $app->ctl('deploy', 'push', 'v4', '--app', 'app');
	chomp $id;
	wait_until { -e "$root/waits" } 10, 'it comes to its hook';
	my $good = slurp($app->node->config);
	spew($app->node->config, "$good\nprocesses: [\n");
	unlink "$root/waits";
	is($app->wait_over($id), 'ROLLED_BACK', 'it goes back');
	spew($app->node->config, $good);
	is($app->current, 'releases/v2', 'to the release before');
	wait_until { $app->says eq 'v2' } 10;
	is($app->says, 'v2', 'which runs');
	is($app->pg->psql("SELECT reason FROM reeve.deployments WHERE id = '$id'"),
		'back: after_switch: /bin/sh: exit status 3;'
		. ' back: back: reload: the configuration was refused', 'what was not done is told');
};

subtest 'the release before is gone' => sub {
	$app->release('v5', 'after.sh' => <<'SH');
mv ../v2 ../v2.moved
exit 3
SH
	like(pushed('v5', 1, 'when one fails'), qr/; back: back: switch: releases\/v2 is gone/,
		'it is told');
	is($app->current, 'releases/v5', 'and current still leads somewhere');
	rename "$root/releases/v2.moved", "$root/releases/v2";
	pushed('v2', 0, 'it comes back when it is there');
};

subtest 'texts that are none' => sub {
	$app->release('v6', 'prepare.sh' => q(printf 'a\0b\377c\n') . "\n");
	my $out = pushed('v6', 0, 'a hook may print what it likes');
	like($out, qr/from v2\n\s+a\?b\?c$/m, 'and all of it is kept');
	like(pushed('v6', 1, 'a name that is cut in a letter', 'odd'),
		qr/odd v6: FAILED: back: prepare: \S+x\?: /, 'does not keep it from its end');
};

subtest 'what is not on the disk' => sub {
	$app->release($_) for qw(s1 s2);
	like(pushed('s2', 1, 'is no release'), qr/unpack: sync: exit status 1: it is lost/,
		'when it is unpacked');
	ok(!-e "$root/releases/s2", 'and has no name');
	like(pushed('s1', 1, 'nor is what a hook has made'), qr/prepare: sync: exit status 1: it is/,
		'which is told');
	is($app->current, 'releases/v6', 'the one before stays');
};

subtest 'hooks that go on' => sub {
	$app->release('h1', 'prepare.sh' => <<'SH');
setsid sh -c 'echo $$ > $REEVE_ROOT/apart; exec sleep 1000' &
sh -c 'trap "" TERM; echo $$ > $REEVE_ROOT/beside; while :; do sleep 1; done' &
while ! test -s $REEVE_ROOT/apart || ! test -s $REEVE_ROOT/beside; do sleep 0.02; done
head -c 1000000 /dev/zero | tr '\0' x
echo; echo the end
SH
	my $out = pushed('h1', 0, 'one that leaves processes with its output is over with itself');
	cmp_ok(length $out, '<', 80_000, 'of what it prints not all is kept');
	like($out, qr/x{50000}\n\s+the end$/m, 'but the last');
	my ($beside, $apart) = map { slurp("$root/$_") + 0 } qw(beside apart);
	ok(wait_until(sub { !kill 0, $beside }, 5), 'what it left in its group is killed');
	kill KILL => $apart;
};

subtest 'what is kept' => sub {
	my $kept = sub { join ' ', sort map { s{.*/}{}r } glob "$root/releases/* $root/releases/.v*" };
	$app->release($_) for qw(v7 v8 v9 v12);
	$app->release($_, 'after.sh' => "exit 3\n") for qw(v10 v11);
	pushed($_, 0, "$_ goes live") for qw(v7 v8 v8);
	is($kept->(), 'v7 v8', 'the one before is there still when one is pushed again');
	pushed($_, 1, "$_ fails") for qw(v10 v11);
	is($kept->(), '.v11.failed v11 v7 v8', 'of those that failed the last');
	is(($app->ctl('deploy', 'rollback', '--app', 'app', '--wait'))[0], 0,
		'they are not in the way of a rollback');
	is($app->current, 'releases/v7', 'which goes to the one before');
	is($kept->(), 'v7 v8', 'and they are gone');
	pushed('v9', 0, 'the next one goes live');
	like(pushed('v12', 0, 'as does one when an old one stays'),
		qr/prune\s+DONE .*\n\s+releases\/v7\n\s+it is stuck\n\s+rm: exit status 1/, 'which is told');
	is($kept->(), '.v7.old v12 v9', 'but not by a name that one could go back to');
	spew("$bin/rm", qq(#!/bin/sh\nexec /bin/rm "\$@"\n), 0755);
	pushed('v12', 0, 'later');
	is($kept->(), 'v12 v9', 'it is gone');
	for my $name ('v1.partial', 'v1.archive', '--upload-pack=id', '../v1', "v1\n") {
		is(($app->ctl('deploy', 'push', $name, '--app', 'app'))[0], 2, "$name is no version");
		ok(!eval { $app->pg->psql('INSERT INTO reeve.deployments (app, kind, version)'
			. " VALUES ('app', 'push', '$name')"); 1 }, 'wherever it comes from');
	}
};

subtest 'the daemon is stopped while pools are replaced' => sub {
	$app->release('v13');
	my $restarts = sub { scalar(() = $app->node->log =~ /control: restart web /g) };
	my $before = $restarts->();
	my $good = slurp($app->node->config);
	spew($app->node->config, $good =~ s/ready: \{ after: 100ms \}/ready: { after: 3s }/r);
	my ($exit, $id) = $app->ctl('deploy', 'push', 'v13', '--app', 'app');
	chomp $id;
	wait_until { $restarts->() > $before } 10, 'it comes to them';
	is($app->node->stop, 0, 'it stops');
	spew($app->node->config, $good);
	$app->node->start;
	is($app->wait_over($id), 'DONE', 'which is no verdict on the release')
		or diag(($app->ctl('deploy', 'show', $id))[1], $app->node->log);
	wait_until { $app->says eq 'v13' } 10;
	is($app->says, 'v13', 'and it runs');
};

subtest 'the governor has no room' => sub {
	my $good = slurp($app->node->config);
	spew($app->node->config, $good =~ s/ready: \{ after: 100ms \}/ready: { after: 1s }/r);
	is(($app->ctl('reload'))[0], 0, 'commands take long');
	my @commands = map {
		my $s = IO::Socket::UNIX->new(Peer => $app->node->dir . '/run/control.sock');
		print $s "POST /pools/web/restart HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
		$s->flush;
		$s;
	} 1 .. 64;
	$app->release('v14');
	like(pushed('v14', 0, 'a deployment asks again'), qr/reload .*\n.*: try again"}, trying again\n/, 'which it tells');
	spew($app->node->config, $good);
	is(($app->ctl('reload'))[0], 0, 'as before');
};

subtest 'two of one directory' => sub {
	my $good = slurp($app->node->config);
	spew($app->node->config, $good =~ s{root: \S+/odd$}{root: $root}mr);
	my ($exit, $out, $err) = $app->ctl('reload');
	is($exit, 1, 'are refused');
	like("$out$err", qr/pool odd/, 'which names one of them');
	like($app->node->log, qr/"root" \S+ is that of pool app, too/, 'and says why');
	spew($app->node->config, $good);
};

is($app->node->stop, 0, 'it stops');
done_testing();
