#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The API: who may, what is refused and why, and definitions from their making
# to their end.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use ApiNode;
use IO::Socket::INET;
use IO::Socket::UNIX;
use PgServer;
use Time::HiRes qw(time);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $local = Reeve::free_port();
my $api = ApiNode->new(name => 'api', workers => 3, http => ', access_log: "@DIR@/access"', pools => <<"YAML");
  local: { kind: http, listen: ["127.0.0.1:$local", "unix:\@DIR\@/local.sock"], count: 1, auth: none }
YAML
my $path = '/api/v1/tasks/definitions';
my %token = map { $_ => $api->token('acme', $_) } qw(viewer operator admin);
my %daily = (taskName => 'daily', taskHandler => 'noop', scheduleType => 'CRON',
	cronExpression => '0 0 2 * * ?', taskParams => '{"source":"db1"}',
	description => 'every night', enabled => JSON::PP::true);

sub status_is
{
	my ($a, $status, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($a->{status}, $status, $title) or diag($a->{text});
	return;
}

subtest 'who may' => sub {
	my $a = $api->call('GET', $path);
	status_is($a, 401, 'nobody without a token');
	like($a->{headers}{'www-authenticate'}, qr/^Bearer/, 'who is told how');
	is($a->{headers}{'content-type'}, 'application/problem+json', 'in a problem document');
	status_is($api->call('GET', $path, 'reeve_nonsense'), 401, 'nor with a wrong one');
	status_is($api->call('GET', $path, $token{viewer}), 200, 'a viewer may look');
	status_is($api->call('POST', $path, $token{viewer}, \%daily), 403, 'but change nothing');
	my $short = $api->token('acme', 'viewer');
	status_is($api->call('GET', $path, $short), 200, 'a new token is good at once');
	$api->pg->psql("UPDATE reeve.api_tokens SET revoked_at = now() WHERE name LIKE '%4'");
	my $left = 200;
	for (1 .. 200) {
		last if ($left = $api->call('GET', $path, $short)->{status}) == 401;
		select undef, undef, undef, 0.01;
	}
	is($left, 401, 'one that is revoked is good no more');
	my $lines;
	Reeve::wait_until(sub {
		$lines = Reeve::slurp($api->node->dir . '/access') // '';
		$lines =~ m{^127\.0\.0\.1 - acme/viewer_1 \[.*"GET $path HTTP/1\.1" 200 }m;
	}, 10, 'the access log knows who') or diag($lines);
	like($lines, qr{^127\.0\.0\.1 - - \[.*"GET $path HTTP/1\.1" 401 }m, 'or that nobody does');
};

# The status of a request without a token, where none is wanted.
sub without
{
	my ($socket, $method, @fields) = @_;
	my $host = (grep { /^Host:/ } @fields) ? '' : "Host: 127.0.0.1:$local\r\n";
	my $body = $method eq 'POST' ? "Content-Length: 2\r\n\r\n{}" : "\r\n";
	print {$socket} "$method $path HTTP/1.1\r\n$host", (map { "$_\r\n" } @fields),
		"Connection: close\r\n$body";
	my $answer = do { local $/; <$socket> };
	return $answer =~ m{^HTTP/1\.1 (\d+)} ? $1 : $answer;
}

subtest 'where nobody needs a token' => sub {
	my $tcp = sub {
		without(IO::Socket::INET->new(PeerAddr => "127.0.0.1:$local"), @_);
	};
	my $unix = sub {
		without(IO::Socket::UNIX->new(Peer => $api->node->dir . '/local.sock'), @_);
	};
	is($tcp->('GET'), 200, 'anybody here may look');
	is($tcp->('POST'), 422, 'and make something');
	is($tcp->('GET', "Host: $_"), 200, "by the name $_") for 'localhost', "LocalHost:$local",
		'127.1.2.3', "[::1]:$local";
	is($tcp->('POST', "Host: $_"), 403, "but not by $_")
		for 'reeve.example.org', "127.0.0.1.example.org:$local", 'localhost.example.org', '10.0.0.1',
			'[::2]', '';
	is($tcp->('POST', "Origin: http://127.0.0.1:$local"), 422, 'a page from here may');
	is($tcp->('POST', "Origin: $_"), 403, "one of $_ may not")
		for 'https://example.org', 'null', "http://127.0.0.1:1", 'file://', "127.0.0.1:$local";
	is($tcp->('POST', "Sec-Fetch-Site: $_"), 403, "nor what is $_") for 'cross-site', 'same-site';
	is($tcp->('GET', "Sec-Fetch-Site: $_"), 200, "what is $_ may") for 'same-origin', 'none';
	is($unix->('GET', 'Host: reeve.example.org'), 200, 'a socket has any name');
	is($unix->('POST', 'Host: reeve.example.org', 'Origin: http://example.org'), 403,
		'but no other pages');
};

subtest 'a rate' => sub {
	my $busy = $api->token('busy', 'viewer');
	$api->pg->psql("UPDATE reeve.tenants SET requests_per_s = 20 WHERE id = 'busy'");
	my ($from, %seen, $last) = (time);
	while (time - $from < 1.5) {
		my $a = $api->call('GET', $path, $busy);
		$last = $a if $a->{status} == 429;
		$seen{$a->{status}}++;
	}
	my $most = 41 + 20 * (time - $from);
	cmp_ok($seen{200}, '>', 0.75 * $most, 'one connection has all of it');
	cmp_ok($seen{200}, '<=', $most, 'and no more') or diag(explain(\%seen));
	is($last->{headers}{'retry-after'}, 1, 'it is told to come again');
	is($last->{body}{status}, 429, 'in a problem document');
	%seen = ();
	$from = time;
	while (time - $from < 1) {
		delete $api->{http};
		$seen{$api->call('GET', $path, $busy)->{status}}++;
	}
	cmp_ok($seen{200}, '<=', 3 + 20 * (time - $from), 'many have no more together')
		or diag(explain(\%seen));
	status_is($api->call('GET', $path, $token{viewer}), 200, 'another tenant feels nothing');
};

subtest 'a definition' => sub {
	my $a = $api->call('POST', $path, $token{operator}, \%daily);
	status_is($a, 201, 'is created');
	my $d = $a->{body};
	is($a->{headers}{location}, "$path/$d->{id}", 'Location says where it is');
	is($a->{headers}{etag}, '"1"', 'and ETag which version');
	is($d->{cronExpression}, '0 0 2 * * ?', 'it is as it was sent');
	is_deeply($d->{taskParams}, { source => 'db1' }, 'its params are an object');
	like($d->{nextFire}, qr/^\d{4}-\d\d-\d\dT02:00:00\.000000Z$/, 'its next fire is told');
	status_is($api->call('POST', $path, $token{operator}, \%daily), 409,
		'a second of its name is not');

	$a = $api->call('GET', "$path/$d->{id}", $token{viewer});
	status_is($a, 200, 'it can be had');
	is_deeply($a->{body}, $d, 'as it was told first');
	status_is($api->call('GET', "$path/$d->{id}", $token{viewer}, undef,
		'if-none-match' => '"1"'), 304, 'and is not sent again to who has it');
	status_is($api->call('GET', "$path/$d->{id}", $token{viewer}, undef, 'if-none-match' => $_),
		304, "nor to who has it by $_") for '*', 'W/"1"', '"7", "x" , W/"1"';
	status_is($api->call('GET', "$path/$d->{id}", $token{viewer}, undef, 'if-none-match' => $_),
		200, "but $_ is another") for '1', '"11"', '"7"', '"1';

	my %new = (%daily, scheduleType => 'FIXED_RATE', interval => '90s');
	delete $new{cronExpression};
	status_is($api->call('PUT', "$path/$d->{id}", $token{operator}, \%new,
		'if-match' => $_), 412, "a lost update is refused: $_")
		for '"7"', 'W/"1"', '1', '"7", "8"', '', '"99999999999999999999"', '"-1"';
	$a = $api->call('PUT', "$path/$d->{id}", $token{operator}, \%new, 'if-match' => '"7", "1"');
	status_is($a, 200, 'another is put in its place');
	is($a->{body}{rule}{every}, '90s', 'with another rule');
	is($a->{headers}{etag}, '"2"', 'and another version');

	%new = (%new, startTime => '2026-01-01T00:00:00Z', timeZone => 'Europe/Berlin');
	my @same = map { $api->call('PUT', "$path/$d->{id}", $token{operator}, \%new) } 1 .. 2;
	is_deeply($same[1]{body}, $same[0]{body}, 'the same again changes nothing');

	$a = $api->call('POST', "$path/$d->{id}/disable", $token{operator});
	status_is($a, 200, 'it is disabled');
	is($a->{body}{nextFire}, undef, 'and fires no more');
	$a = $api->call('POST', "$path/$d->{id}/enable", $token{operator});
	ok($a->{body}{enabled} && defined $a->{body}{nextFire}, 'it is enabled again');

	status_is($api->call('PUT', "$path/$d->{id}", $token{operator}, { %daily, enabled => \0,
		endTime => '2001-01-01T00:00:00Z' }), 200, 'it may be over when it is disabled');
	status_is($api->call('POST', "$path/$d->{id}/enable", $token{operator}), 409, 'but not enabled');
	status_is($api->call('DELETE', "$path/$d->{id}", $token{operator}), 204, 'it is deleted');
	status_is($api->call('GET', "$path/$d->{id}", $token{viewer}), 404, 'and gone');
	is($api->pg->psql(q{SELECT string_agg(action, ' ' ORDER BY id) FROM reeve.audit_log}),
		'createDefinition updateDefinition updateDefinition updateDefinition'
		. ' disableDefinition enableDefinition updateDefinition deleteDefinition',
		'each change is in the audit log');
};

subtest 'a definition that is run now' => sub {
	my @made = map { $api->call('POST', $path, $token{operator}, { %daily, taskName => $_ })->{body}{id} } qw(r1 r2);
	my $run = sub { $api->call('POST', "$path/$_[0]/run", $token{operator}, {}, 'idempotency-key' => 'now') };
	my $a = $run->($made[0]);
	status_is($a, 201, 'is run');
	is($run->(uc $made[0])->{body}{id}, $a->{body}{id}, 'once, with its key');
	status_is($run->($made[1]), 422, 'which is not for another definition');
	$api->call('DELETE', "$path/$_", $token{operator}) for @made;
};

subtest 'a definition of a file' => sub {
	my $id = $api->call('POST', $path, $token{operator}, { %daily, taskName => 'filed' })->{body}{id};
	my $source = sub { $api->pg->psql("UPDATE reeve.task_definitions SET source = '$_[0]' WHERE id = '$id'") };
	$source->('file:n1');
	my $a = $api->call('PUT', "$path/$id", $token{operator}, { %daily, taskName => 'filed' });
	status_is($a, 409, 'is for its file to change');
	like($a->{body}{detail}, qr/process\.yaml of n1/, 'which is told');
	status_is($api->call('DELETE', "$path/$id", $token{operator}), 409, 'or to let go');
	status_is($api->call('POST', "$path/$id/disable", $token{operator}), 200, 'it may be disabled');
	$source->('file:n1 (gone)');
	status_is($api->call('DELETE', "$path/$id", $token{operator}), 204,
		'and deleted when the file has it no more');
};

subtest 'what does not fit' => sub {
	my $refused = sub {
		my ($change, $wanted) = @_;
		my %body = (%daily, taskName => 'x', %$change);
		defined $body{$_} or delete $body{$_} for keys %body;
		my $a = $api->call('POST', $path, $token{operator}, \%body);
		status_is($a, 422, "$wanted: 422");
		like(ApiNode::errors($a), qr/$wanted/, $wanted);
	};
	$refused->({ taskName => undef }, 'taskName: is missing');
	$refused->({ taskHandler => 'nope' }, 'taskHandler: process.yaml of this node has no');
	$refused->({ cronExpression => '0 0 25 * * ?' }, 'cronExpression: .*column');
	$refused->({ cronExpression => undef }, 'cronExpression: is missing');
	$refused->({ timeZone => 'Mars/Olympus' }, 'timeZone: ');
	$refused->({ interval => 1000 }, 'interval: does not go with scheduleType CRON');
	$refused->({ scheduleType => 'WEEKLY' }, 'scheduleType: must be one of CRON');
	$refused->({ cronExpressions => ['@hourly'] }, 'cronExpressions: does not go with cronExp');
	my %once = (cronExpression => undef, scheduleType => 'ONCE', runAt => '2099-01-01T00:00:00Z');
	$refused->({ %once, cronExpressions => ['@hourly'] }, 'cronExpressions: does not go with sch');
	$refused->({ %once, dialect => 'quartz' }, 'dialect: does not go with scheduleType ONCE');
	$refused->({ %once, runAt => '2001-01-01T00:00:00Z' }, 'runAt: it would never fire');
	$refused->({ cronExpression => '0 0 30 2 *' }, 'cronExpression: it would never fire');
	$refused->({ endTime => '2001-01-01T00:00:00Z' }, 'endTime: it would never fire');
	$refused->({ taskName => "a\eb" }, 'taskName: has a control character');
	$refused->({ nope => 1 }, 'nope: there is no such field');
	$refused->({ taskParams => '[1]' }, 'taskParams: must be an object');
	$refused->({ topic => 'High!' }, 'topic: is a name of a-z');
	my %chinese = (%daily, taskName => "\x{4efb}\x{52a1}" x 50);
	my $long = $api->call('POST', $path, $token{operator}, \%chinese);
	status_is($long, 201, 'a name has 100 characters, of any script');
	status_is($api->call('PUT', "$path/$long->{body}{id}", $token{operator}, \%chinese), 200,
		'and may be put again');
	$api->call('DELETE', "$path/$long->{body}{id}", $token{operator});
	$refused->({ taskName => "\x{4efb}" x 101 }, 'taskName: is 101 characters long');
	status_is($api->call('POST', $path, $token{operator}, '{"taskName":'), 400,
		'half an object is no JSON');
	status_is($api->call('POST', $path, $token{operator}, 'x=1',
		'content-type' => 'text/plain'), 415, 'nor is text');
	my $packed = $api->call('POST', $path, $token{operator}, "\x1f\x8b\x08",
		'content-encoding' => 'gzip');
	status_is($packed, 415, 'nor what is packed');
	is($packed->{headers}{'accept-encoding'}, 'identity', 'which it says');
	status_is($api->call('POST', $path, $token{operator}, {}, 'content-encoding' => 'identity'), 422,
		'one that is not packed may say so');
	status_is($api->call('PATCH', $path, $token{operator}, {}), 405, 'PATCH is not for a list');
	status_is($api->call('GET', "$path/42", $token{viewer}), 404, 'an id is a uuid');
	status_is($api->call('GET', "$path?nope=1", $token{viewer}), 400,
		'unknown parameters are refused');
	my $twice = $api->call('GET', "$path?limit=1&name=a&limit=2", $token{viewer});
	status_is($twice, 400, 'and those that are there twice');
	is(ApiNode::errors($twice), 'limit: is there twice', 'each is named');
	status_is($api->call('GET', "$path?name=a&name=b", $token{viewer}), 400,
		'and so is one that is there twice');
	status_is($api->call('GET', "$path?cursor=%21", $token{viewer}), 400,
		'and a cursor that was never given');
};

subtest 'lists' => sub {
	my $b = $api->token('other', 'operator');
	for my $n (1 .. 7) {
		$api->call('POST', $path, $token{operator}, { %daily, taskName => "n$n" });
		$api->call('POST', $path, $b, { %daily, taskName => "other$n" });
	}
	my ($cursor, @names) = ('');
	do {
		my $a = $api->call('GET', "$path?limit=3$cursor", $token{viewer});
		push @names, map { $_->{taskName} } @{ $a->{body}{items} };
		$cursor = defined $a->{body}{nextCursor} ? "&cursor=$a->{body}{nextCursor}" : undef;
		$api->call('POST', $path, $token{operator}, { %daily, taskName => "late" . @names });
	} while (defined $cursor);
	is("@names", 'n7 n6 n5 n4 n3 n2 n1', 'each once, whatever comes meanwhile');
	my $sorted = sub {
		my ($query) = @_;
		my ($next, @found) = ('');
		for (1 .. 20) {
			my $a = $api->call('GET', "$path?scheduleType=CRON&limit=2&$query$next", $token{viewer});
			return $a->{text} if $a->{status} != 200;
			push @found, map { $_->{taskName} =~ /^n/ ? $_->{taskName} : () } @{ $a->{body}{items} };
			return "@found" if !defined $a->{body}{nextCursor};
			$next = "&cursor=$a->{body}{nextCursor}";
		}
		return "no end: @found";
	};
	is($sorted->('sort=createdAt'), 'n1 n2 n3 n4 n5 n6 n7', 'the oldest first');
	is($sorted->('sort=taskName'), 'n1 n2 n3 n4 n5 n6 n7', 'by name');
	is($sorted->('sort=-taskName'), 'n7 n6 n5 n4 n3 n2 n1', 'and backwards');
	is($sorted->('sort=-createdAt'), 'n7 n6 n5 n4 n3 n2 n1', 'as it is without a word');
	my $first = $api->call('GET', "$path?limit=1", $token{viewer})->{body}{nextCursor};
	status_is($api->call('GET', "$path?limit=1&$_&cursor=$first", $token{viewer}), 400,
		"a cursor is not for $_") for 'sort=createdAt', 'sort=taskName';
	status_is($api->call('GET', "/api/v1/tasks/instances?cursor=$first", $token{viewer}), 400,
		'nor for another list');
	my $wide = $api->token('wide', 'admin');
	$api->call('POST', $path, $wide, { %daily, taskName => "w$_" }) for 1 .. 8;
	my $long = q{'{"x":"' || repeat('y', 900000) || '"}'};
	$api->pg->psql("UPDATE reeve.task_definitions SET task_params = $long WHERE tenant_id = 'wide'");
	$api->pg->psql("INSERT INTO reeve.audit_log (tenant_id, who, action, object, after)"
		. " SELECT 'wide', 'x', 'long', 'x', ($long)::jsonb FROM generate_series(1, 8)");
	for my $list ("$path?limit=100", '/api/v1/audit?limit=100&action=long') {
		my ($cursor, @items, %seen) = ('');
		while (defined $cursor && @items < 9) {
			# It would take JSON::PP seconds.
			my $page = HTTP::Tiny->new->get('http://127.0.0.1:' . $api->node->port . "$list$cursor",
				{ headers => { authorization => "Bearer $wide" } })->{content};
			my @ids = $page =~ /\{"id":"([^"]+)"/g;
			push @items, scalar @ids;
			$seen{$_}++ for @ids;
			$cursor = $page =~ /"nextCursor":"([^"]+)"\}\s*\z/ ? "&cursor=$1" : undef;
		}
		is("@items", '5 3', "$list: a page ends in time");
		is(scalar keys %seen, 8, 'and the next has the rest');
	}
	my $a = $api->call('GET', "$path?name=n2", $token{viewer});
	is(scalar @{ $a->{body}{items} }, 1, 'filters');
	my $id = $a->{body}{items}[0]{id};
	status_is($api->call('GET', "$path/$id", $b), 404, "another tenant's is not found");
	status_is($api->call('DELETE', "$path/$id", $b), 404, 'nor deleted');
	status_is($api->call('POST', "$path/$id/disable", $b), 404, 'nor disabled');
};

subtest 'what a definition depends on' => sub {
	my $make = sub {
		my ($name, $on, $put) = @_;
		my %body = (%daily, taskName => $name, defined $on ? (dependsOn => $on) : ());
		return $api->call($put ? 'PUT' : 'POST', $path . ($put ? "/$put" : ''),
			$token{operator}, \%body);
	};
	my $wrong = sub {
		my ($a, $wanted, $title) = @_;
		status_is($a, 422, $title);
		is(ApiNode::errors($a), "dependsOn: $wanted", "$title: and the field is named");
	};
	my $first = $make->('first')->{body}{id};
	my $second = $make->('second', $first)->{body};
	is($second->{dependsOn}, $first, 'is told');
	my $third = $make->('third', $second->{id})->{body}{id};
	my $none = '019a0000-0000-7000-8000-000000000000';
	my $theirs = $api->call('POST', $path, $api->token('other', 'operator'), { %daily, taskName => 'theirs' })->{body}{id};
	for my $one (['POST', 'new'], ['PUT', 'second', $second->{id}]) {
		my ($how, $name, $put) = @$one;
		$wrong->($make->($name, $none, $put), 'there is no such definition',
			"$how: one that is not there");
		$wrong->($make->($name, $theirs, $put), 'there is no such definition',
			"$how: another tenant's");
		$wrong->($make->($name, 'first', $put), 'must be a uuid', "$how: no id at all");
	}
	my $circle = 'depends on this definition itself';
	$wrong->($make->('first', $first, $first), $circle, 'itself');
	$wrong->($make->('first', $third, $first), $circle, 'one that comes back to it');
	status_is($make->('second', $first, $second->{id}), 200, 'what it was can be put again');
	status_is($make->('second', undef, $second->{id}), 200, 'and none');
	status_is($make->('first', $third, $first), 200, 'and then the other way round');
};

subtest 'PostgreSQL away' => sub {
	$api->pg->kill;
	my $a = $api->call('GET', $path, $token{viewer});
	status_is($a, 503, 'it is told');
	ok($a->{headers}{'retry-after'} > 0, 'and when to come again');
	$api->pg->start;
	my $status = 0;
	for (1 .. 500) {
		last if ($status = $api->call('GET', $path, $token{viewer})->{status}) == 200;
		select undef, undef, undef, 0.02;
	}
	is($status, 200, 'it goes on by itself');
};

$api->node->stop;
done_testing();
