# SPDX-License-Identifier: ISC
#
# DeployLoad - an application that serves http on a socket which reeve owns,
# and tasks of a queue, while its releases come and go.
#
#	my $load = DeployLoad->new('name');
#	$load->rounds(3, sub { my ($version, $exit, $output) = @_; … });
#	my $sum = $load->stop;	# { requests, failed, errors, pushed, lost }
package DeployLoad;

use strict;
use warnings;

use Carp qw(croak);
use POSIX ();
use Time::HiRes qw(sleep);

use DeployNode;
use Load;
use RedisServer;
use Reeve qw(free_port http_get slurp spew wait_until);

# It serves until it is told to end, and then answers what it has got: each
# connection ends behind an answer that says so.
my $SERVER = <<'PERL';
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
my ($version) = do { open my $f, '<', 'VERSION' or die; <$f> };
open my $listener, '+<&=', 3 or die "listen: $!";
bless $listener, 'IO::Socket::INET';
$listener->blocking(0);
my ($ending, %text) = (0);
$SIG{TERM} = sub { $ending = 1 };
my $all = IO::Select->new($listener);
my $ready = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET});
send $ready, 'READY=1', 0;
while (1) {
	$all->remove($listener) if $ending;
	last if !$all->count;
	for my $s ($all->can_read(1)) {
		if ($s == $listener) {
			my $new = $listener->accept or next;
			$all->add($new);
			$text{$new} = '';
			next;
		}
		my $n = sysread $s, $text{$s}, 4096, length $text{$s};
		my $is_over = !$n;
		while ($n && $text{$s} =~ s/^(.*?)\r\n\r\n//s) {
			$is_over = $ending || $1 =~ /^connection: close/mi;
			my $more = $is_over ? "Connection: close\r\n" : '';
			syswrite $s, "HTTP/1.1 200 OK\r\n${more}Content-Length: "
				. length($version) . "\r\n\r\n$version";
		}
		next if !$is_over;
		$all->remove($s);
		delete $text{$s};
		close $s;
	}
}
PERL

# Pushes tasks until it is told to end; says how many.
sub produce
{
	my ($socket, $write) = @_;
	my ($stop, $count) = (0, 0);
	$SIG{TERM} = sub { $stop = 1 };
	while (!$stop) {
		my $task = sprintf '{"id":"%08x-0000-7000-8000-%012x","handler":"note"}', $$,
			++$count;
		$socket->cmd('XADD', 't:queue:{high}', '*', 'task', $task);
		sleep 0.02;
	}
	print $write $count;
	close $write;
	return;
}

sub new
{
	my ($class, $name) = @_;
	my $port = free_port();
	my $dir = File::Temp::tempdir("reeve-$name-XXXXXX", CLEANUP => 1,
		DIR => $ENV{REEVE_TEST_TMP} // '/tmp');
	chmod 0755, $dir;
	my $redis = RedisServer->new($dir);
	my $app = DeployNode->new(name => $name, redis => $redis->url, unstarted => 1,
		handlers => <<"YAML", web => <<"YAML", options => <<"YAML", pools => <<"YAML");
  note: { kind: exec, command: [sh, -c, 'exec sh \@DIR\@/app/current/note.sh'] }
YAML
    command: [sh, -c, 'cd \@DIR\@/app/current && exec perl server.pl']
    listen: ["127.0.0.1:$port"]
    ready: { notify: true }
    count: 2
YAML
    consumers_during: { high: 1 }
YAML
  queue: { kind: queue, topics: { high: 2 } }
YAML
	my $self = bless { app => $app, redis => $redis, port => $port, made => 0 }, $class;
	$self->make('v0');
	mkdir $app->root . '/releases' or croak "releases: $!";
	rename $app->packages . '/v0.tree', $app->root . '/releases/v0' or croak "v0: $!";
	symlink 'releases/v0', $app->root . '/current' or croak "current: $!";
	$app->node->start or croak 'it does not start';
	$self->{load} = [Load->start($port, clients => 2, pause => 0.002),
		Load->start($port, clients => 1, pause => 0.002, close => 1)];
	$self->start_producer;
	return $self;
}

sub start_producer
{
	my ($self) = @_;
	pipe my $read, my $write or croak "pipe: $!";
	$self->{redis}->disconnect;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		close $read;
		eval { produce($self->{redis}, $write) };
		POSIX::_exit(0);
	}
	@$self{qw(producer count)} = ($pid, $read);
	return;
}

sub app { return $_[0]{app} }

sub make
{
	my ($self, $version) = @_;
	my $runs = $self->{app}->node->dir . '/runs';
	$self->{app}->release($version, VERSION => $version, 'server.pl' => $SERVER,
		'note.sh' => "echo \$REEVE_TASK_ID >> $runs\n");
	return;
}

# The version that answers.
sub answers
{
	my ($self) = @_;
	return (http_get($self->{port}, '/'))[1] // '';
}

# Push a new release and go back from it, so many times; tells of each.
sub rounds
{
	my ($self, $rounds, $tell) = @_;
	for (1 .. $rounds) {
		my $version = 'v' . ++$self->{made};
		my $before = readlink($self->{app}->root . '/current') =~ s{.*/}{}r;
		$self->make($version);
		$tell->($version, ($self->{app}->ctl('deploy', 'push', $version, '--wait'))[0, 1]);
		$tell->($before, ($self->{app}->ctl('deploy', 'rollback', $before, '--wait'))[0, 1]);
	}
	return;
}

# End the load, wait until all tasks are done, and count.
sub stop
{
	my ($self) = @_;
	my %sum = (requests => 0, failed => 0, errors => '');
	for my $load (@{ $self->{load} }) {
		my $one = $load->stop;
		$sum{$_} += $one->{$_} for qw(requests failed);
		$sum{errors} .= "@{ $one->{errors} // [] }";
	}
	kill TERM => $self->{producer};
	my $count = readline $self->{count};
	waitpid $self->{producer}, 0;
	$sum{pushed} = $count // 0;
	my %done;
	wait_until {
		%done = map { $_ => 1 } split /\n/,
			slurp($self->{app}->node->dir . '/runs') // '';
		keys %done >= $sum{pushed};
	} 20;
	$sum{lost} = $sum{pushed} - keys %done;
	return \%sum;
}

1;
