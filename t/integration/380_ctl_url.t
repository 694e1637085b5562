#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl --url: the commands carried out on another node by its API print
# what they print there, and what the API refuses is told.
use strict;
use warnings;

use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(free_port is_root program run_command send_signal slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';
delete @ENV{qw(REEVE_DATABASE_URL REEVE_SOCKET REEVE_URL REEVE_TOKEN REEVE_CAFILE
	http_proxy https_proxy ALL_PROXY all_proxy)};

my $dir = File::Temp->newdir('reeve-ctl-url-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'ctlurl', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  talk: { kind: exec, command: [sh, -c, 'for i in 1 2 3; do echo "line $i" >&2; done; echo done'] }
YAML
  near: { kind: http, listen: ["unix:@DIR@/api.sock"], count: 1 }
  queue: { kind: queue, topics: { high: 1, common: 1 } }
  crontab: { kind: crontab, count: 1 }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my $url = 'http://127.0.0.1:' . $api->node->port;
my %token = map { my $t = $_; map { ("$t $_" => $api->token($t, $_)) } qw(viewer operator admin) }
	qw(default acme);

# With a token, on that node: exit code, standard output and error.
sub there
{
	my ($who, @words) = @_;
	local $ENV{REEVE_TOKEN} = $token{$who} // $who;
	return run_command(20, program('reevectl'), '--url', $url, @words);
}

# On the node itself.
sub here
{
	my @words = @_;
	return run_command(20, program('reevectl'), '-c', $api->node->{config}, @words);
}

sub done
{
	my ($who, @words) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = there($who, @words);
	is($exit, 0, "@words") or diag($err);
	chomp $out;
	return $out;
}

sub json { return decode_json(done(@_, '--json')) }

sub refused
{
	my ($why, $exit, $who, @words) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = there($who, @words);
	is($code, $exit, "@words: exit $exit");
	like($err, $why, 'it says why');
	is(($err =~ tr/\n//), 1, 'in one line');
	return;
}

# The same command there and on the node itself, but for what the API does not
# tell and what goes on meanwhile.
sub same
{
	my ($words, @but) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $mine = json('default admin', @$words);
	my ($exit, $out, $err) = here('--json', @$words);
	is($exit, 0, "@$words here") or diag($err);
	my $ours = decode_json($out);
	for my $doc ($mine, $ours) {
		for my $row (ref $doc eq 'ARRAY' ? @$doc : $doc) {
			delete @$row{@but};
		}
	}
	is_deeply($mine, $ours, "@$words says the same there and here");
	return;
}

subtest 'where' => sub {
	local $ENV{REEVE_TOKEN} = $token{'default viewer'};
	my @command = (program('reevectl'), 'status');
	for my $way ("$url/", 'unix:' . $api->node->dir . '/api.sock') {
		my ($exit, $out, $err) = run_command(20, @command, '--url', $way);
		is($exit, 0, $way) or diag($err);
		like($out, qr/^queue\.high +queue +running +1\/1/m, 'the pools are told');
		local $ENV{REEVE_URL} = $way;
		is((run_command(20, @command))[0], 0, 'by REEVE_URL, too');
	}
	local $ENV{REEVE_URL} = 'http://127.0.0.1:' . free_port();
	my ($exit, undef, $err) = run_command(20, @command);
	is($exit, 71, 'nobody is there');
	like($err, qr/^reevectl: cannot reach \Q$ENV{REEVE_URL}\E: Connection refused$/, 'and why');
	is((here('status'))[0], 0, '-c counts more than REEVE_URL');
	is((run_command(20, program('reevectl'), qw(cron next --dialect vixie), '* * * * *'))[0], 0,
		'what needs no node is done with REEVE_URL');
	($exit, undef, $err) = run_command(20, program('reevectl'), 'reload');
	is($exit, 2, 'what the API has not is refused');
	like($err, qr/^reevectl: reload works on the node itself only: no --url; unset REEVE_URL/,
		'and says so');
	for ([['ftp://x'], qr/of no kind/], [['http://a:secret@x'], qr/no user and no password/],
		['http://x/?a=1', qr/has a query/], ['unix:x', qr/no absolute path/]) {
		my ($text, $why) = @$_;
		$text = $text->[0] if ref $text;
		($exit, undef, $err) = run_command(20, @command, '--url', $text);
		is($exit, 2, $text);
		like($err, $why, 'is refused');
		unlike($err, qr/secret/, 'and no password is told');
	}
	($exit, undef, $err) = run_command(20, @command, '--url', $url, '--token-file', "$dir/none");
	is($exit, 2, 'a file without a token');
	like($err, qr{cannot read \S+/none: No such file}, 'is told');
};

subtest 'who' => sub {
	refused(qr/401 Unauthorized: .*it was the token of REEVE_TOKEN$/, 1, 'reeve_wrong', 'cron', 'list');
	my ($exit, undef, $err) = run_command(20, program('reevectl'), '--url', $url, 'cron', 'list');
	is($exit, 1, 'without a token');
	like($err, qr/401 .*; no token was given: set REEVE_TOKEN, or name its file by --token-file$/,
		'how to give one is told');
	spew("$dir/token", "$token{'acme viewer'}\n");
	($exit, undef, $err) = run_command(20, program('reevectl'), '--url', $url, '--token-file',
		"$dir/token", 'cron', 'list');
	is($exit, 0, 'from a file') or diag($err);
	refused(qr/403 Forbidden: .*operator/, 1, 'acme viewer',
		qw(cron add x --handler noop --every 1h));
	refused(qr/403 Forbidden: this wants a token of the tenant default/, 1, 'acme admin', 'status');
	refused(qr/takes no --tenant/, 2, 'acme admin', qw(cron list --tenant default));
};

subtest 'definitions' => sub {
	like(done('default operator', qw(cron add base --handler talk --every 36h)),
		qr/^added base \([0-9a-f-]{36}\), fires at \d{4}-/, 'one is made');
	done('default operator', qw(cron add nightly --handler talk --tz Europe/Berlin --disabled
		--cron), '0 3 * * *', '--cron', '30 4 1 * *', qw(--timeout 90s --retry 2 --misfire all:7
		--overlap queue --topic high --priority 5 --depends-on base --params),
		'{"a": 0.1, "b": 12345678901234567890}', '--description', 'at night');
	same([qw(cron list)], qw(tenant active system));
	same([qw(cron show nightly)], qw(tenant active system));
	like(done('default viewer', qw(cron list)),
		qr/^nightly +disabled +0 3 \* \* \* \| 30 4 1 \* \* \(Europe\/Berlin\) +talk +high/m,
		'as a table, too');
	is(done('default operator', qw(cron edit nightly --retry none --depends-on none --every 2h)),
		'changed nightly (' . json('default viewer', qw(cron show nightly))->{id} . ')',
		'one is changed');
	my $d = json('default viewer', qw(cron show nightly));
	is_deeply([@$d{qw(type rule retry_max depends_on timeout_ms overlap misfire_max status)}],
		['FIXED_RATE', { every => '2h', timeZone => 'Europe/Berlin' }, undef, undef, 90000,
			'queue', 7, 'DISABLED'], 'as it was said, and the rest stays');
	is($api->pg->psql("SELECT task_params FROM reeve.task_definitions"
		. " WHERE task_name = 'nightly'"), '{"a": 0.1, "b": 12345678901234567890}',
		'its params stay to the letter');
	is(done('default operator', qw(cron enable nightly)), 'enabled nightly', 'enabled');
	is_deeply(json('default operator', qw(cron disable nightly base)),
		{ ok => JSON::PP::true, disabled => [qw(nightly base)] }, 'disabled');
	my ($exit, $out, $err) = there('default operator', qw(cron rm nope nightly));
	is("$exit $out", "1 removed nightly\n", 'what is not there spares no other');
	like($err, qr/has no definition called "nope"/, 'but is told');
	refused(qr/409 Conflict: something has that name already/, 1, 'default operator',
		qw(cron add base --handler talk --every 1h));
	refused(qr/422 .*; taskHandler: process\.yaml of this node has no handler/, 1,
		'default operator', qw(cron edit base --handler nope));
	refused(qr/--every: /, 2, 'default operator', qw(cron edit base --every soon));
	is(done('acme viewer', qw(cron list)) =~ /base/, '', 'another tenant sees none of them');
	refused(qr/has no definition called "base"/, 1, 'acme operator', qw(cron rm base));
	refused(qr/404 Not Found: there is no such definition/, 1, 'acme operator', qw(cron show),
		json('default viewer', qw(cron show base))->{id});
};

$api->node->stop;
done_testing();
