#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# `watch:` restarts a pool when its files change.
use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use Reeve qw(alive spew wait_until);

my $r = Reeve->new(name => 'watch');
make_path("$r->{dir}/src/deep");
spew("$r->{dir}/src/a.txt", 'a');
spew("$r->{dir}/src/deep/b.txt", 'b');
spew("$r->{dir}/single.conf", '1');
$r->write_config(<<'YAML');
processes:
  watcher:
    kind: program
    command: [sleep, "1000"]
    watch: ["@DIR@/src", "@DIR@/single.conf"]
    ready: { after: 10ms }
  bystander: { kind: program, command: [sleep, "1000"], ready: { after: 10ms } }
YAML
$r->start or BAIL_OUT('no daemon');
my ($bystander) = $r->pids('bystander');

# Do something to a file: the pool gets another process.
sub restarts
{
	my ($name, $change) = @_;
	my ($before) = $r->wait_pool('watcher', 1);
	$change->();
	my $after = wait_until {
		my ($pid) = $r->pids('watcher');
		$pid && $pid != $before && !alive($before) && $pid;
	} 10;
	ok($after, "$name restarts the pool") or diag($r->log);
	$r->wait_pool('watcher', 1);
	return;
}

restarts('a file written in place', sub {
	open my $f, '>>', "$r->{dir}/src/a.txt" or die $!;
	print $f 'more';
	close $f;
});
restarts('a file replaced by rename, as editors do', sub {
	spew("$r->{dir}/src/a.txt", 'new');
});
restarts('a new file', sub {
	spew("$r->{dir}/src/c.txt", 'c');
});
restarts('a removed file', sub {
	unlink "$r->{dir}/src/c.txt";
});
restarts('a file in a directory below', sub {
	spew("$r->{dir}/src/deep/b.txt", 'bb');
});
restarts('a new directory', sub {
	mkdir "$r->{dir}/src/fresh" or die $!;
});
restarts('a file in the new directory', sub {
	spew("$r->{dir}/src/fresh/d.txt", 'd');
});
restarts('a single file that is watched', sub {
	spew("$r->{dir}/single.conf", '2');
});
restarts('the same file again, though it was replaced', sub {
	spew("$r->{dir}/single.conf", '3');
});

subtest 'many changes at once are one restart' => sub {
	my ($before) = $r->worker('watcher')->{pid};
	my %pids;
	spew("$r->{dir}/src/many.$_", $_) for 1 .. 50;
	wait_until {
		my ($pid) = $r->pids('watcher');
		$pids{$pid} = 1 if $pid && $pid != $before;
		$pid && $pid != $before && $r->pool('watcher')->{ready} == 1;
	} 10, 'restarted';
	# A second restart would follow the first at once.
	my $calm = time + 1;
	wait_until {
		$pids{$_} = 1 for grep { $_ != $before } $r->pids('watcher');
		time > $calm;
	} 5;
	cmp_ok(scalar keys %pids, '<=', 2, 'or two where they straddle one');
};

is(($r->pids('bystander'))[0], $bystander, 'other pools are left alone');
$r->finish;
done_testing();
