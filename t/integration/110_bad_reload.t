#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A bad reload: every old pid still serves, reevectl exits 1 with the reason,
# and the next good reload works.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Reeve qw(http_get slurp wait_until);

my $COUNT = 4;

# A pool as it is good; `changes` come last and so win.
my %POOL = (
	program => sub {
		my (%changes) = @_;
		my %set = (kind => 'program', count => $COUNT,
			command => '[sleep, "1000"]',
			ready => '{ after: 20ms }', %changes);
		return join '', map { "    $_: $set{$_}\n" } sort keys %set;
	},
	http => sub {
		my (%changes) = @_;
		my %set = (kind => 'http', count => $COUNT, linger => '0s',
			listen => '["127.0.0.1:@PORT@"]', %changes);
		return join '', map { "    $_: $set{$_}\n" } sort keys %set;
	},
);

# What is wrong with the new settings, and what reevectl says of it.
my $ROLLED = '"0027"';	# any change that needs new workers
# Not ready before even a busy machine has seen it exit.
my $SLOWLY = '{ after: 2s }';
# Not taken for ready before a busy machine has come to its end.
my @SLOW = (ready => '{ after: 400ms }');
my %BAD = (
	program => {
		'a worker that exits at once' => [
			{ command => '[sh, -c, "exit 3"]', ready => $SLOWLY },
			qr/exit 3/],
		'a worker that dies a moment after it is ready' => [
			{ command => '[sh, -c, "sleep 0.05; exit 3"]',
				ready => '{ after: 10ms }',
				probe => '{ exec: [sleep, "1"] }' },
			qr/exit 3/],
		'a worker that never is ready' => [
			{ umask => $ROLLED, start_timeout => '500ms',
				ready => '{ exec: ["false"] }' },
			qr/not ready within 500 ms: .*false: exit 1/],
		'a probe that fails' => [
			{ umask => $ROLLED, start_timeout => '500ms',
				probe => '{ exec: ["false"] }' },
			qr/not ready within 500 ms: .*false: exit 1/],
		'a program that is not there' => [
			{ command => '[/nonexistent/program]', ready => $SLOWLY },
			qr/exit 127/],
	},
	http => {
		'a worker that exits at once' => [
			{ rlimit => '{ nofile: 5 }' }, qr/exit \d+/],
		'a probe that fails' => [
			{ umask => $ROLLED, start_timeout => '500ms',
				probe => '{ http: "http://127.0.0.1:@PORT@/no" }' },
			qr/not ready within 500 ms: .*404/],
		'an address in use' => [
			{ listen => '["127.0.0.1:@PORT@", "unix:@DIR@/run"]' },
			qr{/run is there and is no socket}],
	},
);

# Those of @$old that no longer live as ready workers.
sub lost
{
	my ($r, $old) = @_;
	my %now = map { $_->{pid} => 1 }
		grep { $_->{state} eq 'ready' } $r->workers('pool');
	return grep { !$now{$_} } @$old;
}

# With no surge one old worker has left before its successor could fail.
sub test_bad
{
	my ($r, $surge, $what, $yaml, $reason, $may_lose) = @_;
	my @old = $r->wait_pool('pool', $COUNT);
	$r->write_config($yaml);
	my ($exit, $out, $err) = $r->ctl('reload');

	is($exit, 1, "$what: reevectl exits with 1");
	like($err, $reason, 'with the reason');
	my $s = $r->status;
	ok(!$s->{last_reload}{ok}, 'status tells it');
	like($s->{last_reload}{error}, $reason, 'with the reason');
	my @lost = lost($r, \@old);
	cmp_ok(scalar @lost, '<=', $may_lose,
		"$may_lose old ones have left")
		or diag("@lost of @old", "\n", $r->log);
	is((http_get($r->port, '/healthz'))[0], 200, 'they serve')
		if $yaml =~ /kind: http/;
	$r->wait_pool('pool', $COUNT);
	return;
}

sub test_surge
{
	my ($kind, $surge) = @_;
	my $r = Reeve->new(name => "bad-$kind");
	my $round = 0;
	my $make = sub {
		my (%changes) = @_;
		return "processes:\n  pool:\n" . $POOL{$kind}->(
			max_surge => $surge, %changes);
	};
	$r->write_config($make->());
	$r->start or return;

	test_bad($r, $surge, 'bad YAML', "processes: [\n  pool: {\n",
		qr/process\.yaml:\d+:\d+: error: /, 0);
	test_bad($r, $surge, 'an unknown key', $make->(cuont => 3),
		qr/process\.yaml:\d+:\d+: error: .*cuont.*count/, 0);
	test_bad($r, $surge, 'a setting that only a start can change',
		"node: another\n" . $make->(), qr/node can't change/, 0);
	for my $what (sort keys %{ $BAD{$kind} }) {
		my ($changes, $reason) = @{ $BAD{$kind}{$what} };
		my $lose = $surge eq '0' && !$changes->{listen};
		test_bad($r, $surge, $what, $make->(%$changes), $reason,
			$lose ? 1 : 0);
	}

	# Nothing of the bad ones has stuck.
	my @old = $r->wait_pool('pool', $COUNT);
	$r->write_config($make->());
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'the first file again is a good reload') or diag($err);
	is(join(' ', lost($r, \@old)), '', 'that changes nothing');
	$r->write_config($make->(umask => '"0007"'));
	($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'so is the next good one') or diag($err, $r->log);
	$r->wait_pool('pool', $COUNT);
	is(scalar(lost($r, \@old)), $COUNT, 'which replaces them all');
	ok($r->status->{last_reload}{ok}, 'status tells it');
	$r->finish;
	return;
}

for my $kind (qw(program http)) {
	for my $surge (qw(100% 1 0)) {
		subtest "$kind, max_surge: $surge" => sub {
			test_surge($kind, $surge);
		};
	}
}

subtest 'a pool that is new with a bad reload never comes to be' => sub {
	my $r = Reeve->new(name => 'bad-new');
	my $good = "processes:\n  pool:\n" . $POOL{program}->();
	$r->write_config($good);
	$r->start or return;
	my @old = $r->wait_pool('pool', $COUNT);
	$r->write_config($good . "  more:\n" . $POOL{program}->(
		command => '[sh, -c, "exit 3"]', ready => $SLOWLY));
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 1, 'reevectl exits with 1');
	like($err, qr/pool more: .*exit 3/, 'with pool and reason');
	is(join(' ', lost($r, \@old)), '', 'every old pid is there');
	wait_until { !defined $r->pool('more')->{name} } 5, 'the new pool is gone';
	$r->finish;
};

# reevectl reload in a child, which writes exit code and error to the file
# $name; its pid.
sub reload_aside
{
	my ($r, $name) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	my ($exit, $out, $err) = $r->ctl('reload');
	Reeve::spew("$r->{dir}/$name", "$exit $err");
	POSIX::_exit(0);
}

subtest 'each of two reloads gets its own verdict' => sub {
	my $r = Reeve->new(name => 'two-reloads');
	my $file = sub {
		my ($umask) = @_;
		$r->write_config("processes:\n  pool:\n" . $POOL{program}->(
			ready => '{ after: 300ms }', umask => $umask));
		return;
	};
	my $verdict = sub { slurp("$r->{dir}/$_[0]") // '' };
	$file->('"0001"');
	$r->start or return;

	# The second one is of another file: it replaces the first.
	$file->('"0002"');
	my @asides = reload_aside($r, 'first');
	wait_until { $r->status->{state} eq 'reloading' } 5, 'the first';
	$file->('"0003"');
	push @asides, reload_aside($r, 'second');
	waitpid $_, 0 for @asides;
	like($verdict->('first'), qr/^1 .*replaced by a newer reload/,
		'the first is told that it was replaced');
	like($verdict->('second'), qr/^0 /, 'the second that it is well');

	# The same file again, and a bad one, beside a reload that is well.
	$file->('"0004"');
	@asides = reload_aside($r, 'first');
	wait_until { $r->status->{state} eq 'reloading' } 5, 'one more';
	push @asides, reload_aside($r, 'second');
	$r->wait_log(qr/(?:reloading .*\n(?s:.*)){4}/);
	$r->write_config("processes: [\n");
	push @asides, reload_aside($r, 'third');
	waitpid $_, 0 for @asides;
	like($verdict->('first'), qr/^0 /, 'the first is well');
	like($verdict->('second'), qr/^0 /, 'the same again is too');
	like($verdict->('third'), qr/^1 .*process\.yaml:\d+/,
		'a bad file beside them is not');
	$r->finish;
};

subtest 'with no surge one is replaced at a time' => sub {
	my $r = Reeve->new(name => 'no-surge');
	my $yaml = "processes:\n  pool:\n" . $POOL{program}->(
		max_surge => 0, ready => '{ after: 100ms }');
	$r->write_config($yaml);
	$r->start or return;
	my @old = $r->wait_pool('pool', $COUNT);
	$r->write_config($yaml . "    umask: $ROLLED\n");
	$r->signal('HUP');
	my ($fewest, $most) = ($COUNT, 0);
	wait_until {;
		my $s = $r->status;
		my ($p) = grep { $_->{name} eq 'pool' } @{ $s->{pools} };
		my $live = grep { $_->{pid} } @{ $p->{workers} };
		$fewest = $p->{ready} if $p->{ready} < $fewest;
		$most = $live if $live > $most;
		$s->{last_reload}{ok} && $s->{state} eq 'running'
			&& $p->{generation} == 2 && $p->{ready} == $COUNT
			&& lost($r, \@old) == $COUNT;
	} 10, 'all are replaced';
	is($fewest, $COUNT - 1, 'never was more than one away');
	is($most, $COUNT, 'never were more than wanted');
	$r->finish;
};

done_testing();
