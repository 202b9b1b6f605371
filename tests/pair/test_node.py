"""`duet node`, the console and the configuration tools, in a network namespace."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import tap  # noqa: E402

SECONDS = 30  # generous: the machine may be busy
lab = None
work = None
INSTANCE = "[instance 0]\nport 6379\nmemory 64mb\npassword none\ndurability pair\n"


def make_root(name, text=None):
    root = os.path.join(work, name)
    os.makedirs(os.path.join(root, "etc"))
    with open(os.path.join(root, "etc", "duet.conf"), "w") as f:
        f.write(lab.conf("a", INSTANCE) if text is None else text)
    return root


def start(root, **kw):
    return lab.spawn("a", tap.DUET, "node", "--root", root, stderr=subprocess.DEVNULL, **kw)


def pid_of(root, name):
    with open(os.path.join(root, "run", name + ".pid")) as f:
        pid = int(f.read())
    os.kill(pid, 0)
    return pid


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def inside():
    return netlab.run("ip", "netns", "pids", lab.names["a"]).stdout.split()


def log_of(root, name):
    with open(os.path.join(root, "data", "log", name + ".log"), errors="replace") as f:
        return f.read()


def children(root, node):
    """had and the server of this life of the node: earlier ones' pid files may still lie there."""
    tap.until(lambda: pid_of(root, "node") == node.pid, SECONDS, "the node's own pid file")
    tap.until(lambda: "node duet-a begins" in log_of(root, "node"), SECONDS, "the node's beginning")
    return tap.until(lambda: {n: pid_of(root, n) for n in ("had", "server-0")}, SECONDS, "had and the server")


def test_life():
    """a node starts its children, starts them again, and leaves nothing behind"""
    root = make_root("life")
    node = start(root)
    pids = children(root, node)
    tap.ok(len(set(pids.values())) == 2, "had and the server run, each with its pid file")
    tap.ok(os.path.getsize(os.path.join(root, "state")) == 8 << 20, "the state partition's file was made")
    for name, pid in pids.items():
        tap.until(lambda: alive(pid), SECONDS)
        os.kill(pid, signal.SIGKILL)
        again = tap.until(lambda: (p := pid_of(root, name)) != pid and p, SECONDS, name + " again")
        tap.ok(again != pid, "%s was killed and runs again" % name)
    tap.until(lambda: "killed by signal 9" in log_of(root, "node"), SECONDS, "the log's line")
    tap.ok(True, "the log says how it ended")
    other = lab.ns("a", tap.DUET, "node", "--root", root, check=False)
    tap.ok(other.returncode != 0 and "another node" in other.stderr, "a second node in the same folder is refused")
    pids = children(root, node)
    tap.until(lambda: all(alive(p) for p in pids.values()), SECONDS)
    node.terminate()
    tap.equal(node.wait(SECONDS), 0, "SIGTERM ends it in order")
    tap.ok(not any(alive(p) for p in pids.values()), "its children have ended")
    tap.equal(inside(), [], "no process is left in the namespace")
    left = [n for n in os.listdir(os.path.join(root, "run")) if n.endswith((".pid", ".sock"))]
    tap.equal(left, [], "no pid file and no socket is left")
    tap.ok(netlab.VIP + "/" not in lab.ip("a", "addr").stdout, "no VIP is left")
    tap.equal(lab.ns("a", "nft", "list", "tables").stdout, "", "no guard is left")


def test_killed():
    """a node that is killed takes its children with it, stopped ones too"""
    root = make_root("killed")
    node = start(root)
    pids = children(root, node)
    tap.until(lambda: all(alive(p) for p in pids.values()), SECONDS)
    os.kill(pids["had"], signal.SIGSTOP)
    node.kill()
    node.wait()
    tap.until(lambda: not any(alive(p) for p in pids.values()), SECONDS, "the children's end")
    tap.equal(inside(), [], "nothing is left in the namespace")
    node = start(root)
    tap.ok(children(root, node), "it starts again over what was left")
    os.kill(children(root, node)["had"], signal.SIGSTOP)
    node.terminate()
    tap.equal(node.wait(SECONDS), 0, "a stopped child does not hold up the orderly end")


def test_crash_loop():
    """a child that cannot start is tried ever more slowly"""
    root = make_root("loop", lab.conf("a", INSTANCE + "no-such-directive 1\n"))
    node = start(root)

    def ends():
        return re.findall(r"server-0 \(process \d+\) ended with status", log_of(root, "node"))

    tap.until(lambda: len(ends()) >= 4, SECONDS, "four ends")
    times = re.findall(r"T(\d+):(\d+):([\d.]+)Z .*server-0 runs as process", log_of(root, "node"))
    at = [int(h) * 3600 + int(m) * 60 + float(s) for h, m, s in times]
    gaps = [(b - a) % 86400 for a, b in zip(at, at[1:])]
    tap.ok(gaps[2] > gaps[1] >= 0.1, "the pauses grow")
    said = tap.until(lambda: log_of(root, "server-0"), SECONDS)
    with open(os.path.join(root, "etc", "duet.conf")) as f:
        line = 1 + f.read().splitlines().index("no-such-directive 1")
    tap.ok("no-such-directive" in said and ".conf:%d:" % line in said, "its log says why, by the line of duet.conf") or tap.say(said)
    tap.ok(alive(children_had(root)), "had goes on meanwhile")
    node.terminate()
    tap.equal(node.wait(SECONDS), 0, "it ends while a child waits for its restart")


def children_had(root):
    return tap.until(lambda: pid_of(root, "had"), SECONDS, "had")


def test_lapsed_vip():
    """the VIP is taken off when nobody holds a lease"""
    root = make_root("vip")
    node = start(root)
    children_had(root)
    lab.ip("a", "addr", "add", netlab.VIP + "/24", "dev", "eth0")
    tap.until(lambda: netlab.VIP + "/" not in lab.ip("a", "addr").stdout, SECONDS, "the removal")
    tap.ok(True, "an address that nobody's lease stands for is removed")
    os.kill(children_had(root), signal.SIGSTOP)
    lab.ip("a", "addr", "add", netlab.VIP + "/24", "dev", "eth0")
    tap.until(lambda: netlab.VIP + "/" not in lab.ip("a", "addr").stdout, SECONDS, "the removal")
    tap.ok(True, "with had stopped too")
    node.terminate()
    node.wait(SECONDS)


def test_refusals():
    """a node that cannot run says why and changes nothing"""
    for text, word in ((lab.conf("a").replace("node a", "node c"), "'c'"),
                       (lab.conf("a").replace("vip 10.77.0.10/24", "vip 10.77.0.11/24"), "VIP"),
                       (lab.conf("a", "[ha]\nbeat-ms 0\n"), "beat-ms"),
                       (lab.conf("a", "[instances]\n"), "instances")):
        root = make_root("bad%s" % re.sub(r"\W", "", word), text)
        p = lab.ns("a", tap.DUET, "node", "--root", root, check=False)
        tap.ok(p.returncode == 1 and word in p.stderr and "duet.conf:" in p.stderr, "refused with its place: " + word)
        tap.equal(os.listdir(root), ["etc"], "nothing was made")
    p = lab.ns("a", tap.DUET, "node", "--root", os.path.join(work, "nowhere"), check=False)
    tap.ok(p.returncode == 1 and "nowhere" in p.stderr, "a folder that is not there is named")


def test_config():
    """the configuration in a state partition"""
    state, conf = os.path.join(work, "disk"), os.path.join(work, "good.conf")
    with open(conf, "w") as f:
        f.write(lab.conf("a", INSTANCE))
    with open(state, "wb") as f:
        f.truncate((8 << 20) + 65536)

    def config(*words):
        return subprocess.run([tap.DUET, "config", *words], capture_output=True, text=True)

    place = state + ":65536"
    tap.ok(config("get", "--state", place).returncode == 1, "an empty partition has none to get")
    tap.equal(config("put", "--state", place, conf).returncode, 0, "put")
    with open(conf) as f:
        tap.equal(config("get", "--state", place).stdout, f.read(), "get brings the same text")
    with open(state, "r+b") as f:
        f.seek(65536 + 131072 + 40)
        f.write(b"\xff")
    checked = config("check", "--state", place)
    tap.ok(checked.returncode == 1 and "copy 1: damaged" in checked.stdout, "check names a damaged copy")
    with open(conf) as f:
        tap.equal(config("get", "--state", place).stdout, f.read(), "and get takes the other one")
    before = open(state, "rb").read()
    with open(conf, "a") as f:
        f.write("[network]\nvip nowhere\n")
    p = config("put", "--state", place, conf)
    tap.ok(p.returncode == 1 and conf + ":" in p.stderr, "a wrong configuration is refused by file and line")
    tap.ok(open(state, "rb").read() == before, "and nothing was written")
    tap.ok(config("put", "--state", state + ":8388608", conf).returncode == 1, "no room is said")
    checked = subprocess.run([tap.DUET, "init", "--check", conf], capture_output=True, text=True)
    tap.ok(checked.returncode == 1 and conf + ":" in checked.stderr, "init --check says the same")


class Terminal:
    """A console on a pty; screen() is everything it has written, without control sequences."""

    def __init__(self, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(tap.DUET, ["duet", "console", *words])
        self.raw = b""

    def pump(self):
        while select.select([self.fd], [], [], 0.02)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.raw += data

    def screen(self, since=0):
        self.pump()
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.raw[since:].decode(errors="replace"))

    def type(self, text):
        self.pump()
        mark = len(self.raw)
        os.write(self.fd, text.encode())
        return mark

    def until(self, pattern, since=0):
        return tap.until(lambda: re.search(pattern, self.screen(since)), SECONDS, "'%s' on the screen" % pattern)

    def ended(self):
        def gone():
            self.pump()
            return os.waitpid(self.pid, os.WNOHANG)[0]
        tap.until(gone, SECONDS, "the console's end")
        os.close(self.fd)


def test_console():
    """the console: a page that renews itself, a prompt, no shell"""
    root = make_root("console", lab.conf("a", INSTANCE + "[access]\nconsole-password sesame\n"))
    node = start(root)
    children_had(root)
    tap.until(lambda: os.path.exists(os.path.join(root, "run", "had.sock")), SECONDS, "had's socket")
    t = Terminal("--root", root)
    t.until(r"duet-a, node a")
    t.until(r"duet> $")
    tap.ok(True, "status page and prompt come up")
    page = t.raw.split(b"\x1b[H")[1].decode(errors="replace")
    lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", page).split("\r\n")
    tap.ok(len(lines) <= 24 and max(map(len, lines)) <= 80, "the page fits 80 columns and 24 lines")
    mark = len(t.raw)
    t.until(r"duet-a, node a", mark)
    tap.ok(True, "it renews itself while nobody types")
    mark = t.type("hactl status\r")
    t.until(r"hactl status\s+duet-a, node a", mark)
    tap.ok(True, "a verb with hactl in front works")
    mark = t.type("hist\x7f\x7f\x7f\x7fversion\r")
    t.until(r"version\s+\S+", mark)
    tap.ok(True, "and one without, after backspaces")
    mark = t.type("xyz\x03")
    t.until(r"\^C\s+duet> $", mark)
    tap.ok(alive(t.pid), "Ctrl-C forgets the line and ends nothing")
    mark = t.type("config show\r")
    t.until(r"secret \(not shown\)", mark)
    shown = t.screen(mark)
    tap.ok("5a5a" not in shown and "sesame" not in shown and "vip 10.77.0.10/24" in shown, "config show keeps the secrets")
    mark = t.type("log node\r")
    t.until(r"had runs as process", mark)
    tap.ok(True, "log shows a log's end")
    mark = t.type("log ../../etc/passwd\r")
    t.until(r"there is no log", mark)
    tap.ok("root:" not in t.screen(mark), "and only logs")
    mark = t.type("poweroff\r")
    t.until(r"is a process", mark)
    tap.ok(True, "poweroff is refused where the node is a process")
    mark = t.type("sh; /bin/sh\r")
    t.until(r"duet> $", mark)
    tap.ok("hactl" in t.screen(mark), "what is no verb is hactl's to refuse, never a shell's")
    t.type("\x04")
    t.ended()
    tap.ok(True, "Ctrl-D on an empty line leaves")
    p = subprocess.run([tap.DUET, "console", "--root", root, "-c", "hactl status"], capture_output=True, text=True)
    tap.ok("duet-a, node a" in p.stdout, "one command as SSH gives it")
    p = subprocess.run([tap.DUET, "console", "--root", root], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    tap.ok(p.returncode == 1 and "terminal" in p.stderr, "without a terminal it says so")
    login_test(root)
    node.terminate()
    node.wait(SECONDS)
    t = Terminal("--root", root)
    t.until(r"end of had's log:\s+\S+Z had ")
    tap.ok(True, "without had the page shows the end of its log")
    t.type("exit\r")
    t.ended()


def login_test(root):
    t = Terminal("--root", root, "--login")
    t.until(r"Password: ")
    mark = t.type("wrong\n")
    t.until(r"not the console password", mark)
    t.until(r"Password: $", mark)
    tap.ok("wrong" not in t.screen(mark).replace("wrong password", ""), "a wrong password is not shown and not let in")
    mark = t.type("sesame\n")
    t.until(r"duet-a, node a", mark)
    tap.ok(True, "the right one is let in")
    mark = t.type("exit\r")
    t.ended()


if os.geteuid() != 0:
    print("ok - network namespaces # SKIP needs root", flush=True)
    sys.exit(0)
work = tempfile.mkdtemp(prefix="duet-node-")
lab = netlab.Lab()
try:
    tap.main(test_life, test_killed, test_crash_loop, test_lapsed_vip, test_refusals, test_config, test_console)
finally:
    lab.close()
    shutil.rmtree(work, ignore_errors=True)
