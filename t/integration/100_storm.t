#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# 200 rounds of SIGHUP and SIGKILL (fewer under sanitizers) leave the right count, no zombie, no
# stranger signalled, and a master as large as before.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use List::Util qw(shuffle);
use Test::More;
use Time::HiRes qw(sleep);
use Reeve qw(alive children_of fds_of is_sanitized send_signal slurp
	wait_until);

my $ROUNDS = is_sanitized() ? 60 : 200;
my $RELOADS = is_sanitized() ? 40 : 200;
my $FURTHEST = 0.025;	# seconds between two steps
my $COUNT = 3;		# workers of each pool

my $PIDFD_SEND_SIGNAL = 424;
my $PIDFD_OPEN = 434;
my $SIGKILL = 9;

# Kill a child of $parent for certain: the pidfd is taken first, then the
# parent is looked at, so a pid that changed hands is left alone.
sub kill_child
{
	my ($parent, $pid) = @_;
	my $fd = syscall $PIDFD_OPEN, $pid + 0, 0;
	return 0 if $fd == -1;
	my (undef, $now) = Reeve::proc_stat($pid);
	my $well = defined $now && $now == $parent
		&& syscall($PIDFD_SEND_SIGNAL, $fd, $SIGKILL, 0, 0) == 0;
	POSIX::close($fd);
	return $well;
}

# A process that is none of the daemon's and ends only when its parent does;
# any signal that can be caught ends it with 1.
sub stranger
{
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	$SIG{$_} = sub { POSIX::_exit(1) }
		for qw(HUP INT QUIT TERM USR1 USR2 ABRT ALRM CONT WINCH);
	sleep 0.1 while getppid != 1 && alive(getppid);
	POSIX::_exit(0);
}

sub write_round
{
	my ($r, $round) = @_;
	$r->write_config(<<YAML);
processes:
  web:
    kind: http
    count: $COUNT
    listen: ["127.0.0.1:\@PORT\@"]
    max_body: ${\(1000 + $round)}
    backoff_max: 100ms
    linger: 0s
  program:
    kind: program
    count: $COUNT
    command: [sleep, "1000"]
    environment: { ROUND: "$round" }
    backoff_max: 100ms
    ready: { after: 1ms }
YAML
	return;
}

sub zombies_of
{
	my ($pid) = @_;
	return grep { !alive($_) } children_of($pid);
}

# In KiB: all of its memory, and the part of it that grows in a master that
# leaks.
sub memory_of
{
	my ($pid) = @_;
	my $text = slurp("/proc/$pid/smaps_rollup");
	return map { $text =~ /^$_:\s+(\d+) kB/m } 'Rss', 'Anonymous';
}

subtest "$ROUNDS rounds of SIGHUP and SIGKILL" => sub {
	my $r = Reeve->new(name => 'storm');
	my @strangers = map { stranger() } 1 .. 10;
	write_round($r, 0);
	$r->start or return;
	my $fds = () = fds_of($r->pid);

	my $killed = 0;
	for my $round (1 .. $ROUNDS) {
		write_round($r, $round) if rand() < 0.5;
		$r->signal('HUP');
		sleep rand $FURTHEST;
		my ($victim) = shuffle children_of($r->pid);
		$killed += kill_child($r->pid, $victim) if $victim;
		sleep rand $FURTHEST;
	}
	cmp_ok($killed, '>', $ROUNDS / 2, "$killed were killed");
	ok(alive($r->pid), 'the master lives') or return;

	# What was killed last may be in its pause still: then it is forgiven.
	write_round($r, $ROUNDS + 1);
	my ($well, $error);
	wait_until { ($well, $error) = $r->reload; $well } 10;
	ok($well, 'the next reload is well') or diag($error);
	for my $pool (qw(web program)) {
		$r->wait_pool($pool, $COUNT);
		is($r->pool($pool)->{desired}, $COUNT, "$pool wants its $COUNT");
		my %slot = map { $_->{slot} => 1 } $r->workers($pool);
		is(join(' ', sort keys %slot), join(' ', 0 .. $COUNT - 1),
			'in their slots');
	}
	my @children;
	wait_until {
		@children = children_of($r->pid);
		@children == 2 * $COUNT + 2;
	} 10;
	is(scalar @children, 2 * $COUNT + 2,
		'the master has these, governor and logger') or diag($r->log);
	is(join(' ', zombies_of($r->pid)), '', 'no zombie');
	my @now;
	wait_until { @now = fds_of($r->pid); @now == $fds } 5;
	is(scalar @now, $fds, 'as many descriptors as at the start')
		or diag("@now");
	is(scalar(grep { alive($_) } @strangers), scalar @strangers,
		'no stranger was signalled');
	send_signal('KILL', @strangers);
	waitpid $_, 0 for @strangers;
	$r->finish;
};

# So many reloads more, each of other settings; true when all are well and the
# old workers have left.
my $round = 0;

sub reloads
{
	my ($r, $count) = @_;
	my $failed = 0;
	for (1 .. $count) {
		write_round($r, ++$round);
		my ($well, $error) = $r->reload;
		next if $well;
		$failed++;
		diag("reload $round: $error");
	}
	return !$failed && wait_until { 4 == @{[children_of($r->pid)]} } 5;
}

subtest "$RELOADS reloads" => sub {
	my $r = Reeve->new(name => 'leak');
	$COUNT = 1;
	write_round($r, 0);
	$r->start or return;
	ok(reloads($r, 20), 'the first are well');
	my $fds = () = fds_of($r->pid);

	# The heap may take a step to a size that it keeps.  A leak goes on.
	my ($all, $before, $after, $well);
	for (1 .. (is_sanitized() ? 1 : 3)) {
		($all, $before) = memory_of($r->pid);
		$well = reloads($r, $RELOADS);
		(undef, $after) = memory_of($r->pid);
		last if !$well || $after <= $before + $all * 0.01;
	}
	ok($well, 'are all well');
	my @now;
	wait_until { @now = fds_of($r->pid); @now == $fds } 5;
	is(scalar @now, $fds, 'no descriptor more') or diag("@now");
	SKIP: {
		skip 'a sanitizer keeps what is freed', 1 if is_sanitized();
		cmp_ok($after, '<=', $before + $all * 0.01,
			"and no memory: of $all KiB $before were its own, "
			. "and $after after");
	}
	$r->finish;
};

done_testing();
