"""One machine: which slot starts, what a damaged disk does, the screen."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from lab import UP_S, folder, notes, overwrite, pair, partitions, run, set_notes, tap  # noqa: E402

RUNNING = r"(?m)^duet\S*> "  # the console asks for a command
DATA_TROUBLE = r"(?i)data partition|partition `data'|partition `data`"


def start_alone(two):
    two.start_networks()
    two.start_machine("a")
    return two.machines["a"]


def test_damaged_slot():
    """a slot that cannot be loaded is passed over, at the same start"""
    def damage(disk):
        overwrite(disk, partitions(disk)["slot-a"][0], bytes(4096))
    with pair(change_disk=damage) as two:
        machine = start_alone(two)
        tap.ok(machine.wait_output(r"slot a cannot be started", UP_S), "slot a is damaged: the loader says so")
        tap.ok(machine.wait_output(r"slot b is loaded", UP_S), "slot b starts")
        tap.ok(machine.wait_output(RUNNING, UP_S), "and its console comes up")


def test_failing_slot():
    """a slot whose kernel dies is tried as often as it may, then the other one starts; the notes survive each power cut"""
    def damage(disk):
        set_notes(disk, tries_a="2", extra="rdinit=/nothing/there root=/dev/none")
    with pair(options={"a": {"extra": ["-no-reboot"]}}, change_disk=damage) as two:
        seen = []
        two.start_networks()
        machine = two.machines["a"]
        for _ in range(3):
            since = machine.output_bytes()
            two.start_machine("a")
            found = machine.wait_output(r"slot (\w) is loaded", UP_S, since)
            seen.append(found and found[1])
            machine.kill()
        tap.equal(seen, ["a", "a", "b"], "slot a has two tries, then it is slot b's turn")
        tap.equal((notes(machine.disk)["tries_a"], notes(machine.disk)["tries_b"]), ("0", "2"), "what is left is noted on the disk")
        set_notes(machine.disk, tries_b="0")
        since = machine.output_bytes()
        two.start_machine("a")
        found = machine.wait_output(r"slot (\w) is loaded", UP_S, since)
        tap.equal(found and found[1], "a", "when no slot has a try left it begins again")


def test_good_slot():
    """a node that is up gives its slot the tries back"""
    with pair(change_disk=lambda disk: set_notes(disk, tries_a="1")) as two:
        machine = start_alone(two)
        tap.until(lambda: notes(machine.disk)["tries_a"] == "3", UP_S, "slot a has its tries back")
        tap.ok(True, "init notes that slot a is good")


def test_damaged_data():
    """the data partition is damaged or missing: the console comes up and says what is wrong"""
    def damage(disk):
        at, size = partitions(disk)["data"]
        overwrite(disk, at, b"\xA5" * size)

    def remove(disk):
        run("sgdisk", "--delete=7", disk)
    for how, change in (("damaged", damage), ("missing", remove)):
        with pair(change_disk=change) as two:
            machine = start_alone(two)
            tap.ok(machine.wait_output(RUNNING, UP_S), "the data partition is %s: the console comes up" % how)
            tap.ok(machine.wait_output(DATA_TROUBLE, UP_S), "and says what is wrong")


def test_growth():
    """the data partition takes what the disk has"""
    with pair(change_disk=lambda disk: os.truncate(disk, 2 << 30)) as two:
        machine = start_alone(two)

        def grown():
            with folder() as place:
                path = os.path.join(place, "head")
                at, size = partitions(machine.disk)["data"]
                with open(machine.disk, "rb") as f, open(path, "wb") as out:
                    f.seek(at)
                    out.write(f.read(65536))
                blocks = [line for line in run("dumpe2fs", "-h", path)[1].splitlines() if line.startswith("Block count")]
                return size > 1800 << 20 and blocks and int(blocks[0].split()[-1]) * 4096 > 1800 << 20
        tap.until(grown, UP_S, "partition and file system have grown")
        tap.ok(True, "partition and file system go to the end of a disk of 2 GiB")
        tap.ok(machine.wait_output(RUNNING, UP_S) and not re.search(DATA_TROUBLE, machine.output()), "nothing is said against a whole one")
        machine.kill()
        status, text = run("sgdisk", "--verify", machine.disk)
        tap.ok("No problems found" in text, "the grown table has no fault") or tap.say(text)


def test_screen():
    """what the serial line shows stands on the screen too, with text mode and with UEFI's picture"""
    for firmware in ("bios", "uefi"):
        with pair(options={"a": {"firmware": firmware, "disk_kind": "ahci" if firmware == "uefi" else "virtio"}}) as two:
            machine = start_alone(two)
            tap.ok(machine.wait_output(RUNNING, UP_S), "%s: the console is on the serial line" % firmware)
            picture = os.path.join(two.folder, "screen.ppm")

            def lit():
                machine.monitor("screendump", filename=picture)
                time.sleep(0.1)
                with open(picture, "rb") as f:
                    pixels = f.read().split(b"\n", 3)[3]
                return sum(1 for i in range(0, len(pixels), 3) if pixels[i] > 100) > 2000
            tap.until(lit, UP_S, "text is on the screen", step_s=0.5)
            tap.ok(True, "%s: text is on the screen" % firmware)


if __name__ == "__main__":
    tap.main(test_damaged_slot, test_failing_slot, test_good_slot, test_damaged_data, test_growth, test_screen)
