#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What must hold over an upgrade, a reload and a stop, besides the processes.
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Reeve qw(http_request run_command send_signal slurp spew
	wait_until);
use Test::More;

# The token of each process of a pool that there was.
my %seen;

sub note_token
{
	my ($r) = @_;
	my ($pid) = $r->wait_pool('p', 1);
	my ($token) = (slurp("/proc/$pid/environ") // '')
		=~ /(?:^|\0)REEVE_INSTANCE=([^\0]*)/;
	$seen{$token // ''}++;
	send_signal('KILL', $pid);
	wait_until { my ($new) = $r->pids('p'); $new && $new != $pid } 10;
	return;
}

subtest 'no two processes share a token, even over an upgrade' => sub {
	my $r = Reeve->new(name => 'token');
	$r->write_config("processes:\n  p: { kind: program, backoff_max: 100ms, "
		. "command: [sleep, \"1000\"], ready: { after: 5ms } }\n");
	$r->start or return;
	note_token($r) for 1 .. 4;
	$r->signal('USR2');
	wait_until { ($r->status // {})->{upgrades} } 20, 'it is upgraded';
	$r->wait_ready;
	note_token($r) for 1 .. 4;
	is(scalar keys %seen, 8, 'eight processes had eight');
	$r->finish;
};

subtest 'a program has the descriptor limit that reeved was given' => sub {
	my ($exit) = run_command(5, 'prlimit', '--version');
	plan skip_all => 'no prlimit(1)' if $exit != 0;
	my $r = Reeve->new(name => 'nofile');
	$r->{prefix} = ['prlimit', '--nofile=300:3000'];
	$r->write_config(<<'YAML');
processes:
  p: { kind: program, command: "ulimit -Sn; ulimit -Hn; exec sleep 1000", ready: { after: 5ms } }
YAML
	$r->start or return;
	ok(wait_until(sub { $r->pool_log('p') =~ / out 300\n.* out 3000\n/ },
		5), 'not the raised one') or diag($r->log);
	$r->signal('USR2');
	wait_until { ($r->status // {})->{upgrades} } 20, 'it is upgraded';
	$r->wait_ready;
	send_signal('KILL', $r->pids('p'));
	ok(wait_until(sub { my @n = $r->pool_log('p') =~ / out (300)$/mg;
		@n == 2 }, 5), 'nor after an upgrade') or diag($r->log);
	$r->finish;
};

subtest 'memory.hard holds for a process that is to stop' => sub {
	my $r = Reeve->new(name => 'hard');
	$r->write_config(<<"YAML");
processes:
  p:
    kind: program
    command: [$^X, -e, "\$SIG{TERM} = sub { \$x = 'x' x \$ARGV[0]; sleep 100 }; \$| = 1; print qq(up\\n); sleep 100 while 1", 99000000]
    ready: { after: 100ms }
    memory: { hard: 50M }
YAML
	$r->start or return;
	wait_until { $r->pool_log('p') =~ /up/ } 10;
	my ($code) = $r->post('/pools/p/stop', 20);
	is($code, 200, 'it is gone long before stop_timeout');
	like($r->log, qr/p\.0\[\d+\] is over memory\.hard/, 'and the log says why');
	$r->finish;
};

my $slow = "processes:\n  p: { kind: program, command: [sleep, \"1000\"], "
	. "ready: { exec: [test, -e, \@DIR\@/go], interval: 20ms }, "
	. "start_timeout: START, environment: { N: VALUE } }\n";

sub slow_config
{
	my ($start, $value) = @_;
	return $slow =~ s/START/$start/r =~ s/VALUE/"$value"/r;
}

subtest 'a count set while a reload fails stays' => sub {
	my $r = Reeve->new(name => 'count');
	spew("$r->{dir}/go", '');
	$r->write_config(slow_config('20s', 1));
	$r->start or return;
	unlink "$r->{dir}/go";
	$r->write_config(slow_config('1s', 2));
	$r->signal('HUP');
	wait_until { ($r->status // {})->{state} eq 'reloading' } 10;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		http_request('POST', $r->socket, '/pools/p/scale?count=3', 20);
		POSIX::_exit(0);
	}
	wait_until { $r->pool('p')->{desired} == 3 } 10, 'it is scaled';
	$r->wait_log(qr/reload failed/);
	spew("$r->{dir}/go", '');
	$r->wait_pool('p', 3);
	is($r->pool('p')->{source}, 'reevectl scale', 'and so does its source');
	waitpid $pid, 0;
	$r->finish;
};

subtest 'who waits for a command is told of an upgrade' => sub {
	my $r = Reeve->new(name => 'waits');
	spew("$r->{dir}/go", '');
	$r->write_config(slow_config('20s', 1));
	$r->start or return;
	unlink "$r->{dir}/go";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my ($code, $body) = http_request('POST', $r->socket,
			'/pools/p/restart', 20);
		spew("$r->{dir}/answer", "$code $body");
		POSIX::_exit(0);
	}
	wait_until { ($r->pool('p')->{workers} // [])->[1] } 10;
	$r->signal('USR2');
	wait_until { -e "$r->{dir}/answer" } 10;
	like(slurp("$r->{dir}/answer"), qr/^409 .*upgraded/, 'at once');
	spew("$r->{dir}/go", '');
	waitpid $pid, 0;
	$r->wait_pool('p', 1);
	$r->finish;
};

subtest 'directories that were cleared away come back with a reopen' => sub {
	my $r = Reeve->new(name => 'cleared');
	$r->write_config("processes:\n  p: { kind: program, "
		. 'command: "while :; do echo tick; sleep 0.05; done", '
		. "ready: { after: 5ms } }\n");
	$r->start or return;
	remove_tree("$r->{dir}/log");
	$r->signal('USR1');
	ok(wait_until(sub { $r->pool_log('p') =~ /tick/ }, 10),
		'a pool is written down again');
	ok(-s "$r->{dir}/log/reeved.log", 'and so is the master');
	$r->finish;
};

done_testing;
