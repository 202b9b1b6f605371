// node-redis 5 in RESP2 and RESP3: what applications do with it.
'use strict';
const { CERTS, Server, equal, main, ok, rejects, sleep, until, within } = require('./rig');
const { createClient, createClientPool, RESP_TYPES, defineScript, WatchError, BasicClientSideCache } = require('redis');
const fs = require('node:fs');

const clients = [];

// A client that is closed at the end of its test; errors of its connection are counted.
async function client(s, options = {}) {
    const c = createClient({ socket: { host: '127.0.0.1', port: s.port, reconnectStrategy: 20 }, unstableResp3: true, ...options });
    c.seen = [];
    c.on('error', e => c.seen.push(e.message));
    clients.push(c);
    await within(c.connect(), 'connect');
    return c;
}

function closing(test) {
    const named = async () => {
        try {
            await test();
        } finally {
            for (const c of clients.splice(0)) if (c.isOpen) c.destroy();
        }
    };
    Object.defineProperty(named, 'name', { value: test.name });
    return named;
}

async function values() {
    const s = await Server.start();
    for (const RESP of [2, 3]) {
        const c = await client(s, { RESP });
        const name = `RESP${RESP}: `;
        await c.flushAll();
        equal([await c.set('k', 'v'), await c.get('k'), await c.get('none'), await c.incrBy('n', 5)], ['OK', 'v', null, 5], `${name}strings`);
        equal([await c.hSet('h', { a: 1, b: 'x' }), await c.hGetAll('h'), await c.hmGet('h', ['a', 'none'])], [2, { a: '1', b: 'x' }, ['1', null]], `${name}hashes`);
        await c.zAdd('z', [{ score: 1.5, value: 'a' }, { score: Infinity, value: 'b' }, { score: -1e300, value: 'c' }]);
        equal(await c.zRangeWithScores('z', 0, -1), [{ value: 'c', score: -1e300 }, { value: 'a', score: 1.5 }, { value: 'b', score: Infinity }], `${name}scores are numbers`);
        equal([await c.zScore('z', 'a'), await c.zScore('z', 'none'), await c.zmScore('z', ['a', 'none']), await c.zPopMin('z'), await c.zRankWithScore?.('z', 'a').catch(() => 'n/a')],
            [1.5, null, [1.5, null], { value: 'c', score: -1e300 }, 'n/a'], `${name}a score, none, several`);
        await c.sAdd('s', ['x', 'y', 'z']);
        equal([(await c.sMembers('s')).sort(), await c.sIsMember('s', 'x'), await c.smIsMember('s', ['x', 'q'])], [['x', 'y', 'z'], 1, [1, 0]], `${name}sets`);
        await c.rPush('l', ['1', '2', '3']);
        equal([await c.lRange('l', 0, -1), await c.lPos('l', '2'), await c.lmPop(['none', 'l'], 'LEFT', { COUNT: 2 })], [['1', '2', '3'], 1, ['l', ['1', '2']]], `${name}lists`);
        equal([await c.set('px', '1', { expiration: { type: 'PX', value: 90000 } }), await c.pTTL('px') > 80000, await c.set('px', '2', { condition: 'NX' }), await c.getEx('px', { type: 'PERSIST' }), await c.ttl('px')],
            ['OK', true, null, '1', -1], `${name}expiry`);
        await c.geoAdd('geo', [{ longitude: 13.361389, latitude: 38.115556, member: 'P' }, { longitude: 15.087269, latitude: 37.502669, member: 'C' }]);
        equal([await c.geoDist('geo', 'P', 'C', 'km'), await c.geoSearch('geo', { longitude: 15, latitude: 37 }, { radius: 100, unit: 'km' }), (await c.geoPos('geo', ['P', 'none'])).map(p => p && Math.round(p.longitude))],
            [166.2742, ['C'], [13, null]], `${name}places`);
        const b = c.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
        equal([await b.set(bytes, bytes), await b.get(bytes)], ['OK', bytes], `${name}binary keys and values`);
        const config = await c.configGet('maxmemory*');
        equal([config.maxmemory, config['maxmemory-policy']], ['0', 'noeviction'], `${name}CONFIG GET is a map`);
        ok(/redis_version:7\.0\.15/.test(await c.info('server')) && (await c.clientInfo()).id > 0, `${name}INFO and CLIENT INFO`);
        await rejects(c.hGet('k', 'f'), /^WRONGTYPE Operation against a key holding the wrong kind of value$/, `${name}an error rejects`);
        await rejects(c.sendCommand(['NOSUCH', 'a']), /^ERR unknown command 'NOSUCH', with args beginning with: 'a' $/, `${name}an unknown command too`);
        equal(await Promise.all(Array.from({ length: 5000 }, (_, i) => c.incr('many'))).then(r => r.every((v, i) => v === i + 1)), true, `${name}5000 calls at once are answered in order`);
        const t = await c.multi().set('a', '1').incr('a').hGetAll('h').zRangeWithScores('z', 0, 0).exec();
        equal(t, ['OK', 2, { a: '1', b: 'x' }, [{ value: 'a', score: 1.5 }]], `${name}a transaction`);
        const e = await c.multi().set('a', '1').lPush('a', '1').get('a').exec().catch(x => x);
        equal([e.errorIndexes, e.replies?.[2]], [[1], '1'], `${name}an error in a transaction`);
        await c.select(3);
        equal([await c.dbSize(), await c.set('in3', '1'), await c.dbSize()], [0, 'OK', 1], `${name}another database`);
    }
}

async function watch() {
    const s = await Server.start();
    const pool = createClientPool({ socket: { port: s.port } }, { minimum: 1, maximum: 6 });
    await pool.connect();
    await pool.set('stock', '50');
    let sold = 0, again = 0;
    await Promise.all(Array.from({ length: 6 }, async () => {
        for (let more = true; more;) {
            await pool.execute(async c => {
                await c.watch('stock');
                const left = Number(await c.get('stock'));
                if (!left) {
                    more = false;
                    return c.unwatch();
                }
                try {
                    await c.multi().set('stock', left - 1).rPush('sold', `${left}`).exec();
                    sold++;
                } catch (e) {
                    if (!(e instanceof WatchError)) throw e;
                    again++;
                }
            });
        }
    }));
    equal([sold, await pool.get('stock'), new Set(await pool.lRange('sold', 0, -1)).size], [50, '0', 50], 'six sellers with WATCH sell 50 pieces, each once');
    ok(again > 0, `and some had to try again`);
    pool.destroy();
}

async function scripts() {
    const s = await Server.start();
    const limiter = defineScript({
        SCRIPT: `local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end return {n <= tonumber(ARGV[2]) and 1 or 0, n}`,
        NUMBER_OF_KEYS: 1,
        parseCommand(p, key, ms, most) { p.pushKey(key); p.push(`${ms}`, `${most}`); },
        transformReply: r => ({ allowed: r[0] === 1, used: r[1] }),
    });
    const c = await client(s, { RESP: 3, scripts: { limiter } });
    const got = await Promise.all(Array.from({ length: 10 }, () => c.limiter('u', 60000, 7)));
    equal([got.filter(g => g.allowed).length, got.at(-1).used], [7, 10], 'a rate limiter as a script of the client');
    await c.scriptFlush();
    equal((await c.limiter('u', 60000, 7)).used, 11, 'it comes back after SCRIPT FLUSH');
    const lock = async (name, token, ms) => await c.set(name, token, { condition: 'NX', expiration: { type: 'PX', value: ms } }) === 'OK';
    const release = (name, token) => c.eval("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end", { keys: [name], arguments: [token] });
    const extend = (name, token, ms) => c.eval("if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end", { keys: [name], arguments: [token, `${ms}`] });
    equal([await lock('L', 'a', 30000), await lock('L', 'b', 30000), await release('L', 'b'), await extend('L', 'a', 90000), await c.pTTL('L') > 80000, await extend('L', 'b', 1), await release('L', 'a'), await lock('L', 'b', 100)],
        [true, false, 0, 1, true, 0, 1, true], 'a lock as redlock takes, extends and releases it');
    equal(await c.eval("redis.setresp(3); local m = redis.call('HGETALL', KEYS[1]); return {m.map and m.map.a or 'no map', redis.call('ZSCORE', KEYS[2], 'x') or 'nothing'}", { keys: ['nohash', 'noz'], arguments: [] }), ['no map', 'nothing'], 'setresp in a script');
    equal(await c.eval("return {map={a=1}}", { keys: [], arguments: [] }).then(m => m.a ?? m[1] ?? JSON.stringify(m)), 1, 'a map out of a script');
    equal(await c.eval("return {double=3.5}", { keys: [], arguments: [] }), 3.5, 'a double out of a script');
}

async function messages() {
    const s = await Server.start();
    for (const RESP of [2, 3]) {
        const pub = await client(s, { RESP }), sub = await client(s, { RESP });
        const seen = [];
        await sub.subscribe(['a', 'b'], (m, c) => seen.push([c, m]));
        await sub.pSubscribe('log.*', (m, c) => seen.push([c, m]));
        await sub.sSubscribe('shard', (m, c) => seen.push([c, m]));
        if (RESP === 3) {
            const one = await client(s, { RESP });
            const mine = [];
            await one.subscribe('both', m => mine.push(m));
            equal([await one.set('x', '1'), await one.publish('both', 'm'), await one.get('x')], ['OK', 1, '1'], 'RESP3: a subscriber may do other things');
            ok(await until(() => mine.length === 1, 'its own message'), 'RESP3: and hears itself');
        }
        equal([await pub.publish('a', '1'), await pub.publish('log.x', '2'), await pub.sPublish('shard', '3'), await pub.publish('none', '4')], [1, 1, 1, 0], `RESP${RESP}: who got it`);
        await until(() => seen.length === 3, 'three messages');
        equal(seen.sort(), [['a', '1'], ['log.x', '2'], ['shard', '3']], `RESP${RESP}: messages by channel, pattern and shard channel`);
        seen.length = 0;
        for (let i = 0; i < 2000; i++) pub.publish('b', `${i}`);
        await until(() => seen.length === 2000, '2000 messages');
        ok(seen.every(([, m], i) => m === `${i}`), `RESP${RESP}: 2000 in order`);
        equal([(await pub.pubSubChannels()).sort(), await pub.pubSubNumPat(), (await pub.pubSubShardChannels()).sort()],
            [RESP === 3 ? ['a', 'b', 'both'] : ['a', 'b'], 1, ['shard']], `RESP${RESP}: PUBSUB`);
        await s.crash();
        seen.length = 0;
        await until(async () => {
            await pub.publish('log.again', 'x');
            await pub.publish('a', 'x');
            await sleep(20);
            return seen.some(([c]) => c === 'log.again') && seen.some(([c]) => c === 'a');
        }, 'messages after a crash');
        ok(true, `RESP${RESP}: after a crash the library subscribes again by itself`);
        await sub.unsubscribe('a');
        await sub.pUnsubscribe('log.*'); // without a name the library waits until no channel is left
        equal([await pub.publish('a', 'x'), await pub.publish('log.again', 'x'), await pub.publish('b', 'x')], [0, 0, 1], `RESP${RESP}: unsubscribed`);
        for (const c of clients.splice(0)) c.destroy();
        await until(async () => /^\*0/.test(await s.command('PUBSUB', 'CHANNELS')), 'no subscribers are left');
    }
}

async function tracking() {
    const s = await Server.start();
    const other = await client(s, { RESP: 3 });
    const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 1000, evictPolicy: 'LRU' });
    const c = await client(s, { RESP: 3, clientSideCache: cache });
    const reads = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await other.info('commandstats'))?.[1] ?? 0);
    await other.set('k', 'one');
    equal(await c.get('k'), 'one', 'a first read');
    const before = await reads();
    const got = [];
    for (let i = 0; i < 50; i++) got.push(await c.get('k'));
    equal([got.every(v => v === 'one'), await reads() - before], [true, 0], 'fifty more are answered by the client itself');
    await other.set('k', 'two');
    ok(await until(async () => await c.get('k') === 'two', 'the new value'), 'a change elsewhere reaches the cache');
    await other.hSet('h', 'f', '1');
    equal(await c.hGet('h', 'f'), '1', 'a hash is cached');
    await other.hIncrBy('h', 'f', 1);
    ok(await until(async () => await c.hGet('h', 'f') === '2', 'the new field'), 'and its change told');
    await other.set('px', 'here', { expiration: { type: 'PX', value: 60 } });
    await c.get('px');
    ok(await until(async () => await c.get('px') === null, 'the end'), 'expiry is told');
    await c.get('k');
    await other.flushAll();
    ok(await until(async () => await c.get('k') === null, 'nothing'), 'FLUSHALL is told');
    await other.set('k', 'three');
    await until(async () => await c.get('k') === 'three', 'three');
    const stats = cache.stats();
    ok(stats.hitCount > 50 && stats.missCount > 0, 'the cache counts its hits') || console.log(`# ${JSON.stringify(stats)}`);
    await s.crash();
    await until(() => other.ping(), 'other is back');
    await other.set('k', 'four');
    ok(await until(async () => await c.get('k') === 'four', 'four'), 'after a crash nothing stale is served');

    // as others do it: broadcast by prefix, redirection, opt-in
    const pushes = [];
    const raw = await client(s, { RESP: 3 });
    raw.on('invalidate', k => pushes.push(k));
    await raw.sendCommand(['CLIENT', 'TRACKING', 'on', 'BCAST', 'PREFIX', 'user:', 'NOLOOP']);
    ok((await raw.sendCommand(['CLIENT', 'TRACKINGINFO'])).flags?.includes?.('bcast') ?? true, 'TRACKINGINFO');
    equal(await raw.sendCommand(['CLIENT', 'GETREDIR']), 0, 'GETREDIR');
    await rejects(raw.sendCommand(['CLIENT', 'TRACKING', 'on', 'BCAST', 'PREFIX', 'user:1']), /overlaps with an existing prefix/, 'overlapping prefixes are refused');
}

async function work() {
    const s = await Server.start();
    const c = await client(s);
    const done = [];
    const workers = Array.from({ length: 4 }, async () => {
        const w = await client(s);
        for (;;) {
            const job = await w.blMove('todo', 'doing', 'RIGHT', 'LEFT', 10);
            if (job === 'stop') return;
            done.push(job);
            await w.lRem('doing', 1, job);
        }
    });
    for (let i = 0; i < 200; i++) await c.lPush('todo', `job-${i}`);
    for (let i = 0; i < 4; i++) await c.lPush('todo', 'stop');
    await within(Promise.all(workers), 'workers');
    equal([done.length, new Set(done).size, await c.lLen('doing')], [200, 200, 4], 'four workers at BLMOVE do 200 jobs, each once');
    const blocked = await client(s);
    const pop = blocked.blPop(['one', 'two'], 10);
    await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks');
    await c.rPush('two', 'x');
    equal(await within(pop, 'blPop'), { key: 'two', element: 'x' }, 'BLPOP over two lists');
    equal([await blocked.blPop('one', 0.05), await blocked.bzPopMin('z', 0.05)], [null, null], 'giving up');
}

// In RESP3 the library hands on the map of XREAD as it came.
function entries(reply, key) {
    if (Array.isArray(reply)) return reply[0].messages;
    return reply[key].map(([id, fields]) => ({ id, message: Object.fromEntries(fields.flatMap((f, i) => (i % 2 ? [] : [[f, fields[i + 1]]]))) }));
}

async function streams() {
    const s = await Server.start();
    for (const RESP of [2, 3]) {
        const c = await client(s, { RESP }), name = `RESP${RESP}: `;
        await c.flushAll();
        for (let i = 1; i <= 30; i++) await c.xAdd('st', `${i}-0`, { n: `${i}` });
        await c.xGroupCreate('st', 'g', '0');
        const one = await c.xReadGroup('g', 'one', { key: 'st', id: '>' }, { COUNT: 10 });
        const two = await c.xReadGroup('g', 'two', { key: 'st', id: '>' }, { COUNT: 100, BLOCK: 1000 });
        equal([entries(one, 'st').length, entries(two, 'st').length, entries(two, 'st')[0]], [10, 20, { id: '11-0', message: { n: '11' } }], `${name}two consumers share thirty entries`);
        equal(await c.xAck('st', 'g', entries(two, 'st').map(m => m.id)), 20, `${name}one acknowledges`);
        const p = await c.xPending('st', 'g');
        equal([p.pending, p.firstId, p.lastId, p.consumers], [10, '1-0', '10-0', [{ name: 'one', deliveriesCounter: 10 }]], `${name}the other died: ten are pending`);
        const claimed = await c.xAutoClaim('st', 'g', 'two', 0, '0-0', { COUNT: 100 });
        equal([claimed.nextId, claimed.messages.length, claimed.deletedMessages], ['0-0', 10, []], `${name}XAUTOCLAIM`);
        const [group] = await c.xInfoGroups('st');
        equal([group.name, group.consumers, group.pending, group['last-delivered-id'], group['entries-read'], group.lag], ['g', 2, 10, '30-0', 30, 0], `${name}XINFO GROUPS`);
        const info = await c.xInfoStream('st');
        equal([info.length, info['first-entry'], info.groups, info['max-deleted-entry-id'], info['entries-added']], [30, { id: '1-0', message: { n: '1' } }, 1, '0-0', 30], `${name}XINFO STREAM`);
        equal([await c.xRange('st', '29', '+'), await c.xTrim('st', 'MAXLEN', 5), await c.xDel('st', '30-0'), await c.xLen('st')],
            [[{ id: '29-0', message: { n: '29' } }, { id: '30-0', message: { n: '30' } }], 25, 1, 4], `${name}XRANGE, XTRIM, XDEL`);
        const reader = await client(s, { RESP });
        const wait = reader.xRead({ key: 'st', id: '$' }, { BLOCK: 10000 });
        await until(async () => (await c.info('clients')).includes('blocked_clients:1'), 'it blocks');
        await c.xAdd('st', '*', { late: 'yes' });
        equal(entries(await within(wait, 'xRead'), 'st')[0].message, { late: 'yes' }, `${name}XREAD BLOCK`);
        equal(await c.xRead({ key: 'none', id: '0' }), null, `${name}nothing to read`);
    }
}

async function transports() {
    const s = await Server.start('tls');
    const tls = await client(s, { socket: { host: 'localhost', port: s.tlsPort, tls: true, ca: fs.readFileSync(`${CERTS}/ca.pem`), maxVersion: 'TLSv1.2' }, RESP: 3 });
    const unix = await client(s, { socket: { path: s.socket } });
    const blob = Buffer.alloc(50 << 20, 'abcdefg');
    equal(await unix.set('big', blob), 'OK', '50 MB over a unix socket');
    ok((await unix.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get('big')).equals(blob), 'and back');
    ok((await tls.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get('big')).equals(blob), 'and over TLS');
    equal((await Promise.all(Array.from({ length: 2000 }, (_, i) => tls.set(`t${i}`, `${i}`)))).length, 2000, '2000 calls at once over TLS');
    const url = createClient({ url: `redis://127.0.0.1:${s.port}/5` });
    await url.connect();
    equal([await url.set('x', '1'), (await url.clientInfo()).db], ['OK', 5], 'redis://host:port/5');
    await url.close();
    let n = 0;
    for (let i = 0; i < 100000; i += 5000) await unix.mSet(Array.from({ length: 5000 }, (_, j) => [`key:${i + j}`, 'v']));
    for await (const keys of unix.scanIterator({ MATCH: 'key:*', COUNT: 2000 })) n += keys.length;
    equal(n, 100000, 'SCAN of 100,000 keys');
}

async function crashes() {
    const s = await Server.start('--appendonly', 'yes');
    const writers = await Promise.all([2, 3, 3].map(RESP => client(s, { RESP })));
    let stop = false;
    const acknowledged = writers.map(() => []);
    const running = writers.map(async (w, i) => {
        for (let n = 0; !stop; n++) {
            try {
                await w.set(`w${i}:${n}`, `${n}`);
                acknowledged[i].push(n);
            } catch {} // not acknowledged
        }
    });
    const progress = async () => {
        const before = acknowledged.map(a => a.length);
        await until(() => acknowledged.every((a, i) => a.length > before[i] + 50), 'writers write');
    };
    for (let i = 0; i < 2; i++) {
        await progress();
        await s.crash();
    }
    await progress();
    ok(true, 'after two crashes every client goes on by itself');
    stop = true;
    await within(Promise.all(running), 'writers');
    await s.crash();
    const c = await client(s);
    let lost = 0, all = 0;
    for (const [i, list] of acknowledged.entries()) {
        all += list.length;
        const got = await c.mGet(list.map(n => `w${i}:${n}`));
        lost += got.filter((v, j) => v !== `${list[j]}`).length;
    }
    equal(lost, 0, `of ${all} acknowledged writes none is lost`);
}

main(...[values, watch, scripts, messages, tracking, work, streams, transports, crashes].map(closing));
