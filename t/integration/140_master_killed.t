#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The master is killed: all that it ran is gone within a second, and a new one
# starts at once.  Of two that start together exactly one wins.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(alive descendants_of http_get is_root send_signal slow slurp
	wait_until);

my $ROUNDS = 20;

sub daemon
{
	my ($name) = @_;
	my $r = Reeve->new(name => $name);
	my $user = is_root() ? 'user: daemon' : '';
	$r->write_config(<<YAML);
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:\@PORT\@", "unix:\@DIR\@/run/web.sock"]
    $user
  program:
    kind: program
    count: 2
    command: [sleep, "1000"]
    ready: { after: 1ms }
    $user
  deaf:
    kind: program
    command: [perl, -e, '\$SIG{\$_} = "IGNORE" for qw(TERM INT HUP PIPE); sleep 1000']
    stop_timeout: 200ms
    ready: { after: 1ms }
  shell:
    kind: program
    command: exec sleep 1000
    ready: { after: 1ms }
YAML
	return $r;
}

subtest 'SIGKILL of the master' => sub {
	my $r = daemon('killed');
	$r->start or return;
	my @all = descendants_of($r->pid);
	cmp_ok(scalar @all, '>=', 8, scalar(@all) . ' processes run below it');
	$r->kill9;
	my @left;
	wait_until { @left = grep { alive($_) } @all; !@left } 1;
	is("@left", '', 'all are gone within a second');
	ok(-e $r->pid_file && -e $r->socket && -e "$r->{dir}/run/web.sock",
		'pid file and sockets are left');

	my $start = time;
	$r->start or return;
	cmp_ok(time - $start, '<', slow(2), sprintf
		'the next one starts past them in %.2f s', time - $start);
	is((http_get($r->port, '/healthz'))[0], 200, 'on the same port');
	is((http_get("$r->{dir}/run/web.sock", '/healthz'))[0], 200,
		'and the same socket');
	$r->finish;
};

subtest 'SIGKILL of the master at any moment' => sub {
	my $r = daemon('killed-early');
	my $yaml = slurp($r->config) =~ s/^processes:/processes:\n  check:
    kind: program
    command: [sleep, "1000"]
    ready: { exec: [sleep, "1000"], timeout: 60s }/mr;
	Reeve::spew($r->config, $yaml);
	for my $ms (0, 5, 10, 20, 40, 80, 300) {
		my $pid = $r->launch;
		my $until = time + slow($ms / 1000);
		my %all;
		do {
			$all{$_} = Reeve::start_of($_)
				for descendants_of($pid);
		} while time < $until;
		$r->kill9;
		my @left;
		wait_until { @left = $r->strays; !@left } 1;
		is("@left", '', "after $ms ms: all gone")
			or diag(map { slurp("/proc/$_/cmdline") . "\n" } @left);
	}
};

subtest 'two masters started together' => sub {
	my $r = daemon('two');
	my ($wins, $losers) = (0, 0);
	# Each round finds what the one before has left.
	for my $round (1 .. $ROUNDS) {
		my %exit = map { $r->launch => undef } 1, 2;
		wait_until {
			for my $pid (grep { !defined $exit{$_} } keys %exit) {
				$exit{$pid} = $? >> 8 if $pid ==
					waitpid $pid, POSIX::WNOHANG;
			}
			grep { defined } values %exit;
		} 10, "round $round: one of them ends";
		$losers += grep { ($_ // 0) == 3 } values %exit;
		($r->{pid}) = grep { !defined $exit{$_} } keys %exit;
		last if !$r->{pid} || !$r->wait_ready;
		$wins += $r->status->{pid} == $r->pid;
		is(slurp($r->pid_file), $r->pid . "\n",
			"round $round: the pid file is the winner's");
		$r->kill9;
	}
	is($wins, $ROUNDS, "in $ROUNDS rounds one of them serves");
	is($losers, $ROUNDS, 'and the other ends with 3');
	$r->start or return;
	$r->finish;
};

done_testing();
