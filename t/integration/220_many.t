#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# The death of many at once costs the master time in proportion.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(children_of is_sanitized send_signal slow slurp wait_until);
use POSIX ();
use Test::More;

# A fork costs a sanitized daemon a hundred times as much.
my $COUNT = is_sanitized() ? 200 : 1000;
my $TICKS = POSIX::sysconf(POSIX::_SC_CLK_TCK());

my $r = Reeve->new(name => 'many');
$r->write_config(<<"YAML");
processes:
  many:
    kind: program
    command: [sleep, "100000"]
    count: $COUNT
    ready: { after: 10ms }
    max_surge: 10%
YAML
$r->start or BAIL_OUT('no daemon');

# Seconds of the CPU that the master itself has used.
sub used
{
	my @f = split ' ', slurp('/proc/' . $r->pid . '/stat') =~ s/^.*\)\s//sr;
	return ($f[11] + $f[12]) / $TICKS;
}

my ($before, %is_role) = (used(), map { $_ => 1 } $r->pids('logger'),
	$r->pids('governor'));
send_signal('KILL', grep { !$is_role{$_} } children_of($r->pid));
ok(wait_until(sub { my $p = $r->pool('many');
	$p->{ready} == $COUNT && $p->{workers}[0]{restarts} == 1 }, 20),
	'all that were killed at once are there again');
cmp_ok(used() - $before, '<', slow(1.5), 'which did not busy the master');

$before = used();
my ($code) = $r->post('/pools/many/scale?count=0');
is($code, 200, 'all are stopped on command');
ok(wait_until(sub { my @left = children_of($r->pid); @left == 2 }, 30), 'and are gone soon');
cmp_ok(used() - $before, '<', slow(1), 'which did not busy the master');
$r->finish;
done_testing;
