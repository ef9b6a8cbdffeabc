<?php
// php-memcached's ordinary work: client.php PORT ascii|binary. Prints "ok NAME" or "not ok NAME".

$port = (int) $argv[1];
$binary = $argv[2] === 'binary';

function check(bool $good, string $name): void
{
    echo $good ? 'ok ' : 'not ok ', $name, "\n";
}

function client(int $port, bool $binary): Memcached
{
    $client = new Memcached();
    $client->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
    $client->setOption(Memcached::OPT_TCP_NODELAY, true);
    $client->addServer('127.0.0.1', $port);
    return $client;
}

$client = client($port, $binary);
check($client->set('a', 'text') && $client->get('a') === 'text', 'sets and gets');
check($client->get('missing') === false
    && $client->getResultCode() === Memcached::RES_NOTFOUND, 'misses');
$typed = ['k' => [1, 2.5, null, true], 'ü' => "\0\xff"];
check($client->set('o', $typed) && $client->get('o') === $typed, 'keeps types in the flags');
$many = [];
for ($i = 0; $i < 300; $i++) {
    $many["m$i"] = "value $i";
}
check($client->setMulti($many) && $client->getMulti(array_keys($many)) === $many,
    'sets and gets many');
check($client->add('a', 'x') === false
    && $client->getResultCode() === Memcached::RES_NOTSTORED
    || $client->getResultCode() === Memcached::RES_DATA_EXISTS, 'adds only what is not there');
check($client->replace('nothing', 'x') === false && $client->replace('a', 'text'),
    'replaces only what is there');
$seen = $client->get('a', null, Memcached::GET_EXTENDED);
check(isset($seen['cas']) && $client->cas($seen['cas'], 'a', 'new')
    && $client->cas($seen['cas'], 'a', 'old') === false
    && $client->getResultCode() === Memcached::RES_DATA_EXISTS
    && $client->get('a') === 'new', 'compares and swaps');
$client->set('n', 10);
check($client->increment('n', 5) === 15 && $client->decrement('n', 100) === 0, 'counts');
if ($binary) {
    check($client->increment('fresh', 1, 7) === 7 && $client->increment('fresh', 1, 7) === 8,
        'counts from an initial value');
} else {
    check($client->increment('absent') === false, 'counts nothing that is missing');
}
check($client->touch('a', 1000) && !$client->touch('absent', 1000), 'touches');
$client->setOption(Memcached::OPT_COMPRESSION, false);
check($client->set('s', 'mid') && $client->append('s', '>') && $client->prepend('s', '<')
    && $client->get('s') === '<mid>', 'appends and prepends');
$large = random_bytes(1000000);
check($client->set('large', $large) && $client->get('large') === $large, 'stores a large value');
check($client->set('huge', str_repeat('x', 2000000)) === false
    && $client->getResultCode() === Memcached::RES_E2BIG && $client->get('s') === '<mid>',
    'learns that a value is too large and goes on');
$client->setOption(Memcached::OPT_COMPRESSION, true);
check($client->set('packed', str_repeat('x', 3000000))
    && $client->get('packed') === str_repeat('x', 3000000), 'stores what it compressed');
if ($binary) { // libmemcached refuses them in ASCII
    check($client->set('schlüssel-ключ-鍵', 1) && $client->get('schlüssel-ключ-鍵') === 1,
        'uses unicode keys');
}
check($client->delete('a') && !$client->delete('a')
    && $client->getResultCode() === Memcached::RES_NOTFOUND, 'deletes');
check($client->deleteMulti(['m0', 'm1']) === ['m0' => true, 'm1' => true], 'deletes many');
$client->getDelayed(['m2', 'm3'], true);
$fetched = array_column($client->fetchAll(), 'value', 'key');
ksort($fetched);
check($fetched === ['m2' => 'value 2', 'm3' => 'value 3'], 'gets delayed');
check(array_values($client->getVersion())[0] !== '255.255.255', 'reads the version');
$stats = array_values($client->getStats())[0];
check((int) $stats['curr_items'] > 250, 'reads stats');
check($client->flush() && $client->get('m4') === false, 'flushes');
$client->quit();
