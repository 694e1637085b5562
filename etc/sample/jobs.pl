#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# jobs - a service of somebody else's, as small as can be, for the handlers of
# kind `http` and `poll` in process.dev.yaml to call.
#
#   POST /words    {"text": "to be"}  ->  {"words": 2}      done at once
#   POST /jobs     {"text": "to be"}  ->  {"id": "1"}       taken, done later
#   GET  /jobs/1   ->  {"status": "running"}, and from the second question on
#                      {"status": "done", "words": 2}
#   GET  /health   ->  {}
#
# usage: jobs.pl PORT
use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;

use constant {
	BODY_MAX => 65536,
	CLIENT_MAX_S => 5,
	JOBS_MAX => 1000,
	QUESTIONS => 2,
};

my %reason = (200 => 'OK', 201 => 'Created', 400 => 'Bad Request',
	404 => 'Not Found', 413 => 'Content Too Large');
my (%jobs, @order);
my $last_id = 0;

sub words
{
	my ($body) = @_;
	my $params = eval { decode_json($body) };
	return undef if ref $params ne 'HASH' || !defined $params->{text};
	return scalar(() = $params->{text} =~ /\S+/g);
}

# What is kept has an end: the oldest job is forgotten.
sub job_new
{
	my ($words) = @_;
	my $id = ++$last_id;
	$jobs{$id} = { words => $words, questions => 0 };
	push @order, $id;
	delete $jobs{shift @order} if @order > JOBS_MAX;
	return (201, { id => "$id" });
}

sub job_state
{
	my ($job) = @_;
	return (404, { error => 'there is no such job' }) if !$job;
	return (200, { status => 'running' }) if ++$job->{questions} < QUESTIONS;
	return (200, { status => 'done', words => $job->{words} });
}

sub answer
{
	my ($method, $path, $body) = @_;
	return (200, {}) if "$method $path" eq 'GET /health';
	return job_state($jobs{$1}) if "$method $path" =~ m{^GET /jobs/(\d+)$};
	return (404, { error => 'try POST /words or POST /jobs' })
		if "$method $path" !~ m{^POST /(words|jobs)$};
	my $words = words($body);
	return (400, { error => 'the body is not {"text": ...}' }) if !defined $words;
	return $path eq '/jobs' ? job_new($words) : (200, { words => $words });
}

sub serve
{
	my ($client) = @_;
	my ($method, $path) = (<$client> // '') =~ m{^([A-Z]+) (\S+) HTTP/1} or return;
	my ($length, $body) = (0, '');
	while (defined(my $line = <$client>)) {
		$length = $1 if $line =~ /^content-length:\s*(\d+)/i;
		last if $line =~ /^\r?\n$/;
	}
	my ($code, $data) = (413, { error => 'too much' });
	if ($length <= BODY_MAX) {
		read($client, $body, $length) == $length or return;
		($code, $data) = answer($method, $path, $body);
	}
	my $text = encode_json($data);
	print $client "HTTP/1.1 $code $reason{$code}\r\nContent-Type: application/json\r\n",
		'Content-Length: ', length $text, "\r\nConnection: close\r\n\r\n", $text;
	print "$method $path $code\n" if $path ne '/health';
}

my $port = shift // die "usage: jobs.pl PORT\n";
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port,
	Listen => 64, ReuseAddr => 1) or die "port $port: $@\n";
$| = 1;
$SIG{TERM} = sub { exit 0 };
$SIG{PIPE} = 'IGNORE';
while (1) {
	my $client = $listener->accept or next;
	# One after the other, and none for long.
	eval {
		local $SIG{ALRM} = sub { die "too slow\n" };
		alarm CLIENT_MAX_S;
		serve($client);
	};
	print "a client: $@" if $@;
	alarm 0;
	close $client;
}
