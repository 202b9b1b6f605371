#!/usr/bin/python3
"""A job stream as people run it with redis-py: workers of a consumer group, each a process; one is killed in the middle of a
batch, the server too; the others claim what it had, and every job takes effect exactly once."""

import multiprocessing
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import tap

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

JOBS = 3000 if tap.FULL else 600
IDLE_MS = 400  # a job that nobody acknowledges for so long is taken over

# The job's effect and its acknowledgement at once: whoever comes second finds nothing to acknowledge.
DONE = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
redis.call('HINCRBY', KEYS[3], ARGV[4], 1)
return 1
"""


def client(port):
    return redis.Redis(port=port, decode_responses=True, socket_timeout=10, retry=Retry(ConstantBackoff(0.05), 100),
                       retry_on_error=[redis.ConnectionError, redis.BusyLoadingError])


def worker(port, name, dies_at):
    """Takes jobs until it is ended; the one that dies does so with some of its batch done and some not."""
    r = client(port)
    done, start = r.register_script(DONE), "0-0"
    seen = 0
    while True:
        start, claimed, _deleted = r.xautoclaim("jobs", "crew", name, IDLE_MS, start, count=20)
        batch = r.xreadgroup("crew", name, {"jobs": ">"}, count=20, block=100)
        for id, job in claimed + (batch[0][1] if batch else []):
            seen += 1
            if dies_at and seen >= dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
            done(["jobs", "times", "by"], ["crew", id, job["number"], name])


class Crew:
    def __init__(self, port):
        self.port, self.hands = port, {}

    def hire(self, name, dies_at=0):
        p = multiprocessing.get_context("fork").Process(target=worker, args=(self.port, name, dies_at), daemon=True)
        p.start()
        self.hands[name] = p
        return p

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.hands.values():
            p.kill()
            p.join()


def settled(r):
    return len(r.hgetall("times")) == JOBS and not r.xpending("jobs", "crew")["pending"]


def check(r):
    times = r.hgetall("times")
    tap.equal(len(times), JOBS, "every job was done")
    tap.equal(set(times.values()), {"1"}, "each of them exactly once")
    tap.equal(sum(map(int, r.hgetall("by").values())), JOBS, "and is counted for one worker")
    group, = r.xinfo_groups("jobs")
    tap.equal((group["pending"], group["lag"], group["entries-read"]), (0, 0, JOBS), "nothing is pending, nothing unread")


def produce(r, first, count):
    pipe = r.pipeline(transaction=False)
    for i in range(first, first + count):
        pipe.xadd("jobs", {"number": i, "text": "x" * (i % 50)})
    return pipe.execute()


def killed_worker(command):
    """a worker of a consumer group is killed in the middle of its batch"""
    with rig.Server(command) as s, Crew(s.port) as crew:
        r = client(s.port)
        r.xgroup_create("jobs", "crew", id="0", mkstream=True)
        doomed = crew.hire("doomed", dies_at=31)
        produce(r, 0, JOBS // 2)
        tap.until(lambda: not doomed.is_alive(), 30, "the doomed worker to die")
        left = r.xpending("jobs", "crew")
        tap.equal([c["name"] for c in left["consumers"]], ["doomed"], "%d jobs are pending for the dead" % left["pending"])
        tap.ok(0 < left["pending"] <= 20, "a part of a batch")
        rows = r.xpending_range("jobs", "crew", "-", "+", 100, consumername="doomed")
        tap.ok(all(row["times_delivered"] == 1 for row in rows), "each was delivered once")
        for name in ("ann", "bob", "eve"):
            crew.hire(name)
        produce(r, JOBS // 2, JOBS - JOBS // 2)
        tap.until(lambda: settled(r), 60, "all jobs to be done")
        check(r)
        by = r.hgetall("by")
        tap.ok(int(by["doomed"]) == 30 and len(by) > 1, "the dead had done 30, the others the rest: %s" % by)
        tap.equal(r.xgroup_delconsumer("jobs", "crew", "doomed"), 0, "the dead had nothing left")


def killed_server(command):
    """the server is killed while workers of a consumer group are at it"""
    with rig.Server(command, "--appendonly", "yes", "--appendfsync", "always") as s, Crew(s.port) as crew:
        r = client(s.port)
        r.xgroup_create("jobs", "crew", id="0", mkstream=True)
        produce(r, 0, JOBS // 2)
        taken = r.xreadgroup("crew", "gone", {"jobs": ">"}, count=7)[0][1]
        before = r.xinfo_stream("jobs"), r.xpending_range("jobs", "crew", "-", "+", 100)
        s.crash()
        after = r.xinfo_stream("jobs"), r.xpending_range("jobs", "crew", "-", "+", 100)
        times = [[row.pop("time_since_delivered") for row in rows] for rows in (before[1], after[1])]
        tap.equal(after, before, "stream and pending entries are as before the crash")
        tap.ok(all(a >= b for a, b in zip(times[1], times[0])) and len(taken) == 7, "and nothing was delivered anew by it")
        for name in ("ann", "bob"):
            crew.hire(name)
        tap.until(lambda: len(r.hgetall("times")) > 20, 30, "some jobs to be done")
        s.crash()
        produce(r, JOBS // 2, JOBS - JOBS // 2)
        crew.hire("eve")
        tap.until(lambda: settled(r), 60, "all jobs to be done")
        times = r.hgetall("times")
        tap.equal((len(times), set(times.values())), (JOBS, {"1"}), "every job was done exactly once")


def tail(command):
    """readers that follow a stream from now on see every message once, in order, however it is trimmed behind them"""
    with rig.Server(command) as s:
        r, got = client(s.port), []
        reader = redis.Redis(port=s.port, decode_responses=True)
        r.xadd("feed", {"n": -1})
        last, deadline = "$", time.monotonic() + 30
        r2 = client(s.port)
        first = r.xadd("feed", {"n": 0})
        last = first
        for burst in range(20):
            pipe = r2.pipeline()
            for i in range(10):
                pipe.xadd("feed", {"n": burst * 10 + i}, maxlen=100, approximate=True)
            pipe.execute()
            while len(got) < (burst + 1) * 10 and time.monotonic() < deadline:
                for _, rows in reader.xread({"feed": last}, count=7, block=1000):
                    for last, fields in rows:
                        got.append(int(fields["n"]))
        tap.equal(got, list(range(200)), "200 messages in order")


rig.main(killed_worker, killed_server, tail)
