#!/usr/bin/python3
"""build/duet is one static file that needs nothing."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap


def readelf(path, option):
    return subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout


def needs(path):
    """What a binary asks of the machine that runs it, as words; none for a static one."""
    found = []
    if "INTERP" in readelf(path, "-l"):
        found.append("an interpreter")
    if "There is no dynamic section" not in readelf(path, "-d"):
        found.append("a dynamic section")
    return found


def static():
    """the binary is static"""
    tap.ok(needs("/bin/ls"), "the check sees that /bin/ls is not static")
    tap.equal(needs(tap.DUET), [], "build/duet has no interpreter and no dynamic section")
    tap.ok("GNU_STACK" in readelf(tap.DUET, "-l") and "RWE" not in readelf(tap.DUET, "-l"), "no segment of it is writable and executable")


def portable():
    """the binary names no folder of the machine that built it"""
    with open(tap.DUET, "rb") as f:
        content = f.read()
    for place in {tap.TOP, os.path.expanduser("~/.cache")} - {"/.cache"}:
        tap.ok(place.encode() + b"/" not in content, "build/duet does not name the folder it was built in")


def version():
    """the binary says its version"""
    for words in (["--version"], ["server", "--version"], ["hactl", "version"]):
        p = subprocess.run([tap.DUET] + words, capture_output=True, text=True, timeout=10)
        tap.ok(p.returncode == 0 and p.stdout.lower().startswith("duet ") and len(p.stdout.split()) >= 2, "duet %s says the version" % " ".join(words))


tap.main(static, portable, version)
