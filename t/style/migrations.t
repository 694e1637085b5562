#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Migrations are named as reevectl migrate wants them, each with a time of its
# own: two branches that take the same one are found here, not by an operator.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(files);

my @names = map { m{([^/]+)$} } files(qr/\.sql$/, 'migrations');
cmp_ok(scalar @names, '>', 0, 'there are migrations');
is_deeply([grep { !/^migration_\d{8}_\d{6}_[a-z0-9_]+\.sql$/ } @names], [],
	'each has a name with its time');

my %of_time;
push @{ $of_time{ substr $_, 0, 25 } }, $_ for @names;
is_deeply([map { @$_ } grep { @$_ > 1 } values %of_time], [], 'no two have the same time');

done_testing();
