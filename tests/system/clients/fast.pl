#!/usr/bin/perl
# Cache::Memcached::Fast's ordinary work: fast.pl PORT. Prints "ok NAME" or "not ok NAME".
use strict;
use warnings;
use utf8;
use Cache::Memcached::Fast;

my ($port) = @ARGV;
my $client = Cache::Memcached::Fast->new({
    servers => ["127.0.0.1:$port"], utf8 => 1, io_timeout => 20, max_size => 8 << 20 });

sub check($$) {
    my ($good, $name) = @_;
    print $good ? 'ok ' : 'not ok ', $name, "\n";
}

check($client->set('a', 'text') && $client->get('a') eq 'text', 'sets and gets');
check(!defined $client->get('missing'), 'misses');
check($client->set('o', { k => [1, 2.5] }) && $client->get('o')->{k}[1] == 2.5,
    'keeps structures in the flags');
my @pairs = map { ["m$_", "value $_"] } 0 .. 299;
my $stored = $client->set_multi(@pairs);
my $got = $client->get_multi(map { $_->[0] } @pairs);
check(300 == grep({ $_ } values %$stored) && 300 == keys %$got && $got->{m299} eq 'value 299',
    'sets and gets many');
check(!$client->add('a', 'x') && $client->add('b', 'x'), 'adds only what is not there');
check(!$client->replace('nothing', 'x') && $client->replace('a', 'text'),
    'replaces only what is there');
my $seen = $client->gets('a');
check($client->cas('a', $seen->[0], 'new') && !$client->cas('a', $seen->[0], 'old')
    && $client->get('a') eq 'new', 'compares and swaps');
my $both = $client->gets_multi('a', 'b');
my $swapped = $client->cas_multi(['a', $both->{a}[0], 1], ['b', $both->{b}[0], 2]);
check($swapped->{a} && $swapped->{b} && $client->get('b') == 2, 'compares and swaps many');
$client->set('n', 10);
check($client->incr('n', 5) == 15 && $client->decr('n', 100) == 0 && !$client->incr('absent'),
    'counts');
check(!defined $client->incr('o') || !$client->incr('o'), 'does not count what is no number');
check($client->touch('a', 1000) && !$client->touch('absent', 1000), 'touches');
my ($first) = $client->gat(1000, 'a');
check(defined $first, 'gets and touches');
$client->set('s', 'mid');
check($client->append('s', '>') && $client->prepend('s', '<') && $client->get('s') eq '<mid>',
    'appends and prepends');
my $large = join '', map { chr(int rand 128) } 1 .. 1000000;
check($client->set('large', $large) && $client->get('large') eq $large, 'stores a large value');
check(!$client->set('huge', 'x' x 2000000) && $client->get('s') eq '<mid>',
    'learns that a value is too large and goes on');
check($client->set('schlüssel-ключ-鍵', 'wert-значение') &&
    $client->get('schlüssel-ключ-鍵') eq 'wert-значение', 'uses unicode keys and values');
$client->set("q$_", $_) for 0 .. 999;
$client->nowait_push;
check($client->get('q999') == 999, 'sets without waiting');
check($client->delete('a') && !$client->delete('a'), 'deletes');
check(2 == grep({ $_ } values %{ $client->delete_multi('m0', 'm1') }), 'deletes many');
my ($version) = values %{ $client->server_versions };
check($version =~ /^\d+\.\d+\.\d+$/, 'reads the version');
$client->flush_all;
check(!defined $client->get('m2'), 'flushes');
