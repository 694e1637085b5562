#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The daemon starts, stops, and says no with the right exit code.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Reeve qw(alive send_signal slurp spew wait_until);

my $SLEEPER = <<'YAML';
processes:
  sleeper: { kind: program, command: [sleep, "1000"], ready: { after: 10ms } }
YAML

subtest 'a daemon starts, serves and stops' => sub {
	my $r = Reeve->new(name => 'start');
	$r->write_config($SLEEPER);
	$r->start or return;

	is(slurp($r->pid_file), $r->pid . "\n", 'the pid file names the master');
	my $s = $r->status;
	is($s->{pid}, $r->pid, 'the status too');
	is($s->{state}, 'running', 'the node is running');
	is($r->pool('sleeper')->{ready}, 1, 'the pool has its worker');
	my ($pid) = $r->pids('sleeper');
	ok(alive($pid), 'which lives');

	$r->finish;
	ok(!alive($pid), 'and is gone at the end');
};

subtest 'every pool named in the status is one of the file or internal' => sub {
	my $r = Reeve->new(name => 'pools');
	$r->write_config($SLEEPER);
	$r->start or return;

	my %kind = map { $_->{name} => $_->{kind} } @{ $r->status->{pools} };
	is_deeply(\%kind, { governor => 'governor', logger => 'logger',
		sleeper => 'program' }, 'governor, logger and the program');
	$r->finish;
};

subtest 'a second daemon is refused' => sub {
	my $r = Reeve->new(name => 'second');
	$r->write_config($SLEEPER);
	$r->start or return;

	my ($exit, $out, $err) = $r->run;
	is($exit, 3, 'with exit code 3');
	like($out . $err, qr/running/, 'and says why');
	ok(alive($r->pid), 'the first one goes on');
	is($r->status->{pid}, $r->pid, 'and answers');
	$r->finish;
};

subtest 'of two daemons started together one wins' => sub {
	my $r = Reeve->new(name => 'together');
	$r->write_config($SLEEPER);
	my %exit = map { $r->launch => undef } 1 .. 4;

	wait_until {
		for my $pid (grep { !defined $exit{$_} } keys %exit) {
			$exit{$pid} = $? >> 8
				if waitpid($pid, POSIX::WNOHANG) == $pid;
		}
		(grep { defined } values %exit) == 3;
	} 10, 'three of four have ended' or diag($r->log);
	is_deeply([grep { defined } values %exit], [3, 3, 3],
		'with exit code 3');
	($r->{pid}) = grep { !defined $exit{$_} } keys %exit;
	$r->wait_ready or return;
	is($r->status->{pid}, $r->pid, 'the one that is left serves');
	$r->finish;
};

subtest 'a stale pid file and socket are no obstacle' => sub {
	my $r = Reeve->new(name => 'stale');
	$r->write_config($SLEEPER);
	$r->start or return;
	$r->kill9;
	ok(-e $r->pid_file, 'SIGKILL leaves the pid file');

	$r->start or return;
	is(slurp($r->pid_file), $r->pid . "\n", 'the next daemon takes it over');
	$r->finish;
};

subtest 'the master is killed: its children are gone within a second' => sub {
	my $r = Reeve->new(name => 'orphans');
	$r->write_config($SLEEPER);
	$r->start or return;
	$r->kill9;
	my @left;
	wait_until { @left = $r->strays; !@left } 1;
	is("@left", '', 'none is left');
};

subtest 'a bad configuration' => sub {
	my $r = Reeve->new(name => 'bad');
	$r->write_config("processes:\n  a: { kind: program, comand: [x] }\n");
	my ($exit, $out, $err) = $r->run;

	is($exit, 1, 'ends with exit code 1');
	like($err, qr/^\Q${\$r->config}\E:\d+:\d+: error: .*comand/m,
		'and file, line and column');
	like($err, qr/command/, 'with the nearest known name');
	ok(!-e $r->pid_file, 'no pid file is made');

	unlink $r->config;
	($exit, $out, $err) = $r->run;
	is($exit, 1, 'a missing file does as well');
	like($err, qr/process\.yaml.*No such file/, 'and is named');
};

subtest 'bad flags' => sub {
	my $r = Reeve->new(name => 'flags');
	$r->write_config($SLEEPER);
	for my $args (['-x'], ['--no-such-flag'], ['-s', 'dance'], ['operand'],
		['-e', 'novalue']) {
		my ($exit, $out, $err) = $r->run(@$args);
		is($exit, 2, "@$args ends with exit code 2");
		isnt($err, '', 'and says why');
	}
	my ($exit) = Reeve::run_command(10, Reeve::program('reeved'), '-c');
	is($exit, 2, '-c without a file does too');
};

subtest 'questions are answered without a start' => sub {
	my $r = Reeve->new(name => 'ask');
	$r->write_config($SLEEPER);

	my ($exit, $out, $err) = $r->run('-t');
	is($exit, 0, '-t of a good file ends with 0');
	($exit, $out) = $r->run('-t', '-q');
	is("$exit:$out", '0:', '-q keeps it quiet');

	($exit, $out) = $r->run('-T');
	is($exit, 0, '-T too');
	like($out, qr/^\s*"?sleeper"?:/m, 'and prints the pool');
	like($out, qr/stop_timeout: 30s/, 'with its defaults');
	spew("$r->{dir}/printed.yaml", $out);
	($exit, my $again) = Reeve::run_command(10, Reeve::program('reeved'),
		'-c', "$r->{dir}/printed.yaml", '-T');
	is($again, $out, 'what it prints reads back the same');

	($exit, $out) = $r->run('-V');
	is($exit, 0, '-V ends with 0');
	like($out, qr/^reeved? \d+\.\d+\.\d+/, 'and says the version');
	($exit, $out) = $r->run('-h');
	is($exit, 0, '-h ends with 0');
	like($out, qr/usage:/i, 'and says how to use it');
	ok(!-e $r->pid_file, 'nothing was started');
};

subtest 'overrides of the command line hold' => sub {
	my $r = Reeve->new(name => 'override');
	$r->write_config($SLEEPER);
	$r->start('-e', 'processes.sleeper.count=3', '--set', 'node=here')
		or return;
	is(scalar($r->pids('sleeper')), 3, 'for a pool');
	is($r->status->{node}, 'here', 'and for the node');
	ok($r->reload, 'a reload of the same file is well');
	is(scalar($r->pids('sleeper')), 3, 'and keeps them');
	$r->finish;
};

subtest 'signals stop the daemon' => sub {
	for my $signal (qw(QUIT INT)) {
		my $r = Reeve->new(name => lc $signal);
		$r->write_config($SLEEPER);
		$r->start or return;
		$r->remember;
		$r->signal($signal);
		is($r->wait_exit, 0, "SIG$signal ends it with exit code 0");
		is(join(' ', $r->strays), '', 'no child is left');
		ok(!-e $r->pid_file, 'and no pid file');
	}
};

subtest 'a second SIGTERM is faster' => sub {
	my $r = Reeve->new(name => 'twice');
	my $script = $r->write_script('stubborn', <<'SH');
#!/bin/sh
trap '' TERM
echo ready
while :; do sleep 0.1; done
SH
	$r->write_config(<<YAML);
processes:
  stubborn: { kind: program, command: [$script], stop_timeout: 60s, ready: { after: 50ms } }
YAML
	$r->start or return;
	$r->wait_log(qr/out ready/);
	$r->remember;
	$r->signal('TERM');
	wait_until { (($r->status(1) // {})->{state} // '') eq 'stopping' } 5,
		'the first one is heard';
	$r->signal('TERM');
	is($r->wait_exit(10), 0, 'it ends before the deadline of the program');
	my @left;
	wait_until { @left = $r->strays; !@left } 2;
	is("@left", '', 'and leaves none');
};

subtest '-s signals the running daemon' => sub {
	my $r = Reeve->new(name => 'dash-s');
	$r->write_config($SLEEPER);
	$r->start or return;
	my ($exit) = $r->run('-s', 'reload');
	is($exit, 0, '-s reload');
	wait_until { ($r->status->{last_reload} // {})->{at} } 10,
		'a reload is carried out';
	($exit) = $r->run('-s', 'stop');
	is($exit, 0, '-s stop');
	is($r->wait_exit, 0, 'the daemon stops');
	($exit) = $r->run('-s', 'reload');
	is($exit, 1, 'without a daemon it fails');
};

subtest '-D goes to the background when all is ready' => sub {
	my $r = Reeve->new(name => 'daemon');
	$r->write_config($SLEEPER);
	my ($exit, $out, $err) = $r->run('-D');
	is($exit, 0, 'the command ends with 0') or diag($out, $err, $r->log);
	my $pid = slurp($r->pid_file) // 0;
	chomp $pid;
	ok($pid && alive($pid), 'the daemon runs');
	is($r->pool('sleeper')->{ready}, 1, 'and its pool is ready');
	ok(!POSIX::getpgid($pid) || POSIX::getpgid($pid) != getpgrp,
		'in a session of its own') if defined &POSIX::getpgid;
	$r->{pid} = $pid;
	$r->remember;
	send_signal('TERM', $pid);
	ok(wait_until(sub { !alive($pid) }, 20, 'it stops'), 'SIGTERM stops it');
	ok(!-e $r->pid_file, 'no pid file is left');

	$r->write_config("processes:\n  a: { kind: program }\n");
	($exit) = $r->run('-D');
	is($exit, 1, 'a start that fails is told by the exit code');
};

done_testing();
