#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The gate: a release that can't do what is stored is refused, and names it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use POSIX qw(mkfifo);
use Test::More;
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(program slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $dir = File::Temp::tempdir('reeve-gate-XXXXXX', CLEANUP => 1,
	DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
chmod 0755, $dir;
my $redis = RedisServer->new($dir);
my $app = DeployNode->new(name => 'gate', redis => $redis->url,
	handlers => <<'YAML' =~ s/CTL/program('reevectl')/er, options => <<'YAML', pools => <<'YAML');
  mail: { kind: exec, command: ["true"] }
  report: { kind: exec, command: ["true"] }
  deploy: { kind: exec, command: [sh, -c, 'exec "$0" -c @DIR@/process.yaml deploy "$REEVE_PARAM_KIND" "$REEVE_PARAM_VERSION"', CTL] }
YAML
    handlers_file: handlers.json
    hooks: { prepare: ": > $REEVE_ROOT/prepared" }
YAML
  queue: { kind: queue, topics: { high: 1, deploy: 1 } }
YAML

sub ctl_ok
{
	my ($exit, $out, $err) = $app->ctl(@_);
	is($exit, 0, "reevectl @_[0 .. 1]") or diag($out, $err);
	return $out;
}

sub pushes
{
	my ($version, $wanted, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = $app->ctl('deploy', 'push', $version, '--wait');
	is($exit, $wanted, $title) or diag($out, $err, $app->node->log);
	return $out;
}

my $both = '{"handlers": {"mail": {}, "report": {}}}';
$app->release('v1', 'handlers.json' => $both);
pushes('v1', 0, 'a release with all handlers goes live');

my $id = ctl_ok('queue', 'push', 'high', 'mail', '{"to":"x","n":"7"}', '--delay', '1h');
chomp $id;
$app->release('v2', 'handlers.json' => '{"handlers": {"report": {}}}');
my $out = pushes('v2', 1, 'one without the handler of a delayed task is refused');
like($out, qr/handler "mail" is needed/, 'which it names');
like($out, qr/\Q$id\E/, 'and the task');
is($app->current, 'releases/v1', 'the one before stays');

my $schema = '{"type":"object","required":["to"],"properties":{"n":{"type":"integer"}}}';
$app->release('v3', 'handlers.json' => qq({"handlers": {"mail": {"params": $schema}}}));
like(pushes('v3', 1, 'one whose handler wants other params is refused'),
	qr/handler "mail": params\.n: must be of type integer, not string/, 'which it names');
$schema =~ s/integer/string/;
$app->release('v4', 'handlers.json' => qq({"handlers": {"mail": {"params": $schema}}}));
pushes('v4', 0, 'one that takes them goes live');

ctl_ok('cron', 'add', 'daily', '--handler', 'report', '--every', '1h', '--topic', 'high');
my ($exit, $answer) = $app->ctl('--json', 'deploy', 'gate', 'v4');
is($exit, 1, 'the gate may be asked');
my $told = decode_json($answer);
is($told->{looked_at}, 2, 'it looks at definitions as well');
like($told->{problems}[0]{text}, qr/handler "report" is needed/, 'and names what they need');
is($app->current, 'releases/v4', 'and changes nothing');

$app->release('v5', 'handlers.json' => '{"handlers": [}');
like(pushes('v5', 1, 'a file that is no JSON is refused'), qr/handlers\.json:1:\d+: /,
	'with its line');
$app->release('v6', 'handlers.json' => $both =~ s/"mail"/"deploy": {}, "mail"/r);
ctl_ok('queue', 'push', 'deploy', 'deploy', '{"kind":"push","version":"v6"}');
ok(wait_until(sub { $app->current eq 'releases/v6' }, 20), 'a task brings a release out');
wait_until { $app->pg->psql("SELECT count(*) FROM reeve.deployments WHERE state = 'DONE'"
	. " AND version = 'v6'") } 10;


subtest 'in spite of the gate' => sub {
	my ($exit, $out, $err) = $app->ctl('deploy', 'rollback', 'v4', '--wait');
	is($exit, 1, 'a way back that the gate refuses');
	is($app->current, 'releases/v6', 'is none');
	($exit, $out, $err) = $app->ctl('deploy', 'rollback', 'v4', '--force', '--wait');
	is($exit, 0, 'but one that is forced is gone') or diag($out, $err);
	like($out, qr/handler "report" is needed/, 'and tells what the gate has found');
	is($app->current, 'releases/v4', 'it is live');
	pushes('v6', 0, 'and the one before, again');
};

# The gate on a release that no push has got.
my $root = $app->root;
unlink "$root/prepared" or die "prepared: $!";
my $before = tree();

sub tree { return join ' ', sort map { s{^\Q$root\E/}{}r } glob "$root/{*,.[!.]*,releases/*,releases/.[!.]*}" }

sub gate
{
	my ($wanted, $title, @words) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = $app->ctl('deploy', 'gate', @words);
	is($exit, $wanted, $title) or diag($out, $err);
	is(tree(), $before, 'with nothing left of it');
	return $out . $err;
}

# One that is under way: its archive is a pipe that nobody writes to.
sub gate_that_hangs
{
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>', "$dir/gate.err";
		exec(program('reevectl'), '-c', $app->node->config, qw(deploy gate hangs))
			or POSIX::_exit(127);
	}
	ok(wait_until(sub { scalar(() = glob "$root/.gate-*") > 0 }, 10), 'a fetch is under way');
	return $pid;
}

subtest 'a release that is not fetched' => sub {
	$app->release('n1', 'handlers.json' => $both);
	like(gate(0, 'one that will do', 'n1'), qr/^n1: \d+ stored .* all fit$/, 'which is said');
	$app->release('n2', 'handlers.json' => '{"handlers": {"mail": {}}}');
	like(gate(1, 'one that will not', 'n2'), qr/handler "report" is needed/, 'for this reason');
	like(gate(1, 'one that is not there', 'n3'), qr/n3: fetch: \S+ has no n3\.tar\.gz/, 'is none');
	spew($app->packages . '/n4.tar.gz', 'nothing');
	like(gate(1, 'one that can not be unpacked', 'n4'), qr/n4: unpack: tar: exit status/, 'is none');
	like(gate(1, 'what a push would have to get', '--no-fetch', 'n1'), qr/n1 is not there/,
		'is not got when it shall not be');
	ok(!-e "$root/prepared", 'no hook has run');
};

subtest 'a gate that is ended' => sub {
	mkfifo($app->packages . '/hangs.tar.gz', 0644) or die "mkfifo: $!";
	my $pid = gate_that_hangs();
	kill TERM => $pid;
	waitpid $pid, 0;
	is($? >> 8, 71, 'by SIGTERM');
	is(tree(), $before, 'leaves nothing');
	$pid = gate_that_hangs();
	my ($held) = glob "$root/.gate-*";
	gate_beside($held);
	kill KILL => $pid;
	waitpid $pid, 0;
	ok(-e $held, 'killed, it could not');
	gate(0, 'what it left is removed by the next', 'n1');
	$pid = gate_that_hangs();
	kill KILL => $pid;
	waitpid $pid, 0;
	pushes('n1', 0, 'or by the next deployment');
	is_deeply([glob "$root/.g*"], [], 'as well');
};

sub gate_beside
{
	my ($held) = @_;
	my ($exit, $out, $err) = $app->ctl('deploy', 'gate', 'n1');
	is($exit, 0, 'another may be under way') or diag($out, $err);
	is_deeply([glob "$root/.g*"], [$held], 'and stays');
	return;
}

subtest 'a gate beside a deployment' => sub {
	my $id = ctl_ok('deploy', 'push', 'hangs');
	chomp $id;
	ok(wait_until(sub { $app->pg->psql('SELECT 1 FROM reeve.deployment_steps'
		. " WHERE deployment_id = '$id'") eq '1' }, 10), 'a push is under way');
	$app->release('n5', 'handlers.json' => $both);
	my ($exit, $out, $err) = $app->ctl('deploy', 'gate', 'n5');
	is($exit, 0, 'and does not keep it waiting') or diag($out, $err);
	ctl_ok('deploy', 'abort', $id);
	is($app->wait_over($id), 'ABORTED', 'the push goes on as it would');
};

subtest 'a pool that is in no process.yaml' => sub {
	my $file = $app->node->config;
	my $text = slurp($file);
	spew($file, $text =~ s/pools: \[web\]/pools: [web, wob]/r);
	my ($exit, $out, $err) = $app->ctl('deploy', 'gate', '--no-fetch', 'n1');
	is($exit, 1, 'can not be replaced');
	like($out, qr/pool "wob" is to be replaced.*none/, 'which is told before the switch');
	spew($file, $text);
	($exit, $out, $err) = $app->ctl('deploy', 'gate', '--no-fetch', 'n1');
	is($exit, 0, 'those that are there will do') or diag($out, $err);
};

is($app->node->stop, 0, 'it stops');
done_testing();
