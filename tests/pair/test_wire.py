"""Cables that lie, by the seeded wire: FAULTS 25 and 27 (one way), 28 (loss), 29 (delay, jitter, disorder, duplicates), 30 (size),
31 (a squeeze during a full copy), 32 (flapping), 49 (bits flip)."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pairlab  # noqa: E402
import tap  # noqa: E402
import wirelab  # noqa: E402
from story import Story, comes, same_data, stays, tell  # noqa: E402

LONG_S = 20 if tap.FULL else 3

def fault_25_the_crossover_is_mute_in_one_direction(pair):
    """25: frames from b to a are lost on the crossover: the path is down for both, nobody moves"""
    with Story(pair, 25) as s:
        pair.lab.wires["crossover"].set("ba", loss=100)
        comes(lambda: not any(n.status()["paths"]["crossover"]["both_ways"] for n in pair.nodes.values()), "both call the path down")
        s.goes_on()
        s.named(s.old, "path-down")
        pair.lab.clear()
        s.settled(s.old)
        s.unmoved()


def fault_27_the_master_is_mute_on_every_path(pair):
    """27: nothing the master sends arrives anywhere: it stops, the slave takes over"""
    with Story(pair, 27) as s:
        pair.lab.wires["crossover"].set("ab" if s.old.name == "a" else "ba", loss=100)
        pair.lab.wires[s.old.name].set("ba", loss=100)
        s.takes_over(s.new)
        s.ok(not s.old.serving(), "the mute master has stopped, although it hears")
        pair.lab.clear()
        s.settled(s.new)


def fault_27_the_slave_is_deaf_on_every_path(pair):
    """27: nothing arrives at the slave: it does not promote, for it sees no gateway either"""
    with Story(pair, 27) as s:
        pair.lab.wires["crossover"].set("ab" if s.new.name == "b" else "ba", loss=100)
        pair.lab.wires[s.new.name].set("ab", loss=100)
        comes(lambda: s.old.status()["node"]["alone"], "the master goes on alone")
        s.goes_on()
        s.ok(stays(lambda: not s.new.serving(), 1.5), "the deaf slave does not promote")
        pair.lab.clear()
        s.settled(s.old)


def frames_are_lost(pair, percent):
    """So many of all frames are lost on all paths for a while."""
    with Story(pair, 28) as s:
        pair.lab.every(loss=percent)
        s.ok(stays(s.old.serving, LONG_S) or percent > 20, "%d %% of all frames are lost on all paths" % percent)
        lost = pair.lab.counts()["lost"]
        pair.lab.clear()
        s.ok(lost > 0, "%d frames were lost" % lost)
        s.settled()
        if percent <= 20:
            s.unmoved()


def fault_28_one_in_a_hundred(pair):
    """28: 1 % of all frames are lost on all paths: no role changes"""
    frames_are_lost(pair, 1)


def fault_28_one_in_twenty(pair):
    """28: 5 % of all frames are lost on all paths: no role changes"""
    frames_are_lost(pair, 5)


def fault_28_one_in_five(pair):
    """28: 20 % of all frames are lost on all paths: no role changes"""
    frames_are_lost(pair, 20)


def fault_28_every_other(pair):
    """28: half of all frames are lost on all paths: whoever serves, never two, nothing lost"""
    frames_are_lost(pair, 50)


def delayed(pair, what, moves=False, **words):
    """All cables are like this for a while; clients go on, and afterwards all is as before."""
    with Story(pair, 29) as s:
        pair.lab.every(**words)
        s.ok(stays(s.old.serving, LONG_S) or moves, "%s: the master serves on" % what)
        if not moves:
            s.goes_on(10)
        pair.lab.clear()
        s.settled()
        if not moves:
            s.unmoved()
        s.ok(same_data(pair), "%s: both nodes hold the same, key by key" % what)


def fault_29_fifty_milliseconds(pair):
    """29: every cable delays by 50 ms, both ways: no role changes, replication is correct"""
    delayed(pair, "50 ms", delay=50)


def fault_29_half_a_second(pair):
    """29: every cable delays by 500 ms: evidence is older than any limit: never two writers, and it ends when the delay does"""
    delayed(pair, "500 ms", moves=True, delay=500)


def fault_29_two_hundred_milliseconds(pair):
    """29: every cable delays by 200 ms: never two writers, nothing lost"""
    delayed(pair, "200 ms", moves=True, delay=200)


def fault_29_jitter_disorder_and_duplicates(pair):
    """29: frames come late, in disorder and twice: no role changes, replication is correct"""
    delayed(pair, "jitter", jitter=30, reorder=20, dup=20)


def fault_30_the_crossover_swallows_big_frames(pair):
    """30: the crossover carries no frame above 700 bytes: replication takes the service network, with an alarm that names MTU"""
    with Story(pair, 30) as s:
        pair.lab.wires["crossover"].set(max=700)
        with pair.client(socket_timeout=30) as big:
            big.set("big", "x" * 20000)
        s.named(s.new, "link-stalls", "MTU")
        comes(lambda: s.new.status()["sync"]["path"] == "service" and s.new.status()["sync"]["in_sync"], "in sync over the service network")
        s.goes_on()
        pair.lab.clear()
        s.settled(s.old)
        s.unmoved()


def fault_31_a_full_copy_fills_the_crossover(pair):
    """31: a full copy goes over a crossover of 2 MB/s: heartbeats pass, nobody takes over, clients go on"""
    master = pair.settled()
    with pair.client(socket_timeout=30) as c:
        p = c.pipeline(transaction=False)
        for n in range(400):
            p.set("bulk:%d" % n, os.urandom(20000))
        p.execute()
    pair.settled(master)
    with Story(pair, 31) as s:
        s.new.power_cut()
        for folder in ("data/instance-0",):
            pairlab.shutil.rmtree(os.path.join(s.new.root, folder))
        pair.lab.every(rate=2e6)
        s.new.power_on()
        comes(lambda: s.new.state() == "slave", "the empty node follows")
        s.goes_on()
        s.ok(s.old.serving(), "the master serves all the while")
        s.settled(s.old)
        pair.lab.clear()
        s.ok(same_data(pair), "the copy is whole, key by key")


def fault_32_the_crossover_flaps(pair):
    """32: the crossover goes and comes several times a second: no role changes"""
    with Story(pair, 32) as s:
        for pause_s in (0.1, 0.1, 0.1, 0.2, 0.2, 0.5) * (10 if tap.FULL else 1):
            pair.lab.crossover("down")
            stays(lambda: True, pause_s)
            pair.lab.crossover("up")
            stays(lambda: True, pause_s)
        s.goes_on()
        s.settled(s.old)
        s.unmoved()


def fault_32_the_masters_service_link_flaps(pair):
    """32: the master's service link goes and comes: whoever serves, never two, nothing lost"""
    with Story(pair, 32) as s:
        for pause_s in (0.1, 0.3, 1.0, 0.5) * (10 if tap.FULL else 1):
            pair.lab.service(s.old.name, "down")
            stays(lambda: True, pause_s)
            pair.lab.service(s.old.name, "up")
            stays(lambda: True, pause_s)
        s.settled()


def fault_49_a_bit_flips_in_the_stream(pair):
    """49: bits flip in the replication stream behind every checksum of the network: found, sent again, never applied"""
    with Story(pair, 49) as s:
        damaged = [n.control().info("everything")["pair_link_damaged_blocks"] for n in pair.nodes.values()]
        pair.lab.wires["crossover"].set(flip=5)
        comes(lambda: sum(n.control().info("everything")["pair_link_damaged_blocks"] for n in pair.nodes.values()) > sum(damaged), "a damaged block")
        pair.lab.clear()
        s.ok(True, "the damage was found and counted")
        s.settled(s.old)
        s.ok(same_data(pair), "both nodes hold the same, key by key")


def fault_49_frames_are_damaged(pair):
    """49: one frame in ten is damaged on every cable: checksums and signatures refuse it, nothing changes"""
    with Story(pair, 49) as s:
        pair.lab.every(corrupt=10)
        s.ok(stays(s.old.serving, LONG_S), "the master serves on")
        pair.lab.clear()
        s.settled()
        s.unmoved()
        s.ok(same_data(pair), "both nodes hold the same, key by key")


if __name__ == "__main__":
    tell(lambda: pairlab.Pair(lab=wirelab.Lab),
         fault_25_the_crossover_is_mute_in_one_direction, fault_27_the_master_is_mute_on_every_path,
         fault_27_the_slave_is_deaf_on_every_path, fault_28_one_in_a_hundred, fault_28_one_in_twenty, fault_28_one_in_five,
         fault_28_every_other, fault_29_fifty_milliseconds, fault_29_two_hundred_milliseconds, fault_29_half_a_second,
         fault_29_jitter_disorder_and_duplicates, fault_30_the_crossover_swallows_big_frames, fault_32_the_crossover_flaps,
         fault_32_the_masters_service_link_flaps, fault_49_a_bit_flips_in_the_stream, fault_49_frames_are_damaged,
         fault_31_a_full_copy_fills_the_crossover)
