#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A reload adds pools, removes them and changes addresses, in the order that
# `after` says, and touches nothing else.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(time);
use Reeve qw(alive free_port http_get slurp spew wait_until);

# Writes down its start and its end.
my $NOTES = <<'SH';
#!/bin/sh
echo "+$REEVE_POOL" >> @DIR@/notes
trap 'echo "-$REEVE_POOL" >> @DIR@/notes; exit 0' TERM
while :; do sleep 0.02; done
SH

sub daemon
{
	my ($name, $pools) = @_;
	my $r = Reeve->new(name => $name);
	$r->write_script('notes.sh', $NOTES);
	write_pools($r, $pools);
	return $r;
}

sub write_pools
{
	my ($r, $pools) = @_;
	$r->write_config("processes:\n" . join '', map { "  $_\n" }
		split /\n/, $pools);
	return;
}

sub reload_is_well
{
	my ($r, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, "$name: the reload is well") or diag($err, $r->log);
	return;
}

# What was noted since the last time.
sub notes
{
	my ($r) = @_;
	my $text = join ' ', split /\n/, slurp("$r->{dir}/notes") // '';
	unlink "$r->{dir}/notes";
	return $text;
}

my $PROGRAM = 'kind: program, command: [@DIR@/notes.sh], ready: { after: 60ms }';

subtest 'pools come and go in the order of after' => sub {
	my $r = daemon('order', "alone: { $PROGRAM }");
	$r->start or return;
	my @alone = $r->pids('alone');
	wait_until { -s "$r->{dir}/notes" } 5;
	notes($r);
	my $three = "top: { $PROGRAM, after: [middle] }\n"
		. "middle: { $PROGRAM, after: [bottom] }\n"
		. "bottom: { $PROGRAM }\n";
	write_pools($r, "alone: { $PROGRAM }\n$three");
	reload_is_well($r, 'three new ones');
	is(notes($r), '+bottom +middle +top', 'they start in order');
	is($r->pool($_)->{ready}, 1, "$_ is ready") for qw(top middle bottom);

	write_pools($r, "alone: { $PROGRAM }");
	reload_is_well($r, 'without them');
	wait_until { @{ $r->status->{pools} } == 3 } 5,
		'they leave the status';
	is(notes($r), '-top -middle -bottom', 'and stop the other way round');
	is(join(' ', $r->pids('alone')), "@alone", 'the other one stays');
	$r->finish;
};

subtest 'a pool waits for those of after' => sub {
	my $r = daemon('wait', "top: { $PROGRAM, after: [bottom] }\n"
		. 'bottom: { kind: program, command: [sleep, "1000"], '
		. 'ready: { exec: [test, -e, "@DIR@/go"], interval: 20ms } }');
	$r->launch;
	wait_until { ((($r->workers('top'))[0] // {})->{state} // '')
		eq 'waiting' } 10, 'it waits';
	is(($r->workers('top'))[0]{why}, 'waits for bottom', 'and says so');
	spew("$r->{dir}/go", '');
	$r->wait_ready or return;
	my ($top) = $r->pids('top');
	# Only its start waits: what runs is not stopped with what it needed.
	Reeve::send_signal('KILL', $r->pids('bottom'));
	$r->wait_log(qr/bottom\.0\[\d+\] died/);
	$r->wait_pool('bottom', 1);
	is(join(' ', $r->pids('top')), $top,
		'it outlives a crash of the one it waited for');
	write_pools($r, "top: { $PROGRAM, after: [bottom, middle] }\n"
		. "middle: { $PROGRAM }\n"
		. 'bottom: { kind: program, command: [sleep, "1001"], '
		. 'ready: { after: 10ms } }');
	reload_is_well($r, 'a new one between them');
	$r->wait_pool('bottom', 1);
	is(join(' ', $r->pids('top')), $top, 'a new order starts nothing');
	$r->finish;
};

subtest 'a count that changes starts or drains only the difference' => sub {
	my $pool = 'kind: program, command: [sleep, "1000"], ready: '
		. '{ after: 10ms }';
	my $r = daemon('count', "pool: { $pool, count: 2 }");
	$r->start or return;
	my @old = $r->pids('pool');
	write_pools($r, "pool: { $pool, count: 4 }");
	reload_is_well($r, 'two more');
	my @now = $r->wait_pool('pool', 4);
	is("@now[0, 1]", "@old", 'the first two stay');
	write_pools($r, "pool: { $pool, count: 1 }");
	reload_is_well($r, 'three fewer');
	@now = $r->wait_pool('pool', 1);
	is("@now", $old[0], 'the first one stays');
	write_pools($r, "pool: { $pool, count: 0 }");
	reload_is_well($r, 'none');
	wait_until { !$r->pids('pool') } 5, 'all leave';
	$r->finish;
};

subtest 'an address that changes' => sub {
	my $r = Reeve->new(name => 'address');
	my ($first, $second) = ($r->port, free_port());
	my $sock = "$r->{dir}/run/web.sock";
	my $web = sub {
		my (@addresses) = @_;
		write_pools($r, 'web: { kind: http, count: 2, linger: 100ms, '
			. 'listen: [' . join(', ', map { qq("$_") }
			@addresses) . '] }');
	};
	$web->("127.0.0.1:$first");
	$r->start or return;
	$web->("127.0.0.1:$second", "unix:$sock");
	reload_is_well($r, 'two others');
	is((http_get($_, '/healthz'))[0], 200, "$_ is served")
		for $second, $sock;
	wait_until { (http_get($first, '/healthz'))[0] == 0 } 5,
		'the first one is closed';

	# One in use: nothing changes.
	my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
		LocalPort => 0, Listen => 1) or die "listen: $!";
	my @pids = $r->wait_pool('web', 2);
	$web->("127.0.0.1:$second", '127.0.0.1:' . $taken->sockport);
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 1, 'an address in use fails the reload');
	like($err, qr/cannot listen on 127\.0\.0\.1:\d+: .*in use/, 'why');
	is(join(' ', $r->pids('web')), "@pids", 'every pid stays');
	is((http_get($_, '/healthz'))[0], 200, "$_ is served")
		for $second, $sock;
	close $taken;
	reload_is_well($r, 'once it is free');
	wait_until { !-e $sock } 5, 'the socket that is gone is unlinked';
	$r->finish;
};

subtest 'an address that comes back while old workers linger' => sub {
	my $r = Reeve->new(name => 'back');
	my ($first, $second) = ($r->port, free_port());
	my $web = sub {
		write_pools($r, "web: { kind: http, linger: 1s, listen: "
			. "[\"127.0.0.1:$_[0]\"] }");
		return;
	};
	$web->($first);
	$r->start or return;
	my @old = $r->pids('web');
	# Its connection stays open, so it stays too.
	my $idle = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $first) or die "connect: $!";
	print $idle "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
	$idle->flush;
	$idle->sysread(my $answer, 4096);
	like($answer, qr{^HTTP/1.1 200}, 'a client is served');
	$web->($second);
	reload_is_well($r, 'another address');
	ok(alive($old[0]), 'the old worker lingers');
	wait_until { (http_get($first, '/healthz'))[0] == 0 } 5,
		'its address refuses new clients';
	$web->($first);
	reload_is_well($r, 'the first address again');
	is((http_get($first, '/healthz'))[0], 200, 'it is served');
	$r->finish;
};

subtest 'pools swap their addresses' => sub {
	my $r = Reeve->new(name => 'swap');
	my ($first, $second) = ($r->port, free_port());
	my $web = sub {
		my ($a, $b) = @_;
		write_pools($r, join "\n", map { "$_->[0]: { kind: http, "
			. "linger: 0s, listen: [\"127.0.0.1:$_->[1]\"] }" }
			['a', $a], ['b', $b]);
	};
	$web->($first, $second);
	$r->start or return;
	$web->($second, $first);
	reload_is_well($r, 'swapped');
	is((http_get($_, '/healthz'))[0], 200, "$_ is served")
		for $first, $second;
	like($r->pool('a')->{listen}, qr/$second/, 'status knows');
	$r->finish;
};

subtest 'a plan says what a reload would do, and does nothing' => sub {
	my $pool = 'kind: program, command: [sleep, "%s"], ready: '
		. '{ after: 10ms }, count: %d';
	my $r = daemon('plan', join "\n", map {
		"$_: { " . sprintf($pool, 1000, 1) . ' }' }
		qw(same gone rolled scaled set));
	$r->start or return;
	my %pids = map { $_ => join ' ', $r->pids($_) }
		qw(same gone rolled scaled set);
	write_pools($r, join "\n", map { "$_->[0]: { "
		. sprintf($pool, @$_[1, 2]) . ($_->[3] // '') . ' }' }
		['same', 1000, 1], ['rolled', 1001, 1], ['scaled', 1000, 2],
		['set', 1000, 1, ', stop_timeout: 1s'], ['new', 1000, 1]);
	my ($code, $plan) = $r->post('/reload?plan=1');
	is($code, 200, 'a plan is given');
	my %plan = map { $_->{pool} => "$_->{action} $_->{count} "
		. ($_->{changed} // '') } @{ $plan->{plan} };
	is_deeply(\%plan, {
		gone => 'stop 1 ', new => 'start 1 ',
		rolled => 'roll 1 command', scaled => 'scale 2 count',
		set => 'set 1 stop_timeout',
	}, 'of what would be started, stopped, rolled, scaled and set')
		or diag(explain($plan));
	is_deeply({ map { $_ => join ' ', $r->pids($_) } keys %pids },
		\%pids, 'nothing is done');
	reload_is_well($r, 'then');
	wait_until { !$r->pids('gone') && 2 == @{[$r->pids('scaled')]} } 5,
		'it is done as planned';
	is(join(' ', $r->pids($_)), $pids{$_}, "$_ keeps its pid")
		for qw(same set);
	$r->finish;
};

subtest 'includes are read anew, from where the file is' => sub {
	my $r = Reeve->new(name => 'include');
	mkdir "$r->{dir}/pools";
	my $pool = sub {
		my ($name) = @_;
		spew("$r->{dir}/pools/$name.yaml", "processes:\n  $name: "
			. '{ kind: program, command: [sleep, "1000"], '
			. "ready: { after: 10ms } }\n");
	};
	$pool->('one');
	$r->write_config("include: [pools/*.yaml]\n");
	$r->start or return;
	my @one = $r->pids('one');
	$pool->('two');
	reload_is_well($r, 'a new file');
	is($r->pool('two')->{ready}, 1, 'has a new pool');
	unlink "$r->{dir}/pools/one.yaml";
	reload_is_well($r, 'a file less');
	wait_until { !grep { alive($_) } @one } 5, 'its pool stops';
	$r->finish;
};

done_testing();
