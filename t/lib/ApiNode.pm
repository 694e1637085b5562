# SPDX-License-Identifier: ISC
#
# ApiNode - a node that serves the API, with a PostgreSQL of its own.
#
#	my $api = ApiNode->new(name => 'x', pools => "  more pools\n");
#	my $token = $api->token('acme', 'operator');
#	my $a = $api->call('POST', '/api/v1/tasks/definitions', $token, { … });
#	$a->{status}; $a->{body}; $a->{headers}{etag};
#	my $s = $api->follow($path, $token, sub { … });	# Server-Sent Events
package ApiNode;

use strict;
use warnings;

use Carp qw(croak);
use Digest::SHA qw(sha256_hex);
use HTTP::Tiny;
use JSON::PP qw(decode_json);

use IO::Select;
use IO::Socket::INET;
use PgServer;
use Reeve qw(program run_command slow);
use Socket qw(IPPROTO_TCP TCP_NODELAY);

my $json = JSON::PP->new->canonical->utf8;
# It sends head and body apart, and the second would wait for the
# acknowledgement of the first, which waits for 40 ms.
{
	no warnings 'redefine';
	my $connect = HTTP::Tiny::Handle->can('connect');
	*HTTP::Tiny::Handle::connect = sub {
		my $handle = $connect->(@_);
		setsockopt $handle->{fh}, IPPROTO_TCP, TCP_NODELAY, 1;
		return $handle;
	};
}

my $migrations = __FILE__ =~ s{[^/]+$}{../../migrations}r;

sub new
{
	my ($class, %o) = @_;
	my $node = Reeve->new(name => $o{name});
	my $self = bless { node => $node, made => 0 }, $class;
	$self->{pg} = $o{pg} // PgServer->new($node->dir);
	$self->migrate unless $o{unmigrated};
	my $redis = defined $o{redis} ? "redis: { url: \"$o{redis}\" }\n" : '';
	my $more = $o{pools} // '';
	my $http = $o{http} // '';
	my $handlers = $o{handlers} // '';
	my $workers = $o{workers} // 1;
	$node->write_config(<<"YAML");
database: { url: "@{[$self->{pg}->url]}"@{[$o{database} // '']} }
${redis}handlers:
  noop: { kind: exec, command: ["true"] }
  fail: { kind: exec, command: ["false"], retry: { max: 0 } }
${handlers}processes:
  http: { kind: http, listen: ["127.0.0.1:\@PORT\@"], count: $workers$http }
$more
YAML
	$node->start unless $o{unstarted};
	return $self;
}

# The API of a daemon that is there, and a database that is migrated.
sub of
{
	my ($class, $node, $pg) = @_;
	return bless { node => $node, pg => $pg, made => 0 }, $class;
}

# The events of a stream until $enough->(\@events) or its end: { event, data, id }
# each; its head, and whether the server ended it.
sub follow
{
	my ($self, $path, $token, $enough, %headers) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		PeerPort => $self->{node}->port) or die "connect: $!";
	my $more = join '', map { "$_: $headers{$_}\r\n" } sort keys %headers;
	print {$s} "GET $path HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer $token\r\n$more\r\n";
	my ($text, @events) = ('');
	my $until = time + slow(30);
	while (time < $until) {
		my $ready = IO::Select->new($s)->can_read(1) or next;
		my $n = sysread $s, $text, 65536, length $text;
		my $body = $text =~ s/^.*?\r\n\r\n//sr;
		@events = ();
		for my $block (split /\n\n/, substr $body, 0, 2 + rindex $body, "\n\n") {
			my %f = map { /^(\w+): (.*)$/ ? ($1, $2) : () } split /\n/, $block;
			push @events, { event => $f{event}, id => $f{id},
				data => eval { decode_json($f{data}) } } if $f{event};
		}
		return { head => $text =~ s/\r\n\r\n.*//sr, events => \@events,
			ended => !$n } if !$n || $enough->(\@events);
	}
	die "the stream goes on: $text";
}

sub node { return $_[0]{node} }
sub pg { return $_[0]{pg} }

sub migrate
{
	my ($self) = @_;
	my ($code, $out, $err) = run_command(60, program('reevectl'), '--database',
		$self->{pg}->url, '--migrations', $migrations, 'migrate', 'up');
	croak "migrate: $out$err" if $code != 0;
	return;
}

# A token of a tenant, which is made when there is none.
sub token
{
	my ($self, $tenant, $role) = @_;
	my $token = sprintf 'reeve_%s_%s_%d', $tenant, $role, ++$self->{made};
	my $hash = sha256_hex($token);
	$self->{pg}->psql("INSERT INTO reeve.tenants (id) VALUES ('$tenant') ON CONFLICT DO NOTHING");
	$self->{pg}->psql("INSERT INTO reeve.api_tokens (tenant_id, name, role, token_hash)"
		. " VALUES ('$tenant', '$role $self->{made}', '$role', '\\x$hash')");
	return $token;
}

# body: a structure, sent as JSON, or a string, sent as it is.
sub call
{
	my ($self, $method, $path, $token, $body, %headers) = @_;
	my %o = (headers => {%headers});
	$o{headers}{authorization} = "Bearer $token" if defined $token;
	if (defined $body) {
		$o{content} = ref $body ? $json->encode($body) : $body;
		$o{headers}{'content-type'} //= 'application/json';
	}
	my $http = $self->{http} //= HTTP::Tiny->new(timeout => 20, keep_alive => 1);
	my $a = $http->request($method, 'http://127.0.0.1:' . $self->{node}->port . $path, \%o);
	my $type = $a->{headers}{'content-type'} // '';
	return {
		status => $a->{status},
		headers => $a->{headers},
		text => $a->{content},
		body => $type =~ m{json} ? eval { decode_json($a->{content}) } : undef,
	};
}

# "taskName: is missing; …"
sub errors
{
	my ($a) = @_;
	return join '; ', map { "$_->{field}: $_->{detail}" } @{ $a->{body}{errors} // [] };
}

1;
