"""A pair for tests: nodes a and b in network namespaces, each a real `duet node` below a directory.

    with pairlab.Pair() as pair:            # both configured and started
        pair.settled()                      # one master, the other one in sync
        pair.master.power_cut()

The test's own process stands in the gateway's namespace, where clients live. Faults are real: links
go down, nft drops packets, processes get signals. Everything is removed at the end, also after a
failure or a signal."""

import atexit
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import redis  # noqa: E402
import tap  # noqa: E402

PORT = 6379
CLIENT = "10.77.0.2"
SETTLE_S = 30  # generous: the machine that runs tests may be slow
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
# A lab takes over more often in a minute than a pair in a year; who tests the rails says so in `extra`, which is read later.
WITHOUT_RAILS = "[ha]\nhold-down-ms 0\nbench-after 0\n"
LOSSES = (redis.exceptions.RedisError, OSError)


def enter(namespace):
    """Moves this thread (and the threads it starts later) into a network namespace."""
    fd = os.open("/run/netns/" + namespace, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.setns(fd, CLONE_NEWNET)
    os.close(fd)
    if failed:
        raise OSError(ctypes.get_errno(), "setns " + namespace)


class Node:
    """One machine: a directory, a namespace, and what runs in it."""

    def __init__(self, pair, name):
        self.pair, self.name, self.lab = pair, name, pair.lab
        self.other_name = "b" if name == "a" else "a"
        self.root = os.path.join(pair.work, name)
        self.address = netlab.SERVICE[name]
        self.process, self.binary, self.environment = None, tap.DUET, {}
        os.makedirs(os.path.join(self.root, "etc"))
        self.configure()

    @property
    def other(self):
        return self.pair.nodes[self.other_name]

    def configure(self):
        extra = self.pair.extra  # lines for both, or a function of the node's name
        conf = self.lab.conf(self.name, WITHOUT_RAILS + "[instance 0]\nport %d\nmemory 256mb\npassword none\ndurability %s\n" % (PORT, self.pair.durability)
                             + (extra(self.name) if callable(extra) else extra), self.pair.network.get(self.name, ""))
        with open(os.path.join(self.root, "etc", "duet.conf"), "w") as f:
            f.write(conf)

    # ---- power ----

    def power_on(self):
        """A machine that boots: nothing of the kernel's state is left, the directory is."""
        for iface in ("eth0", "eth1"):
            self.lab.ip(self.name, "addr", "flush", "dev", iface, check=False)
        self.lab.ns(self.name, "nft", "flush", "ruleset")
        self.lab.ip(self.name, "link", "set", "lo", "up")
        run = os.path.join(self.root, "run")
        shutil.rmtree(run, ignore_errors=True)
        log = open(os.path.join(self.root, "node.log"), "ab")
        self.process = self.lab.spawn(self.name, self.binary, "node", "--root", self.root, stdin=subprocess.DEVNULL,
                                      env=dict(os.environ, **self.environment), stdout=log, stderr=log, start_new_session=True, preexec_fn=end_with_parent)
        log.close()

    def power_cut(self):
        """All links and all processes gone at one instant; the instant."""
        self.links("down")
        cut = time.monotonic()
        self.kill_all()
        return cut

    def kill_all(self):
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if self.process:
                self.process.poll()
            time.sleep(0.005)

    def pids(self, applet=None):
        """Processes in the node's namespace; those of one applet. Never anybody else's."""
        found = []
        for word in self.lab.ns_pids(self.name):
            try:
                with open("/proc/%s/cmdline" % word, "rb") as f:
                    argv = f.read().split(b"\0")
                with open("/proc/%s/stat" % word) as f:
                    state = f.read().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if state in "ZX":
                continue
            names = [os.path.basename(w).decode(errors="replace") for w in argv[:2]]
            if applet is None or applet in names:
                found.append(int(word))
        return found

    def pid(self, applet):
        """The one process of an applet, once it runs."""
        return tap.until(lambda: self.pids(applet), SETTLE_S, "a process of %s on %s" % (applet, self.name))[0]

    def signal(self, applet, signo):
        pid = self.pid(applet)
        os.kill(pid, signo)
        return pid

    def links(self, state):
        self.lab.ip(self.name, "-batch", "-", input="link set eth0 %s\nlink set eth1 %s\n" % (state, state))

    def drop(self, *rules):
        """What the node drops on its way in, as nft matches; None: nothing any more."""
        self.lab.ns(self.name, "nft", "delete", "table", "inet", "fault", check=False)
        if rules == (None,):
            return
        text = "table inet fault {\n chain in {\n type filter hook prerouting priority -400;\n%s }\n}\n"
        self.lab.ns(self.name, "nft", "-f", "-", input=text % "".join(" %s drop\n" % r for r in rules))

    def mac(self, iface):
        return self.lab.mac(self.name, iface)

    # ---- what an operator and a client see ----

    def hactl(self, *argv, check=True, **kw):
        """Typed on the node: in its namespace, where the other node can be reached."""
        kw.setdefault("stdin", subprocess.DEVNULL if "input" not in kw else None)
        if kw["stdin"] is None:
            del kw["stdin"]
        kw.setdefault("text", True)
        p = subprocess.run(["nsenter", "--net=/run/netns/" + self.lab.names[self.name], tap.DUET, "hactl", "--root", self.root, *argv],
                           capture_output=True, **kw)
        if check and p.returncode != 0:
            raise RuntimeError("hactl %s on %s: exit %d: %s%s" % (" ".join(argv), self.name, p.returncode, p.stdout, p.stderr))
        return p

    def status(self):
        return json.loads(self.hactl("--json", "status").stdout)

    def state(self):
        try:
            return self.status()["node"]["state"]
        except (RuntimeError, ValueError, KeyError):
            return "down"

    def serving(self):
        try:
            return self.status()["node"]["serving"]
        except (RuntimeError, ValueError, KeyError):
            return False

    def events(self):
        return json.loads(self.hactl("--json", "history", "256").stdout).get("events", [])

    def last_event(self):
        return max((e["number"] for e in self.events()), default=0)

    def role_changes(self, since=0):
        """Sentences of the node's history about roles, after the event of that number."""
        kinds = ("role.changed", "takeover", "handover", "lease.lost")
        return [e["text"] for e in self.events() if e["kind"] in kinds and e["number"] > since]

    def client(self, **kw):
        """A client at the node's own address."""
        return redis.Redis(host=self.address, port=PORT, socket_timeout=1, socket_connect_timeout=0.5, **kw)

    def control(self):
        """A client at the server's control socket, as had is one: answered without a lease and in every role."""
        return redis.Redis(unix_socket_path=os.path.join(self.root, "run", "control-0.sock"), socket_timeout=2)

    def log_tail(self, lines=80):
        """The ends of all logs of this node, had's longer."""
        disk = os.path.join(self.root, "data.disk")  # of a disk that may hang (faultdisk.py)
        texts, folder = [], os.path.join(disk if os.path.isdir(disk) else os.path.join(self.root, "data"), "log")
        paths = [os.path.join(self.root, "node.log")]
        if os.path.isdir(folder):
            paths = [os.path.join(folder, f) for f in sorted(os.listdir(folder))]
        for path in paths:
            with open(path, errors="replace") as f:
                texts.append("---- %s of node %s\n%s" % (os.path.basename(path), self.name, "".join(f.readlines()[-lines:])))
        return "\n".join(texts)


def clear_left_behind():
    """Namespaces of tests that were killed: their names carry the process id of a process that is gone."""
    for line in netlab.run("ip", "netns", "list").stdout.splitlines():
        m = re.match(r"duet(\d+)[a-z]\b", line)
        if m and not os.path.exists("/proc/" + m.group(1)):
            netlab.run("ip", "netns", "del", line.split()[0], check=False)


def end_with_parent():
    """In a child before it becomes another program: a test that is killed takes its nodes with it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Lab(netlab.Lab):
    """Clients have an address of their own beside the gateway's, so that the gateway can die alone."""

    def build(self):
        clear_left_behind()
        super().build()
        self.ip("g", "addr", "add", CLIENT + "/24", "dev", "br0")
        self.ip("g", "route", "replace", "10.77.0.0/24", "dev", "br0", "src", CLIENT)

    def mac(self, node, iface):
        return json.loads(self.ip(node, "-j", "link", "show", iface).stdout)[0]["address"]

    def gateway(self, state):
        """The gateway's address answers (up) or is silent (down)."""
        self.ns("g", "nft", "delete", "table", "netdev", "gateway", check=False)
        if state == "down":
            self.ns("g", "nft", "-f", "-", input="table netdev gateway {\n%s}\n" % "".join(
                " chain %s {\n type filter hook ingress device to%s priority 0;\n arp daddr ip %s drop\n ip daddr %s icmp type echo-request drop\n }\n"
                % (n, n, netlab.GATEWAY, netlab.GATEWAY) for n in "ab"))

    def ns_pids(self, node):
        return netlab.run("ip", "netns", "pids", self.names[node]).stdout.split()

    def crossover(self, state):
        """The crossover cable, unplugged ("down") or plugged in ("up"): at b's end, so that a keeps its address."""
        self.ip("b", "link", "set", "eth1", state)

    def service(self, node, state):
        """A node's service cable at the switch."""
        self.ip("g", "link", "set", "to" + node, state)

    def isolate(self, node, state):
        """Both cables of a node at one instant, at their far ends: the node keeps its addresses."""
        other = "b" if node == "a" else "a"
        ends = [("g", "to" + node), (other, "eth1")]
        started = [subprocess.Popen(["ip", "-n", self.names[n], "link", "set", i, state]) for n, i in ends]
        for p in started:
            p.wait()


class Pair:
    """Both nodes, the switch with the gateway and the clients."""

    durability = "pair"

    def __init__(self, extra="", network=None, lab=None, before=None):
        """extra: more lines of [instance 0]. lab: another class of lab than Lab. before(pair): before anything runs."""
        self.extra, self.network, self.closed, self.on_close = extra, network or {}, False, []
        self.work = tempfile.mkdtemp(prefix="duet-pair-")
        atexit.register(self.close)
        for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signo, lambda n, frame: sys.exit(128 + n))
        self.lab = (lab or Lab)()
        try:
            enter(self.lab.names["g"])
            self.nodes = {n: Node(self, n) for n in "ab"}
            self.a, self.b = self.nodes["a"], self.nodes["b"]
            if before:
                before(self)
            for n in self.nodes.values():
                n.power_on()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None or tap.counts["not ok"]:
            self.show()
        self.close()

    def close(self, show=False):
        if self.closed:
            return
        self.closed = True
        for end in self.on_close:  # first what processes may hang on
            end()
        if show:
            self.show()
        for n in getattr(self, "nodes", {}).values():
            n.kill_all()
        self.lab.close()
        keep = os.environ.get("DUET_KEEP")
        if not keep:
            shutil.rmtree(self.work, ignore_errors=True)
        else:
            tap.say("kept: " + self.work)

    def show(self):
        """What a failure needs: the logs."""
        for n in self.nodes.values():
            tap.say(n.log_tail())

    # ---- roles ----

    @property
    def master(self):
        """The node that serves now; waits for one."""
        return tap.until(lambda: next((n for n in self.nodes.values() if n.serving()), None), SETTLE_S, "one node serves")

    def is_settled(self):
        serving = [n for n in self.nodes.values() if n.serving()]
        if len(serving) != 1:
            return None
        m = serving[0]
        s, t = m.status(), m.other.status()
        good = (s["sync"]["in_sync"] and t["sync"]["in_sync"] and t["node"]["state"] == "slave" and s["node"]["vip"]
                and s["takeover"]["on"] and s["node"]["epoch"] == t["node"]["epoch"])
        return m if good else None

    def settled(self, master=None):
        """Waits until one serves, the other one is in sync, and automatic takeover is on."""
        what = "the pair is settled" + (" with %s as master" % master.name if master else "")
        m = tap.until(lambda: (lambda m: m if m and master in (None, m) else None)(self.is_settled()), SETTLE_S, what, 0.05)
        return m

    # ---- clients ----

    def client(self, **kw):
        """A client at the VIP."""
        options = dict(socket_timeout=1, socket_connect_timeout=0.2)
        options.update(kw)
        return redis.Redis(host=netlab.VIP, port=PORT, **options)

    def writes_work(self, limit_s=SETTLE_S):
        """Waits for the first write through the VIP that succeeds; when it did."""
        def once():
            c = self.client(socket_timeout=0.15, socket_connect_timeout=0.05)
            try:
                c.set("probe", str(time.monotonic()))
                return time.monotonic()
            finally:
                c.close()
        return tap.until(once, limit_s, "a write through the VIP", 0.005)


class Writer:
    """Writes numbered keys until stopped, and remembers what was acknowledged and when.

    at: None for the VIP, else a node: then the writer stands on that node, so that it reaches its
    server with all cables cut."""

    def __init__(self, pair, prefix, at=None):
        self.pair, self.prefix, self.at = pair, prefix, at
        self.acked, self.times, self.errors = {}, [], 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def connect(self):
        host = self.at.address if self.at else netlab.VIP
        return redis.Redis(host=host, port=PORT, socket_timeout=0.5, socket_connect_timeout=0.1)

    def run(self):
        if self.at:
            enter(self.pair.lab.names[self.at.name])
        c, n = self.connect(), 0
        while not self.stopping.is_set():
            n += 1
            sent = time.monotonic()
            try:
                c.set("%s:%d" % (self.prefix, n), n)
                self.acked[n] = True
                self.times.append((sent, time.monotonic()))
            except LOSSES:
                self.errors += 1
                c.close()
                c = self.connect()
            self.stopping.wait(0.002)
        c.close()

    def wait_for(self, count, limit_s=SETTLE_S):
        """Until so many more writes were acknowledged."""
        want = len(self.times) + count
        tap.until(lambda: len(self.times) >= want, limit_s, "%d more writes of %s" % (count, self.prefix), 0.01)

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def gap_ms(self):
        """The longest time without an acknowledgement."""
        ends = [t[1] for t in self.times]
        return max((b - a for a, b in zip(ends, ends[1:])), default=0) * 1000

    def missing(self, client):
        """Acknowledged keys that the client does not find with their value."""
        numbers, lost = sorted(self.acked), []
        for i in range(0, len(numbers), 1000):
            part = numbers[i:i + 1000]
            values = client.mget(["%s:%d" % (self.prefix, n) for n in part])
            lost += [n for n, v in zip(part, values) if v != str(n).encode()]
        return lost


class Pusher:
    """Sends one write after the other to a node's own address, on that node, and waits for no reply."""

    def __init__(self, pair, prefix, at):
        self.pair, self.prefix, self.at = pair, prefix, at
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        enter(self.pair.lab.names[self.at.name])
        s, n = socket.create_connection((self.at.address, PORT), timeout=5), 0
        while not self.stopping.wait(0.002):
            n += 1
            key = "%s:%d" % (self.prefix, n)
            try:
                s.sendall(("*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\n1\r\n" % (len(key), key)).encode())
            except OSError:
                break
        s.close()

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Watch:
    """When a server's dataset grew: its number of keys, asked every few ms over the control socket."""

    def __init__(self, node):
        self.node, self.changed, self.keys = node, [], None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        c = self.node.control()
        while not self.stopping.wait(0.003):
            try:
                flat = c.execute_command("DUET", "STATUS")
            except LOSSES:
                continue
            keys = int(dict(zip(flat[::2], flat[1::2]))[b"keys"])
            if keys != self.keys:
                self.changed.append(time.monotonic())
                self.keys = keys
        c.close()


    def stop(self):
        self.stopping.set()
        self.thread.join()


def run(*tests):
    """Runs tests one after the other on one pair (ten times in the long run); what one raises is a failed line with its first
    doc line, and the rest, which stand on it, are not run. DUET_ONLY: only tests whose name holds this."""
    only = os.environ.get("DUET_ONLY", "")
    for test in tests * (10 if os.environ.get("DUET_FULL") == "1" else 1):
        if only not in test.__name__:
            continue
        tap.say("%s: %s" % (test.__name__, test.__doc__.splitlines()[0]))
        try:
            test()
        except Exception:  # noqa: BLE001
            tap.ok(False, test.__doc__.splitlines()[0])
            tap.say(traceback.format_exc())
            break
