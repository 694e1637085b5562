#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# cron - next times of cron expressions, everyday and hostile ones
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;
use Bench qw(figure run_helper say_step);

Bench->goals(
	cron_next => '<= 2 us',
	cron_next_berlin => '<= 2 us',
	cron_worst => '<= 10000 us',
);

say_step('expressions as people write them, then slow ones');
my %ns = run_helper('cron_next');
figure("cron_$_", $ns{$_}[0] / 1000, 'us') for qw(next next_berlin parse);
figure('cron_next_rate', 1e9 / $ns{next_berlin}[0], '1/s');
figure('cron_worst', $ns{worst}[0] / 1000, 'us');
