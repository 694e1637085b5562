#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# PostgreSQL killed and started again, twice, while clients make and look at
# tasks: they are told to come again, and served when it is back, by the same
# worker.  Whatever was said to be made is there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep time);
use ApiNode;
use PgServer;
use Reeve qw(slow slurp wait_until);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $api = ApiNode->new(name => 'away');
my $token = $api->token('acme', 'operator');
my ($pid) = $api->node->pids('http');
my $dir = $api->node->dir;
my $clients = 4;

# One client: a line "WHEN METHOD STATUS RETRY-AFTER ID" for each answer, until
# the file `stop` is there.
sub client
{
	my ($n) = @_;
	open my $out, '>', "$dir/client$n" or die;
	$out->autoflush(1);
	my $until = time + slow(120);
	while (!-e "$dir/stop" && time < $until) {
		for my $method ('POST', 'GET') {
			my $a = $api->call($method, '/api/v1/tasks' . ($method eq 'GET'
				? '/definitions?limit=1' : ''), $token, $method eq 'POST'
				? { handler => 'noop', topic => 'high' } : undef);
			printf $out "%.3f %s %s %s %s\n", time, $method, $a->{status},
				$a->{headers}{'retry-after'} // '-',
				$a->{status} == 201 ? $a->{body}{id} : '-';
			sleep 0.05 if $a->{status} != 200 && $a->{status} != 201;
		}
		sleep 0.01;
	}
	return;
}

my @children;
for my $n (1 .. $clients) {
	my $child = fork // die;
	if ($child == 0) {
		delete $api->{http};
		my $ok = eval { client($n); 1 };
		require POSIX;
		POSIX::_exit($ok ? 0 : 1);
	}
	push @children, $child;
}

sub answers
{
	return map { [split ' '] } map { split /\n/, slurp("$dir/client$_") // '' } 1 .. $clients;
}

# So many answers of that status since then.
sub since
{
	my ($when, $status) = @_;
	return scalar grep { $_->[0] > $when && $_->[2] =~ /^$status$/ } answers();
}

wait_until(sub { since(0, '201') >= 40 }, 60, 'clients are served');
for my $how ('kill', 'stop') {
	my $from = time;
	$how eq 'kill' ? $api->pg->kill : $api->pg->stop('immediate');
	wait_until(sub { since($from, '503') >= 10 }, 60, "$how: clients are told");
	$api->pg->start;
	my $back = time;
	wait_until(sub { since($back, '201') >= 20 && since($back, '200') >= 20 }, 60,
		"$how: and served again");
}
Reeve::spew("$dir/stop", '');
my @failed = grep { waitpid($_, 0); $? != 0 } @children;
is(scalar @failed, 0, 'every client has come to its end');

my @all = answers();
my %by;
$by{"$_->[1] $_->[2]"}++ for @all;
is(join(' ', grep { !/^(?:POST 201|GET 200|(?:POST|GET) 503)$/ } sort keys %by), '',
	'there was no answer but those') or diag(explain(\%by));
is(scalar(grep { $_->[2] == 503 && $_->[3] !~ /^[1-9]\d*$/ } @all), 0,
	'each 503 says when to come again');
my @made = map { $_->[4] } grep { $_->[2] == 201 } @all;
is($api->pg->psql("SELECT count(*) FROM reeve.task_instances WHERE id = ANY ('{"
	. join(',', @made) . "}')"), scalar @made, 'what was made is there');
is(($api->node->pids('http'))[0], $pid, 'the worker is the same');

$api->node->stop;
done_testing();
