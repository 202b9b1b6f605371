"""A file imported into a pair: refused on the slave, on both nodes afterwards; interrupted, it goes on at the new master."""

import os
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import pairlab  # noqa: E402
import servers  # noqa: E402
import tap  # noqa: E402

pair = None
COUNT = 60000


def contents(node):
    """Every key with its dump (of a hash, which has no order: its fields), through the control socket."""
    c = node.control()
    found = {}
    for db in (0, 2):
        c.execute_command("SELECT", db)
        for key in c.keys("*"):
            found[db, key] = c.hgetall(key) if c.type(key) == b"hash" else c.execute_command("DUMP", key)
    return found


def on_both_nodes():
    """an RDB file lies on both nodes when hactl says so; on the slave it is refused"""
    m = pair.settled()
    with tempfile.TemporaryDirectory(prefix="duet-import-") as d:
        with servers.Server("--save", "", command=[servers.REDIS_SERVER], directory=d) as r, r.connect() as c:
            for i in range(2000):
                c.cmd("SET", "s%d" % i, "value-%d" % i)
            c.cmd("HSET", "h", *sum([["f%d" % i, "value-%d" % i] for i in range(20000)], []))
            c.cmd("XADD", "x", "1-1", "a", "b")
            c.cmd("SAVE")
        path = os.path.join(d, "dump.rdb")
        p = m.other.hactl("import", path, check=False)
        tap.ok(p.returncode == 1 and "no master here" in p.stderr, "on the slave it is refused: %s" % p.stderr.strip())
        p = m.hactl("import", path, check=False)
        tap.ok(p.returncode == 0 and "2002 keys were imported" in p.stdout, "on the master it is taken: %s" % p.stderr)
        ours, theirs = contents(m), contents(m.other)
        tap.ok(len(ours) == 2002 and ours == theirs, "then the slave has all of it (%d, %d)" % (len(ours), len(theirs)))
        p = m.hactl("import", path, check=False)
        tap.ok(p.returncode == 1 and "--replace" in p.stderr, "what is there is not touched without being asked")


def goes_on_at_the_other():
    """the master dies in the middle of an append-only file: the same line on the other node goes on, every command counts once"""
    m = pair.settled()
    with tempfile.TemporaryDirectory(prefix="duet-import-") as d:
        path = os.path.join(d, "log")
        with open(path, "wb") as f:
            f.write(servers.encode("SELECT", 2) + b"".join(servers.encode("INCR", "n") for _ in range(COUNT)))
        command = ["nsenter", "--net=/run/netns/" + m.lab.names[m.name], tap.DUET, "hactl", "--root", m.root, "import", path, "--replace"]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        control = m.control()

        def offset():
            s = control.execute_command("DUET", "IMPORT", "STATUS")
            return int(dict(zip(s[::2], s[1::2]))[b"offset"])

        tap.until(lambda: offset() > 200000 or child.poll() is not None, 60, "the import is on its way", step_s=0.001)
        m.power_cut()
        child.kill()
        child.wait()
        second = m.other
        tap.until(second.serving, 30, "the other node serves")
        p = second.hactl("import", path, "--replace", check=False)
        tap.ok(p.returncode == 0 and "goes on" in p.stderr, "it goes on: %s" % p.stderr.strip()[-200:])
        c = second.control()
        c.execute_command("SELECT", 2)
        tap.equal(c.get("n"), b"%d" % COUNT, "every command counts once")
        m.power_on()
        pair.settled(second)
        tap.until(lambda: contents(m) == contents(second), 30, "both nodes hold the same again")
        tap.ok(contents(m) == contents(second), "both nodes hold the same again")
        tap.equal(second.client().set("k", "v"), True, "and clients write")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(on_both_nodes, goes_on_at_the_other)


main()
sys.exit(tap.done())
