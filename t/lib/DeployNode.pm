# SPDX-License-Identifier: ISC
#
# DeployNode - a node with an application that is deployed from tarballs: its
# pool `web` runs serve.sh of the current release, which writes down the
# version that it is of.
#
#	my $app = DeployNode->new(name => 'x', options => "    keep: 2\n");
#	$app->release('v1', 'file' => 'text', …);
#	$app->ctl('deploy', 'push', 'v1', '--wait');
#	$app->says;	# the version that runs
package DeployNode;

use strict;
use warnings;

use Carp qw(croak);

use PgServer;
use Reeve qw(program run_command slurp spew wait_until);

my $migrations = __FILE__ =~ s{[^/]+$}{../../migrations}r;

my $SERVE = <<'SH';
#!/bin/sh
dir=$(pwd -P)
echo "${dir##*/}" > @DIR@/says.new && mv @DIR@/says.new @DIR@/says
exec sleep 1000
SH

sub new
{
	my ($class, %o) = @_;
	my $node = Reeve->new(name => $o{name});
	my $dir = $node->dir;
	my $self = bless { node => $node, root => "$dir/app", packages => "$dir/packages" }, $class;
	mkdir $_ or croak "$_: $!" for $self->{packages}, $self->{root};
	chmod 0777, $self->{root};
	$self->{pg} = $o{pg} // database($dir);
	my $redis = defined $o{redis} ? "redis: { url: \"$o{redis}\", prefix: \"t:\" }\n" : '';
	my $options = $o{options} // '';
	my $pools = $o{pools} // '';
	my $at = $o{at} // $o{name};
	my $source = $o{source} // "{ directory: $self->{packages} }";
	my $handlers = $o{handlers} // '  noop: { kind: exec, command: ["true"] }';
	my $web = $o{web} // <<"YAML";
    command: [sh, -c, 'test -e $self->{root}/current || exec sleep 1000; cd $self->{root}/current && exec sh ./serve.sh']
    ready: { after: 100ms }
    count: 1
YAML
	my $watch = ($o{options} // '') =~ /^    health:/m ? ''
		: "    health: { for: 200ms, interval: 50ms }\n";
	$node->write_config(<<"YAML");
node: $at
@{[$o{head} // '']}database: { url: "@{[$self->{pg}->url]}" }
${redis}handlers:
$handlers
processes:
  web:
    kind: program
    directory: $dir
$web
  app:
    kind: deploy
    root: $self->{root}
    source: $source
    pools: [web]
$watch$options$pools
YAML
	$node->start unless $o{unstarted};
	return $self;
}

# A server with the tables.
sub database
{
	my ($dir) = @_;
	my $pg = PgServer->new($dir);
	my ($code, $out, $err) = run_command(60, program('reevectl'), '--database',
		$pg->url, '--migrations', $migrations, 'migrate', 'up');
	croak "migrate: $out$err" if $code != 0;
	return $pg;
}

sub node { return $_[0]{node} }
sub pg { return $_[0]{pg} }
sub root { return $_[0]{root} }
sub packages { return $_[0]{packages} }

# The files of a version, in a directory.
sub tree
{
	my ($self, $version, %files) = @_;
	my $from = "$self->{packages}/$version.tree";
	my $serve = $SERVE =~ s/\@DIR\@/$self->{node}->dir/ger;
	mkdir $from or croak "$from: $!";
	%files = ('serve.sh' => $serve, %files);
	for my $name (keys %files) {
		spew("$from/$name", $files{$name});
	}
	chmod 0755, "$from/serve.sh";
	return $from;
}

# A tarball of a version.
sub release
{
	my ($self, $version, %files) = @_;
	$self->tree($version, %files);
	$self->pack($version);
	return;
}

sub pack
{
	my ($self, $version) = @_;
	my $from = "$self->{packages}/$version.tree";
	my ($code, $out, $err) = run_command(30, 'tar', '-czf',
		"$self->{packages}/$version.tar.gz", '-C', $from, '.');
	croak "tar: $err" if $code != 0;
	return;
}

sub ctl
{
	my ($self, @words) = @_;
	return run_command(60, program('reevectl'), '-c', $self->{node}->config, @words);
}

# The state of a deployment, once it is over; undef when that takes too long.
sub wait_over
{
	my ($self, $id, $seconds) = @_;
	my $state;
	return wait_until {
		$state = $self->{pg}->psql("SELECT state FROM reeve.deployments WHERE id = '$id'");
		$state !~ /^(QUEUED|RUNNING)$/ && $state;
	} $seconds // 20;
}

sub current
{
	my ($self) = @_;
	return readlink("$self->{root}/current") // '';
}

sub says
{
	my ($self) = @_;
	my $text = slurp($self->{node}->dir . '/says') // '';
	chomp $text;
	return $text;
}

1;
