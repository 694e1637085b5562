#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl token and tenant: who may use the API, and how much of it.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use ApiNode;
use PgServer;
use Reeve qw(program run_command wait_until);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
delete @ENV{qw(REEVE_DATABASE_URL REEVE_SOCKET SUDO_USER)};

my $api = ApiNode->new(name => 'token');
my $path = '/api/v1/tasks/definitions';

sub ctl
{
	my @words = @_;
	return run_command(20, program('reevectl'), @words, '--database', $api->pg->url);
}

# What it prints, when that is a success.
sub done
{
	my ($exit, $out, $err) = ctl(@_);
	is($exit, 0, "@_") or diag($err);
	chomp $out;
	return $out;
}

sub refused
{
	my ($wanted, $exit, @words) = @_;
	my ($code, $out, $err) = ctl(@words);
	is($code, $exit, "@words: exit $exit");
	like($err, $wanted, 'and it says why');
	is($out, '', 'and prints nothing');
	return;
}

subtest 'tenants' => sub {
	done(qw(tenant add acme --name), 'Acme Ltd', qw(--definitions-max 2 --requests-per-s 1000));
	refused(qr/already/, 1, qw(tenant add acme));
	refused(qr/no id of a tenant/, 2, qw(tenant add a/b));
	refused(qr/there is no tenant/, 1, qw(tenant set nope --runs-max 1));
	done(qw(tenant set acme --runs-max 5 --requests-per-s 0));
	my ($acme) = grep { $_->{id} eq 'acme' } @{ decode_json(done(qw(tenant list --json))) };
	is_deeply($acme, { id => 'acme', name => 'Acme Ltd', definitions_max => 2,
		runs_max => 5, requests_per_s => undef, tokens => 0 },
		'a limit of 0 is none, and what was not said stays');
	like(done(qw(tenant list)), qr/^acme +Acme Ltd +any +5 +2 +0$/m, 'as a table, too');
};

subtest 'a token' => sub {
	my ($exit, $token, $err) = ctl(qw(token add --tenant acme --role operator --name ci));
	is($exit, 0, 'is made') or diag($err);
	like($token, qr/^reeve_[A-Za-z0-9_-]{43}\n$/, 'and is all of the output');
	like($err, qr/token ci of tenant acme, role operator/, 'what it is good for is told beside it');
	chomp $token;
	is($api->pg->psql(q{SELECT encode(token_hash, 'hex') FROM reeve.api_tokens}),
		sha256_hex($token), 'its SHA-256 is stored');
	my $all = $api->pg->psql('SELECT t::text FROM reeve.api_tokens t')
		. $api->pg->psql('SELECT a::text FROM reeve.audit_log a');
	unlike($all, qr/\Q$token\E/, 'and it itself nowhere');
	unlike($all =~ s/^.*\n//r, qr/@{[sha256_hex($token)]}/, 'nor the hash in the audit log');
	is($api->call('GET', $path, $token)->{status}, 200, 'it opens the API');
	like(done(qw(token list)), qr/^ci +acme +operator +good /m, 'it is listed');
	unlike(done(qw(token list --json)), qr/\Q$token\E|hash/, 'without what opens anything');
	refused(qr/has a token ci already/, 1, qw(token add --tenant acme --role viewer --name ci));
	done(qw(token revoke ci));
	ok(wait_until(sub { $api->call('GET', $path, $token)->{status} == 401 }, 5),
		'revoked, it opens nothing any more');
	like(done(qw(token list --tenant acme)), qr/^ci +acme +operator +revoked /m, 'which is listed');
	refused(qr/nothing to revoke/, 1, qw(token revoke ci));
	my $doc = decode_json(done(qw(token add --tenant acme --role viewer --name ci --json)));
	like($doc->{token}, qr/^reeve_/, 'its name is free again');
	done('token', 'revoke', uc $doc->{id});
	is($api->pg->psql(q{SELECT string_agg(action, ' ' ORDER BY id) FROM reeve.audit_log}),
		'addTenant setTenant addToken revokeToken addToken revokeToken',
		'each change is in the audit log');
	like($api->pg->psql('SELECT DISTINCT who FROM reeve.audit_log'), qr/^reevectl of \w+$/,
		'with who did it');
};

subtest 'what does not fit' => sub {
	refused(qr/which role/, 2, qw(token add));
	refused(qr/"king" is no role/, 2, qw(token add --role king));
	refused(qr/there is no tenant nope/, 1, qw(token add --role viewer --tenant nope));
	refused(qr/over already/, 2, qw(token add --role viewer --expires 2020-01-01));
	refused(qr/--expires|no span/, 2, qw(token add --role viewer --expires tomorrow));
	refused(qr/takes no --role/, 2, qw(token list --role viewer));
	done(qw(token add --role viewer --name both));
	done(qw(token add --role viewer --name both --tenant acme));
	refused(qr/several tenants/, 1, qw(token revoke both));
	done(qw(token revoke both --tenant acme));
};

subtest 'the end of a token' => sub {
	my $short = done(qw(token add --role viewer --name short --expires 2s));
	is($api->call('GET', $path, $short)->{status}, 200, 'until then it is good');
	ok(wait_until(sub { $api->call('GET', $path, $short)->{status} == 401 }, 5),
		'then it is not, though the worker knows it');
	like(done(qw(token list)), qr/^short +default +viewer +expired /m, 'which is listed');
	done(qw(token add --role admin --name long --expires 2099-12-31T12:00:00Z));
	like(done(qw(token list)), qr/^long +default +admin +good .* 2099-12-31 12:00:00\+00 /m,
		'a time may be given, too');
};

$api->node->stop;
done_testing();
