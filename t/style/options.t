#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Every row of the option table is in process.yaml(5), with the default, the
# range and the reload class of the table, and in one of the templates; and
# neither names a setting that does not exist.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Tree qw(files lines slurp program output);

my $reevectl = program('src/reevectl');
plan skip_all => 'reevectl is not built' unless $reevectl;
my ($code, $text) = output($reevectl, qw(config options --json));
plan skip_all => "reevectl can not list the options: $text" if $code != 0;
my @rows = @{ decode_json($text) };

# The settings that are no rows: they shape the file.
my %shape = map { $_ => 1 } qw(include processes handlers templates kind extends);

# What the page says of a row, besides its meaning.
sub facts_of_row
{
	my ($row) = @_;
	my @facts;
	push @facts, "Default: $row->{default}." if defined $row->{default};
	if (@{ $row->{choices} }) {
		push @facts, 'Values: ' . join(', ', @{ $row->{choices} }) . '.';
	} elsif (defined $row->{minimum}) {
		my $auto = $row->{type} eq 'count' ? ', or auto' : '';
		push @facts, "Range: $row->{minimum} to $row->{maximum}$auto.";
	}
	push @facts, "Reload: $row->{reload}.";
	return \@facts;
}

# {SECTION}{SETTING} => [FACT …] of the page.
sub settings_of_page
{
	my ($section, $facts, %page) = ('');
	for my $line (lines('man/process.yaml.5')) {
		if ($line =~ /^\.S[hs] (.*)/) {
			($section, $facts) = ($1, undef);
		} elsif ($line =~ /^\.It Cm ([a-z_.]+)$/) {
			$facts = $page{$section}{$1} = [];
		} elsif ($facts && $line =~ /^(?:Default|Range|Values|Reload): /) {
			push @$facts, $line =~ s/\\-/-/gr;
		}
	}
	return \%page;
}

# The sections of the page that a row may stand in: a common row that serves
# some kinds only may stand with one of them.
sub sections_of_row
{
	my ($row) = @_;
	return 'SETTINGS OF THE NODE' if $row->{group} eq 'global';
	return (map({ "Handler $_" } @{ $row->{kinds} }), 'SETTINGS OF A HANDLER')
		if $row->{group} eq 'handler';
	return 'Topics' if $row->{group} eq 'topic';
	return "Kind $row->{group}" if $row->{group} ne 'pool';
	return ('SETTINGS OF A POOL', map { "Kind $_" } @{ $row->{kinds} });
}

# Are all parts of a dotted name keys in the text?  Those that are commented
# out count as well.
sub is_named
{
	my ($text, $name) = @_;
	for my $part (split /\./, $name) {
		return 0 unless $text =~ /^(?:[^#]*|\s*#.*)(?<![\w.])\Q$part\E:/m;
	}
	return 1;
}

my $page = settings_of_page();
my $templates = join '', map { slurp($_) } files(qr/process\.\w+\.yaml$/, 'etc');
# A kind that this build has not is described all the same.
my %kinds = map { ("Kind $_" => 1) } map { @{ $_->{kinds} } }
	grep { $_->{group} eq 'pool' } @rows;
$kinds{Topics} = grep { $_->{group} eq 'topic' } @rows;
my %left = map { my $s = $_; map { ("$s: $_" => 1) } keys %{ $page->{$s} } }
	grep { /^SETTINGS|^Handler/ || $kinds{$_} } keys %$page;

for my $row (@rows) {
	my ($section) = grep { $page->{$_}{ $row->{name} } } sections_of_row($row);
	my $what = "$row->{group} $row->{name}";
	ok(defined $section, "$what is in the manual page") or next;
	is_deeply($page->{$section}{ $row->{name} }, facts_of_row($row),
		"$what has the facts of the table");
	delete $left{"$section: $row->{name}"};
	ok(is_named($templates, $row->{name}), "$what is in a template");
}

is_deeply([grep { !$shape{ s/.*: //r } } sort keys %left], [],
	'the manual page names no other setting');

done_testing();
