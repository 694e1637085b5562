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
YAML
	return;
}

# The most generations of living workers that a pool has now.
sub generations
{
	my $most = 0;
	for my $pool (@{ ($r->status // {})->{pools} // [] }) {
		my %seen = map { $_->{generation} => 1 }
			grep { $_->{pid} } @{ $pool->{workers} };
		$most = keys %seen if keys %seen > $most;
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
		qw(slow one_by_one);
	@rounds == 2 * $COUNT && !grep { $_ ne $SIGNALS } @rounds;
} 10, 'the last file wins' or diag("@rounds", "\n", $r->log);
is("@rounds", join(' ', ($SIGNALS) x (2 * $COUNT)),
	sprintf 'after %.1f s of signals the last file wins', $took);
wait_until { $r->status->{state} eq 'running' } 10, 'the reload ends';
ok($r->status->{last_reload}{ok}, 'and is well');
my $config = (Reeve::http_get($r->socket, '/config'))[1];
like($config, qr/max_body: ${\(1000 + $SIGNALS)}\b/, 'in all pools');
cmp_ok($most, '<=', 2, "at most two generations in $samples looks");
wait_until { generations() == 1 } 10, 'at the end there is one';
for my $pool (qw(web slow one_by_one)) {
	is(scalar($r->wait_pool($pool, $COUNT)), $COUNT, "$pool is complete");
}
$r->finish;

done_testing();
