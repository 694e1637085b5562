#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl cron next: the times of an expression, on the command line and as
# a batch.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use IPC::Open2 qw(open2);
use JSON::PP qw(decode_json);
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(program run_command slow);

delete @ENV{qw(REEVE_SOCKET NO_COLOR TZ)};

sub ctl
{
	return run_command(20, program('reevectl'), 'cron', 'next', @_);
}

# The times of an expression, or what it said instead.
sub times_of
{
	my ($exit, $out, $err) = ctl(@_);
	return $exit == 0 ? [split /\n/, $out] : "$exit: $err";
}

# A batch beside: (pid, from it, to it).
sub batch
{
	my $pid = open2(my $from, my $to, program('reevectl'), 'cron', 'next',
		'--batch');
	$to->autoflush(1);
	return ($pid, $from, $to);
}

# All answers of a batch, and its exit code.
sub answers
{
	my ($text) = @_;
	my ($pid, $from, $to) = batch();
	my $writer = fork // die "fork: $!";
	if ($writer == 0) {
		print $to $text;
		close $to;
		POSIX::_exit(0);
	}
	close $to;
	my @lines = readline $from;
	chomp @lines;
	waitpid $writer, 0;
	waitpid $pid, 0;
	return (\@lines, $? >> 8);
}

subtest 'the next times are printed, one a line' => sub {
	my @from = ('--from', '2026-11-22T10:00:00Z');
	is_deeply(times_of('0 3 * * *', @from), ['2026-11-23T03:00:00+00:00'],
		'one of five fields, in UTC');
	is_deeply(times_of('*/20 * * * * *', @from, '-n', 2),
		[map { "2026-11-22T10:00:$_+00:00" } 20, 40],
		'as many as were asked for');
	is_deeply(times_of('0 0 12 ? * FRI', @from, '--tz', 'Europe/Berlin'),
		['2026-11-27T12:00:00+01:00'], 'in a zone');
	is_deeply(times_of('0 12 * * 1', '--dialect', 'vixie', '--tz',
		'Asia/Kolkata', '--from', '2026-11-23T12:00'),
		['2026-11-30T12:00:00+05:30'],
		'from a time of that zone on');
	is_deeply(times_of('0 0 0 1 1 ? 2027-2028', @from, '-n', 5),
		[map { "$_-01-01T00:00:00+00:00" } 2027, 2028],
		'no more than there are');
	is_deeply(times_of('0 0 30 2 *', @from, '-n', 5), ['never'],
		'or never');
	my $before = time;
	my ($next) = @{ times_of('* * * * * *') };
	my @around = map { strftime('%Y-%m-%dT%H:%M:%S+00:00', gmtime($_)) }
		$before, time + 1;
	ok($next gt $around[0] && $next le $around[1], 'by default after now');
};

subtest 'JSON' => sub {
	my ($exit, $out) = ctl('--json', '@daily', '-n', 2, '--from',
		'2026-11-22');
	is($exit, 0, 'is a success');
	is_deeply(decode_json($out), { dialect => 'vixie', zone => 'UTC',
		next => [map { "2026-11-${_}T00:00:00+00:00" } 23, 24] },
		'tells how it was read');
	($exit, $out) = ctl('--json', '0 0 30 2 *');
	is_deeply(decode_json($out)->{next}, [], 'never is none');
};

subtest 'what is wrong is said, and exit code 2' => sub {
	my %bad = (
		'the hour is 0 to 23, not "25"' => ['0 25 * * *'],
		'column 3: ' => ['0 25 * * *', '-n', 3],
		'quartz has 6 or 7 fields' => ['0 3 * * *', '--dialect',
			'quartz'],
		'no such dialect' => ['0 3 * * *', '--dialect', 'cron'],
		'no time zone "Europe/Nowhere"' => ['0 3 * * *', '--tz',
			'Europe/Nowhere'],
		'no name of a time zone' => ['0 3 * * *', '--tz',
			'../../../etc/passwd'],
		'"noon" is no time' => ['0 3 * * *', '--from', 'noon'],
		'usage: reevectl cron next' => [],
		'EXPRESSION|--batch' => ['--batch', '0 3 * * *'],
		'said in the lines' => ['--batch', '--tz', 'UTC'],
		'a number from 1 on' => ['0 3 * * *', '-n', 0],
	);
	for my $text (sort keys %bad) {
		my ($exit, $out, $err) = ctl(@{ $bad{$text} });
		is($exit, 2, "$text: exit code 2");
		is($out, '', 'nothing on standard output');
		like($err, qr/^reevectl: .*\Q$text\E.*\n\z/, 'one line of why');
	}
};

subtest 'a batch is answered line by line' => sub {
	my ($lines, $exit) = answers(join "\n",
		"vixie\t0 3 * * *\tEurope/Berlin\t2026-03-28T12:00:00Z\t2",
		"\t*/30 * * * * *\tUTC\t2026-11-22T10:00:00Z\t",
		"quartz\t0 3 * * *\t\t\t1",
		"\t0 0 31 6 *",
		'',
		"\t0 3 * * *\t/etc/passwd",
		"\t0 3 * * *\t\t\t0",
		"\t0 3 * * *\t\t\t1\tmore",
		"\t0 3 * * *\0\t\t",
		"\t" . '1,' x 20_000 . "1 * * * *",
		"\t" . '1,' x 2_000 . "1 * * * *",
		"\t0 3 1 1 *\t\t2026-11-22T10:00:00+14:00\t1");
	is($exit, 0, 'whatever the answers are');
	is_deeply($lines, [
		'2026-03-29T03:00:00+02:00,2026-03-30T03:00:00+02:00',
		'2026-11-22T10:00:30+00:00',
		'error: column 10: quartz has 6 or 7 fields: second minute '
			. 'hour day month weekday year; here it ends after 5',
		'never',
		'error: column 1: the expression is empty: write it like '
			. '0 3 * * *',
		'error: this is no name of a time zone: write it like '
			. 'Europe/Berlin',
		'error: n is a number from 1 to 100000',
		'error: a line has at most 5 fields, parted by tabs: dialect, '
			. 'expression, zone, from and n',
		'error: there is a NUL byte in the line',
		'error: a line has at most 8192 bytes',
		'error: column 2049: an expression has at most 2048 bytes',
		'2027-01-01T03:00:00+00:00',
	], 'with a line each');
	is_deeply([answers('')], [[], 0], 'nothing is no answer');
};

subtest 'a batch answers before it is asked again' => sub {
	my ($pid, $from, $to) = batch();
	for my $hour (1 .. 3) {
		print $to "\t0 $hour * * *\tUTC\t2026-11-22T00:00Z\t1\n";
		is(scalar readline($from), "2026-11-22T0$hour:00:00+00:00\n",
			"question $hour");
	}
	close $to;
	is(readline($from), undef, 'and ends with its input');
	waitpid $pid, 0;
};

subtest 'a batch of many takes no time' => sub {
	my @expressions = ('*/5 * * * *', '0 0 29 2 */7', '* * 30 2 *',
		'0 */15 2 ? 3 1L', '59 59 23 31 12 ? 2199', '0 0 0 LW * ?');
	my $begun = time;
	my ($lines) = answers(join '', map {
		"\t$expressions[$_ % @expressions]\tEurope/Berlin\t"
			. "2026-01-01T00:00:00Z\t1\n"
	} 1 .. 6000);
	is(scalar @$lines, 6000, 'all are answered');
	is(scalar(grep { $_ eq 'never' } @$lines), 2000, 'those that can');
	cmp_ok(time - $begun, '<', slow(3), 'in the time of a few');
};

done_testing();
