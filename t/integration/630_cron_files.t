#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Definitions of process.yaml: PostgreSQL has what the files say, after the
# start and after each reload, and what others have made there stays.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;
use CronNode;
use Reeve qw(slow slurp spew wait_until);

CronNode::is_there() or plan skip_all => 'no PostgreSQL here';

my $c = CronNode->new('files');
my $r = $c->node('a', pools => "include: [more.yaml]\n");
my $rest = slurp($r->config);

# The definitions of the two files; the second is included by the first.
sub write_files
{
	my ($first, $second) = @_;
	spew("$r->{dir}/more.yaml", "crontab:\n  definitions:\n$second");
	spew($r->config, "crontab:\n  definitions:\n$first$rest");
	return;
}

# NAME|HANDLER|TYPE|STATUS|PARAMS … of all, by name.
sub all
{
	return $c->sql('SELECT string_agg(concat_ws(\'|\', task_name, task_handler,'
		. " schedule_type, status, task_params, overlap, misfire || misfire_max),"
		. " E'\\n' ORDER BY task_name) FROM reeve.task_definitions");
}

write_files(<<'FIRST', <<'SECOND');
    - name: nightly
      handler: note
      params: { what: [1, "two", true], deep: { a: null } }
      cron: ["30 2 * * *", "0 12 * * 1"]
      timezone: Europe/Berlin
      misfire: all:3
    - { name: often, handler: note, every: 1s, overlap: allow, topic: high }
FIRST
    - { name: after, handler: nap, delay: 10m, depends_on: nightly, retry: 2, timeout: 5s }
SECOND
$c->sql("INSERT INTO reeve.task_definitions (task_name, task_handler, schedule_type, rule)"
	. " VALUES ('theirs', 'x', 'ONCE', '{\"at\":\"2030-01-01T00:00:00Z\"}')");
$r->start or BAIL_OUT('no daemon');

subtest 'the start brings all files to PostgreSQL' => sub {
	wait_until { all() =~ /often/ } 8, 'they come';
	is(all(), join("\n", 'after|nap|FIXED_DELAY|ENABLED|{}|forbid|once100',
		'nightly|note|CRON|ENABLED|{"what":[1,"two",true],"deep":{"a":null}}|forbid|all3',
		'often|note|FIXED_RATE|ENABLED|{}|allow|once100',
		'theirs|x|ONCE|ENABLED|{}|forbid|once100'), 'as they say');
	is($c->sql('SELECT concat_ws(\'|\', d.timeout_ms, d.retry_max, p.task_name, d.source)'
		. ' FROM reeve.task_definitions d JOIN reeve.task_definitions p'
		. ' ON p.id = d.depends_on'), '5000|2|nightly|file:a', 'with all they say');
	is($c->sql("SELECT to_char(next_fire AT TIME ZONE 'Europe/Berlin', 'MI')"
		. " FROM reeve.task_definitions WHERE task_name = 'nightly'") =~ /^(30|00)$/, 1,
		'and the next time in their zone');
	is($c->sql("SELECT string_agg(who || ' ' || (after->>'task_name'), ', ' ORDER BY at)"
			. " FROM reeve.audit_log WHERE action = 'createDefinition'"
			. " AND after->>'task_name' <> 'theirs'"),
		'file:a after, file:a nightly, file:a often', 'and in the audit log');
	wait_until { $c->sql("SELECT count(*) FROM reeve.task_instances") > 0 } 8, 'one fires';
};

subtest 'a reload brings what has changed' => sub {
	$c->sql("UPDATE reeve.task_definitions SET status = 'DISABLED' WHERE task_name = 'after'");
	my $next = $c->sql("SELECT next_fire FROM reeve.task_definitions WHERE task_name = 'after'");
	write_files(<<'FIRST', <<'SECOND');
    - { name: nightly, handler: nap, cron: "@daily", enabled: false }
    - { name: theirs, handler: note, every: 1h }
FIRST
    - { name: after, handler: nap, delay: 10m, depends_on: nightly, retry: 2, timeout: 5s }
SECOND
	ok(scalar $r->reload, 'it is well');
	wait_until { all() =~ /often.*DISABLED/ } 8, 'it comes';
	is(all(), join("\n", 'after|nap|FIXED_DELAY|DISABLED|{}|forbid|once100',
		'nightly|nap|CRON|DISABLED|{}|forbid|once100',
		'often|note|FIXED_RATE|DISABLED|{}|allow|once100',
		'theirs|x|ONCE|ENABLED|{}|forbid|once100'),
		'what is gone is disabled, what others say stands');
	is($c->sql("SELECT next_fire FROM reeve.task_definitions WHERE task_name = 'after'"), $next,
		'what is the same keeps its time');
	wait_until { $r->log =~ /definition theirs .* is left alone/ } 5, 'and it says so';
};

subtest 'what comes back is enabled' => sub {
	write_files("    - { name: often, handler: note, every: 1s, overlap: allow }\n",
		"    - { name: new, handler: note, at: \"2030-01-01T00:00:00Z\" }\n");
	ok(scalar $r->reload, 'it is well');
	wait_until { all() =~ /new/ } 8, 'it comes';
	like(all(), qr/^often\|note\|FIXED_RATE\|ENABLED/m, 'and so does the other');
};

subtest 'a pause that is changed waits for the end of the run' => sub {
	my $said = sub { $c->sql("SELECT concat_ws('|', rule->>'delay', next_fire IS NULL)"
		. " FROM reeve.task_definitions WHERE task_name = 'pause'") };
	write_files("    - { name: pause, handler: note, delay: 10m }\n",
		"    - { name: other, handler: note, every: 1h }\n");
	ok(scalar $r->reload, 'it is well');
	wait_until { $said->() eq '10m|f' } 8, 'it has a next time';
	$c->sql("INSERT INTO reeve.task_active (instance_id, definition_id) SELECT reeve.uuid_new(), id"
		. " FROM reeve.task_definitions WHERE task_name = 'pause'");
	$c->sql("UPDATE reeve.task_definitions SET next_fire = NULL WHERE task_name = 'pause'");
	write_files("    - { name: pause, handler: note, delay: 20m }\n",
		"    - { name: other, handler: note, every: 1h }\n");
	ok(scalar $r->reload, 'it is well again');
	wait_until { $said->() =~ /^20m/ } 8, 'it is changed';
	is($said->(), '20m|t', 'and runs no second time beside it');
};

subtest 'what depends on itself depends on none' => sub {
	my $depends = sub { return $c->sql("SELECT string_agg(d.task_name || ' ' || p.task_name, ', '"
		. ' ORDER BY d.task_name) FROM reeve.task_definitions d'
		. ' JOIN reeve.task_definitions p ON p.id = d.depends_on'
		. ' WHERE length(d.task_name) = 1') };
	my $told = sub { return scalar(() = $r->log =~ /definition \w of .* depends on none/g) };
	my $row = sub {
		my ($name, $on) = @_;
		return "    - { name: $name, handler: note, every: 1h, depends_on: $on }\n";
	};
	write_files($row->('x', 'y') . $row->('y', 'z'), $row->('z', 'often'));
	ok(scalar $r->reload, 'it is well');
	wait_until { $depends->() eq 'x y, y z, z often' } 8, 'a chain is brought as it is';
	write_files($row->('z', 'y') . $row->('y', 'x'), $row->('x', 'nobody'));
	ok(scalar $r->reload, 'it is well');
	wait_until { $depends->() eq 'y x, z y' } 8, 'and turned round';
	wait_until { $told->() == 1 } 5, 'who names nobody is told of';
	write_files($row->('z', 'y') . $row->('y', 'x'), $row->('x', 'z'));
	ok(scalar $r->reload, 'it is well');
	wait_until { $told->() == 2 } 5, 'a circle, too';
	is($depends->(), 'y x, z y', 'and the rest stands');
};

subtest 'what is wrong is refused with its name' => sub {
	my %wrong = (
		'{ name: a, handler: note, cron: "61 * * * *" }' => qr/definition a: .*61/,
		'{ name: a, handler: nobody, every: 1s }' => qr/definition a: there is no handler "nobody"/,
		'{ name: a, handler: note }' => qr/definition a: it does not say when/,
		'{ name: a, handler: note, every: 1s, color: red }' => qr/definition a: there is no "color"/,
		'{ name: a, handler: note, every: 1s, misfire: most }' => qr/"misfire" takes skip, once/,
		'{ handler: note, every: 1s }' => qr/definition without a name/,
		'just a text' => qr/is a map, not/,
	);
	for my $text (sort keys %wrong) {
		write_files("    - $text\n", "    - { name: b, handler: note, every: 1s }\n");
		my ($code, undef, $said) = $r->run('-t');
		is($code, 1, "refused: $text");
		like($said, $wrong{$text}, 'and says why');
	}
	write_files("    - { name: b, handler: note, every: 2s }\n",
		"    - { name: b, handler: note, every: 1s }\n");
	like(($r->run('-t'))[2], qr/there are two definitions b/, 'two of one name');
};

$r->finish;
done_testing();
