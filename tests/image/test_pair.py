"""Two machines from the image, one by BIOS and one by UEFI: power cut, takeover, return, switchover, by a real client."""

import os
import sys
import threading
import time

import redis

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from lab import UP_S, pair, tap  # noqa: E402
from qemu.pair import PORT, VIP, listen  # noqa: E402

KEYS = 10000
BATCH = 100


class Service:
    """The VIP's Redis port on this host, as `make run` offers it."""

    def __init__(self, two, port=PORT):
        listener = listen(0)
        two.networks.forward(listener, VIP, port)
        self.port = listener.getsockname()[1]

    def client(self, timeout_s=3):
        return redis.Redis(port=self.port, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)


def value(number):
    return b"value-%d-" % number + b"v" * (number % 50)


def write_keys(client, first, last):
    for start in range(first, last, BATCH):
        pipe = client.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, last)):
            pipe.set("key:%d" % number, value(number))
        pipe.execute()


def missing(client, numbers):
    """Those of the numbers whose key has not the value that was acknowledged."""
    numbers, lost = list(numbers), []
    for start in range(0, len(numbers), 1000):
        part = numbers[start:start + 1000]
        got = client.mget(["key:%d" % n for n in part])
        lost += [n for n, v in zip(part, got) if v != value(n)]
    return lost


class Writer(threading.Thread):
    """Writes one key after the other, whatever happens, and notes which were acknowledged and when."""

    def __init__(self, service, first, timeout_s):
        super().__init__(daemon=True)
        self.service, self.number, self.acknowledged, self.halt = service, first, [], threading.Event()
        self.timeout_s, self.timeouts = timeout_s, 0  # requests that nobody ever answered or refused

    def run(self):
        client = None
        while not self.halt.is_set():
            try:
                client = client or self.service.client(self.timeout_s)
                client.set("key:%d" % self.number, value(self.number))
                self.acknowledged.append((time.monotonic(), self.number))
            except redis.RedisError as e:
                self.timeouts += isinstance(e, redis.TimeoutError)
                client = None
                time.sleep(0.01)
            self.number += 1

    def since(self, moment):
        return next((at for at, _ in self.acknowledged if at > moment), None)


def with_writer(service, first, during, timeout_s=3):
    """(the writer, the numbers acknowledged meanwhile, longest gap in s); during(writer) is what happens to it."""
    writer = Writer(service, first, timeout_s)
    writer.start()
    tap.until(lambda: writer.acknowledged, UP_S, "the first write of a new client")
    try:
        during(writer)
    finally:
        writer.halt.set()
        writer.join(timeout_s + 10)
    times = [at for at, _ in writer.acknowledged]
    gap = max((b - a for a, b in zip(times, times[1:])), default=0)
    return writer, [n for _, n in writer.acknowledged], gap


def start_pair(two):
    two.start()
    loaded = {}
    for me, machine in two.machines.items():
        if not tap.ok(machine.wait_output(r"slot a is loaded", UP_S), "%s: the %s loader starts slot a" % (me, machine.firmware)):
            raise RuntimeError("machine %s does not start" % me)
        loaded[me] = time.monotonic()
    tap.until(lambda: two.ask("PING", timeout_s=0.5) == "PONG", UP_S, "PONG at the VIP")
    tap.say("kernels started (%s) to PONG at the VIP: %.1f s" % (lab.accel(), time.monotonic() - max(loaded.values())))
    tap.until(two.in_sync, UP_S, "the pair in sync", step_s=0.2)
    tap.say("to the pair in sync: %.1f s" % (time.monotonic() - max(loaded.values())))
    tap.ok(two.master() in ("a", "b"), "exactly one machine is master")


def typed(machine, line, wanted):
    """What the console answers to a line; None when it is not what was wanted."""
    since = machine.output_bytes()
    machine.type(line + "\r")
    answer = machine.wait_output(wanted, 60, since)
    if not answer:
        tap.say("no answer to %s: %s" % (line, machine.output(since)[-800:]))
    return answer


def second_instance(two):
    """One more instance while the pair runs, made at the master's console."""
    machine = two.machines[two.master()]
    made = typed(machine, "hactl instance create shop --port 7003 --memory 64mb", r"(?:instance 1 shop serves at port 7003, in sync|hactl: ).*")
    tap.ok(made and made[0].startswith("instance 1"), "hactl instance create at the console: " + (made[0].strip() if made else ""))
    shop = Service(two, 7003)
    tap.until(lambda: shop.client().set("greeting", "hello"), UP_S, "a write to the new instance")
    tap.ok(True, "the new instance serves at the VIP")
    return shop


def went_back(two, service):
    """A set, back to it, and a copy of it: where the server is an unprivileged user and hactl is root."""
    machine = two.machines[two.master()]
    made = typed(machine, "hactl backup now 0", r"(0-\d{8}T\d{6}Z)|hactl: .*")
    if not tap.ok(made and made[1], "hactl backup now at the console: " + (made[0].strip() if made else "")):
        return
    ident = made[1]
    tap.ok(typed(machine, "hactl backup list", ident + r" +a b "), "the set stands on both machines")
    tap.ok(typed(machine, "hactl backup verify " + ident, r"good(?s:.*)good"), "and is good on both")
    service.client().set("after", "the set")
    back = typed(machine, "hactl rollback 0 --to %s --yes" % ident, r"The slave follows, in sync|hactl: .*")
    tap.ok(back and "in sync" in back[0], "hactl rollback: " + (back[0].strip() if back else ""))
    tap.equal(service.client().get("after"), None, "what was written behind the set is gone")
    copied = typed(machine, "hactl clone %s copy --port 7004 --memory 64mb" % ident, r"copy serves at port 7004.*|hactl: .*")
    tap.ok(copied and "serves" in copied[0], "hactl clone: " + (copied[0].strip() if copied else ""))
    tap.equal(Service(two, 7004).client(30).dbsize(), service.client(30).dbsize(), "the copy has as many keys")


def second_came_back(two, shop, old):
    """The machine that was off has the instance from its state partition, and from the slave what is in it."""
    tap.equal(shop.client().get("greeting"), b"hello", "the new instance has survived the power cut")
    tap.until(lambda: typed(two.machines[old], "hactl instance show shop", r"in sync +yes"), UP_S, "the new instance in sync", step_s=1)
    tap.ok(True, "the machine that comes back has it, in sync")


def power_cut(two, service, acknowledged):
    old = two.master()

    def cut(writer):
        moment = time.monotonic()
        two.machines[old].kill()
        again = tap.until(lambda: writer.since(moment + 0.05), UP_S, "a write after the power cut")
        tap.say("power cut of the master to the first write at the VIP: %.2f s" % (again - moment))
    _, more, _ = with_writer(service, KEYS * 10, cut)
    acknowledged.update(more)
    tap.ok(two.ask("ROLE")[0] == "master" and two.master() not in (None, old), "the other machine is master and has the VIP")
    tap.equal(missing(service.client(), acknowledged), [], "all %d acknowledged keys are there" % len(acknowledged))
    return old


def rejoin(two, service, old, acknowledged):
    write_keys(service.client(), KEYS, KEYS + 500)
    acknowledged.update(range(KEYS, KEYS + 500))
    tap.ok(True, "500 keys more are written while one machine is alone")
    two.start_machine(old)
    tap.until(two.in_sync, UP_S, "the machine is back and in sync", step_s=0.2)
    tap.ok(two.master() not in (None, old), "the machine that comes back is slave")
    slave = redis_at(two, old)
    tap.until(lambda: int(slave("DBSIZE")) >= len(acknowledged), UP_S, "the slave has all keys", step_s=0.2)
    tap.ok(True, "and has all keys")


def redis_at(two, me):
    from qemu.pair import SERVICE
    return lambda *words: two.ask(*words, address=SERVICE[me])


def switched(machine):
    """Asks on the console; a slave that came back a moment ago may not call itself in sync yet."""
    since = machine.output_bytes()
    machine.type("hactl switchover\r")
    answer = machine.wait_output(r"switched over.*|(?s:switchover: |switchover (aborted|taken back|ended)|error).*", 60, since)
    tap.say(answer[0].strip() if answer else "no answer to hactl switchover: %s" % machine.output(since)[-500:])
    return answer and answer[0].startswith("switched over")


def switchover(two, service, acknowledged):
    before = two.master()

    def ask_for_it(writer):
        tap.until(lambda: switched(two.machines[before]), UP_S, "a switchover that is not refused", step_s=1)
        tap.until(lambda: two.master() not in (None, before), UP_S, "the other machine is master", step_s=0.1)
        moment = time.monotonic()
        tap.until(lambda: writer.since(moment), UP_S, "a write after the switchover")
    writer, more, gap = with_writer(service, KEYS * 20, ask_for_it, timeout_s=30)
    acknowledged.update(more)
    tap.ok(True, "hactl switchover on the console moves the role")
    tap.equal(writer.timeouts, 0, "no client is left waiting for a master that is none any more")
    tap.say("longest pause of a client that writes, over the switchover: %.2f s" % gap)
    tap.until(two.in_sync, UP_S, "the pair in sync after the switchover", step_s=0.2)
    tap.equal(missing(service.client(), acknowledged), [], "all %d acknowledged keys are there" % len(acknowledged))


# What each machine is made of: (firmware, disk, network card). The long run adds the other combinations.
MACHINES = [(("bios", "virtio", "virtio-net-pci"), ("uefi", "ahci", "e1000e"))]
if tap.FULL:
    MACHINES += [(("uefi", "nvme", "virtio-net-pci"), ("bios", "ahci", "e1000")),
                 (("uefi", "virtio", "e1000e"), ("bios", "nvme", "e1000"))]


def life_of_a_pair(kinds):
    options = {me: dict(zip(("firmware", "disk_kind", "nic"), kind)) for me, kind in zip("ab", kinds)}
    with pair(options=options) as two:
        start_pair(two)
        service, acknowledged = Service(two), set(range(KEYS))
        began = time.monotonic()
        write_keys(service.client(), 0, KEYS)
        tap.say("%d keys in batches of %d: %.1f s" % (KEYS, BATCH, time.monotonic() - began))
        tap.ok(True, "%d keys are written through the VIP" % KEYS)
        shop = second_instance(two)
        went_back(two, service)
        old = power_cut(two, service, acknowledged)
        rejoin(two, service, old, acknowledged)
        second_came_back(two, shop, old)
        switchover(two, service, acknowledged)


def test_life_of_a_pair():
    """a pair from the image: keys, power cut, return, switchover"""
    for kinds in MACHINES:
        tap.say("a: %s; b: %s" % tuple(", ".join(kind) for kind in kinds))
        life_of_a_pair(kinds)


tap.main(test_life_of_a_pair)
