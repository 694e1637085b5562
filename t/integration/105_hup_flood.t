#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# 100 SIGHUPs in one second, each with another file: the last file wins, and
# there are never more than two generations of a pool.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use Reeve qw(slow slurp wait_until);

my $SIGNALS = 100;
my $COUNT = 2;
my $ROUNDS = 2 * $COUNT + 4;	# workers that say what file they are of

my $r = Reeve->new(name => 'flood');
# Takes longer to stop than ten signals are apart.
my $slow = $r->write_script('slow', <<'SH');
#!/bin/sh
trap 'sleep 0.15; exit 0' TERM
while :; do sleep 0.02; done
SH

sub write_round
{
	my ($round) = @_;
	$r->write_config(<<YAML);
processes:
  web:
    kind: http
    count: $COUNT
    listen: ["127.0.0.1:\@PORT\@"]
    max_body: ${\(1000 + $round)}
    linger: 0s
  slow:
    kind: program
    count: $COUNT
    command: [$slow]
    environment: { ROUND: "$round" }
    ready: { after: 15ms }
  one_by_one:
    kind: program
    count: $COUNT
    command: [sleep, "1000"]
    max_surge: 0
    environment: { ROUND: "$round" }
    ready: { after: 5ms }
  in_steps:
    kind: program
    count: 4
    command: [sleep, "1000"]
    max_surge: 1
    environment: { ROUND: "$round" }
    ready: { after: 5ms }
YAML
	return;
}

# Generations of living workers by pool and pid.
sub look
{
	my %seen;
	for my $pool (@{ ($r->status // {})->{pools} // [] }) {
		$seen{ $pool->{name} }{ $_->{pid} } = $_->{generation}
			for grep { $_->{pid} } @{ $pool->{workers} };
	}
	return \%seen;
}

# The most generations that one pool has at a time.  The status is not of one
# moment; but who is in two of them has lived all the time in between.
sub generations
{
	my ($first, $second) = (look(), look());
	my $most = 0;
	for my $pool (keys %$first) {
		my %live = map { $first->{$pool}{$_} => 1 }
			grep { $second->{$pool}{$_} } keys %{ $first->{$pool} };
		$most = keys %live if keys %live > $most;
	}
	return $most;
}

sub round_of
{
	my ($pid) = @_;
	my ($round) = (slurp("/proc/$pid/environ") // '') =~ /\bROUND=(\d+)\0/;
	return $round // '?';
}

write_round(0);
$r->start or BAIL_OUT('no daemon');
my ($most, $samples) = (0, 0);
my $start = time;
for my $round (1 .. $SIGNALS) {
	write_round($round);
	$r->signal('HUP');
	do {
		my $now = generations();
		$most = $now if $now > $most;
		$samples++;
	} while time < $start + slow($round / $SIGNALS);
}
my $took = time - $start;

my @rounds;
wait_until {
	my $now = generations();
	$most = $now if $now > $most;
	$samples++;
	@rounds = map { round_of($_) } map { $r->pids($_) }
		qw(slow one_by_one in_steps);
	@rounds == $ROUNDS && !grep { $_ ne $SIGNALS } @rounds;
} 10, 'the last file wins' or diag("@rounds");
is("@rounds", join(' ', ($SIGNALS) x $ROUNDS),
	sprintf 'after %.1f s of signals the last file wins', $took);
wait_until { $r->status->{state} eq 'running' } 10, 'the reload ends';
ok($r->status->{last_reload}{ok}, 'and is well');
my $config = (Reeve::http_get($r->socket, '/config'))[1];
like($config, qr/max_body: ${\(1000 + $SIGNALS)}\b/, 'in all pools');
cmp_ok($most, '<=', 2, "at most two generations in $samples looks");
wait_until { generations() == 1 } 10, 'at the end there is one';
my %count = (web => $COUNT, slow => $COUNT, one_by_one => $COUNT,
	in_steps => 4);
for my $pool (sort keys %count) {
	is(scalar($r->wait_pool($pool, $count{$pool})), $count{$pool},
		"$pool is complete");
}
$r->finish;

done_testing();
