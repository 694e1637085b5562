#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# A standard error that nobody reads does not hold the master.
use strict;
use warnings;

use Fcntl qw(O_NONBLOCK O_RDWR);
use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX qw(mkfifo);
use Reeve qw(send_signal wait_until);
use Test::More;

my $r = Reeve->new(name => 'stuck', log_dir => undef);
$r->write_config("processes:\n  p: { kind: program, command: "
	. '[sleep, "1000"], ready: { after: 10ms } }' . "\n");
my $fifo = "$r->{dir}/fifo";
mkfifo($fifo, 0600) or die "$fifo: $!";
sysopen my $f, $fifo, O_RDWR | O_NONBLOCK or die "$fifo: $!";
my $full = syswrite $f, "\n" x (1 << 20);
1 while syswrite $f, "\n" x 4096;

$r->{prefix} = ['sh', '-c', "exec \"\$@\" 2>$fifo", 'sh'];
$r->start or BAIL_OUT('no daemon');
pass('it starts with a standard error that is full');
my ($pid) = $r->pids('p');
send_signal('KILL', $pid);
ok(wait_until(sub { my ($new) = $r->pids('p'); $new && $new != $pid }, 5),
	'a dead process is replaced');

my $text = '';
ok(wait_until(sub {
	sysread $f, $text, 65536, length $text;
	$r->signal('USR1');
	$text =~ /master\[\d+\] \d+ lines are lost here/;
}, 10), 'once it is read, the lost lines are told') or diag($text);
like($text, qr/logs are opened anew/, 'and the log goes on');
$r->finish;
done_testing;
