#!/usr/bin/python3
"""image/fetch against a mirror of our own on loopback: pins hold, damage is refused, a version that is gone is
replaced loudly."""

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

SUITE = "testing-suite"


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Mirror:
    """A directory served over HTTP on a free port, that counts what was asked of it."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="duet-mirror-")
        self.asked = []
        mirror = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=mirror.root)

            def log_message(self, *_):
                mirror.asked.append(self.path)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def put(self, path, data):
        os.makedirs(os.path.dirname(os.path.join(self.root, path)), exist_ok=True)
        with open(os.path.join(self.root, path), "wb") as f:
            f.write(data)

    def index(self, packages):
        """Package lists as apt reads them: [(name, version, pool path, data)]."""
        binary = "".join("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: a <a@b>\nDescription: x\nFilename: %s\n"
                         "Size: %d\nSHA256: %s\n\n" % (n, v, p, len(d), sha(d)) for n, v, p, d in packages).encode()
        lists = {"main/binary-amd64/Packages": binary, "main/source/Sources": b""}
        for path, data in lists.items():
            self.put("debian/dists/%s/%s" % (SUITE, path), data)
        release = "Origin: Debian\nLabel: Debian\nSuite: %s\nCodename: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n%s" % (
            SUITE, SUITE, "".join(" %s %d %s\n" % (sha(d), len(d), p) for p, d in lists.items()))
        self.put("debian/dists/%s/Release" % SUITE, release.encode())

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.root)


class Place:
    """A machine: its apt files, an empty cache, a lock, a build folder."""

    def __init__(self, lock, sources):
        self.dir = tempfile.mkdtemp(prefix="duet-fetch-")
        os.makedirs(self.dir + "/apt/sources.list.d")
        name = "/apt/sources.list.d/x.sources" if sources.startswith("Types:") else "/apt/sources.list"
        for path, text in ((name, sources), ("/lock", lock)):
            with open(self.dir + path, "w") as f:
                f.write(text)

    def fetch(self, *arguments, **more):
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("DUET_")}
        env.update(DUET_CACHE=self.dir + "/cache", DUET_APT_DIR=self.dir + "/apt", DUET_LOCK=self.dir + "/lock",
                   DUET_BUILD=self.dir + "/build", DUET_SUITE=SUITE, DUET_APT_RETRIES="0", **more)
        return subprocess.run([os.path.join(tap.TOP, "image", "fetch"), *arguments], env=env, capture_output=True, text=True)

    def downloads(self):
        folder = self.dir + "/cache/downloads"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def noted(self):
        try:
            return open(self.dir + "/build/not-as-locked").read()
        except FileNotFoundError:
            return ""

    def close(self):
        shutil.rmtree(self.dir)


def lock_of(path, data, version="1.0-1"):
    return "# a comment\n\nbinary thing %s 20260101T000000Z\n  %s %d %s\n" % (version, path, len(data), sha(data))


GOOD, NEW = b"the pinned bytes\n" * 50, b"newer bytes\n" * 70
PATH, NEW_PATH = "pool/main/t/thing_1.0-1_amd64.deb", "pool/main/t/thing_1.0-2_amd64.deb"


def with_mirror(test):
    mirror = Mirror()
    places = []

    def place(sources="", lock=lock_of(PATH, GOOD)):
        places.append(Place(lock, sources or "deb [trusted=yes] %s/debian %s main contrib\n" % (mirror.url, SUITE)))
        return places[-1]

    def run():
        try:
            test(mirror, place)
        finally:
            mirror.close()
            for p in places:
                p.close()

    run.__doc__ = test.__doc__
    return run


@with_mirror
def pinned(mirror, place):
    """a pinned file is taken from the machine's mirror"""
    mirror.put("debian/" + PATH, GOOD)
    p = place()
    done = p.fetch("--into", p.dir + "/out", "thing")
    tap.ok(done.returncode == 0, "a pinned file is taken from the machine's mirror") or tap.say(done.stderr)
    target = p.dir + "/out/thing_1.0-1_amd64.deb"
    tap.ok(os.path.exists(target) and open(target, "rb").read() == GOOD, "it lies under its own name, with the pinned bytes")
    tap.equal(p.downloads(), [sha(GOOD)], "the cache names it by its SHA-256")
    tap.ok(not any("dists" in path for path in mirror.asked), "no package list had to be read for it")
    before = len(mirror.asked)
    tap.equal((p.fetch("--key", "thing").returncode, len(mirror.asked)), (0, before), "the second time nothing is asked of the mirror")
    tap.equal(p.noted(), "", "the build is as locked")


@with_mirror
def deb822(mirror, place):
    """apt files in deb822 form are understood"""
    mirror.put("debian/" + PATH, GOOD)
    p = place("Types: deb\n# a comment\nURIs:\n %s/debian\nSuites: %s other\nComponents: main\nTrusted: yes\n\nTypes: deb\n"
              "URIs: http://127.0.0.1:1/elsewhere\nSuites: nodistro\nComponents: main\n" % (mirror.url, SUITE))
    done = p.fetch("--into", p.dir + "/out", "thing")
    tap.ok(done.returncode == 0, "apt files in deb822 form are understood, other vendors' entries left aside") or tap.say(done.stderr)


@with_mirror
def damaged(mirror, place):
    """damaged bytes are refused"""
    mirror.put("debian/" + PATH, GOOD[:-1] + b"X")
    p = place()
    mirror.index([("thing", "1.0-2", NEW_PATH, NEW)])
    mirror.put("debian/" + NEW_PATH, NEW)
    done = p.fetch("--into", p.dir + "/out", "thing")
    tap.ok(done.returncode != 0 and "refused thing_1.0-1_amd64.deb" in done.stderr, "damaged bytes are refused by name") or tap.say(done.stderr)
    tap.equal(p.downloads(), [], "nothing of them stays in the cache")
    mirror.put("debian/" + PATH, GOOD[:-100])
    done = p.fetch("thing")
    tap.ok(done.returncode != 0 and "refused" in done.stderr, "a file cut short is refused") or tap.say(done.stderr)
    tap.equal(p.noted(), "", "damage is no reason to take another version")


@with_mirror
def gone(mirror, place):
    """a version that is gone is replaced, loudly"""
    mirror.index([("thing", "1.0-2", NEW_PATH, NEW)])
    mirror.put("debian/" + NEW_PATH, NEW)
    p = place()
    done = p.fetch("--into", p.dir + "/out", "thing")
    tap.ok(done.returncode == 0, "a version that is gone is replaced by the newest") or tap.say(done.stderr)
    tap.ok("NOT AS LOCKED: thing: 1.0-2 in place of the pinned 1.0-1" in done.stderr, "it says so loudly")
    tap.equal(p.noted(), "thing: 1.0-2 in place of the pinned 1.0-1\n", "build/not-as-locked lists it")
    tap.equal(os.listdir(p.dir + "/out"), ["thing_1.0-2_amd64.deb"], "what is used is what apt verified")
    key = p.fetch("--key", "thing").stdout
    tap.ok(sha(NEW) in key and sha(GOOD) not in key, "the key names what is used, not what was pinned")
    tap.equal(p.noted().count("\n"), 1, "it is listed once")
    done = p.fetch("--lock")
    tap.ok(done.returncode == 0 and "thing 1.0-2" in open(p.dir + "/lock").read(), "`make lock` renews the pin") or tap.say(done.stderr)
    tap.equal(p.fetch("--into", p.dir + "/again", "thing").returncode, 0, "the renewed lock is one that can be read")


@with_mirror
def snapshot(mirror, place):
    """a version that is gone is found in the snapshot archive"""
    mirror.index([("thing", "1.0-2", NEW_PATH, NEW)])
    mirror.put("snap/20260101T000000Z/" + PATH, GOOD)
    p = place("# %s/snap/20250520T000000Z\ndeb [trusted=yes] %s/debian %s main\n" % (mirror.url, mirror.url, SUITE))
    done = p.fetch("--into", p.dir + "/out", "thing")
    tap.ok(done.returncode == 0 and p.downloads() == [sha(GOOD)], "the snapshot archive that the apt files name is asked for the lock's day") or tap.say(done.stderr)
    tap.equal(p.noted(), "", "that is as locked")
    p = place()
    done = p.fetch("thing", DUET_SNAPSHOT=mirror.url + "/snap")
    tap.equal((done.returncode, p.downloads()), (0, [sha(GOOD)]), "DUET_SNAPSHOT names another one")


@with_mirror
def vendor(mirror, place):
    """DUET_VENDOR needs no network"""
    p = place("", lock_of(PATH, GOOD))
    os.makedirs(p.dir + "/vendor/downloads")
    with open(p.dir + "/vendor/downloads/" + sha(GOOD), "wb") as f:
        f.write(GOOD)
    done = p.fetch("thing", DUET_VENDOR=p.dir + "/vendor")
    tap.equal((done.returncode, mirror.asked), (0, []), "a folder of sources serves without a network")
    q = place()
    done = q.fetch("thing", DUET_VENDOR=q.dir)
    tap.ok(done.returncode != 0 and "does not hold thing" in done.stderr, "an archive that lacks a file says which") or tap.say(done.stderr)


@with_mirror
def bad_input(mirror, place):
    """bad input is answered by a sentence"""
    p = place(lock="# x\nbinary thing 1.0-1 1\n  pool/x 12 tooshort\n")
    done = p.fetch("thing")
    tap.ok(done.returncode != 0 and "lock:3: not understood" in done.stderr, "a damaged lock is named by file and line") or tap.say(done.stderr)
    p = place(lock="binary thing\n")
    done = p.fetch("thing")
    tap.ok(done.returncode != 0 and "make lock" in done.stderr, "what is not pinned yet names the remedy")
    done = p.fetch("other")
    tap.ok(done.returncode != 0 and "other is not in" in done.stderr, "an unknown name is named")
    p = place("deb http://127.0.0.1:1/debian elsewhere main\n")
    done = p.fetch("thing")
    tap.ok(done.returncode != 0 and "name no Debian mirror" in done.stderr, "a machine without a Debian mirror is told so") or tap.say(done.stderr)
    p = place("deb [trusted=yes] http://127.0.0.1:1/debian %s main\n" % SUITE)
    done = p.fetch("thing")
    tap.ok(done.returncode != 0 and "DUET_VENDOR" in done.stderr and "Traceback" not in done.stderr, "without a network, the way out is named") or tap.say(done.stderr)


if not os.path.exists("/usr/lib/apt/apt-helper"):
    tap.skip("image/fetch against a mirror of our own", "this machine has no apt")
else:
    tap.main(pinned, deb822, damaged, gone, snapshot, vendor, bad_input)
sys.exit(tap.done())
