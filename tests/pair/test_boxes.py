"""Whole machines and their processes: FAULTS 12, 13, 55, 58, 59, 60, 61, 64, 78, 81."""

import os
import shutil
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402
import wirelab  # noqa: E402
from story import Story, comes, same_data, stays, tell  # noqa: E402

STALL_S = 30 if tap.FULL else 3
CONNECTIONS = 8000 if tap.FULL else 2000
SLOW_SCRIPT = "local n = 0 for i = 1, %d do n = n + i end return n" % (1000000000 if tap.FULL else 200000000)


def fault_12_a_script_runs_for_seconds(pair):
    """12: a script keeps the master's executor for seconds: busy is not dead, nobody takes over"""
    with Story(pair, 12) as s:
        with pair.client(socket_timeout=120) as c:
            c.eval(SLOW_SCRIPT, 0)
        s.goes_on()
        s.ok([e for e in s.old.control().slowlog_get() if e["command"].startswith(b"EVAL")], "the slow command is in the slow log")
        s.settled(s.old)
        s.unmoved()


def fault_12_a_save_and_a_rewrite(pair):
    """12: SAVE, BGSAVE and a rewrite of the log on the master: nobody takes over"""
    with Story(pair, 12) as s:
        c = s.old.control()
        for command in ("SAVE", "BGREWRITEAOF"):
            c.execute_command(command)
            s.goes_on(20)
        s.settled(s.old)
        s.unmoved()


def fault_13_the_memory_limit(pair):
    """13: the master's memory limit is reached: writes are refused with a reason, nobody takes over"""
    with Story(pair, 13) as s:
        c = s.old.control()
        used = int(c.info("memory")["used_memory"])
        c.config_set("maxmemory", used + (1 << 20))
        refused = ""
        with pair.client(socket_timeout=10) as big:
            for n in range(64):
                try:
                    big.set("big:%d" % n, "x" * 100000)
                except pairlab.redis.exceptions.ResponseError as e:
                    refused = str(e)
                    break
        s.ok("maxmemory" in refused, "a write is refused with a reason: %s" % refused)
        s.ok(s.old.serving(), "the master serves on")
        c.config_set("maxmemory", 256 << 20)
        s.goes_on()
        s.unmoved()


MEMORY_GROUPS = "/sys/fs/cgroup/memory"


class LittleMemory:
    """A process that the kernel's OOM killer ends when it takes so much more memory; where there are no memory groups, a signal does."""

    def __init__(self, pid, limit_bytes):
        self.pid, self.folder = pid, os.path.join(MEMORY_GROUPS, "duet%d" % os.getpid())
        self.real = os.access(os.path.join(MEMORY_GROUPS, "memory.limit_in_bytes"), os.W_OK)
        if self.real:
            os.makedirs(self.folder, exist_ok=True)
            for name, value in (("memory.limit_in_bytes", limit_bytes), ("cgroup.procs", pid)):
                with open(os.path.join(self.folder, name), "w") as f:
                    f.write(str(value))

    def is_used_up(self, client):
        """Writes until the process is gone."""
        for n in range(200):
            if not os.path.exists("/proc/%d" % self.pid):
                return True
            try:
                client.set("fat:%d" % (n % 60), os.urandom(1 << 20)) if self.real else os.kill(self.pid, signal.SIGKILL)
            except pairlab.LOSSES:
                pass
        return False

    def close(self):
        if self.real:
            comes(lambda: os.rmdir(self.folder) is None, "the memory group is empty", 20)


def fault_13_the_kernel_ends_the_server(pair):
    """13: the kernel ends the master's server for want of memory: handled as its death"""
    with Story(pair, 13) as s:
        little = LittleMemory(s.old.pid("server"), 24 << 20)
        with s.old.client() as c:
            s.ok(little.is_used_up(c), "the kernel ended it" if little.real else "it was killed (there are no memory groups here)")
        s.takes_over(s.new)
        little.close()
        s.settled(s.new)


def fault_55_both_machines_stand_still(pair):
    """55: both machines stand still for seconds (a paused hypervisor): each notices its own gap, one serves afterwards"""
    with Story(pair, 55) as s:
        pids = [p for n in pair.nodes.values() for p in n.pids()]
        for p in pids:
            os.kill(p, signal.SIGSTOP)
        stays(lambda: True, STALL_S)
        for p in pids:
            os.kill(p, signal.SIGCONT)
        s.settled()


def fault_55_the_master_stands_still(pair):
    """55: the master alone stands still for seconds: the slave takes over, the other one steps down before it writes"""
    with Story(pair, 55) as s:
        pids = s.old.pids()
        for p in pids:
            os.kill(p, signal.SIGSTOP)
        comes(s.new.serving, "the slave serves")
        stays(lambda: True, STALL_S)
        for p in pids:
            os.kill(p, signal.SIGCONT)
        s.settled(s.new)


def slow_copy(pair, s):
    """The slave returns without data, over cables on which its copy takes a while; waits until the copy is under way."""
    with pair.client(socket_timeout=30) as c:
        p = c.pipeline(transaction=False)
        for n in range(200):
            p.set("bulk:%d" % n, os.urandom(20000))
        p.execute()
    s.new.power_cut()
    shutil.rmtree(os.path.join(s.new.root, "data", "instance-0"))
    pair.lab.every(rate=4e5)
    s.new.power_on()
    comes(lambda: "complete" in s.new.status()["node"]["waiting_for"] or "copy" in s.new.status()["node"]["waiting_for"], "the copy is under way")


def fault_58_the_master_dies_during_a_full_copy(pair):
    """58: the master dies while the slave receives its first copy: the slave must not promote, serves nothing, and says why"""
    with Story(pair, 58) as s:
        slow_copy(pair, s)
        s.old.power_cut()
        s.ok(stays(lambda: not s.new.serving(), 2), "the incomplete slave does not promote")
        s.ok(comes(lambda: s.new.status()["node"]["waiting_for"], "a reason"), "it says what it waits for: %s" % s.new.status()["node"]["waiting_for"])
        pair.lab.clear()
        s.old.power_on()
        s.settled(s.old)


def fault_59_the_cable_is_cut_during_a_full_copy(pair):
    """59: the crossover is cut during a full copy: it goes on over the service network"""
    with Story(pair, 59) as s:
        slow_copy(pair, s)
        pair.lab.crossover("down")
        pair.lab.clear()
        comes(lambda: s.new.status()["sync"]["in_sync"], "in sync over the other path")
        s.ok(s.new.status()["sync"]["path"] == "service", "the copy was made over the service network")
        pair.lab.crossover("up")
        s.settled(s.old)
        s.ok(s.old.status()["node"]["epoch"] == s.epoch, "in the same epoch")


def fault_59_the_slave_dies_during_a_full_copy(pair):
    """59: the slave dies during its full copy: it begins again, the master goes on"""
    with Story(pair, 59) as s:
        slow_copy(pair, s)
        s.new.power_cut()
        pair.lab.clear()
        s.goes_on()
        s.new.power_on()
        s.settled(s.old)


def fault_60_the_new_master_dies_at_once(pair):
    """60: the new master dies in its first second, as the old one returns: bounded, by the same rules, nothing lost"""
    with Story(pair, 60) as s:
        s.old.power_cut()
        s.takes_over(s.new)
        s.new.power_cut()
        s.old.power_on()
        s.ok(stays(lambda: not s.old.serving(), 2), "the old one, which lacks what the new one acknowledged, does not serve")
        s.new.power_on()
        s.settled(s.new)


def fault_61_both_boot_at_once(pair):
    """61: both boot at the same instant with the same data: one master, one VIP"""
    with Story(pair, 61) as s:
        s.stop()
        comes(lambda: pair.is_settled(), "quiet")
        for n in pair.nodes.values():
            n.power_cut()
        for n in pair.nodes.values():
            n.power_on()
        master = s.settled()
        shown = [n.name for n in pair.nodes.values() if netlab.VIP in pair.lab.ip(n.name, "addr", "show", "eth0").stdout]
        s.ok(shown == [master.name], "the VIP stands on the master alone")


def fault_78_a_stampede(pair):
    """78: thousands of connections, and all of them again after a takeover: heartbeats, hactl and clients get on"""
    with Story(pair, 78) as s:
        def herd():
            found = []
            for _ in range(CONNECTIONS):
                c = socket.socket()
                c.setblocking(False)
                c.connect_ex((netlab.VIP, pairlab.PORT))
                found.append(c)
            return found
        first = herd()
        comes(lambda: s.old.status()["instances"][0]["clients"] > CONNECTIONS / 2, "they are connected")
        s.ok(s.old.hactl("status").returncode == 0, "hactl answers")
        s.old.power_cut()
        s.takes_over(s.new)
        second = herd()
        s.goes_on()
        s.ok(s.new.hactl("status").returncode == 0, "hactl answers on the new master")
        for c in first + second:
            c.close()
        s.old.power_on()
        s.settled(s.new)


def fault_81_a_replacement_out_of_the_carton(pair):
    """81: an empty machine replaces a dead slave: it never serves alone, and gets everything from the master"""
    with Story(pair, 81) as s:
        s.new.power_cut()
        for what in ("data", "state"):
            path = os.path.join(s.new.root, what)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        comes(lambda: s.old.status()["node"]["alone"], "the master is alone")
        s.old.power_cut()
        s.new.power_on()
        comes(lambda: s.new.state() != "down", "the empty machine runs")
        s.ok(stays(lambda: not s.new.serving(), 3), "the empty machine does not become master by itself")
        s.old.power_on()
        s.settled(s.old)
        s.ok(same_data(pair), "it holds the same as the master, key by key")


def with_room(p):
    """More connections than a process may open by default."""
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    tell(lambda: pairlab.Pair(lab=wirelab.Lab, before=with_room), fault_12_a_script_runs_for_seconds, fault_12_a_save_and_a_rewrite,
         fault_13_the_memory_limit, fault_13_the_kernel_ends_the_server, fault_55_the_master_stands_still, fault_55_both_machines_stand_still,
         fault_58_the_master_dies_during_a_full_copy, fault_59_the_cable_is_cut_during_a_full_copy, fault_59_the_slave_dies_during_a_full_copy,
         fault_60_the_new_master_dies_at_once, fault_61_both_boot_at_once, fault_78_a_stampede, fault_81_a_replacement_out_of_the_carton)
