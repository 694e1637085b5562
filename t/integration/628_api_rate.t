#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Many tasks created at the same moment: those of a tenant share a transaction,
# a bad one harms no other, and a thousand a second all run.
#
# REEVE_TEST_RATE_S=60: for so many seconds, instead of 5.
use strict;
use warnings;

use File::Temp;
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(encode_json decode_json);
use List::Util qw(uniq);
use Test::More;
use Time::HiRes qw(sleep time);
use ApiNode;
use PgServer;
use RedisServer;
use Reeve qw(slow wait_until);
use Tree qw(builddir in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'no Redis here';
my $plugin = builddir() . '/t/plugins/echo.so';
plan skip_all => 'the sample plugin is not built' if !-e $plugin;

my ($rate, $seconds) = (1000, $ENV{REEVE_TEST_RATE_S} // 5);
my $dir = File::Temp->newdir('reeve-api-rate-XXXXXX', TMPDIR => 1);
chmod 0755, $dir;
my $redis = RedisServer->new("$dir");
my $api = ApiNode->new(name => 'rate', redis => $redis->url, unstarted => 1,
	handlers => <<"YAML", pools => <<'YAML');
  echo: { kind: plugin, path: "$plugin" }
  other: { kind: plugin, path: "$plugin" }
YAML
  queue: { kind: queue, topics: { high: 1, common: 1 }, concurrency: 64 }
YAML
chmod 0777, $redis->{socket};
$api->node->start;
my $path = '/api/v1/tasks';
my $token = $api->token('acme', 'operator');

sub request
{
	my ($secret, $body) = @_;
	my $text = encode_json($body);
	return "POST $path HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $secret\r\n"
		. 'Content-Type: application/json' . "\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
}

sub client
{
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $api->node->port)
		// die "connect: $!";
}

# A whole answer in the text, which it is cut from: { status, head, body }.
sub answer
{
	my ($text) = @_;
	$$text =~ /\AHTTP\/1\.1 (\d+)(.*?)\r\n\r\n/s or return;
	my ($status, $head, $start) = ($1, $2, $+[0]);
	my ($length) = $head =~ /\r\nContent-Length: (\d+)/i or die "no length: $$text";
	return if length($$text) < $start + $length;
	my $body = substr $$text, $start, $length;
	substr($$text, 0, $start + $length) = '';
	return { status => $status, head => $head, body => decode_json($body) };
}

# Each body in a request of its own connection, all sent before any answer is
# read; the answers, in that order.
sub at_once
{
	my ($secret, @bodies) = @_;
	my @all = map { { s => client(), text => '' } } @bodies;
	syswrite $all[$_]{s}, request($secret, $bodies[$_]) for 0 .. $#all;
	for my $one (@all) {
		my $until = time + slow(20);
		while (!($one->{answer} = answer(\$one->{text}))) {
			IO::Select->new($one->{s})->can_read($until - time)
				&& sysread($one->{s}, $one->{text}, 65536, length $one->{text})
				or return die "no answer: $one->{text}";
		}
	}
	return map { $_->{answer} } @all;
}

sub count
{
	my ($where) = @_;
	return $api->pg->psql("SELECT count(*) FROM reeve.task_instances WHERE $where");
}

subtest 'at the same moment' => sub {
	my @made = at_once($token, map { { handler => 'echo', params => { n => $_ } } } 1 .. 60);
	is(scalar(grep { $_->{status} == 201 } @made), 60, 'all are made');
	is(scalar(uniq map { $_->{body}{id} } @made), 60, 'each its own');
	is_deeply([map { $_->{body}{executionParams}{n} } @made], [1 .. 60],
		'and each is answered with what it asked for');
	is(scalar(grep { $_->{head} =~ m{\r\nLocation: $path/instances/$_->{body}{id}(?:\r|\z)} } @made), 60,
		'where it is found');
	cmp_ok($api->pg->psql('SELECT count(DISTINCT xmin::text) FROM reeve.audit_log'), '<', 60,
		'many share a transaction');
	is($api->pg->psql(q{SELECT count(DISTINCT object_id) FROM reeve.audit_log WHERE action = 'createTask'}),
		60, 'and each is in the audit log');
	ok(wait_until(sub { count(q{status = 'SUCCESS'}) == 60 }, 20), 'all run');
};

subtest 'one that the database refuses' => sub {
	$api->pg->psql(q{ALTER TABLE reeve.task_instances ADD CONSTRAINT no_other CHECK (handler <> 'other')});
	my @made = at_once($token, map { { handler => $_ % 20 == 7 ? 'other' : 'echo',
		params => { bad => 'near' } } } 1 .. 60);
	is_deeply([map { $made[$_ - 1]{status} } 7, 27, 47], [409, 409, 409], 'is told so');
	is(scalar(grep { $_->{status} == 201 } @made), 57, 'and harms no other');
	unlike($made[6]{head}, qr/\r\nLocation:/i, 'it has no place');
	is(count(q{execution_params LIKE '%near%'}), 57, 'none is made twice');
	$api->pg->psql('ALTER TABLE reeve.task_instances DROP CONSTRAINT no_other');
};

subtest 'a tenant at its limit' => sub {
	my $small = $api->token('small', 'operator');
	$api->pg->psql(q{UPDATE reeve.tenants SET runs_max = 7 WHERE id = 'small'});
	my @made = at_once($small, map { { handler => 'echo', delay => '1h' } } 1 .. 20);
	is(scalar(grep { $_->{status} == 201 } @made), 7, 'has as many as it may');
	my @left = grep { $_->{status} == 429 } @made;
	is(scalar(@left), 13, 'and the rest are told');
	like($left[0]{body}{detail}, qr/7 runs/, 'how many those are');
	is(count(q{tenant_id = 'small'}), 7, 'no more were made');
};

# An open loop: request n is due at n / rate, whatever became of those before,
# and its time counts from then.
sub drive
{
	my $text = request($token, { handler => 'echo', params => { at => 'rate' } });
	my ($sent, $done, $begin, $clients, @ms, %bad, @idle, @by) = (0, 0, time, 0);
	my $busy = '';
	while ($done < $rate * $seconds) {
		my $due = int((time - $begin) * $rate);
		$due = $rate * $seconds if $due > $rate * $seconds;
		while ($sent < $due && (@idle || $clients < 128)) {
			my $s = @idle ? pop @idle : client();
			$clients++ if !$by[fileno $s];
			$by[fileno $s] = { s => $s, text => '', due => $begin + $sent++ / $rate };
			vec($busy, fileno $s, 1) = 1;
			syswrite $s, $text;
		}
		die "$done of $sent are answered" if time > $begin + $seconds + slow(30);
		select(my $ready = $busy, undef, undef, 0.002) > 0 or next;
		for my $c (grep { $_ && vec($ready, fileno $_->{s}, 1) } @by) {
			sysread($c->{s}, $c->{text}, 65536, length $c->{text}) or die 'a connection was closed';
			my ($status, $length) = $c->{text}
				=~ /\AHTTP\/1\.1 (\d+).*?\r\nContent-Length: (\d+).*?\r\n\r\n/s or next;
			next if length $c->{text} < $length + $+[0];
			push @ms, 1000 * (time - $c->{due});
			$bad{$status}++ if $status != 201;
			push @idle, $c->{s};
			vec($busy, fileno $c->{s}, 1) = 0;
			$done++;
		}
	}
	@ms = sort { $a <=> $b } @ms;
	return { took => time - $begin, p99 => $ms[0.99 * @ms], bad => \%bad, clients => $clients };
}

subtest 'a thousand a second' => sub {
	my $seen = drive();
	note(sprintf '%.1f s, p99 %.1f ms, %d connections', @$seen{qw(took p99 clients)});
	is_deeply($seen->{bad}, {}, 'every one is created');
	cmp_ok($seen->{took}, '<', $seconds + slow(2), 'as fast as they come');
	cmp_ok($seen->{p99}, '<', slow(100), '99 of 100 within 100 ms of their time');
	my $n = $rate * $seconds;
	ok(wait_until(sub { count(q{execution_params LIKE '%rate%' AND status = 'SUCCESS'}) == $n }, 30),
		'and every one has run') or diag($api->pg->psql('SELECT status, count(*)'
		. ' FROM reeve.task_instances GROUP BY status'));
	is($api->pg->psql('SELECT count(*) FROM reeve.outbox WHERE due_at IS NULL'), 0, 'nothing is left');
};

$api->node->stop;
done_testing();
