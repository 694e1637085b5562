#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Each header compiles by itself, whatever was included before it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Tree qw(files srcdir builddir slurp output);

plan skip_all => 'config.h is not made yet' unless -e builddir() . '/config.h';

# libpq does not stand in the usual place.
my @flags = split ' ', (output(qw(pkg-config --cflags libpq)))[1] // '';
my @compile = (split(' ', $ENV{CC} // 'cc'), qw(-std=gnu11 -fsyntax-only -Wall -Wextra -Werror -x c),
	'-include', builddir() . '/config.h', '-I' . srcdir() . '/src', '-I' . srcdir() . '/t', @flags);

for my $header (files(qr/\.h$/, 'src', 't')) {
	my ($code, $text) = output(@compile, srcdir() . "/$header");
	is("$code$text", '0', "$header stands alone");
	my $text_of = slurp($header);
	like($text_of, qr{\A/\* SPDX-License-Identifier: ISC \*/\n/\*\n \* \S},
		"$header begins with its licence and what it is");
}

done_testing();
