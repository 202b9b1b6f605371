// ioredis 5: what applications do with it. (It speaks RESP2.)
'use strict';
const { CERTS, Server, equal, main, ok, rejects, sleep, until, within } = require('./rig');
const Redis = require('ioredis');
const fs = require('node:fs');

const clients = [];

function client(s, options = {}) {
    const c = new Redis({ host: '127.0.0.1', port: s.port, retryStrategy: () => 20, maxRetriesPerRequest: null, ...options });
    c.on('error', () => {}); // while the server is away
    clients.push(c);
    return c;
}

function closing(test) {
    const named = async () => {
        try {
            await test();
        } finally {
            for (const c of clients.splice(0)) c.disconnect();
        }
    };
    Object.defineProperty(named, 'name', { value: test.name });
    return named;
}

async function values() {
    const s = await Server.start();
    const c = client(s, { db: 2, connectionName: 'app' });
    equal([await c.set('k', 'v', 'EX', 100, 'NX'), await c.get('k'), await c.set('k', 'w', 'KEEPTTL', 'GET'), await c.getdel('k'), await c.get('k')], ['OK', 'v', 'v', 'w', null], 'strings');
    equal([await c.hset('h', { a: 1, b: 2 }), await c.hgetall('h'), await c.hincrbyfloat('h', 'a', 0.5)], [2, { a: '1', b: '2' }, '1.5'], 'hashes');
    equal([await c.zadd('z', 1, 'a', 2, 'b', 'inf', 'c'), await c.zrange('z', 0, -1, 'WITHSCORES'), await c.zrange('z', '(1', '+inf', 'BYSCORE', 'LIMIT', 0, 1)], [3, ['a', '1', 'b', '2', 'c', 'inf'], ['b']], 'sorted sets');
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    equal([await c.set(bytes, bytes), await c.getBuffer(bytes), await c.lpush('l', bytes), await c.lrangeBuffer('l', 0, -1)], ['OK', bytes, 1, [bytes]], 'binary keys and values');
    equal((await c.client('LIST')).split('\n').filter(l => / name=app .* db=2 /.test(l)).length, 1, 'its name and database are in CLIENT LIST');
    equal(await c.pipeline().set('p', 1).incr('p').lpush('p', 1).get('p').exec(),
        [[null, 'OK'], [null, 2], [new Error('WRONGTYPE Operation against a key holding the wrong kind of value')], [null, '2']], 'a pipeline with an error in it');
    equal(await c.multi().set('t', 1).incr('t').exec(), [[null, 'OK'], [null, 2]], 'a transaction');
    await c.watch('t');
    await client(s, { db: 2 }).set('t', 'other');
    equal(await c.multi().set('t', 'mine').exec(), null, 'one that WATCH ended');
    await rejects(c.multi().set('t').exec(), /^EXECABORT Transaction discarded because of previous errors\.$/, 'one with a wrong command in it');
    const auto = client(s, { enableAutoPipelining: true });
    const got = await Promise.all(Array.from({ length: 3000 }, (_, i) => auto.set(`a${i}`, i).then(() => auto.get(`a${i}`))));
    ok(got.every((v, i) => v === `${i}`), '6000 calls, pipelined by the library');
    const keyed = client(s, { keyPrefix: 'app:' });
    await keyed.mset({ x: 1, y: 2 });
    equal([await keyed.mget('x', 'y'), (await c.select(0), await c.exists('app:x', 'app:y'))], [['1', '2'], 2], 'a prefix of keys');
    let n = 0;
    for await (const keys of auto.scanStream({ match: 'a*', count: 500 })) n += new Set(keys).size;
    ok(n >= 3000, 'a stream of SCAN');
}

async function scripts() {
    const s = await Server.start();
    const c = client(s, {
        scripts: {
            limit: { numberOfKeys: 1, lua: "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end return n <= tonumber(ARGV[2])" },
            echo: { numberOfKeys: 2, lua: 'return {KEYS[1],KEYS[2],ARGV[1],ARGV[2]}' },
            pop: { lua: "local out = {} for i, k in ipairs(KEYS) do local v = redis.call('LPOP', k) if v then out[#out + 1] = cmsgpack.unpack(cmsgpack.pack({k, v, i})) end end return out" },
        },
    });
    equal(await Promise.all(Array.from({ length: 5 }, () => c.limit('u', 60, 3))), [1, 1, 1, null, null], 'a rate limiter');
    equal(await c.echo('k1', 'k2', 'a1', 'a2'), ['k1', 'k2', 'a1', 'a2'], 'keys and arguments');
    equal(await c.echoBuffer('k1', 'k2', Buffer.from([0, 255]), ''), [Buffer.from('k1'), Buffer.from('k2'), Buffer.from([0, 255]), Buffer.from('')], 'binary ones');
    await c.rpush('b', 'x');
    equal(await c.pop(2, 'a', 'b'), [['b', 'x', 2]], 'keys counted by the caller, and cmsgpack');
    await c.script('FLUSH');
    equal((await c.pipeline().limit('v', 60, 1).limit('v', 60, 1).exec()).map(r => r[1]), [1, null], 'in a pipeline after SCRIPT FLUSH');
    equal(await c.script('EXISTS', 'e0e1f9fabfc9d4800c877a703b823ac0578ff8db', 'ffffffffffffffffffffffffffffffffffffffff'), [0, 0], 'SCRIPT EXISTS');
    await rejects(c.evalsha('ffffffffffffffffffffffffffffffffffffffff', 0), /^NOSCRIPT No matching script\. Please use EVAL\.$/, 'an unknown script');
}

async function messages() {
    const s = await Server.start();
    const pub = client(s), sub = client(s), seen = [];
    sub.on('message', (c, m) => seen.push(m));
    sub.on('pmessageBuffer', (p, c, m) => seen.push(`${p} ${c} ${m}`));
    await sub.ping();
    equal([await sub.subscribe('a', 'b'), await sub.psubscribe('l?g.*')], [2, 3], 'how many it is subscribed to');
    await rejects(sub.get('x'), /subscriber mode/, 'a subscriber may do nothing else');
    equal([await pub.publish('a', 'one'), await pub.publish('log.x', 'two'), await pub.publish('b', 'three')], [1, 1, 1], 'messages are sent');
    await until(() => seen.length === 3, 'three messages');
    equal(seen, ['one', 'l?g.* log.x two', 'three'], 'and arrive in order');
    await s.crash();
    ok(await until(async () => {
        await pub.publish('log.y', 'again');
        await sleep(10);
        return seen.includes('l?g.* log.y again');
    }, 'again'), 'after a crash the library subscribes again by itself');
    await sub.unsubscribe('a', 'b');
    await sub.punsubscribe('l?g.*');
    equal([await sub.set('x', '1'), await pub.publish('a', 'x')], ['OK', 0], 'unsubscribed from everything it does other things again');
    const watcher = client(s), got = [];
    await pub.config('SET', 'notify-keyspace-events', 'KEA');
    watcher.on('pmessage', (p, c, m) => got.push(`${c.replace('__key', '')} ${m}`));
    await watcher.ping(); // the library takes its own first INFO for an error when it has subscribed before the reply
    await watcher.psubscribe('__key*__:*');
    await pub.set('e', '1', 'PX', 30);
    await until(() => got.length >= 6, 'expiry');
    equal(got, ['space@0__:e set', 'event@0__:set e', 'space@0__:e expire', 'event@0__:expire e', 'space@0__:e expired', 'event@0__:expired e'], 'keyspace events');
    const mon = await pub.duplicate().monitor();
    clients.push(mon);
    const lines = [];
    mon.on('monitor', (t, args) => lines.push(args.join(' ')));
    await pub.set('m', 'x y');
    await until(() => lines.includes('set m x y'), 'a line of MONITOR');
    ok(true, 'MONITOR');
}

async function streams() {
    const s = await Server.start();
    const c = client(s), w = client(s);
    await c.xgroup('CREATE', 'st', 'g', '$', 'MKSTREAM');
    const wait = w.xreadgroup('GROUP', 'g', 'me', 'COUNT', 5, 'BLOCK', 10000, 'STREAMS', 'st', '>');
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks');
    const id = await c.xadd('st', 'MAXLEN', '~', 1000, '*', 'f', 'v', 'f', 'w');
    equal(await within(wait, 'xreadgroup'), [['st', [[id, ['f', 'v', 'f', 'w']]]]], 'XREADGROUP wakes');
    equal([(await c.xpending('st', 'g')).slice(0, 3), await c.xack('st', 'g', id), await c.xpending('st', 'g')], [[1, id, id], 1, [0, null, null, null]], 'pending, acknowledged');
    const cut = w.xread('BLOCK', 0, 'STREAMS', 'st', '$');
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks');
    await s.crash();
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks again');
    await c.xadd('st', '*', 'after', 'crash');
    equal((await within(cut, 'xread'))[0][1][0][1], ['after', 'crash'], 'a blocked XREAD is asked again after a crash');
}

async function lists() {
    const s = await Server.start('tls');
    const c = client(s), w = client(s, { port: s.tlsPort, host: 'localhost', tls: { ca: fs.readFileSync(`${CERTS}/ca.pem`) } });
    await w.ping();
    const pop = w.blmpop(10, 2, 'one', 'two', 'LEFT', 'COUNT', 3);
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks');
    await c.rpush('two', 1, 2, 3, 4);
    equal(await within(pop, 'blmpop'), ['two', ['1', '2', '3']], 'BLMPOP over TLS');
    const u = client(s, { path: s.socket });
    const blob = Buffer.alloc(50 << 20, 'xyz!');
    ok(await u.set('big', blob) === 'OK' && (await u.getBuffer('big')).equals(blob), '50 MB over a unix socket');
    const lost = w.brpop('never', 0);
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks');
    await s.crash();
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks again');
    await c.rpush('never', 'x');
    equal(await within(lost, 'brpop'), ['never', 'x'], 'a blocked BRPOP is asked again after a crash');
}

main(...[values, scripts, messages, streams, lists].map(closing));
