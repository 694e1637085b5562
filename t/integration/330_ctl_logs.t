#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl logs: the last lines, merged by time, followed over a rotation.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(program slurp spew wait_until);

my $r = Reeve->new(name => 'ctl-logs');
# Each prints a line for each byte that comes over its fifo.
$r->write_script('say', <<'SH');
#!/bin/sh
[ -p @DIR@/$1 ] || mkfifo @DIR@/$1
exec 3<>@DIR@/$1
echo "$1 begins"
while read -r line <&3; do echo "$1 says $line"; done
SH
$r->write_config(<<'YAML');
processes:
  a: { kind: program, command: [@DIR@/say, a], ready: { after: 10ms } }
  b: { kind: program, command: [@DIR@/say, b], ready: { after: 10ms } }
YAML
$r->start or BAIL_OUT('no daemon');
delete @ENV{qw(NO_COLOR REEVE_SOCKET)};

sub say_line
{
	my ($pool, $line) = @_;
	wait_until { -p $r->dir . "/$pool" } 10, 'it listens' or return;
	open my $f, '>', $r->dir . "/$pool" or die $!;
	print $f "$line\n";
	close $f;
	wait_until { $r->pool_log($pool) =~ /$pool says $line\n/ } 10,
		"$line is logged";
	return;
}

subtest 'the last lines of a pool are printed' => sub {
	say_line('a', "n$_") for 1 .. 20;
	my ($exit, $out, $err) = $r->ctl('logs', 'a');
	is($exit, 0, 'exit code 0') or diag($err);
	is_deeply([$out =~ /says (\w+)$/mg], [map { "n$_" } 11 .. 20],
		'ten of them');
	($exit, $out) = $r->ctl('logs', '-n', '3', 'a');
	is_deeply([$out =~ /says (\w+)$/mg], [map { "n$_" } 18 .. 20],
		'or as many as wanted');
	($exit, $out) = $r->ctl('logs', '-n', '0', 'a');
	is($out, '', 'or none');
	($exit, $out) = $r->ctl('logs', '-n', '1000', 'a');
	like($out, qr/a begins.*says n1\n/s, 'or all');
};

subtest 'the logs of all pools are merged by time' => sub {
	# Times in the logs have milliseconds: one to each line.
	for (['b', 'm1'], ['a', 'm2'], ['b', 'm3']) {
		my $now = time;
		wait_until { time > $now + 0.003 } 5;
		say_line(@$_);
	}
	my ($exit, $out) = $r->ctl('logs', '-n', '50');
	is_deeply([$out =~ /says (m\d)$/mg], [qw(m1 m2 m3)],
		'lines of two pools come in their order');
	like($out, qr/master\[\d+\]/, 'and those of the master');
	my @times = $out =~ /^(\d{4}-\S+Z) /mg;
	is_deeply(\@times, [sort @times], 'every time after the one before');
	($exit, $out) = $r->ctl('logs', '-n', '1', '--json', 'b');
	my $line = decode_json($out);
	is($line->{pool}, 'b', 'JSON names the pool');
	like($line->{line}, qr/b says m3/, 'and has the line');
};

subtest 'an unknown pool is exit code 1' => sub {
	my ($exit, $out, $err) = $r->ctl('logs', 'nope');
	is($exit, 1, 'it fails');
	like($err, qr/nope/, 'and says which');
};

subtest 'following survives a rotation' => sub {
	my $file = $r->dir . '/followed';
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $file;
		my @command = (program('reevectl'), '-c', $r->config, 'logs',
			'-f', '-n', '1', 'a');
		{ exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	wait_until { (slurp($file) // '') =~ /m2/ } 10, 'the past comes first';
	say_line('a', 'f1');
	wait_until { slurp($file) =~ /f1/ } 10, 'then what is added';
	rename $r->dir . '/log/a.log', $r->dir . '/log/a.log.1';
	open my $old, '>>', $r->dir . '/a';
	print $old "f2\n";
	close $old;
	wait_until { slurp($file) =~ /f2/ } 10, 'also to the renamed file';
	$r->ctl('reopen');
	say_line('a', 'f3');
	wait_until { slurp($file) =~ /f3/ } 10, 'and to the new one';
	is_deeply([slurp($file) =~ /says (\w+)$/mg], [qw(m2 f1 f2 f3)],
		'no line is lost or doubled');
	kill 'TERM', $pid;
	waitpid $pid, 0;
};

$r->finish;

subtest 'without log_dir there is nothing to read' => sub {
	my $s = Reeve->new(name => 'ctl-stderr', log_dir => undef);
	$s->write_config("processes:\n  a: { kind: program, "
		. "command: [sleep, '1000'], ready: { after: 10ms } }\n");
	$s->start or return;
	my ($exit, $out, $err) = $s->ctl('logs', 'a');
	is($exit, 1, 'exit code 1');
	like($err, qr/standard error.*log_dir/, 'and it says where they go');
	is(($s->ctl('logs'))[0], 1, 'the same for all pools');
	$s->finish;
};

done_testing();
