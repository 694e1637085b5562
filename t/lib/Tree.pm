# SPDX-License-Identifier: ISC
#
# Tree - where the sources and the build are, and what is in them.  For the
# style tests, which look at files and start no daemon.
package Tree;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Find qw(find);

our @EXPORT_OK = qw(srcdir builddir files lines slurp program in_path output);

# The top of the sources.
sub srcdir
{
	return $ENV{srcdir} // abs_path(dirname(__FILE__) . '/../..');
}

# The top of the build.
sub builddir
{
	return $ENV{builddir} // srcdir() . '/build';
}

# The files below the directories @dirs of the sources whose path matches
# $pattern: paths relative to the top, sorted.
sub files
{
	my ($pattern, @dirs) = @_;
	my $top = srcdir();
	my @found;
	find({
		no_chdir => 1,
		wanted => sub {
			return unless -f && /$pattern/;
			push @found, substr($_, length($top) + 1);
		},
	}, map { "$top/$_" } grep { -d "$top/$_" } @dirs);
	return sort @found;
}

# The whole of a file, named relative to the top of the sources.
sub slurp
{
	my ($path) = @_;
	open(my $in, '<', srcdir() . "/$path") or die "$path: $!\n";
	local $/;
	my $text = <$in>;
	return $text // '';
}

sub lines
{
	my ($path) = @_;
	return split /\n/, slurp($path), -1;
}

# The path of a built program ("src/reeved"), or undef when there is none.
sub program
{
	my ($name) = @_;
	my $path = builddir() . "/$name";
	return -x $path ? $path : undef;
}

# The path of an installed command, or undef.
sub in_path
{
	my ($name) = @_;
	for my $dir (split /:/, $ENV{PATH} // '') {
		return "$dir/$name" if -x "$dir/$name" && !-d _;
	}
	return undef;
}

# Run a command (no shell).  Returns its exit code and what it wrote to
# standard output and standard error, together.
sub output
{
	my @command = @_;
	my $pid = open(my $out, '-|') // die "fork: $!\n";
	if ($pid == 0) {
		open(STDERR, '>&', \*STDOUT) or exit 127;
		exec { $command[0] } @command or exit 127;
	}
	local $/;
	my $text = <$out> // '';
	close($out);
	return ($? >> 8, $text);
}

1;
