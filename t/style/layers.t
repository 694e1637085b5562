#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A room includes only what lies below it, each outside library is known in
# one room only, and the daemon links none of the libraries that only reevectl
# needs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(files lines builddir program in_path output);

# What a room may include besides itself.  The rooms at one height do not
# know each other; kinds.h is for those who read process.yaml with every kind.
my %below = (
	base => [],
	loop => [qw(base)],
	conf => [qw(base loop)],
	board => [qw(base loop conf)],
	link => [qw(base loop conf)],
	task => [qw(base loop conf board link)],
	when => [qw(base)],
	store => [qw(base loop conf board link task when)],
	worker => [qw(base loop conf board)],
	api => [qw(base loop conf board link task store when worker)],
	govern => [qw(base loop conf board link task worker)],
	queue => [qw(base loop conf board link task store worker)],
	cron => [qw(base loop conf board link task store when worker)],
	deploy => [qw(base loop conf board link task store when worker)],
	logger => [qw(base loop conf board worker)],
	master => [qw(base loop conf board)],
	ctl => [qw(base loop conf board link task store when queue deploy)],
	'' => [qw(base loop conf board link task store when worker api govern
		logger queue cron deploy master ctl)],
);

# A header of a library, and the rooms that may name it.
my @libraries = (
	[qr{^event2?[/.]}, 'loop'],
	[qr{^evhttp|^evutil|^evdns}, 'loop'],
	[qr{^yaml\.h$}, 'conf'],
	[qr{^zlib\.h$}, 'loop'],
	[qr{^jansson}, 'task', 'ctl'],
	[qr{^curl/}, 'link', 'ctl'],
	[qr{^hiredis/}, 'link'],
	[qr{^sodium}, 'store'],
	[qr{^libpq-|^postgresql/}, 'link', 'ctl'],
);

sub room_of
{
	my ($path) = @_;
	return $path =~ m{^src/([^/]+)/} ? $1 : '';
}

sub includes_of
{
	my ($path) = @_;
	my ($n, @found) = (0);
	for my $line (lines($path)) {
		$n++;
		next unless $line =~ /^\s*#\s*include\s*([<"])([^>"]+)[>"]/;
		push @found, { line => $n, own => $1 eq '"', name => $2 };
	}
	return @found;
}

sub library_fault
{
	my ($room, $name) = @_;
	for my $row (@libraries) {
		my ($pattern, @may) = @$row;
		return 'only ' . join(' and ', map { "$_/" } @may) . ' may'
			if $name =~ $pattern && !grep { $_ eq $room } @may;
	}
	return undef;
}

sub own_fault
{
	my ($room, $name) = @_;
	return undef if $name eq 'config.h';
	my $wanted = $name =~ m{^([^/]+)/} ? $1 : '';
	return undef if $wanted eq $room;
	if ($wanted eq '') {
		return undef if $name eq 'kinds.h' && $room eq 'ctl';
		return 'name headers by their room';
	}
	return undef if grep { $_ eq $wanted } @{ $below{$room} };
	return 'that room is not below';
}

my @faults;
my @sources = files(qr/\.[ch]$/, 'src');
for my $path (@sources) {
	my $room = room_of($path);
	push @faults, "$path: no such room: say in layers.t where it stands"
		unless $below{$room};
	for my $include ($below{$room} ? includes_of($path) : ()) {
		my $fault = $include->{own} ? own_fault($room, $include->{name})
			: library_fault($room, $include->{name});
		push @faults, "$path:$include->{line}: $include->{name}: $fault" if $fault;
	}
}
cmp_ok(scalar @sources, '>', 0, 'there are sources to look at');
is_deeply(\@faults, [], 'every room includes only what lies below it');

# The daemon is one binary, but what the master runs is made of these rooms:
# none of them may pull in a library that speaks to the outside.
SKIP: {
	my @archives = grep { -e } map { builddir() . "/src/$_/lib$_.a" }
		qw(master conf board loop base);
	skip 'nothing is built', 1 unless @archives;
	skip 'binutils are not installed', 1 unless in_path('nm');

	my ($code, $text) = output('nm', '--undefined-only', @archives);
	is_deeply([$text =~ /\sU ((?:redis|PQ|json_(?:loads|object|unpack|dumps)|curl_)\w*)/g], [],
		'the master calls nothing of hiredis, libpq, jansson or libcurl');
}

# Two rooms with a function of one name link without a word, and one of them
# then calls the other's.
SKIP: {
	my @archives = glob builddir() . '/src/*/lib*.a';
	skip 'nothing is built', 1 unless @archives;
	skip 'binutils are not installed', 1 unless in_path('nm');

	my %where;
	for my $archive (@archives) {
		my ($code, $text) = output('nm', '-g', '--defined-only', $archive);
		$where{$_}{$archive} = 1 for $text =~ /^[0-9a-f]+ [A-Z] (\w+)$/mg;
	}
	is_deeply([sort grep { keys %{ $where{$_} } > 1 } keys %where], [],
		'no name is exported by two rooms');
}

done_testing();
