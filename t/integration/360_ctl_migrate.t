#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# reevectl migrate: files in order, each a transaction with its row, one
# reevectl at a time, and nothing changed by a file that is not as it should.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use IO::Handle;
use JSON::PP qw(decode_json);
use Test::More;
use PgServer;
use Reeve qw(program run_command slurp spew wait_until);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $top = tempdir('reeve-migrate-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $pg = PgServer->new($top);
my $own = "$FindBin::Bin/../../migrations";
delete @ENV{qw(REEVE_DATABASE_URL REEVE_SOCKET NO_COLOR), grep { /^PG/ } keys %ENV};

my ($count, $dir) = (0);

# Nothing in the database, and a new directory.
sub fresh
{
	sql('DROP SCHEMA IF EXISTS reeve CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public');
	$dir = "$top/m" . ++$count;
	mkdir $dir or die "$dir: $!";
	return;
}

# Files of the names 01, 02 …
sub name { return sprintf 'migration_202611%02d_000000_%s.sql', $_[0], $_[1] // 'x' }

sub write_files
{
	my ($n, @texts) = @_;
	spew("$dir/" . name($n++), $_) for @texts;
	return;
}

sub command
{
	return (program('reevectl'), '--database', $pg->url,
		'--migrations', $dir, 'migrate', @_);
}

sub migrate { return run_command(30, command(@_)) }
sub sql { return $pg->psql(@_) }

# The tables of the tests, and how many migrations are recorded; "-": there is
# not even the table for that.
sub what_is_there
{
	return sql(<<'SQL') =~ tr/\n//dr;
SELECT coalesce(string_agg(relname, ',' ORDER BY relname), '') || ' '
	FROM pg_class WHERE relkind = 'r' AND relname LIKE 't\_%';
SELECT to_regclass('reeve.migrations') IS NOT NULL AS is_there \gset
\if :is_there
SELECT count(*) FROM reeve.migrations;
\else
SELECT '-';
\endif
SQL
}

subtest 'the migrations of reeve itself make all that it needs' => sub {
	fresh();
	$dir = $own;
	my ($exit, $out, $err) = migrate();
	is($exit, 0, 'an empty database is migrated');
	is($err, '', 'without a word of complaint');
	like($out, qr/^applied migration_20261122_110000_schema\.sql in /m, 'each is named');
	like(sql(q{SELECT reeve.push('high', 'h')}), qr/^[0-9a-f-]{36}$/, 'it works');

	($exit, $out) = migrate();
	is($exit, 0, 'a second time is a success');
	like($out, qr/^nothing to do/, 'with nothing to do');
	is(sql('SELECT count(*) FROM reeve.task_instances'), 1, 'and what is there stays');
	is(sql("SELECT string_agg(oid::regprocedure::text, ' ') FROM pg_proc WHERE"
		. " pronamespace = 'reeve'::regnamespace AND prosecdef"
		. " AND has_function_privilege('public', oid, 'EXECUTE')"), '',
		'nobody is lent the rights of the owner unasked');
};

subtest 'status and JSON tell what is applied and what is not' => sub {
	fresh();
	write_files(1, "CREATE TABLE t_a ();\n", 'SELECT 1');
	my ($exit, $out) = migrate('status');
	is($exit, 0, 'of an empty database');
	like($out, qr/^\Q@{[name(1)]}\E +pending/m, 'all are pending');
	is(what_is_there(), ' -', 'and it changes nothing');

	($exit, $out) = migrate('up', '--json');
	is_deeply([map { $_->{name} } @{ decode_json($out)->{applied} }],
		[name(1), name(2)], 'up says what it applied');
	write_files(3, 'SELECT 3');
	my $doc = decode_json((migrate('status', '--json'))[1]);
	is_deeply([map { $_->{state} } @{ $doc->{migrations} }],
		[qw(applied applied pending)], 'then two are applied');
	is($doc->{migrations}[0]{checksum}, sha256_hex("CREATE TABLE t_a ();\n"),
		'the checksum is the SHA-256 of the file');
	like($doc->{migrations}[0]{applied_at}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'with the time');
	is_deeply([@$doc{qw(ok applied pending)}], [JSON::PP::true, 2, 1], 'and counts');
};

subtest 'each file is a transaction of its own' => sub {
	fresh();
	write_files(1, 'CREATE TABLE t_a ();',
		"SET search_path = nowhere;\nCREATE TABLE public.t_b ();\n\nSELECT 1/0;\n",
		'CREATE TABLE t_c ();');
	my ($exit, $out, $err) = migrate();
	is($exit, 1, 'a broken one is an error');
	like($err, qr{^reevectl: \Q$dir/@{[name(2)]}\E:4: division by zero}m,
		'with file and line of the statement');
	like($err, qr/nothing of \Q@{[name(2)]}\E is applied/, 'and what that means');
	is(what_is_there(), 't_a 1', 'those before it stand and are recorded');

	write_files(2, "SET search_path = nowhere;\nCREATE TABLE public.t_b ();\n");
	is((migrate())[0], 0, 'mended, it goes on');
	is(what_is_there(), 't_a,t_b,t_c 3', 'and a setting of one is none of the next');
};

subtest 'an error has the line of its place' => sub {
	fresh();
	my %at = (
		"CREATE TABLE t_a ();\nSELECT 1,\n  n\xc3\xb6,\n  x;\n" => 3,
		"SELECT 1;\n\nSELEC 2;\n" => 3,
		"-- a\n\nCREATE TABLE t_a ();\nCREATE TABLE t_a ();\n" => 4,
		"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS \$\$\nBEGIN\n\tx x;\nEND \$\$;\n" => 3,
		"CREATE TABLE t_a ();\nBEGIN;\n" => 2,
		"CREATE TABLE t_a ();\n\nCOMMIT;\n" => 3,
		"SELECT 1;\nSELECT 'x;\n" => 2,
		"SELECT 1;\nCOPY pg_class TO STDOUT;\n" => 2,
		"CREATE TABLE t_a ();\nVACUUM;\n" => 2,
	);
	for my $text (sort keys %at) {
		write_files(1, $text);
		my ($exit, $out, $err) = migrate();
		is($exit, 1, 'refused');
		like($err, qr{\Q$dir/@{[name(1)]}:$at{$text}\E: \S}, 'with file and line: ' . $text =~ tr/\n/ /r);
		is(what_is_there(), ' -', 'and nothing has changed');
	}
};

subtest 'a constraint that is checked at the end undoes the whole file' => sub {
	fresh();
	write_files(1, 'CREATE TABLE t_a (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO t_a VALUES (1), (1);');
	for my $dry ([], ['--dry-run']) {
		my ($exit, $out, $err) = migrate(@$dry);
		is($exit, 1, "@$dry up fails");
		like($err, qr/duplicate key/, 'and says why');
		is(what_is_there(), ' -', 'nothing has changed');
	}
};

subtest 'a file that is not as it was applied stops all' => sub {
	fresh();
	write_files(1, 'SELECT 1', 'SELECT 2', 'SELECT 3');
	is((migrate())[0], 0, 'three are applied');
	write_files(2, 'SELECT 2 ');
	write_files(4, 'CREATE TABLE t_d ();');
	for my $what ('up', 'status') {
		my ($exit, $out, $err) = migrate($what);
		is($exit, 1, "$what: a changed file is an error");
		like($err, qr{/\Q@{[name(2)]}\E is not what was applied}, 'which says which');
		unlike($err, qr/\Q@{[name(1)]}/, 'and no other');
	}
	unlink "$dir/" . name(2);
	my ($exit, $out, $err) = migrate();
	is($exit, 1, 'a missing file is an error');
	like($err, qr{/\Q@{[name(2)]}\E is applied, but its file is missing}, 'which says which');
	like((migrate('status'))[1], qr/^\Q@{[name(2)]}\E +missing/m, 'status shows it');

	write_files(2, 'SELECT 2');
	spew("$dir/" . name(2, 'y'), 'SELECT 9');
	($exit, $out, $err) = migrate();
	is($exit, 1, 'two files of one time are an error');
	unlink "$dir/" . name(2, 'y');
	spew("$dir/migration_20261102_120000_late.sql", 'SELECT 9');
	($exit, $out, $err) = migrate();
	is($exit, 1, 'a new file that is older than an applied one is an error');
	like($err, qr/_late\.sql is new, but older/, 'which says which');
	is(what_is_there(), ' 3', 'and nothing has changed by all that');
	unlink "$dir/migration_20261102_120000_late.sql";
	is((migrate())[0], 0, 'when all is well again it goes on');
	is(what_is_there(), 't_d 4', 'with what is new');
};

subtest 'names are told strictly' => sub {
	fresh();
	write_files(1, 'SELECT 1');
	spew("$dir/$_", 'nothing') for qw(README .hidden.sql x.sql~);
	is((migrate('--dry-run'))[0], 0, 'what is no .sql file may lie there');
	for my $bad (qw(schema.sql migration_20261101_0000_x.sql
		migration_20261301_000000_x.sql migration_20261101_240000_x.sql
		migration_20261101_000001_.sql migration_20261101_000001_X.sql
		migration_20261101_000001-x.sql migration_20261101_000001_x.sql.sql)) {
		spew("$dir/$bad", 'SELECT 1');
		my ($exit, $out, $err) = migrate();
		is($exit, 1, "$bad is refused");
		like($err, qr{/\Q$bad\E is no migration's name}, 'by its name');
		unlink "$dir/$bad";
	}
	spew("$dir/" . name(2), "SELECT '\xff'");
	like((migrate())[2], qr/is not UTF-8/, 'and so is what is no text');
	is(what_is_there(), ' -', 'nothing was applied');
	$dir = "$dir/none";
	my ($exit, $out, $err) = migrate();
	is($exit, 71, 'a directory that is not there is exit code 71');
	like($err, qr/No such file.*--migrations/, 'and the way out is told');
};

subtest 'a dry run does it all and keeps nothing' => sub {
	fresh();
	write_files(1, 'CREATE TABLE t_a (n int);', 'INSERT INTO t_a VALUES (1);');
	my ($exit, $out) = migrate('--dry-run');
	is($exit, 0, 'it is a success');
	like($out, qr/^would apply \Q@{[name(2)]}/m, 'the second sees the first');
	is(what_is_there(), ' -', 'nothing is there after it');
	write_files(3, "\nINSERT INTO t_a VALUES ('x');");
	my ($bad, undef, $err) = migrate('--dry-run');
	is($bad, 1, 'an error is found');
	like($err, qr{\Q@{[name(3)]}\E:2: }, 'with its line');
	is((migrate('status', '--dry-run'))[0], 2, 'status takes no --dry-run');
	is((migrate('sideways'))[0], 2, 'there are two words');
};

# The end of a process that runs beside this test: its output.
sub beside
{
	my ($pid, $out) = @{ $_[0] };
	waitpid $pid, 0;
	return ($? >> 8, slurp($out));
}

sub start_beside
{
	my $out = "$top/out" . ++$count;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDOUT, '>', $out;
		open STDERR, '>&', \*STDOUT;
		exec command(@_) or POSIX::_exit(127);
	}
	return [$pid, $out];
}

subtest 'two at once: one does it, the other waits' => sub {
	fresh();
	write_files(1, 'CREATE TABLE t_a (); SELECT pg_sleep(0.2);', 'CREATE TABLE t_b ();');
	my @both = map { [beside($_)] } map { start_beside() } 1 .. 2;
	is_deeply([map { $_->[0] } @both], [0, 0], 'both succeed');
	my @did = map { $_->[1] } @both;
	is(scalar(grep { /^applied .*\napplied /m } @did), 1, 'one has applied both');
	is(scalar(grep { /nothing to do: 2 are applied/ } @did), 1, 'the other none');
	is(scalar(grep { /somebody else migrates .*waiting/ } @did), 1, 'and said that it waited');
};

subtest 'one that is killed leaves nothing, and lets the next one in' => sub {
	fresh();
	write_files(1, 'CREATE TABLE t_a (); SELECT pg_sleep(60);');
	my $first = start_beside();
	wait_until { sql("SELECT count(*) FROM pg_stat_activity
		WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'") == 1 }
		10, 'the first is at work';
	kill 'KILL', $first->[0];
	beside($first);
	write_files(1, 'CREATE TABLE t_b ();');
	is((migrate())[0], 0, 'the next one succeeds');
	is(what_is_there(), 't_b 1', 'and what was begun is gone');
};

subtest 'where PostgreSQL is, and why it cannot be reached' => sub {
	fresh();
	write_files(1, 'SELECT 1');
	my $url = $pg->url;
	my @migrate = (program('reevectl'), '--migrations', $dir, 'migrate');
	{
		local $ENV{REEVE_DATABASE_URL} = $url;
		is((run_command(30, @migrate, 'status'))[0], 0, 'by the environment');
	}
	spew("$top/db.yaml", "database: { url: \"$url\" }\nprocesses: {}\n");
	is((run_command(30, @migrate, '-c', "$top/db.yaml"))[0], 0, 'by the file');
	spew("$top/none.yaml", "processes: {}\n");
	my ($exit, $out, $err) = run_command(30, @migrate, '-c', "$top/none.yaml");
	is($exit, 1, 'by nothing is an error');
	like($err, qr/none\.yaml has no database\.url.*--database/, 'that says what to do');

	my $port = Reeve::free_port();
	($exit, $out, $err) = run_command(30, @migrate, '--database',
		"postgresql://u:geheim\@127.0.0.1:$port/x");
	is($exit, 71, 'nobody there is exit code 71');
	like($err, qr/--database.*127\.0\.0\.1.*port $port.*refused/, 'with the reason');
	($exit, $out, $err) = run_command(30, @migrate, '--database', $pg->url('nosuch'));
	like($err, qr/"nosuch" does not exist.*createdb/, 'no such database');
	for my $bad ('host=a geheim', 'postgresql://u:geheim@[h') {
		($exit, $out, $err) = run_command(30, @migrate, '--database', $bad);
		is($exit, 1, 'an URL that cannot be read is exit code 1');
		like($err, qr/--database cannot be read: \S/, 'with a reason');
		unlike($err, qr/geheim/, 'and no password in it');
	}
};

done_testing();
