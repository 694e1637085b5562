#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Under load of requests and tasks, releases go live and back, and nobody sees
# a failed request or misses a task.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use DeployLoad;
use PgServer;
use Tree qw(in_path);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';
in_path('redis-server') or plan skip_all => 'redis-server is not installed';

my $load = DeployLoad->new('load');
$load->rounds(3, sub {
	my ($version, $exit, $output) = @_;
	is($exit, 0, "$version goes live") or diag($output, $load->app->node->log);
	is($load->answers, $version, 'and answers');
});
my $sum = $load->stop;
cmp_ok($sum->{requests}, '>', 100, 'requests were made all the time');
is($sum->{failed}, 0, 'not one has failed') or diag($sum->{errors});
cmp_ok($sum->{pushed}, '>', 20, 'tasks were pushed all the time');
is($sum->{lost}, 0, 'not one is lost');
is($load->app->node->stop, 0, 'it stops');
done_testing();
