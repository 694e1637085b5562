#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# deploy - releases out and back under load: the switch, and what fails
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use Bench qw(figure median percentile say_step);
use DeployLoad;

use constant ROUNDS => 20;	# a push and a rollback each

Bench->goals(
	deploy_failed_requests => '0',
	deploy_lost_tasks => '0',
	deploy_switch_median => '<= 1000 ms',
);

say_step('two workers that serve, three clients, 50 tasks a second');
my $load = DeployLoad->new('bench-deploy');
my $gone_wrong = 0;
$load->rounds(ROUNDS, sub {
	my ($version, $exit, $output) = @_;
	return if $exit == 0 && $load->answers eq $version;
	$gone_wrong++;
	say_step("$version: $output");
});
my $sum = $load->stop;
# From the link to the last of its workers replaced.
my @switch = map { $_->[0] } $load->app->pg->rows(<<'SQL');
SELECT extract(epoch FROM r.finished_at - s.started_at) * 1000
FROM reeve.deployment_steps s JOIN reeve.deployment_steps r USING (deployment_id)
WHERE s.step = 'switch' AND r.step = 'reload'
SQL
# From the push until it is over, less the watch.
my @all = map { $_->[0] } $load->app->pg->rows(<<'SQL');
SELECT extract(epoch FROM (d.finished_at - d.created_at) - (w.finished_at - w.started_at)) * 1000
FROM reeve.deployments d JOIN reeve.deployment_steps w ON w.deployment_id = d.id
WHERE w.step = 'watch'
SQL
figure('deploy_switch_median', median(@switch), 'ms');
figure('deploy_switch_most', (sort { $a <=> $b } @switch)[-1], 'ms');
figure('deploy_whole_median', median(@all), 'ms');
figure('deploy_done', scalar @all, 'deployments');
figure('deploy_gone_wrong', $gone_wrong, 'deployments');
figure('deploy_requests', $sum->{requests}, 'requests');
figure('deploy_failed_requests', $sum->{failed}, 'requests');
figure('deploy_tasks', $sum->{pushed}, 'tasks');
figure('deploy_lost_tasks', $sum->{lost}, 'tasks');
$load->app->node->stop;
