"""What the tests of this stage share: the built image, a folder that goes away, machines that are ended whatever happens."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap  # noqa: E402

sys.path.insert(0, os.path.join(tap.TOP, "image"))
from qemu.machine import kvm_works  # noqa: E402
from qemu.pair import Pair  # noqa: E402

os.environ["PATH"] += ":/usr/sbin:/sbin"
BUILT = os.path.join(tap.TOP, "build", "image")
IMAGE = os.path.join(BUILT, "duet.img")
UP_S = 180  # for what takes seconds, on a machine that is busy with something else


def accel():
    """ACCEL=, else KVM when our kernel runs under it."""
    wish = os.environ.get("ACCEL")
    if not wish:
        wish = "kvm" if kvm_works(os.path.join(BUILT, "vmlinuz"), os.path.join(BUILT, "initrd")) else "tcg"
        os.environ["ACCEL"] = wish
        tap.say("machines run with ACCEL=%s" % wish)
    return wish


@contextlib.contextmanager
def folder():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # tests/run ends a test that takes too long: tidy up then too
    path = tempfile.mkdtemp(prefix="duet-image-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def pair(image=IMAGE, options=None, change_disk=None, serial=False, more=""):
    """Two machines, made but not started; change_disk(path of a's disk) may damage it first."""
    with folder() as place:
        options = options or {}
        two = Pair(image, place, {me: {"accel": accel(), **options.get(me, {})} for me in "ab"}, serial=serial, more=more)
        try:
            if change_disk:
                change_disk(two.machines["a"].disk)
            yield two
        except BaseException:
            for machine in two.machines.values():
                tap.say("the end of what %s said:" % machine.name)
                tap.say(machine.output()[-3000:])
            raise
        finally:
            two.stop()


def partitions(disk):
    """{name: (first byte, bytes)} by the primary table."""
    found = {}
    with open(disk, "rb") as f:
        f.seek(1024)
        for _ in range(128):
            entry = f.read(128)
            if any(entry[:16]):
                first, last = struct.unpack_from("<QQ", entry, 32)
                found[entry[56:].decode("utf-16-le").rstrip("\0")] = (first * 512, (last - first + 1) * 512)
    return found


def overwrite(disk, at, content):
    with open(disk, "r+b") as f:
        f.seek(at)
        f.write(content)


def notes(disk):
    """The loader's variables."""
    with open(disk, "rb") as f:
        f.seek(partitions(disk)["notes"][0] + 512)
        lines = f.read(512).decode().split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def set_notes(disk, **variables):
    block = "# GRUB Environment Block\n" + "".join("%s=%s\n" % v for v in {**notes(disk), **variables}.items())
    overwrite(disk, partitions(disk)["notes"][0] + 512, block.ljust(1024, "#").encode())


def run(*words, **more):
    """(exit status, what it printed)."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          cwd=tap.TOP, **more)
    return done.returncode, done.stdout
