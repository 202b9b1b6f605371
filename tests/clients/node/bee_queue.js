// Bee-Queue: queues as applications run them.
'use strict';
const { Server, equal, main, ok, until, within } = require('./rig');
const { child } = require('./child');
const Queue = require('bee-queue');

let s;
const queues = [];

async function queue(name, options = {}) {
    const q = new Queue(name, { redis: { host: '127.0.0.1', port: s.port, retry_strategy: () => 20 }, ...options });
    q.on('error', () => {}); // while the server is away
    queues.push(q);
    await q.ready();
    return q;
}

async function many() {
    const q = await queue('many', { activateDelayedJobs: true }), maker = await queue('many', { isWorker: false });
    const done = [], results = [], progress = [];
    q.process(8, async job => {
        done.push(job.id);
        job.reportProgress({ half: true });
        return job.data.n ** 2;
    });
    for (let n = 0; n < 100; n++) {
        const job = maker.createJob({ n });
        job.on('succeeded', r => results.push(r));
        job.on('progress', p => progress.push(p));
        await job.save();
    }
    // the library does not hear of a job that ends before the reply to its own saving
    await until(async () => (await maker.checkHealth()).succeeded === 100 && results.length > 50 && progress.length > 50, 'all results');
    equal([done.length, new Set(done).size, results.every(r => Number.isInteger(Math.sqrt(r)))], [100, 100, true], 'a hundred jobs are done once each, and tell their maker');
    const health = await maker.checkHealth();
    equal([health.waiting, health.active, health.succeeded, health.newestJob], [0, 0, 100, 100], 'checkHealth counts them');
    const job = await maker.createJob({ n: 3 }).setId('mine').save();
    equal([job.id, (await maker.createJob({ n: 4 }).setId('mine').save()).id], ['mine', null], 'an id that is there already makes no job');
    await maker.createJob({ n: 1 }).save().then(j => maker.removeJob(j.id));
    await maker.saveAll(Array.from({ length: 50 }, (_, n) => maker.createJob({ n })));
    await until(() => done.length >= 150, 'saveAll');
    ok(true, 'fifty in one pipeline');
}

async function times() {
    const q = await queue('times', { activateDelayedJobs: true, delayedDebounce: 10 }), done = [], t = Date.now();
    q.process(async job => { done.push([job.data.name, Date.now()]); });
    await q.createJob({ name: 'late' }).delayUntil(t + 300).save();
    await q.createJob({ name: 'now' }).save();
    await until(() => done.length === 2, 'both');
    ok(done[0][0] === 'now' && done[1][0] === 'late' && done[1][1] - t >= 300, 'a delayed job is done later, not before its time');
}

async function failures() {
    const q = await queue('failing', { activateDelayedJobs: true, delayedDebounce: 10 }), tries = {}, ends = {};
    q.process(async job => {
        tries[job.id] = (tries[job.id] || 0) + 1;
        if (tries[job.id] < job.data.good) throw new Error(`attempt ${tries[job.id]}`);
        return 'good';
    });
    for (const [id, good, strategy] of [['fixed', 3, 'fixed'], ['exponential', 3, 'exponential'], ['bad', 9, 'immediate']]) {
        const job = await q.createJob({ good }).setId(id).retries(2).backoff(strategy, strategy === 'immediate' ? undefined : 20).save();
        job.on('succeeded', r => { ends[id] = r; });
        job.on('failed', e => { ends[id] = e.message; });
    }
    await until(() => Object.keys(ends).length === 3, 'the three end');
    equal([tries, ends, (await q.getJobs('failed', { size: 10 })).map(j => j.id)], [{ fixed: 3, exponential: 3, bad: 3 }, { fixed: 'good', exponential: 'good', bad: 'attempt 3' }, ['bad']], 'retries at once, after a fixed and a growing time; failure');
}

async function killed() {
    const c = await child('bee-queue', s, 'killed');
    const q = await queue('killed', { stallInterval: 600 });
    const job = await q.createJob({ hang: true }).save();
    await c.took(job.id);
    await c.kill();
    const done = [];
    q.process(async j => { done.push(j.id); return 'rescued'; });
    let result;
    job.on('succeeded', r => { result = r; });
    q.checkStalledJobs(200);
    await until(() => result, 'another takes it');
    equal([done, result], [[job.id], 'rescued'], 'a worker is killed, its job is taken up by another, once');
}

// It loads its scripts when it starts only, so after a restart of the server the application is started anew.
async function crash() {
    const first = await queue('crash'), done = new Set();
    for (let i = 0; i < 60; i++) await first.createJob({ i }).save();
    first.process(async job => { done.add(job.data.i); return new Promise(() => {}); });
    await until(() => done.size === 1, 'a first job is begun');
    await s.crash();
    const q = await queue('crash', { stallInterval: 300 });
    q.process(4, async job => { done.add(job.data.i); });
    for (let i = 60; i < 120; i++) await q.createJob({ i }).save();
    q.checkStalledJobs(100);
    await until(async () => (await q.checkHealth()).succeeded === 120, 'all jobs');
    equal(done.size, 120, 'the server is killed: every job that was added is done, the one in the middle too');
}

function closing(test) {
    const named = async () => {
        try {
            s = s || await Server.start('--appendonly', 'yes');
            await test();
        } finally {
            for (const q of queues.splice(0)) await within(q.close(100).catch(() => {}), 'close', 5000).catch(() => {});
        }
    };
    Object.defineProperty(named, 'name', { value: test.name });
    return named;
}

main(...[many, times, failures, killed, crash].map(closing));
