"""`duet witness` as a process, spoken to on loopback: what it keeps over SIGKILL, what it refuses, many pairs, its words."""

import hashlib
import hmac
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402

RENEW, TAKE, RESET, LOOK = 1, 2, 3, 4
GRANTED, REFUSED, CHALLENGE, SEEN = 129, 130, 131, 132
FORM = struct.Struct("!IBBHBBHIQQQQ")
MAGIC = 0x44755769
LIMIT_S = 30
LEASE_MS = 2500  # long, so that a busy machine does not pass it between two steps
work = tempfile.mkdtemp(prefix="duet-witness-")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def epoch(number, node):
    return number << 8 | node


class Asker:
    """A node's side, written anew from the header of witness_wire.h."""

    def __init__(self, port, pair, node, key):
        self.address, self.pair, self.node, self.key = ("127.0.0.1", port), pair, node, key
        self.life, self.seq, self.nonce = secrets.randbits(63) | 1, 0, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def datagram(self, kind, what, lease_ms=LEASE_MS):
        self.seq += 1
        body = FORM.pack(MAGIC, 1, kind, self.pair, self.node, 0, 0, lease_ms, self.life, self.seq, self.nonce, what)
        return body + hmac.new(self.key, body, hashlib.sha256).digest()

    def once(self, kind, what, wait_s):
        self.socket.sendto(self.datagram(kind, what), self.address)
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                answer = self.socket.recv(200)
            except OSError:
                return None
            fields = FORM.unpack(answer[:48])
            if hmac.new(self.key, answer[:48], hashlib.sha256).digest() != answer[48:] or fields[9] != self.seq:
                continue
            self.nonce = fields[10]
            return fields[2], fields[5], fields[11]  # verdict, reason, holder
        return None

    def ask(self, kind, what, wait_s=2):
        """(verdict, reason, holder); a challenge is met. None: no answer."""
        for _ in range(3):
            got = self.once(kind, what, wait_s)
            if got is None or got[0] != CHALLENGE:
                return got
        return got

    def verdict(self, kind, what):
        got = self.ask(kind, what)
        return got[0] if got else None

    def until(self, kind, what, verdict, text):
        tap.until(lambda: self.verdict(kind, what) == verdict, LIMIT_S, text, 0.05)


class Witness:
    def __init__(self, lines):
        self.port, self.state, self.pairs = free_port(), os.path.join(work, "state"), os.path.join(work, "pairs")
        self.write(lines)
        self.start()

    def write(self, lines):
        with open(self.pairs, "w") as f:
            f.write("".join(line + "\n" for line in lines))

    def start(self):
        self.log = open(os.path.join(work, "log"), "ab")
        self.process = subprocess.Popen([tap.DUET, "witness", "--listen", "127.0.0.1:%d" % self.port, "--state", self.state,
                                         "--pairs", self.pairs], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        preexec_fn=pairlab.end_with_parent)
        tap.until(lambda: self.status() is not None, LIMIT_S, "the witness answers")

    def stop(self, signo=signal.SIGKILL):
        self.process.send_signal(signo)
        return self.process.wait()

    def status(self):
        p = subprocess.run([tap.DUET, "witness", "status", "--json", "--state", self.state], capture_output=True, text=True)
        return json.loads(p.stdout) if p.returncode == 0 else None

    def pair(self, number):
        return next(p for p in self.status()["pairs"] if p["number"] == number)

    def words(self):
        with open(os.path.join(work, "log"), errors="replace") as f:
            return f.read()


def run(*argv):
    return subprocess.run([tap.DUET, "witness", *argv], capture_output=True, text=True)


def new_key():
    return run("key").stdout.strip()


def the_commands_words():
    """help, keys and complaints"""
    tap.ok("--listen ADDRESS:PORT" in run("--help").stdout, "--help lists the options")
    a, b = new_key(), new_key()
    tap.ok(len(a) == 64 and a != b, "a key is 64 digits and never the same")
    path = os.path.join(work, "wrong")
    for text, sentence in (("pair 7 %s\npair 7 %s\n" % (a, b), ":2: pair 7 stands here already with another key"),
                           ("pair 0 %s\n" % a, ":1: a pair's number is 1 to 65535"), ("pair 7 abc\n", "64 hexadecimal digits"),
                           ("", "no pair stands there"), ("par 7 %s\n" % a, "par")):
        with open(path, "w") as f:
            f.write(text)
        p = run("--check", "--pairs", path)
        tap.ok(p.returncode == 1 and sentence in p.stderr, "refused: %s" % sentence)
    p = run("--listen", "nonsense")
    tap.ok(p.returncode == 2 and "ADDRESS:PORT" in p.stderr, "an address without a port is a usage error")
    p = run("status", "--state", os.path.join(work, "nobody"))
    tap.ok(p.returncode == 1 and "no witness answers" in p.stderr, "status without a witness says so")


def what_it_keeps():
    """the holder outlives SIGKILL; a witness that just started lets nobody take for a while"""
    key, other = new_key(), new_key()
    w = Witness(["pair 7 %s here" % key, "pair 9 %s" % other])
    a, b = (Asker(w.port, 7, n, bytes.fromhex(key)) for n in (0, 1))
    tap.equal(a.ask(LOOK, 0)[::2], (SEEN, 0), "at first nobody holds the lease")
    a.until(RENEW, epoch(3, 0), GRANTED, "the master is believed after a while")
    tap.equal(b.verdict(TAKE, epoch(4, 1)), REFUSED, "while it renews, nobody takes")
    b.until(TAKE, epoch(4, 1), GRANTED, "the other node takes what is not renewed")
    w.stop()
    w.start()
    tap.equal(a.ask(TAKE, epoch(5, 0)), (REFUSED, 3, epoch(4, 1)), "killed and started: the holder is known, and nobody takes at once")
    tap.equal(a.verdict(RENEW, epoch(3, 0)), REFUSED, "the old master is refused as before")
    tap.equal(b.verdict(RENEW, epoch(4, 1)), GRANTED, "the holder renews at once")
    second = run("--listen", "127.0.0.1:%d" % free_port(), "--state", w.state, "--pairs", w.pairs)
    tap.ok(second.returncode == 1 and "another witness" in second.stderr, "a second witness over the same state is refused")
    stranger = Asker(w.port, 7, 0, bytes.fromhex(other))
    tap.equal(stranger.ask(LOOK, 0, 0.3), None, "another pair's key gets no answer for this pair")
    tap.equal(Asker(w.port, 8, 0, bytes.fromhex(key)).ask(LOOK, 0, 0.3), None, "a pair that is not served gets none")
    s = w.status()
    tap.ok(w.pair(7)["forged"] >= 1 and s["strangers"] >= 1, "both are counted")
    w.write(["pair 7 %s here" % key, "pair 8 %s" % key])
    w.process.send_signal(signal.SIGHUP)
    tap.until(lambda: [p["number"] for p in w.status()["pairs"]] == [7, 8], LIMIT_S, "SIGHUP reads the pairs again")
    tap.equal(b.verdict(RENEW, epoch(4, 1)), GRANTED, "a pair that stayed goes on")
    w.write(["pair 7 nonsense"])
    w.process.send_signal(signal.SIGHUP)
    tap.until(lambda: "the pairs stay as they were" in w.words(), LIMIT_S, "a list that is wrong is refused")
    tap.equal(b.verdict(RENEW, epoch(4, 1)), GRANTED, "and changes nothing")
    # Stopped and continued: what came meanwhile came in no order.
    tap.until(lambda: w.pair(7)["renewed_ms"] > 1.1 * LEASE_MS, LIMIT_S, "the lease is old", 0.1)
    w.process.send_signal(signal.SIGSTOP)
    a.socket.sendto(a.datagram(TAKE, epoch(5, 0)), a.address)
    b.socket.sendto(b.datagram(RENEW, epoch(4, 1)), b.address)
    time.sleep(0.4)
    w.process.send_signal(signal.SIGCONT)
    tap.until(lambda: "stood still" in w.words(), LIMIT_S, "it notices that it stood still")
    tap.equal(w.pair(7)["holder"], "b", "what it finds in its queue then takes nothing from who may have renewed")
    w.write(["pair 7 %s here" % key])
    tap.equal(w.stop(signal.SIGTERM), 0, "SIGTERM ends it with status 0")
    path = os.path.join(w.state, "pair-7")
    with open(path, "r+b") as f:
        f.seek(30)
        f.write(b"X")
    w.start()
    tap.equal(b.ask(RENEW, epoch(4, 1), 0.3), None, "a damaged state: no answers")
    tap.ok(w.pair(7)["damaged"] and "damaged" in w.words(), "and it is said")
    w.stop()
    w.log.close()
    shutil.rmtree(w.state)


def many_pairs():
    """a thousand pairs: all are served, in bounded memory"""
    count = 1000
    keys = [secrets.token_hex(32) for _ in range(count)]
    w = Witness(["pair %d %s" % (i + 1, k) for i, k in enumerate(keys)])
    askers = [Asker(w.port, i + 1, 0, bytes.fromhex(k)) for i, k in enumerate(keys)]
    began = time.monotonic()
    answers = sum(x.verdict(RENEW, epoch(1, 0)) is not None for x in askers)
    for x in askers:
        x.socket.close()
    tap.equal(answers, count, "each of a thousand pairs gets its answer")
    with open("/proc/%d/status" % w.process.pid) as f:
        rss_kb = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    tap.say("2,000 asks in %.2f s, %d kB of memory" % (time.monotonic() - began, rss_kb))
    tap.ok(rss_kb < 32 * 1024, "in less than 32 MB")
    w.stop(signal.SIGTERM)
    w.log.close()


try:
    tap.main(the_commands_words, what_it_keeps, many_pairs)
finally:
    shutil.rmtree(work, ignore_errors=True)
