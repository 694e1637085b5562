#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The gate: a release that can't do what is stored is refused, and names it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use DeployNode;
use PgServer;
use RedisServer;
use Reeve qw(program wait_until);
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
is($app->node->stop, 0, 'it stops');
done_testing();
