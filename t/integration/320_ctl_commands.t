#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The commands of reevectl that change something: each returns when it is
# done, with the right exit code.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Reeve qw(alive program run_command slurp wait_until);

my $POOLS = <<'YAML';
processes:
  web: { kind: program, command: [sleep, "1000"], count: 2, max: 4, ready: { after: 10ms } }
  one: { kind: program, command: [sleep, "1000"], ready: { after: 10ms } }
YAML

my $r = Reeve->new(name => 'ctl-commands');
$r->write_config($POOLS);
$r->start or BAIL_OUT('no daemon');
delete @ENV{qw(NO_COLOR REEVE_SOCKET)};

subtest 'stop and start wait until it is done' => sub {
	my @pids = $r->pids('web');
	my ($exit, $out, $err) = $r->ctl('stop', 'web');
	is($exit, 0, 'stop succeeds') or diag($err);
	like($out, qr/^web: stopped$/m, 'and says so');
	is_deeply([grep { alive($_) } @pids], [], 'its processes are gone');
	is($r->pool('web')->{state}, 'stopped', 'the status says so too');

	($exit, $out, $err) = $r->ctl('start', 'web');
	is($exit, 0, 'start succeeds') or diag($err);
	is($r->pool('web')->{ready}, 2, 'its processes are ready');
};

subtest 'restart replaces every process' => sub {
	my %old = map { $_ => 1 } $r->pids('web'), $r->pids('one');
	my ($exit, $out, $err) = $r->ctl('restart', 'web', 'one');
	is($exit, 0, 'restart of two pools succeeds') or diag($err);
	my @new = ($r->pids('web'), $r->pids('one'));
	is(scalar @new, 3, 'as many run as before');
	is_deeply([grep { $old{$_} } @new], [], 'none of them the same');
};

subtest 'scale changes the count, within the limits' => sub {
	my ($exit, $out, $err) = $r->ctl('scale', 'web', '4');
	is($exit, 0, 'scale succeeds') or diag($err);
	is($r->pool('web')->{ready}, 4, 'four are ready');
	isnt($r->pool('web')->{source}, 'file', 'the source is told');

	($exit, $out, $err) = $r->ctl('scale', 'web', '5');
	is($exit, 1, 'beyond max it fails');
	like($err, qr/web: .*\b4\b/, 'with the limit');
	is($r->pool('web')->{desired}, 4, 'and nothing changed');
	is(($r->ctl('scale', 'web', 'many'))[0], 1, 'a word is no count');

	($exit, $out, $err) = $r->ctl('scale', 'web', 'file');
	is($exit, 0, 'the file gets its say back') or diag($err);
	is($r->pool('web')->{ready}, 2, 'two are ready');
};

subtest 'an unknown pool is exit code 1' => sub {
	for my $command (qw(start stop restart)) {
		my ($exit, $out, $err) = $r->ctl($command, 'nope', 'one');
		is($exit, 1, "$command of it");
		like($err, qr/nope: no pool is named/, 'with the reason');
	}
	$r->ctl('start', 'one');
	my ($exit, $out) = $r->ctl('--json', 'stop', 'nope');
	is($exit, 1, 'as JSON too');
	my $answer = decode_json($out);
	ok(!$answer->{ok} && $answer->{error} =~ /nope/, 'with the error');
};

subtest 'a plan says what a reload would do, and does nothing' => sub {
	my ($exit, $out, $err) = $r->ctl('reload', '--plan');
	is($exit, 0, 'without a change') or diag($err);
	like($out, qr/nothing/, 'it would do nothing');

	my %before = map { $_ => [$r->pids($_)] } qw(web one);
	$r->write_config($POOLS =~ s/count: 2/count: 3/r
		=~ s/  one.*\n//r =~ s/"1000"/"2000"/r);
	($exit, $out, $err) = $r->ctl('reload', '--plan');
	is($exit, 0, 'with changes') or diag($err);
	like($out, qr/^ACTION +POOL/m, 'it is a table');
	like($out, qr/^roll +web .*command/m, 'of what is rolled, and why');
	like($out, qr/^stop +one\b/m, 'and stopped');
	($exit, $out) = $r->ctl('reload', '--plan', '--json');
	my $plan = decode_json($out);
	ok($plan->{ok}, 'and JSON');
	is_deeply([sort map { $_->{pool} } grep { $_->{action} =~ /roll|stop/ }
		@{ $plan->{plan} }], [qw(one web)], 'of the same');
	is_deeply([$r->pids($_)], $before{$_}, "$_ was left alone")
		for qw(web one);
};

subtest 'reload waits for its end' => sub {
	my %old = map { $_ => 1 } $r->pids('web');
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'it succeeds') or diag($err);
	is_deeply([grep { $old{$_} } $r->pids('web')], [],
		'the changed pool is rolled');
	is($r->pool('web')->{ready}, 3, 'to its new count');
	is($r->pool('one')->{name}, undef, 'the removed one is gone');
	is($r->status->{last_reload}{ok}, JSON::PP::true, 'status says well');
	($exit, $out) = $r->ctl('status');
	like($out, qr/reloaded \d{4}-/, 'also to people');
};

subtest 'a bad file is exit code 1 and the reason' => sub {
	my @before = $r->pids('web');
	$r->write_config($POOLS =~ s/count: 2/cuont: 2/r);
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 1, 'the reload fails');
	my $file = $r->config;
	like($err, qr/\Q$file\E:\d+:\d+: error: .*cuont/,
		'with file, line and column');
	is_deeply([$r->pids('web')], \@before, 'no process was touched');
	($exit, $out, $err) = $r->ctl('status');
	is($exit, 0, 'status finds the daemon all the same');
	like($out, qr/last reload failed.*\n.*error: .*cuont/,
		'and tells of the failure');
	is(($r->ctl('reload', '--plan'))[0], 1, 'a plan of it fails as well');

	$r->write_config($POOLS);
	($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'the next good one works') or diag($err);
};

subtest 'config show is the configuration in effect' => sub {
	my ($exit, $out, $err) = $r->ctl('config', 'show');
	is($exit, 0, 'it is printed') or diag($err);
	like($out, qr/^ +max: 4$/m, 'with the settings of the file');
	like($out, qr/^ +stop_timeout: 30s$/m, 'and the defaults');
	$r->write_config($POOLS =~ s/max: 4/max: 6/r);
	like(($r->ctl('config', 'show'))[1], qr/^ +max: 4$/m,
		'a change of the file is not in effect');
	$r->ctl('reload');
	like(($r->ctl('config', 'show'))[1], qr/^ +max: 6$/m,
		'before the reload');
};

subtest 'reopen writes to new files' => sub {
	my $log = $r->dir . '/log/governor.log';
	wait_until { -s $log } 10, 'there is a log';
	rename $log, "$log.1";
	my ($exit, $out, $err) = $r->ctl('reopen');
	is($exit, 0, 'it succeeds') or diag($err);
	$r->ctl('start', 'web');
	ok(wait_until { (slurp($log) // '') =~ /control: start web/ } 10,
		'the next line is in the new file');
};

subtest 'who commands is logged' => sub {
	$r->ctl('stop', 'one');
	$r->ctl('start', 'one');
	ok($r->wait_log(qr/control: stop one by uid $> pid \d+/),
		'with uid and pid');
};

subtest 'bash completes the names of pools' => sub {
	plan skip_all => 'no bash' if !-x '/bin/bash';
	my ($exit, $out, $err) = run_command(20, '/bin/bash', '-c',
		'source "$1"; shift; COMP_WORDS=("$@"); '
			. 'COMP_CWORD=$(($# - 1)); _reevectl; '
			. 'echo "${COMPREPLY[*]}"',
		'bash', "$FindBin::Bin/../../etc/bash-completion/reevectl",
		program('reevectl'), '-c', $r->config, 'stop', 'w');
	is($out, "web\n", 'of the running daemon');
};

subtest 'upgrade keeps the daemon and its processes' => sub {
	my $pid = $r->pid;
	my ($exit, $out, $err) = $r->ctl('upgrade');
	is($exit, 0, 'it succeeds') or diag($err, $r->log);
	is($r->status->{pid}, $pid, 'the pid stays');
	is($r->status->{upgrades}, 1, 'it was counted');
};

subtest 'shutdown returns when all is gone' => sub {
	$r->remember;
	my ($exit, $out, $err) = $r->ctl('shutdown');
	is($exit, 0, 'it succeeds') or diag($err);
	ok(!-e $r->socket, 'the socket is gone');
	ok(!-e $r->pid_file, 'and the pid file');
	is($r->wait_exit(5), 0, 'and the daemon, with exit code 0');
	is_deeply([$r->strays], [], 'and its processes');
};

subtest 'shutdown --now does not wait for a stubborn one' => sub {
	my $s = Reeve->new(name => 'ctl-now');
	$s->write_config(<<'YAML');
processes:
  deaf: { kind: program, command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"], ready: { after: 200ms }, stop_timeout: 1h }
YAML
	$s->start or return;
	$s->remember;
	my $begun = time;
	my ($exit, $out, $err) = $s->ctl('shutdown', '--now');
	is($exit, 0, 'it succeeds') or diag($err);
	cmp_ok(time - $begun, '<', Reeve::slow(20), 'soon');
	is($s->wait_exit(5), 0, 'the daemon ends well');
	is_deeply([$s->strays], [], 'nothing is left');
};

done_testing();
