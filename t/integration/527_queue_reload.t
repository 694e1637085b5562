#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Reload and upgrade while tasks run: none is lost, none runs twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use QueueNode;
use Reeve qw(slurp spew wait_until);
use Test::More;
use Time::HiRes qw(sleep time);

my ($redis_server) = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
plan skip_all => 'redis-server is not installed' if !$redis_server;

sub push_many
{
	my ($redis, $from, $to) = @_;
	$redis->many(map { ['XADD', 't:queue:{high}', '*', 'task',
		"{\"handler\":\"nap\",\"id\":\"n$_\"}"] } $from .. $to);
}

sub is_once
{
	my ($r, $count, $what) = @_;
	my %runs;
	$runs{(split / /)[0]}++ for runs($r);
	is(scalar(keys %runs), $count, "$what: each has run");
	is(scalar(grep { $_ != 1 } values %runs), 0, 'once');
}

subtest 'a reload with other handlers' => sub {
	my ($r, $redis) = node('reload', 'topics: { high: 2 }, concurrency: 4');
	$r->start or return;
	my @pids = $r->pids('queue.high');
	push_many($redis, 1, 60);
	ok(wait_until(sub { runs($r) >= 8 }, 10), 'tasks run');
	my $text = slurp($r->config);
	for my $pause (qw(0.11 0.12 0.13)) {
		$text =~ s/exec sleep 0\.[0-9]+/exec sleep $pause/;
		spew($r->config, $text);
		ok(scalar($r->reload), 'the configuration is taken');
	}
	my @now = $r->pids('queue.high');
	is(scalar(grep { my $p = $_; grep { $_ == $p } @pids } @now), 0,
		'by new workers');
	ok(wait_until(sub { is_idle($redis) }, 15), 'all is done');
	is_once($r, 60, 'reload');
	is(pending($redis), 0, 'nothing is pending');
	$r->finish;
};

subtest 'an upgrade' => sub {
	my ($r, $redis) = node('upgrade', 'topics: { high: 2 }, concurrency: 4, node_timeout: 1s');
	$r->start or return;
	push_many($redis, 1, 60);
	ok(wait_until(sub { runs($r) >= 8 }, 10), 'tasks run');
	for (1 .. 2) {
		my ($exit, undef, $err) = $r->ctl('upgrade');
		is($exit, 0, 'the binary is exchanged') or diag($err);
	}
	ok(wait_until(sub { is_idle($redis) }, 15), 'all is done');
	is_once($r, 60, 'upgrade');
	$r->finish;
};

done_testing();
