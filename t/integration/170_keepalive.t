#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Keep-alive load over 100 reloads (fewer under sanitizers) and over upgrades in
# place: no request fails.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Load;
use Reeve qw(alive children_of is_sanitized run_command slurp wait_until);

my $RELOADS = is_sanitized() ? 20 : 100;
my $UPGRADES = is_sanitized() ? 2 : 5;
my $COUNT = 2;

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
  program:
    kind: program
    command: [sleep, "1000"]
    ready: { after: 10ms }
YAML
	return;
}

# wrk in the background; a function that ends it and gives what it printed.
sub start_wrk
{
	my ($r) = @_;
	my $out = "$r->{dir}/wrk.out";
	return if (run_command(5, 'sh', '-c', 'command -v wrk'))[0] != 0;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $out;
		open STDERR, '>&', \*STDOUT;
		{ exec 'wrk', '-t1', '-c8', '-d600s',
			"http://127.0.0.1:$r->{port}/healthz"; }
		POSIX::_exit(127);
	}
	return sub {
		Reeve::send_signal('INT', $pid);
		waitpid $pid, 0;
		return slurp($out);
	};
}

# Run $work under load, of every kind of client at once.
sub under_load
{
	my ($r, $work) = @_;
	my $wrk = start_wrk($r);
	my %load = (
		'back to back' => Load->start($r->port, clients => 3),
		'with pauses' => Load->start($r->port, clients => 3,
			pause => 0.003),
		'with long pauses' => Load->start($r->port, clients => 3,
			pause => 0.3),
		'one request a connection' => Load->start($r->port,
			clients => 2, close => 1, pause => 0.001),
	);
	$work->();
	for my $kind (sort keys %load) {
		my $sum = $load{$kind}->stop;
		is($sum->{failed}, 0, sprintf '%s: 0 failed of %d requests '
			. 'on %d connections', $kind, $sum->{requests},
			$sum->{connections})
			or diag(@{ $sum->{errors} });
		cmp_ok($sum->{requests}, '>', 0, 'of some');
	}
	SKIP: {
		skip 'no wrk', 2 if !$wrk;
		my $said = $wrk->();
		like($said, qr/^\s*([1-9]\d*) requests in/m, 'wrk has asked');
		unlike($said, qr/Socket errors|Non-2xx/,
			'and is content too') or diag($said);
	}
	return;
}

subtest "$RELOADS reloads" => sub {
	my $r = Reeve->new(name => 'load');
	write_round($r, 0);
	$r->start or return;
	my @program = $r->pids('program');
	under_load($r, sub {
		my @bad;
		for my $round (1 .. $RELOADS) {
			write_round($r, $round);
			my ($well, $error) = $r->reload;
			push @bad, "$round: $error" if !$well;
		}
		is("@bad", '', 'all reloads are well');
	});
	is($r->pool('web')->{generation}, $RELOADS + 1, 'each was a roll');
	is(join(' ', $r->pids('program')), "@program",
		'the pool that did not change has its pid');
	$r->finish;
};

subtest "$UPGRADES upgrades in place" => sub {
	my $r = Reeve->new(name => 'upgrade-load');
	write_round($r, 0);
	$r->start or return;
	my @program = $r->pids('program');
	under_load($r, sub {
		for my $round (1 .. $UPGRADES) {
			my @web = $r->pids('web');
			my ($exit, $out, $err) = $r->ctl('upgrade');
			is($exit, 0, "upgrade $round: reevectl exits with 0")
				or diag($err);
			ok(!defined $r->reap, 'the master lives');
			is(($r->status // {})->{pid}, $r->pid,
				'and has its pid');
			my %old = map { $_ => 1 } @web;
			is(scalar(grep { $old{$_} } $r->pids('web')), 0,
				'the workers are new');
			is(join(' ', $r->pids('program')), "@program",
				'the program is the old one');
			is(slurp($r->pid_file), $r->pid . "\n",
				'the pid file too');
		}
	});
	wait_until { $COUNT + 3 == @{[children_of($r->pid)]} } 10,
		'old workers leave';
	is(join(' ', grep { !alive($_) } children_of($r->pid)), '',
		'no zombie');
	$r->finish;
};

done_testing();
