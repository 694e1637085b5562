#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# mandoc has nothing to say about the manual pages, and a sentence begins on
# a line of its own.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(files lines srcdir in_path output);

my @pages = files(qr/\.[1-9]$/, 'man');
is_deeply([map { s{^man/}{}r } @pages],
	[qw(process.yaml.5 reeve.7 reevectl.8 reeved.8)], 'the four manual pages are there');

for my $page (@pages) {
	SKIP: {
		skip 'mandoc is not installed', 1 unless in_path('mandoc');
		my ($code, $text) = output(qw(mandoc -T lint -W style), srcdir() . "/$page");
		# Whether other pages are installed here is not ours to say.
		$text = join '', grep { !/referenced manual not found|outdated mandoc\.db/ } split /^/, $text;
		is($text, '', "$page is clean");
	}
	my ($first, $second) = lines($page);
	is($first, '.\" SPDX-License-Identifier: ISC', "$page begins with its licence");
}

done_testing();
