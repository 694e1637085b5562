#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A pool that dies forever is started again at growing intervals, costs the
# master no CPU and other pools nothing, and a reload brings it back.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Reeve qw(alive http_get is_root slurp spew wait_until);

my $CPU_SHARE = 0.02;

# Dies after some seconds, unless the file `go` is there; notes its starts.
my $MORTAL = <<'PERL';
#!/usr/bin/perl
use strict;
use warnings;
use Time::HiRes qw(sleep time);
my ($life, $notes, $go) = @ARGV;
open my $f, '>>', $notes or die "$notes: $!";
syswrite $f, time . "\n";
sleep -e $go ? 1000 : $life;
exit 1;
PERL

# Seconds of CPU time a process has used, without its children.
sub cpu_of
{
	my ($pid) = @_;
	my @f = Reeve::proc_stat($pid);
	return ($f[11] + $f[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub gaps
{
	my ($path) = @_;
	my @at = split ' ', slurp($path) // '';
	return map { $at[$_] - $at[$_ - 1] } 1 .. $#at;
}

# At once after the first death, then after 100 ms and twice as long each time,
# less 10 % of jitter.  A busy machine only makes it longer.
sub is_growing
{
	my ($name, @pauses) = @_;
	my @bad = grep { $pauses[$_] < 0.09 * 2 ** ($_ - 1) } 1 .. $#pauses;
	is("@bad", '', "$name: the pauses grow")
		or diag(join ' ', map { sprintf '%.3f', $_ } @pauses);
	return;
}

subtest 'two pools that always die' => sub {
	my $r = Reeve->new(name => 'crash');
	my $mortal = $r->write_script('mortal.pl', $MORTAL);
	my $yaml = <<YAML;
processes:
  dead:
    kind: program
    command: [$mortal, "0", "\@DIR\@/dead", "\@DIR\@/go"]
    ready: { after: 20ms }
  later:
    kind: program
    command: [$mortal, "1.1", "\@DIR\@/later", "\@DIR\@/go"]
    ready: { after: 20ms }
  web:
    kind: http
    count: 2
    listen: ["127.0.0.1:\@PORT\@"]
  fine:
    kind: program
    command: [sleep, "1000"]
    ready: { after: 20ms }
YAML
	$r->write_config($yaml);
	$r->launch;
	my @others = ($r->wait_pool('web', 2), $r->wait_pool('fine', 1));
	my ($start, $cpu) = (time, cpu_of($r->pid));
	wait_until { gaps("$r->{dir}/later") >= 4 } 12, 'later dies four times';
	my $share = (cpu_of($r->pid) - $cpu) / (time - $start);

	my @dead = gaps("$r->{dir}/dead");
	cmp_ok(scalar @dead, '>=', 5, 'the first one died often');
	cmp_ok(scalar @dead, '<=', 9, 'but less and less');
	is_growing('dead', @dead);
	is_growing('later', map { $_ - 1.1 } gaps("$r->{dir}/later"));
	cmp_ok($share, '<', $CPU_SHARE,
		sprintf 'the master uses %.2f %% CPU', 100 * $share);
	is(join(' ', map { $r->pids($_) } qw(web fine)), "@others",
		'the other pools have their pids');
	is((http_get($r->port, '/healthz'))[0], 200, 'and serve');
	my ($w) = $r->workers('dead');
	like($w->{why}, qr/^starts again in [\d.]+ m?s, death \d+: exit 1/,
		'status says when, how often and why');
	is($r->pool('dead')->{state}, 'failed', 'and that the pool is not up');

	# The cause is gone, the file is the same.
	spew("$r->{dir}/go", '');
	my $before = time;
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'a reload is well') or diag($err);
	$r->wait_pool('dead', 1, 2);
	cmp_ok(time - $before, '<', Reeve::slow(1), 'and ends the pause');
	$r->wait_ready;
	$r->finish;
};

subtest 'a pool that dies is cured by a new file' => sub {
	my $r = Reeve->new(name => 'cure');
	my $pool = "processes:\n  pool: { kind: program, ready: "
		. '{ after: 20ms }, count: 3, command: [sh, -c, "%s"] }';
	$r->write_config(sprintf $pool, 'exit 1');
	$r->launch;
	$r->wait_log(qr/pool\.2\[\d+\] died.*(?s:.*pool\.2\[\d+\] died){3}/);
	$r->write_config(sprintf $pool, 'exec sleep 1000');
	my ($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'the reload waits for it and is well') or diag($err);
	is(scalar($r->pids('pool')), 3, 'all three run');
	is($r->status->{state}, 'running', 'the node too');
	$r->finish;
};

subtest 'after too many deaths a slot stays down' => sub {
	my $r = Reeve->new(name => 'verdict');
	$r->write_config(<<'YAML');
processes:
  many:
    kind: program
    command: [sh, -c, "echo start >> @DIR@/many; test -e @DIR@/go && exec sleep 1000; exit 1"]
    give_up: { deaths: 3, within: 10s }
    backoff_max: 100ms
    ready: { after: 20ms }
  verdict:
    kind: program
    command: [sh, -c, "echo start >> @DIR@/verdict; test -e @DIR@/go && exec sleep 1000; exit 78"]
    ready: { after: 20ms }
YAML
	my %starts = (many => 3, verdict => 1);
	$r->launch;
	for my $pool (sort keys %starts) {
		wait_until {
			((($r->workers($pool))[0] // {})->{state} // '')
				eq 'failed'
		} 10, "$pool is given up";
		is(scalar(() = slurp("$r->{dir}/$pool") =~ /start/g),
			$starts{$pool}, "$pool was started $starts{$pool} times");
	}
	like(($r->workers('many'))[0]{why}, qr/too many deaths/, 'why');
	like(($r->workers('verdict'))[0]{why}, qr/exit 78/, 'why');
	spew("$r->{dir}/go", '');
	my ($exit, $out, $err) = $r->ctl('start', 'many');
	is($exit, 0, '`reevectl start` tries again') or diag($err);
	is(scalar($r->pids('many')), 1, 'and it runs');
	($exit, $out, $err) = $r->ctl('reload');
	is($exit, 0, 'so does a reload') or diag($err);
	$r->wait_pool('verdict', 1);
	$r->finish;
};

done_testing();
