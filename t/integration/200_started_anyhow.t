#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# What the one who starts reeved has closed, ignored or blocked does no harm.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(alive fds_of send_signal wait_until);
use Test::More;

my $YAML = <<'YAML';
processes:
  web: { kind: http, listen: ["unix:@DIR@/web.sock"] }
  prog: { kind: program, command: [sleep, "1000"], ready: { after: 10ms } }
YAML

sub daemon
{
	my ($name, @prefix) = @_;
	my $r = Reeve->new(name => $name);
	$r->{prefix} = [@prefix];
	$r->write_config($YAML);
	return $r->start ? $r : undef;
}

# Both are replaced after a SIGKILL.
sub replaces
{
	my ($r) = @_;
	for my $pool (qw(web prog)) {
		my ($pid) = $r->pids($pool);
		send_signal('KILL', $pid);
		ok(wait_until(sub { my ($new) = $r->wait_pool($pool, 1);
			$new && $new != $pid }, 10),
			"a killed process of $pool is replaced");
	}
	return;
}

subtest 'standard streams may be closed' => sub {
	my $r = daemon('closed', 'sh', '-c',
		'exec "$@" <&- >&- 2>&-', 'sh') or return;
	my ($prog) = $r->pids('prog');
	my @std = grep { /^[012] / } fds_of($r->pid);
	is(scalar(grep { m{ -> /dev/null$} } @std), 3,
		'they are /dev/null in the master') or diag(@std);
	is(scalar(grep { /^[012] / } fds_of($prog)), 3,
		'a program has all three');
	replaces($r);
	$r->finish;
};

subtest 'signals may be ignored and blocked' => sub {
	my $r = daemon('ignored', $^X, '-MPOSIX', '-e', <<'PERL') or return;
$SIG{$_} = 'IGNORE' for qw(CHLD HUP TERM PIPE USR1);
my $all = POSIX::SigSet->new; $all->fillset;
sigprocmask(SIG_BLOCK, $all);
exec @ARGV;
PERL
	replaces($r);
	$r->signal('HUP');
	ok($r->wait_log(qr/ reloading /), 'SIGHUP is heard');
	$r->finish;
};

done_testing;
