// memjs' ordinary work, in the binary protocol: memjs.js PORT. Prints "ok NAME" or "not ok NAME".
'use strict';
const crypto = require('crypto');
const memjs = require('memjs');

const check = (good, name) => console.log((good ? 'ok ' : 'not ok ') + name);
const client = memjs.Client.create('127.0.0.1:' + process.argv[2],
    { timeout: 20, conntimeout: 20, retries: 1 });
const get = async (key) => (await client.get(key)).value;

async function main() {
    check(await client.set('a', 'text') && (await get('a')).toString() === 'text', 'sets and gets');
    check(await get('missing') === null, 'misses');
    const binary = crypto.randomBytes(1000);
    check(await client.set('bytes', binary) && binary.equals(await get('bytes')),
        'stores bytes as they are');
    check(!await client.add('a', 'x', {}) && await client.add('b', 'x', {}),
        'adds only what is not there');
    check(!await client.replace('nothing', 'x', {}) && await client.replace('b', 'y', {}),
        'replaces only what is there');
    const many = Array.from({ length: 300 }, (_, i) => 'm' + i);
    const stored = await Promise.all(many.map((key) => client.set(key, 'value ' + key, {})));
    const found = await Promise.all(many.map(get));
    check(stored.every(Boolean) && found.every((v, i) => v.toString() === 'value ' + many[i]),
        'sets and gets many at once');
    const first = await client.increment('n', 5, { initial: 10 });
    const second = await client.increment('n', 5, { initial: 10 });
    const third = await client.decrement('n', 100, { initial: 10 });
    check(first.value === 10 && second.value === 15 && third.value === 0, 'counts');
    // its prepend sends the code of append
    check(await client.set('s', 'mid') && await client.append('s', '>') &&
        (await get('s')).toString() === 'mid>', 'appends');
    check(!await client.append('absent', 'x').catch(() => false),
        'appends to nothing that is missing');
    check(await client.touch('a', 1000) && !await client.touch('absent', 1000), 'touches');
    const large = crypto.randomBytes(1000000);
    check(await client.set('large', large) && large.equals(await get('large')),
        'stores a large value');
    const refused = await client.set('huge', Buffer.alloc(2000000)).catch(() => false);
    check(!refused && (await get('s')).toString() === 'mid>',
        'learns that a value is too large and goes on');
    const key = 'schlüssel-ключ-鍵';
    check(await client.set(key, 'x') && (await get(key)).toString() === 'x', 'uses unicode keys');
    check(await client.delete('a') && !await client.delete('a'), 'deletes');
    const items = await new Promise((resolve) => client.stats((error, server, stats) =>
        resolve(error ? 0 : Number(stats.curr_items))));
    check(items > 250, 'reads stats');
    await client.flush();
    check(await get('m1') === null, 'flushes');
    client.quit();
}

main().catch((error) => { check(false, 'ends well: ' + error); process.exit(1); });
