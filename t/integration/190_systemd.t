#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What a service manager is told, and the sockets it hands on.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(MSG_DONTWAIT SOCK_DGRAM);
use Test::More;
use Time::HiRes qw(CLOCK_MONOTONIC clock_gettime time);
use Reeve qw(alive fds_of http_get send_signal slow slurp spew wait_until);

my $YAML = <<'YAML';
processes:
  web:
    kind: http
    listen: ["127.0.0.1:@PORT@"]
    required: true
    start_timeout: 2s
  slow:
    kind: program
    command: [sleep, "1000"]
    ready: { exec: [test, -e, "@DIR@/go"], interval: 20ms }
YAML

# A daemon below a service manager of ours: $r->{notify} is its socket.
sub daemon
{
	my ($name, $path, %env) = @_;
	my $r = Reeve->new(name => $name);
	$path //= "$r->{dir}/notify";
	$r->{notify} = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
		Local => $path =~ s/^@/\0/r) or die "$path: $!";
	$r->{keep_environment} = 1;
	$r->{heard} = [];
	$r->write_config($YAML);
	local @ENV{'NOTIFY_SOCKET', keys %env} =
		($path, values %env);
	$r->launch;
	return $r;
}

# All that was said until now: one hash of its variables for each message.
sub heard
{
	my ($r) = @_;
	while (defined $r->{notify}->recv(my $text, 8192, MSG_DONTWAIT)) {
		push @{ $r->{heard} },
			{ map { split /=/, $_, 2 } split /\n/, $text };
	}
	return @{ $r->{heard} };
}

# Wait for the next message that sets $name; the message.
sub hear
{
	my ($r, $name, $seconds) = @_;
	my $found;
	wait_until {
		heard($r);
		while (!$found && @{ $r->{heard} }) {
			my $m = shift @{ $r->{heard} };
			$found = $m if exists $m->{$name};
		}
		$found;
	} $seconds // 10, "$name is said";
	return $found // {};
}

sub forget
{
	my ($r) = @_;
	heard($r);
	$r->{heard} = [];
	return;
}

subtest 'start, reloads and stop are told' => sub {
	my $r = daemon('notify');
	$r->wait_pool('web', 1);
	is(scalar(heard($r)), 0, 'nothing before every pool is ready');
	spew("$r->{dir}/go", '');
	is(hear($r, 'READY')->{READY}, 1, 'READY=1 then');
	is($r->status->{state}, 'running', 'and not before');

	my $before = clock_gettime(CLOCK_MONOTONIC);
	my $yaml = slurp($r->config);
	spew($r->config, $yaml =~ s/required: true/max_body: 1K/r);
	$r->signal('HUP');
	my $m = hear($r, 'RELOADING');
	is($m->{RELOADING}, 1, 'a reload says RELOADING=1');
	like($m->{MONOTONIC_USEC}, qr/^\d+$/, 'with MONOTONIC_USEC');
	my $at = ($m->{MONOTONIC_USEC} // 0) / 1e6;
	cmp_ok($at, '>=', $before, 'of now');
	cmp_ok($at, '<=', clock_gettime(CLOCK_MONOTONIC), 'exactly');
	$m = hear($r, 'READY');
	is($m->{READY}, 1, 'and READY=1 at its end');
	is($m->{STATUS}, 'running', 'with the status');
	ok($r->status->{last_reload}{ok}, 'it was well');

	spew($r->config, "processes: [\n");
	$r->signal('HUP');
	is(hear($r, 'RELOADING')->{RELOADING}, 1, 'so does one that fails');
	$m = hear($r, 'READY');
	is($m->{READY}, 1, 'and READY=1 again');
	like($m->{STATUS}, qr/last reload failed: .*process\.yaml:\d+/,
		'with the reason in the status');

	spew($r->config, $yaml);
	is(($r->ctl('upgrade'))[0], 0, 'an upgrade');
	is(hear($r, 'READY')->{READY}, 1, 'ends with READY=1 too');
	forget($r);
	$r->finish;
	is(hear($r, 'STOPPING')->{STOPPING}, 1, 'a stop says STOPPING=1');
};

subtest 'an abstract socket' => sub {
	my $r = daemon('abstract', "\@reeve-test-notify-$$");
	spew("$r->{dir}/go", '');
	is(hear($r, 'READY')->{READY}, 1, 'is spoken to');
	$r->finish;
};

subtest 'children get nothing of it' => sub {
	my $r = daemon('hidden', undef, WATCHDOG_USEC => 5e6,
		LISTEN_FDS => 1, LISTEN_PID => 1);
	spew("$r->{dir}/go", '');
	hear($r, 'READY');
	for my $pid ($r->pids('slow')) {
		unlike(slurp("/proc/$pid/environ"),
			qr/(?:^|\0)(?:NOTIFY_SOCKET|WATCHDOG_USEC|LISTEN_)/,
			'not in their environment');
	}
	$r->finish;
};

subtest 'the watchdog is fed while all is well' => sub {
	my $usec = slow(0.4) * 1e6;
	my $r = daemon('watchdog', undef, WATCHDOG_USEC => $usec);
	spew("$r->{dir}/go", '');
	hear($r, 'READY');
	for (1 .. 4) {
		my $start = time;
		is(hear($r, 'WATCHDOG')->{WATCHDOG}, 1, 'WATCHDOG=1');
		cmp_ok(time - $start, '<', $usec / 1e6, 'in time');
	}
	# Not so when a required pool can't serve.
	spew($r->config, slurp($r->config) =~ s/required: true/$&\n    rlimit: { nofile: 5 }/r);
	my ($old) = $r->pids('web');
	ok(!$r->reload, 'a reload that fails');
	hear($r, 'WATCHDOG');
	ok(alive($old), 'does not stop it');
	$r->signal('STOP');
	my $end = time + 2 * $usec / 1e6;
	forget($r);
	wait_until { time > $end } 10;
	is(scalar(heard($r)), 0, 'a master that stands still is silent');
	$r->signal('CONT');
	hear($r, 'WATCHDOG');
	is(($r->ctl('upgrade'))[0], 1, 'an upgrade that fails');
	hear($r, 'WATCHDOG');
	spew($r->config, slurp($r->config) =~ s/ *rlimit.*\n//r);
	is(($r->ctl('upgrade'))[0], 0, 'and one that does not');
	forget($r);
	hear($r, 'WATCHDOG');
	$r->finish;
};

subtest 'the watchdog is not fed without a required pool' => sub {
	my $usec = slow(0.2) * 1e6;
	my $r = daemon('unfed', undef, WATCHDOG_USEC => $usec);
	spew("$r->{dir}/go", '');
	hear($r, 'READY');
	hear($r, 'WATCHDOG');
	$r->write_config($YAML =~ s/kind: http/kind: program/r
		=~ s/ *listen: .*\n//r
		=~ s/required: true/$&\n    command: [sh, -c, "test -e \@DIR\@\/bad && exit 1; exec sleep 1000"]\n    ready: { after: 500ms }/r
		=~ s/web:/must:/r);
	is(($r->ctl('reload'))[0], 0, 'the required pool can die now');
	spew("$r->{dir}/bad", '');
	send_signal('KILL', $r->pids('must'));
	$r->wait_log(qr/(?:must\.0\[\d+\] died.*\n(?s:.*)){3}/);
	forget($r);
	my $end = time + 3 * $usec / 1e6;
	wait_until { time > $end } 10;
	is(scalar(grep { $_->{WATCHDOG} } heard($r)), 0,
		'silence while it is down');
	unlink "$r->{dir}/bad";
	is(($r->ctl('reload'))[0], 0, 'it is up');
	hear($r, 'WATCHDOG');
	$r->finish;
};

subtest 'WATCHDOG_PID of another process is not for it' => sub {
	my $r = daemon('other', undef, WATCHDOG_USEC => 1e5,
		WATCHDOG_PID => 1);
	spew("$r->{dir}/go", '');
	hear($r, 'READY');
	my $end = time + 0.3;
	wait_until { time > $end } 10;
	is(scalar(grep { $_->{WATCHDOG} } heard($r)), 0, 'silence');
	$r->finish;
};

# Opens the sockets as systemd does, and hands them on from 3 up.
my $ACTIVATE = <<'PERL';
#!/usr/bin/perl
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
my ($port, $path, $pid, @command) = @ARGV;
my @socks = (IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	LocalPort => $port, Listen => 5, ReuseAddr => 1),
	IO::Socket::UNIX->new(Local => $path, Listen => 5));
my @high = map { my $fd = fileno $_; my $new = 20 + $fd;
	POSIX::dup2($fd, $new) or die; $new } @socks;
POSIX::dup2($high[$_], 3 + $_) or die for 0, 1;
POSIX::close($_) for @high;
$ENV{LISTEN_FDS} = 2;
$ENV{LISTEN_PID} = $pid || $$;
$^F = 10;
exec { $command[0] } @command;
die "exec: $!";
PERL

sub activated
{
	my ($name, $pid) = @_;
	my $r = Reeve->new(name => $name);
	my $script = $r->write_script('activate', $ACTIVATE);
	$r->{prefix} = [$script, $r->port, "$r->{dir}/web.sock", $pid];
	$r->write_config(<<'YAML');
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:@PORT@", "unix:@DIR@/web.sock"]
    linger: 0s
YAML
	return $r;
}

subtest 'sockets of the service manager are served' => sub {
	my $r = activated('activation', 0);
	$r->start or return;
	$r->wait_log(qr/\Q127.0.0.1:@{[$r->port]}\E was opened by the service/);
	$r->wait_log(qr/unix:\S+web\.sock was opened by the service/);
	my $serve = sub {
		my ($name) = @_;
		is((http_get($_, '/healthz'))[0], 200, "$name: $_")
			for $r->port, "$r->{dir}/web.sock";
	};
	$serve->('at start');
	$r->write_config(slurp($r->config) =~ s/count: 2/count: 1/r
		=~ s/linger: 0s/linger: 1s/r);
	ok($r->reload, 'a reload');
	$serve->('after a reload');
	is(($r->ctl('upgrade'))[0], 0, 'an upgrade');
	$serve->('after an upgrade');
	$r->finish;
	ok(-S "$r->{dir}/web.sock", 'its socket file is not ours to unlink');
};

subtest 'sockets meant for another process are not taken' => sub {
	my $r = activated('other-pid', 1);
	$r->launch;
	is($r->wait_exit, 71, 'so the address is in use');
	unlike($r->log, qr/opened by the service/, 'none was taken');
};

done_testing();
