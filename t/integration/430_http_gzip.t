#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Large answers are compressed for those who want it so, and for nobody else.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Uncompress::Gunzip qw(gunzip $GunzipError);
use Test::More;
use Reeve;

sub daemon
{
	my ($name, $more) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config("processes:\n  web: { kind: http, count: 1, "
		. "listen: '127.0.0.1:\@PORT\@'$more }\n");
	$r->start or return;
	return $r;
}

# (head, body) of a request with these fields.
sub ask
{
	my ($r, $line, $fields) = @_;
	my $sock = Reeve::connect_to($r->port) or die "connect: $!";
	print $sock "$line HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
		. "$fields\r\n";
	$sock->flush;
	return split /\r\n\r\n/, Reeve::read_all($sock, 10) // "\r\n\r\n", 2;
}

sub length_of
{
	my ($head) = @_;
	return ($head =~ /^Content-Length: (\d+)/m)[0] // -1;
}

subtest 'a large answer is compressed where gzip is accepted' => sub {
	my $r = daemon('gzip', '') or return;

	my ($head, $body) = ask($r, 'GET /metrics', "Accept-Encoding: gzip\r\n");
	like($head, qr/^Content-Encoding: gzip\r?$/m, 'it is marked');
	like($head, qr/^Vary: Accept-Encoding\r?$/m, 'for caches as well');
	is(length_of($head), length $body, 'with its length');
	gunzip(\$body => \my $text) or diag($GunzipError);
	like($text, qr/\A# HELP .*^reeve_up 1\n.*\n\z/ms, 'it unpacks');
	cmp_ok(length $body, '<', length($text) / 3, 'and was much smaller');

	my ($again, $none) = ask($r, 'HEAD /metrics',
		"Accept-Encoding: br;q=1.0, gzip;q=0.8, *;q=0.1\r\n");
	like($again, qr/^Content-Encoding: gzip\r?$/m, 'so is HEAD\'s');
	is($none, '', 'which has no body');
	cmp_ok(abs(length_of($again) - length $body), '<', 300,
		'but its length');

	for my $fields ('', "Accept-Encoding: gzip;q=0\r\n",
		"Accept-Encoding: br\r\n") {
		($head, $body) = ask($r, 'GET /metrics', $fields);
		unlike($head, qr/^Content-Encoding/m, 'others get it as it is');
		like($head, qr/^Vary: Accept-Encoding\r?$/m, 'marked for caches');
		like($body, qr/^reeve_up 1$/m, 'and readable');
	}
	($head, $body) = ask($r, 'GET /healthz', "Accept-Encoding: gzip\r\n");
	unlike($head, qr/^(?:Content-Encoding|Vary)/m, 'a small one is left');
	is($body, qq({"status":"ok"}\n), 'as it is');
	$r->finish;
};

subtest 'it can be switched off' => sub {
	my $r = daemon('off', ', gzip: off') or return;

	my ($head, $body) = ask($r, 'GET /metrics', "Accept-Encoding: gzip\r\n");
	unlike($head, qr/^(?:Content-Encoding|Vary)/m, 'nothing is compressed');
	like($body, qr/^reeve_up 1$/m, 'and all readable');
	$r->finish;
};

done_testing();
