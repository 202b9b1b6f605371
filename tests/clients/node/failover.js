// An application with a BullMQ queue, for tests/pair: `failover.js HOST PORT JOBS`. One producer adds jobs under names of
// its own and tries again until it was told that one is added; two workers do them. What happened is told by lines.
'use strict';
const { Queue, Worker } = require('bullmq');
const [, , host, port, jobs] = process.argv;

const connection = { host, port: Number(port), maxRetriesPerRequest: null, connectTimeout: 500, retryStrategy: () => 50 };
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);

for (const name of ['one', 'two']) {
    const w = new Worker('work', async job => {
        say('BEGIN', job.id, name);
        await new Promise(r => setTimeout(r, 5));
    }, { connection, concurrency: 2, lockDuration: 1500, stalledInterval: 700, maxStalledCount: 10, drainDelay: 1 });
    w.on('completed', job => say('DONE', job.id));
    w.on('failed', (job, e) => say('FAILED', job && job.id, e.message));
    w.on('error', () => {}); // while nobody serves
}

async function produce() {
    const options = { connection: { ...connection, maxRetriesPerRequest: 1, commandTimeout: 1000 } };
    let q = new Queue('work', options);
    q.on('error', () => {});
    for (let i = 0; i < Number(jobs); i++) {
        for (let added = false; !added;) {
            try {
                await q.add('job', { i }, { jobId: `job-${i}` });
                added = true;
            } catch {
                say('AGAIN', `job-${i}`);
            }
        }
        say('ADDED', `job-${i}`);
        await new Promise(r => setTimeout(r, 5));
    }
    say('ALL ADDED');
}

produce();
