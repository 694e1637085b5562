#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# An upgrade in place keeps what runs; a new binary that fails its test
# changes nothing.
use strict;
use warnings;

use File::Copy qw(copy);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(alive children_of fds_of http_get program slow slurp spew
	wait_until);

# A daemon that runs a copy of reeved, which can be replaced.
sub daemon
{
	my ($name, $yaml) = @_;
	my $r = Reeve->new(name => $name);
	install($r);
	$r->{prefix} = ['perl', '-e',
		'my $copy = shift; shift; exec { $copy } $copy, @ARGV',
		"$r->{dir}/reeved"];
	$r->write_config($yaml // <<'YAML');
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:@PORT@", "unix:@DIR@/run/web.sock"]
  program:
    kind: program
    count: 2
    command: [sleep, "1000"]
    ready: { after: 10ms }
YAML
	return $r;
}

sub install
{
	my ($r) = @_;
	my $path = "$r->{dir}/reeved";
	copy(program('reeved'), "$path.new") or die "$path.new: $!";
	chmod 0755, "$path.new";
	rename "$path.new", $path or die "$path: $!";
	return;
}

sub all_pids
{
	my ($r) = @_;
	return join ' ', map { $r->pids($_) } qw(governor logger web program);
}

subtest 'a new binary that fails its test changes nothing' => sub {
	my $r = daemon('bad-binary');
	$r->start or return;
	my $before = all_pids($r);
	my $new = "$r->{dir}/reeved";
	my %bad = (
		'that exits with 1' => [
			sub { spew($new, "#!/bin/sh\nexit 1\n", 0755) },
			qr/\Q$new\E \(-t\) ended with exit 1/],
		'that dies' => [
			sub { spew($new, "#!/bin/sh\nkill -SEGV \$\$\n", 0755) },
			qr/ended with SIGSEGV/],
		'that cannot be executed' => [
			sub { spew($new, "#!/bin/sh\nexit 0\n", 0644) },
			qr/ended with exit 126/],
		'that is not there' => [
			sub { unlink $new }, qr/ended with exit 127/],
	);
	for my $what (sort keys %bad) {
		my ($spoil, $reason) = @{ $bad{$what} };
		$spoil->();
		my ($exit, $out, $err) = $r->ctl('upgrade');
		is($exit, 1, "one $what: reevectl exits with 1");
		like($err, $reason, 'with the reason');
		is(all_pids($r), $before, 'every pid stays');
		is($r->status->{pid}, $r->pid, 'the master too');
	}
	$r->signal('USR2');
	wait_until { 5 <= (() = $r->log =~ /upgrade failed/g) } 10,
		'SIGUSR2 says it in the log';
	wait_until { $r->status->{state} eq 'running' } 5, 'it runs on';
	is(all_pids($r), $before, 'and changes nothing either');

	install($r);
	my ($exit, $out, $err) = $r->ctl('upgrade');
	is($exit, 0, 'the next good binary is taken') or diag($err);
	ok(!-e "/proc/@{[$r->pid]}/exe"
		|| readlink("/proc/@{[$r->pid]}/exe") !~ /deleted/,
		'and runs');
	$r->finish;
};

subtest 'a file that no longer reads stops an upgrade' => sub {
	my $r = daemon('bad-file');
	$r->start or return;
	my $before = all_pids($r);
	my $good = slurp($r->config);
	spew($r->config, "$good\nprocesses: nonsense\n");
	my ($exit, $out, $err) = $r->ctl('upgrade');
	is($exit, 1, 'reevectl exits with 1');
	is(all_pids($r), $before, 'every pid stays');
	spew($r->config, $good);
	($exit, $out, $err) = $r->ctl('upgrade');
	is($exit, 0, 'until the file is good again') or diag($err);
	$r->finish;
};

subtest 'what was set at runtime outlives an upgrade' => sub {
	my $r = daemon('state', <<'YAML');
processes:
  web: { kind: http, count: 1, listen: ["127.0.0.1:@PORT@"] }
  scaled: { kind: program, count: 1, command: [sleep, "1000"], ready: { after: 10ms } }
  stopped: { kind: program, count: 1, command: [sleep, "1000"], ready: { after: 10ms } }
  job: { kind: program, oneshot: true, command: [sh, -c, "echo ran >> @DIR@/job"] }
  verdict: { kind: program, command: [sh, -c, "echo ran >> @DIR@/verdict; exit 78"], ready: { after: 10ms } }
YAML
	$r->launch;
	wait_until { ($r->status(1) // {})->{pid}
		&& $r->pool('verdict')->{state} eq 'failed' } 10, 'it runs';
	is(($r->ctl('scale', 'scaled', 3))[0], 0, 'a pool is scaled');
	is(($r->ctl('stop', 'stopped'))[0], 0, 'another is stopped');
	my @scaled = $r->pids('scaled');
	my $fds = () = fds_of($r->pid);
	for my $round (1 .. 3) {
		my ($exit, $out, $err) = $r->ctl('upgrade');
		is($exit, 0, "upgrade $round is well") or diag($err);
	}
	is(join(' ', $r->pids('scaled')), "@scaled",
		'the scaled one has its three pids');
	is($r->pool('scaled')->{source}, 'reevectl scale',
		'and knows who wanted them');
	is($r->pool('stopped')->{state}, 'stopped', 'the other is stopped');
	is(slurp("$r->{dir}/job"), "ran\n", 'the job has not run again');
	my @now;
	wait_until { @now = fds_of($r->pid); @now == $fds } 5;
	is(scalar @now, $fds, 'as many descriptors as before')
		or diag("@now");
	is(($r->ctl('start', 'stopped'))[0], 0, 'it can be started');
	is(($r->ctl('reload'))[0], 0, 'a reload is well');
	$r->finish;
};

subtest 'output of programs is not lost in an upgrade' => sub {
	my $r = daemon('lines', <<'YAML');
processes:
  web: { kind: http, count: 1, listen: ["127.0.0.1:@PORT@"] }
  lines: { kind: program, command: [perl, -e, '$| = 1; while (1) { print "line ", ++$n, "\n"; select undef, undef, undef, 0.001 }'], ready: { after: 10ms } }
YAML
	$r->start or return;
	for my $round (1 .. 3) {
		is(($r->ctl('upgrade'))[0], 0, "upgrade $round is well");
	}
	is(($r->post('/pools/lines/stop'))[0], 200, 'the program ends');
	$r->finish;
	my @lines = $r->pool_log('lines') =~ / out line (\d+)$/mg;
	cmp_ok(scalar @lines, '>', 50, scalar(@lines) . ' lines');
	is("@lines", join(' ', 1 .. @lines), 'none lost, none twice');
};

subtest 'SIGTERM during the test of a new binary' => sub {
	my $r = daemon('stop-test');
	$r->start or return;
	spew("$r->{dir}/reeved", "#!/bin/sh\nsleep 1000\n", 0755);
	$r->signal('USR2');
	wait_until { $r->status->{state} eq 'upgrading' } 5, 'it is tested';
	my $start = time;
	$r->finish;
	cmp_ok(time - $start, '<', slow(8), 'the end does not wait for it');
};

subtest 'SIGTERM in an upgrade' => sub {
	for my $ms (1, 5, 10, 20, 40) {
		my $r = daemon('stop-exec');
		$r->start or return;
		$r->signal('USR2');
		my $until = time + slow($ms / 1000);
		wait_until { time > $until } 10;
		$r->finish;
	}
};

subtest 'signals in an upgrade are not lost' => sub {
	my $r = daemon('signals');
	$r->start or return;
	my @web = $r->pids('web');
	$r->signal('USR2');
	# Its own death is told to the new master as well.
	Reeve::send_signal('KILL', $_) for $r->pids('program');
	$r->write_config(slurp($r->config) =~ s/"1000"/"1001"/r);
	$r->signal('HUP');
	wait_until {
		my @pids = $r->pids('program');
		my %old = map { $_ => 1 } @web;
		@pids == 2 && !(grep { (slurp("/proc/$_/cmdline") // '')
			!~ /1001/ } @pids) && !grep { $old{$_} } $r->pids('web');
	} 15, 'the reload and the upgrade are both carried out';
	wait_until { $r->status->{state} eq 'running' } 5, 'it runs';
	$r->finish;
};

done_testing();
