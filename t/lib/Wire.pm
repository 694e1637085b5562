# SPDX-License-Identifier: ISC
#
# Wire - the network between a node and a server, to be cut.
#
#	my $wire = Wire->new($pg->port);	# or the path of a unix socket
#	$wire->port; $wire->path;	# where it is reached; one of the two
#	$wire->freeze; $wire->thaw;	# nothing passes, nobody is told
#	$wire->break; $wire->mend;	# connections are reset, new ones refused
#
# A process of its own carries the bytes; it ends with the test.
package Wire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

use Reeve qw(free_port send_signal);

my @wires;
my $made = 0;

sub new
{
	my ($class, $to) = @_;
	my $self = bless { to => $to, owner => $$ }, $class;
	if ($to =~ m{^/}) {
		$self->{path} = "$to." . ++$made;
	} else {
		$self->{port} = free_port();
	}
	push @wires, $self;
	return $self->mend;
}

sub port { return $_[0]{port} }
sub path { return $_[0]{path} }

sub open_end
{
	my ($self, $is_listener) = @_;
	if ($self->{path}) {
		unlink $self->{path} if $is_listener;
		my $s = IO::Socket::UNIX->new($is_listener
			? (Local => $self->{path}, Listen => 64)
			: (Peer => $self->{to}));
		chmod 0666, $self->{path} if $is_listener;
		return $s;
	}
	return IO::Socket::INET->new($is_listener
		? (LocalAddr => '127.0.0.1', LocalPort => $self->{port},
			Listen => 64, ReuseAddr => 1)
		: (PeerAddr => '127.0.0.1', PeerPort => $self->{to}));
}

# Carry bytes from each end to its other, for ever.
sub carry
{
	my ($self, $listener) = @_;
	my $all = IO::Select->new($listener);
	my %other;
	while (1) {
		for my $from ($all->can_read) {
			if ($from == $listener) {
				my $in = $listener->accept // next;
				my $out = $self->open_end(0) // next;
				$all->add($in, $out);
				@other{$in, $out} = ($out, $in);
				next;
			}
			my $to = $other{$from} // next;
			my $n = sysread $from, my $bytes, 65536;
			my $is_sent = $n;
			while ($is_sent && length $bytes) {
				$is_sent = syswrite $to, $bytes;
				substr $bytes, 0, $is_sent, '' if $is_sent;
			}
			next if $is_sent;
			delete @other{$from, $to};
			$all->remove($from, $to);
			close $_ for $from, $to;
		}
	}
}

sub freeze { send_signal('STOP', $_[0]{pid}) }
sub thaw { send_signal('CONT', $_[0]{pid}) }

sub break
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;
	send_signal('KILL', $pid);
	waitpid $pid, 0;
	return;
}

sub mend
{
	my ($self) = @_;
	return $self if $self->{pid};
	my $listener = $self->open_end(1) // die "wire: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$SIG{PIPE} = 'IGNORE';
		$self->carry($listener);
	}
	$self->{pid} = $pid;
	return $self;
}

END {
	my $rc = $?;
	$_->break for grep { $_->{owner} == $$ } @wires;
	$? = $rc;
}

1;
