#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Bodies that are wrong in every way a body can be, to every path that takes
# one: each is refused by name, and the worker lives.  The cases are made after
# the API's own description, from a seed that is told.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use Test::More;
use ApiNode;
use PgServer;

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $seed = $ENV{REEVE_FUZZ_SEED} // 20261122;
srand $seed;
my $api = ApiNode->new(name => 'fuzz', http => ', max_body: 256K',
	pools => "  crontab: { kind: crontab, count: 1 }\n", redis => 'redis://127.0.0.1:1/0');
my $token = $api->token('default', 'admin');
my ($pid) = $api->node->pids('http');
my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $paths = $api->call('GET', '/openapi.json')->{body}{paths};
my $id = $api->call('POST', '/api/v1/tasks/definitions', $token, { taskName => 'there',
	taskHandler => 'noop', scheduleType => 'ONCE', runAt => '2099-01-01T00:00:00Z' })->{body}{id};
my $tried = 0;
my %good = (
	'/api/v1/tasks' => { handler => 'noop' },
	'/api/v1/tasks/definitions' => { taskName => 'x', taskHandler => 'noop',
		scheduleType => 'ONCE', runAt => '2099-01-01T00:00:00Z' },
);
$good{'/api/v1/deployments'} = { app => 'noop', version => '1.0' };
$good{'/api/v1/tasks/definitions/{id}/run'} = { params => { n => 'noop' } };
$good{'/api/v1/tasks/definitions/{id}'} = $good{'/api/v1/tasks/definitions'};

sub send_body
{
	my ($method, $template, $text, %headers) = @_;
	$tried++;
	return $api->call($method, $template =~ s/\{\w+\}/$id/r, $token, $text, %headers);
}

sub is_named
{
	my ($a, $name) = @_;
	return grep { $_->{field} =~ /^\Q$name\E(?:[.\[]|$)/ } @{$a->{body}{errors} // []};
}

# Values that a field of this schema can't have, as JSON text.
sub wrong_values
{
	my ($schema) = @_;
	my %may = map { $_ => 1 } ref $schema->{type} ? @{$schema->{type}} : $schema->{type} // ();
	my @values;
	return () if !%may; # any value is good
	push @values, '[]', '[[[[[[]]]]]]', 'true', 'false' if !$may{array} && !$may{boolean};
	push @values, '-1e999', '1e400', '123456789012345678901234567890', '1.5', '-0.1'
		if !$may{number};
	push @values, '{}', '{"a":{"b":[1]}}' if !$may{object};
	push @values, '""', '"\u0000"', '"' . 'x' x 5000 . '"', '"\ud800"'
		if $may{string} && (exists $schema->{maxLength} ? $schema->{maxLength} < 5000
			&& ($schema->{minLength} // 0) > 0 : 0);
	push @values, '"no such word"' if $schema->{enum} || ($schema->{format} // '') =~ /uuid|date/;
	push @values, $schema->{maximum} + 1 if exists $schema->{maximum};
	push @values, $schema->{minimum} - 1 if exists $schema->{minimum};
	push @values, '"abc"' if !$may{string};
	push @values, '[]', '[1]', '"x"' if $may{array};
	return @values;
}

sub with
{
	my ($good, $name, $value) = @_;
	my %rest = %$good;
	delete $rest{$name};
	my $text = $json->encode(\%rest);
	my $key = $json->encode($name);
	return $text eq '{}' ? "{$key:$value}" : $text =~ s/\}\z/,$key:$value}/r;
}

for my $template (sort keys %$paths) {
	for my $method (map { uc } sort keys %{$paths->{$template}}) {
		my $sent = $paths->{$template}{lc $method}{requestBody} or next;
		my $schema = $sent->{content}{'application/json'}{schema};
		my $good = $good{$template} // die "no body is known for $template";
		my @bad;
		for my $name (sort keys %{$schema->{properties}}) {
			for my $value (wrong_values($schema->{properties}{$name})) {
				my $a = send_body($method, $template, with($good, $name, $value));
				my $shown = "$name: " . substr $value, 0, 40;
				push @bad, "$shown: $a->{status}" if $a->{status} !~ /^(?:422|400)$/;
				push @bad, "$shown: is not named: $a->{text}"
					if $a->{status} == 422 && !is_named($a, $name);
			}
		}
		for my $name (@{$schema->{required}}) {
			my %rest = %$good;
			delete $rest{$name};
			my $a = send_body($method, $template, \%rest);
			push @bad, "without $name: $a->{status}" if $a->{status} != 422
				|| !is_named($a, $name);
		}
		my $a = send_body($method, $template, { %$good, nope => 1 });
		push @bad, "nope: $a->{text}" if $a->{status} != 422 || !is_named($a, 'nope');
		is(join("\n", @bad), '', "$method $template: a wrong value is refused by its name");

		@bad = ();
		my $text = $json->encode($good);
		my %broken = (
			'nothing' => '', 'a space' => ' ', 'a list' => "[$text]", 'a number' => '7',
			'null' => 'null', 'two objects' => "$text$text", 'an end' => substr($text, 0, -1),
			'a comma' => $text =~ s/\}\z/,}/r, 'a comment' => "/**/$text",
			'a NUL' => "$text\0", 'bad UTF-8' => $text =~ s/noop/no\xff\xfeop/r,
			'an overlong slash' => $text =~ s/noop/no\xc0\xafop/r,
			'a surrogate in UTF-8' => $text =~ s/noop/\xed\xa0\x80/r,
			'depth' => '{"a":' x 1000 . '1' . '}' x 1000,
			'open brackets' => '[' x 100_000, 'a name twice' => $text =~ s/\{/{"handler":1,"taskName":1,/r,
			'a BOM' => "\xef\xbb\xbf$text", 'control bytes' => $text =~ s/noop/no\x01op/r,
		);
		delete $broken{nothing} unless $sent->{required};
		for my $what (sort keys %broken) {
			$a = send_body($method, $template, $broken{$what});
			push @bad, "$what: $a->{status} $a->{text}" if $a->{status} !~ /^4(?:00|22)$/;
		}
		$a = send_body($method, $template, with($good, 'x', '"' . 'y' x 300_000 . '"'));
		push @bad, "too long: $a->{status}" if $a->{status} != 413;
		$a = send_body($method, $template, $text, 'content-type' => 'text/xml');
		push @bad, "of a wrong type: $a->{status}" if $a->{status} != 415;
		is(join("\n", @bad), '', "$method $template: what is no object is refused");

		# A good body with bytes changed, cut and doubled.
		@bad = ();
		for (1 .. 120) {
			my $cut = $text;
			for (1 .. 1 + int rand 4) {
				my $at = int rand length $cut;
				my $how = int rand 4;
				substr($cut, $at, 1) = chr int rand 256 if $how == 0;
				substr($cut, $at, 1 + int rand 8) = '' if $how == 1;
				substr($cut, $at, 0) = substr $cut, int rand length $cut, 1 + int rand 16 if $how == 2;
				substr($cut, $at, 0) = ('{', '}', '"', ',', ':', '[', ']', '\\u', "\0", '1e9')[int rand 10]
					if $how == 3;
				$cut = '{' if $cut eq '';
			}
			$a = send_body($method, $template, $cut);
			push @bad, "$a->{status}: $cut" if $a->{status} !~ /^(?:4\d\d|20[01])$/;
		}
		is(join("\n", @bad), '', "$method $template: nor does noise do harm (seed $seed)");
	}
}

cmp_ok($tried, '>', 500, "$tried bodies were tried");
is(($api->node->pids('http'))[0], $pid, 'and the worker is the same');
is($api->call('GET', "/api/v1/tasks/definitions/$id", $token)->{status}, 200, 'and serves');
unlike(Reeve::slurp($api->node->dir . '/log/http.log') // '', qr/ database: [0-9A-Z]{5}: /,
	'and PostgreSQL has refused nothing');

$api->node->stop;
done_testing();
