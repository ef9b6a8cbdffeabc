// node's memcached's ordinary work, in ASCII: memcached.js PORT. Prints "ok NAME" or "not ok NAME".
'use strict';
const crypto = require('crypto');
const Memcached = require('memcached');

const check = (good, name) => console.log((good ? 'ok ' : 'not ok ') + name);
const client = new Memcached('127.0.0.1:' + process.argv[2],
    { timeout: 20000, retries: 1, poolSize: 4 });
// An error as its text: this client reports refusals that way.
const ask = (verb, ...words) => new Promise((resolve) =>
    client[verb](...words, (error, data) => resolve(error ? String(error) : data)));

async function main() {
    check(await ask('set', 'a', 'text', 0) === true && await ask('get', 'a') === 'text',
        'sets and gets');
    check(await ask('get', 'missing') === undefined, 'misses');
    const typed = { k: [1, 2.5, null], 'ü': 'ключ' };
    check(await ask('set', 'o', typed, 0) === true &&
        JSON.stringify(await ask('get', 'o')) === JSON.stringify(typed),
        'keeps types in the flags');
    const binary = crypto.randomBytes(1000);
    check(await ask('set', 'bytes', binary, 0) === true && binary.equals(await ask('get', 'bytes')),
        'stores bytes as they are');
    const many = Array.from({ length: 300 }, (_, i) => 'm' + i);
    const stored = await Promise.all(many.map((key) => ask('set', key, 'value ' + key, 0)));
    const found = await ask('getMulti', many);
    check(stored.every((v) => v === true) && Object.keys(found).length === 300 &&
        found.m299 === 'value m299', 'sets and gets many');
    check(await ask('add', 'a', 'x', 0) !== true && await ask('add', 'b', 'x', 0) === true,
        'adds only what is not there');
    check(await ask('replace', 'nothing', 'x', 0) !== true &&
        await ask('replace', 'b', 'y', 0) === true, 'replaces only what is there');
    const seen = await ask('gets', 'a');
    check(await ask('cas', 'a', 'new', seen.cas, 0) === true &&
        await ask('cas', 'a', 'old', seen.cas, 0) !== true && await ask('get', 'a') === 'new',
        'compares and swaps');
    await ask('set', 'n', 10, 0);
    check(await ask('incr', 'n', 5) === 15 && await ask('decr', 'n', 100) === 0 &&
        await ask('incr', 'absent', 1) === false, 'counts');
    check(await ask('set', 's', 'mid', 0) === true && await ask('append', 's', '>') === true &&
        await ask('prepend', 's', '<') === true && await ask('get', 's') === '<mid>',
        'appends and prepends');
    check(await ask('touch', 'a', 1000) === true && await ask('touch', 'absent', 1000) === false,
        'touches');
    const large = crypto.randomBytes(500000).toString('hex');
    check(await ask('set', 'large', large, 0) === true && await ask('get', 'large') === large,
        'stores a large value');
    check(await ask('set', 'huge', Buffer.alloc(2000000), 0) !== true &&
        await ask('get', 's') === '<mid>', 'refuses a value that is too large and goes on');
    const key = 'schlüssel-ключ-鍵';
    check(await ask('set', key, 'x', 0) === true && await ask('get', key) === 'x',
        'uses unicode keys');
    check(await ask('del', 'a') === true && await ask('del', 'a') === false, 'deletes');
    const versions = await ask('version');
    check(versions.length === 1 && /^\d+$/.test(String(versions[0].major)), 'reads the version');
    const stats = await ask('stats');
    check(Number(stats[0].curr_items) > 250, 'reads stats');
    const settings = await ask('settings');
    check(settings[0].maxconns !== undefined, 'reads settings');
    const slabs = await ask('slabs');
    check(JSON.stringify(slabs).includes('chunk_size'), 'reads slabs');
    await ask('flush');
    check(await ask('get', 'm1') === undefined, 'flushes');
    client.end();
}

main().catch((error) => { check(false, 'ends well: ' + error); process.exit(1); });
