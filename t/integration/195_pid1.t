#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# As PID 1 it reaps the zombies of strangers and harms none of them, not even
# one that got the pid of a dead worker.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Reeve qw(alive children_of http_get is_root run_command send_signal slurp
	spew wait_until);

plan skip_all => 'only root can make a PID namespace' if !is_root();
plan skip_all => 'no PID namespace here' if (run_command(10, 'unshare',
	'--pid', '--fork', '--mount-proc', 'true'))[0] != 0;

# The daemon in a namespace of its own; $r->{init} is its pid out here.
sub daemon
{
	my ($name, $yaml) = @_;
	my $r = Reeve->new(name => $name);
	$r->{prefix} = ['unshare', '--pid', '--fork', '--mount-proc',
		'--kill-child'];
	$r->write_config($yaml);
	$r->start or return;
	($r->{init}) = children_of($r->pid);
	return $r;
}

# Run a shell's line in the namespace; what it printed.
sub inside
{
	my ($r, $line) = @_;
	my ($exit, $out, $err) = run_command(10, 'nsenter', '-t', $r->{init},
		'-p', '-m', 'sh', '-c', $line);
	diag("$line: exit $exit, $err") if $exit != 0;
	chomp $out;
	return $out;
}

# SIGTERM to the daemon itself; all of the namespace is gone then.
sub finish
{
	my ($r) = @_;
	$r->remember;
	send_signal('TERM', $r->{init});
	is($r->wait_exit, 0, 'it stops with exit code 0');
	is(join(' ', $r->strays), '', 'no process is left');
	ok(!-e $r->pid_file && !-e $r->socket, 'no pid file and no socket');
	return;
}

my $POOLS = <<'YAML';
processes:
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:@PORT@"]
    linger: 0s
    backoff_max: 100ms
  program:
    kind: program
    count: 2
    command: [sleep, "1000"]
    backoff_max: 100ms
    ready: { after: 10ms }
YAML

subtest 'strangers are reaped, not killed' => sub {
	my $r = daemon('init', $POOLS) or return;
	is($r->status->{pid}, 1, 'it is PID 1');
	is((http_get($r->port, '/healthz'))[0], 200, 'and serves');
	inside($r, "for i in 1 2 3 4 5; do (until test -e $r->{dir}/go; "
		. "do sleep 0.02; done; echo \$i >> $r->{dir}/done) "
		. ">/dev/null 2>&1 & done; exit 0");
	my @children;
	wait_until { 2 + 4 + 5 == (@children = children_of($r->{init})) } 5,
		'five strangers come to it';
	send_signal('KILL', grep { (slurp("/proc/$_/cmdline") // '')
		=~ /^sleep\x001000/ } @children);
	$r->wait_log(qr/(?s:.*program\.\d\[\d+\] died){2}/);
	spew("$r->{dir}/go", '');
	wait_until { 6 == @{[children_of($r->{init})]} } 5,
		'they are reaped at their end';
	is(join(' ', sort split ' ', slurp("$r->{dir}/done") // ''),
		'1 2 3 4 5', 'which came by itself');
	is(join(' ', grep { !alive($_) } children_of($r->{init})), '',
		'no zombie');
	$r->wait_pool('program', 2);
	finish($r);
};

subtest 'a stranger with the pid of a dead worker' => sub {
	my $r = daemon('reuse', $POOLS) or return;
	my $last = '/proc/sys/kernel/ns_last_pid';
	my @reused;
	for my $pool (qw(web program)) {
		for my $pid ($r->pids($pool)) {
			inside($r, "kill -KILL $pid");
			wait_until { !grep { $_ == $pid } $r->pids($pool) } 5;
			$r->wait_pool($pool, 2);
			my $got = inside($r, 'echo ' . ($pid - 1) . " >$last; "
				. 'sleep 1000 >/dev/null 2>&1 & echo $!');
			push @reused, $pid if $got eq $pid;
		}
	}
	plan skip_all => 'pids are not reused as wished' if !@reused;
	ok(@reused, 'pids that are used again: ' . @reused);
	my $all_live = sub {
		my ($name) = @_;
		is(inside($r, "kill -0 @reused && echo yes"), 'yes',
			"$name: all strangers live");
	};
	$all_live->('at first');
	$r->write_config($POOLS =~ s/"1000"/"1001"/r
		=~ s/linger: 0s/linger: 1ms/r);
	my ($well, $error) = $r->reload;
	ok($well, 'a reload') or diag($error);
	$all_live->('after a reload');
	for my $command (qw(restart stop start)) {
		for my $pool (qw(web program)) {
			is(($r->post("/pools/$pool/$command"))[0], 200,
				"$command $pool");
		}
		$all_live->("after $command");
	}
	inside($r, "kill -KILL $_") for map { $r->pids($_) } qw(web program);
	$r->wait_log(qr/(?s:.*died){4}/);
	$r->wait_pool($_, 2) for qw(web program);
	$all_live->('after all workers were killed');
	finish($r);
};

done_testing();
