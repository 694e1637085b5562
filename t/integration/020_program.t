#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Programs run as process.yaml says: as whom, where, with what, and how long.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Reeve qw(alive fds_of is_root slurp spew wait_until);

my $TIME = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

# What a pool's programs printed.
sub said
{
	my ($r, $pool) = @_;
	my @lines = $r->pool_log($pool) =~
		/^$TIME \Q$pool\E\.\d+\[\d+\] out (.*)$/mg;
	return @lines;
}

# Wait until they printed so many lines.
sub wait_lines
{
	my ($r, $pool, $count) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until { said($r, $pool) >= $count } 10, "$pool says $count lines"
		or diag($r->log);
	return;
}

# Wait for a whole line that matches; the line.
sub wait_said
{
	my ($r, $pool, $pattern) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $line = wait_until {
		(grep { /$pattern/ } said($r, $pool))[0];
	} 10;
	ok(defined $line, "$pool says $pattern") or diag($r->log);
	return $line // '';
}

# A daemon with these pools, started.
sub daemon
{
	my ($name, $yaml) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_config("processes:\n$yaml");
	return $r;
}

subtest 'a program gets its environment' => sub {
	local $ENV{FROM_MASTER} = 'yes';
	local $ENV{WATCHDOG_USEC};
	my $r = daemon('env', <<'YAML');
  env:
    kind: program
    command: env; exec sleep 1000
    config: @DIR@/business.conf
    environment: { ADDED: "one two", FROM_MASTER: changed }
    ready: { after: 10ms }
  bare:
    kind: program
    count: 2
    command: [sh, -c, "env; exec sleep 1000"]
    clear_environment: true
    environment: { ADDED: only }
    ready: { after: 10ms }
YAML
	spew("$r->{dir}/business.conf", '');
	$r->start or return;
	wait_said($r, 'env', qr/^REEVE_POOL=/);
	wait_said($r, 'bare', qr/^REEVE_INDEX=1$/);
	wait_said($r, 'env', qr/^ADDED=/);
	wait_said($r, 'bare', qr/^ADDED=/);

	my %env = map { /^(\w+)=(.*)/ } said($r, 'env');
	is($env{ADDED}, 'one two', 'with what the pool adds');
	is($env{FROM_MASTER}, 'changed', 'or changes');
	is($env{REEVE_POOL}, 'env', 'with the name of its pool');
	is($env{REEVE_INDEX}, 0, 'its place in it');
	is($env{REEVE_GENERATION}, 1, 'the generation');
	is($env{REEVE_CONFIG}, "$r->{dir}/business.conf", 'and `config`');
	ok(defined $env{REEVE_NODE}, 'the node too');
	ok(!exists $env{NOTIFY_SOCKET}, 'but nothing meant for the master');
	ok(exists $env{REEVE_TEST}, 'the rest is inherited');

	%env = map { /^(\w+)=(.*)/ } said($r, 'bare');
	ok(!exists $env{REEVE_TEST}, 'unless it starts from nothing');
	is($env{ADDED}, 'only', 'then only what the pool adds is there');
	ok($env{PATH}, 'and PATH');
	$r->finish;
};

subtest 'directory, umask and limits are set' => sub {
	my $r = daemon('limits', <<'YAML');
  set:
    kind: program
    command: [sh, -c, "pwd; umask; ulimit -n; ulimit -c; nice; exec sleep 1000"]
    directory: @DIR@/sub
    umask: "0027"
    nice: 5
    rlimit: { nofile: 123, core: 0 }
    ready: { after: 10ms }
  unset:
    kind: program
    command: [sh, -c, "pwd; exec sleep 1000"]
    ready: { after: 10ms }
YAML
	mkdir "$r->{dir}/sub";
	$r->start or return;
	wait_lines($r, 'set', 5);

	is_deeply([said($r, 'set')],
		["$r->{dir}/sub", '0027', 123, 0, 5], 'as the pool says');
	wait_said($r, 'unset', qr{^/$});
	$r->finish;
};

subtest 'a program runs as its user' => sub {
	plan skip_all => 'only root can change the user' if !is_root();
	my $r = daemon('user', <<'YAML');
  user:
    kind: program
    command: [sh, -c, "id -un; id -gn; echo $HOME; grep CapEff /proc/self/status; exec sleep 1000"]
    user: daemon
    group: nogroup
    ready: { after: 10ms }
YAML
	$r->start or return;
	wait_lines($r, 'user', 4);

	my @said = said($r, 'user');
	is_deeply([@said[0 .. 2]], ['daemon', 'nogroup', '/usr/sbin'],
		'with its group and home');
	like($said[3], qr/^CapEff:(\\x09|\t)0+$/, 'and without capabilities');
	$r->finish;
};

subtest 'a program has the descriptors 0, 1, 2 and nothing else' => sub {
	my $r = daemon('fds', <<'YAML');
  fds:
    kind: program
    command: [sleep, "1000"]
    count: 2
    ready: { after: 10ms }
YAML
	$r->start or return;
	for my $pid ($r->pids('fds')) {
		my @fds = fds_of($pid);
		is(scalar @fds, 3, 'three descriptors') or diag("@fds");
		like("@fds", qr{^0 -> /dev/null 1 -> pipe:\S+ 2 -> pipe:\S+$},
			'null and two pipes');
	}
	# A third that comes late has no more, though the master has more.
	is(($r->post('/pools/fds/scale?count=3'))[0], 200, 'scaled to 3');
	my @pids = $r->wait_pool('fds', 3);
	is(scalar(my @fds = fds_of($pids[-1])), 3, 'nor has a later one');
	$r->finish;
};

subtest 'what a program prints is logged line by line' => sub {
	my $r = daemon('output', <<'YAML');
  talk:
    kind: program
    command: [sh, -c, 'echo to out; echo to err >&2; printf "tab\there \033[31m\n"; printf "no newline"']
    oneshot: true
YAML
	$r->start or return;
	wait_until { $r->pool_log('talk') =~ /no newline/
		&& $r->pool_log('talk') =~ /err to err/ } 10;

	# The two streams have no order between them.
	my $log = $r->pool_log('talk');
	like($log, qr/^$TIME talk\.0\[\d+\] out to out$/m,
		'with time, place, pid and stream');
	like($log, qr/^$TIME talk\.0\[\d+\] err to err$/m, 'standard error too');
	like($log, qr/ out tab\there \\x1b\[31m$/m,
		'control bytes are escaped, tabs are not');
	like($log, qr/ out no newline\n/, 'a last line gets its newline');
	$r->finish;
};

subtest 'a program is stopped with its signal' => sub {
	my $r = daemon('signal', <<'YAML');
  polite:
    kind: program
    command:
      - sh
      - -c
      - 'trap "echo got USR1; exit 0" USR1; trap "echo got TERM" TERM; echo up; while :; do sleep 0.05; done'
    stop_signal: USR1
    ready: { after: 50ms }
  deaf:
    kind: program
    command: [sh, -c, 'trap "" TERM; echo up; while :; do sleep 0.05; done']
    stop_timeout: 300ms
    ready: { after: 50ms }
YAML
	$r->start or return;
	wait_said($r, $_, qr/^up$/) for qw(polite deaf);
	$r->finish;
	like($r->pool_log('polite'), qr/out got USR1$/m, 'the one it wants');
	unlike($r->pool_log('polite'), qr/got TERM/, 'and no other');
	like($r->log, qr/deaf\.0.*(?:killed|SIGKILL|KILL)/i,
		'who ignores it is killed, and that is logged');
};

subtest 'a group of processes is stopped with its program' => sub {
	my $r = daemon('group', <<'YAML');
  parent:
    kind: program
    command: [sh, -c, 'sleep 1000 & echo child $!; wait']
    ready: { after: 10ms }
YAML
	$r->start or return;
	my ($child) = wait_said($r, 'parent', qr/^child/) =~ /(\d+)/;
	ok(alive($child), 'its child runs');
	is(($r->post('/pools/parent/stop'))[0], 200, 'the pool is stopped');
	ok(wait_until(sub { !alive($child) }, 5, 'gone'), 'so is the child');
	is($r->pool('parent')->{state}, 'stopped', 'the status says so');
	is(($r->post('/pools/parent/start'))[0], 200, 'it can be started');
	is($r->pool('parent')->{ready}, 1, 'and is ready then');
	$r->finish;
};

subtest 'a program that ends is started again, or not, as it says' => sub {
	my $r = daemon('restart', <<'YAML');
  always: { kind: program, command: [sh, -c, "sleep 0.1; exit 0"], backoff_max: 100ms, ready: { after: 10ms } }
  failed: { kind: program, command: [sh, -c, "sleep 0.1; exit 3"], backoff_max: 100ms, restart: on-failure, ready: { after: 10ms } }
  well: { kind: program, command: [sh, -c, "sleep 0.1; exit 0"], restart: on-failure, ready: { after: 10ms } }
  never: { kind: program, command: [sh, -c, "sleep 0.1; exit 3"], restart: never, ready: { after: 10ms } }
  verdict: { kind: program, command: [sh, -c, "exit 78"], ready: { after: 10ms } }
YAML
	$r->launch;
	$r->wait_up;

	for my $pool (qw(always failed)) {
		ok(wait_until(sub {
			my $w = $r->worker($pool);
			($w->{restarts} // 0) >= 2;
		}, 10, "$pool again and again"), "$pool is started again");
	}
	is($r->worker('failed')->{last_exit}, 'exit 3', 'the last exit is told');
	for my $pool (qw(well never)) {
		wait_until { !$r->pids($pool) && $r->worker($pool)->{last_exit} }
			10, "$pool has ended";
		my $w = $r->worker($pool);
		is($w->{state}, 'done', "$pool is not");
		is($w->{pid}, undef, 'and has no process');
	}
	wait_until { $r->pool('verdict')->{state} eq 'failed' } 10,
		'exit 78 is a verdict';
	my $w = $r->worker('verdict');
	is($w->{state}, 'failed', 'that the slot shows');
	like($w->{why}, qr/78/, 'with the reason');
	$r->finish;
};

subtest 'a program that cannot be run is told' => sub {
	my $r = daemon('missing', <<'YAML');
  missing: { kind: program, command: [/nonexistent/program], ready: { after: 10ms } }
  nowhere: { kind: program, command: [sleep, "1"], directory: /nonexistent, ready: { after: 10ms } }
YAML
	$r->launch;
	$r->wait_up;
	$r->wait_log(qr{cannot run /nonexistent/program: No such file});
	$r->wait_log(qr{nowhere.*/nonexistent: No such file});
	wait_until { ($r->worker('missing')->{last_exit} // '')
		eq 'exit 127' } 10, 'the exit code is 127';
	$r->finish;
};

subtest 'a one-shot runs once, and its followers wait for it' => sub {
	my $r = daemon('oneshot', <<'YAML');
  job: { kind: program, oneshot: true, command: [sh, -c, "echo begun; while ! test -e @DIR@/go; do sleep 0.02; done; echo finished"] }
  follower: { kind: program, after: [job], command: [sh, -c, "echo up; exec sleep 1000"], ready: { after: 10ms } }
YAML
	$r->launch;
	$r->wait_up;
	wait_said($r, 'job', qr/begun/);
	my $w = $r->worker('follower');
	is($w->{state}, 'waiting', 'the follower waits');
	like($w->{why}, qr/job/, 'and says for what');
	is($r->pool_log('follower'), '', 'it has not been started');

	spew("$r->{dir}/go", '');
	$r->wait_ready or return;
	$w = $r->worker('job');
	is($w->{state}, 'done', 'the job is done');
	is($w->{last_exit}, 'exit 0', 'well');
	wait_said($r, 'follower', qr/^up$/);
	is(scalar(grep { /begun/ } said($r, 'job')), 1, 'it ran once');
	$r->finish;
};

subtest 'a one-shot that fails holds its followers back' => sub {
	my $r = daemon('badjob', <<'YAML');
  job: { kind: program, oneshot: true, restart: never, command: [sh, -c, "exit 5"] }
  follower: { kind: program, after: [job], command: [sleep, "1000"], ready: { after: 10ms } }
YAML
	$r->launch;
	$r->wait_up;
	wait_until { $r->worker('job')->{last_exit} } 10,
		'the job has ended';
	is($r->worker('job')->{state}, 'failed', 'it has failed');
	is($r->worker('follower')->{state}, 'waiting',
		'the follower is not started');
	$r->finish;
};

subtest 'pools stop in the reverse order of after' => sub {
	my $script = 'trap "echo $REEVE_POOL >>@DIR@/order; exit 0" TERM; '
		. 'while :; do sleep 0.02; done';
	my $r = daemon('order', <<YAML);
  top: { kind: program, after: [middle], command: [sh, -c, '$script'], ready: { after: 50ms } }
  middle: { kind: program, after: [bottom], command: [sh, -c, '$script'], ready: { after: 50ms } }
  bottom: { kind: program, command: [sh, -c, '$script'], ready: { after: 50ms } }
YAML
	$r->start or return;
	my %since = map { $_ => $r->worker($_)->{since_s} }
		qw(bottom middle top);
	ok($since{bottom} >= $since{middle} && $since{middle} >= $since{top},
		'they start one after the other') or diag(explain(\%since));
	$r->finish;
	is(slurp("$r->{dir}/order"), "top\nmiddle\nbottom\n",
		'and stop the other way round');
};

#
# Readiness: each server waits for the file `go` before it serves.
#

my $SERVER = <<'PERL';
#!/usr/bin/perl
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep);
my ($kind, $where, $go) = @ARGV;
$| = 1;
print "begun\n";
sleep 0.02 until -e $go;
if ($kind eq 'notify') {
	my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM,
		Peer => $ENV{NOTIFY_SOCKET}) or die "notify: $!";
	$s->send("STATUS=well\nREADY=1\n");
	sleep 1000;
}
my $l = $kind eq 'unix'
	? IO::Socket::UNIX->new(Local => $where, Listen => 5)
	: IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $where,
		Listen => 5, ReuseAddr => 1);
die "listen: $!" if !$l;
my $served = 0;
while (my $c = $l->accept) {
	if ($kind eq 'http') {
		my $line = <$c> // '';
		while (defined(my $h = <$c>)) { last if $h =~ /^\r?\n/ }
		# Unwell twice, then well.
		my $code = $served++ < 2 ? '503 Unwell' : '204 Well';
		$code = '404 What' if $line !~ m{^GET /health HTTP/1\.[01]};
		print $c "HTTP/1.1 $code\r\nContent-Length: 0\r\n"
			. "Connection: close\r\n\r\n";
		print "answered $code\n";
	}
	close $c;
}
PERL

sub test_readiness
{
	my ($kind, $where, $ready) = @_;
	my $r = Reeve->new(name => "ready-$kind");
	my $server = $r->write_script('server.pl', $SERVER);
	$r->write_config(<<YAML);
processes:
  server:
    kind: program
    command: [$server, $kind, "$where", "\@DIR\@/go"]
    ready: { $ready }
YAML
	$r->launch;
	$r->wait_up;
	wait_said($r, 'server', qr/^begun$/);
	my $w = $r->worker('server');
	is($w->{state}, 'starting', 'it is not ready before it serves');
	is($r->pool('server')->{ready}, 0, 'and not counted');

	spew("$r->{dir}/go", '');
	$r->wait_pool('server', 1);
	is($r->status->{state}, 'running', 'then the node runs');
	like($r->log, qr/answered 204/, 'after 503 it was asked again')
		if $kind eq 'http';
	$r->finish;
}

subtest 'ready when a TCP port accepts' => sub {
	test_readiness('tcp', '@PORT@', 'tcp: "127.0.0.1:@PORT@", interval: 20ms');
};
subtest 'ready when a unix socket accepts' => sub {
	test_readiness('unix', '@DIR@/s.sock', 'unix: "@DIR@/s.sock", interval: 20ms');
};
subtest 'ready when a URL answers well' => sub {
	test_readiness('http', '@PORT@',
		'http: "http://127.0.0.1:@PORT@/health", interval: 20ms');
};
subtest 'ready when a command says so' => sub {
	test_readiness('tcp', '@PORT@',
		'exec: [test, -e, "@DIR@/go"], interval: 20ms');
};
subtest 'ready when the program says so' => sub {
	test_readiness('notify', '-', 'notify: true');
};

subtest 'a program that is never ready is killed at its deadline' => sub {
	my $r = daemon('deadline', <<'YAML');
  never:
    kind: program
    command: [sleep, "1000"]
    ready: { tcp: "127.0.0.1:@PORT@", interval: 20ms }
    start_timeout: 200ms
    backoff_max: 100ms
YAML
	$r->launch;
	$r->wait_up;
	wait_until { $r->worker('never')->{restarts} } 10,
		'it is replaced';
	$r->wait_log(qr/never\.0.*(?:not ready|start_timeout)/);
	$r->finish;
};

done_testing();
