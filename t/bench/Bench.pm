# SPDX-License-Identifier: ISC
#
# Bench - what the parts of scripts/bench share: figures, medians, and what
# /proc tells of a process.
package Bench;

use strict;
use warnings;

use Exporter qw(import);
use IO::Handle;
use POSIX ();
use Reeve qw(free_port program slow slurp);
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our @EXPORT_OK = qw(figure helper limited median now_us percentile pss_kb
	run_helper say_step start_helper start_nginx stop_helper switches wrk);

# The harness speaks TAP when something goes wrong; standard output is for
# figures.
Test::More->builder->output(\*STDERR);
STDOUT->autoflush(1);

my %goals;	# name -> text
my @helpers;	# pids of start_helper still running

# What is to be reached, name => text; told with -v.
sub goals
{
	my ($class, %more) = @_;
	%goals = (%goals, %more);
	return;
}

sub say_step
{
	print STDERR "bench: @_\n" if $ENV{BENCH_VERBOSE};
	return;
}

# Three digits that count, and no exponent.
sub digits
{
	my ($value) = @_;
	return $value if $value =~ /^-?\d+$/;
	my $after = $value == 0 ? 0
		: 2 - POSIX::floor(log(abs $value) / log 10);
	return sprintf '%.*f', $after < 0 ? 0 : $after, $value;
}

# Print one figure.
sub figure
{
	my ($name, $value, $unit) = @_;
	printf "%s\t%s\t%s\n", $name, digits($value), $unit;
	printf STDERR "bench: %s = %s %s, goal %s\n", $name, digits($value),
		$unit, $goals{$name} if $ENV{BENCH_VERBOSE} && $goals{$name};
	return;
}

# A figure, its limit and the ratio of both.
sub limited
{
	my ($name, $value, $limit, $unit) = @_;
	figure($name, $value, $unit);
	figure("${name}_limit", $limit, $unit);
	figure("${name}_ratio", $value / $limit, '') if $limit > 0;
	return;
}

# share: of the values that are at most the answer.
sub percentile
{
	my ($share, @values) = @_;
	@values = sort { $a <=> $b } @values;
	my $i = POSIX::ceil(@values * $share) - 1;
	return $values[$i < 0 ? 0 : $i];
}

sub median
{
	return percentile(0.5, @_);
}

# The clock of base/clock.
sub now_us
{
	return int(clock_gettime(CLOCK_MONOTONIC) * 1e6);
}

# Proportional set size: private memory, and a share of what is shared.
sub pss_kb
{
	my ($pid) = @_;
	my ($kb) = (slurp("/proc/$pid/smaps_rollup") // '') =~ /^Pss:\s+(\d+)/m;
	return $kb // 0;
}

# How often the process has been put to run.
sub switches
{
	my ($pid) = @_;
	my $sum = 0;
	$sum += $_ for (slurp("/proc/$pid/status") // '')
		=~ /^(?:non)?voluntary_ctxt_switches:\s+(\d+)/mg;
	return $sum;
}

# An nginx that answers all with this JSON, from its memory: as start_helper has
# it, with its port.
sub start_nginx
{
	my ($dir, $workers, $json) = @_;
	my $port = free_port();
	my $user = Reeve::is_root() ? "user root;\n" : '';
	Reeve::spew("$dir/nginx.conf", <<"CONF");
${user}pid $dir/nginx.pid; error_log stderr; daemon off; worker_processes $workers;
events { worker_connections 2048; }
http { access_log off; server { listen 127.0.0.1:$port;
location / { default_type application/json; return 200 '$json'; } } }
CONF
	my $h = start_helper('nginx', '-c', "$dir/nginx.conf");
	$h->{port} = $port;
	Reeve::wait_until(sub { Reeve::connect_to($port) }, 10, 'nginx serves');
	return $h;
}

# A program of t/bench.
sub helper
{
	my ($name) = @_;
	return program("../t/bench/$name");
}

# "name value" lines of a helper's output, as name => [values].
sub read_values
{
	my ($out) = @_;
	my %values;
	push @{ $values{$1} }, $2 while $out =~ /^(\w+) (\S+)$/mg;
	return %values;
}

# Run a helper to its end.
sub run_helper
{
	my ($name, @args) = @_;
	my ($exit, $out, $err) =
		Reeve::run_command(120, helper($name), @args);
	print STDERR $err;
	die "$name failed with exit code $exit\n" if $exit != 0;
	return read_values($out);
}

# Start a command beside; its output goes to a pipe: { pid, out }.
sub start_helper
{
	my (@command) = @_;
	pipe my $out, my $in or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>&', $in;
		{ exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	push @helpers, $pid;
	return { pid => $pid, out => $out };
}

# End it with SIGTERM, if need be, and read what it has said.
sub stop_helper
{
	my ($h, $signal) = @_;
	kill $signal, $h->{pid} if $signal;
	my $text = do { local $/; readline $h->{out} } // '';
	waitpid $h->{pid}, 0;
	@helpers = grep { $_ != $h->{pid} } @helpers;
	return wantarray ? read_values($text) : $text;
}

# Load a port with wrk: { rate, errors, text }.  errors: answers that were
# not 2xx or 3xx, and all of wrk's socket errors.
sub wrk
{
	my ($port, $connections, $seconds) = @_;
	my (undef, $text) = Reeve::run_command($seconds + 20, 'wrk', '-t2',
		"-c$connections", "-d${seconds}s",
		"http://127.0.0.1:$port/healthz");
	return read_wrk($text);
}

sub read_wrk
{
	my ($text) = @_;
	my ($rate) = $text =~ m{^Requests/sec:\s+([\d.]+)}m
		or die "wrk said no rate:\n$text";
	my ($count) = $text =~ /(\d+) requests in/;
	my $errors = 0;
	$errors += $1 if $text =~ /^\s*Non-2xx or 3xx responses: (\d+)/m;
	if (my ($all) = $text =~ /^\s*Socket errors: (.*)/m) {
		$errors += $_ for $all =~ /(\d+)/g;
	}
	return { rate => $rate, count => $count, errors => $errors,
		text => $text };
}

END {
	my $status = $?;
	for my $pid (@helpers) {
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	$? = $status;
}

1;
