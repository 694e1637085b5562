#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A worker in the hands of an attacker can send the master what it likes: that
# costs it its life and the node nothing.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(alive fds_of wait_until);
use Socket;
use Test::More;
use Time::HiRes qw(time);

# pidfd_open(2) and pidfd_getfd(2) have one number everywhere.
my ($PIDFD_OPEN, $PIDFD_GETFD, $READY, $SUSPECT) = (434, 438, 1, 4);

# A copy of the worker's end of its channel to the master.
sub channel_of
{
	my ($pid) = @_;
	my $pidfd = syscall($PIDFD_OPEN, $pid, 0);
	return undef if $pidfd < 0;
	for (fds_of($pid)) {
		my ($n) = /^(\d+) -> socket:/ or next;
		my $fd = syscall($PIDFD_GETFD, $pidfd, $n + 0, 0);
		return undef if $fd < 0;
		open my $s, '+<&=', $fd or next;
		return $s if unpack('i', getsockopt $s, SOL_SOCKET, SO_TYPE)
			== SOCK_SEQPACKET;
	}
	return undef;
}

sub message
{
	my ($type) = @_;
	return pack 'L L q a64 a416', $type, 1, 0, '', '';
}

my $r = Reeve->new(name => 'untrusted');
$r->write_config(<<'YAML');
processes:
  web: { kind: http, listen: ["unix:@DIR@/web.sock"] }
  other: { kind: http, listen: ["unix:@DIR@/other.sock"] }
YAML
$r->start or BAIL_OUT('no daemon');
my ($pid) = $r->pids('web');
my ($other) = $r->pids('other');
my $probe = channel_of($pid);
if (!$probe) {
	$r->finish;
	plan skip_all => "no descriptor of another process: $!";
}

sub is_replaced
{
	my ($name) = @_;
	my $new;
	ok(wait_until(sub { ($new) = $r->pids('web'); $new && $new != $pid },
		10), "$name is replaced") or diag($r->log);
	$r->wait_pool('web', 1);
	$pid = $new;
	return;
}

for ([ 'a worker that sends a governor\'s message', message($SUSPECT) ],
	[ 'a worker that sends half a message', 'half' ],
	[ 'a worker that sends an unknown message', message(99) ]) {
	my ($name, $record) = @$_;
	my $channel = channel_of($pid);
	ok(send($channel, $record, 0), "$name") or diag($!);
	is_replaced($name);
}

for ([ 'good', message($READY) ], [ 'bad', '!' ]) {
	my ($kind, $record) = @$_;
	my $channel = channel_of($pid);
	my $flood = fork // die "fork: $!";
	if ($flood == 0) {
		$SIG{PIPE} = 'DEFAULT';
		alarm 20;
		1 while defined send($channel, $record, 0) || $!{EAGAIN};
		POSIX::_exit(0);
	}
	close $channel;
	my $begin = time;
	my ($code) = $r->post('/reopen', 20);
	is($code, 200, "the master answers in a flood of $kind messages");
	is_replaced("a worker that sends a flood of $kind messages");
	waitpid $flood, 0;
}
like($r->log, qr/web\.0\[\d+\] floods the master/, 'the log says why');
is(($r->pids('other'))[0], $other, 'no other worker is touched');
$r->finish;
done_testing;
