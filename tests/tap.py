"""Test lines for Python tests: `ok - what it shows` or `not ok - what it shows` on standard output,
diagnostics as `# ...` lines. A program ends with `sys.exit(tap.done())`, or by `tap.main(f, g, ...)`.

    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    import tap
"""

import os
import sys
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DUET = os.path.abspath(os.environ.get("DUET_BIN", os.path.join(TOP, "build", "duet")))
FULL = os.environ.get("DUET_FULL") == "1"
REDIS_BIN = os.path.join(TOP, "build", "deps", "debs", "redis", "bin")  # redis-server, redis-cli, redis-benchmark

counts = {"ok": 0, "not ok": 0}


def say(text):
    """A diagnostic, line by line."""
    for line in str(text).splitlines() or [""]:
        print("# " + line, flush=True)


def ok(condition, what):
    word = "ok" if condition else "not ok"
    counts[word] += 1
    print("%s - %s" % (word, what), flush=True)
    if not condition:
        frame = next(f for f in reversed(traceback.extract_stack()) if os.path.basename(f.filename) != "tap.py")
        say("failed at %s:%d" % (frame.filename, frame.lineno))
    return bool(condition)


def equal(got, want, what):
    """ok() that shows both sides when they differ."""
    same = ok(got == want, what)
    if not same:
        say("got      %r" % (got,))
        say("expected %r" % (want,))
    return same


def skip(what, why):
    counts["ok"] += 1
    print("ok - %s # SKIP %s" % (what, why), flush=True)


def until(condition, limit_s, what="the condition", step_s=0.02):
    """Polls until condition() is true and returns its value; raises TimeoutError after limit_s.
    An exception of condition() counts as not yet."""
    deadline, last = time.monotonic() + limit_s, None
    while True:
        try:
            value, last = condition(), None
            if value:
                return value
        except Exception as e:  # noqa: BLE001
            last = e
        if time.monotonic() > deadline:
            raise TimeoutError("%s did not come true within %g s%s" % (what, limit_s, "; last: %r" % last if last else ""))
        time.sleep(step_s)


def seed():
    """DUET_SEED or a fixed number, printed so that a failing run can be repeated."""
    value = int(os.environ.get("DUET_SEED", "20240229"), 0)
    say("DUET_SEED=%d" % value)
    return value


def done():
    if not sum(counts.values()):
        print("not ok - the program tested nothing", flush=True)
        return 1
    return 1 if counts["not ok"] else 0


def main(*tests):
    """Runs each function; one that raises is a failed line named by its first doc line or name."""
    for test in tests:
        try:
            test()
        except Exception:  # noqa: BLE001
            ok(False, (test.__doc__ or test.__name__).strip().splitlines()[0])
            say(traceback.format_exc())
    sys.exit(done())
