"""How long a server takes to be back with its data: 2 GB of strings, one huge sorted set, one huge hash, from an RDB file;
and Duet's log: a base, and increments that overwrite half of it.

The files are in the page cache. `restart` is from the start of the process to the first answer with all keys there,
`processor` what its threads took together for it. The server may use all cores that there are."""

import os
import signal
import subprocess
import time

import rig
import stall
import tap
from frame import Step

from . import snapshot

ABOUT = "a restart with 2 GB of strings, a huge sorted set, a huge hash; from RDB and from Duet's log"
SIZES = {k: snapshot.SIZES[k] for k in ("strings", "sorted set", "hash")}
LIMIT_S = 300
OFF, ON = ("--appendonly", "no", "--save", ""), ("--appendonly", "yes", "--save", "")


def ticks_s(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def back(port, keys):
    """True when all of them are there."""
    try:
        with stall.resp.Connection(stall.resp.socket.create_connection(("127.0.0.1", port)), 60) as c:
            return c.cmd("DBSIZE") == keys
    except (stall.resp.Error, OSError):
        return False


def restart(server, keys, options):
    """Seconds, and seconds of processor. The server has been told to end."""
    server.process.wait(60)
    argv = server.spec.command + ["--port", str(server.port), "--dir", server.directory] + list(options)
    began = time.monotonic()
    with open(os.path.join(server.directory, "again.out"), "wb") as log:
        p = subprocess.Popen(argv, cwd=server.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        while not back(server.port, keys):
            if p.poll() is not None or time.monotonic() - began > LIMIT_S:
                raise rig.Failed("it did not come back")
            time.sleep(0.01)
        return time.monotonic() - began, ticks_s(p.pid)
    finally:
        p.kill()
        p.wait()


def run(bench, what, spec, n, log):
    options = ON if log else OFF
    with rig.Server(spec, *options, cores=set(rig.CORES)) as server:
        with server.connect(600) as c:
            stall.pour(c, snapshot.FILL[what](n))
            keys = c.cmd("DBSIZE")
            if log:
                c.cmd("BGREWRITEAOF")
                tap.until(lambda: stall.info(c)["aof_rewrite_in_progress"] == "0", LIMIT_S, "the rewrite")
                c.cmd("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
                stall.pour(c, snapshot.FILL[what](n // 2))
            else:
                c.cmd("SAVE")
        server.process.send_signal(signal.SIGTERM)
        took, cpu = restart(server, keys, options)
    row = "%s, %s, %s" % (what, format(n, ","), "log" if log else "RDB")
    bench.add("restart", "restart", row, spec.name, took, "s", digits=2)
    bench.add("restart", "processor", row, spec.name, cpu, "s", digits=2)


def measure(bench, what, spec, n, log):
    try:
        run(bench, what, spec, n, log)
    except (stall.resp.Error, stall.resp.Closed, OSError, TimeoutError) as e:
        bench.note("restart: %s skipped on %s: %s" % (what, spec.name, str(e)[:100]))


def steps(bench):
    part = snapshot.QUICK_PART if bench.quick else 1
    cases = [(what, n // part, log) for what, n in SIZES.items() for log in (False, True) if not log or what == "strings"]
    return [Step("%s%s, %s" % (what, ", log" if log else "", spec.name), 15 + n * (3 if log else 2) / snapshot.RATE_S,
                 lambda w=what, s=spec, n=n, g=log: measure(bench, w, s, n, g), not spec.is_duet)
            for what, n, log in cases for spec in bench.real
            if spec.is_duet or (not log and spec.name.startswith(("valkey", "redis7")))]
