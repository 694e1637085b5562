# SPDX-License-Identifier: ISC
#
# RedisServer - a redis-server of its own for a test, on a unix socket.
#
#	my $redis = RedisServer->new($dir);	# started, answers
#	$redis->cmd('XLEN', 'reeve:queue:{high}');
#	$redis->kill9; $redis->start; $redis->stop;
#
# Answers come as strings, numbers, array references or undef; an error dies
# with its text.
package RedisServer;

use strict;
use warnings;

use IO::Socket::UNIX;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

use Reeve qw(slow);

my @servers;

sub new
{
	my ($class, $dir, @more) = @_;
	my $self = bless { dir => $dir, socket => "$dir/redis.sock",
		more => [@more] }, $class;
	push @servers, $self;
	$self->start;
	return $self;
}

sub url
{
	my ($self) = @_;
	return "unix://$self->{socket}";
}

sub start
{
	my ($self) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>>', "$self->{dir}/redis.log";
		open STDERR, '>&', \*STDOUT;
		exec 'redis-server', '--port', '0', '--unixsocket',
			$self->{socket}, '--dir', $self->{dir}, '--save', '',
			@{$self->{more}};
		exit 127;
	}
	$self->{pid} = $pid;
	my $until = time + slow(10);
	until (eval { $self->cmd('PING') eq 'PONG' }) {
		die "redis-server does not answer" if time > $until;
		sleep 0.02;
	}
	return $self;
}

sub disconnect
{
	my ($self) = @_;
	delete $self->{fh};
}

sub end_with
{
	my ($self, $signal) = @_;
	return if !$self->{pid};
	$self->disconnect;
	kill $signal, $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
}

sub stop { $_[0]->end_with('TERM') }
sub kill9 { $_[0]->end_with('KILL') }

sub read_reply
{
	my ($self) = @_;
	my $fh = $self->{fh};
	my $line = <$fh> // die "redis: the connection is lost\n";
	$line =~ s/\r\n\z//;
	my ($type, $rest) = (substr($line, 0, 1), substr $line, 1);
	return $rest if $type eq '+' || $type eq ':';
	die "redis: $rest\n" if $type eq '-';
	return undef if $rest == -1;
	return [map { $self->read_reply } 1 .. $rest] if $type eq '*';
	read($fh, my $text, $rest + 2) == $rest + 2
		or die "redis: the connection is lost\n";
	return substr $text, 0, $rest;
}

sub cmd
{
	my ($self, @words) = @_;
	$self->{fh} //= IO::Socket::UNIX->new($self->{socket})
		// die "redis: $!\n";
	my $fh = $self->{fh};
	print {$fh} join '', '*', scalar @words, "\r\n",
		map { '$' . length($_) . "\r\n$_\r\n" } @words;
	$fh->flush;
	my $reply = eval { $self->read_reply };
	if ($@) {
		my $why = $@;
		$self->disconnect if $why =~ /lost/;
		die $why;
	}
	return $reply;
}

# Many commands in one write; the answers are counted, not kept.
sub many
{
	my ($self, @commands) = @_;
	$self->cmd('PING');
	my $fh = $self->{fh};
	while (my @part = splice @commands, 0, 500) {
		print {$fh} join '', map {
			my $c = $_;
			join '', '*', scalar @$c, "\r\n",
				map { '$' . length($_) . "\r\n$_\r\n" } @$c
		} @part;
		$fh->flush;
		$self->read_reply for @part;
	}
}

# A flat [name, value, ...] answer as a hash.
sub hash
{
	my ($self, @words) = @_;
	return { @{$self->cmd(@words) // []} };
}

END {
	my $rc = $?;
	$_->end_with('KILL') for @servers;
	$? = $rc;
}

1;
