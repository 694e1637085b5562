#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# No line is lost or doubled, whatever happens to files, disk and logger.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Time::HiRes qw(sleep);
use Reeve qw(alive is_root send_signal slurp spew wait_until);

my $TIME = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

# Prints numbered lines in bursts, until the file `stop` is there; then says
# how many there were, and waits.  How far it is stands in `progress.INDEX`.
my $COUNTER = <<'PERL';
#!/usr/bin/perl
use strict;
use warnings;
use Time::HiRes qw(sleep);
my ($dir, $burst, $padding) = @ARGV;
my $pad = 'x' x $padding;
my $n = 0;
$| = 1;
until (-e "$dir/stop") {
	my $text = '';
	$text .= sprintf "n=%08d %s.\n", $n++, $pad for 1 .. $burst;
	print $text;
	sleep 0.002;
	next if $n / $burst % 20;
	open my $f, '>', "$dir/progress.$ENV{REEVE_INDEX}.new" or die $!;
	print $f $n;
	close $f;
	rename "$dir/progress.$ENV{REEVE_INDEX}.new",
		"$dir/progress.$ENV{REEVE_INDEX}";
}
print "total=$n\n";
sleep 1000;
PERL

sub counting
{
	my ($name, %arg) = @_;
	my $r = Reeve->new(name => $name);
	my $counter = $r->write_script('counter.pl', $COUNTER);
	my $burst = $arg{burst} // 200;
	my $padding = $arg{padding} // 20;
	my $more = $arg{more} // '';
	my $count = $arg{count} // 1;
	$r->write_config(<<YAML);
processes:
  load: { kind: program, command: [$counter, "\@DIR\@", "$burst", "$padding"], count: $count, ready: { after: 10ms } $more }
YAML
	return $r;
}

sub progress
{
	my ($r) = @_;
	return slurp("$r->{dir}/progress.0") || 0;
}

# End the counting, wait until the end is in the log, and compare: for each
# program the numbers that are missing, and all that is odd.
sub verdict
{
	my ($r, $glob, $count) = @_;
	my ($text, %seen, %total, @odd, @missing) = ('');
	spew("$r->{dir}/stop", '');
	wait_until {
		$text = join '', map { slurp($_) // "" } sorted_logs($glob);
		(() = $text =~ / out total=\d+$/mg) == $count;
	} 30, 'all programs say how much they printed';

	for my $line (split /\n/, $text) {
		if ($line =~ /^$TIME load\.(\d+)\[\d+\] out n=(\d{8}) x*\.$/) {
			push @odd, "doubled: $line" if $seen{$1}[$2]++;
		} elsif ($line =~ /^$TIME load\.(\d+)\[\d+\] out total=(\d+)$/) {
			$total{$1} = $2;
		} else {
			push @odd, $line;
		}
	}
	for my $index (keys %total) {
		push @missing, grep { !$seen{$index}[$_] }
			0 .. $total{$index} - 1;
	}
	return (\@missing, \@odd, \%total);
}

# load.log.1, load.log.2, … and load.log at the end.
sub sorted_logs
{
	my ($glob) = @_;
	return sort { (($a =~ /\.(\d+)$/)[0] // 1e9)
		<=> (($b =~ /\.(\d+)$/)[0] // 1e9) } glob $glob;
}

subtest 'files rotated 20 times under load lose and double no line' => sub {
	my $r = counting('rotate', count => 2);
	$r->start or return;
	my $log = "$r->{dir}/log/load.log";

	for my $i (1 .. 20) {
		my $before = progress($r);
		wait_until { progress($r) > $before } 10, "turn $i prints";
		rename $log, "$log.$i" or die "$log: $!";
		$r->signal('USR1');
		wait_until { -e $log } 10, "turn $i reopens" or last;
	}

	my ($missing, $odd, $total) = verdict($r, "$log*", 2);
	is(scalar @$missing, 0, 'none is missing')
		or diag("missing: @{$missing}[0 .. 9]");
	is(scalar @$odd, 0, 'none is doubled or torn')
		or diag(join "\n", grep { defined } @{$odd}[0 .. 9]);
	cmp_ok($_, '>', 4000, "of $_ lines") for values %$total;
	$r->finish;
};

subtest 'reopen returns when all that follows is in the new file' => sub {
	my $r = counting('reopen');
	$r->start or return;
	my $log = "$r->{dir}/log/load.log";
	wait_until { -s $log } 10, 'there is a log';

	rename $log, "$log.1" or die $!;
	is(($r->post('/reopen'))[0], 200, 'POST /reopen is well');
	ok(-e $log, 'the new file is there at once');
	my $size = -s "$log.1";
	wait_until { -s $log } 10, 'it is written to';
	is(-s "$log.1", $size, 'and the old one is not');

	my ($missing, $odd) = verdict($r, "$log*", 1);
	is(@$missing + @$odd, 0, 'no line was lost or doubled');
	$r->finish;
};

subtest 'a logger killed under load loses at most what it had in hand' => sub {
	my $r = counting('kill');
	$r->start or return;
	my $log = "$r->{dir}/log/load.log";
	my ($program) = $r->pids('load');
	my $kills = 5;

	for (1 .. $kills) {
		my ($logger) = $r->wait_pool('logger', 1);
		my $before = progress($r);
		wait_until { progress($r) > $before } 10, 'it prints';
		send_signal('KILL', $logger);
		wait_until {
			my ($next) = $r->pids('logger');
			$next && $next != $logger;
		} 10, 'there is another logger';
	}

	my ($missing, $odd) = verdict($r, $log, 1);
	my $chunk = 65536 / length sprintf "n=%08d %s.\n", 0, 'x' x 20;
	cmp_ok(scalar @$missing, '<=', $kills * ($chunk + 2),
		@$missing . ' lines are missing: at most one chunk for each');
	cmp_ok(scalar @$odd, '<=', 2 * $kills, 'and two lines for each torn');
	is(scalar(grep { /^doubled/ } @$odd), 0, 'none is doubled');
	is(($r->pids('load'))[0], $program, 'the program did not notice');
	$r->finish;
};

subtest 'last words are written by the next logger' => sub {
	my $r = Reeve->new(name => 'words');
	$r->write_config(<<'YAML');
processes:
  mortal:
    kind: program
    restart: never
    command: [sh, -c, 'while ! test -e @DIR@/die; do sleep 0.02; done; echo last words']
    ready: { after: 10ms }
YAML
	$r->start or return;
	my ($pid) = $r->pids('mortal');
	my ($logger) = $r->pids('logger');

	send_signal('STOP', $logger);
	spew("$r->{dir}/die", '');
	wait_until { !alive($pid) } 10, 'the program is gone';
	send_signal('KILL', $logger);
	ok(wait_until(sub { $r->pool_log('mortal') =~ /out last words$/m }, 10),
		'they are there') or diag($r->log);
	$r->finish;
};

subtest "what is printed on the way out is written, on SIG$_" => sub {
	my $signal = $_;
	my $r = Reeve->new(name => 'goodbye');
	$r->write_config(<<'YAML');
processes:
  polite:
    kind: program
    count: 5
    command: [sh, -c, 'trap "for i in 1 2 3 4 5 6 7 8 9; do echo bye \$i; done; exit 0" TERM; echo up; while :; do sleep 0.02; done']
    ready: { after: 50ms }
YAML
	$r->start or return;
	wait_until { (() = $r->pool_log('polite') =~ / up$/mg) == 5 } 10, 'up';
	$r->remember;
	$r->signal($signal);
	is($r->wait_exit, 0, 'the daemon ends');
	my $count = () = $r->pool_log('polite') =~ / out bye \d$/mg;
	is($count, 45, 'every word is there');
	is(join(' ', $r->strays), '', 'and no child left');
} for qw(TERM INT);

subtest 'without log_dir everything goes to standard error' => sub {
	my $r = Reeve->new(name => 'stderr', log_dir => undef);
	$r->write_config(<<'YAML');
processes:
  talk: { kind: program, command: [sh, -c, "echo hello; exec sleep 1000"], ready: { after: 10ms } }
YAML
	$r->start or return;
	ok(wait_until(sub { (slurp("$r->{dir}/stderr.log") // "") =~
		/^$TIME talk\.0\[\d+\] out hello$/m }, 10),
		'stamped as in a file') or diag($r->log);
	$r->finish;
};

subtest 'two pools may share a file, and one may choose its own' => sub {
	my $r = Reeve->new(name => 'share');
	$r->write_config(<<'YAML');
processes:
  one: { kind: program, log_file: "@DIR@/both.log", command: [sh, -c, "echo from one; exec sleep 1000"], ready: { after: 10ms } }
  two: { kind: program, log_file: "@DIR@/both.log", command: [sh, -c, "echo from two; exec sleep 1000"], ready: { after: 10ms } }
YAML
	$r->start or return;
	for my $pool (qw(one two)) {
		ok(wait_until(sub { (slurp("$r->{dir}/both.log") // '') =~
			/^$TIME $pool\.0\[\d+\] out from $pool$/m }, 10),
			"$pool is in it");
	}
	is($r->pool('one')->{log}, "$r->{dir}/both.log", 'the status names it');

	# A pool that comes with a reload, in a file nobody named before.
	my $yaml = slurp($r->config);
	spew($r->config, $yaml . "  three: { kind: program, "
		. "log_file: \"$r->{dir}/third.log\", "
		. "command: [sh, -c, \"echo from three; exec sleep 1000\"], "
		. "ready: { after: 10ms } }\n");
	ok($r->reload, 'a pool is added');
	ok(wait_until(sub { (slurp("$r->{dir}/third.log") // '') =~
		/ out from three$/m }, 10), 'its file is found');
	$r->finish;
};

subtest 'a line too long is cut in pieces that say so' => sub {
	my $r = Reeve->new(name => 'long');
	$r->write_config(<<'YAML');
processes:
  long: { kind: program, oneshot: true, command: [perl, -e, 'print "a" x 40000, "\nshort\n"'] }
YAML
	$r->start or return;
	wait_until { $r->pool_log('long') =~ /short/ } 10, 'all is there';
	my @pieces = $r->pool_log('long') =~ / out (a+\\?)$/mg;
	is_deeply([map { length } @pieces], [16385, 16385, 40000 - 2 * 16384],
		'16 KiB each, but the last');
	is(join('', map { s/\\$//r } @pieces), 'a' x 40000, 'none is missing');
	$r->finish;
};

subtest 'a full disk stops no program, and what is lost is counted' => sub {
	plan skip_all => 'only root can mount' if !is_root();
	my $r = counting('full', burst => 20, padding => 60,
		more => ', log_file: "@DIR@/disk/load.log"');
	my $disk = "$r->{dir}/disk";
	mkdir $disk;
	if (system("mount -t tmpfs -o size=8m tmpfs $disk 2>/dev/null") != 0) {
		plan skip_all => 'mount is not allowed here';
	}
	# All but 64 KiB are taken.
	open my $f, '>', "$disk/filler" or die $!;
	print $f "\0" x (8 * 1024 * 1024 - 65536);
	close $f;

	my $ok = $r->start;
	if ($ok) {
		$r->wait_log(qr/cannot write .*load\.log: No space left/, 20);
		$r->wait_log(qr/dropping lines/, 40);
		my $before = progress($r);
		ok(wait_until(sub { progress($r) > $before }, 10),
			'the program goes on');
		unlink "$disk/filler";
		ok(wait_until(sub { (slurp("$disk/load.log") // "") =~ /lines lost/ }, 15),
			'writing goes on as soon as it can');
		my ($missing, $odd) = verdict($r, "$disk/load.log", 1);
		my $told = 0;
		for (@$odd) {
			$told += $1 if /(\d+) lines lost: No space left on device$/;
		}
		cmp_ok(scalar @$missing, '>', 0, 'some lines are missing');
		is($told, scalar @$missing, 'as many as the log says');
		is(scalar(grep { !/lines lost/ } @$odd), 0, 'nothing is torn');
		$r->finish;
	}
	system("umount $disk") == 0 or system("umount -l $disk");
};

done_testing();
