# SPDX-License-Identifier: ISC
#
# TrackNode - a QueueNode with a PostgreSQL of its own.
#
#	my ($r, $redis, $pg) = track_node($name, 'topics: { high: 1 }', %more);
#	my $row = row($pg, $id);	# { status, epoch, … } of its instance
#
# The handlers `gate` and `gates` wait until they read a line from the FIFO
# DIR/gate; its word is what they do: ok, fail, retry.
package TrackNode;

use strict;
use warnings;

use Exporter 'import';
use Fcntl qw(O_NONBLOCK O_WRONLY);
use POSIX qw(mkfifo);

use PgServer;
use QueueNode;
use Reeve qw(slurp wait_until);
use RedisServer;
use Tree qw(srcdir in_path);

our @EXPORT = qw(track_node migrate track_push task_id row rows_of is_state
	open_gate may_track);

my $made = 0;

sub may_track
{
	return 'redis-server is not installed' if !in_path('redis-server');
	return 'PostgreSQL is not installed' if !PgServer::is_there();
	return undef;
}

# The tables, as reevectl migrate makes them.
sub migrate
{
	my ($pg) = @_;
	$pg->psql('CREATE SCHEMA reeve');
	$pg->psql('BEGIN;' . slurp($_) . 'COMMIT;')
		for sort glob srcdir() . '/migrations/*.sql';
	return;
}

sub track_node
{
	my ($name, $pool, %o) = @_;
	my $r = Reeve->new(name => $name);
	my $redis = $o{redis} // RedisServer->new($r->dir, @{$o{redis_args} // []});
	my $pg = $o{pg};
	if (!$pg) {
		$pg = PgServer->new($r->dir, %{$o{settings} // {}});
		migrate($pg);
	}
	my ($url, $database) = ($redis->url, $pg->url);
	mkfifo("$r->{dir}/gate", 0666) or die "mkfifo: $!";
	chmod 0666, "$r->{dir}/gate";
	my $run = 'echo $REEVE_TASK_ID $REEVE_EPOCH >> @DIR@/runs';
	$r->write_config(<<"YAML");
@{[$o{node} ? "node: $o{node}" : '']}
redis: { url: "$url", prefix: "t:" }
database: { url: "$database", connections: 2 }
handlers:
  note: { kind: exec, command: [sh, -c, '$run; echo done'], tracked: true }
  plain: { kind: exec, command: [sh, -c, '$run'] }
  nap: { kind: exec, command: [sh, -c, '$run; exec sleep 0.3'], tracked: true }
  long: { kind: exec, command: [sh, -c, '$run; exec sleep 60'], kill_after: 1s, tracked: true }
  fail: { kind: exec, command: [sh, -c, '$run; echo no way >&2; exit 3'], retry: { max: 1, base: 10ms, cap: 10ms }, tracked: true }
  gate:
    kind: exec
    tracked: true
    retry: { max: 1, base: 10ms, cap: 10ms }
    command: [sh, -c, '$run; until read word < \@DIR\@/gate; do :; done; test "\$word" = ok']
@{[$o{handlers} // '']}
processes:
  queue: { kind: queue, $pool }
@{[$o{more} // '']}
YAML
	return ($r, $redis, $pg);
}

# A new id of version 7.
sub task_id
{
	return sprintf '%08x-%04x-7000-8000-%08x%04x',
		(time * 1000) >> 16, (time * 1000) & 0xffff, $$, ++$made;
}

# Enqueue as a foreign producer does; the id.
sub track_push
{
	my ($redis, $handler, %more) = @_;
	my $id = $more{id} // task_id();
	my $rest = join '', map { qq(,"$_":$more{$_}) }
		grep { $_ ne 'id' && $_ ne 'topic' } sort keys %more;
	my $topic = $more{topic} // 'high';
	$redis->cmd('XADD', "t:queue:{$topic}", '*', 'task',
		qq({"id":"$id","handler":"$handler"$rest}));
	return $id;
}

my @COLUMNS = qw(status epoch retry_count error_message result progress
	progress_text worker execution_node errors execution_duration
	children_done children_failed handler topic execution_params
	tenant_id);

sub rows_of
{
	my ($pg, $where) = @_;
	my $columns = join ', ', map { "coalesce($_\::text, '')" } @COLUMNS;
	return map {
		my %row;
		@row{@COLUMNS} = @$_;
		\%row
	} $pg->rows("SELECT $columns FROM reeve.task_instances"
		. " WHERE $where ORDER BY id");
}

sub row
{
	my ($pg, $id) = @_;
	my ($row) = rows_of($pg, "id = '$id'");
	return $row // {};
}

sub is_state
{
	my ($pg, $id, $state, $seconds) = @_;
	return wait_until { (row($pg, $id)->{status} // '') eq $state }
		$seconds // 10;
}

# Let one handler that waits at the gate go.  Of two that wait both have the FIFO
# open then; the one that gets nothing opens it again.
sub open_gate
{
	my ($r, $word) = @_;
	my $f;
	wait_until(sub { sysopen $f, "$r->{dir}/gate", O_WRONLY | O_NONBLOCK }, 30)
		or die "nobody waits at the gate: $!";
	print {$f} "$word\n";
	close $f;
	return;
}

1;
