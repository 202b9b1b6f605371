// What the Node.js programs of this folder share: test lines, servers, waiting. rig.py runs them.
'use strict';
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const COMMAND = JSON.parse(process.env.DUET_TEST_SERVER);
const CERTS = process.env.DUET_TEST_CERTS;
const servers = [];
let failed = 0;

process.on('exit', () => { // also after an exception that nobody caught
    for (const s of servers) if (s.process) s.process.kill('SIGKILL');
});

const sleep = ms => new Promise(r => setTimeout(r, ms));

function ok(condition, what) {
    console.log(`${condition ? 'ok' : 'not ok'} - ${what}`);
    if (!condition) {
        failed++;
        const line = new Error().stack.split('\n').find((l, i) => i > 1 && !l.includes('rig.js'));
        console.log(`# failed${line}`);
    }
    return Boolean(condition);
}

// Plain data: objects made without a prototype, maps and buffers compare by what they hold.
function plain(v) {
    if (Buffer.isBuffer(v)) return `bytes ${v.toString('latin1')}`;
    if (v instanceof Map) return plain(Object.fromEntries(v));
    if (v instanceof Set) return [...v].map(plain);
    if (Array.isArray(v)) return v.map(plain);
    if (typeof v === 'bigint') return `${v}n`;
    if (v instanceof Error) return `error ${v.message}`;
    if (v && typeof v === 'object') return Object.fromEntries(Object.keys(v).sort().map(k => [k, plain(v[k])]));
    return v === undefined ? 'undefined' : v;
}

function equal(got, want, what) {
    const [a, b] = [JSON.stringify(plain(got)), JSON.stringify(plain(want))];
    const same = ok(a === b, what);
    if (!same) console.log(`# got      ${a}\n# expected ${b}`);
    return same;
}

async function rejects(promise, pattern, what) {
    try {
        const got = await promise;
        return ok(false, what) || console.log(`# got ${JSON.stringify(plain(got))}, expected an error`);
    } catch (e) {
        return ok(pattern.test(e.message), what) || console.log(`# got the error ${e.message}`);
    }
}

// Polls until condition() is true and returns its value; an exception counts as not yet.
async function until(condition, what, limitMs = 15000) {
    const end = Date.now() + limitMs;
    for (let last; ;) {
        try {
            const value = await condition();
            if (value) return value;
        } catch (e) {
            last = e;
        }
        if (Date.now() > end) throw new Error(`${what} did not come true within ${limitMs} ms${last ? `; last: ${last}` : ''}`);
        await sleep(10);
    }
}

// A promise that must end: a client that hangs fails its test, not the program.
function within(promise, what, limitMs = 15000) {
    let timer;
    const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error(`${what}: nothing for ${limitMs} ms`)), limitMs); });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function freePort() {
    return new Promise(done => {
        const s = net.createServer().listen(0, '127.0.0.1', () => {
            const { port } = s.address();
            s.close(() => done(port));
        });
    });
}

class Server {
    static async start(...options) {
        const s = new Server();
        s.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'duet-test-'));
        s.socket = path.join(s.directory, 's.sock');
        s.port = await freePort();
        s.tlsPort = await freePort();
        const tls = ['--tls-port', s.tlsPort, '--tls-auth-clients', 'no', '--tls-ca-cert-file', `${CERTS}/ca.pem`,
            '--tls-cert-file', `${CERTS}/server.pem`, '--tls-key-file', `${CERTS}/server.key`];
        const all = ['--port', s.port, '--dir', s.directory, '--save', '', '--unixsocket', s.socket,
            ...(options.includes('tls') ? tls : []), ...options.filter(o => o !== 'tls')];
        s.argv = [...COMMAND.slice(1), ...all.map(String)];
        servers.push(s);
        await s.run();
        return s;
    }

    async run() {
        const log = fs.openSync(path.join(this.directory, 'server.out'), 'a');
        this.process = spawn(COMMAND[0], this.argv, { stdio: ['ignore', log, log] });
        this.ended = new Promise(r => this.process.once('exit', r));
        fs.closeSync(log);
        await until(() => {
            if (this.process.exitCode !== null) throw new Error(`the server ended: ${this.log()}`);
            return this.command('PING').then(r => r.startsWith('+PONG'));
        }, 'the server answers');
    }

    // One command of plain words on a connection of its own; the raw reply.
    command(...words) {
        return new Promise((done, no) => {
            const c = net.connect(this.port, '127.0.0.1');
            c.once('error', no);
            c.write(`*${words.length}\r\n` + words.map(w => `$${Buffer.byteLength(`${w}`)}\r\n${w}\r\n`).join(''));
            c.once('data', d => { c.destroy(); done(d.toString()); });
        });
    }

    log() {
        return fs.readFileSync(path.join(this.directory, 'server.out'), 'utf8').slice(-3000);
    }

    async stop(signal = 'SIGKILL') {
        if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill(signal);
        await this.ended;
    }

    async crash() {
        await this.stop();
        await this.run();
    }
}

// Runs each test; one that throws is a failed line. Then everything is ended.
async function main(...tests) {
    process.on('unhandledRejection', e => ok(false, `nothing is rejected unseen: ${e.stack}`));
    for (const test of tests) {
        const before = servers.length;
        try {
            await within(test(), test.name, 60000);
        } catch (e) {
            ok(false, `${test.name} runs to its end`);
            console.log(`${e.stack}`.replace(/^/gm, '# '));
            for (const s of servers.slice(before)) console.log(s.log().replace(/^/gm, '# '));
        }
    }
    for (const s of servers) {
        await s.stop();
        fs.rmSync(s.directory, { recursive: true, force: true });
    }
    process.exit(failed ? 1 : 0);
}

module.exports = { CERTS, Server, equal, freePort, main, ok, rejects, sleep, until, within };
