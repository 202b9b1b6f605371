"""A witness on a third machine: what one path left, a split, and its own absence come to. FAULTS 20 with an arbiter, 36 for what
is said to it."""

import json
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import arbiters  # noqa: E402
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

pair = witness = None


def conf(node):
    return "[ha]\n%s[witness]\nlisten %s:7811\npair 99 %s\n" % (arbiters.CONF, netlab.SERVICE[node], "1f" * 32)


def alarms(node):
    return [a["name"] for a in node.status().get("alarms", [])]


def the_witness_names_the_master():
    """a witness names the master a while after it was first asked"""
    master = witness.settled()
    for n in pair.nodes.values():
        s = n.status()["witness"]
        tap.ok(s["configured"] and s["answers"] and s["holder"] == master.name, "node %s's status tells of it" % n.name)
    tap.equal(master.status()["witness"]["verdict"], "granted", "the master holds its lease")
    p = master.hactl("status")
    tap.ok(p.returncode == 0, "the screen for people is there")


def a_switchover_moves_the_lease():
    """a switchover: the new master is named, the old one follows"""
    old = witness.settled()
    old.hactl("switchover")
    tap.ok(pair.settled(old.other) is old.other, "the roles are changed")
    tap.ok(witness.settled() is old.other, "the witness names the new master")


def fault_20_one_path_left_and_the_master_dies():
    """20: the crossover is cut: the witness keeps automatic takeover on, also while somebody replays what was asked"""
    old = witness.settled()
    recorder = arbiters.Recorder()
    arbiters.one_path(pair, old)
    load = pairlab.Writer(pair, "one-path")
    load.wait_for(50)
    tap.until(lambda: len(recorder.asks) > 40, pairlab.SETTLE_S, "asks are recorded")
    before = witness.status()
    recorder.replaying.set()
    tap.until(lambda: recorder.sent > 100, pairlab.SETTLE_S, "asks are replayed")
    old.power_cut()
    cut = time.monotonic()
    first = pair.writes_work()
    tap.say("cut to the first write at the VIP: %.0f ms" % ((first - cut) * 1000))
    load.wait_for(50)
    load.stop()
    recorder.stop()
    after = witness.status()
    tap.ok(old.other.serving(), "20: the slave took over with the witness's word")
    tap.ok(after["repeated"] + after["challenged"] > before["repeated"] + before["challenged"] + 50,
           "36: replayed asks reached the witness (%d) and proved nothing" % recorder.sent)
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")
    tap.ok([t for t in old.other.events() if "witness grants" in t["text"]], "the history tells of the witness's word")
    arbiters.all_paths(pair)
    old.power_on()
    tap.ok(witness.settled() is old.other, "20: the old master returns and follows")


def fault_20_the_split():
    """20: the crossover is cut and the nodes are separated within a second: one of them goes on"""
    master = witness.settled()
    load = pairlab.Writer(pair, "split")
    load.wait_for(50)
    pushers = [pairlab.Pusher(pair, "push-" + n.name, n) for n in pair.nodes.values()]
    pair.lab.crossover("down")
    time.sleep(0.3)
    arbiters.gateway_path(pair, False)
    arbiters.separate(pair, True)
    parted = time.monotonic()
    watches = [pairlab.Watch(n) for n in pair.nodes.values()]
    time.sleep(4)  # what may happen here happens within grant-time and dead-time
    serving = [n for n in pair.nodes.values() if n.serving()]
    tap.equal([n.name for n in serving], [master.name], "20: the master that has the witness's lease goes on, alone")
    tap.equal(master.other.state(), "slave", "20: the other one stays slave")
    pair.writes_work()
    load.wait_for(50)
    for x in watches + pushers:
        x.stop()
    late = [t for t in watches[0 if master is pair.b else 1].changed[1:] if t > parted + 1]
    tap.equal(len(late), 0, "20: nothing is written on the other one")
    tap.ok("solo" in " ".join(alarms(master)) or alarms(master), "20: with an alarm")
    arbiters.all_paths(pair)
    tap.ok(witness.settled() is master, "20: healed, the other one follows")
    load.stop()
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")


def fault_20_the_split_and_the_master_cut_off():
    """20: separated, and the master does not reach the witness: the slave takes over, the master stops first"""
    old = witness.settled()
    load = pairlab.Writer(pair, "cut-off")
    load.wait_for(50)
    arbiters.one_path(pair, old)
    pusher, watch = pairlab.Pusher(pair, "late", old), pairlab.Watch(old)
    pair.lab.service(old.name, "down")
    cut = time.monotonic()
    tap.until(old.other.serving, pairlab.SETTLE_S, "the slave takes over")
    served = time.monotonic()
    pair.writes_work()
    pusher.stop()
    watch.stop()
    last = max(watch.changed, default=cut)
    tap.ok(last < served, "20: the old master wrote nothing any more when the new one served (%.0f ms before)" % ((served - last) * 1000))
    load.wait_for(50)
    load.stop()
    pair.lab.service(old.name, "up")
    arbiters.all_paths(pair)
    tap.ok(witness.settled() is old.other, "20: healed, the old master follows")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "20: no acknowledged write is lost")


def the_witness_is_absent():
    """a witness that is killed, restarted or cut off changes no role"""
    master = witness.settled()
    epoch, since = master.status()["node"]["epoch"], {n: n.last_event() for n in pair.nodes.values()}
    load = pairlab.Writer(pair, "absent")
    load.wait_for(50)
    witness.kill()
    tap.until(lambda: all("witness-lost" in alarms(n) for n in pair.nodes.values()), pairlab.SETTLE_S, "both nodes alarm")
    tap.ok(pair.settled(master) is master, "killed: the roles stay, takeover stays on by the two paths")
    witness.start()
    tap.until(lambda: witness.names(master), pairlab.SETTLE_S, "the lease is renewed again")
    tap.until(lambda: not any("witness-lost" in alarms(n) for n in pair.nodes.values()), pairlab.SETTLE_S, "the alarms end")
    witness.cable("down")
    tap.until(lambda: all("witness-lost" in alarms(n) for n in pair.nodes.values()), pairlab.SETTLE_S, "both nodes alarm")
    load.wait_for(100)
    witness.cable("up")
    tap.until(lambda: witness.names(master), pairlab.SETTLE_S, "the lease is renewed again")
    load.stop()
    tap.equal(master.status()["node"]["epoch"], epoch, "killed, restarted, cut off: the epoch stays")
    moved = [t for n in pair.nodes.values() for t in n.role_changes(since[n]) if "->" in t and "epoch" in t]
    tap.equal(moved, [], "and no node went through another state")
    tap.ok(load.gap_ms() < 5000, "clients went on (longest gap %.0f ms)" % load.gap_ms())


def a_node_hosts_one():
    """a node of this pair is the witness of another pair"""
    for n in pair.nodes.values():
        state = os.path.join(n.root, "data", "witness")

        def serves():
            p = subprocess.run([tap.DUET, "witness", "status", "--json", "--state", state], capture_output=True, text=True)
            return [x["number"] for x in json.loads(p.stdout)["pairs"]] == [99]
        tap.until(serves, pairlab.SETTLE_S, "node %s's witness serves pair 99" % n.name)
        node_pid = n.pid("witness")
        os.kill(node_pid, 9)
        tap.until(lambda: n.pids("witness") and n.pid("witness") != node_pid and serves(), pairlab.SETTLE_S, "started again")
        tap.ok(True, "node %s hosts a witness by its [witness], and starts it again when it ends" % n.name)


def fault_36_the_witness_is_lied_to():
    """36: what is sent to the witness without the key changes nothing"""
    master = witness.settled()
    before = witness.status()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.3)
    recorder = arbiters.Recorder()
    tap.until(lambda: len(recorder.asks) > 3, pairlab.SETTLE_S, "an ask is recorded")
    recorder.stop()
    ask = bytearray(recorder.asks[0])
    for i in range(len(ask)):
        bad = bytearray(ask)
        bad[i] ^= 0x41
        s.sendto(bytes(bad), (arbiters.WITNESS, arbiters.PORT))
    for junk in (b"", b"x" * 79, b"x" * 80, b"x" * 1400, bytes(ask) + b"x"):
        s.sendto(junk, (arbiters.WITNESS, arbiters.PORT))
    heard = 0
    try:
        while True:
            s.recv(2048)
            heard += 1
    except TimeoutError:
        pass
    s.close()
    tap.equal(heard, 0, "36: who has no key gets no answer")
    after = tap.until(lambda: (lambda x: x if x["forged"] >= before["forged"] + 60 else None)(witness.status()), pairlab.SETTLE_S,
                      "they are counted")
    tap.ok(after["holder"] == before["holder"] and after["epoch"] == before["epoch"], "36: the holder stays")
    tap.ok(pair.settled(master) is master, "36: so do the roles")


def main():
    global pair, witness
    with pairlab.Pair(conf) as pair:
        witness = arbiters.Witness(pair)
        pairlab.run(the_witness_names_the_master, a_switchover_moves_the_lease, a_node_hosts_one, fault_36_the_witness_is_lied_to,
                    the_witness_is_absent, fault_20_one_path_left_and_the_master_dies, fault_20_the_split,
                    fault_20_the_split_and_the_master_cut_off)
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
