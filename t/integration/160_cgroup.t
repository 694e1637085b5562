#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# In a delegated control group each program has a group of its own, and nothing
# it forks outlives it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Reeve qw(alive is_root slurp wait_until);
use Test::More;

my ($mount) = grep { -e "$_/cgroup.procs" }
	qw(/sys/fs/cgroup /sys/fs/cgroup/unified);
my $group = $mount && "$mount/reeve-test-$$";

# Delegate a group as systemd does, by its extended attribute.
sub delegate
{
	mkdir $group or return 'cannot make a control group';
	my $setxattr = { x86_64 => 188, aarch64 => 5 }->{(POSIX::uname())[4]}
		or return 'no number of setxattr(2) for this machine';
	my ($path, $name, $value) = ($group, 'trusted.delegate', '1');
	syscall($setxattr, $path, $name, $value, 1, 0) == 0
		or return 'cannot set an extended attribute there';
	return -e "$group/cgroup.kill" ? undef : 'this kernel has no cgroup.kill';
}

# Move this process, and with it what it starts.
sub move_to
{
	my ($where) = @_;
	open my $f, '>', "$where/cgroup.procs" or die "$where: $!";
	syswrite($f, "$$\n") or die "$where: $!";
	close $f;
}

plan skip_all => 'needs root' if !is_root();
plan skip_all => 'no control groups of version 2 here' if !$mount;
my $why = delegate();
if ($why) {
	rmdir $group;
	plan skip_all => $why;
}
move_to($group);

my $r = Reeve->new(name => 'cgroup');
$r->write_config(<<'YAML');
processes:
  leaver:
    kind: program
    command: [sh, -c, "env -i setsid setsid sh -c 'trap : TERM; echo $$$$ > @DIR@/stray; exec sleep 1000' & exec sleep 1000"]
    ready: { after: 50ms }
    max_surge: 0
YAML
$r->start or BAIL_OUT('no daemon');
ok(wait_until(sub { (slurp("$r->{dir}/stray") // '') =~ /\d/ }, 5),
	'a process has left its session, its parent and its environment');
my ($stray) = slurp("$r->{dir}/stray") =~ /(\d+)/;
my @groups = glob("$group/reeve-*");
is(scalar @groups, 1, 'the program has a group of its own');
like(slurp("$groups[0]/cgroup.procs"), qr/^$stray$/m, 'the stray is in it');
my ($pid) = $r->pids('leaver');
kill 'KILL', $pid;
ok(wait_until(sub { !alive($stray) }, 5), 'it goes when its program goes');
ok(wait_until(sub { !-e $groups[0] }, 5), 'and so does the group');
$r->finish;
is(scalar(my @left = glob("$group/reeve-*")), 0, 'no group is left');

move_to($mount);
ok(wait_until(sub { rmdir $group }, 5), 'nobody is left in ours');
done_testing();
