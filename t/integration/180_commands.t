#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# start, stop, restart and scale wait until they are carried out; each signal
# does what the manual says.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(alive http_get run_command slurp spew wait_until);

# Some take a while to be ready, and to stop.
my $POOLS = <<'YAML';
processes:
  web:
    kind: http
    count: 2
    min: 1
    max: 4
    listen: ["127.0.0.1:@PORT@"]
    linger: 0s
  slow:
    kind: program
    count: 2
    command: [perl, -e, '$SIG{TERM} = sub { select undef, undef, undef, 0.2; exit 0 }; sleep 1 while 1']
    ready: { after: 200ms }
YAML

sub daemon
{
	my ($name) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config($POOLS);
	return $r;
}

# reevectl @args exits with $exit; what it printed on both.
sub ctl_is
{
	my ($r, $exit, @args) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($got, $out, $err) = $r->ctl(@args);
	is($got, $exit, "reevectl @args exits with $exit")
		or diag($out, $err);
	return $out . $err;
}

sub count_is
{
	my ($r, $pool, $count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(scalar(grep { $_->{state} eq 'ready' } $r->workers($pool)),
		$count, $name);
	return;
}

subtest 'stop and start wait' => sub {
	my $r = daemon('stop');
	$r->start or return;
	my @old = $r->pids('slow');
	my @web = $r->pids('web');
	ctl_is($r, 0, 'stop', 'slow');
	is(join(' ', grep { alive($_) } @old), '', 'they are gone by then');
	is($r->pool('slow')->{state}, 'stopped', 'status says so');
	like(($r->workers('slow'))[0]{why}, qr/operator/, 'and why');
	ctl_is($r, 0, 'stop', 'slow');
	ctl_is($r, 0, 'reload');
	is($r->pool('slow')->{state}, 'stopped', 'a reload does not start it');
	ctl_is($r, 0, 'start', 'slow');
	count_is($r, 'slow', 2, 'they are ready by then');
	ctl_is($r, 0, 'start', 'slow');
	is(join(' ', $r->pids('web')), "@web", 'other pools stay');
	$r->finish;
};

subtest 'restart waits' => sub {
	my $r = daemon('restart');
	$r->start or return;
	for my $pool (qw(slow web)) {
		my %old = map { $_ => 1 } $r->pids($pool);
		ctl_is($r, 0, 'restart', $pool);
		count_is($r, $pool, 2, "$pool is ready by then");
		is(scalar(grep { $old{$_} } $r->pids($pool)), 0,
			'and all are new');
	}
	$r->finish;
};

subtest 'scale waits' => sub {
	my $r = daemon('scale');
	$r->start or return;
	ctl_is($r, 0, 'scale', 'slow', 4);
	count_is($r, 'slow', 4, 'four are ready by then');
	is($r->pool('slow')->{source}, 'reevectl scale', 'by whose word');
	ctl_is($r, 0, 'scale', 'slow', 1);
	count_is($r, 'slow', 1, 'one is left');
	is(($r->workers('slow'))[0]{slot}, 0, 'the first');
	ctl_is($r, 0, 'scale', 'slow', 'file');
	count_is($r, 'slow', 2, 'as many as the file says');
	is($r->pool('slow')->{source}, 'process.yaml', 'by the file');
	like(ctl_is($r, 1, 'scale', 'web', 5), qr/from 1 to 4/,
		'more than max is refused');
	like(ctl_is($r, 1, 'scale', 'web', 0), qr/from 1 to 4/,
		'fewer than min too');
	count_is($r, 'web', 2, 'and changes nothing');

	# A new count in the file wins, the same file keeps the operator's.
	ctl_is($r, 0, 'scale', 'slow', 3);
	ctl_is($r, 0, 'reload');
	count_is($r, 'slow', 3, 'a reload of the same file keeps it');
	$r->write_config($POOLS =~ s/(slow:.*?)count: 2/$1count: 1/sr);
	ctl_is($r, 0, 'reload');
	wait_until { 1 == @{[$r->pids('slow')]} } 5,
		'a new count in the file wins';
	$r->finish;
};

subtest 'a command for a pool that cannot start says why' => sub {
	my $r = Reeve->new(name => 'cannot');
	$r->write_config(<<'YAML');
processes:
  pool:
    kind: program
    command: [sh, -c, "test -e @DIR@/bad && exit 78; exec sleep 1000"]
    ready: { after: 400ms }
  other: { kind: program, command: [sleep, "1000"], ready: { after: 10ms } }
YAML
	$r->start or return;
	spew("$r->{dir}/bad", '');
	my ($old) = $r->pids('pool');
	like(ctl_is($r, 1, 'restart', 'pool'), qr/exit 78/,
		'a restart that fails says why');
	ok(alive($old), 'and leaves the old one');
	ctl_is($r, 0, 'stop', 'pool');
	like(ctl_is($r, 1, 'start', 'pool'), qr/exit 78/, 'a start too');
	unlink "$r->{dir}/bad";
	ctl_is($r, 0, 'start', 'pool');
	like(ctl_is($r, 1, 'stop', 'nothing'), qr/nothing/,
		'a pool that is none is refused');
	ctl_is($r, 1, 'stop', 'governor');
	$r->finish;
};

subtest 'SIGTTIN and SIGTTOU are one worker more or less' => sub {
	my $r = daemon('tt');
	$r->start or return;
	for my $step ([TTIN => 3], [TTIN => 4], [TTIN => 4], [TTOU => 3],
		[TTOU => 2], [TTOU => 1], [TTOU => 1]) {
		my ($signal, $count) = @$step;
		$r->signal($signal);
		$r->wait_pool('web', $count);
		is($r->pool('web')->{desired}, $count,
			"SIG$signal: $count are wanted");
	}
	$r->wait_log(qr/SIGTTIN: the count of web stays 4/);
	$r->wait_log(qr/SIGTTOU: the count of web stays 1/);
	count_is($r, 'slow', 2, 'of the first pool of workers only');
	$r->finish;
};

subtest 'SIGWINCH drains the workers, SIGHUP brings them back' => sub {
	my $r = daemon('winch');
	$r->start or return;
	my @old = $r->pids('web');
	my @program = $r->pids('slow');
	$r->signal('WINCH');
	wait_until { !grep { alive($_) } @old } 5, 'the workers leave';
	wait_until { $r->status->{state} eq 'drained' } 5,
		'the node is drained';
	is($r->pool('web')->{state}, 'stopped', 'status says so');
	is(join(' ', $r->pids('slow')), "@program", 'programs stay');
	# The socket stays: who connects now waits.
	my $waits = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $r->port);
	ok($waits, 'the port is open still') or return;
	print $waits "GET /healthz HTTP/1.1\r\nHost: a\r\n"
		. "Connection: close\r\n\r\n";
	$waits->flush;
	$r->signal('HUP');
	like(Reeve::read_all($waits, 10) // '', qr{^HTTP/1\.1 200},
		'after SIGHUP who waited is served');
	$r->wait_pool('web', 2);
	is($r->status->{state}, 'running', 'the node runs again');
	$r->finish;
};

subtest 'SIGUSR1 opens the logs anew' => sub {
	my $r = daemon('usr1');
	$r->start or return;
	my $log = "$r->{dir}/log/reeved.log";
	rename $log, "$log.1";
	$r->signal('USR1');
	wait_until { -e $log } 5, 'there is a new file';
	wait_until { slurp($log) =~ /opened anew/ } 5, 'that is written to';
	$r->finish;
};

subtest 'signals for the whole group do no harm to workers' => sub {
	my $r = daemon('group');
	$r->start or return;
	my @old = map { $r->pids($_) } qw(governor logger web);
	for my $signal (qw(HUP INT USR1 USR2 PIPE)) {
		Reeve::send_signal($signal, @old);
	}
	is((http_get($r->port, '/healthz'))[0], 200, 'they serve')
		for 1 .. 4;
	is(join(' ', map { $r->pids($_) } qw(governor logger web)), "@old",
		'and have their pids');
	$r->finish;
};

subtest 'reeved -s sends each of them' => sub {
	my $r = daemon('flag-s');
	$r->start or return;
	is(($r->run('-s', 'reload'))[0], 0, 'reload');
	$r->wait_log(qr/reloaded: generation 2/);
	is(($r->run('-s', 'reopen'))[0], 0, 'reopen');
	$r->wait_log(qr/opened anew/);
	is(($r->run('-s', 'upgrade'))[0], 0, 'upgrade');
	$r->wait_log(qr/upgraded: \d+ processes/);
	$r->wait_ready;
	$r->remember;
	is(($r->run('-s', 'stop'))[0], 0, 'stop');
	is($r->wait_exit, 0, 'it stops');
	isnt(($r->run('-s', 'stop'))[0], 0, 'once it is gone it is refused');
};

done_testing();
