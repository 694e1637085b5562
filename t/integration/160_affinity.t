#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# CPUs that are not there: a warning with file and line, and those that are
# there are used.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Reeve qw(run_command slurp wait_until);

# The lowest CPU this test may use, and one that no machine has.
my ($HERE) = slurp('/proc/self/status') =~ /^Cpus_allowed_list:\s+(\d+)/m;
my $NOWHERE = 1000;

plan skip_all => 'no taskset' if (run_command(10, 'taskset', '-V'))[0] != 0;

sub cpus_of
{
	my ($pid) = @_;
	my ($list) = slurp("/proc/$pid/status")
		=~ /^Cpus_allowed_list:\s+(\S+)/m;
	return $list;
}

sub daemon
{
	my ($name, $yaml) = @_;
	my $r = Reeve->new(name => $name);
	$r->{prefix} = ['taskset', '-c', $HERE];
	$r->write_config($yaml);
	return $r;
}

my $POOLS = <<YAML;
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:\@PORT\@"]
    cpu: [$HERE, 7, $NOWHERE]
  program:
    kind: program
    command: [sleep, "1000"]
    cpu: [$HERE, 7, $NOWHERE]
    ready: { after: 10ms }
  auto:
    kind: program
    count: auto
    cpu: auto
    command: [sleep, "1000"]
    ready: { after: 10ms }
YAML

subtest 'a CPU that is not there is a warning' => sub {
	my $r = daemon('affinity', $POOLS);
	my $line = 1 + (() = slurp($r->config) =~ /\G.*\n(?=(?s:.*cpu: \[))/g);
	$r->start or return;

	my @warnings = grep { /warn.*\bCPU/i } split /\n/, $r->log;
	is(scalar @warnings, 2, 'one for each of two pools')
		or diag($r->log);
	like($warnings[0], qr/\Q${\$r->config}\E:\d+:\d+: warning: .*\b7\b/,
		'with file, line and the CPU');
	for my $pool (qw(web program auto)) {
		for my $w ($r->workers($pool)) {
			wait_until { cpus_of($w->{pid}) eq $HERE } 10,
				"$pool.$w->{slot} runs on the one there is";
			is_deeply($w->{cpus}, [$HERE], 'status says so');
		}
	}
	is(scalar($r->pids('auto')), 1, 'auto counts the CPUs allowed');
	$r->finish;
};

subtest 'with strict_affinity it is an error' => sub {
	my $r = daemon('strict', "strict_affinity: true\n$POOLS");
	my ($exit, $out, $err) = run_command(10, 'taskset', '-c', $HERE,
		Reeve::program('reeved'), '-c', $r->config);
	is($exit, 1, 'exit code 1');
	like($err, qr/\Q${\$r->config}\E:\d+:\d+: error: .*\b7\b/,
		'with file, line and the CPU');
};

subtest 'a list of lists: each worker has its own' => sub {
	my @cpus = map { $_ =~ /^(\d+)-(\d+)$/ ? $1 .. $2 : $_ }
		split /,/, cpus_of('self');
	plan skip_all => 'only one CPU' if @cpus < 2;
	my $r = Reeve->new(name => 'lists');
	$r->write_config(<<YAML);
processes:
  web: { kind: http, count: 3, cpu: [[$cpus[0]], [$cpus[1]]], listen: ["127.0.0.1:\@PORT\@"] }
  spread: { kind: program, count: 2, cpu: auto, command: [sleep, "1000"], ready: { after: 10ms } }
YAML
	$r->start or return;
	is(join(' ', map { cpus_of($_) } $r->pids('web')),
		"$cpus[0] $cpus[1] $cpus[0]", 'one after the other');
	# A program is taken for ready by time, on a busy machine too early.
	wait_until {
		join(' ', sort map { cpus_of($_) } $r->pids('spread'))
			eq join ' ', sort @cpus[0, 1];
	} 10, 'auto spreads them';
	$r->finish;
};

done_testing();
