#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# daemon - starting, watching, replacing and stopping; memory; /healthz
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use IO::Handle;
use POSIX ();
use Reeve qw(children_of fds_of free_port slurp wait_until);
use Bench qw(figure helper limited median now_us percentile pss_kb
	run_helper say_step start_helper start_nginx stop_helper switches wrk);

use constant RUNS => 3;			# of each timing, interleaved with its limit
use constant IDLE_SECONDS => 10;	# to count wakeups in
use constant LOAD_RELOADS => 100;
use constant LOAD_SECONDS_MAX => 120;
use constant WRK_SECONDS => 3;
use constant CONNECTIONS => 500;	# idle ones

# A setting that changes with each reload, so that all workers are replaced.
my $rolls = 1_000_000_000;

Bench->goals(
	start_100_forked => '<= 0.15 s',
	start_100_ready => '<= 0.5 s',
	http_worker_pss => '<= 0.25 MB',
	master_pss => '<= 2 MB',
	master_wakeups => '0',
	http_worker_wakeups => '0',
	governor_wakeups => '<= 1',
	respawn_p50 => '<= 3 ms',
	respawn_p99 => '<= 20 ms',
	reload_50 => '<= 0.15 s',
	stop_100 => '<= 0.1 s',
	healthz_ratio => '>= 0.9 of a bare evhttp server',
	healthz_nginx_ratio => '>= 0.6 of nginx',
	load_failed_wrk => '0',
	load_failed_keep_alive => '0',
	load_failed_close => '0',
	load_added_p999 => '<= 10 ms',
	load_fds_added => '0',
	load_memory_added => '< 1 %',
	http_connection_pss => '<= 8 KB',
	killed_master_left => '0 after 1 s',
);

# A daemon with `count` http workers; `more` are settings of the pool.
sub write_config
{
	my ($r, $count, $more) = @_;
	$more = $more ? ", $more" : '';
	$r->write_config("processes:\n  http: { kind: http, count: $count, "
		. "listen: [\"127.0.0.1:\@PORT\@\"]$more }\n");
	return;
}

sub start_daemon
{
	my ($name, $count) = @_;
	my $r = Reeve->new(name => "bench-$name");
	write_config($r, $count);
	$r->start or die "reeved does not start\n";
	return $r;
}

# TERM until the process has ended, in seconds.
sub stop_seconds
{
	my ($r) = @_;
	my $from = now_us();
	kill 'TERM', $r->pid;
	waitpid $r->pid, 0;
	my $seconds = (now_us() - $from) / 1e6;
	$r->{exit} = Reeve::exit_of($?);
	die "reeved ended with exit code $r->{exit}\n" if $r->{exit} != 0;
	return $seconds;
}

# pid -> "http.3", "governor.0" … of the daemon's children.
sub children_by_title
{
	my ($r) = @_;
	my %title;
	for my $pid (children_of($r->pid)) {
		$title{$pid} = $1 if (slurp("/proc/$pid/cmdline") // '')
			=~ /worker ([^\0 ]+)/;
	}
	return %title;
}

#
# The limit: fork_loop with as many processes
#

my ($loop_in, $loop_out, $loop_pid);

# Start it: forked and running in seconds, and the pids.
sub loop_start
{
	my ($count) = @_;
	pipe my $child_in, $loop_in or die "pipe: $!";
	pipe $loop_out, my $child_out or die "pipe: $!";
	$loop_in->autoflush(1);
	$loop_pid = fork // die "fork: $!";
	if ($loop_pid == 0) {
		open STDIN, '<&', $child_in;
		open STDOUT, '>&', $child_out;
		exec helper('fork_loop'), $count or POSIX::_exit(127);
	}
	close $child_in;
	close $child_out;
	return map { my $line = readline $loop_out; $line =~ s/^\w+ //r } 1 .. 3;
}

sub loop_respawns
{
	my @us;
	print $loop_in "respawn\n";
	while ((my $line = readline $loop_out) =~ /^respawn (\d+)/) {
		push @us, $1;
	}
	return @us;
}

# Its seconds until all are gone.
sub loop_stop
{
	close $loop_in;
	my $us = (readline $loop_out) =~ s/^stopped //r;
	waitpid $loop_pid, 0;
	return $us / 1e6;
}

#
# The parts
#

sub bench_start
{
	my (@forked, @ready, @limit_forked, @limit_running, @stop, @limit_stop);
	for (1 .. RUNS) {
		my ($forked, $running) = loop_start(100);
		push @limit_forked, $forked / 1e6;
		push @limit_running, $running / 1e6;
		push @limit_stop, loop_stop();

		my $r = Reeve->new(name => 'bench-start');
		write_config($r, 100);
		my $from = now_us();
		$r->launch;
		my %at = run_helper('board_watch', 'start', $r->pid, 'http', 100);
		push @forked, ($at{forked}[0] - $from) / 1e6;
		push @ready, ($at{ready}[0] - $from) / 1e6;
		$r->wait_ready;
		push @stop, stop_seconds($r);
	}
	limited('start_100_forked', median(@forked), median(@limit_forked), 's');
	limited('start_100_ready', median(@ready), median(@limit_running), 's');
	limited('stop_100', median(@stop), median(@limit_stop), 's');
	return;
}

sub mean_pss_mb
{
	my (@pids) = @_;
	my $kb = 0;
	$kb += pss_kb($_) for @pids;
	return $kb / @pids / 1024;
}

sub bench_memory
{
	my (undef, undef, $pids) = loop_start(100);
	my $limit = mean_pss_mb(split ' ', $pids);
	my $limit_master = mean_pss_mb($loop_pid);
	loop_stop();

	my $r = start_daemon('memory', 100);
	my %title = children_by_title($r);
	my %pids;
	push @{ $pids{ $title{$_} =~ s/\.\d+$//r } }, $_ for keys %title;
	limited('http_worker_pss', mean_pss_mb(@{ $pids{http} }), $limit, 'MB');
	limited('master_pss', mean_pss_mb($r->pid), $limit_master, 'MB');
	figure("${_}_pss", mean_pss_mb(@{ $pids{$_} }), 'MB')
		for qw(governor logger);
	bench_wakeups($r, %pids);
	bench_kill($r);
	return;
}

sub bench_wakeups
{
	my ($r, %pids) = @_;
	$pids{http_worker} = delete $pids{http};
	$pids{master} = [ $r->pid ];
	my %before = map { $_ => switches($_) } map { @$_ } values %pids;
	say_step('counting wakeups for ' . IDLE_SECONDS . ' s');
	sleep IDLE_SECONDS;
	for my $who (qw(master http_worker governor logger)) {
		my $sum = 0;
		$sum += switches($_) - $before{$_} for @{ $pids{$who} };
		figure("${who}_wakeups",
			$sum / IDLE_SECONDS / @{ $pids{$who} }, '/s');
	}
	return;
}

# How long the workers outlive a killed master.
sub bench_kill
{
	my ($r) = @_;
	my @left = children_of($r->pid);
	my $from = now_us();
	kill 'KILL', $r->pid;
	waitpid $r->pid, 0;
	$r->{exit} = Reeve::exit_of($?);
	while (now_us() - $from < 1e6) {
		@left = grep { Reeve::alive($_) } @left or last;
	}
	figure('killed_master_left', scalar @left, 'processes');
	figure('killed_master_gone', (now_us() - $from) / 1e6, 's') if !@left;
	return;
}

sub bench_respawn
{
	my (@us, @limit);
	for (1 .. RUNS) {
		loop_start(100);
		push @limit, loop_respawns();
		loop_stop();
		my $r = start_daemon('respawn', 100);
		my %took = run_helper('board_watch', 'respawn', $r->pid, 'http');
		push @us, @{ $took{respawn} };
		stop_seconds($r);
	}
	limited("respawn_p$_", percentile($_ / 100, @us) / 1e3,
		percentile($_ / 100, @limit) / 1e3, 'ms') for 50, 99;
	return;
}

# Every worker of 50 is replaced; its limit forks 50 and ends 50.
sub bench_reload
{
	my $r = start_daemon('reload', 50);
	my (@wall, @own, @limit);
	for (1 .. 2 * RUNS + 1) {
		my (undef, $running) = loop_start(50);
		push @limit, $running / 1e6 + loop_stop();

		my @old = $r->pids('http');
		write_config($r, 50, 'max_tasks: ' . ++$rolls);
		my $logged = length $r->log;
		my $from = now_us();
		stop_helper(start_helper(Reeve::program('reevectl'), '-c',
			$r->config, 'reload'));
		push @wall, (now_us() - $from) / 1e6;
		die "the reload failed\n" if $? != 0;
		settle($r, 50);
		my %new = map { $_ => 1 } $r->pids('http');
		die "the reload left a worker\n" if grep { $new{$_} } @old;
		push @own, seconds_of($1) if substr($r->log, $logged)
			=~ /reloaded: generation \d+ after ([\d.]+ \w+)/;
	}
	limited('reload_50', median(@wall), median(@limit), 's');
	figure('reload_50_logged', median(@own), 's') if @own;
	stop_seconds($r);
	return;
}

sub seconds_of
{
	my ($number, $unit) = split ' ', $_[0];
	my %seconds = (us => 1e-6, ms => 1e-3, s => 1, min => 60);
	return $number * $seconds{$unit};
}

sub bench_healthz
{
	my $port = free_port();
	my $peer = start_helper(helper('http_evhttp'), $port, 2);
	my $r = start_daemon('healthz', 2);
	wait_until { (Reeve::http_get($port, '/healthz'))[0] == 200 } 10,
		'evhttp answers';
	my $nginx = start_nginx($r->dir, 2, '{"status":"ok"}');
	my (@rates, @limits, @nginx, $errors);
	for (1 .. RUNS) {
		push @limits, wrk($port, 64, WRK_SECONDS)->{rate};
		push @nginx, wrk($nginx->{port}, 64, WRK_SECONDS)->{rate};
		my $load = wrk($r->port, 64, WRK_SECONDS);
		push @rates, $load->{rate};
		$errors += $load->{errors};
	}
	limited('healthz', median(@rates), median(@limits), 'requests/s');
	figure('healthz_nginx', median(@nginx), 'requests/s');
	figure('healthz_nginx_ratio', median(@rates) / median(@nginx), '');
	figure('healthz_errors', $errors, 'requests');
	stop_seconds($r);
	stop_helper($nginx, 'TERM');
	stop_helper($peer, 'TERM');
	return;
}

# What an idle keep-alive connection costs its worker.
sub bench_connections
{
	my $r = start_daemon('connections', 1);
	my ($pid) = $r->pids('http');
	my ($before, @kept) = (undef);
	# The first one pays for what all share.
	for (0 .. CONNECTIONS) {
		my $sock = Reeve::connect_to($r->port) or die "connect: $!";
		print $sock "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
		$sock->flush;
		sysread($sock, my $answer, 4096) or die "no answer\n";
		push @kept, $sock;
		$before //= pss_kb($pid);
	}
	figure('http_connection_pss',
		(pss_kb($pid) - $before) / CONNECTIONS, 'KB');
	@kept = ();
	stop_seconds($r);
	return;
}

# Until `count` reloads have replaced all workers.
sub roll
{
	my ($r, $count) = @_;
	for my $run (1 .. $count) {
		write_config($r, 4, 'max_tasks: ' . ++$rolls);
		my ($ok, $error) = $r->reload;
		die "reload $run failed: $error\n" if !$ok;
	}
	return;
}

# Until no worker of an older generation is left.
sub settle
{
	my ($r, $count) = @_;
	wait_until { scalar(() = children_of($r->pid)) == $count + 2 } 60,
		'the old workers are gone' or die "they stay\n";
	return;
}

# Anonymous memory of a process: unlike its share of the common pages, it
# does not depend on how many share them at the moment.
sub anonymous_kb
{
	my ($pid) = @_;
	my ($kb) = slurp("/proc/$pid/smaps_rollup") =~ /^Anonymous:\s+(\d+)/m;
	return $kb;
}

sub exact
{
	my ($r, $connections, $pause_ms, $mode) = @_;
	return start_helper(helper('http_exact'), $r->port, $connections,
		$pause_ms, $mode);
}

# wrk keeps 50 connections busy; two exact clients look at what it can't tell.
sub bench_load
{
	my $r = start_daemon('load', 4);
	# As many as its memory needs to settle.
	roll($r, 50);
	settle($r, 4);
	my $fds = fds_of($r->pid);
	my $memory = anonymous_kb($r->pid);
	my $wrk = start_helper('wrk', '-t2', '-c50',
		'-d' . LOAD_SECONDS_MAX . 's',
		'http://127.0.0.1:' . $r->port . '/healthz');
	my $keep = exact($r, 20, 20, 'keep-alive');
	my $close = exact($r, 5, 20, 'close');
	my $from = now_us();
	roll($r, LOAD_RELOADS);
	figure('load_reload', (now_us() - $from) / 1e6 / LOAD_RELOADS, 's');
	my %keep = stop_helper($keep, 'TERM');
	my %close = stop_helper($close, 'TERM');
	my $load = Bench::read_wrk(scalar stop_helper($wrk, 'INT'));
	print STDERR $load->{text} if $load->{errors};

	figure('load_reloads', LOAD_RELOADS, 'reloads');
	figure('load_requests_wrk', $load->{count}, 'requests');
	figure('load_failed_wrk', $load->{errors}, 'requests');
	figure('load_requests_keep_alive', $keep{requests}[0], 'requests');
	figure('load_failed_keep_alive', $keep{failed}[0], 'requests');
	figure('load_requests_close', $close{requests}[0], 'requests');
	figure('load_failed_close', $close{failed}[0], 'requests');
	settle($r, 4);
	figure('load_fds_added', fds_of($r->pid) - $fds, 'descriptors');
	figure('load_memory_added',
		(anonymous_kb($r->pid) - $memory) / $memory * 100, '%');
	bench_latency($r);
	stop_seconds($r);
	return;
}

# A light load on a machine that has time for it, without and with reloads.
sub bench_latency
{
	my ($r) = @_;
	my (@calm, @rolling);
	for (1 .. RUNS) {
		my $client = exact($r, 20, 20, 'keep-alive');
		sleep 2;
		my %got = stop_helper($client, 'TERM');
		push @calm, $got{p999_us}[0] / 1e3;
		$client = exact($r, 20, 20, 'keep-alive');
		my $until = now_us() + 2e6;
		roll($r, 1) while now_us() < $until;
		%got = stop_helper($client, 'TERM');
		push @rolling, $got{p999_us}[0] / 1e3;
	}
	figure('load_calm_p999', median(@calm), 'ms');
	figure('load_added_p999', median(@rolling) - median(@calm), 'ms');
	return;
}

my @parts = (
	[ start => \&bench_start ],
	[ memory => \&bench_memory ],
	[ respawn => \&bench_respawn ],
	[ reload => \&bench_reload ],
	[ healthz => \&bench_healthz ],
	[ connections => \&bench_connections ],
	[ load => \&bench_load ],
);
my %wanted = map { $_ => 1 } @ARGV ? @ARGV : map { $_->[0] } @parts;
for my $part (@parts) {
	my ($name, $run) = @$part;
	next if !delete $wanted{$name};
	say_step($name);
	$run->();
}
die 'bench: daemon has no part called ' . join(', ', sort keys %wanted) . "\n"
	if %wanted;
