#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Two tenants, crossed over every path of the API: what is one's is not there
# for the other, and can't be told from what never was.  And PostgreSQL would
# not show it, had the API forgotten to ask for its own tenant's rows.
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
use Reeve qw(wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';

my $dir = File::Temp->newdir('reeve-tenants-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'tenants', redis => $redis->url, unstarted => 1,
	handlers => <<'YAML', pools => <<'YAML');
  say: { kind: exec, command: [sh, -c, 'echo "zebra line" >&2; echo "zebra result"'] }
YAML
  queue: { kind: queue, topics: { high: 1 } }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my $tasks = '/api/v1/tasks';
my %admin = map { $_ => $api->token($_, 'admin') } qw(acme other);
my $nobody = '019a0000-0000-7000-8000-000000000000';

sub body
{
	my ($name, %more) = @_;
	return { taskName => $name, taskHandler => 'say', scheduleType => 'ONCE',
		runAt => '2099-01-01T00:00:00Z', topic => 'high', taskParams => { for => $name },
		description => "of $name", %more };
}

sub make
{
	my ($tenant, $word) = @_;
	my %made;
	for my $n (1 .. 3) {
		my $a = $api->call('POST', "$tasks/definitions", $admin{$tenant}, body("$word$n"));
		die $a->{text} if $a->{status} != 201;
		push @{$made{definitions}}, $a->{body}{id};
		$a = $api->call('POST', $tasks, $admin{$tenant}, { handler => 'say',
			topic => 'high', params => { word => $word }, uniqueKey => "key$n",
			$n == 3 ? (delay => '1h') : () }, 'idempotency-key' => "once$n");
		die $a->{text} if $a->{status} != 201;
		push @{$made{instances}}, $a->{body}{id};
	}
	my $done = sub { grep { $_->{status} eq 'SUCCESS' }
		@{$api->call('GET', "$tasks/instances", $admin{$tenant})->{body}{items}} };
	wait_until(sub { $done->() == 2 }, 30, 'tasks are done');
	return \%made;
}

my $mine = make('other', 'mole');
my $paths = $api->call('GET', '/openapi.json')->{body}{paths};
my %before = map { $_ => seen($_) } "$tasks/stats", "$tasks/scheduler/status";
my $theirs = make('acme', 'zebra');
my @secret = (@{$theirs->{definitions}}, @{$theirs->{instances}}, 'zebra', 'acme');

# An answer without what differs from one moment to the next.
sub seen
{
	my ($path) = @_;
	my $text = $api->call('GET', $path, $admin{other})->{text};
	$text =~ s/"[^"]*": ?"\d{4}-\d\d-\d\dT[^"]*"//g;
	$text =~ s/"(?:processingRate|window|mean|p99|maximum|averageDuration|[a-z]*Rate)": ?[\d.]+//gi;
	return $text;
}

sub leaks
{
	my ($a) = @_;
	my $all = $a->{text} . join '', map { ref() ? @$_ : $_ } values %{$a->{headers}};
	return join ' ', grep { index($all, $_) >= 0 } @secret;
}

sub plain
{
	my ($a) = @_;
	return "$a->{status} $a->{text}";
}

sub rows
{
	return $api->pg->psql("SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM"
		. " (SELECT to_jsonb(d) AS t FROM reeve.task_definitions d WHERE tenant_id = 'acme'"
		. " UNION ALL SELECT to_jsonb(i) FROM reeve.task_instances i WHERE tenant_id = 'acme'"
		. " UNION ALL SELECT to_jsonb(l) FROM reeve.audit_log l WHERE tenant_id = 'acme') x");
}

subtest 'every path' => sub {
	my $was = rows();
	for my $template (sort keys %$paths) {
		for my $method (map { uc } sort keys %{$paths->{$template}}) {
			my $kind = $template =~ /instances/ ? 'instances' : 'definitions';
			my $sent = !$paths->{$template}{lc $method}{requestBody} ? undef
				: $template =~ m{/run$} ? {}
				: $template =~ /definitions/ ? body('mouse')
				: { handler => 'say', topic => 'high', delay => '1h' };
			next if $template eq '/openapi.json' || $template eq '/metrics';
			my @answers;
			for my $id ($theirs->{$kind}[2], $nobody) {
				my $path = $template =~ s/\{\w+\}/$id/r;
				push @answers, $api->call($method, $path, $admin{other}, $sent);
				last if $template !~ /\{/;
			}
			is(leaks($answers[0]), '', "$method $template tells nothing");
			next if @answers < 2 || $template =~ /queues|deployments/; # of the system
			is($answers[0]{status}, 404, 'and knows no such id');
			is(plain($answers[0]), plain($answers[1]), 'like one that never was');
		}
	}
	is(rows(), $was, 'and nothing of the other has changed');
};

subtest 'filters, cursors and keys' => sub {
	for my $query ("instances?definition=$theirs->{definitions}[0]",
		"instances?parent=$theirs->{instances}[0]", 'definitions?name=zebra1',
		'instances?limit=500', 'definitions?limit=500', 'scheduler/running') {
		my $a = $api->call('GET', "$tasks/$query", $admin{other});
		is("$a->{status} " . leaks($a), '200 ', $query);
	}
	my $a = $api->call('GET', "$tasks/definitions?limit=1", $admin{acme});
	$a = $api->call('GET', "$tasks/definitions?cursor=$a->{body}{nextCursor}", $admin{other});
	is(leaks($a), '', "a cursor of the other's leads to one's own");
	for my $method ('POST', 'PUT') {
		my $path = "$tasks/definitions" . ($method eq 'PUT' ? "/$mine->{definitions}[0]" : '');
		my ($x, $y) = map { $api->call($method, $path, $admin{other},
			body('mole9', dependsOn => $_)) } $theirs->{definitions}[0], $nobody;
		is(plain($x), plain($y), "$method: to depend on the other's is to depend on none");
		is($x->{status}, 422, "$method: which is refused");
	}
	$a = $api->call('POST', $tasks, $admin{other}, { handler => 'say', topic => 'high',
		uniqueKey => 'key3', delay => '1h' });
	is(leaks($a), '', "a unique key of the other's is free");
	$a = $api->call('POST', $tasks, $admin{acme}, { handler => 'say', topic => 'high',
		uniqueKey => 'mine' }, 'idempotency-key' => 'k');
	my $b = $api->call('POST', $tasks, $admin{other}, { handler => 'say', topic => 'high',
		uniqueKey => 'mine', params => { x => 1 } }, 'idempotency-key' => 'k');
	is($b->{status}, 201, 'and an idempotency key');
	isnt($b->{body}{id}, $a->{body}{id}, 'for another task');
};

subtest 'counts' => sub {
	my $now = seen("$tasks/scheduler/status");
	$before{"$tasks/scheduler/status"} =~ s/"enabledDefinitions": ?\d+//;
	$now =~ s/"enabledDefinitions": ?(\d+)//;
	is($now, $before{"$tasks/scheduler/status"}, "the other's are in none");
	my $own = $api->pg->psql("SELECT count(*) FROM reeve.task_definitions"
		. " WHERE tenant_id = 'other' AND status = 'ENABLED'");
	is($1, $own, 'only its own definitions are counted');
};

# As the API would be without its own conditions: its role, and a tenant.
sub as_api
{
	my ($tenant, $sql) = @_;
	my $name = defined $tenant ? "SET LOCAL reeve.tenant = '$tenant';" : '';
	my $out = eval { $api->pg->psql("BEGIN; SET LOCAL ROLE reeve_api; $name $sql; COMMIT") };
	return defined $out ? $out : 'refused: ' . ($@ =~ /ERROR:\s+([^\n]*)/)[0];
}

subtest 'the second wall' => sub {
	my @tables = qw(task_definitions task_instances task_logs error_logs
		crontab_statistics audit_log api_tokens crontab crontab_history);
	for my $table (@tables) {
		my $of = $table =~ /^crontab(?:_history)?$/ ? '' : " WHERE tenant_id = 'acme'";
		my $id = $table eq 'crontab_history' ? 'crontab_id' : 'id';
		my $count = $of ne '' ? "SELECT count(*) FROM reeve.$table$of"
			: "SELECT count(*) FROM reeve.$table WHERE $id = '$theirs->{definitions}[0]'";
		is(as_api('other', $count), 0, "$table shows nothing of another");
		is(as_api(undef, "SELECT count(*) FROM reeve.$table"), 0, 'nor of anybody to nobody');
	}
	is(as_api('acme', 'SELECT count(*) FROM reeve.task_definitions'), 3, 'but to its own');
	is(as_api('other', "SELECT count(*) FROM reeve.tenants"), 1, 'a tenant knows of itself only');
	for my $sql ("UPDATE reeve.task_definitions SET description = 'x' WHERE tenant_id = 'acme'",
		"DELETE FROM reeve.task_instances WHERE tenant_id = 'acme'",
		"SELECT reeve.task_cancel('$theirs->{instances}[2]')",
		"SELECT reeve.task_retry('$theirs->{instances}[0]')",
		"SELECT reeve.dispatch(ARRAY['$theirs->{instances}[2]']::uuid[])",
		"SELECT reeve.definition_is_busy('$theirs->{definitions}[0]')",
		"SELECT reeve.push('high', 'say', tenant => 'acme')") {
		my $was = rows();
		as_api('other', $sql);
		is(rows(), $was, "$sql changes nothing");
	}
	like(as_api('other', "UPDATE reeve.task_definitions SET tenant_id = 'acme'"),
		qr/row-level security/, 'nothing is given to another');
	like(as_api('other', "INSERT INTO reeve.audit_log (tenant_id, who, action, object)"
		. " VALUES ('acme', 'x', 'y', 'z')"), qr/row-level security/, 'nor written in its name');
	like(as_api('other', "SELECT reeve.scheduler_set('stop', 'x', NULL)"),
		qr/tenant default/, 'nor is the scheduler stopped');
	like(as_api('other', "SELECT * FROM reeve.$_"), qr/permission denied/, "$_ is out of reach")
		for qw(outbox task_keys task_active tenant_runs deleted_definitions);
	like(as_api('other', 'SELECT token_hash FROM reeve.api_tokens'), qr/permission denied/,
		'and so are the hashes of tokens');
};

subtest 'who comes later' => sub {
	is($api->pg->psql(<<'SQL'), '', 'what the role of the API may read is behind the wall');
SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c
WHERE c.relnamespace = 'reeve'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
	AND has_any_column_privilege('reeve_api', c.oid, 'SELECT, INSERT, UPDATE')
	AND NOT CASE c.relkind WHEN 'v' THEN 'security_invoker=true' = ANY (c.reloptions)
		ELSE c.relrowsecurity END
	-- These know no tenant.
	AND c.relname NOT IN ('scheduler', 'worker_registry', 'outbox_watch')
SQL
	is($api->pg->psql(<<'SQL'), '', 'and no function lends its rights to who was not granted them');
SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc p
WHERE p.pronamespace = 'reeve'::regnamespace AND p.prosecdef
	AND (p.proconfig IS NULL OR p.proconfig[1] <> 'search_path=reeve, pg_temp'
		OR (p.prorettype <> 'trigger'::regtype AND EXISTS (SELECT
			FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
			WHERE a.grantee = 0)))
SQL
};

$api->node->stop;
done_testing();
