#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The templates pass the daemon's own test, the unit is as closed as it says,
# and every shell script can be read by a plain sh.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use Test::More;
use Tree qw(files slurp srcdir program in_path output);

use constant EXPOSURE_MAX => 2.0;

my $nobody = getpwuid($>);

# reeved with the template and what a machine without the user reeve needs.
sub reeved
{
	my ($name, @flags) = @_;
	local $ENV{REEVE_USER} = $nobody;
	return output(program('src/reeved'), '-c', $name, @flags);
}

SKIP: {
	my @templates = sort map { srcdir() . "/$_" } files(qr/process\.\w+\.yaml$/, 'etc');
	my ($code, $help) = program('src/reeved') ? output(program('src/reeved'), '--help') : (1, '');
	skip "reeved is not built", 2 * @templates unless $code == 0 && $help =~ /--test/;
	my $dir = tempdir(CLEANUP => 1);
	for my $template (@templates) {
		my ($name) = $template =~ m{([^/]+)$};
		my ($code, $text) = reeved($template, '-t', '-q');
		is("$code:$text", '0:', "reeved -t finds nothing wrong in $name");

		($code, my $printed) = reeved($template, '-T', '-q');
		open(my $out, '>', "$dir/$name") or die "$dir/$name: $!\n";
		print $out $printed;
		close($out) or die "$dir/$name: $!\n";
		($code, $text) = reeved("$dir/$name", '-T', '-q');
		is($text, $printed, "what reeved -T prints of $name reads back the same");
	}
}

SKIP: {
	skip 'systemd is not installed', 1 unless in_path('systemd-analyze');
	my ($code, $text) = output(qw(systemd-analyze security --offline=true),
		srcdir() . '/etc/systemd/reeve.service');
	my ($exposure) = $text =~ /exposure level.*: ([\d.]+)/;
	skip 'systemd-analyze can not say', 1 unless defined $exposure;
	cmp_ok($exposure, '<=', EXPOSURE_MAX, 'the unit leaves little exposed');
}

for my $script (grep { slurp($_) =~ m{\A#!/bin/sh} } files(qr/./, qw(scripts etc t .ci))) {
	my ($code, $text) = output('sh', '-n', srcdir() . "/$script");
	is("$code$text", '0', "$script is written in plain sh");
}

done_testing();
