#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# /openapi.json is a good OpenAPI 3.1 document, and every path of it answers
# as it says: when all is well, without a token, and with what is not there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp ();
use JSON::PP ();
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(run_command slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';
my $python = '/usr/bin/python3';
(run_command(30, $python, '-c', 'import jsonschema; jsonschema.Draft202012Validator'))[0] == 0
	or plan skip_all => 'no python3-jsonschema here';

my $dir = File::Temp->newdir('reeve-openapi-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'openapi', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  say: { kind: exec, command: [sh, -c, 'echo line >&2; echo done'] }
YAML
  queue: { kind: queue, topics: { high: 1, low: 1 } }
  crontab: { kind: crontab, count: 1 }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my $token = $api->token('default', 'admin');
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $doc = $api->call('GET', '/openapi.json')->{text};
my $paths = $json->decode($doc)->{paths};
my (@lines, %seen, @unaudited);

sub note_answer
{
	my ($method, $template, $a) = @_;
	push @lines, $json->encode({ method => $method, path => $template,
		status => 0 + $a->{status}, type => $a->{headers}{'content-type'},
		body => length $a->{text} && defined $a->{body} ? $a->{body} : undef });
	$seen{"$method $template"}{$a->{status} < 400} = 1;
	return $a;
}

sub ask
{
	my ($method, $template, $name, $body, $more) = @_;
	my $path = $template =~ s/\{\w+\}/$name/r;
	my $audit = sub { $api->pg->psql("SELECT count(*) FROM reeve.audit_log WHERE who LIKE 'token %'") };
	my $before = $method eq 'GET' ? 0 : $audit->();
	my $a = note_answer($method, $template,
		$api->call($method, $path . ($more // ''), $token, $body));
	push @unaudited, "$method $path: $a->{status}"
		if $method ne 'GET' && $audit->() != $before + ($a->{status} < 300);
	return $a;
}

my $tasks = '/api/v1/tasks';
my %body = (taskName => 'one', taskHandler => 'say', scheduleType => 'CRON', topic => 'high',
	cronExpression => '0 0 2 * * ?', taskParams => { a => [1, undef, "\x{2603}"] });
my $d = ask('POST', "$tasks/definitions", '', \%body)->{body}{id};
my %interval = (%body, taskName => 'often', scheduleType => 'FIXED_RATE', interval => '1s');
delete $interval{cronExpression};
my $often = ask('POST', "$tasks/definitions", '', \%interval)->{body}{id};
ask('PUT', "$tasks/definitions/{id}", $d, { %body, description => 'x' });
ask('POST', "$tasks/definitions/{id}/disable", $d);
ask('POST', "$tasks/definitions/{id}/enable", $d);
ask('POST', "$tasks/definitions/{id}/run", $d, { params => { n => 1 } });
my $t = ask('POST', $tasks, '', { handler => 'say', topic => 'high', params => { n => 1 } });
my $bad = ask('POST', $tasks, '', { handler => 'fail', topic => 'low' });
ask('POST', $tasks, '', { handler => 'say', topic => 'high', params => { n => 1 },
	subtasks => [{ handler => 'noop' }, { handler => 'noop' }] });
my $i = $t->{body}{id} // die $t->{text};
my $b = $bad->{body}{id};
my $state = sub { $api->call('GET', "$tasks/instances/$_[0]", $token)->{body}{status} };
wait_until(sub { $state->($i) eq 'SUCCESS' && $state->($b) eq 'FAILED' }, 30, 'tasks are run');
wait_until(sub { $api->pg->psql("SELECT count(*) FROM reeve.task_instances WHERE trigger = 'cron'") }, 30,
	'a definition fires');
ask('GET', "$tasks/instances/{id}", $_) for $i, $b;
ask('GET', "$tasks/instances/{id}/logs", $i);
ask('POST', "$tasks/instances/{id}/cancel", $i);
ask('POST', "$tasks/instances/{id}/retry", $b);
my $late = ask('POST', $tasks, '', { handler => 'say', topic => 'high', delay => '1h' });
ask('POST', "$tasks/instances/{id}/cancel", $late->{body}{id});
ask('POST', "$tasks/scheduler/$_", '') for qw(stop start restart);
ask('GET', "$tasks/definitions/{id}", $d);
ask('GET', "$tasks/instances", '', undef, '?limit=1');
ask('GET', '/api/v1/queues/{topic}/dead', 'low');
ask('DELETE', "$tasks/definitions/{id}", $d);
for my $template (sort keys %$paths) {
	ask('GET', $template, '') if exists $paths->{$template}{get} && $template !~ /\{/;
	for my $method (sort keys %{$paths->{$template}}) {
		my $path = $template =~ s/\{\w+\}/019a0000-0000-7000-8000-000000000000/r;
		my $sent = $paths->{$template}{$method}{requestBody} ? { nope => 1 } : undef;
		note_answer(uc $method, $template, $api->call(uc $method, $path, undef, $sent));
		note_answer(uc $method, $template, $api->call(uc $method, "$path?nope=1", $token, $sent));
		note_answer(uc $method, $template, $api->call(uc $method, $path, $token, $sent))
			if $template =~ /\{/ || $sent;
	}
}

is("@unaudited", '', 'each change is one row of the audit log, and nothing else is');

my %heeds;
for my $template (sort keys %$paths) {
	for my $method (sort keys %{$paths->{$template}}) {
		my $o = $paths->{$template}{$method};
		push @{$heeds{$_->{name}}}, $o->{operationId}
			for grep { $_->{in} eq 'header' } @{$o->{parameters} // []};
	}
}
is_deeply({ map { $_ => join ' ', sort @{$heeds{$_}} } keys %heeds }, {
	'Idempotency-Key' => 'createDefinition createDeployment createTask runDefinition',
	'If-Match' => 'deleteDefinition disableDefinition enableDefinition updateDefinition',
	'If-None-Match' => 'getDefinition', 'Last-Event-ID' => 'getInstanceLogs',
}, 'what is heeded of the header is told');
note_answer('GET', "$tasks/definitions/{id}", $api->call('GET', "$tasks/definitions/$often", $token,
	undef, 'if-none-match' => '*'));

# Deployments want a pool that deploys: theirs are tested beside it.
my @missing = grep { !$seen{$_}{1} && !/deployments/ } map { my $p = $_; map { uc($_) . " $p" }
	sort keys %{$paths->{$p}} } sort keys %$paths;
is("@missing", '', 'every path has answered well at least once');
my @silent = grep { $api->pg->psql("SELECT count(*) FROM reeve.audit_log WHERE action = '$_'"
	. " AND tenant_id = 'default' AND who LIKE 'token %' AND request_id <> ''"
	. ' AND object <> \'\' AND coalesce(before, after) IS NOT NULL') == 0 }
	map { my $p = $_; map { $paths->{$p}{$_}{operationId} } grep { $_ ne 'get' && $seen{uc($_) . " $p"}{1} }
	sort keys %{$paths->{$p}} } sort keys %$paths;
is("@silent", '', 'and every change is in the audit log: what, by whom, and how it was or is');
spew("$dir/openapi.json", $doc);
spew("$dir/answers", join '', map { "$_\n" } @lines);
my ($code, $out, $err) = run_command(60, $python, "$FindBin::Bin/../lib/openapi_check.py",
	"$dir/openapi.json", "$dir/answers");
is($code, 0, 'the document is good, and every answer is after it') or diag("$out$err");
like($out, qr/checked \d+ schemas and \d\d+ answers\n\z/, 'all of it was checked');

my $wrong = $json->decode($lines[0]);
$wrong->{body}{nope} = 1;
spew("$dir/answers", $json->encode($wrong) . "\n");
($code, $out) = run_command(60, $python, "$FindBin::Bin/../lib/openapi_check.py",
	"$dir/openapi.json", "$dir/answers");
like($out, qr/^POST .*'nope' was unexpected/m, 'one that is not would have been found');

$api->node->stop;
done_testing();
