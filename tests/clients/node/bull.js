// Bull: queues as applications run them.
'use strict';
const { Server, equal, main, ok, sleep, until, within } = require('./rig');
const { child } = require('./child');
const Queue = require('bull');

let s;
const queues = [];

function queue(name, options = {}) {
    const q = new Queue(name, { redis: { host: '127.0.0.1', port: s.port, retryStrategy: () => 20 }, ...options });
    q.on('error', () => {}); // while the server is away
    queues.push(q);
    return q;
}

async function many() {
    const q = queue('many'), done = [], told = [];
    q.process(10, async job => {
        done.push(job.id);
        await job.progress(42);
        await job.log('a line');
        return { square: job.data.n ** 2 };
    });
    const watcher = queue('many');
    watcher.on('global:completed', id => told.push(id));
    await watcher.isReady();
    await until(async () => (await s.command('PUBSUB', 'NUMSUB', 'bull:many:completed')).endsWith(':1\r\n'), 'the watcher listens');
    await q.addBulk(Array.from({ length: 100 }, (_, n) => ({ data: { n } })));
    const last = await q.add({ n: 100 });
    equal(await within(last.finished(), 'the last job'), { square: 10000 }, 'a producer waits for the result of its job');
    await until(() => done.length === 101, 'all jobs');
    equal([new Set(done).size, await q.getCompletedCount(), await q.count()], [101, 101, 0], '101 jobs are done once each');
    ok(await until(() => told.length > 90, 'events'), 'another process hears of them');
    const job = await q.getJob(last.id);
    equal([await job.getState(), job._progress, (await q.getJobLogs(last.id)).logs], ['completed', 42, ['a line']], 'a job keeps its state, progress and log');
    equal((await q.clean(0, 'completed', 50)).length, 50, 'cleaning');
    await q.obliterate({ force: true });
}

async function order() {
    const q = queue('order');
    await q.pause();
    for (const [jobId, priority] of [['p5', 5], ['p1', 1], ['p9', 9], ['p1b', 1], ['none', undefined]]) await q.add({}, { jobId, priority });
    await q.add({}, { jobId: 'p1' });
    await q.add({}, { jobId: 'lifo', lifo: true });
    equal([await q.isPaused(), await q.getPausedCount()], [true, 6], 'a paused queue collects');
    const done = [];
    q.process(async job => { done.push(job.id); });
    await q.resume();
    await until(() => done.length === 6, 'six jobs');
    equal([done.filter(id => id[0] === 'p'), done[0]], [['p1', 'p1b', 'p5', 'p9'], 'lifo'], 'priorities, LIFO, an id that is there already') || console.log(`# ${done}`);
}

async function times() {
    const q = queue('times'), done = [], t = Date.now();
    await q.add('late', {}, { delay: 250 });
    await q.add('now', {});
    await q.add('tick', {}, { repeat: { every: 80, limit: 3 } });
    equal(await q.getDelayedCount(), 2, 'delayed jobs wait');
    q.process('*', async job => { done.push([job.name, Date.now()]); });
    const at = name => done.filter(d => d[0] === name);
    await until(() => at('late').length && at('now').length && at('tick').length === 3, 'all');
    ok(at('now')[0][1] < at('late')[0][1] && at('late')[0][1] - t >= 250, 'and are done later, not before their time');
    await sleep(150);
    equal(at('tick').length, 3, 'a repeated job is repeated as often as was said');
    equal([(await q.getRepeatableJobs()).length, await q.removeRepeatable('tick', { every: 80, limit: 3 })], [1, null], 'it is listed and taken out');
    const limited = queue('limited', { limiter: { max: 3, duration: 250 } }), stamps = [];
    await limited.addBulk(Array.from({ length: 7 }, () => ({ data: {} })));
    limited.process(7, async () => { stamps.push(Date.now()); });
    await until(() => stamps.length === 7, 'seven jobs');
    ok(stamps[3] - stamps[0] >= 200 && stamps[6] - stamps[3] >= 200, 'a rate limit of three in 250 ms holds') || console.log(`# ${stamps.map(x => x - stamps[0])}`);
}

async function failures() {
    const q = queue('failing'), tries = {};
    q.process(async job => {
        tries[job.id] = (tries[job.id] || 0) + 1;
        if (tries[job.id] < job.data.good) throw new Error(`attempt ${tries[job.id]}`);
        return 'good';
    });
    const twice = await q.add({ good: 3 }, { jobId: 'twice', attempts: 3, backoff: { type: 'exponential', delay: 20 } });
    const bad = await q.add({ good: 3 }, { jobId: 'bad', attempts: 2, backoff: 20 });
    await until(async () => await twice.isCompleted() && await bad.isFailed(), 'both end');
    equal([tries, (await q.getJob('bad')).failedReason, (await q.getJob('bad')).attemptsMade], [{ twice: 3, bad: 2 }, 'attempt 2', 2], 'retries with backoff, and failure');
    await (await q.getJob('bad')).retry();
    await until(() => bad.isCompleted(), 'retried');
    equal(await q.getJobCounts(), { waiting: 0, active: 0, completed: 2, failed: 0, delayed: 0, paused: 0 }, 'retried by hand');
}

async function killed() {
    const c = await child('bull', s, 'killed');
    const q = queue('killed', { settings: { lockDuration: 600, stalledInterval: 300 } });
    const job = await q.add({ hang: true });
    await c.took(job.id);
    equal(await job.getState(), 'active', 'a worker in another process is at a job');
    await c.kill();
    const stalled = [], done = [];
    q.on('stalled', j => stalled.push(j.id));
    q.process(async j => { done.push(j.id); return 'rescued'; });
    await until(() => job.isCompleted(), 'another takes it');
    equal([stalled, done, (await q.getJob(job.id)).returnvalue], [[job.id], [job.id], 'rescued'], 'killed, its job is taken up by another, once');
}

async function crash() {
    const q = queue('crash', { settings: { lockDuration: 1000, stalledInterval: 500, guardInterval: 500 } }), done = new Set();
    q.process(4, async job => { done.add(job.id); });
    const ids = [];
    for (let i = 0; i < 150; i++) {
        if (i === 50 || i === 100) await s.crash();
        ids.push((await q.add({ i })).id);
    }
    await until(() => ids.every(id => done.has(id)), 'all jobs', 30000);
    ok(true, 'the server is killed twice: every job that was added is done');
}

function closing(test) {
    const named = async () => {
        try {
            s = s || await Server.start('--appendonly', 'yes');
            await test();
        } finally {
            for (const q of queues.splice(0)) await within(q.close(true).catch(() => {}), 'close', 5000).catch(() => {});
        }
    };
    Object.defineProperty(named, 'name', { value: test.name });
    return named;
}

main(...[many, order, times, failures, killed, crash].map(closing));
