# SPDX-License-Identifier: ISC
#
# Reeve - a daemon of its own for an integration test: temp directory, free
# ports, start, reload, status, logs, stop.
#
#	my $r = Reeve->new(name => 'basic');
#	$r->write_config("processes:\n  a: { kind: program, command: … }\n");
#	$r->start;
#	my ($pid) = $r->pids('a');
#	…
#	$r->finish;		# stops it: exit 0, nothing left behind
#
# Nothing sleeps: everything polls with a deadline, and every deadline is
# multiplied by $REEVE_TEST_SLOW (sanitizers, slow machines).
package Reeve;

use strict;
use warnings;

use Cwd qw(abs_path);
use Errno qw(EINTR);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(:sys_wait_h setpgid);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(alive children_of descendants_of fds_of free_port
	http_get http_request is_root is_sanitized program run_command
	send_signal slow slurp spew wait_until);

# Seconds between two looks: the first, and the longest they grow to.
my ($POLL, $POLL_MOST) = (0.005, 0.04);
my @daemons;		# every object not yet gone, for the end of the test

# Orphans of a daemon that was killed come to the test, so none escapes.
my %PRCTL = (x86_64 => 157, aarch64 => 167, riscv64 => 167);
my $machine = (POSIX::uname())[4];
my $PR_SET_CHILD_SUBREAPER = 36;
syscall($PRCTL{$machine}, $PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	if $PRCTL{$machine};
# Perl's own handlers would not let the END block run.
$SIG{$_} = sub { exit 130 } for qw(INT TERM);
$SIG{PIPE} = 'IGNORE';

#
# Functions
#

# Deadlines in seconds are given for a fast machine.
sub slow
{
	my ($seconds) = @_;
	return $seconds * ($ENV{REEVE_TEST_SLOW} || 1);
}

sub is_root
{
	return $> == 0;
}

# A program of the build.
sub program
{
	my ($name) = @_;
	my $top = $ENV{builddir}
		// abs_path(dirname(__FILE__) . '/../../build');
	return "$top/src/$name";
}

# Built with sanitizers: memory and speed then say nothing.
sub is_sanitized
{
	my $built = (run_command(10, program('reeved'), '-V'))[1];
	return $built =~ /Sanitizer/;
}

sub slurp
{
	my ($path) = @_;
	open my $f, '<', $path or return undef;
	local $/;
	my $text = <$f>;
	close $f;
	return $text // '';
}

# Written beside and renamed, so that no reader sees half of it.
sub spew
{
	my ($path, $text, $mode) = @_;
	open my $f, '>', "$path.new" or die "$path.new: $!";
	print $f $text;
	close $f or die "$path.new: $!";
	chmod $mode, "$path.new" if defined $mode;
	rename "$path.new", $path or die "$path: $!";
	return $path;
}

sub longer
{
	my ($pause) = @_;
	return $pause < $POLL_MOST ? $pause * 1.2 : $pause;
}

# Until $done returns something true, which is then returned.  After
# `seconds` it is a failed test, and undef.
sub wait_until(&$;$)
{
	my ($done, $seconds, $name) = @_;
	my $end = time + slow($seconds);
	my $pause = $POLL;
	while (1) {
		my $from = time;
		my $got = $done->();
		return $got if $got;
		last if time > $end;
		# A look that costs much is not made all the time.
		my $took = time - $from;
		sleep($took > $pause ? $took : $pause);
		$pause = longer($pause);
	}
	if (defined $name) {
		local $Test::Builder::Level = $Test::Builder::Level + 1;
		fail("$name (waited for " . slow($seconds) . ' s)');
	}
	return undef;
}

# What stands behind the name in /proc/PID/stat; undef when there is none.
sub stat_text
{
	my ($pid) = @_;
	open my $f, '<:unix', "/proc/$pid/stat" or return undef;
	sysread $f, my $text, 4096 or return undef;
	return substr $text, 2 + rindex $text, ')';
}

# Its fields: state, ppid, …
sub proc_stat
{
	my ($pid) = @_;
	return split ' ', stat_text($pid) // '';
}

# There, and no zombie.
sub alive
{
	my ($pid) = @_;
	my ($state) = proc_stat($pid);
	return defined $state && $state !~ /[ZX]/;
}

sub all_pids
{
	opendir my $d, '/proc' or die "/proc: $!";
	return grep { /^\d+$/ } readdir $d;
}

# kill, but never a group and never everybody: a pid that is missing or 0 is
# a mistake of the test.
sub send_signal
{
	my ($signal, @pids) = @_;
	for my $pid (@pids) {
		die 'no pid to signal' if !defined $pid || $pid !~ /^\d+$/
			|| $pid <= 1;
	}
	return kill $signal, @pids;
}

# The children of every process, zombies as well, by one look at /proc.
sub all_children
{
	my %children;
	for my $pid (all_pids()) {
		my (undef, $parent) = split ' ', stat_text($pid) // '', 3;
		push @{ $children{$parent} }, $pid if defined $parent;
	}
	return \%children;
}

# Pids whose parent is $pid.
sub children_of
{
	my ($pid) = @_;
	return sort { $a <=> $b } @{ all_children()->{$pid} // [] };
}

sub descendants_of
{
	my ($pid) = @_;
	my $children = all_children();
	my @found;
	my @todo = ($pid);
	while (defined(my $parent = shift @todo)) {
		my @more = @{ $children->{$parent} // [] };
		push @found, @more;
		push @todo, @more;
	}
	return @found;
}

# "3 -> /path" for each descriptor, sorted by number.
sub fds_of
{
	my ($pid) = @_;
	opendir my $d, "/proc/$pid/fd" or return;
	my @fds = sort { $a <=> $b } grep { /^\d+$/ } readdir $d;
	return map { "$_ -> " . (readlink("/proc/$pid/fd/$_") // '?') } @fds;
}

# A port of 127.0.0.1 below the range the kernel hands out itself.  An abstract
# socket of its number keeps other tests from taking it too.
my @port_locks;

sub free_port
{
	for (1 .. 1000) {
		my $port = 20000 + int rand 12000;
		my $lock = IO::Socket::UNIX->new(
			Local => "\0reeve-test-port-$port", Listen => 1)
			or next;
		IO::Socket::INET->new(LocalAddr => '127.0.0.1',
			LocalPort => $port, Listen => 1, ReuseAddr => 1)
			or next;
		push @port_locks, $lock;
		return $port;
	}
	die 'no free port';
}

# Connected to a port of 127.0.0.1 or to a unix socket; undef.
sub connect_to
{
	my ($where) = @_;
	return IO::Socket::UNIX->new(Peer => $where) if $where =~ m{/};
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $where, Timeout => slow(5));
}

# Everything the other side sends until it closes, or undef when that takes
# too long.
sub read_all
{
	my ($sock, $seconds) = @_;
	my $end = time + slow($seconds);
	my $select = IO::Select->new($sock);
	my $all = '';
	while ((my $left = $end - time) > 0) {
		$select->can_read($left) or next;
		my $n = sysread $sock, $all, 65536, length $all;
		next if !defined $n && $! == EINTR;
		return $all if !$n;
	}
	return undef;
}

# One request on a connection of its own: (status, body, head); status 0
# when there is no answer.
sub http_request
{
	my ($method, $where, $path, $seconds) = @_;
	my $sock = connect_to($where) or return (0, "connect: $!", '');
	print $sock "$method $path HTTP/1.1\r\nHost: localhost\r\n"
		. "Content-Length: 0\r\nConnection: close\r\n\r\n";
	$sock->flush;
	my $all = read_all($sock, $seconds // 30);
	return (0, 'no answer in time', '') if !defined $all;
	my ($head, $body) = split /\r\n\r\n/, $all, 2;
	return (0, 'no HTTP', '')
		if !defined $body || $head !~ m{^HTTP/1\.1 (\d{3})};
	my $status = $1;
	$body = dechunked($body) if $head =~ /^transfer-encoding: chunked/mi;
	return ($status, $body, $head);
}

sub http_get
{
	my ($where, $path) = @_;
	return http_request('GET', $where, $path);
}

sub dechunked
{
	my ($rest) = @_;
	my $body = '';
	while ($rest =~ s/^([0-9a-fA-F]+)[^\r]*\r\n//) {
		my $n = hex $1 or last;
		$body .= substr $rest, 0, $n, '';
		$rest =~ s/^\r\n//;
	}
	return $body;
}

# Run a command to its end: (exit, stdout, stderr); exit is 128 + N for a
# signal, -1 when it took too long and was killed.
sub run_command
{
	my ($seconds, @command) = @_;
	my @files = map { File::Temp->new(TEMPLATE => 'reeve-out-XXXXXX',
		TMPDIR => 1) } 1, 2;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', $files[0]->filename;
		open STDERR, '>', $files[1]->filename;
		{ exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	my $end = time + slow($seconds);
	my $pause = $POLL;
	my $status;
	while (!defined $status) {
		$status = $? if waitpid($pid, WNOHANG) == $pid;
		last if defined $status;
		if (time > $end) {
			send_signal('KILL', $pid);
			waitpid $pid, 0;
			$status = -1;
		} else {
			sleep $pause;
			$pause = longer($pause);
		}
	}
	return (exit_of($status), map { slurp($_->filename) } @files);
}

sub exit_of
{
	my ($status) = @_;
	return -1 if $status == -1;
	return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

#
# The object
#

# name: of the test; log_dir => undef: log to standard error only.
sub new
{
	my ($class, %arg) = @_;
	my $name = $arg{name} // 'test';
	my $dir = File::Temp::tempdir("reeve-$name-XXXXXX",
		DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
	chmod 0755, $dir;
	my $self = bless {
		name => $name,
		dir => $dir,
		config => "$dir/process.yaml",
		log_dir => exists $arg{log_dir} ? $arg{log_dir} : "$dir/log",
		port => free_port(),
		token => "$name-$$-" . int rand 1e9,
		owner => $$,
		seen => {},
	}, $class;
	mkdir "$dir/run" or die "$dir/run: $!";
	mkdir "$dir/log" or die "$dir/log: $!";
	push @daemons, $self;
	return $self;
}

sub dir { return $_[0]{dir} }
sub config { return $_[0]{config} }
sub port { return $_[0]{port} }
sub pid { return $_[0]{pid} }
sub socket { return "$_[0]{dir}/run/control.sock" }
sub pid_file { return "$_[0]{dir}/run/reeved.pid" }

# process.yaml with run_dir and log_dir in the test's directory, unless given.
# @DIR@ and @PORT@ are replaced.
sub write_config
{
	my ($self, $yaml, $path) = @_;
	my $head = '';
	$head .= "run_dir: \@DIR\@/run\n" if $yaml !~ /^run_dir:/m;
	$head .= "log_dir: $self->{log_dir}\n"
		if defined $self->{log_dir} && $yaml !~ /^log_dir:/m;
	return spew($path // $self->{config}, $self->expand($head . $yaml));
}

sub expand
{
	my ($self, $text) = @_;
	$text =~ s/\@DIR\@/$self->{dir}/g;
	$text =~ s/\@PORT\@/$self->{port}/g;
	return $text;
}

# An executable script in the test's directory; returns its path.
sub write_script
{
	my ($self, $name, $text) = @_;
	return spew("$self->{dir}/$name", $self->expand($text), 0755);
}

# reeved -c FILE @args to its end: (exit, stdout, stderr).
sub run
{
	my ($self, @args) = @_;
	local $ENV{REEVE_TEST} = $self->{token};
	return run_command(30, program('reeved'), '-c', $self->{config},
		@args);
}

# Fork reeved in the foreground, its output in DIR/stderr.log; waits for
# nothing.
sub launch
{
	my ($self, @args) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$ENV{REEVE_TEST} = $self->{token};
		delete @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC LISTEN_FDS)}
			if !$self->{keep_environment};
		$SIG{$_} = 'DEFAULT' for qw(INT TERM PIPE);
		setpgid(0, 0);
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$self->{dir}/stderr.log";
		open STDERR, '>&', \*STDOUT;
		my @command = (@{ $self->{prefix} // [] }, program('reeved'),
			'-c', $self->{config}, @args);
		{ exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	$self->{pid} = $pid;
	$self->{exit} = undef;
	return $pid;
}

# Wait until it answers, whatever its pools do.
sub wait_up
{
	my ($self) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until { $self->status(1) } 10, 'reeved answers'
		or diag($self->log);
	return;
}

# Launch, and wait until every pool is ready (or done).  True, or a failed
# test with the log in it.
sub start
{
	my ($self, @args) = @_;
	$self->launch(@args);
	return $self->wait_ready;
}

# The exit code once it has ended, else undef.
sub reap
{
	my ($self) = @_;
	return $self->{exit} if defined $self->{exit} || !$self->{pid};
	my $got = waitpid $self->{pid}, WNOHANG;
	$self->{exit} = exit_of($?) if $got == $self->{pid};
	return $self->{exit};
}

sub is_complete
{
	my ($status) = @_;
	return 0 if $status->{state} !~ /^(running|drained)$/;
	for my $p (@{ $status->{pools} }) {
		return 0 if $p->{state} !~ /^(running|done|stopped)$/;
	}
	return 1;
}

sub wait_ready
{
	my ($self, $seconds) = @_;
	$seconds //= 20;
	my $end = time + slow($seconds);
	my $pause = $POLL;
	my $why = 'its pools are not ready';
	while (time < $end) {
		if (defined $self->reap) {
			$why = "it ended with exit code $self->{exit}";
			last;
		}
		my $s = $self->status(1);
		return 1 if $s && is_complete($s);
		sleep $pause;
		$pause = longer($pause);
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	fail("reeved starts: $why");
	diag($self->log);
	diag(JSON::PP->new->canonical->pretty->encode($self->status(1) // {}));
	return 0;
}

# GET /status, decoded; undef when nobody answers.
sub status
{
	my ($self, $seconds) = @_;
	my ($code, $body) =
		http_request('GET', $self->socket, '/status', $seconds // 10);
	return undef if $code != 200;
	my $s = eval { JSON::PP::decode_json($body) };
	return $s if $s;
	fail('the status is JSON');
	diag($@, $body);
	return undef;
}

# One pool of the status, {} if it is not there.
sub pool
{
	my ($self, $name) = @_;
	my $s = $self->status // {};
	my ($p) = grep { $_->{name} eq $name } @{ $s->{pools} // [] };
	return $p // {};
}

# The workers of a pool, in the order of their slots.
sub workers
{
	my ($self, $name) = @_;
	my @workers = sort { $a->{slot} <=> $b->{slot} }
		@{ $self->pool($name)->{workers} // [] };
	return @workers;
}

# The first of them; {} if there is none (yet).
sub worker
{
	my ($self, $name) = @_;
	return ($self->workers($name))[0] // {};
}

# Their pids, those that are starting or ready.
sub pids
{
	my ($self, $name) = @_;
	my @serving = grep { $_->{pid} && $_->{state} =~ /^(starting|ready)$/ }
		$self->workers($name);
	return map { $_->{pid} } @serving;
}

# Wait until the pool has `count` (default: any) ready workers; their pids.
sub wait_pool
{
	my ($self, $name, $count, $seconds) = @_;
	my @ready;
	wait_until {
		@ready = grep { $_->{state} eq 'ready' }
			$self->workers($name);
		defined $count ? @ready == $count : @ready > 0;
	} $seconds // 15, "pool $name has " . ($count // 'some') . ' ready'
		or diag($self->log);
	return map { $_->{pid} } @ready;
}

# reevectl -c FILE @args: (exit, stdout, stderr).
sub ctl
{
	my ($self, @args) = @_;
	return run_command(60, program('reevectl'), '-c', $self->{config},
		@args);
}

# POST /reload: true when it was carried out, else (0, error).
sub reload
{
	my ($self) = @_;
	my ($code, $body) =
		http_request('POST', $self->socket, '/reload', 60);
	my $answer = eval { JSON::PP::decode_json($body) } // {};
	return wantarray ? ($code == 200, $answer->{error} // '') : $code == 200;
}

# POST path: (status, decoded answer).
sub post
{
	my ($self, $path, $seconds) = @_;
	my ($code, $body) =
		http_request('POST', $self->socket, $path, $seconds // 60);
	return ($code, eval { JSON::PP::decode_json($body) } // $body);
}

sub signal
{
	my ($self, $signal) = @_;
	return send_signal($signal, $self->{pid});
}

# All logs, oldest names first: standard error, then the files of log_dir.
sub log
{
	my ($self) = @_;
	my $text = slurp("$self->{dir}/stderr.log") // '';
	$text .= slurp($_) // '' for sort glob "$self->{dir}/log/*";
	return $text;
}

# The log file of one pool, "" while there is none.
sub pool_log
{
	my ($self, $name) = @_;
	return slurp("$self->{dir}/log/$name.log") // '';
}

# Until the logs hold a match; a failed test otherwise.
sub wait_log
{
	my ($self, $pattern, $seconds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return 1 if wait_until { $self->log =~ $pattern } $seconds // 10;
	fail("the log has $pattern");
	diag($self->log);
	return 0;
}

# Wait for the end: the exit code, or undef (a failed test).
sub wait_exit
{
	my ($self, $seconds) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_until { defined $self->reap } $seconds // 30
		or fail('reeved ends'), diag($self->log);
	return $self->{exit};
}

# SIGTERM, then the exit code.
sub stop
{
	my ($self, $seconds) = @_;
	$self->remember;
	$self->signal('TERM') if !defined $self->reap;
	return $self->wait_exit($seconds);
}

# SIGKILL to the master alone.
sub kill9
{
	my ($self) = @_;
	$self->remember;
	send_signal('KILL', $self->{pid});
	return $self->wait_exit;
}

# Note what runs below the daemon, to look for it later.
sub remember
{
	my ($self) = @_;
	return if !$self->{pid};
	$self->{seen}{$_} = start_of($_) for descendants_of($self->{pid});
	return;
}

# When it was started, in ticks: tells a reused pid.
sub start_of
{
	my ($pid) = @_;
	return (proc_stat($pid))[19] // '';
}

# Processes left of this daemon: seen below it, or with its token in their
# environment, or come to the test as orphans.
sub strays
{
	my ($self) = @_;
	my %stray;
	for my $pid (keys %{ $self->{seen} }) {
		$stray{$pid} = 1
			if start_of($pid) eq $self->{seen}{$pid};
	}
	for my $pid (all_pids()) {
		next if $pid == $$;
		my $env = slurp("/proc/$pid/environ") // '';
		$stray{$pid} = 1
			if $env =~ /(^|\0)REEVE_TEST=\Q$self->{token}\E\0/;
	}
	delete $stray{ $self->{pid} // 0 } if !defined $self->{exit};
	return grep { alive($_) } sort { $a <=> $b } keys %stray;
}

# Stop it if it runs, and assert that it ended well and left nothing.
sub finish
{
	my ($self) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($self->stop, 0, 'reeved stops with exit code 0')
		or diag($self->log);
	my @left;
	wait_until { @left = $self->strays; !@left } 2;
	is("@left", '', 'no child left') or diag(map { "$_: "
		. (slurp("/proc/$_/cmdline") // '') . "\n" } @left);
	ok(!-e $self->pid_file && !-e $self->socket,
		'no pid file and no socket left');
	my $bad = join '', $self->log =~
		/^.*(?:AddressSanitizer|LeakSanitizer|runtime error:).*$/mg;
	is($bad, '', 'no sanitizer has a word to say')
		if $ENV{ASAN_OPTIONS} || $bad ne '';
	$self->{is_well} = Test::More->builder->is_passing;
	return;
}

sub cleanup
{
	my ($self, $code) = @_;
	return if $self->{owner} != $$ || $self->{is_clean}++;
	if ($self->{pid} && !defined $self->reap) {
		$self->remember;
		send_signal('KILL', $self->{pid});
		waitpid $self->{pid}, 0;
		$self->{exit} = 137;
	}
	send_signal('KILL', $self->strays);
	1 while waitpid(-1, WNOHANG) > 0;
	if ($self->{is_well}
		|| ($code == 0 && Test::More->builder->is_passing)) {
		remove_tree($self->{dir}, { safe => 0, error => \my $ignored });
	} else {
		diag("the files of this test are kept in $self->{dir}");
	}
	return;
}

END {
	my $code = $?;
	$_->cleanup($code) for @daemons;
	$? = $code;
}

1;
