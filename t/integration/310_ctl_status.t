#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl status: the document for programs, the tables for people.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Reeve qw(program run_command wait_until);

my $r = Reeve->new(name => 'ctl-status');
$r->write_config(<<'YAML');
node: n1
processes:
  web: { kind: program, command: [sleep, "1000"], count: 2, ready: { after: 10ms } }
  one: { kind: program, command: [sleep, "1000"], ready: { after: 10ms } }
YAML
$r->start or BAIL_OUT('no daemon');
delete @ENV{qw(NO_COLOR REEVE_SOCKET)};

# The same in a terminal of so many columns.
sub in_terminal
{
	my ($columns, @words) = @_;
	my $command = "stty cols $columns rows 30; exec "
		. join ' ', map { "'$_'" } program('reevectl'), '-c',
		$r->config, @words;
	my ($exit, $out) = run_command(20, 'script', '-qec', $command,
		'/dev/null');
	$out =~ s/\r//g;
	return ($exit, $out);
}

subtest 'the JSON document has every member promised' => sub {
	my ($exit, $out, $err) = $r->ctl('status', '--json');
	is($exit, 0, 'exit code 0');
	is($err, '', 'nothing on standard error');
	my $s = decode_json($out);
	is_deeply([grep { !exists $s->{$_} } qw(node version pid uptime_s
		generation state last_reload pools)], [], 'of the node');
	is($s->{node}, 'n1', 'the node has its name');
	is($s->{pid}, $r->pid, 'and pid');
	is_deeply([sort keys %{ $s->{last_reload} }], [qw(at error ok)],
		'of the last reload');
	my ($web) = grep { $_->{name} eq 'web' } @{ $s->{pools} };
	is_deeply([grep { !exists $web->{$_} } qw(name kind state desired
		ready source workers)], [], 'of a pool');
	is($web->{desired}, 2, 'which wants two');
	my @workers = @{ $web->{workers} };
	is_deeply([map { $_->{slot} } @workers], [0, 1], 'and has two');
	is_deeply([grep { !exists $workers[0]{$_} } qw(slot pid state
		generation cpus since_s restarts heartbeat_age_ms tasks failed
		pss_kb why last_exit)], [], 'of a worker');
	is($workers[0]{state}, 'ready', 'which is ready');
	is($workers[0]{heartbeat_age_ms}, undef,
		'a program has no heartbeat');
	cmp_ok($workers[0]{pss_kb} // $workers[0]{rss_kb}, '>', 0,
		'but memory');
};

subtest 'one pool alone can be asked for' => sub {
	my ($exit, $out) = $r->ctl('status', 'one', '--json');
	is_deeply([map { $_->{name} } @{ decode_json($out)->{pools} }],
		['one'], 'as JSON');
	($exit, $out) = $r->ctl('status', 'one');
	like($out, qr/^one\.0 /m, 'as a table');
	unlike($out, qr/^web/m, 'of that pool only');
	($exit, $out, my $err) = $r->ctl('status', 'nope');
	is($exit, 1, 'an unknown one is exit code 1');
	like($err, qr/no pool is named "nope"/, 'and says so');
};

subtest 'the table for people is aligned and plain' => sub {
	my ($exit, $out) = $r->ctl('status');
	my $pid = $r->pid;
	like($out, qr/^n1: running, reeve \S+, pid $pid, up .*generation 1$/m,
		'the node in one line');
	like($out, qr/^POOL +KIND +STATE +READY/m, 'a table of pools');
	like($out, qr{^web +program +running +2/2}m, 'with each pool');
	my ($head) = $out =~ /^(WORKER .*)$/m;
	my ($row) = $out =~ /^(web\.0 .*)$/m;
	is(index($row, 'ready'), index($head, 'STATE'),
		'columns stand below their titles');
	unlike($out, qr/\033/, 'no colours when it is no terminal');
	unlike($out, qr/ $/m, 'and no blanks at the end of a line');
};

subtest 'in a terminal there are colours, unless NO_COLOR' => sub {
	plan skip_all => 'no script(1)'
		if (run_command(5, 'script', '--version'))[0] != 0;
	local $ENV{TERM} = 'xterm';
	my ($exit, $out) = in_terminal(120, 'status');
	is($exit, 0, 'status works in a terminal');
	like($out, qr/\033\[32mrunning\033\[0m/, 'with colours');

	local $ENV{NO_COLOR} = '1';
	($exit, $out) = in_terminal(120, 'status');
	like($out, qr/^web +program +running/m, 'NO_COLOR leaves the table');
	unlike($out, qr/\033\[3/, 'without colours');

	($exit, $out) = in_terminal(50, 'status');
	utf8::decode($out);
	my @wide = grep { length > 50 && !/^n1:/ } split /\n/, $out;
	is_deeply(\@wide, [], 'tables are cut to a narrow one');
};

$r->finish;

subtest 'a slot without a process tells why' => sub {
	my $s = Reeve->new(name => 'ctl-why');
	$s->write_config(<<'YAML');
processes:
  bad: { kind: program, command: [sh, -c, "exit 7"], ready: { after: 5s } }
YAML
	$s->launch;
	my $row;
	wait_until {
		($row) = ($s->ctl('status'))[1] =~ /^(bad\.0 .* backoff .*)$/m;
	} 15, 'it waits for its restart' or diag($s->log);
	like($row, qr/^bad\.0 +- /, 'there is no pid');
	like($row, qr/exit 7/, 'but its last exit');
	$s->finish;
};

done_testing();
