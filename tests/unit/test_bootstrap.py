#!/usr/bin/python3
"""image/bootstrap with an apt of our own on PATH: what it installs, what it says when it cannot."""

import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

DPKG_QUERY = '#!/bin/sh\nfor last; do :; done\n[ -e "$FAKE/installed/$last" ] && printf installed\n'
APT_CACHE = "#!/bin/sh\n[ -e $FAKE/lists ]\n"
APT_GET = """#!/bin/bash
echo "$@" >>$FAKE/calls
if [ -e $FAKE/lock ]; then rm $FAKE/lock; echo 'E: Could not get lock /var/lib/apt/lists/lock.'; exit 100; fi
case "$*" in
*\\ update) touch $FAKE/lists ;;
*\\ install\\ *)
    [ -e $FAKE/lists ] || exit 100
    all="$*"
    for p in ${all##* install }; do
        case $p in no-such*) echo "E: Unable to locate package $p"; exit 100 ;; esac
        touch $FAKE/installed/$p
    done ;;
esac
"""


class Machine:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="duet-bootstrap-")
        os.makedirs(self.dir + "/installed")
        os.makedirs(self.dir + "/bin")
        for name, text in (("dpkg-query", DPKG_QUERY), ("apt-cache", APT_CACHE), ("apt-get", APT_GET)):
            with open(os.path.join(self.dir, "bin", name), "w") as f:
                f.write(text)
            os.chmod(os.path.join(self.dir, "bin", name), 0o755)

    def bootstrap(self, packages, level="build", **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("DUET_")}
        env.update(PATH=self.dir + "/bin:/usr/bin:/bin", FAKE=self.dir, DUET_CACHE=self.dir + "/cache", DUET_PACKAGES=packages)
        env.update(more)
        return subprocess.run([os.path.join(tap.TOP, "image", "bootstrap"), level], env=env, capture_output=True, text=True)

    def calls(self):
        try:
            return open(self.dir + "/calls").read()
        except FileNotFoundError:
            return ""

    def close(self):
        shutil.rmtree(self.dir)


def on_a_machine(test):
    def run():
        machine = Machine()
        try:
            test(machine)
        finally:
            machine.close()
    run.__doc__ = test.__doc__
    return run


@on_a_machine
def nothing_to_do(machine):
    """a machine that has everything is left alone"""
    open(machine.dir + "/installed/thing", "w").close()
    done = machine.bootstrap("sh:dash /bin/sh:dash thing no-such-tool|sh:other !true:another")
    tap.equal((done.returncode, machine.calls()), (0, ""), "what is there, from wherever, is used: apt is not called")
    tap.equal(done.stderr, "", "and nothing is said")


@on_a_machine
def missing(machine):
    """what is missing is installed"""
    done = machine.bootstrap("sh:dash no-such-tool:tool-package /no/such/file:file-package bare !false:checked")
    tap.ok(done.returncode == 0, "what is missing is installed") or tap.say(done.stderr)
    tap.equal(sorted(os.listdir(machine.dir + "/installed")), ["bare", "checked", "file-package", "tool-package"], "by tool, by file, by name, by check")
    lines = machine.calls().splitlines()
    tap.equal([("update" in line, "install" in line) for line in lines], [(True, False), (False, True)], "the lists are read once, when they lack a package")
    tap.ok("--no-install-recommends" in lines[1] and "--no-remove" in lines[1], "nothing else comes along, and nothing goes")
    tap.ok("bare checked file-package tool-package" in done.stderr, "it says what it installs")


@on_a_machine
def cannot(machine):
    """a package that cannot be installed is named"""
    done = machine.bootstrap("no-such-tool:no-such-package sh:dash")
    tap.ok(done.returncode != 0, "a package that cannot be installed ends it")
    tap.ok("could not install: no-such-package. Remedy:" in done.stderr and "Unable to locate" in done.stderr, "it is named, with apt's own reason and a remedy") or tap.say(done.stderr)


@on_a_machine
def no_room(machine):
    """a place that is too small or cannot be written is named before anything is done"""
    done = machine.bootstrap("no-such-tool:tool-package", DUET_CACHE="/proc/none")
    tap.ok(done.returncode != 0 and "cannot make the cache /proc/none: set DUET_CACHE" in done.stderr, "a cache that cannot be made is named") or tap.say(done.stderr)
    with open(machine.dir + "/bin/df", "w") as f:
        f.write("#!/bin/sh\necho Filesystem blocks used free\necho disk 900 200 700 23% /\n")
    os.chmod(machine.dir + "/bin/df", 0o755)
    done = machine.bootstrap("no-such-tool:tool-package")
    tap.ok(done.returncode != 0 and "has 700 MB free and a build needs 3000" in done.stderr, "a disk that is too full is named, with both numbers") or tap.say(done.stderr)
    tap.equal(machine.calls(), "", "nothing was installed")


@on_a_machine
def busy(machine):
    """a lock that is taken is waited for"""
    open(machine.dir + "/lock", "w").close()
    done = machine.bootstrap("no-such-tool:tool-package")
    tap.ok(done.returncode == 0 and "apt is busy (apt-daily?), waiting" in done.stderr, "a lock that is taken is waited for, and it says so") or tap.say(done.stderr)


@on_a_machine
def lists(machine):
    """the lists for `make vendor`"""
    run = lambda *a: subprocess.run([os.path.join(tap.TOP, "image", "bootstrap"), *a], capture_output=True, text=True)  # noqa: E731
    build, test = run("--list", "build").stdout.split(), run("--list", "test").stdout.split()
    tap.ok("gcc" in build and "python3" in build and set(build) < set(test), "the levels build on each other")
    forbidden = {"redis-server", "redis", "grub-pc", "chrony", "dropbear", "openssh-server", "keepalived"} & set(test)
    tap.equal(sorted(forbidden), [], "nothing that starts a daemon or installs a boot loader is among them")
    tap.ok(run("sideways").returncode != 0, "an unknown level is refused")


tap.main(nothing_to_do, missing, cannot, no_room, busy, lists)
