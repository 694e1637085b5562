#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Each who asks for a reload gets the verdict on his own; nobody gets at a new
# control socket before it is his.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use POSIX ();
use Reeve qw(http_request slurp spew wait_until);
use Test::More;

my $BASE = "processes:\n"
	. "  web: { kind: http, listen: [\"unix:\@DIR\@/web.sock\"] }\n";
my $SLOW = '  slow: { kind: program, command: [sleep, "1000"], '
	. "ready: { exec: [test, -e, \@DIR\@/go] }, start_timeout: 20s }\n";

my $r = Reeve->new(name => 'reloads');
$r->write_config($BASE);
$r->start or BAIL_OUT('no daemon');

# POST in a child; its answer comes to a file.
sub ask
{
	my ($path, $file) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my ($code, $body) =
			http_request('POST', $r->socket, $path, 30);
		spew("$r->{dir}/$file", "$code $body");
		POSIX::_exit(0);
	}
	return $pid;
}

$r->write_config($BASE . $SLOW);
my $first = ask('/reload', 'first');
wait_until { ($r->status // {})->{state} eq 'reloading' } 10;
$r->write_config($BASE . $SLOW . "reload_timeout: 50s\n");
my $second = ask('/reload', 'second');
waitpid $first, 0;
like(slurp("$r->{dir}/first"), qr/^409 .*newer reload/,
	'a reload that is replaced says so');
spew("$r->{dir}/go", '');
waitpid $second, 0;
like(slurp("$r->{dir}/second"), qr/^200 /,
	'the one that replaced it gets the verdict on itself')
	or diag($r->log);

unlink "$r->{dir}/go";
$r->write_config($BASE . $SLOW =~ s/slow/later/r
	. "control: { path: \@DIR\@/run/moved.sock, mode: 0600 }\n");
$r->signal('HUP');
ok(wait_until(sub { -S "$r->{dir}/run/moved.sock" }, 10),
	'a moved control socket is there before the reload is through');
is(sprintf('%o', (stat "$r->{dir}/run/moved.sock")[2] & 07777), '600',
	'and has its mode already');
is(sprintf('%o', (stat "$r->{dir}/web.sock")[2] & 07777), '666',
	'a socket of a pool is open to all');
$r->write_config($BASE);
$r->signal('HUP');
wait_until { !-e "$r->{dir}/run/moved.sock" } 10;
$r->finish;
done_testing;
