#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A worker that is stopped or hangs is replaced; a master that was stopped
# kills nobody when it wakes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Reeve qw(alive http_get program run_command send_signal slow slurp
	wait_until);

my $HANG = 0.6;		# hang_timeout in seconds
# What finds a busy worker looks once a second, looks twice, and lets the
# worker write its backtrace.
my $BUSY_EXTRA = 1 + 0.3 + 0.5;

# An instruction that jumps to itself.
my %LOOP = (x86_64 => "\xeb\xfe", aarch64 => "\x00\x00\x00\x14");

sub daemon
{
	my ($name) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config(<<YAML);
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:\@PORT\@"]
    hang_timeout: ${\($HANG * 1000)}ms
  program:
    kind: program
    command: [sleep, "1000"]
    ready: { after: 10ms }
YAML
	return $r;
}

sub all_pids
{
	my ($r) = @_;
	return join ' ', map { $r->pids($_) } qw(web program governor logger);
}

subtest 'a stopped worker is replaced' => sub {
	my $r = daemon('stopped');
	$r->start or return;
	my ($victim, $other) = $r->pids('web');
	my $start = time;
	send_signal('STOP', $victim);
	wait_until {
		my @pids = $r->wait_pool('web', 2);
		!grep { $_ == $victim } @pids;
	} 10, 'it is replaced';
	my $took = time - $start;

	cmp_ok($took, '>=', $HANG, 'not before hang_timeout');
	cmp_ok($took, '<=', slow($HANG + 1),
		sprintf 'but within 1 s of it: after %.2f s', $took);
	ok(!alive($victim), 'the old one is gone');
	ok(alive($other), 'the other one is not');
	$r->wait_log(qr/web\.\d\[$victim\] hangs: stopped by a signal/);
	my @exits = map { $_->{last_exit} // '' } $r->workers('web');
	like("@exits", qr/SIGKILL \(stopped by a signal/,
		'status says why');
	$r->finish;
};

subtest 'a worker that is continued in time stays' => sub {
	my $r = daemon('continued');
	$r->start or return;
	my $before = all_pids($r);
	my ($victim) = $r->pids('web');
	send_signal('STOP', $victim);
	$r->wait_log(qr/web\.\d\[$victim\] was stopped by a signal/);
	send_signal('CONT', $victim);
	my $end = time + 2 * $HANG;
	wait_until { time > $end } 10;
	is(all_pids($r), $before, 'nobody is replaced');
	$r->finish;
};

subtest 'a stopped master kills nobody when it wakes' => sub {
	my $r = daemon('master');
	$r->start or return;
	my $before = all_pids($r);
	$r->signal('STOP');
	my $end = time + 2 * $HANG;
	while (time < $end) {
		is((http_get($r->port, '/healthz'))[0], 200,
			'the workers serve meanwhile') or last;
		sleep 0.2;
	}
	$r->signal('CONT');
	is((http_get($r->socket, '/status'))[0], 200, 'it is awake');
	$end = time + 1;
	wait_until { time > $end } 10;
	is(all_pids($r), $before, 'nobody is replaced');
	is(join(' ', grep { $_->{restarts} } map { $r->workers($_) }
		qw(web program governor logger)), '', 'nor restarted');
	unlike($r->log, qr/hangs|died/, 'nor suspected');
	$r->finish;
};

subtest 'a node that was stopped as a whole kills nobody when it wakes' => sub {
	my $r = daemon('suspended');
	$r->start or return;
	my $before = all_pids($r);
	my @all = ($r->pid, Reeve::descendants_of($r->pid));
	# As a suspended machine or a frozen cgroup: the master first, so that
	# it sees nobody stop.
	send_signal('STOP', @all);
	my $end = time + 2 * $HANG;
	wait_until { time > $end } 10;
	send_signal('CONT', reverse @all);
	$end = time + 1.5;
	wait_until { time > $end } 10;
	is(all_pids($r), $before, 'nobody is replaced');
	unlike($r->log, qr/hangs|died/, 'nor suspected');
	$r->finish;
};

# Where a function of the program lies in a process.
sub address_of
{
	my ($pid, $function) = @_;
	my (undef, $symbols) = run_command(20, 'nm', program('reeved'));
	my ($offset) = ($symbols // '') =~ /^([0-9a-f]+) [tT] \Q$function\E$/m
		or return undef;
	my ($base) = slurp("/proc/$pid/maps") =~ m{^([0-9a-f]+)-.*/reeved$}m
		or return undef;
	return hex($base) + hex $offset;
}

# Let a process hang as soon as it calls a function.
sub make_hang
{
	my ($pid, $function) = @_;
	my $loop = $LOOP{ (POSIX::uname())[4] } or return 0;
	my $at = address_of($pid, $function) or return 0;
	open my $mem, '+<:raw', "/proc/$pid/mem" or return 0;
	return sysseek($mem, $at, 0)
		&& (syswrite($mem, $loop) // 0) == length $loop;
}

sub test_busy
{
	my ($r, @victims) = @_;
	my $start = time;
	my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $r->port) or die "connect: $!";
	print $client "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	$client->flush;
	my %live = map { $_ => 1 } @victims;
	wait_until {
		delete $live{$_} for grep { !alive($_) } @victims;
		keys %live == 1;
	} 10, 'one of them goes' or diag($r->log);
	my $took = time - $start;
	cmp_ok($took, '>=', $HANG, 'not before hang_timeout');
	cmp_ok($took, '<=', slow($HANG + $BUSY_EXTRA + 0.5),
		sprintf 'but soon: after %.2f s', $took);
	$r->wait_pool('web', 2);
	$r->wait_log(qr/web\.\d\[\d+\] hangs: busy without a sign/);
	$r->wait_log(qr/backtrace of a worker told to abort.*reeved/s);
	ok(alive((keys %live)[0]), 'the idle one stays');
	return;
}

subtest 'a busy worker that gives no sign is replaced' => sub {
	my $r = daemon('busy');
	$r->start or return;
	my @victims = $r->pids('web');
	my $possible = grep { make_hang($_, 'route_healthz') } @victims;
	SKIP: {
		skip 'no way to patch a worker here', 1 if !$possible;
		test_busy($r, @victims);
	}
	$r->finish;
};

done_testing();
