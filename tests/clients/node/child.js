// Starts worker.js and waits for what it says.
'use strict';
const { spawn } = require('node:child_process');
const path = require('node:path');
const { until } = require('./rig');

async function child(kind, s, name) {
    const p = spawn(process.execPath, [path.join(__dirname, 'worker.js'), kind, s.port, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    p.stdout.on('data', d => { said += d; });
    const ended = new Promise(r => p.once('exit', r));
    await until(() => said.includes('READY'), 'the worker is ready');
    return {
        took: id => until(() => said.includes(`TOOK ${id}\n`), `the worker takes job ${id}`),
        kill: () => { p.kill('SIGKILL'); return ended; },
    };
}

module.exports = { child };
