#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Whatever happens, a daemon that is told to stop is gone by its deadline,
# with exit code 0, no process and no file left.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use Reeve qw(alive http_get send_signal slow slurp wait_until);

my $STOP = 0.8;		# stop_timeout of the pools in seconds
my $FAST = 3;		# what a fast stop gives each process

# Ignores SIGTERM.
my $DEAF = <<'PERL';
#!/usr/bin/perl
$SIG{$_} = 'IGNORE' for qw(TERM INT HUP);
$| = 1;
print "up\n";
sleep 1000;
PERL

# Leaves a process in a session of its own that nobody's child is, and that
# ignores SIGTERM.
my $DOUBLE = <<'PERL';
#!/usr/bin/perl
use POSIX ();
$SIG{$_} = 'IGNORE' for qw(TERM INT HUP);
$| = 1;
if (fork == 0) {
	POSIX::setsid();
	POSIX::_exit(0) if fork != 0;
	print "escaped $$\n";
	sleep 1000;
	POSIX::_exit(0);
}
wait;
print "up\n";
sleep 1000;
PERL

sub daemon
{
	my ($name, %pools) = @_;
	my $r = Reeve->new(name => $name);
	my $yaml = "templates:\n  stop: { stop_timeout: ${STOP}s }\nprocesses:\n";
	$r->write_script('deaf.pl', $DEAF);
	$r->write_script('double.pl', $DOUBLE);
	$yaml .= "  $_: { extends: stop, $pools{$_} }\n" for sort keys %pools;
	$r->write_config($yaml =~ s/\b0\.8s/800ms/r);
	return $r;
}

my $WEB = 'kind: http, count: 2, '
	. 'listen: ["127.0.0.1:@PORT@", "unix:@DIR@/run/web.sock"]';
my $DEAF_POOL = 'kind: program, command: [@DIR@/deaf.pl], ready: { after: 10ms }';
my $SLEEP = 'kind: program, command: [sleep, "1000"], ready: { after: 10ms }';

# Stop it with each signal in turn; it is gone after so many seconds.
sub stops
{
	my ($r, $seconds, @signals) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	stopped($r, $seconds, begin_stop($r, @signals));
	return;
}

# When it was told to.
sub begin_stop
{
	my ($r, @signals) = @_;
	$r->remember;
	my $start = time;
	while (my $signal = shift @signals) {
		$r->signal($signal);
		wait_until {
			(($r->status(1) // {})->{state} // '') eq 'stopping'
				|| defined $r->reap;
		} 5 if @signals;
	}
	return $start;
}

sub stopped
{
	my ($r, $seconds, $start) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($r->wait_exit, 0, 'it ends with exit code 0');
	my $took = time - $start;
	cmp_ok($took, '<=', slow($seconds),
		sprintf 'by its deadline: after %.2f s', $took)
		or diag($r->log);
	is(join(' ', $r->strays), '', 'no process is left')
		or diag($r->log);
	is(join(' ', glob("$r->{dir}/run/*")), '', 'run_dir is empty');
	return;
}

subtest 'SIGTERM during a reload' => sub {
	my $r = daemon('reload', web => $WEB, pool => $SLEEP);
	$r->start or return;
	$r->write_config(slurp($r->config)
		=~ s/after: 10ms/exec: "sleep 1000; true", timeout: 60s/r
		=~ s/"1000"\]/"1001"\]/r);
	$r->signal('HUP');
	wait_until { @{[$r->workers('pool')]} == 2 } 5,
		'the reload has begun';
	is($r->status->{state}, 'reloading', 'and goes on');
	stops($r, $STOP + 1, 'TERM');
};

subtest 'SIGTERM during a roll' => sub {
	my $r = daemon('roll', web => "$WEB, max_surge: 1", pool =>
		"$SLEEP, count: 4, max_surge: 0, umask: '0022'");
	$r->start or return;
	$r->write_config(slurp($r->config) =~ s/0022/0027/r
		=~ s/10ms/200ms/r);
	$r->signal('HUP');
	wait_until { my ($w) = $r->workers('pool');
		$w && $w->{state} eq 'starting' } 5, 'the roll has begun';
	stops($r, $STOP + 1, 'TERM');
};

# Three at a time: each takes some seconds to end.
subtest 'SIGTERM twice, SIGINT, and a shutdown_timeout' => sub {
	my %stop = (
		twice => [$FAST + 1, 'TERM', 'TERM'],
		int => [$FAST + 1, 'INT'],
		whole => [0.2 + $FAST + 4, 'TERM'],
	);
	my @names = sort { $stop{$a}[0] <=> $stop{$b}[0] } keys %stop;
	my (%daemon, %begun);
	for my $name (@names) {
		my $r = daemon($name, web => $WEB, deaf => "$DEAF_POOL, stop_timeout: 60s");
		$r->write_config("shutdown_timeout: 200ms\n"
			. slurp($r->config)) if $name eq 'whole';
		$r->start or return;
		$r->wait_log(qr/out up/);
		$daemon{$name} = $r;
	}
	for my $name (@names) {
		my (undef, @signals) = @{ $stop{$name} };
		$begun{$name} = begin_stop($daemon{$name}, @signals);
	}
	for my $name (@names) {
		note($name);
		stopped($daemon{$name}, $stop{$name}[0], $begun{$name});
	}
};

subtest 'a program that ignores SIGTERM' => sub {
	my $r = daemon('deaf', deaf => $DEAF_POOL);
	$r->start or return;
	$r->wait_log(qr/out up/);
	stops($r, $STOP + 1, 'TERM');
};

subtest 'a program that forks twice and ignores SIGTERM' => sub {
	my $r = daemon('double', web => $WEB,
		double => 'kind: program, command: [@DIR@/double.pl]');
	$r->start or return;
	$r->wait_log(qr/out up/);
	my ($escaped) = $r->log =~ /escaped (\d+)/;
	ok($escaped && alive($escaped), 'it has a process that escaped');
	stops($r, $STOP + 1, 'TERM');
	ok(!alive($escaped), 'which is gone too');
};

subtest 'a program that dies leaves nothing that forked twice' => sub {
	my $r = daemon('orphan',
		double => 'kind: program, command: [@DIR@/double.pl]');
	$r->start or return;
	$r->wait_log(qr/out up/);
	my ($escaped) = $r->log =~ /escaped (\d+)/;
	send_signal('KILL', $r->pids('double'));
	wait_until { !alive($escaped) } 1, 'its orphan goes within 1 s';
	wait_until { $r->log =~ /escaped (?!$escaped\b)\d+/ } 5,
		'and it is started again';
	stops($r, $STOP + 1, 'TERM');
};

subtest 'SIGTERM at any moment of a start' => sub {
	my $r = daemon('start', web => $WEB, pool => $SLEEP);
	my %ends;
	for my $round (1 .. 40) {
		$r->launch;
		sleep $round / 40 * slow(0.02);
		$r->signal('TERM');
		my $exit = $r->wait_exit;
		# Before it has made anything the signal may just end it.
		$ends{$exit}++;
		my @left = ($r->strays, glob("$r->{dir}/run/*"));
		is("@left", '', "round $round: nothing is left") if @left;
		delete $ends{$exit} if $exit =~ /^(?:0|130|143)$/;
	}
	is(join(' ', keys %ends), '', 'it ends well or by the signal');
};

# A child that sends one byte of a request a second; its socket.
sub trickle
{
	my ($r, $request) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	$SIG{TERM} = 'DEFAULT';
	my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $r->port) or POSIX::_exit(1);
	for my $byte (split //, $request) {
		syswrite $sock, $byte or last;
		sleep 1;
	}
	POSIX::_exit(0);
}

subtest 'clients that trickle' => sub {
	my $r = daemon('trickle', web => $WEB);
	$r->start or return;
	my @clients = map { trickle($r, $_) } ("GET /healthz HTTP/1.1\r\n",
		"\r\n\r\nGET", "POST / HTTP/1.1\r\nHost: a\r\n");
	wait_until {
		(http_get($r->port, '/metrics'))[1]
			=~ /^reeve_http_connections\S* ([1-9]\d*)/m
			|| @{[grep { alive($_) } @clients]} == @clients;
	} 5;
	stops($r, $STOP + 1, 'TERM');
	send_signal('KILL', @clients);
	waitpid $_, 0 for @clients;
};

subtest 'all of it at once' => sub {
	my $r = daemon('all', web => $WEB, pool => $SLEEP,
		double => 'kind: program, command: [@DIR@/double.pl]',
		deaf => 'kind: program, count: 2, command: [@DIR@/deaf.pl]');
	$r->start or return;
	my $client = trickle($r, "GET /healthz HTTP/1.1\r\n");
	$r->write_config(slurp($r->config) =~ s/"1000"/"1001"/r);
	$r->signal('HUP');
	sleep 0.01;
	stops($r, $STOP + 1, 'TERM');
	send_signal('KILL', $client);
	waitpid $client, 0;
};

subtest 'reevectl shutdown' => sub {
	for my $args ([], ['--now']) {
		my $r = daemon('ctl', web => $WEB, pool => $SLEEP);
		$r->start or return;
		$r->remember;
		my ($exit, $out, $err) = $r->ctl('shutdown', @$args);
		is($exit, 0, "shutdown @$args is answered") or diag($err);
		is($r->wait_exit, 0, 'it ends with exit code 0');
		is(join(' ', $r->strays), '', 'no process is left');
	}
};

done_testing();
