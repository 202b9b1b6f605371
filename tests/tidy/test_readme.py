"""README.md tells the truth: its example configurations are accepted, its make targets and its files are there."""

import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap  # noqa: E402
from tap import TOP  # noqa: E402

README = open(os.path.join(TOP, "README.md")).read()


def blocks():
    """The indented blocks that are configurations, as the reader would copy them."""
    for block in re.findall(r"(?:^    .*\n|^\n)+", README, re.M):
        text = "\n".join(line[4:] for line in block.strip("\n").split("\n"))
        if text.lstrip().startswith("[node]"):
            yield text.replace("<64 hexadecimal digits>", "0123456789abcdef" * 4).replace(
                "AAAA...", "AAAAC3NzaC1lZDI1NTE5AAAAIGZha2VmYWtlZmFrZWZha2VmYWtlZmFrZWZha2VmYWtl")


def sections(text):
    return {s.split("]")[0]: s for s in re.split(r"^\[", text, flags=re.M) if s.strip()}


def merged(first, second):
    """Machine B's file: A's, with the lines that B writes differently."""
    out = sections(first)
    for name, body in sections(second).items():
        lines = out[name].split("\n")
        for line in filter(None, (x.strip() for x in body.split("\n")[1:])):
            word = line.split()[0]
            lines = [line if x.split()[:1] == [word] else x for x in lines]
        out[name] = "\n".join(lines)
    return "".join("[" + s.rstrip("\n") + "\n\n" for s in out.values())


def check(path, *command):
    p = subprocess.run([tap.DUET, *command], capture_output=True, text=True, timeout=20)
    tap.ok(p.returncode == 0, "%s accepts the example of machine %s" % (" ".join(command[:2]), path[-6]))
    if p.returncode:
        tap.say(p.stdout + p.stderr)


def main():
    a, b = list(blocks())
    b = merged(a, b)
    with tempfile.TemporaryDirectory() as folder:
        for letter, text in (("a", a), ("b", b)):
            path = os.path.join(folder, "duet-%s.conf" % letter)
            open(path, "w").write(text)
            check(path, "netcfg", "check", path)
            check(path, "init", "--check", path)
            check(path, "had", "--check", "--config", path)
        tap.ok("node  b" in b and "192.0.2.12/24" in b and "192.0.2.11/24" not in b, "machine B's lines replaced A's")
    helped = subprocess.run(["make", "-s", "help"], cwd=TOP, capture_output=True, text=True, timeout=60).stdout
    for target in sorted(set(re.findall(r"`make ([a-z][a-z-]*)`", README)) - {"help"}):
        tap.ok(re.search(r"make %s\b" % target, helped), "make help knows `make %s`, which README names" % target)
    for path in sorted(set(re.findall(r"`((?:server|hactl|netcfg|rootfs|image|tests|kernel-config)/[\w./-]*)`", README))):
        tap.ok(os.path.exists(os.path.join(TOP, path)), "%s, which README names, is there" % path)
    sys.exit(tap.done())


main()
