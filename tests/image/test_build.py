"""The image as a file: what is in it, that it is the same every time, and what is refused."""

import glob
import os
import subprocess
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from lab import BUILT, IMAGE, folder, partitions, run, tap  # noqa: E402


def extract(disk, name, to):
    at, size = partitions(disk)[name]
    with open(disk, "rb") as f, open(to, "wb") as out:
        f.seek(at)
        out.write(f.read(size))
    return to


def test_layout():
    """the partitions and what is in them"""
    status, text = run("sgdisk", "--verify", IMAGE)
    tap.ok(status == 0 and "No problems found" in text, "the partition table has no fault")
    tap.equal(list(partitions(IMAGE)), ["boot", "efi", "slot-a", "slot-b", "state", "notes", "data"], "the partitions are there, data last")
    tap.equal(partitions(IMAGE)["state"][1], 8 << 20, "state has 8 MiB")
    with folder() as place:
        slots = []
        for name in ("slot-a", "slot-b"):
            path = extract(IMAGE, name, os.path.join(place, name))
            with tarfile.open(path) as tar:
                slots.append({m.name: tar.extractfile(m).read() for m in tar})
        tap.equal(sorted(slots[0]), ["about", "initrd", "vmlinuz"], "slot a holds kernel and root")
        tap.ok(slots[0] == slots[1], "slot b holds the same")
        with open(os.path.join(BUILT, "vmlinuz"), "rb") as f:
            tap.ok(slots[0]["vmlinuz"] == f.read(), "the kernel is the one that was built")
        status, text = run("e2fsck", "-fn", extract(IMAGE, "data", os.path.join(place, "data")))
        tap.ok(status == 0, "the data partition's file system has no fault") or tap.say(text)
    tap.equal(lab.notes(IMAGE), {"order": "a b", "tries_a": "3", "tries_b": "3", "extra": ""}, "both slots may be tried")


def test_same_bytes():
    """the same inputs give the same bytes"""
    with folder() as place:
        initrd, again = os.path.join(place, "initrd"), os.path.join(place, "again")
        tap.equal(run("image/initrd", initrd, "image/initrd.list")[0], 0, "the root archive is built again")
        with open(initrd, "rb") as a, open(os.path.join(BUILT, "initrd"), "rb") as b:
            tap.ok(a.read() == b.read(), "it has the same bytes")
        version = [line.split()[1] for line in about().splitlines() if line.startswith("version")][0]
        status, text = run("image/disk", again, os.path.join(BUILT, "vmlinuz"), initrd, version)
        tap.ok(status == 0, "so is the image") or tap.say(text)
        tap.ok(run("cmp", again, IMAGE)[0] == 0, "it has the same bytes")
        tap.equal(sorted(os.listdir(place)), ["again", "again.slot", "initrd"], "and leaves nothing beside it")


def about():
    with tarfile.open(os.path.join(BUILT, "duet.img.slot")) as tar:
        return tar.extractfile("about").read().decode()


def test_size():
    """what a download would be"""
    packed = subprocess.run(["zstd", "-q", "-9", "--long=27", "-c", IMAGE], stdout=subprocess.PIPE, check=True).stdout
    tap.say("image: %.1f MB raw, %.1f MB on this disk, %.1f MB compressed (goal 16)" % (
        os.path.getsize(IMAGE) / 1e6, os.stat(IMAGE).st_blocks * 512 / 1e6, len(packed) / 1e6))
    tap.ok(os.path.getsize(IMAGE) < 1 << 28, "the raw image fits onto any stick")


def test_kernel_options():
    """every kernel option that was asked for is there, and a lost one is named"""
    fragments = sorted(glob.glob(os.path.join(tap.TOP, "kernel-config", "*.config")))
    config = os.path.join(BUILT, "vmlinuz.config")
    status, text = run("image/kernel-options", config, *fragments)
    tap.ok(status == 0, "the kernel has all options of %d groups" % len(fragments)) or tap.say(text)
    with folder() as place:
        wrong = os.path.join(place, "wrong.config")
        with open(wrong, "w") as f:
            f.write("# a reason\nCONFIG_NET=y\nCONFIG_BNX2X=y\n")
        status, text = run("image/kernel-options", config, wrong)
        tap.ok(status and "%s:3: CONFIG_BNX2X" % wrong in text and "CONFIG_NET=" not in text, "one that is not is named with file and line")
        with open(wrong, "a") as f:
            f.write("CONFIG_NET=y\n")
        tap.ok("already set at %s:2" % wrong in run("image/kernel-options", config, wrong)[1], "so is one that is set twice")


def test_configure():
    """a configuration is put into an image, or nothing is changed"""
    with folder() as place:
        conf, out = os.path.join(place, "duet.conf"), os.path.join(place, "out.img")
        with open(conf, "w") as f:
            f.write("[node]\nname duet-a\nnode a\nnonsense 1\n")
        status, text = run("image/configure", IMAGE, conf, out)
        tap.ok(status and "%s:4" % conf in text, "a wrong directive is named with file and line") or tap.say(text)
        tap.ok(not os.path.exists(out), "and nothing is written")
        status, text = run("image/configure", conf, conf, out)
        tap.ok(status and "no GPT disk" in text, "what is no image is refused")


tap.main(test_layout, test_same_bytes, test_size, test_kernel_options, test_configure)
