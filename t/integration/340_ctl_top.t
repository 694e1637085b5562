#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl top: a live view that leaves the terminal as it was.
use strict;
use warnings;

use FindBin;
use IO::Handle;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Reeve qw(program run_command slurp wait_until);

plan skip_all => 'no script(1)'
	if (run_command(5, 'script', '--version'))[0] != 0;

my $r = Reeve->new(name => 'ctl-top');
$r->write_config(<<'YAML');
processes:
  web: { kind: program, command: [sleep, "1000"], count: 30, ready: { after: 10ms } }
YAML
$r->start or BAIL_OUT('no daemon');
delete @ENV{qw(NO_COLOR REEVE_SOCKET)};
$ENV{TERM} = 'xterm';

my $screen = $r->dir . '/screen';

# top in a terminal, with a pipe to its keyboard; the terminal's settings are
# printed before and after.
sub start_top
{
	my $command = 'stty cols 100 rows 20; stty -g | sed s/^/before=/; '
		. program('reevectl') . ' -c ' . $r->config
		. ' top; echo exit=$?; stty -g | sed s/^/after=/';
	unlink $screen;
	open my $keys, '|-', 'script', '-qfc', $command, $screen
		or die "script: $!";
	$keys->autoflush(1);
	return $keys;
}

sub seen
{
	my ($pattern, $what) = @_;
	return ok(wait_until { (slurp($screen) // '') =~ $pattern } 15, $what)
		|| diag(slurp($screen));
}

sub is_restored
{
	my $text = slurp($screen) // '';
	like($text, qr/\033\[\?1049h.*\033\[\?1049l/s, 'the screen is left');
	like($text, qr/\033\[\?25l.*\033\[\?25h/s, 'the cursor is back');
	my ($before) = $text =~ /^before=(\S+)/m;
	my ($after) = $text =~ /^after=(\S+)/m;
	is($after, $before, 'and the settings of the terminal');
	return;
}

open my $null, '>&', \*STDOUT;
open STDOUT, '>', '/dev/null';

subtest 'q leaves it' => sub {
	my $keys = start_top();
	seen(qr/WORKER.*web\.0/s, 'workers are shown');
	unlike(slurp($screen), qr/web\.29/, 'as many as fit');
	my $length = length slurp($screen);
	ok(wait_until { length slurp($screen) > $length + 500 } 10,
		'the picture is drawn anew');
	print $keys 'j' x 40;
	seen(qr/web\.29/, 'the others can be scrolled to');
	print $keys 'q';
	seen(qr/exit=0/, 'then it ends with exit code 0');
	close $keys;
	is_restored();
};

subtest 'a signal ends it as well' => sub {
	for my $signal (qw(INT TERM HUP)) {
		my $keys = start_top();
		seen(qr/WORKER/, 'it runs');
		my ($pid) = grep { (slurp("/proc/$_/cmdline") // '') =~
			/^[^\0]*reevectl\0-c\0\Q@{[$r->config]}\E\0top\0$/ }
			map { m{(\d+)$} } glob '/proc/[0-9]*';
		ok($pid, 'it is found');
		kill $signal, $pid if $pid;
		seen(qr/exit=\d+/, "SIG$signal ends it");
		close $keys;
		is_restored();
	}
};

subtest 'a daemon that goes away is told, and waited for' => sub {
	my $keys = start_top();
	seen(qr/WORKER/, 'it runs');
	$r->remember;
	$r->stop;
	seen(qr/cannot reach the daemon.*trying again/, 'it says so');
	$r->start;
	my $length = length slurp($screen);
	my $pid = $r->pid;
	ok(wait_until { substr(slurp($screen), $length) =~ /pid $pid/ } 10,
		'it shows the next one');
	print $keys 'q';
	seen(qr/exit=0/, 'and ends well');
	close $keys;
};

subtest 'without a terminal it refuses' => sub {
	my ($exit, $out, $err) = $r->ctl('top');
	is($exit, 1, 'exit code 1');
	like($err, qr/needs a terminal/, 'and says what it needs');
};

open STDOUT, '>&', $null;
$r->finish;
done_testing();
