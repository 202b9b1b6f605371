"""Data and configuration that are not what they should be: FAULTS 47, 48, 50, 52, 56, 57, 76, 82."""

import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402
from story import LIMIT_S, Story, comes, same_data, stays, tell  # noqa: E402


def log_parts(node):
    """The increments of the node's log, oldest first."""
    return sorted(glob.glob(os.path.join(node.root, "data", "instance-0", "log", "*.incr")))


def filled(pair):
    """Enough in the log that its middle is not its end."""
    comes(pair.is_settled, "the pair is settled")
    with pair.client(socket_timeout=10) as c:
        for n in range(20):
            c.mset({"filled:%d:%d" % (n, i): "v" * 50 for i in range(100)})


def fault_47_the_logs_end_is_torn(pair):
    """47: the slave's log ends in the middle of a record: the end is cut off and counted in bytes, the node follows"""
    with Story(pair, 47) as s:
        filled(pair)
        s.new.power_cut()
        part = log_parts(s.new)[-1]
        with open(part, "rb+") as f:
            held = len(f.read().rstrip(b"\0"))
            f.truncate(held - 7)
        s.new.power_on()
        s.settled(s.old)
        s.ok("bytes" in s.new.log_tail(400), "its log says how many bytes were cut off")
        s.ok(same_data(pair), "both nodes hold the same, key by key")


def damage(node):
    """One byte in the middle of the log is another one; returns what puts it back."""
    part = max(log_parts(node), key=os.path.getsize)
    with open(part, "rb+") as f:
        at = len(f.read().rstrip(b"\0")) // 2
        f.seek(at)
        was = f.read(1)
        f.seek(at)
        f.write(bytes([was[0] ^ 0x55]))

    def mend():
        with open(part, "rb+") as f:
            f.seek(at)
            f.write(was)
    return mend


def fault_48_the_slaves_log_is_damaged(pair):
    """48: a byte in the middle of the slave's log has changed: never loaded silently, the data come from the master"""
    with Story(pair, 48) as s:
        filled(pair)
        s.new.power_cut()
        damage(s.new)
        s.new.power_on()
        s.settled(s.old)
        s.ok(same_data(pair), "both nodes hold the same, key by key")


def fault_48_a_lone_masters_log_is_damaged(pair):
    """48: a lone master's log is damaged: it refuses to serve, and says so; mended, it serves"""
    with Story(pair, 48) as s:
        filled(pair)
        s.new.power_cut()
        comes(lambda: s.old.status()["node"]["alone"], "the master is alone")
        s.goes_on(20)
        s.old.power_cut()
        mend = damage(s.old)
        s.old.power_on()
        s.ok(stays(lambda: not s.old.serving(), 3), "it does not serve damaged data")
        s.named(s.old, "waiting", "not whole")
        s.old.power_cut()
        mend()
        s.old.power_on()
        comes(s.old.serving, "mended, it serves at once: nobody can be ahead")
        s.new.power_on()
        s.settled(s.old)


def fault_50_the_slaves_data_differ(pair):
    """50: the slave's data differ silently: the comparison finds it, and has it copied anew"""
    filled(pair)
    behind = comes(pair.is_settled, "the pair is settled").other.control()
    for words in (("CONFIG", "SET", "replica-read-only", "no"), ("DEL", "filled:3:7"), ("CONFIG", "SET", "replica-read-only", "yes")):
        behind.execute_command(*words)
    with Story(pair, 50) as s:
        found = s.old.hactl("compare", check=False)
        s.ok(found.returncode == 1 and "differs" in found.stdout.lower(), "hactl compare finds it: " + (found.stdout + found.stderr).strip())
        s.old.hactl("compare", "--force", check=False)
        s.settled(s.old)
        comes(lambda: same_data(pair), "the same again")
        s.unmoved()


def fault_52_a_configuration_is_damaged(pair):
    """52: the slave's duet.conf is damaged: the node refuses to start with file and line, the master goes on"""
    with Story(pair, 52) as s:
        path = os.path.join(s.new.root, "etc", "duet.conf")
        with open(path) as f:
            good = f.read()
        s.new.power_cut()
        with open(path, "w") as f:
            f.write(good.replace("[network]", "[netwrok]"))
        s.new.power_on()
        s.ok(s.new.process.wait(LIMIT_S) == 1, "the node does not start")
        with open(os.path.join(s.new.root, "node.log")) as f:
            said = f.read()
        s.ok("duet.conf:" in said, "it says where: %s" % said.strip().splitlines()[-1][:100])
        s.goes_on()
        with open(path, "w") as f:
            f.write(good)
        s.new.power_on()
        s.settled(s.old)


def fault_56_a_split_brain_by_force(pair):
    """56: an operator forces a second master while the nodes are apart; healed, the higher epoch wins and the other one's writes are put aside"""
    master = comes(pair.is_settled, "the pair is settled")
    forced = master.other
    pair.lab.isolate(forced.name, "down")
    comes(lambda: master.status()["node"]["alone"], "the master goes on alone")
    comes(lambda: forced.hactl("promote", "--force", "--confirm", "promote duet-" + forced.name, check=False).returncode == 0, "the operator forces it")
    comes(forced.serving, "both serve")
    here, there = pairlab.Writer(pair, "here", at=master), pairlab.Writer(pair, "there", at=forced)
    here.wait_for(30)
    there.wait_for(30)
    here.stop()
    there.stop()
    pair.lab.isolate(forced.name, "up")
    winner = comes(pair.is_settled, "healed, one serves and the other one follows", LIMIT_S)
    tap.ok(winner is forced, "56: the higher epoch wins")
    with winner.client() as c:
        tap.equal(there.missing(c), [], "56: the winner has all that it acknowledged")
    aside = master.status()["instances"][0]["rejoin_tail"]
    tap.ok(aside >= len(here.acked), "56: the loser's %d writes were put aside and are counted: %d" % (len(here.acked), aside))


def fault_57_the_old_master_returns_with_more(pair):
    """57: a master that wrote alone returns after the other one was forced to serve: it becomes slave, what only it had is put aside"""
    old = comes(pair.is_settled, "the pair is settled")
    old.other.power_cut()
    comes(lambda: old.status()["node"]["alone"], "the master goes on alone")
    alone = pairlab.Writer(pair, "alone")
    alone.wait_for(30)
    alone.stop()
    old.power_cut()
    forced = old.other
    forced.power_on()
    comes(lambda: forced.hactl("promote", "--force", "--confirm", "promote duet-" + forced.name, check=False).returncode == 0, "the operator forces it")
    pair.writes_work()
    old.power_on()
    tap.ok(comes(pair.is_settled, "settled again") is forced, "57: the one with more data and the older epoch never wins")
    aside = old.status()["instances"][0]["rejoin_tail"]
    tap.ok(aside >= len(alone.acked), "57: its %d writes were put aside and are counted: %d" % (len(alone.acked), aside))


def fault_76_the_configurations_differ(pair):
    """76: the two nodes are configured with different VIPs: an alarm on both names what differs"""
    with Story(pair, 76) as s:
        path = os.path.join(s.new.root, "etc", "duet.conf")
        with open(path) as f:
            good = f.read()
        s.new.power_cut()
        with open(path, "w") as f:
            f.write(good.replace("vip 10.77.0.10/24", "vip 10.77.0.99/24"))
        s.new.power_on()
        s.named(s.old, "configuration-differs")
        s.named(s.new, "configuration-differs")
        s.goes_on()
        s.new.power_cut()
        with open(path, "w") as f:
            f.write(good)
        s.new.power_on()
        s.settled(s.old)


def fault_82_an_operator_in_a_hurry(pair):
    """82: an operator wants the stale side's data to win: refused beside a living master, and otherwise only by a typed confirmation"""
    with Story(pair, 82) as s:
        told = s.new.hactl("promote", "--force", "--confirm", "promote duet-" + s.new.name, check=False)
        s.ok(told.returncode == 1 and "serves" in told.stderr, "beside a living master it is refused")
        s.new.power_cut()
        comes(lambda: s.old.status()["node"]["alone"], "the master is alone")
        s.goes_on(20)
        s.old.power_cut()
        s.new.power_on()
        comes(lambda: s.new.status()["node"]["waiting_for"], "it waits")
        told = s.new.hactl("promote", "--force", check=False)
        s.ok(told.returncode == 1 and "offset" in told.stdout + told.stderr, "without the typed words nothing happens; offsets and ages are stated")
        s.ok(not s.new.serving(), "the stale side does not serve")
        s.old.power_on()
        s.settled(s.old)


if __name__ == "__main__":
    tell(pairlab.Pair, fault_47_the_logs_end_is_torn, fault_48_the_slaves_log_is_damaged, fault_48_a_lone_masters_log_is_damaged,
         fault_50_the_slaves_data_differ, fault_52_a_configuration_is_damaged, fault_56_a_split_brain_by_force,
         fault_57_the_old_master_returns_with_more, fault_76_the_configurations_differ,
         fault_82_an_operator_in_a_hurry)
