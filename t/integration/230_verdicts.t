#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What is not known is not taken for well, and what is told is what happened.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(run_command send_signal slow slurp wait_until);
use Test::More;
use Time::HiRes qw(sleep);

subtest 'a program that can\'t be checked is not ready' => sub {
	my ($exit) = run_command(5, 'prlimit', '--version');
	plan skip_all => 'no prlimit(1)' if $exit != 0;
	my @daemons;
	# One of these is the number at which just the check finds no room.
	for my $limit (19 .. 28) {
		my $r = Reeve->new(name => "fd$limit");
		$r->write_config(<<'YAML');
processes:
  p:
    kind: program
    command: [sleep, "1000"]
    ready: { exec: ["false"] }
YAML
		$r->{prefix} = ['prlimit', "--nofile=$limit"];
		$r->launch('-v');
		push @daemons, $r;
	}
	# A program without a check is ready after a second.
	sleep slow(1.5);
	my @run = grep { $_->log =~ /p\.0\[\d+\](?:: | started)/ } @daemons;
	ok(@run > 0, 'the program runs in some');
	for my $r (@daemons) {
		unlike($r->log, qr/p\.0\[\d+\]: starting -> ready/,
			"$r->{name}: it is not ready");
		$r->signal('INT') if !defined $r->reap;
	}
	$_->wait_exit for @daemons;
};

sub proc_state
{
	my ($pid) = @_;
	my ($state) = (slurp("/proc/$pid/stat") // '') =~ /\) (\S)/;
	return $state // '';
}

# A running daemon with one program.
sub one
{
	my ($name, $settings) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config("processes:\n  p: { kind: program, "
		. "command: [sleep, \"1000\"], ready: { after: 10ms }, "
		. "$settings }\n");
	return $r->start ? $r : undef;
}

subtest 'a program that was stopped a while still ages' => sub {
	my $r = one('ages', 'max_age: 2s') or return;
	my ($pid) = $r->pids('p');
	send_signal('STOP', $pid);
	wait_until { (proc_state($pid)) eq 'T' } 5, 'it stops';
	sleep 0.1;
	send_signal('CONT', $pid);
	$r->wait_log(qr/p\.0\[$pid\] has reached max_age/);
	ok(wait_until(sub { my ($new) = $r->pids('p'); $new && $new != $pid },
		5), 'it is replaced');
	$r->finish;
};

done_testing;
