#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# secretParams reach the handler, and nothing else: no answer, no log, no row,
# no entry of Redis, no command line and no environment has them.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Temp;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(slurp spew wait_until);
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';

my $dir = File::Temp->newdir('reeve-api-secrets-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
spew("$dir/key", "0f" x 32 . "\n");
chmod 0600, "$dir/key";
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'secrets', redis => $redis->url, unstarted => 1,
	database => ", secret_key_file: $dir/key", handlers => <<"YAML", pools => <<'YAML');
  sum: { kind: exec, command: [sha256sum] }
  talk: { kind: worker, command: [sh, $dir/talk], processes: 1 }
  poor: { kind: exec, command: [sh, -c, 'sleep 0.2; exit 75'], retry: { max: 1, base: 10ms, cap: 10ms } }
  long: { kind: exec, command: [sh, -c, 'exec sleep 60'], kill_after: 1s }
YAML
  queue: { kind: queue, topics: { high: 1, common: 1 }, concurrency: 8 }
  crontab: { kind: crontab, count: 1, scan_interval: 1s }
YAML
spew("$dir/talk", <<'SH');
while read -r line; do
	id=$(echo "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/')
	sum=$(echo "$line" | sed 's/.*"params":\({[^}]*}\).*/\1/' | tr -d '\n' | sha256sum)
	echo "{\"id\":\"$id\",\"ok\":true,\"result\":\"$sum\"}"
done
SH
chmod 0777, $redis->{socket};
$api->node->start;
my $path = '/api/v1/tasks';
my $token = $api->token('acme', 'operator');
my $secret = 'c0rrect-h0rse';
my %hidden = (secretParams => { password => $secret });
my $answers = '';

sub call
{
	my $a = $api->call(@_);
	$answers .= join "\n", map { $_ // '' } $a->{text}, %{ $a->{headers} };
	return $a;
}

sub status_is
{
	my ($a, $status, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($a->{status}, $status, $title) or diag($a->{text});
	return;
}

sub create { return call('POST', $path, $token, { @_ }) }

sub becomes
{
	my ($id, $state, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $a;
	ok(wait_until(sub { ($a = call('GET', "$path/instances/$id", $token))->{body}{status} eq $state },
		20), $title) or diag($a->{text});
	return $a->{body};
}

my $given = sha256_hex(qq({"user":"jo","password":"$secret"}));

subtest 'a task' => sub {
	my $a = create(handler => 'sum', params => { user => 'jo' }, %hidden);
	status_is($a, 201, 'has secret params');
	is_deeply($a->{body}{secretParams}, ['password'], 'of which the names are told');
	is_deeply($a->{body}{executionParams}, { user => 'jo' }, 'beside its params');
	like(becomes($a->{body}{id}, 'SUCCESS', 'it runs')->{result}, qr/^$given/,
		'and its handler has both');
	$a = create(handler => 'talk', params => { user => 'jo' }, %hidden);
	like(becomes($a->{body}{id}, 'SUCCESS', 'so has a handler')->{result}, qr{^"?$given},
		'that lives long');
	$a = create(handler => 'sum', params => { user => 'jo' }, %hidden,
		subtasks => [{}, { params => { user => 'jo' } }, { secretParams => { a => $secret } }]);
	becomes($a->{body}{id}, 'SUCCESS', 'subtasks');
	is_deeply([sort map { substr $_, 0, 64 } split /\n/, $api->pg->psql(
		"SELECT result FROM reeve.task_instances WHERE parent_id = '$a->{body}{id}'")],
		[sort $given, sha256_hex(qq({"password":"$secret"})), sha256_hex(qq({"a":"$secret"}))],
		'have those of the task, or their own');
	$a = create(handler => 'poor', %hidden);
	is(becomes($a->{body}{id}, 'FAILED', 'one that is tried again')->{retryCount}, 2, 'and fails');
	status_is(call('POST', "$path/instances/$a->{body}{id}/retry", $token), 200, 'is run again');
	becomes($a->{body}{id}, 'FAILED', 'with them');
};

subtest 'a definition' => sub {
	my %often = (taskHandler => 'sum', scheduleType => 'FIXED_RATE', interval => '1s',
		taskParams => { user => 'jo' });
	my @made = map { call('POST', "$path/definitions", $token,
		{ %often, %hidden, taskName => $_, inline => $_ eq 'inline' ? \1 : \0 }) } qw(queued inline);
	is_deeply([map { $_->{status} } @made], [201, 201], 'has them, too');
	is_deeply($made[0]{body}{secretParams}, ['password'], 'and tells their names');
	for my $d (@made) {
		my $run;
		ok(wait_until(sub {
			($run) = @{ call('GET', "$path/instances?status=SUCCESS&definition=$d->{body}{id}",
				$token)->{body}{items} };
		}, 20), "the run of $d->{body}{taskName} ends") or diag(explain($run));
		like(becomes($run->{id}, 'SUCCESS', 'its handler')->{result}, qr/^$given/, 'has them');
	}
	my ($id, %later) = ($made[0]{body}{id}, %often, taskName => 'queued', interval => '1h');
	my $at = $api->pg->psql('SELECT reeve.iso(clock_timestamp())');
	status_is(call('PUT', "$path/definitions/\U$id", $token, { %often, %hidden, taskName => 'queued' }),
		200, 'they are put anew, the id in capitals');
	my $again;
	ok(wait_until(sub {
		($again) = @{ call('GET', "$path/instances?definition=$id&from=$at", $token)->{body}{items} };
		$again && $again->{status} =~ /^(?:SUCCESS|FAILED)$/ && $again->{createdAt} gt $at;
	}, 20), 'the next run');
	is($again->{status}, 'SUCCESS', 'has them, too');
	call('DELETE', "$path/definitions/$made[1]{body}{id}", $token);
	my $sealed = sub { $api->pg->psql("SELECT md5(secret_params) FROM reeve.task_definitions WHERE id = '$id'") };
	my $was = $sealed->();
	my $put = sub { call('PUT', "$path/definitions/$id", $token, { %later, @_ })->{body}{secretParams} };
	is_deeply($put->(), ['password'], 'another put in its place keeps them');
	is($sealed->(), $was, 'as they were');
	is_deeply($put->(secretParams => { b => $secret, c => 1 }), ['b', 'c'], 'unless it has others');
	is($put->(secretParams => undef), undef, 'or none');
	is($sealed->(), '', 'of which nothing is left');
};

subtest 'while it runs' => sub {
	my $id = create(handler => 'long', %hidden)->{body}{id};
	becomes($id, 'RUNNING', 'a task');
	my $seen = '';
	for my $file (glob '/proc/[0-9]*/cmdline /proc/[0-9]*/environ') {
		open my $f, '<', $file or next;
		local $/;
		my $text = <$f>;
		$seen .= "$file: $text" if defined $text && $text =~ /\Q$secret\E/;
	}
	is($seen, '', 'no command line and no environment has them');
	call('POST', "$path/instances/$id/cancel", $token);
	becomes($id, 'CANCELLED', 'the end');
};

subtest 'what cannot be opened' => sub {
	my $id = create(handler => 'sum', delay => '1h', %hidden)->{body}{id};
	my $other = create(handler => 'sum', delay => '1h', %hidden)->{body}{id};
	$api->pg->psql("UPDATE reeve.task_instances SET secret_params = (SELECT secret_params"
		. " FROM reeve.task_instances WHERE id = '$other') WHERE id = '$id'");
	$redis->cmd('DEL', 'reeve:queue:{common}:delayed');
	call('POST', "$path/instances/$id/cancel", $token);
	call('POST', "$path/instances/$id/retry", $token);
	my $run = becomes($id, 'FAILED', 'what was sealed for another task');
	like($run->{errorMessage}, qr/sealed with another key/, 'is not given to this one');
	status_is(create(handler => 'sum', secretParams => [1]), 422, 'a list has no names');
	status_is(create(handler => 'sum', secretParams => { a => 'x' x 70000 }), 422,
		'and they are not for files');
};

subtest 'a request that is sent twice' => sub {
	my $body = qq({"handler":"sum","secretParams":{"password":"$secret"}});
	my @made = map { call('POST', $path, $token, $body, 'idempotency-key' => 'twice') } 1, 2;
	is_deeply([map { $_->{status} } @made], [201, 201], 'is carried out');
	is($made[1]{body}{id}, $made[0]{body}{id}, 'once');
	is($api->pg->psql("SELECT request_hash = sha256('$body') FROM reeve.idempotency_keys"
		. " WHERE key = 'twice'"), 'f', 'and its hash is none to guess the secret by');
	status_is(call('POST', $path, $token, { handler => 'sum', secretParams => { password => 'x' } },
		'idempotency-key' => 'twice'), 422, 'another secret is another request');
};

subtest 'nothing has them' => sub {
	unlike($answers, qr/\Q$secret\E/, 'no answer');
	my $rows = join '', map { $api->pg->psql("SELECT t::text FROM reeve.$_ t") }
		qw(task_definitions task_instances task_logs error_logs audit_log outbox idempotency_keys);
	like($rows, qr/password/, 'rows have their names');
	unlike($rows, qr/\Q$secret\E/, 'but not them');
	my $keys = '';
	for my $key (@{ $redis->cmd('KEYS', '*') }) {
		my $dump = eval { join ' ', map { ref $_ ? map { ref $_ ? @$_ : $_ } @$_ : $_ }
			@{ $redis->cmd('XRANGE', $key, '-', '+') } }
			// eval { join ' ', @{ $redis->cmd('ZRANGE', $key, 0, -1) } } // '';
		$keys .= $dump;
	}
	like($keys, qr/poor/, 'Redis has dead letters');
	unlike($keys, qr/\Q$secret\E/, 'but not them');
	unlike(join('', map { slurp($_) // '' } glob $api->node->dir . '/*log*'), qr/\Q$secret\E/,
		'nor has a log');
};

subtest 'without a key' => sub {
	my $plain = ApiNode->new(name => 'plain', pg => $api->pg, unmigrated => 1);
	my $a = $plain->call('POST', $path, $token, { handler => 'noop', %hidden });
	status_is($a, 422, 'they are refused');
	like(ApiNode::errors($a), qr/^secretParams: .*database\.secret_key_file/, 'and it says why');
	$a = $plain->call('POST', $path, $token, { handler => 'noop', subtasks => [{ %hidden }] });
	like(ApiNode::errors($a), qr/^subtasks\[0\]\.secretParams: /, 'also of subtasks');
	$plain->node->stop;
};

$api->node->stop;
done_testing();
