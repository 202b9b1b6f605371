"""Disks that fail: FAULTS 41, 42 (full), 43 (EIO), 45 (hang), 46 (slow), 51 (read-only)."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faultdisk  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402
from story import Story, alarms, comes, stays, tell  # noqa: E402


def with_disks(p):
    """The data partition of each node is a disk that does as it is told."""
    for n in p.nodes.values():
        n.disk = faultdisk.Disk(os.path.join(n.root, "data"))
        p.on_close.append(n.disk.end)


def restart(node):
    """The operator has mended the disk and restarts the node."""
    node.disk.is_now("good")
    node.power_cut()
    node.power_on()


def the_masters_disk_fails(pair, number, mood):
    """What the kernel could not write once is never trusted again: the node hands over, and follows after a restart."""
    with Story(pair, number) as s:
        s.old.disk.is_now(mood)
        s.takes_over(s.new)
        s.named(s.old, "server", "could not be written or fsynced")
        restart(s.old)
        s.settled(s.new)


def fault_41_the_masters_disk_is_full(pair):
    """41: the master's disk is full: it hands over, and follows when there is room again"""
    with Story(pair, 41) as s:
        s.old.disk.is_now("full")
        s.takes_over(s.new)
        s.named(s.old, "server", "no room")
        s.old.disk.is_now("good")
        s.settled(s.new)


def fault_42_the_slaves_disk_is_full(pair):
    """42: the slave's disk is full: it counts as not in sync, the master goes on"""
    with Story(pair, 42) as s:
        s.new.disk.is_now("full")
        comes(lambda: not s.old.status()["takeover"]["on"], "no takeover by a slave that keeps nothing")
        s.named(s.new, "server", "no room")
        s.goes_on()
        s.ok(s.old.serving(), "the master serves on")
        s.new.disk.is_now("good")
        s.settled(s.old)


def fault_43_writing_fails_on_the_master(pair):
    """43: the master's disk answers EIO: it hands over"""
    the_masters_disk_fails(pair, 43, "eio")


def fault_43_syncing_fails_on_the_master(pair):
    """43: an fsync of the master fails: fatal to its mastership, also when the next one would succeed"""
    with Story(pair, 43) as s:
        s.old.disk.is_now("unsynced")
        comes(lambda: "server" in alarms(s.old), "somebody notices")
        s.old.disk.is_now("good")
        s.takes_over(s.new)
        s.named(s.old, "server", "could not be written or fsynced")
        restart(s.old)
        s.settled(s.new)


def fault_45_the_masters_disk_hangs(pair):
    """45: the master's disk never answers again: it is demoted although processes hang on it"""
    with Story(pair, 45) as s:
        s.old.disk.is_now("hang")
        s.takes_over(s.new)
        s.ok(stays(lambda: not s.old.serving(), 1), "the node that hangs does not serve")
        s.old.disk.is_now("good")
        s.settled()


def fault_46_the_masters_disk_is_slow(pair):
    """46: each fsync of the master takes two seconds: an alarm at most, and no flapping"""
    with Story(pair, 46) as s:
        s.old.disk.is_now("slow 2")
        s.goes_on(10)
        s.ok(stays(lambda: True, 5) and s.pair.master.status()["node"]["epoch"] <= s.epoch + 1, "one handover at most, no flapping")
        s.old.disk.is_now("good")
        s.settled()


def fault_51_the_masters_disk_becomes_read_only(pair):
    """51: the master's data partition is read-only: as 43"""
    the_masters_disk_fails(pair, 51, "readonly")


if __name__ == "__main__":
    if not os.path.exists("/dev/fuse"):
        tap.skip("disks that fail when told to", "this kernel has no FUSE")
        sys.exit(tap.done())
    tell(lambda: pairlab.Pair(before=with_disks),
         fault_41_the_masters_disk_is_full, fault_42_the_slaves_disk_is_full, fault_43_writing_fails_on_the_master,
         fault_43_syncing_fails_on_the_master, fault_45_the_masters_disk_hangs, fault_46_the_masters_disk_is_slow,
         fault_51_the_masters_disk_becomes_read_only)
