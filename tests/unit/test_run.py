#!/usr/bin/python3
"""tests/run itself: what it counts, shows and ends."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

GOOD = "print('ok - one')\nprint('ok - two # SKIP no reason')\n"
BAD = "import sys\nprint('ok - a')\nprint('not ok - b is wrong')\nprint('# because of c')\nprint('ok - d')\nsys.exit(1)\n"
DEAD = "import os\nprint('ok - alive', flush=True)\nprint('last words', flush=True)\nos.abort()\n"
SILENT = "pass\n"
LIAR = "import sys\nprint('ok - all is well')\nsys.exit(3)\n"
HANGS = "# timeout: 1\nimport subprocess, time\np = subprocess.Popen(['sleep', '600'])\nprint('# child', p.pid, flush=True)\ntime.sleep(600)\n"
LEAVES = "import subprocess\np = subprocess.Popen(['sleep', '600'])\nprint('# child', p.pid)\nprint('ok - started')\n"


class Tree:
    """A project of its own around a copy of tests/run."""

    def __init__(self, programs, makefile="stage-%:\n\t@true\n"):
        self.dir = tempfile.mkdtemp(prefix="duet-run-")
        os.makedirs(self.dir + "/tests/compat")
        shutil.copy(os.path.join(tap.TOP, "tests", "run"), self.dir + "/tests/run")
        with open(self.dir + "/Makefile", "w") as f:
            f.write(makefile)
        for name, text in programs.items():
            with open("%s/tests/compat/test_%s.py" % (self.dir, name), "w") as f:
                f.write(text)

    def run(self, *arguments):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DUET_", "MAKE"))}
        done = subprocess.run([self.dir + "/tests/run", *arguments], env=env, capture_output=True, text=True)
        return done.returncode, done.stdout

    def log(self, name):
        return open("%s/build/test-logs/compat-%s.log" % (self.dir, name)).read()

    def close(self):
        shutil.rmtree(self.dir)


def run_tree(programs, *arguments, **more):
    tree = Tree(programs, **more)
    try:
        status, out = tree.run(*arguments)
        logs = {n: tree.log(n) for n in programs if os.path.exists("%s/build/test-logs/compat-%s.log" % (tree.dir, n))}
        return status, out, logs
    finally:
        tree.close()


def gone(logs, name):
    """Whether the child that the program's log names has ended."""
    pid = int(re.search(r"# child (\d+)", logs[name])[1])
    try:
        return "sleep" not in open("/proc/%d/cmdline" % pid).read()
    except OSError:
        return True


def counts():
    """passes, failures and skips are counted"""
    status, out, _ = run_tree({"good": GOOD})
    tap.equal((status, out.splitlines()[-1]), (0, "1 passed, 0 failed, 1 skipped"), "passes and skips are counted, the last line says so")
    status, out, _ = run_tree({"good": GOOD, "bad": BAD})
    tap.equal((status, out.splitlines()[-1]), (1, "3 passed, 1 failed, 1 skipped"), "over all programs; a failure makes the exit status 1")
    tap.ok("not ok - b is wrong" in out and "because of c" in out, "a failing line is shown with its diagnostics")
    tap.ok("ok - d" not in out, "and nothing of what passed")


def deaths():
    """a program without a failing line is one failure when it dies"""
    for name, text, words in (("dead", DEAD, "SIGABRT"), ("silent", SILENT, "without a failing line"), ("liar", LIAR, "exited with status 3")):
        status, out, _ = run_tree({name: text})
        tap.ok(status == 1 and " 1 failed" in out.splitlines()[-1] and words in out, "a program that is %s is one failure" % name) or tap.say(out)
    tap.ok("last words" in run_tree({"dead": DEAD})[1], "its last output is shown")


def hangs():
    """a program that hangs is ended with all that it started"""
    status, out, logs = run_tree({"hangs": HANGS})
    tap.ok(status == 1 and "ran longer than 1 s" in out, "a program that hangs is ended at its own limit") or tap.say(out)
    tap.ok(gone(logs, "hangs"), "and what it started with it")
    status, out, logs = run_tree({"leaves": LEAVES})
    tap.ok(status == 0 and gone(logs, "leaves"), "what a program leaves behind is ended")


def interrupted():
    """Ctrl-C ends what is under way"""
    for name, programs, makefile, log in (
            ("a program", {"hangs": HANGS.replace("timeout: 1", "patience")}, "stage-%:\n\t@true\n", "compat-hangs.log"),
            ("a build", {"good": GOOD}, "stage-%:\n\t@sleep 600 & echo '# child' $$!; wait\n", "compat-build.log")):
        tree = Tree(programs, makefile=makefile)
        try:
            process = subprocess.Popen([tree.dir + "/tests/run"], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
            path = tree.dir + "/build/test-logs/" + log
            text = tap.until(lambda: re.search(r"# child \d+", open(path).read()), 20, "a child in " + log)[0]
            process.send_signal(signal.SIGINT)
            tap.equal(process.wait(20), 130, "Ctrl-C ends the run in the middle of %s" % name)
            tap.ok(gone({"x": text}, "x"), "and what that had started")
        finally:
            tree.close()


def builds():
    """a stage that cannot be built is a failure"""
    status, out, _ = run_tree({"good": GOOD}, makefile="stage-%:\n\t@echo 'x.c:3: error: no such thing'; false\n")
    tap.ok(status == 1 and "no such thing" in out and out.splitlines()[-1] == "1 passed, 1 failed, 1 skipped", "a stage that cannot be built is a failure with its reason") or tap.say(out)


def choice():
    """one stage, one program"""
    status, out, _ = run_tree({"good": GOOD, "bad": BAD}, "compat", "good")
    tap.ok(status == 0 and "compat-bad" not in out, "one program can be run by its name")
    tap.equal(run_tree({"good": GOOD}, "nonsense")[0], 2, "an unknown stage is refused")
    status, out, _ = run_tree({}, "compat")
    tap.ok(status == 1 and "nothing to run" in out, "no test at all is a failure")


tap.main(counts, deaths, hangs, interrupted, builds, choice)
