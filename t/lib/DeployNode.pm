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
use Reeve qw(program run_command slurp spew);

my $migrations = __FILE__ =~ s{[^/]+$}{../../migrations}r;

# It holds in its preparation while there is a file `hold`.
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
	$self->{pg} = $o{pg} // PgServer->new($dir);
	my ($code, $out, $err) = run_command(60, program('reevectl'), '--database',
		$self->{pg}->url, '--migrations', $migrations, 'migrate', 'up');
	croak "migrate: $out$err" if $code != 0;
	my $redis = defined $o{redis} ? "redis: { url: \"$o{redis}\" }\n" : '';
	my $options = $o{options} // '';
	my $pools = $o{pools} // '';
	$node->write_config(<<"YAML");
database: { url: "@{[$self->{pg}->url]}" }
${redis}handlers:
  noop: { kind: exec, command: ["true"] }
processes:
  web:
    kind: program
    command: [sh, -c, 'test -e $self->{root}/current || exec sleep 1000; cd $self->{root}/current && exec sh ./serve.sh']
    directory: $dir
    ready: { after: 200ms }
    count: 1
  app:
    kind: deploy
    root: $self->{root}
    source: { directory: $self->{packages} }
    pools: [web]
    health: { for: 300ms, interval: 50ms }
$options$pools
YAML
	$node->start unless $o{unstarted};
	return $self;
}

sub node { return $_[0]{node} }
sub pg { return $_[0]{pg} }
sub root { return $_[0]{root} }
sub packages { return $_[0]{packages} }

# A tarball of a version.
sub release
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

sub says
{
	my ($self) = @_;
	my $text = slurp($self->{node}->dir . '/says') // '';
	chomp $text;
	return $text;
}

1;
