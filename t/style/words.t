#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Functions and files stay short enough to be read, every file names its
# licence, and a note to do something later names who does it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(files lines slurp);

use constant FUNCTION_LINES_MAX => 100;
use constant FILE_LINES_MAX => 900;
use constant LINE_COLUMNS_MAX => 100;

# Spelt in pieces, so that this file does not find itself.
my $marks = join '|', 'TO' . 'DO', 'FIX' . 'ME', 'X' . 'XX';

my @written = grep { !/\.gitkeep$/ } files(qr/./, qw(src scripts t etc man));
my @sources = grep { /\.[ch]$/ } @written;
# Samples that a test feeds to a parser are not ours to sign.
my @signed = grep { /\.(?:[cht1-9]|mk|pm|pl|sh|yaml)$/ || slurp($_) =~ /\A#!/ } @written;
@signed = grep { !m{^t/(?:fuzz|data)/} || /\.[ch]$/ } @signed;

# "PATH:LINE: NAME" of the functions of more than FUNCTION_LINES_MAX lines,
# measured from brace to brace: both stand alone in the first column.
sub long_functions
{
	my ($path) = @_;
	my ($n, $begin, $head, @found) = (0, 0, '');
	for my $line (lines($path)) {
		$n++;
		if ($line eq '{') {
			$begin = $n;
		} elsif ($line eq '}' && $begin) {
			push @found, "$path:$begin: $head: " . ($n - $begin - 1) . ' lines'
				if $n - $begin - 1 > FUNCTION_LINES_MAX;
			$begin = 0;
		} elsif (!$begin && $line =~ /(\w+)\(/) {
			$head = $1;
		}
	}
	return @found;
}

sub columns
{
	my ($line) = @_;
	1 while $line =~ s/\t/' ' x (8 - $-[0] % 8)/e;
	utf8::decode($line);
	return length $line;
}

sub wide_lines
{
	my ($path) = @_;
	my ($n, @found) = (0);
	for my $line (lines($path)) {
		$n++;
		push @found, "$path:$n" if columns($line) > LINE_COLUMNS_MAX;
	}
	return @found;
}

sub marked_lines
{
	my ($path) = @_;
	my ($n, @found) = (0);
	for my $line (lines($path)) {
		$n++;
		push @found, "$path:$n: $line" if $line =~ /\b(?:$marks)\b(?!\(\w+\))/;
	}
	return @found;
}

is_deeply([map { marked_lines($_) } @written], [], 'no note to do something later is without a name');
is_deeply([grep { slurp($_) !~ /\A(?:[^\n]*\n){0,2}[^\n]*SPDX-License-Identifier: ISC\b/ } @signed], [],
	'every file names its licence in its first lines');
is_deeply([map { long_functions($_) } @sources], [], 'no function is too long');
is_deeply([grep { (() = lines($_)) > FILE_LINES_MAX } @sources], [], 'no file is too long');
is_deeply([map { wide_lines($_) } @sources], [], 'no line is too wide');

done_testing();
