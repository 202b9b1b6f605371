"""Faults of whole machines: the master frozen and thawed, its cables cut, its kernel hung until the watchdog resets it; a serial cable
between the two. (The power cut is in test_pair.py.) No two masters answer, no acknowledged write is lost."""

import os
import sys
import threading
import time

import redis

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import UP_S, pair, tap  # noqa: E402
from hang import hang  # noqa: E402
from qemu.pair import PORT, SERVICE, VIP, listen  # noqa: E402

# An emulated machine on a busy one stands still for longer than a real one may: it is outcomes that are asked for here.
TIMES = "[ha]\nbeat-ms 200\ndemote-time-ms 1500\ndead-time-ms 2200\ngrant-time-ms 4500\n"
TIMES += "hold-down-ms 0\n"  # the role moves more often here than the pair would let it


class Writer:
    """Writes numbered keys through the VIP, whatever happens, and keeps what was acknowledged."""

    def __init__(self, two, first):
        listener = listen(0)
        two.networks.forward(listener, VIP, PORT)
        self.port, self.number, self.acknowledged, self.halt = listener.getsockname()[1], first, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def client(self, timeout_s=3):
        return redis.Redis(port=self.port, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)

    def run(self):
        client = None
        while not self.halt.wait(0.01):
            try:
                client = client or self.client()
                client.set("fault:%d" % self.number, self.number)
                self.acknowledged.append((time.monotonic(), self.number))
            except redis.RedisError:
                client = None
            self.number += 1

    def wait_from(self, moment, what):
        return tap.until(lambda: next((at for at, _ in self.acknowledged if at > moment), None), UP_S, what)

    def stop(self):
        self.halt.set()
        self.thread.join(20)

    def missing(self):
        client, numbers = self.client(30), [n for _, n in self.acknowledged]
        return [n for n, v in zip(numbers, client.mget(["fault:%d" % n for n in numbers])) if v != str(n).encode()] if numbers else []


def settled(two):
    """The master, when the slave may take over from it: that it has all data is not enough."""
    tap.until(lambda: two.in_sync() and two.master(), UP_S, "the pair in sync, with one master", step_s=0.3)
    me = two.master()
    tap.until(lambda: on_console(two, me, "hactl status", r"takeover +automatic, on", 10), UP_S, "automatic takeover is on")
    return me


def is_master(two, me):
    role = two.ask("ROLE", address=SERVICE[me], timeout_s=2)
    return isinstance(role, list) and role[:1] == ["master"]


def on_console(two, me, line, wanted, limit_s=60):
    machine = two.machines[me]
    since = machine.output_bytes()
    machine.type(line + "\r")
    return machine.wait_output(wanted, limit_s, since)


def the_serial_cable(two, me):
    found = tap.until(lambda: on_console(two, me, "hactl status", r"serial both ways", 10), UP_S, "the serial path works both ways")
    tap.ok(found, "status: the serial cable between the machines works both ways")


def frozen(two, number):
    """The master stands still as a whole, and goes on when the other one serves."""
    old, new = settled(two), None
    new = "b" if old == "a" else "a"
    writer = Writer(two, number)
    writer.wait_from(0, "the first write")
    waiting = two.service(SERVICE[old])  # a client that is still connected to the old one
    tap.equal(waiting.ask("SET", "before", "1"), "OK", "a client of the master writes")
    moment = time.monotonic()
    two.machines[old].monitor("stop")
    again = writer.wait_from(moment + 0.2, "a write at the VIP while the master is frozen")
    tap.say("frozen master: %.2f s to the next write" % (again - moment))
    tap.ok(is_master(two, new), "frozen: the other machine is master")
    waiting.sock.settimeout(20)
    parts = b"*3\r\n$3\r\nSET\r\n$4\r\nlate\r\n$1\r\n1\r\n"
    waiting.sock.sendall(parts)  # it waits in the frozen machine
    two.machines[old].monitor("cont")
    try:
        answer = waiting.reply()
    except (OSError, ConnectionError):
        answer = "the connection ended"
    tap.ok(answer != "OK", "thawed: it does not answer one write: %s" % answer)
    waiting.close()
    tap.equal(two.ask("GET", "late"), None, "and the write was not made")
    tap.until(lambda: not is_master(two, old), UP_S, "the old master steps down")
    writer.stop()
    tap.ok(settled(two) == new, "thawed: it follows the new master")
    tap.equal(writer.missing(), [], "frozen: no acknowledged write is lost")


def cables_cut(two, number):
    """The master's cables are pulled: the crossover, the service cable."""
    for cards, moves in (((1,), False), ((0,), True)):
        old = settled(two)
        other = "b" if old == "a" else "a"
        name = " and ".join(("service", "crossover")[c] for c in cards)
        writer = Writer(two, number)
        number += 1000000
        writer.wait_from(0, "the first write")
        for card in cards:
            two.machines[old].monitor("set_link", name="net%d" % card, up=False)
        cut = time.monotonic()
        writer.wait_from(cut + 3, "a write with the %s cable cut" % name)
        tap.ok(is_master(two, other) == moves, "%s cut: %s" % (name, "the other machine is master" if moves else "the roles stay"))
        for card in cards:
            two.machines[old].monitor("set_link", name="net%d" % card, up=True)
        writer.stop()
        tap.ok(settled(two) == (other if moves else old), "%s: plugged in again, one master, in sync" % name)
        tap.equal(writer.missing(), [], "%s: no acknowledged write is lost" % name)


def hung(two, number):
    """The master's kernel locks up: the other one serves; the hardware watchdog resets the machine, which says so and follows."""
    old = settled(two)
    new = "b" if old == "a" else "a"
    machine, writer = two.machines[old], Writer(two, number)
    writer.wait_from(0, "the first write")
    since = machine.output_bytes()
    hang(machine)
    moment = time.monotonic()
    again = writer.wait_from(moment + 0.2, "a write at the VIP while the master hangs")
    tap.say("hung master: %.2f s to the next write" % (again - moment))
    tap.ok(is_master(two, new), "hung: the other machine is master")
    tap.ok(machine.wait_output(r"watchdog: .*resets after", UP_S, since), "hung: its watchdog resets it, and it boots")
    tap.ok(machine.wait_output(r"the last reset of this machine was the watchdog's", 10, since), "hung: the machine says why it was reset")
    writer.stop()
    tap.ok(settled(two) == new, "hung: it follows the new master")
    tap.equal(writer.missing(), [], "hung: no acknowledged write is lost")


def test_faults():
    """freeze and thaw, pulled cables, a kernel that hangs, a serial cable"""
    with pair(serial=True, more=TIMES) as two:
        two.start()
        tap.until(lambda: two.ask("PING", timeout_s=0.5) == "PONG", UP_S, "PONG at the VIP")
        the_serial_cable(two, settled(two))
        frozen(two, 1000000)
        cables_cut(two, 2000000)
        hung(two, 9000000)


tap.main(test_faults)
