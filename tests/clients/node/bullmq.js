// BullMQ: queues as applications run them.
'use strict';
const { Server, equal, main, ok, rejects, sleep, until, within } = require('./rig');
const { child } = require('./child');
const { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } = require('bullmq');

let s;
const closables = [];
const keep = c => (closables.push(c), c.on('error', () => {}), c);
const connection = () => ({ host: '127.0.0.1', port: s.port, maxRetriesPerRequest: null, retryStrategy: () => 20 });
const queue = name => keep(new Queue(name, { connection: connection() }));
const worker = (name, work, options = {}) => keep(new Worker(name, work, { connection: connection(), ...options }));

async function close() {
    for (const c of closables.splice(0).reverse()) await within(c.close(true).catch(() => {}), 'close', 5000).catch(() => {});
}

async function many() {
    const q = queue('many'), events = keep(new QueueEvents('many', { connection: connection() }));
    const told = [];
    events.on('completed', e => told.push(e.jobId));
    await events.waitUntilReady();
    const done = [];
    const ws = [1, 2, 3].map(() => worker('many', async job => {
        done.push(job.id);
        await job.updateProgress(50);
        await job.log(`line of ${job.id}`);
        return { square: job.data.n ** 2 };
    }, { concurrency: 5 }));
    await q.addBulk(Array.from({ length: 200 }, (_, n) => ({ name: 'square', data: { n } })));
    const last = await q.add('square', { n: 200 });
    equal(await within(last.waitUntilFinished(events), 'the last job'), { square: 40000 }, 'a producer waits for the result of its job');
    await until(() => done.length === 201 && told.length === 201, 'all jobs');
    equal([new Set(done).size, new Set(told).size, await q.getJobCounts('completed', 'wait', 'active', 'failed')], [201, 201, { completed: 201, wait: 0, active: 0, failed: 0 }], '201 jobs are done once each and told by events');
    const job = await q.getJob(last.id);
    equal([await job.getState(), job.progress, (await q.getJobLogs(last.id)).logs, job.returnvalue], ['completed', 50, [`line of ${last.id}`], { square: 40000 }], 'a job keeps its state, progress, log and result');
    equal([(await q.clean(0, 50, 'completed')).length, await q.getCompletedCount()], [50, 151], 'cleaning');
    await Promise.all(ws.map(w => w.close()));
    await q.obliterate({ force: true });
    ok((await s.command('KEYS', 'bull:many:*')).startsWith('*0'), 'obliterated, a queue leaves nothing');
}

async function order() {
    const q = queue('order');
    await q.pause();
    for (const [id, priority] of [['p5', 5], ['p1', 1], ['p9', 9], ['p1b', 1], ['none', undefined]]) await q.add('x', {}, { jobId: id, priority });
    await q.add('x', {}, { jobId: 'p1' }); // the same id is the same job
    await q.add('x', {}, { jobId: 'lifo', lifo: true });
    equal([await q.isPaused(), (await q.getJobCountByTypes('paused', 'prioritized'))], [true, 6], 'a paused queue collects');
    const done = [];
    worker('order', async job => { done.push(job.id); });
    await q.resume();
    await until(() => done.length === 6, 'six jobs');
    equal(done, ['lifo', 'none', 'p1', 'p1b', 'p5', 'p9'], 'priorities, LIFO, an id that is there already');
}

async function times() {
    const q = queue('times'), done = [];
    worker('times', async job => { done.push([job.name, Date.now()]); });
    const t = Date.now();
    await q.add('late', {}, { delay: 300 });
    await q.add('now', {});
    equal(await q.getDelayedCount(), 1, 'a delayed job waits');
    await until(() => done.length === 2, 'both');
    ok(done[0][0] === 'now' && done[1][0] === 'late' && done[1][1] - t >= 300, 'and is done later, not before its time');
    await q.add('far', {}, { delay: 100000, jobId: 'far' });
    await (await q.getJob('far')).promote();
    await until(() => done.length === 3, 'promoted');
    ok(true, 'a delayed job is promoted');
    await q.upsertJobScheduler('tick', { every: 60, limit: 4 }, { name: 'tick' });
    await until(() => done.filter(d => d[0] === 'tick').length === 4, 'four ticks');
    await sleep(150);
    equal(done.filter(d => d[0] === 'tick').length, 4, 'a repeated job is repeated as often as was said');
    await q.upsertJobScheduler('cron', { pattern: '* * * * * *' }, { name: 'cron' });
    await until(() => done.some(d => d[0] === 'cron'), 'cron');
    equal([(await q.getJobSchedulers()).length >= 1, await q.removeJobScheduler('cron')], [true, true], 'a cron pattern');

    const limited = queue('limited'), at = [];
    await limited.addBulk(Array.from({ length: 9 }, () => ({ name: 'x', data: {} })));
    worker('limited', async () => { at.push(Date.now()); }, { limiter: { max: 3, duration: 250 }, concurrency: 9 });
    await until(() => at.length === 9, 'nine jobs');
    ok(at[3] - at[0] >= 200 && at[6] - at[3] >= 200, 'a rate limit of three in 250 ms holds') || console.log(`# ${at.map(x => x - at[0])}`);
}

async function failures() {
    const q = queue('failing'), tries = {};
    const w = worker('failing', async job => {
        tries[job.name] = (tries[job.name] || 0) + 1;
        if (job.name === 'never') throw new UnrecoverableError('hopeless');
        if (tries[job.name] < job.data.good) throw new Error(`attempt ${tries[job.name]}`);
        return 'good';
    });
    const twice = await q.add('twice', { good: 3 }, { attempts: 3, backoff: { type: 'exponential', delay: 20 } });
    const bad = await q.add('bad', { good: 99 }, { attempts: 2, backoff: 10 });
    const never = await q.add('never', {}, { attempts: 5 });
    await until(async () => await twice.isCompleted() && await bad.isFailed() && await never.isFailed(), 'the three end');
    equal([tries, (await q.getJob(bad.id)).failedReason, (await q.getJob(bad.id)).attemptsMade], [{ twice: 3, bad: 2, never: 1 }, 'attempt 2', 2], 'retries with backoff, failure, and one that is not tried again');
    await (await q.getJob(bad.id)).updateData({ good: 1 });
    await (await q.getJob(bad.id)).retry();
    await until(() => bad.isCompleted(), 'retried by hand');
    equal(await q.getJobCounts('failed', 'completed'), { failed: 1, completed: 2 }, 'retried by hand');
    await w.close();

    const flow = keep(new FlowProducer({ connection: connection() })), seen = [];
    worker('flow', async job => {
        seen.push(job.name);
        return job.name === 'parent' ? Object.values(await job.getChildrenValues()).sort() : job.name;
    });
    const tree = await flow.add({ name: 'parent', queueName: 'flow', children: ['a', 'b', 'c'].map(name => ({ name, queueName: 'flow' })) });
    await until(() => tree.job.isCompleted(), 'the flow');
    equal([seen.at(-1), (await queue('flow').getJob(tree.job.id)).returnvalue], ['parent', ['a', 'b', 'c']], 'a parent waits for its children and gets their results');
}

async function killed() {
    const q = queue('killed'), c = await child('bullmq', s, 'killed');
    const job = await q.add('x', { hang: true });
    await c.took(job.id);
    equal(await job.getState(), 'active', 'a worker in another process is at a job');
    await c.kill();
    const stalled = [], done = [];
    const w = worker('killed', async j => { done.push(j.id); return 'rescued'; }, { lockDuration: 600, stalledInterval: 300 });
    w.on('stalled', id => stalled.push(id));
    await until(() => job.isCompleted(), 'another takes it');
    equal([stalled, done, (await q.getJob(job.id)).returnvalue], [[job.id], [job.id], 'rescued'], 'killed, its job is taken up by another, once');
}

async function crash() {
    const q = queue('crash'), done = new Map();
    worker('crash', async job => {
        await sleep(1);
        done.set(job.id, (done.get(job.id) || 0) + 1);
    }, { concurrency: 4, lockDuration: 1000, stalledInterval: 500, drainDelay: 1 });
    const ids = [];
    for (let i = 0; i < 150; i++) {
        if (i === 50 || i === 100) await s.crash();
        ids.push((await q.add('x', { i })).id);
    }
    await until(() => ids.every(id => done.has(id)), 'all jobs', 20000);
    ok(true, 'the server is killed twice: every job that was added is done');
    await until(async () => await q.getActiveCount() + await q.getWaitingCount() === 0, 'nothing is left');
    equal(await q.getCompletedCount() + await q.getFailedCount() >= 150, true, 'and nothing is left waiting');
}

function closing(test) {
    const named = async () => {
        try {
            s = s || await Server.start('--appendonly', 'yes');
            await test();
        } finally {
            await close();
        }
    };
    Object.defineProperty(named, 'name', { value: test.name });
    return named;
}

main(...[many, order, times, failures, killed, crash].map(closing));
