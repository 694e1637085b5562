#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# While a deployment is under way: what it does to the consumers of the node,
# and what is seen of it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(program slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $dir = File::Temp::tempdir('reeve-way-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir);
my $app = DeployNode->new(name => 'way', redis => $redis->url,
	head => "include: \@DIR\@/app/current/process*.yaml\n",
	options => <<'YAML', pools => <<'YAML');
    hooks: { after_switch: "if test -e after.sh; then exec sh ./after.sh; fi" }
    health: { for: 0s, interval: 20ms }
    consumers_during: { high: 0, nowhere: 1 }
    env_files: ["@DIR@/one.env", "@DIR@/two.env"]
YAML
  queue: { kind: queue, topics: { high: { initial: 2, min: 1, max: 3 }, low: 2 } }
YAML
my $root = $app->root;
spew($app->node->dir . '/one.env', "# of all\nLANG=one\nOWN=a=b\n");
spew($app->node->dir . '/two.env', "LANG=two\n\nREEVE_VERSION=mine\n");
my $waits = "$root/waits";

# Push a version that stays in its hook until go_on is called.
sub push_held
{
	my ($version, $more) = @_;
	$app->release($version, 'after.sh' => <<"SH" . ($more // ''));
echo one
: > $waits
while test -e $waits; do sleep 0.02; done
SH
	my ($exit, $id, $err) = $app->ctl('deploy', 'push', $version);
	diag($err) if $exit;
	chomp $id;
	wait_until { -e $waits } 10, "$version comes to its hook";
	return $id;
}

my $env = qr/(?: +environment of .*\n)*/;

sub go_on { return unlink $waits }

subtest 'consumers of other topics' => sub {
	for my $key ('t:consumers', 't:consumers:way') {
		$redis->cmd('SET', $key, "high: 2\nlow: 4\n");
		my $id = push_held("v-$key" =~ tr/:/-/r);
		is($redis->cmd('GET', 't:consumers:way'), "high: 1\nlow: 4\n",
			"are what $key says, and no fewer than may be");
		ok(scalar $app->node->wait_pool('queue.high', 1), 'one is lowered');
		ok(scalar $app->node->wait_pool('queue.low', 4), 'the other is as it was');
		go_on();
		is($app->wait_over($id), 'DONE', 'the release goes live');
		is($redis->cmd('GET', 't:consumers:way'),
			$key eq 't:consumers' ? undef : "high: 2\nlow: 4\n",
			'and the key is what it was');
		like(($app->ctl('deploy', 'show', $id))[1], qr/no pool is counted as nowhere here/,
			'a topic that is none is told');
	}
	$redis->cmd('SET', 't:consumers:way', "high: \xff");
	$app->release('v-text');
	my ($exit, $out) = $app->ctl('deploy', 'push', 'v-text', '--wait');
	like($out, qr/lower: what the key of consumers has is no text/,
		'what could not be put back is not touched');
	$redis->cmd('DEL', 't:consumers', 't:consumers:way');
};

subtest 'what is seen of it' => sub {
	my $id = push_held('v-seen', "echo last\n");
	my $seen = wait_until { ($app->ctl('deploy', 'show', $id))[1] =~ /after_switch +RUNNING\n$env +one\n/ } 5;
	ok($seen, 'the step that goes on, and what it has printed');
	my $file = "$dir/followed";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $file;
		open STDERR, '>', '/dev/null';
		exec program('reevectl'), '-c', $app->node->config, 'deploy', 'show', '-f', $id;
		exit 127;
	}
	wait_until { (slurp($file) // '') =~ /after_switch +RUNNING\n$env +one\n/ } 5,
		'who follows it sees the same';
	$app->pg->restart;
	go_on();
	waitpid $pid, 0;
	is($?, 0, 'and sees its end, also when the database was away');
	like(slurp($file), qr/ one\n    last\n\S+ +way +after_switch +DONE +\d+\.\d s\n\S+ +way +watch /,
		'what came later comes once') or diag(slurp($file));
	like(slurp($file), qr/\napp v-seen: DONE\n\z/, 'and what became of it');
};

subtest 'a step that was broken off' => sub {
	my $id = push_held('v-broken');
	is(($app->ctl('deploy', 'abort', $id))[0], 0, 'by an abort');
	is($app->wait_over($id), 'ABORTED', 'of its deployment');
	go_on();
	like(($app->ctl('deploy', 'show', $id))[1],
		qr/after_switch +FAILED +\S+ s\n$env +one\n +broken off\n\S+ +way +lower +DONE/,
		'has an end as well');
};

subtest 'one that waits' => sub {
	my $id = push_held('v-first');
	$app->release('v-next');
	my ($exit, $next) = $app->ctl('deploy', 'push', 'v-next');
	chomp $next;
	is(($app->ctl('deploy', 'abort'))[1], "app v-first goes back\n",
		'is not what an abort means');
	is($app->wait_over($id), 'ABORTED', 'which ends the one whose turn it is');
	go_on();
	is($app->wait_over($next), 'DONE', 'and then the other comes');
	is(($app->ctl('deploy', 'abort'))[0], 1, 'when all are over there is none to abort');
	my ($row) = grep { $_->{id} eq $next }
		@{ decode_json(($app->ctl('--json', 'deploy', 'list'))[1]) };
	is($row->{from}, 'v-seen', 'it is told what ran before');
	is($app->pg->psql("SELECT string_agg(action || ' ' || (who LIKE 'reevectl of %'), ' ' ORDER BY id)"
		. " FROM reeve.audit_log WHERE object_id = '$id'"),
		'createDeployment true abortDeployment true', 'and who did what');
};

subtest 'what is waited for' => sub {
	my $id = push_held('v-waits');
	$redis->stop;
	go_on();
	ok(wait_until(sub { ($app->ctl('deploy', 'show', $id))[1]
		=~ /restore +RUNNING\n +Redis is away, trying again\n(?! )/ }, 10), 'is told, once');
	$redis->start;
	is($app->wait_over($id), 'DONE', 'and when it is there it goes on');
};

subtest 'the environment of hooks' => sub {
	$app->release('v-env', 'after.sh' => "env | grep -E '^(LANG|OWN|REEVE_VERSION)=' | sort\n");
	like(($app->ctl('deploy', 'push', 'v-env', '--wait'))[1],
		qr/\n    LANG=two\n    OWN=a=b\n    REEVE_VERSION=v-env\n\S/,
		'has what the last file says before what was there, once');
};

subtest 'a hook that prints more than is kept' => sub {
	$app->release('v-long', 'after.sh' => 'i=0; while test $i -lt 9000; do echo "line $i of it"; i=$((i+1)); done');
	my ($exit, $out) = $app->ctl('deploy', 'push', 'v-long', '--wait');
	is($exit, 0, 'is no failure');
	my @lines = $out =~ /^    line (\d+) of it$/mg;
	is_deeply([sort { $a <=> $b } @lines], \@lines, 'of which no line comes twice');
	is($lines[-1], 8999, 'the last comes');
	unlike($out, qr/^    (?!line |environment )\S* \d+ of it/m, 'and none is cut');
};

subtest 'handlers that a release brings' => sub {
	my $mail = "handlers: { mail: { kind: exec, command: ['true'] } }\n";
	$app->release('v-mail', 'process.yaml' => $mail);
	is(($app->ctl('deploy', 'push', 'v-mail', '--wait'))[0], 0, 'are taken over with it');
	is(($app->ctl('queue', 'push', 'high', 'mail', '--delay', '1h'))[0], 0, 'and get tasks');
	$app->release('v-none');
	my ($exit, $out) = $app->ctl('deploy', 'push', 'v-none', '--wait');
	is($exit, 1, 'a release without is refused');
	like($out, qr/gate .*\n +handler "mail" is needed/, 'by the gate, which names them');
	$app->release('v-bad', 'process.yaml' => "handlers: [\n");
	($exit, $out) = $app->ctl('deploy', 'push', 'v-bad', '--wait');
	like($out, qr{gate .*\n.*/v-bad/process\.yaml:\d+:\d+: error}, 'as is one that brings nonsense');
	is($app->current, 'releases/v-mail', 'and nothing is changed');
	$app->release('v-too', 'process.yaml' => $mail);
	is(($app->ctl('deploy', 'push', 'v-too', '--wait'))[0], 0, 'one that has them is not');
};

is($app->node->stop, 0, 'it stops');

subtest 'where no node is' => sub {
	$app->pg->psql("UPDATE reeve.deploy_members SET seen_at = now() - interval '1 minute'");
	my ($exit, $id, $err) = $app->ctl('deploy', 'push', 'v-later');
	chomp $id;
	like($err, qr/no node runs app/, 'that is told');
	is(($app->ctl('deploy', 'abort'))[1], "app v-later is not begun\n", 'and an abort needs none');
	is($app->wait_over($id), 'ABORTED', 'to be an end');
};
done_testing();
