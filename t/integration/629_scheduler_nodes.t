#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The scheduler of two nodes is one: stopped through the API of either, nothing
# fires on any from a second later on, and started again, each definition's
# misfire says what becomes of the times it has missed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use ApiNode;
use CronNode;
use Reeve qw(http_get wait_until);

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

my $c = CronNode->new('stops');
my (%node, %api, $token);
for my $name (qw(a b)) {
	$node{$name} = $c->node($name, crontab => 'misfire_after: 1s', pools => <<'YAML');
  http: { kind: http, listen: ["127.0.0.1:@PORT@"], count: 1 }
YAML
	$api{$name} = ApiNode->of($node{$name}, $c->pg);
}
$token = $api{a}->token('default', 'admin');

sub ask
{
	my ($name, $what) = @_;
	my $a = $api{$name}->call($what eq 'status' ? 'GET' : 'POST',
		"/api/v1/tasks/scheduler/$what", $token);
	return $a->{body} if $a->{status} == 200;
	diag("$what: $a->{status} $a->{text}");
	return {};
}

# Runs that the crontab workers of a node have made, of any kind.
sub fired
{
	my ($name) = @_;
	my (undef, $text) = http_get($node{$name}->port, '/metrics');
	my $sum = 0;
	$sum += $1 while $text =~ /^reeve_cron_runs_total\{.*\} (\d+)$/mg;
	return $sum;
}

sub made { return $c->sql("SELECT count(*) FROM reeve.task_instances WHERE $_[0]") }

my %ticks = map { $_ => 1 } map { $c->define(name => "tick$_", overlap => 'allow',
	rule => '{"every":250}') } 1 .. 20;
$_->start or BAIL_OUT('no daemon') for @node{qw(a b)};
wait_until { fired('a') > 0 && fired('b') > 0 } 20, 'both nodes fire'
	or diag(fired('a'), ' and ', fired('b'));
wait_until { my $s = ask('b', 'status');
	defined $s->{leader} && $s->{lateness}{fires} >= 20 } 10, 'and the API tells';

wait_until { (http_get($node{b}->port, '/metrics'))[1] =~ /^reeve_redis_memory_bytes \d/m } 10,
	'a node without queues tells of Redis, too';

subtest 'stopped on one node, both are' => sub {
	ok(!ask('a', 'stop')->{running}, 'a says that it is stopped');
	my $stop = $c->sql('SELECT changed_at FROM reeve.scheduler');
	my $after = "created_at > '$stop'::timestamptz + interval '1 second'";
	wait_until { $c->sql("SELECT clock_timestamp() >"
		. " '$stop'::timestamptz + interval '1 second'") eq 't' } 5, 'a second later';
	my @fired = map { fired($_) } qw(a b);
	wait_until { $c->sql("SELECT clock_timestamp() >"
		. " '$stop'::timestamptz + interval '2500 ms'") eq 't' } 5, 'and more';
	is(made($after), 0, 'no run is made from one second on');
	is_deeply([map { fired($_) } qw(a b)], \@fired, 'and neither node says it made one');
	cmp_ok(ask('b', 'status')->{dueNow}, '>', 0, 'though some are due');

	my ($s, $t) = map { ask($_, 'status') } qw(a b);
	ok(!$s->{running} && !$t->{running}, 'both tell so');
	like($t->{leader}, qr{^[ab]/crontab\.0/\d+$}, 'who leads');
	is_deeply([@$t{qw(leader term leaderSince changedBy)}],
		[@$s{qw(leader term leaderSince changedBy)}], 'each the same as the other');
	like($t->{leaderSince}, qr/^\d{4}-\d\d-\d\dT/, 'and since when');
	for my $lateness ($s->{lateness}, $t->{lateness}) {
		ok($lateness->{fires} >= 20 && $lateness->{mean} > 0
			&& $lateness->{maximum} >= $lateness->{p99}, 'and how late fires are')
			or diag(explain($lateness));
	}
};

subtest 'started on the other, what was missed goes by each policy' => sub {
	my $stop = $c->sql('SELECT changed_at FROM reeve.scheduler');
	my %id = map { $_ => $c->define(name => $_, misfire => $_, overlap => 'allow',
		rule => '{"every":1200000}', next => "now() - interval '3605 s'") }
		qw(skip once all);
	ok(ask('b', 'start')->{running}, 'b says that it runs');
	my $start = $c->sql('SELECT changed_at FROM reeve.scheduler');
	ok(ask('a', 'status')->{running}, 'and so does a');
	# Missed an hour ago and every twenty minutes since, lastly just now.
	my %wanted = (skip => 'MMMM', once => 'MMMR', all => 'RRRR');
	for my $policy (sort keys %wanted) {
		my $seen;
		my $told = sub {
			$seen = join '', map { $_ eq 'MISFIRED' ? 'M' : 'R' } split /\n/,
				$c->sql("SELECT status FROM reeve.task_instances"
					. " WHERE task_definition_id = '$id{$policy}'"
					. " ORDER BY fire_time LIMIT 4") // '';
			return length $seen == 4;
		};
		&wait_until($told, 10, "the missed of $policy are rows");
		is($seen, $wanted{$policy}, "$policy is: $wanted{$policy}");
	}
	# Every time of the ticks, from the stop until the start, is a row.
	my $hole = sub { return $c->sql(<<"SQL") };
SELECT count(*) FROM (SELECT fire_time - lag(fire_time) OVER (PARTITION BY
		task_definition_id ORDER BY fire_time) AS step
	FROM reeve.task_instances WHERE fire_time > '$stop'::timestamptz - interval '1 s'
		AND task_definition_id IN (SELECT id FROM reeve.task_definitions
			WHERE task_name LIKE 'tick%')) s WHERE step > interval '250 ms'
SQL
	wait_until { made("fire_time > '$start' AND trigger = 'cron'") >= 20 } 10,
		'all fires again';
	is($hole->(), 0, 'and no time that was missed is without a row');
	cmp_ok(made("status = 'MISFIRED'"), '>=', 5, 'as one left out, or as a run');
};

$_->stop for @node{qw(a b)};
done_testing();
