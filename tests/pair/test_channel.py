"""The channel between the two nodes' tools: hactl --peer over the cable, over the network, and who is refused."""

import hashlib
import hmac
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

PORT = 7800
SECRET = bytes.fromhex("5a" * 32)
pair = None


def log_of(node):
    with open(os.path.join(node.root, "data", "log", "steward.log"), errors="replace") as f:
        return f.read()


def logged(node, text, what):
    try:
        tap.until(lambda: text in log_of(node), 10, text)
        tap.ok(True, what)
    except TimeoutError:
        tap.ok(False, what)
        tap.say(log_of(node))


def inside(node, fn):
    """fn() in a thread that stands in the node's namespace."""
    out = []

    def run():
        pairlab.enter(pair.lab.names[node.name])
        try:
            out.append(fn())
        except OSError as e:
            out.append(e)
    t = threading.Thread(target=run)
    t.start()
    t.join(60)
    return out[0]


def verbs_run_there():
    """a verb runs on the other node"""
    m = pair.settled()
    here, there = m, m.other
    p = here.hactl("--peer", "--json", "status")
    tap.ok('"letter": "%s"' % there.name in p.stdout.split("peer")[0], "hactl --peer status is the other node's status")
    p = here.hactl("--peer", "check", check=False)
    tap.equal((p.returncode, p.stdout), (there.hactl("check", check=False).returncode, there.hactl("check").stdout), "output and exit status are carried over")
    p = here.hactl("--peer", "maintenance", "perhaps", check=False)
    tap.equal((p.returncode, "not 'perhaps'" in p.stderr), (2, True), "standard error and an exit status that is not 0, too")
    p = here.hactl("--peer", "promote", "--force", check=False)
    tap.equal((p.returncode, "not by way of the other node" in p.stderr), (2, True), "a verb that is not on the list is refused here")


def over_either_path():
    """the crossover first, then the service network"""
    m = pair.settled()
    at = m.name
    pair.lab.crossover("down")
    p = m.hactl("--peer", "version")
    tap.ok(p.stdout.startswith("duet "), "with the cable out it goes over the service network")
    logged(m.other, "(service) runs 'version'", "the other node's log says so")
    pair.lab.crossover("up")
    pair.lab.service(at, "down")
    p = tap.until(lambda: m.hactl("--peer", "version"), 20, "the channel over the cable")
    tap.ok(p.stdout.startswith("duet "), "without the service network it goes over the cable")
    pair.lab.service(at, "up")
    pair.settled()


def unreachable():
    """the other node is off"""
    m = pair.settled()
    m.other.power_cut()
    p = m.hactl("--peer", "status", check=False)
    tap.equal((p.returncode, "cannot be reached: crossover: " in p.stderr), (5, True), "hactl says that it cannot be reached, status 5")
    m.other.power_on()
    pair.settled()


def client_hello(node, nonce=b"n" * 32, pair_id=77):
    return b"DUETCH1\0" + pair_id.to_bytes(2, "big") + bytes([node]) + bytes(5) + nonce


def answer_to(address, data, then=None, source=None):
    """What the steward at the address sends to these bytes until it closes; then: what follows its hello."""
    s = socket.create_connection((address, PORT), timeout=20, source_address=(source, 0) if source else None)
    got = b""
    try:
        s.sendall(data)
        while True:
            part = s.recv(65536)
            if not part:
                return got
            got += part
            if then and len(got) == 48:
                s.sendall(then(got))
                then = None
    except ConnectionResetError:
        return got
    finally:
        s.close()


def prove(secret, who, hello, server_hello):
    return hmac.new(secret, who.ljust(16, b"\0") + hello + server_hello, hashlib.sha256).digest()


def frame(key, number, kind, payload):
    head = bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + number.to_bytes(8, "big")
    return head + payload + hmac.new(key, head + payload, hashlib.sha256).digest()


def strangers():
    """who is not the other node is refused, and logged"""
    m = pair.settled()
    other = m.other
    tap.equal(answer_to(other.address, client_hello(0)), b"", "an address that is not the other node's gets not one byte")
    logged(other, "was refused: that is not the other node's address", "and stands in the log")
    me = {"a": 0, "b": 1}[m.name]
    hello, cross = client_hello(me), netlab.CROSSOVER[other.name]

    def try_it(data, then=None):
        return inside(m, lambda: answer_to(cross, data, then))
    tap.equal(try_it(b"GET / HTTP/1.0\r\n\r\n" + bytes(48)), b"", "other languages get not one byte")
    logged(other, "was refused: it does not speak the channel's language", "and are logged")
    got = try_it(hello, lambda theirs: prove(b"x" * 32, b"client's proof", hello, theirs))
    tap.equal(len(got), 48, "who does not know the secret gets a greeting and nothing more")
    logged(other, "was refused: it does not know the pair's secret", "and is logged")
    tap.equal(try_it(client_hello(1 - me)), b"", "nobody can pose as the node itself")
    tap.equal(try_it(client_hello(me, pair_id=78)), b"", "nor come from another pair")

    def replay(number):
        def then(theirs):
            key = prove(SECRET, b"client's frames", hello, theirs)
            run = frame(key, 0, 1, b"version\0")
            return prove(SECRET, b"client's proof", hello, theirs) + run + frame(key, number, 2, b"")
        return then
    got = try_it(hello, replay(1))
    tap.ok(b"duet " in got, "the test's own client is understood")
    got = try_it(hello, replay(0))
    logged(other, "a frame comes again, or one is missing", "a frame that comes again ends the connection")
    tap.equal(answer_of_silence(m, cross), b"", "who says nothing is dropped after a while")


def answer_of_silence(m, cross):
    return inside(m, lambda: answer_to(cross, b"DUET"))


def crowded():
    """many connections at once"""
    m = pair.settled()
    cross = netlab.CROSSOVER[m.other.name]

    def crowd():
        held = [socket.create_connection((cross, PORT), timeout=5) for _ in range(30)]
        closed = 0
        for s in held[8:]:
            try:
                closed += s.recv(1) == b""
            except ConnectionResetError:
                closed += 1
        for s in held:
            s.close()
        return closed
    tap.equal(inside(m, crowd), 22, "of thirty silent connections eight are kept, the others are closed at once")
    tap.until(lambda: m.hactl("--peer", "version"), 20, "the channel works again")
    tap.ok(True, "afterwards the channel works as before")


def ends_with_the_connection():
    """a verb ends when the one who asked is gone"""
    m = pair.settled()
    before = set(m.other.pids("hactl"))
    # It waits for an archive on its standard input, which does not come.
    asked = subprocess.Popen(["nsenter", "--net=/run/netns/" + pair.lab.names[m.name], tap.DUET, "hactl", "--root", m.root, "--peer", "backup", "import", "-"],
                             stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = tap.until(lambda: set(m.other.pids("hactl")) - before, 10, "the verb runs on the other node")
    asked.kill()
    asked.wait()
    tap.until(lambda: not set(m.other.pids("hactl")) & started, 10, "the verb has ended")
    tap.ok(True, "the verb on the other node ends with the connection")


def steward_dies():
    """the steward is killed"""
    m = pair.settled()
    old = m.other.pid("steward")
    os.kill(old, 9)
    tap.until(lambda: m.hactl("--peer", "version"), 20, "the channel after the steward was killed")
    tap.ok(m.other.pid("steward") != old, "it is started again, and nobody's role changes")
    tap.ok(pair.is_settled() is m or pair.settled() is m, "the pair is as it was")


def main():
    global pair
    with pairlab.Pair() as pair:
        pairlab.run(verbs_run_there, over_either_path, unreachable, strangers, crowded, ends_with_the_connection, steward_dies)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
