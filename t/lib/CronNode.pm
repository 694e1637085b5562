# SPDX-License-Identifier: ISC
#
# CronNode - daemons with a crontab pool, and a PostgreSQL and a Redis for them.
#
#	CronNode::is_there() or plan skip_all => 'no PostgreSQL here';
#	my $cron = CronNode->new('name', %redis);
#	my $r = $cron->node('a', crontab => 'scan_interval: 1s',
#		pools => "  queue: { kind: queue, topics: [high] }\n");
#	$cron->define(name => 'x', rule => '{"every":1000}', …);
#
# The handlers `note` and `nap` write a line "ID EPOCH" into DIR/runs as they
# begin.
package CronNode;

use strict;
use warnings;

use File::Basename qw(dirname);

use PgServer;
use RedisServer;
use Reeve qw(slurp);

my $migrations = dirname(__FILE__) . '/../../migrations';

sub is_there { return PgServer::is_there() }

sub new
{
	my ($class, $name, %o) = @_;
	my $home = Reeve->new(name => $name);
	my $self = bless { home => $home, dir => $home->dir }, $class;
	$self->{pg} = $o{pg} // PgServer->new($self->{dir}, %{$o{settings} // {}});
	$self->{redis} = RedisServer->new($self->{dir}, @{$o{redis} // []});
	$self->{pg}->psql(join "\n", 'CREATE SCHEMA reeve;',
		map { slurp($_) } sort glob "$migrations/*.sql");
	return $self;
}

sub pg { return $_[0]{pg} }
sub redis { return $_[0]{redis} }
sub sql { my ($self, @query) = @_; return $self->{pg}->psql(@query) }
sub rows { my ($self, @query) = @_; return $self->{pg}->rows(@query) }

# A node of this name; not started.  The first has the directory of the whole.
sub node
{
	my ($self, $name, %o) = @_;
	my $r = $self->{nodes}++ ? Reeve->new(name => $name) : $self->{home};
	my ($redis, $pg) = ($o{redis} // $self->{redis}->url,
		$o{pg} // $self->{pg}->url);
	my $run = "echo \$REEVE_TASK_ID \$REEVE_EPOCH >> $self->{dir}/runs";
	my $crontab = join ', ', 'kind: crontab', $o{crontab} // ();
	$r->write_config(<<"YAML");
node: $name
redis: { url: "$redis", prefix: "t:" }
database: { url: "$pg", connections: 2 }
handlers:
  note: { kind: exec, command: [sh, -c, '$run'] }
  nap: { kind: exec, command: [sh, -c, '$run; exec sleep 0.5'] }
  long: { kind: exec, command: [sh, -c, '$run; exec sleep 60'], kill_after: 1s }
  fail: { kind: exec, command: [sh, -c, '$run; exit 3'], retry: { max: 0 } }
@{[$o{handlers} // '']}
processes:
  crontab: { $crontab }
@{[$o{pools} // '']}
YAML
	return $r;
}

# Insert a definition; its first time is @{[now + in]} seconds unless `next` is
# an expression of SQL.  Returns its id.
sub define
{
	my ($self, %d) = @_;
	my %row = (task_name => $d{name}, task_handler => $d{handler} // 'note',
		schedule_type => $d{type} // 'FIXED_RATE',
		rule => $d{rule} // '{"every":1000}', topic => $d{topic} // 'high',
		map { $_ => $d{$_} } grep { exists $d{$_} }
			qw(overlap misfire misfire_max inline depends_on end_at start_at
			task_params status source tenant_id));
	my $next = $d{next} // 'clock_timestamp() + ' . ($d{in} // 0.5)
		. " * interval '1 second'";
	my @names = sort keys %row;
	return $self->sql('INSERT INTO reeve.task_definitions ('
		. join(', ', @names, 'next_fire') . ') VALUES ('
		. join(', ', (map { "'" . $row{$_} =~ s/'/''/gr . "'" } @names), $next)
		. ') RETURNING id');
}

# Lines of what the handlers wrote.
sub runs
{
	my ($self) = @_;
	return split /\n/, slurp("$self->{dir}/runs") // '';
}

# The entries of a topic's stream: texts of the envelopes.
sub stream
{
	my ($self, $topic) = @_;
	return map { $_->[1][1] } @{$self->{redis}->cmd('XRANGE',
		"t:queue:{$topic}", '-', '+')};
}

1;
