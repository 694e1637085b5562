#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The C sources have the layout of .clang-format.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(srcdir in_path output);

plan skip_all => 'clang-format-14 is not installed' unless in_path('clang-format-14');

my ($code, $text) = output(srcdir() . '/scripts/format', 'check');
is($code, 0, 'scripts/format check finds nothing to change') or diag($text);

done_testing();
