#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# What reevectl does without a daemon: help, usage errors, the test of a file,
# the list of settings, completion.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use Reeve qw(program run_command spew);

my $dir = tempdir('reeve-ctl-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $top = "$FindBin::Bin/../..";
delete @ENV{qw(REEVE_SOCKET NO_COLOR)};

sub ctl
{
	return run_command(20, program('reevectl'), @_);
}

subtest 'help and version are printed' => sub {
	my ($exit, $out, $err) = ctl('--help');
	is($exit, 0, 'help is a success');
	is($err, '', 'on standard output');
	like($out, qr/^  \Q$_\E\b/m, "it names $_")
		for qw(status reload start stop restart scale logs reopen
			upgrade shutdown top), 'config show', 'config check',
			'config options', 'queue push', 'queue dead retry',
			'task explain', 'consumers set', 'handlers check';

	($exit, $out) = ctl('reload', '--help');
	like($out, qr/--plan/, 'the help of a command has its options');
	unlike($out, qr/--follow|shutdown/, 'and no others');

	($exit, $out) = ctl('-V');
	is($exit, 0, 'so is the version');
	like($out, qr/^reevectl \d+\.\d+/, 'which is a number');
};

subtest 'half a command is answered with the whole ones' => sub {
	like((ctl('queue', 'dead'))[2],
		qr/no command "queue dead"; there are: list, push, .*dead list/, 'of queue');
	unlike((ctl('restar'))[2], qr/there are/, 'and what is none with nothing');
};

subtest 'bad usage is exit code 2 and a word on standard error' => sub {
	my %bad = (
		'no command' => [],
		'an unknown command' => ['restar'],
		'an unknown option' => ['status', '--colour'],
		'an option of another command' => ['status', '--plan'],
		'a number that is none' => ['logs', '-n', '1x'],
		'an argument too many' => ['status', 'a', 'b'],
		'an argument too few' => ['scale', 'a'],
		'a file and a socket' => ['-c', 'a', '-S', 'b', 'status'],
		'half a command' => ['config'],
		'two thirds of one' => ['queue', 'dead'],
	);
	for my $what (sort keys %bad) {
		my ($exit, $out, $err) = ctl(@{ $bad{$what} });
		is($exit, 2, "$what is refused");
		like($err, qr/\S/, 'with a word');
		is($out, '', 'and no output');
	}
};

subtest 'a daemon that is not there is exit code 71' => sub {
	my ($exit, $out, $err) = ctl('-S', "$dir/none.sock", 'status');
	is($exit, 71, 'where no socket is');
	like($err, qr{\Q$dir\E/none\.sock}, 'it says which socket');
	like($err, qr/not running/, 'and what may be wrong');

	my $listener = IO::Socket::UNIX->new(Local => "$dir/dead.sock",
		Listen => 1);
	close $listener;
	($exit, $out, $err) = ctl('-S', "$dir/dead.sock", 'reload');
	is($exit, 71, 'where nobody listens');
	like($err, qr/no daemon is/, 'it says so');

	local $ENV{REEVE_SOCKET} = "$dir/env.sock";
	($exit, $out, $err) = ctl('status');
	like($err, qr{/env\.sock}, 'the environment names the socket');
};

subtest 'the socket is found by the file, even a broken one' => sub {
	spew("$dir/good.yaml", "run_dir: $dir/a\nprocesses: {}\n");
	like((ctl('-c', "$dir/good.yaml", 'status'))[2],
		qr{\Q$dir\E/a/control\.sock}, 'by its run_dir');
	spew("$dir/own.yaml",
		"control: { path: $dir/b.sock }\nprocesses: {}\n");
	like((ctl('-c', "$dir/own.yaml", 'status'))[2],
		qr{\Q$dir\E/b\.sock}, 'by control.path');

	local $ENV{REEVE_TEST_DIR} = "$dir/c";
	my $bad = "processes: { x: { kind: nothing } }\n";
	spew("$dir/bad.yaml", "run_dir: \${REEVE_TEST_DIR:-/x}\n$bad");
	like((ctl('-c', "$dir/bad.yaml", 'status'))[2],
		qr{\Q$dir\E/c/control\.sock}, 'by a run_dir beside errors');
	spew("$dir/rel.yaml", "run_dir: \${REEVE_NO_SUCH:-run}\n$bad");
	like((ctl('-c', "$dir/rel.yaml", 'status'))[2],
		qr{\Q$dir\E/run/control\.sock}, 'relative to its file');
	spew("$dir/path.yaml",
		"control:\n  mode: '0600'\n  path: \"$dir/d.sock\" # here\n$bad");
	like((ctl('-c', "$dir/path.yaml", 'status'))[2],
		qr{\Q$dir\E/d\.sock}, 'by a control.path beside errors');

	my ($exit, $out, $err) = ctl('-c', "$dir/nothing.yaml", 'shutdown');
	is($exit, 1, 'a file that is not there is an error');
	unlike($err, qr{/run/reeve}, 'not a reason to take another daemon');
	spew("$dir/include.yaml", "include: [more.yaml]\n$bad");
	($exit, $out, $err) = ctl('-c', "$dir/include.yaml", 'shutdown');
	is($exit, 1, 'so is one with errors whose socket may be elsewhere');
	like($err, qr/use -S/, 'and the way out is told');
};

subtest 'config check tests a file' => sub {
	spew("$dir/ok.yaml", "processes:\n"
		. "  a: { kind: program, command: [sleep, '1'], count: 3 }\n");
	my ($exit, $out, $err) = ctl('config', 'check', "$dir/ok.yaml");
	is($exit, 0, 'a good one is exit code 0');
	like($out, qr/1 pool, 3 workers/, 'and says what it has');

	spew("$dir/wrong.yaml", "processes:\n  a: { kind: program, "
		. "command: [sleep], coun: 3 }\n");
	($exit, $out, $err) = ctl('-c', "$dir/wrong.yaml", 'config', 'check');
	is($exit, 1, 'a bad one, named by -c, is exit code 1');
	like($err, qr{^\Q$dir\E/wrong\.yaml:2:\d+: error: .*coun}m,
		'with file, line and column');

	($exit, $out) = ctl('config', 'check', '--json', "$dir/wrong.yaml");
	my $doc = decode_json($out);
	ok(!$doc->{ok}, 'as JSON it says so too');
	is($doc->{problems}[0]{line}, 2, 'with the line');
	is($doc->{problems}[0]{severity}, 'error', 'and the severity');
	is((ctl('config', 'check', "$dir/nothing.yaml"))[0], 1,
		'a file that is not there is exit code 1');
};

subtest 'config options lists every setting' => sub {
	my ($exit, $out) = ctl('config', 'options');
	is($exit, 0, 'as tables');
	like($out, qr/^stop_timeout\s+duration\s+30s\s+\S+\s+hot\b/m,
		'a setting has type, default, range and reload');
	like($out, qr/^Pools of kind |^Every pool$/m, 'under headings');
	unlike($out, qr/\(null\)/, 'with nothing missing');

	($exit, $out) = ctl('config', 'options', '--json');
	my $list = decode_json($out);
	my (%seen, %of_kind);
	for my $row (@$list) {
		$seen{"$row->{group} $row->{name}"}++;
		$of_kind{"$row->{group} $_ $row->{name}"}++
			for @{ $row->{kinds} } ? @{ $row->{kinds} } : '';
	}
	ok($seen{'global run_dir'} && $seen{'pool count'}
			&& $seen{'handler timeout'}, 'as JSON');
	is_deeply([grep { $of_kind{$_} > 1 } keys %of_kind], [],
		'each once for a kind');
	my @poor = grep { !length($_->{help} // '') || !length $_->{type} }
		@$list;
	is_deeply(\@poor, [], 'each with a help and a type');
};

subtest 'bash completes commands and options' => sub {
	plan skip_all => 'no bash' if !-x '/bin/bash';
	my $complete = sub {
		my @words = @_;
		my ($exit, $out, $err) = run_command(20, '/bin/bash', '-c',
			'source "$1"; shift; COMP_WORDS=("$@"); '
				. 'COMP_CWORD=$(($# - 1)); _reevectl; '
				. 'echo "${COMPREPLY[*]}"',
			'bash', "$top/etc/bash-completion/reevectl",
			program('reevectl'), @words);
		is($err, '', 'no noise');
		chomp $out;
		return $out;
	};
	is($complete->('re'), 'reload restart reopen', 'commands');
	is($complete->('--s'), '--socket', 'options');
	is($complete->('reload', '--pl'), '--plan', 'those of the command');
	is($complete->('config', ''), 'show check options', 'second words');
	is($complete->('queue', 'dead', 'p'), 'purge', 'third words');
	is($complete->('queue', 'push', '--un'), '--unique', 'their options');
	is($complete->('-S', "$dir/none.sock", 'stop', ''), '',
		'no pools without a daemon');
};

subtest 'reevectl calls the JSON library, not the writer of the daemon' => sub {
	my ($exit, $out) = run_command(20, 'nm', program('reevectl'));
	plan skip_all => 'no nm' if $exit != 0;
	is_deeply([$out =~ /\s[TtDd] (json_\w+)/g], [],
		'nothing in it stands before a function of the library');
};

done_testing();
