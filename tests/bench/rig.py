"""Servers under measurement: which there are, started pinned on free ports, loaded, ended whatever happens."""

import atexit
import ctypes
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import servers as resp  # noqa: E402
import tap  # noqa: E402

OUT = os.path.join(tap.TOP, "build", "bench")
LOAD = os.path.join(tap.TOP, "build", "tests", "bench", "load")
RESPONDER = os.path.join(tap.TOP, "build", "tests", "bench", "responder")
SETTINGS = ["--save", "", "--appendonly", "no"]  # for every server alike
START_LIMIT_S = 20
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[min(1, len(CORES) - 1)]

_libc = ctypes.CDLL(None)
_alive = set()


class Failed(Exception):
    """A measurement that could not be made; its text says why."""


class Spec:
    """A server that can be started: a name for the tables and a command that takes redis-server's options."""

    def __init__(self, name, command, version=None):
        self.name, self.command = name, command
        self.version = version or said_version(command)
        self.is_limit = command[0] == RESPONDER
        self.is_duet = name == "duet"


def said_version(command):
    try:
        out = subprocess.run(command + ["--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    m = re.search(r"\bv=(\S+)", out)
    return m[1] if m else out.strip().splitlines()[0] if out.strip() else "?"


def named_by_user(text):
    """BENCH_PEERS: name=command, several of them apart by semicolons or lines."""
    for item in re.split(r"[;\n]", text):
        if item.strip():
            name, _, command = item.partition("=")
            if not command.strip():
                raise SystemExit("bench: BENCH_PEERS holds %r: write name=command;name=command" % item.strip())
            yield Spec(name.strip(), shlex.split(command))


def find_servers():
    """The limit, Duet, and the peers: Debian's Redis, what stands in a folder of peers, what BENCH_PEERS names."""
    cache = os.environ.get("DUET_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "duet")
    folder = os.environ.get("PEERS") or os.path.join(cache, "peers")
    if os.environ.get("PEERS") and not os.path.isdir(folder):
        raise SystemExit("bench: PEERS=%s is no folder: it should hold programs named *-server" % folder)
    found = [Spec("limit", [RESPONDER], "the bare responder"), Spec("duet", [tap.DUET, "server"])]
    paths = [p for p in sorted(glob.glob(os.path.join(os.path.abspath(folder), "*-server"))) if os.access(p, os.X_OK)]
    paths.sort(key=lambda p: "valkey" not in p)
    for path in paths + [resp.REDIS_SERVER]:
        spec = Spec(os.path.basename(path)[:-len("-server")], [path])
        spec.name += spec.version.split(".")[0]
        if os.path.exists(path) and spec.version != "?" and spec.name not in [s.name for s in found]:
            found.append(spec)
    return found + list(named_by_user(os.environ.get("BENCH_PEERS", "")))


def scratch_folder():
    """A folder of this run's. What runs that were killed left behind goes first."""
    os.makedirs(OUT, exist_ok=True)
    for name in os.listdir(OUT):
        m = re.match(r"run-(\d+)-", name)
        if m and not os.path.exists("/proc/" + m[1]):
            shutil.rmtree(os.path.join(OUT, name), ignore_errors=True)
    return tempfile.mkdtemp(prefix="run-%d-" % os.getpid(), dir=OUT)


class Server:
    """One running server in a directory of its own. A context manager; ends with this program, however that ends."""

    def __init__(self, spec, *options, cores=None, settings=SETTINGS):
        self.spec, self.name = spec, spec.name
        self.process = self.directory = None
        _alive.add(self)
        self.port = resp.free_port()
        self.directory = scratch_folder()
        cores = cores or {SERVER_CORE}
        argv = spec.command + ["--port", str(self.port)]
        if not spec.is_limit:
            argv += ["--dir", self.directory] + list(settings) + [str(o) for o in options]

        def child():
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            os.sched_setaffinity(0, cores)

        with open(os.path.join(self.directory, "server.out"), "wb") as log:
            self.process = subprocess.Popen(argv, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=child, start_new_session=True)
        try:
            tap.until(self._ready, START_LIMIT_S, "the start of " + self.name)
            if self.process.poll() is not None:
                raise Failed("it ended at once: " + self.last_words())
        except (Failed, TimeoutError) as e:
            words = str(e) if isinstance(e, Failed) else "no answer in %d s: %s" % (START_LIMIT_S, self.last_words())
            self.close()
            raise Failed(words)

    def _ready(self):
        if self.process.poll() is not None:
            return True
        with self.connect() as c:
            return bool(c.cmd("PING"))

    def last_words(self):
        try:
            text = open(os.path.join(self.directory, "server.out"), errors="replace").read().strip()
        except OSError:
            text = ""
        return " ".join(text.splitlines()[-2:])[-200:]

    def connect(self, timeout_s=30):
        return resp.Connection(resp.socket.create_connection(("127.0.0.1", self.port), timeout_s), timeout_s)

    def refuses(self, words):
        """Why the server cannot run a command that a pattern describes, or None."""
        if self.spec.is_limit:
            return None
        with self.connect() as c:
            text = c.error(*[re.sub(r"\{[^}]*\}", "0", w) for w in words])
        return text if text and "unknown command" in text else None

    def cpu_us(self):
        """CPU time of the process since it began, all its threads, user and system."""
        return time.clock_gettime((~self.process.pid << 3) | 2) * 1e6

    def rss_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))

    def settled_rss_bytes(self, limit_s=3.0):
        """Resident memory once it stands still: a table may still be moving after the last reply."""
        deadline, last, same = time.monotonic() + limit_s, self.rss_bytes(), 0
        while time.monotonic() < deadline and same < 4:
            time.sleep(0.1)
            now = self.rss_bytes()
            same = same + 1 if abs(now - last) * 1000 <= now else 0
            last = now
        return last

    def close(self):
        _alive.discard(self)
        if self.process and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        shutil.rmtree(self.directory or "", ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def close_all():
    for server in list(_alive):
        server.close()


atexit.register(close_all)


def on_load_core():
    _libc.prctl(1, signal.SIGKILL)
    os.sched_setaffinity(0, {LOAD_CORE})


def load(server, *commands, conns=50, pipeline=1, requests=100000, max_ms=4000, rate=0, key_range=1000000, first=0, seed=1):
    """Runs the loader on its core; its JSON as a dict, with rps and cpu_us (server CPU a request) added."""
    argv = [LOAD, "--port", server.port, "--pid", server.process.pid, "--conns", conns, "--pipeline", pipeline, "--requests", requests,
            "--max-ms", max_ms, "--range", key_range, "--first", first, "--seed", seed] + (["--rate", rate] if rate else [])
    for words in commands:
        argv += ["--"] + list(words)
    try:
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=max_ms / 1000 + 60, preexec_fn=on_load_core)
    except subprocess.TimeoutExpired:
        raise Failed("the load did not end")
    if done.returncode:
        why = done.stderr.strip().splitlines() or ["the loader failed"]
        if server.process.poll() is not None:
            why.append("(the server ended with status %s: %s)" % (server.process.returncode, server.last_words()))
        raise Failed(" ".join(why))
    out = json.loads(done.stdout)
    if not out["requests"]:
        raise Failed("not one request was answered")
    if out["errors"]:
        raise Failed("%d of %d replies are errors: %s" % (out["errors"], out["requests"], out["error"]))
    out["rps"] = out["requests"] / out["seconds"]
    out["cpu_us"] = out["server_cpu_us"] / out["requests"]
    return out


def redis_benchmark(server, options, port=None):
    """Debian's redis-benchmark on the load's core: (requests/s, server CPU a request in us)."""
    argv = [resp.REDIS_BENCHMARK, "-h", "127.0.0.1", "-p", str(port or server.port), "--csv"] + options
    count = int(options[options.index("-n") + 1])
    before = server.cpu_us()
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, preexec_fn=on_load_core)
    except subprocess.TimeoutExpired:
        raise Failed("redis-benchmark did not end in 60 s")
    rows = re.findall(r'^"[^"\n]*","([0-9.]+)"', done.stdout, re.M)
    if done.returncode or not rows:
        raise Failed("redis-benchmark: " + (done.stderr or done.stdout).strip()[-200:])
    return float(rows[-1]), (server.cpu_us() - before) / count


def memory_free_bytes():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


class Machine:
    """How much of the machine others used while we measured."""

    def __init__(self):
        self.began = self._busy(), self._own(), time.monotonic()

    @staticmethod
    def _busy():
        with open("/proc/stat") as f:
            words = [int(w) for w in f.readline().split()[1:]]
        return (sum(words[:8]) - words[3] - words[4]) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own():
        t = os.times()
        return t.user + t.system + t.children_user + t.children_system + sum(s.cpu_us() / 1e6 for s in _alive if s.process and s.process.poll() is None)

    def others_share(self):
        """The share of the machine's cores that went to processes that are not ours, 0 to 1, since this was made."""
        took = time.monotonic() - self.began[2]
        others = (self._busy() - self.began[0]) - (self._own() - self.began[1])
        return max(0.0, min(1.0, others / max(took, 1e-3) / os.cpu_count()))
