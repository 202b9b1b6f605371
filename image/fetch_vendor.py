"""`make vendor`: every pinned source and the packages of the build tools in one archive, from which a machine
without a network builds the same. Layout: downloads/SHA256, debs/*.deb with an index, manifest.lock, and
node/KEY.tar, the npm packages of tests/clients."""

import io
import os
import re
import subprocess
import tarfile
import tempfile
import time

from fetch_apt import FetchError, say

HERE = os.path.dirname(os.path.abspath(__file__))


def tools(apt, level="test"):
    """[(file name, size, sha256, index stanza, pool path)] of all that image/bootstrap may install, with what
    these packages need in turn, as seen from a machine that has nothing."""
    names = subprocess.run([os.path.join(HERE, "bootstrap"), "--list", level], capture_output=True, text=True, check=True).stdout.split()
    apt.update()
    plan = apt.run("apt-get", "-s", "-q", "--no-install-recommends", "install", *names)
    picked = re.findall(r"^Inst (\S+) \((\S+) ", plan.stdout, re.M)
    if plan.returncode or not picked:
        raise FetchError("the build tools' packages cannot be resolved:\n" + plan.stderr.strip())
    found = {}
    for s in apt.stanzas("apt-cache", "show", *["%s=%s" % p for p in picked]):
        name = os.path.basename(s["Filename"])
        drop = ("Filename", "Description", "Description-md5", "MD5sum", "Tag")
        text = "".join("%s: %s\n" % (k, v) for k, v in s.items() if k not in drop) + "Filename: ./%s\n\n" % name
        found[name] = (name, int(s["Size"]), s["SHA256"], text, s["Filename"])
    return [found[n] for n in sorted(found)]


def plain(info):
    """The same archive from the same content, whoever packs it and when."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = "root"
    info.mode = 0o644
    return info


def pack_node(tar):
    install = os.path.join(HERE, "..", "tests", "clients", "node", "install")
    with tempfile.NamedTemporaryFile(suffix=".tar") as f:
        done = subprocess.run([install, "--tar", f.name], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise FetchError("the npm packages of tests/clients cannot be packed")
        tar.add(f.name, "node/%s.tar" % done.stdout.strip(), filter=plain)


def pack(out, entries, lock, cache, apt, fetch_file):
    debs = tools(apt)
    say("%d packages of build tools, %.0f MB" % (len(debs), sum(d[1] for d in debs) / 1e6))
    for _, size, sha, _, path in debs:
        if not fetch_file((path, size, sha), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())):
            raise FetchError("%s is listed by the mirror, but could not be downloaded: try again" % path)
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    sums = sorted({sha for e in entries for _, _, sha in e.files})
    with tarfile.open(out + ".new", "w") as tar:
        tar.add(lock, "manifest.lock", filter=plain)
        for sha in sums:
            tar.add(os.path.join(cache, "downloads", sha), "downloads/" + sha, filter=plain)
        for name, _, sha, _, _ in debs:
            tar.add(os.path.join(cache, "downloads", sha), "debs/" + name, filter=plain)
        index = "".join(d[3] for d in debs).encode()
        info = tarfile.TarInfo("debs/Packages")
        info.size = len(index)
        tar.addfile(plain(info), io.BytesIO(index))
        pack_node(tar)
    os.replace(out + ".new", out)
    say("%s: %d source files, %d packages, %.0f MB. On the other machine: DUET_VENDOR=%s make"
        % (out, len(sums), len(debs), os.path.getsize(out) / 1e6, os.path.basename(out)))
