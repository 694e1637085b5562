#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What is malformed, too large, ambiguous or slow gets one refusal and the
# end, whatever stands behind it, and nobody else feels it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Poll qw(POLLERR);
use IO::Select;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(slow);

my $H = "Host: a\r\n";
my $GET = "GET / HTTP/1.1\r\n$H";
my $POST = "POST / HTTP/1.1\r\n$H";
my $CHUNKS = "${POST}Transfer-Encoding: chunked\r\n\r\n";
# What a smuggler hides: it must never be answered.
my $HIDDEN = "GET /healthz HTTP/1.1\r\n$H\r\n";

my @framing = (
	['length and chunks', 400,
		"${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
	['chunks and length', 400,
		"${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"],
	['two lengths that differ', 400,
		"${POST}Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"],
	['two equal lengths', 400,
		"${POST}Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello"],
	['a list of lengths', 400, "${POST}Content-Length: 5, 5\r\n\r\nhello"],
	['a length with a plus', 400, "${POST}Content-Length: +5\r\n\r\nhello"],
	['a negative length', 400, "${POST}Content-Length: -1\r\n\r\n"],
	['a hexadecimal length', 400, "${POST}Content-Length: 0x5\r\n\r\nhello"],
	['a length of two words', 400, "${POST}Content-Length: 5 5\r\n\r\nhello"],
	['an empty length', 400, "${POST}Content-Length:\r\n\r\n"],
	['a length and more', 400, "${POST}Content-Length: 5;\r\n\r\nhello"],
	['a length beyond 64 bits', 413,
		"${POST}Content-Length: 18446744073709551621\r\n\r\nhello"],
	['a length above the limit', 413, "${POST}Content-Length: 65537\r\n\r\n"],
	['two transfer codings', 400,
		"${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"],
	['chunked twice', 501,
		"${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"],
	['chunked, but not last', 400,
		"${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"],
	['the coding identity', 400, "${POST}Transfer-Encoding: identity\r\n\r\n"],
	['a coding like chunked', 400, "${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"],
	['chunked with a parameter', 400,
		"${POST}Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"],
	['chunked behind a vertical tab', 400,
		"${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"],
	['a folded coding', 400,
		"${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"],
	['a coding with a space before its colon', 400,
		"${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"],
	['chunks in HTTP/1.0', 400,
		"POST / HTTP/1.0\r\n${H}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
	['another coding', 501, "${POST}Transfer-Encoding: gzip, chunked\r\n\r\n"],
);

my @chunks = (
	['a chunk without a size', 400, "$CHUNKS\r\nhello\r\n0\r\n\r\n"],
	['a chunk of negative size', 400, "${CHUNKS}-1\r\n\r\n"],
	['a chunk size with a plus', 400, "${CHUNKS}+5\r\nhello\r\n0\r\n\r\n"],
	['a chunk size with 0x', 400, "${CHUNKS}0x5\r\nhello\r\n0\r\n\r\n"],
	['a chunk size behind a space', 400, "$CHUNKS 5\r\nhello\r\n0\r\n\r\n"],
	['a chunk size before a space', 400, "${CHUNKS}5 \r\nhello\r\n0\r\n\r\n"],
	['a chunk size of 17 digits', 400, "${CHUNKS}00000000000000005\r\nhello\r\n"],
	['a chunk size that overflows', 413, "${CHUNKS}ffffffffffffffff\r\n"],
	['chunks above the limit', 413, "${CHUNKS}8000\r\n" . 'x' x 32768
		. "\r\n8001\r\n"],
	['a chunk size and a bare line feed', 400, "${CHUNKS}5\nhello\r\n0\r\n\r\n"],
	['a chunk size and a bare return', 400, "${CHUNKS}5\rhello\r\n0\r\n\r\n"],
	['a chunk without an end', 400, "${CHUNKS}5\r\nhello0\r\n\r\n"],
	['a chunk longer than its size', 400, "${CHUNKS}4\r\nhello\r\n0\r\n\r\n"],
	['a chunk that ends in a line feed', 400, "${CHUNKS}5\r\nhello\n0\r\n\r\n"],
	['a chunk extension too long', 400, "${CHUNKS}5;" . 'x' x 1100 . "\r\n"],
	['a NUL in a chunk extension', 400, "${CHUNKS}5;\0\r\nhello\r\n0\r\n\r\n"],
	['a line feed in a chunk extension', 400, "${CHUNKS}5;a\nb\r\nhello\r\n"],
	['a trailer without a colon', 400, "${CHUNKS}0\r\nX\r\n\r\n"],
	['a trailer with a space before its colon', 400, "${CHUNKS}0\r\nX : y\r\n\r\n"],
	['a folded trailer', 400, "${CHUNKS}0\r\nX: y\r\n z\r\n\r\n"],
	['a bare line feed in a trailer', 400, "${CHUNKS}0\r\nX: y\n\r\n\r\n"],
	['trailers too long', 431, "${CHUNKS}0\r\nX: " . 'y' x 5000],
);

my @lines = (
	['bare line feeds', 400, "GET / HTTP/1.1\nHost: a\n\n"],
	['bare returns', 400, "GET / HTTP/1.1\rHost: a\r\r\r\n\r\n"],
	['HTTP/0.9', 400, "GET /\r\n\r\n"],
	['HTTP/2.0', 505, "GET / HTTP/2.0\r\n$H\r\n"],
	['the preface of HTTP/2', 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
	['a version of three digits', 400, "GET / HTTP/1.11\r\n$H\r\n"],
	['a version in small letters', 400, "GET / http/1.1\r\n$H\r\n"],
	['a version of another name', 400, "GET / HTTQ/1.1\r\n$H\r\n"],
	['a method in small letters', 501, "get / HTTP/1.1\r\n$H\r\n"],
	['an unknown method', 501, "BREW / HTTP/1.1\r\n$H\r\n"],
	['TRACE', 501, "TRACE / HTTP/1.1\r\n$H\r\n"],
	['CONNECT', 501, "CONNECT a:80 HTTP/1.1\r\n$H\r\n"],
	['a method with a parenthesis', 400, "GE(T / HTTP/1.1\r\n$H\r\n"],
	['two spaces behind the method', 400, "GET  / HTTP/1.1\r\n$H\r\n"],
	['two spaces before the version', 400, "GET /  HTTP/1.1\r\n$H\r\n"],
	['tabs for spaces', 400, "GET\t/\tHTTP/1.1\r\n$H\r\n"],
	['a space in front', 400, " GET / HTTP/1.1\r\n$H\r\n"],
	['a space at the end', 400, "GET / HTTP/1.1 \r\n$H\r\n"],
	['no target', 400, "GET HTTP/1.1\r\n$H\r\n"],
	['a target without a slash', 400, "GET healthz HTTP/1.1\r\n$H\r\n"],
	['a control byte in the target', 400, "GET /\x01 HTTP/1.1\r\n$H\r\n"],
	['a byte above ASCII in the target', 400, "GET /\xe4 HTTP/1.1\r\n$H\r\n"],
	['a fragment', 400, "GET /#x HTTP/1.1\r\n$H\r\n"],
	['a backslash', 400, "GET /a\\..\\b HTTP/1.1\r\n$H\r\n"],
	['a path above the root', 400, "GET /../etc/passwd HTTP/1.1\r\n$H\r\n"],
	['the same, encoded', 400, "GET /%2e%2e/etc/passwd HTTP/1.1\r\n$H\r\n"],
	['an encoded slash', 400, "GET /a%2fb HTTP/1.1\r\n$H\r\n"],
	['an encoded NUL', 400, "GET /%00 HTTP/1.1\r\n$H\r\n"],
	['an encoded line end', 400, "GET /%0d%0a HTTP/1.1\r\n$H\r\n"],
	['a bad percent-encoding', 400, "GET /%zz HTTP/1.1\r\n$H\r\n"],
	['a cut percent-encoding', 400, "GET /%4 HTTP/1.1\r\n$H\r\n"],
	['a bad percent-encoding in the query', 400, "GET /?a=%g1 HTTP/1.1\r\n$H\r\n"],
	['the target * of GET', 400, "GET * HTTP/1.1\r\n$H\r\n"],
	['a URL of another scheme', 400, "GET ftp://a/ HTTP/1.1\r\n$H\r\n"],
	['a URL with a user', 400, "GET http://u\@a/ HTTP/1.1\r\n$H\r\n"],
	['a URL of another host', 400, "GET http://b/ HTTP/1.1\r\n$H\r\n"],
	['a target too long', 414, 'GET /' . 'a' x 5000],
	['a greeting of TLS', 400, "\x16\x03\x01\x02\x00\x01\x00"],
	['PROXY protocol 1', 400, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n$GET\r\n"],
	['PROXY protocol 2', 400, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" . "\1" x 12],
);

my @fields = (
	['no Host', 400, "GET / HTTP/1.1\r\n\r\n"],
	['two Hosts', 400, "GET / HTTP/1.1\r\n$H$H\r\n"],
	['a Host of two words', 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"],
	['a Host with a path', 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
	['a list of Hosts', 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"],
	['a Host with a user', 400, "GET / HTTP/1.1\r\nHost: u\@a\r\n\r\n"],
	['a Host with a bad port', 400, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"],
	['a folded field', 400, "${GET}X: a\r\n b\r\n\r\n"],
	['a first field that is folded', 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
	['a space before the colon', 400, "${GET}Content-Length : 5\r\n\r\nhello"],
	['a field without a name', 400, "${GET}: x\r\n\r\n"],
	['a field without a colon', 400, "${GET}X\r\n\r\n"],
	['a byte above ASCII in a name', 400, "${GET}X\xe4: y\r\n\r\n"],
	['a NUL in a value', 400, "${GET}X: \0\r\n\r\n"],
	['a bare return in a value', 400, "${GET}X: a\rY: b\r\n\r\n"],
	['a bare line feed in a value', 400, "${GET}X: a\nContent-Length: 5\r\n\r\nhello"],
	['a control byte in a value', 400, "${GET}X: \x01\r\n\r\n"],
	['DEL in a value', 400, "${GET}X: \x7f\r\n\r\n"],
	['another expectation', 417, "${POST}Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"],
	['two expectations', 400,
		"${POST}Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"],
	(map { ["two fields $_", 400, "${POST}$_: a\r\nX: y\r\n" . lc . ": a\r\n\r\n"] }
		qw(Authorization Content-Type Content-Encoding Idempotency-Key)),
	['too many fields', 431, $GET . "a:\r\n" x 101 . "\r\n"],
	['a header too long', 431, "${GET}X: " . 'a' x 5000],
);

# What is sent at once, and then byte by byte, so slowly that no deadline of
# 500 ms is kept; each is cut with this status, 0: without a word.
my @slow = (
	['nothing at all', 0, '', ''],
	['only an empty line', 408, "\r\n", ''],
	['a request line that stops', 408, 'GET /hea', ''],
	['a request line byte by byte', 408, 'G', 'ET /healthz HTTP/1.1'],
	['a field that stops', 408, "${GET}X: y", ''],
	['a field byte by byte', 408, "${GET}X: ", 'y' x 100],
	['a header without its last line', 408, $GET, ''],
	['fields without end', 408, $GET, "X:y\r\n" x 30],
	['a greeting of another protocol', 408, "SSH-2.0-OpenSSH_9.2\r\n", ''],
	['a body that does not come', 408, "${POST}Content-Length: 5\r\n\r\n", ''],
	['a body that stops', 408, "${POST}Content-Length: 5\r\n\r\nhel", ''],
	['a body byte by byte', 408, "${POST}Content-Length: 500\r\n\r\n", 'x' x 100],
	['chunks that do not come', 408, $CHUNKS, ''],
	['a chunk size that stops', 408, "${CHUNKS}1", ''],
	['a chunk that stops', 408, "${CHUNKS}5\r\nhel", ''],
	['chunks byte by byte', 408, $CHUNKS, "1\r\nx\r\n" x 20],
	['chunk extensions byte by byte', 408, "${CHUNKS}5;", 'x' x 100],
	['chunks without the last', 408, "${CHUNKS}5\r\nhello\r\n", ''],
	['trailers byte by byte', 408, "${CHUNKS}0\r\nX: ", 'y' x 100],
	['a body not sent after 100', 408,
		"${POST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", ''],
);

my $r = Reeve->new(name => 'bad');
$r->write_config(<<'YAML');
processes:
  web:
    kind: http
    count: 1
    listen: "127.0.0.1:@PORT@"
    max_header: 4K
    max_body: 64K
    header_timeout: 500ms
    body_timeout: 500ms
    write_timeout: 500ms
    keepalive_timeout: 60s
YAML
$r->start or BAIL_OUT('no daemon');
my ($pid) = $r->pids('web');

sub connected
{
	my $sock = Reeve::connect_to($r->port) or die "connect: $!";
	$sock->autoflush(1);
	return $sock;
}

# The one that must not feel it: one request, answered 200 in time.
my $other = connected();
sub is_other_served
{
	my ($end, $all) = (time + slow(5), '');
	print $other "GET /healthz HTTP/1.1\r\n$H\r\n";
	while ((my $left = $end - time) > 0) {
		IO::Select->new($other)->can_read($left) or last;
		sysread $other, $all, 4096, length $all or last;
		return 1 if $all =~ m{\AHTTP/1\.1 200 .*"ok"\}\n\z}s;
	}
	diag("the other client saw: $all");
	return 0;
}

# All that comes back: one answer with this status, as a problem document,
# and the end of the connection.
sub is_refused
{
	my ($name, $wanted, $all) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $title = "$name: $wanted and the end";
	return fail("$title, but it stays open") if !defined $all;
	my ($head, $body) = split /\r\n\r\n/, $all, 2;
	my $status = eval { decode_json($body // '')->{status} } // 'none';
	my $ok = ($head // '') =~ m{\AHTTP/1\.1 $wanted .*^Connection: close\r?$}ms
		&& $status eq $wanted && 1 == (() = $all =~ m{^HTTP/1\.1 }mg);
	return ok($ok, $title) || diag($all);
}

sub refuses_all
{
	my (@cases) = @_;
	my ($fine, $unfelt) = (0, 0);
	for my $case (@cases) {
		my ($name, $wanted, $text) = @$case;
		my $sock = connected();
		print $sock $text . $HIDDEN;
		is_refused($name, $wanted, Reeve::read_all($sock, 5));
		close $sock;
		$unfelt += is_other_served();
	}
	is($unfelt, scalar @cases, 'another client is served all the while');
	is(($r->pids('web'))[0], $pid, 'by the same worker');
	return;
}

subtest 'bodies whose end could be taken for another' => sub {
	refuses_all(@framing);
};

subtest 'chunks that are none' => sub {
	refuses_all(@chunks);
};

subtest 'request lines that are none' => sub {
	refuses_all(@lines);
};

subtest 'header fields that are none' => sub {
	refuses_all(@fields);
};

subtest 'what follows a good request is looked at as closely' => sub {
	for my $case ($framing[0], $chunks[3], $lines[0], $fields[7]) {
		my ($name, $wanted, $text) = @$case;
		my $sock = connected();
		print $sock $HIDDEN x 3 . $text . $HIDDEN;
		my $all = Reeve::read_all($sock, 5) // '';
		$all =~ s{\A(?:HTTP/1\.1 200 OK\r\n.*?"ok"\}\n){3}}{}s
			or fail('three good ones are answered');
		is_refused("$name, behind three", $wanted, $all);
	}
};

subtest 'clients that are slow' => sub {
	my (%case, %text, %rest);
	for my $case (@slow) {
		my $sock = connected();
		print $sock $case->[2];
		$case{$sock} = [$sock, @$case];
		$text{$sock} = '';
		$rest{$sock} = $case->[3];
	}
	my $end = time + slow(10);
	my ($asked, $served) = (0, 0);
	while (%rest && time < $end) {
		for my $key (keys %rest) {
			my $byte = substr $rest{$key}, 0, 1, '';
			syswrite $case{$key}[0], $byte if $byte ne '';
		}
		$asked++;
		$served += is_other_served();
		for my $sock (IO::Select->new(map { $case{$_}[0] } keys %rest)
			->can_read(0.05)) {
			sysread $sock, $text{$sock}, 4096, length $text{$sock}
				or delete $rest{$sock};
		}
	}
	for my $key (sort { $case{$a}[1] cmp $case{$b}[1] } keys %case) {
		my ($sock, $name, $wanted) = @{ $case{$key} };
		my $text = $text{$key} =~ s{\AHTTP/1\.1 100 Continue\r\n\r\n}{}r;
		if ($wanted == 0) {
			is($text, '', "$name: the end");
		} else {
			is_refused($name, $wanted,
				exists $rest{$key} ? undef : $text);
		}
	}
	is($served, $asked, 'another client is served all the while');
	is(($r->pids('web'))[0], $pid, 'by the same worker');
};

subtest 'clients that do not read' => sub {
	my @poll = map { my $p = IO::Poll->new; $p->mask(connected() => POLLERR); $p } 1 .. 5;
	my ($asked, $served, $end) = (0, 0, time + slow(15));
	for my $poll (@poll) {
		my ($sock) = $poll->handles;
		$sock->blocking(0);
		syswrite $sock, "GET /metrics HTTP/1.1\r\n$H\r\n" x 1000;
	}
	# A connection that is cut hangs up though there is more to read.
	while (time < $end && grep { $_->poll(0.02) < 1 } @poll) {
		$asked++;
		$served += is_other_served();
		for my $poll (@poll) {
			my ($sock) = $poll->handles;
			syswrite $sock, "GET /metrics HTTP/1.1\r\n$H\r\n";
		}
	}
	is(scalar(grep { $_->poll(0) == 1 } @poll), 5, 'they are cut');
	is($served, $asked, "and others served meanwhile, $asked times");
	is(($r->pids('web'))[0], $pid, 'by the same worker');
};

cmp_ok(@framing + @chunks + @lines + @fields + @slow, '>=', 60,
	'that was a lot of them');
is(($r->workers('web'))[0]{restarts}, 0, 'the worker never died');
$r->finish;
done_testing();
