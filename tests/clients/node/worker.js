// A worker in a process of its own, to be killed: `worker.js bull|bullmq|bee-queue PORT QUEUE`. It says READY, then
// TOOK ID for each job and never ends one whose data say `hang`.
'use strict';
const [, , kind, port, name] = process.argv;
const connection = { host: '127.0.0.1', port: Number(port) };

async function work(job) {
    process.stdout.write(`TOOK ${job.id}\n`);
    if (job.data.hang) await new Promise(() => setInterval(() => {}, 1000));
    return 'done by the child';
}

if (kind === 'bullmq') {
    const { Worker } = require('bullmq');
    const w = new Worker(name, work, { connection: { ...connection, maxRetriesPerRequest: null }, lockDuration: 600, stalledInterval: 300 });
    w.waitUntilReady().then(() => console.log('READY'));
} else if (kind === 'bull') {
    const Queue = require('bull');
    const q = new Queue(name, { redis: connection, settings: { lockDuration: 600, stalledInterval: 300 } });
    q.process(work);
    q.isReady().then(() => console.log('READY'));
} else {
    const Queue = require('bee-queue');
    const q = new Queue(name, { redis: connection, stallInterval: 600 });
    q.process(work);
    q.ready().then(() => console.log('READY'));
}
