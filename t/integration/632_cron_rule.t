#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# The rule of a definition says all of when: what is written into the columns
# beside it is taken over into it.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP qw(decode_json);
use Test::More;
use PgServer;
use Reeve qw(program run_command);

PgServer::is_there() or plan skip_all => 'no PostgreSQL here';

my $pg = PgServer->new(tempdir('reeve-rule-XXXXXX', TMPDIR => 1, CLEANUP => 1));
my ($exit, $out, $err) = run_command(60, program('reevectl'), '--database', $pg->url,
	'--migrations', "$FindBin::Bin/../../migrations", 'migrate', 'up');
is($exit, 0, 'the tables are there') or BAIL_OUT("$out$err");

sub rule
{
	return decode_json($pg->psql('SELECT rule FROM reeve.task_definitions'));
}

my $insert = 'INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type, rule';
$pg->psql("$insert, time_zone, end_at) VALUES ('a', 'h', 'CRON',"
	. " '{\"cron\":[\"0 3 * * *\"]}', 'Europe/Berlin', '2030-01-01T00:00:00Z')");
is_deeply(rule(), { cron => ['0 3 * * *'], timeZone => 'Europe/Berlin',
	end => '2030-01-01T00:00:00+00:00' }, 'an insert takes zone and window over');
$pg->psql("UPDATE reeve.task_definitions SET end_at = NULL, start_at = '2029-01-01T00:00:00Z'");
is_deeply(rule(), { cron => ['0 3 * * *'], timeZone => 'Europe/Berlin',
	start => '2029-01-01T00:00:00+00:00' }, 'so does an update of the columns alone');
$pg->psql("UPDATE reeve.task_definitions SET time_zone = 'UTC', start_at = NULL,"
	. " rule = '{\"cron\":[\"0 4 * * *\"],\"timeZone\":\"Asia/Tokyo\"}'");
is_deeply(rule(), { cron => ['0 4 * * *'], timeZone => 'Asia/Tokyo' },
	'a rule that is written counts');
done_testing();
