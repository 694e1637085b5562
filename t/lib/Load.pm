# SPDX-License-Identifier: ISC
#
# Load - clients that ask an HTTP server without a pause and count exactly.
#
#	my $load = Load->start($port, clients => 4);
#	…
#	my $sum = $load->stop;	# { requests, failed, connections, errors }
#
# A request has failed when it does not get the whole of an answer with status
# 200; a connection may end only behind an answer with `Connection: close`.
package Load;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep);

my $REQUEST = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
my $TIMEOUT = 10;	# seconds that an answer may take

# pause: seconds between two requests of a connection.
# close: a connection for each request.
sub start
{
	my ($class, $port, %arg) = @_;
	my $self = bless { children => [] }, $class;
	for (1 .. $arg{clients} // 1) {
		pipe my $read, my $write or die "pipe: $!";
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			close $read;
			client($port, $write, %arg);
			POSIX::_exit(0);
		}
		push @{ $self->{children} }, [$pid, $read];
	}
	return $self;
}

# End the clients, each behind the answer it waits for; their counts.
sub stop
{
	my ($self) = @_;
	my %sum = (requests => 0, failed => 0, connections => 0, errors => []);
	kill 'TERM', map { $_->[0] } @{ $self->{children} };
	for my $child (@{ $self->{children} }) {
		my ($pid, $read) = @$child;
		local $/;
		my ($requests, $failed, $connections, $error) =
			split /\t/, <$read> // "0\t1\t0\tthe client died";
		waitpid $pid, 0;
		$sum{requests} += $requests;
		$sum{failed} += $failed;
		$sum{connections} += $connections;
		push @{ $sum{errors} }, $error if $error ne '';
	}
	$self->{children} = [];
	return \%sum;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);
	for my $child (@{ $self->{children} }) {
		kill 'KILL', $child->[0];
		waitpid $child->[0], 0;
	}
	return;
}

sub client
{
	my ($port, $report, %arg) = @_;
	my ($stop, $requests, $failed, $connections) = (0, 0, 0, 0);
	my ($sock, $first_error) = (undef, '');
	local $SIG{TERM} = sub { $stop = 1 };
	local $SIG{ALRM} = sub { die "no answer in time\n" };
	my $text = $REQUEST . ($arg{close} ? "Connection: close\r\n" : '')
		. "\r\n";

	while (!$stop) {
		my $keep = eval {
			alarm $TIMEOUT;
			if (!$sock) {
				$sock = IO::Socket::INET->new(
					PeerAddr => '127.0.0.1',
					PeerPort => $port)
					or die "connect: $!\n";
				$connections++;
			}
			$requests++;
			ask($sock, $text);
		};
		alarm 0;
		if (!defined $keep) {
			$failed++;
			$first_error ||= "request $requests: $@";
			sleep 0.01;
		}
		undef $sock if !$keep;
		sleep $arg{pause} if $arg{pause};
	}
	print $report join "\t", $requests, $failed, $connections,
		$first_error;
	close $report;
	return;
}

# One request; true when the connection may be used again.
sub ask
{
	my ($sock, $text) = @_;
	my ($sent, $answer, $n) = (0, '', 0);
	while ($sent < length $text) {
		$n = syswrite $sock, $text, length($text) - $sent, $sent;
		next if !defined $n && $!{EINTR};
		die "write: $!\n" if !defined $n;
		$sent += $n;
	}
	while (1) {
		my $end = index $answer, "\r\n\r\n";
		my ($size) = $answer =~ /^content-length: (\d+)/mi;
		last if $end >= 0
			&& length $answer >= $end + 4 + ($size // 0);
		$n = sysread $sock, $answer, 65536, length $answer;
		next if !defined $n && $!{EINTR};
		die 'read: ' . (defined $n ? 'end of file' : $!) . ' after '
			. length($answer) . " bytes\n" if !$n;
	}
	$answer =~ m{^HTTP/1\.1 200 } or die substr($answer, 0, 60) . "\n";
	return $answer !~ /^connection: close/mi ? 1 : 0;
}

1;
