# SPDX-License-Identifier: ISC
#
# PgServer - a PostgreSQL of its own for a test, on a unix socket and a free
# port of 127.0.0.1.
#
#	PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
#	my $pg = PgServer->new($dir, fsync => 'on');	# started, answers
#	$pg->url;		# postgresql://reeve@127.0.0.1:PORT/postgres
#	$pg->psql('SELECT 1');	# "1"; dies with the error
#	$pg->kill; $pg->start; $pg->restart; $pg->stop('immediate');
#
# The one user is `reeve`, a superuser without a password.  The cluster is a
# copy of one that the first test makes in the build tree.
package PgServer;

use strict;
use warnings;

use File::Path qw(remove_tree);
use File::Temp ();
use POSIX qw(setgid setuid);
use Time::HiRes qw(sleep time);

use Reeve qw(alive children_of free_port is_root run_command send_signal slow
	slurp spew wait_until);

# How a server is told to end, and the names of pg_ctl(1) for it.
my %SIGNALS = (smart => 'TERM', fast => 'INT', immediate => 'QUIT');
my %PRCTL = (x86_64 => 157, aarch64 => 167, riscv64 => 167);
my ($PR_SET_PDEATHSIG, $SIGQUIT) = (1, 3);

# For speed; a test may say otherwise.
my %SETTINGS = (
	fsync => 'off',
	full_page_writes => 'off',
	shared_buffers => '16MB',
	max_connections => 100,
	log_line_prefix => '%m [%p] ',
	timezone => 'UTC',
);

my @servers;

# The newest that is installed, or undef.
sub bin_dir
{
	my @found = sort { ($b =~ /(\d+)/)[0] <=> ($a =~ /(\d+)/)[0] }
		grep { -x "$_/postgres" && -x "$_/initdb" }
		glob '/usr/lib/postgresql/*/bin';
	return $found[0];
}

# The program itself: Debian's of that name in PATH is a script that looks for it.
sub client { return bin_dir() . '/psql' }

sub is_there { return defined bin_dir() && -x client() }

# A server never runs as root: (uid, gid) for it, () when we are not root.
sub owner
{
	return if !is_root();
	for my $name (qw(postgres nobody)) {
		my (undef, undef, $uid, $gid) = getpwnam $name;
		return ($uid, $gid) if defined $uid;
	}
	die 'no user to run PostgreSQL as';
}

# In a child: become the owner; never returns.  A server ends with its test,
# however that ends.
sub become
{
	my ($log, @command) = @_;
	my ($uid, $gid) = owner();
	open STDIN, '<', '/dev/null';
	open STDOUT, '>>', $log;
	open STDERR, '>&', \*STDOUT;
	chdir '/';
	if (defined $uid) {
		$) = "$gid $gid";
		setgid($gid) && setuid($uid) or POSIX::_exit(126);
	}
	my $prctl = $PRCTL{(POSIX::uname())[4]};
	syscall $prctl, $PR_SET_PDEATHSIG, $SIGQUIT, 0, 0, 0 if $prctl;
	delete @ENV{grep { /^PG/ } keys %ENV};
	$ENV{TZ} = 'UTC';
	$SIG{$_} = 'DEFAULT' for qw(INT TERM PIPE);
	{ exec { $command[0] } @command; }
	POSIX::_exit(127);
}

# May the owner walk down to this directory?
sub is_reachable
{
	my ($dir) = @_;
	return 1 if !is_root();
	for (my $at = $dir; $at ne ''; $at =~ s{/[^/]*\z}{}) {
		return 0 if !((stat $at)[2] & 0001);
	}
	return 1;
}

# A directory that the server may work in.
sub work_dir
{
	my ($parent) = @_;
	$parent = '/tmp' if $parent !~ m{^/} || !is_reachable($parent);
	my $dir = File::Temp::tempdir('reeve-pg-XXXXXX', DIR => $parent);
	my @owner = owner();
	chown @owner, $dir if @owner;
	return $dir;
}

# The cluster that all are copied from.  Several tests may make it at once:
# the first to rename it has won.
sub template
{
	my $top = $ENV{builddir} // Reeve::program('..');
	my $path = "$top/.pg-cluster-" . (bin_dir() =~ /(\d+)/)[0] . "-$>";
	return $path if -d $path;

	my $dir = work_dir($ENV{REEVE_TEST_TMP} // '/tmp');
	my $pid = fork // die "fork: $!";
	become("$dir/initdb.log", bin_dir() . '/initdb', '-D', "$dir/data",
		'-U', 'reeve', '-A', 'trust', '-E', 'UTF8', '--no-locale',
		'--no-sync', '--wal-segsize=1') if $pid == 0;
	waitpid $pid, 0;
	die 'initdb: ' . (slurp("$dir/initdb.log") // '') if $?;
	my ($rc, undef, $why) = run_command(60, 'cp', '-a', "$dir/data",
		"$path.$$");
	die "cp: $why" if $rc != 0;
	rename "$path.$$", $path or remove_tree("$path.$$", { safe => 0 });
	remove_tree($dir, { safe => 0 });
	return $path;
}

sub new
{
	my ($class, $dir, %settings) = @_;
	my $self = bless { dir => work_dir($dir), port => free_port(),
		owner => $$, log => "$dir/pg.log" }, $class;
	$self->{data} = "$self->{dir}/data";
	push @servers, $self;
	my ($rc, undef, $why) = run_command(60, 'cp', '-a', '--reflink=auto',
		template(), $self->{data});
	die "cp: $why" if $rc != 0;
	$self->set(%SETTINGS, listen_addresses => '127.0.0.1',
		port => $self->{port},
		unix_socket_directories => $self->{dir}, %settings);
	return $self->start;
}

# Settings for the next start, or for a reload by SELECT pg_reload_conf().
sub set
{
	my ($self, %settings) = @_;
	open my $f, '>>', "$self->{data}/postgresql.conf"
		or die "postgresql.conf: $!";
	for my $name (sort keys %settings) {
		(my $value = $settings{$name}) =~ s/'/''/g;
		print {$f} "$name = '$value'\n";
	}
	close $f or die "postgresql.conf: $!";
	return;
}

sub port { return $_[0]{port} }
sub dir { return $_[0]{dir} }
sub pid { return $_[0]{pid} }
sub log { return slurp($_[0]{log}) // '' }

sub url
{
	my ($self, $database) = @_;
	return sprintf 'postgresql://reeve@127.0.0.1:%d/%s', $self->{port},
		$database // 'postgres';
}

# By the unix socket.
sub socket_url
{
	my ($self, $database) = @_;
	(my $host = $self->{dir}) =~ s{/}{%2F}g;
	return sprintf 'postgresql://reeve@%s:%d/%s', $host, $self->{port},
		$database // 'postgres';
}

sub is_ready
{
	my ($self) = @_;
	my @lines = split /\n/, slurp("$self->{data}/postmaster.pid") // '';
	return @lines > 7 && $lines[0] == $self->{pid}
		&& $lines[7] =~ /^ready/;
}

sub start
{
	my ($self) = @_;
	my $pid = fork // die "fork: $!";
	become($self->{log}, bin_dir() . '/postgres', '-D', $self->{data})
		if $pid == 0;
	$self->{pid} = $pid;
	my $until = time + slow(20);
	until ($self->is_ready) {
		die 'PostgreSQL does not start: ' . $self->log
			if time > $until || waitpid($pid, POSIX::WNOHANG) == $pid;
		sleep 0.01;
	}
	return $self;
}

# How: smart (waits for clients), fast (the usual), immediate (recovers).
sub stop
{
	my ($self, $how) = @_;
	my $pid = delete $self->{pid} or return;
	send_signal($SIGNALS{$how // 'fast'} // die("stop $how?"), $pid);
	waitpid $pid, 0;
	return;
}

sub restart
{
	my ($self, $how) = @_;
	$self->stop($how);
	return $self->start;
}

# SIGKILL to every process of it.  It starts again after recovery.
sub kill
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	my @all = ($pid, children_of($pid));
	send_signal('KILL', @all);
	waitpid $pid, 0;
	wait_until { !grep { alive($_) } @all } 10, 'PostgreSQL is gone';
	return;
}

# Start again as a standby that follows nobody: read-only, until
# SELECT pg_promote().
sub demote
{
	my ($self) = @_;
	$self->stop;
	my $path = "$self->{data}/standby.signal";
	spew($path, '');
	my @owner = owner();
	chown @owner, $path if @owner;
	return $self->start;
}

# SIGSTOP to every process of it, and back to life.
sub freeze
{
	my ($self) = @_;
	send_signal('STOP', $self->{pid});
	$self->{frozen} = [children_of($self->{pid})];
	send_signal('STOP', @{ $self->{frozen} });
	return;
}

sub thaw
{
	my ($self) = @_;
	send_signal('CONT', @{ delete $self->{frozen} // [] }, $self->{pid});
	return;
}

# The answers of psql(1), a line a row, a tab between columns; dies with the
# error.  Each statement is a transaction of its own.
sub psql
{
	my ($self, $sql, $database) = @_;
	my $file = File::Temp->new(TEMPLATE => 'reeve-sql-XXXXXX', TMPDIR => 1);
	spew($file->filename, $sql);
	local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
	my ($rc, $out, $why) = run_command(60, client(), '-XqAt', '-F', "\t",
		'-v', 'ON_ERROR_STOP=1', '-d', $self->url($database),
		'-f', $file->filename);
	die "psql: $why" if $rc != 0;
	chomp $out;
	return $out;
}

# The rows as array references.
sub rows
{
	my ($self, @query) = @_;
	return map { [split /\t/, $_, -1] } split /\n/, $self->psql(@query);
}

# For a test in another language: a server that does what each line of
# standard input says, and answers each with one line, "ok TEXT" or "no TEXT",
# a line of TEXT ended by "|".  The first answer says where it is.
sub serve
{
	my ($dir, @settings) = @_;
	my $pg = PgServer->new($dir, map { split /=/, $_, 2 } @settings);
	local $| = 1;
	print join(' ', 'ok', $pg->port, $pg->url, $pg->socket_url), "\n";
	while (my $line = <STDIN>) {
		chomp $line;
		my ($command, $text) = split / /, $line, 2;
		my $answer = eval { $pg->$command($text // ()) };
		$answer = $@ ? "no $@" : 'ok ' . ($answer // '');
		$answer =~ s/\n\z//;
		$answer =~ s/\n/|/g;
		print "$answer\n";
	}
	return;
}

sub cleanup
{
	my ($self) = @_;
	return if $self->{owner} != $$;
	if (my $pid = delete $self->{pid}) {
		my @all = children_of($pid);
		send_signal('CONT', $pid, @all);
		send_signal('QUIT', $pid);
		my $until = time + slow(10);
		while (waitpid($pid, POSIX::WNOHANG) == 0) {
			send_signal('KILL', $pid) if time > $until;
			sleep 0.005;
		}
	}
	remove_tree($self->{dir}, { safe => 0, error => \my $ignored });
	return;
}

END {
	my $rc = $?;
	$_->cleanup for @servers;
	$? = $rc;
}

1;
