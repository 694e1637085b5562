#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What --help names is in the manual page, and the other way round.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(slurp program output);

# Long flags ("--help") of a help text.
sub flags_of_help
{
	my ($text) = @_;
	my %seen = map { $_ => 1 } $text =~ /(?<![\w-])(--[a-z][a-z-]*[a-z])/g;
	return [sort keys %seen];
}

# The same of a manual page: ".Fl -help", also in the middle of a line.
sub flags_of_page
{
	my ($text) = @_;
	my %seen = map { +"-$_" => 1 } $text =~ /^\.(?:.* )?Fl (-[a-z][a-z-]*[a-z])/gm;
	return [sort keys %seen];
}

for my $name (qw(reeved reevectl)) {
	my $program = program("src/$name");
	SKIP: {
		skip "$name is not built", 2 unless $program;
		my ($code, $help) = output($program, '--help');
		is($code, 0, "$name --help succeeds");
		is_deeply(flags_of_help($help), flags_of_page(slurp("man/$name.8")),
			"the flags of $name --help are those of its manual page");
	}
}

done_testing();
