#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The clock of a node is set an hour forward, and an hour back: nothing fires
# twice, in a burst, or not at all, for all times are those of PostgreSQL's
# clock; and a node whose clock is right goes first.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use CronNode;
use Reeve qw(is_sanitized slow spew wait_until);

my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1';
CronNode::is_there() or plan skip_all => 'no PostgreSQL here';
$library or plan skip_all => 'no libfaketime here';
is_sanitized() and plan skip_all => 'the sanitizers want to be loaded first';

my $c = CronNode->new('clock');
my $r = $c->node('a', crontab => 'scan_interval: 500ms, preload: 3s');

# What the node's clock shows, beside the right time.
sub set_clock { return spew("$r->{dir}/clock", "$_[0]\n") }

set_clock('+0');
{
	local @ENV{qw(LD_PRELOAD FAKETIME_TIMESTAMP_FILE FAKETIME_NO_CACHE
		FAKETIME_DONT_FAKE_MONOTONIC)} = ($library, "$r->{dir}/clock", 1, 1);
	$r->start or BAIL_OUT('no daemon');
}

my $from = $c->sql("SELECT date_trunc('second', clock_timestamp()) + interval '1 s'");
$c->define(name => 'd', rule => '{"every":200}', overlap => 'allow', topic => 'x',
	next => "'$from'");
my $count = sub { $c->sql('SELECT count(*) FROM reeve.task_instances') };

for my $step (['+3600', qr/is 6\d min ahead|is 1 h ahead/], ['-3600', qr/is 6\d min behind|is 1 h behind/]) {
	my ($offset, $said) = @$step;
	wait_until { $count->() > 2 } 8, 'it fires';
	set_clock($offset);
	wait_until { $r->log =~ $said } 8, "it sees that its clock is $offset s off"
		or diag($r->log);
	my $before = $count->();
	wait_until { $count->() >= $before + 6 } 12, 'and goes on firing';
	set_clock('+0');
	wait_until { $r->log =~ /agrees with PostgreSQL's again/ } 8, 'and that it is right again';
}

# A node that is right beside one that is not.
set_clock('+3600');
my $b = $c->node('b', crontab => 'scan_interval: 500ms, preload: 3s');
$b->start or BAIL_OUT('no second daemon');
my $since = $c->sql("SELECT clock_timestamp() + interval '2 s'");
wait_until { $c->sql("SELECT count(*) FROM reeve.task_instances WHERE fire_time > '$since'") >= 6 }
	10, 'two fire';
is($c->sql("SELECT count(*) FROM reeve.task_instances WHERE fire_time > '$since'"
	. " AND created_at > fire_time + interval '1 s'"), 0, 'no run waited for the one that is off');

$c->sql("UPDATE reeve.task_definitions SET status = 'DISABLED'");
sleep 0.2;
is($c->sql("WITH last AS (SELECT max(fire_time) AS t FROM reeve.task_instances)"
	. ' SELECT count(*) FROM (SELECT generate_series(timestamptz \'' . $from . '\', last.t,'
	. " interval '200 ms') FROM last EXCEPT ALL SELECT fire_time FROM reeve.task_instances) x"),
	0, 'no time of the plan is left out');
is($count->(), $c->sql("SELECT count(DISTINCT fire_time) FROM reeve.task_instances"
	. " WHERE status = 'PENDING'"), 'each was fired once, and none is a misfire');
$_->finish for $r, $b;
done_testing();
