#!/usr/bin/python3
"""Debian's rq: its workers as processes; jobs in order, later, again, after others; workers and servers that are killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import tap

import redis
import rq
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry, StartedJobRegistry

JOBS = """
import os, time
from redis import Redis
def connection():
    return Redis(port=int(os.environ['DUET_PORT']))
def square(n):
    connection().rpush('done', n)
    return n * n
def flaky(good):
    if connection().incr('tries') < good:
        raise ValueError('not yet')
    return 'good'
def hang(name):
    connection().set(name, os.getpid())
    time.sleep(1000)
"""


def family(pid):
    """The process and all that came of it: an rq worker's horse and its scheduler have sessions of their own."""
    pairs = [line.split() for line in subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout.splitlines()]
    members = [pid]
    for member in members:
        members += [int(child) for child, parent in pairs if int(parent) == member]
    return members


class Workers:
    """`rq worker` processes, each of which is killed with the horse that it rides."""

    def __init__(self, s, directory):
        self.s, self.directory, self.all = s, directory, []

    def start(self, *words):
        # A test that is killed itself must leave none behind.
        argv = ["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", "-m", "rq.cli", "worker", "--url", "redis://127.0.0.1:%d" % self.s.port, "--path", self.directory,
                "--serializer", "rq.serializers.JSONSerializer", "--quiet"] + list(words)
        log = open(os.path.join(self.directory, "workers.log"), "ab")
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                             env=dict(os.environ, DUET_PORT=str(self.s.port), PYTHONPATH=self.directory))
        self.all.append(p)
        return p

    def kill(self, p):
        for q in family(p.pid):
            try:
                os.kill(q, signal.SIGKILL)
            except ProcessLookupError:
                pass
        p.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for p in self.all:
            if p.poll() is None:
                self.kill(p)
        if exc[0]:
            tap.say(open(os.path.join(self.directory, "workers.log"), errors="replace").read()[-2000:])


def queues(command):
    """rq"""
    json = rq.serializers.JSONSerializer
    with tempfile.TemporaryDirectory(prefix="duet-rq-") as directory, rig.Server(command, "--appendonly", "yes") as s, Workers(s, directory) as workers:
        with open(os.path.join(directory, "duetjobs.py"), "w") as f:
            f.write(JOBS)
        r = redis.Redis(port=s.port)
        high, low = (rq.Queue(n, connection=r, serializer=json) for n in ("high", "low"))
        jobs = [low.enqueue("duetjobs.square", i) for i in range(5)] + [high.enqueue("duetjobs.square", 10 + i) for i in range(5)]
        workers.start("high", "low", "--burst").wait(60)
        tap.equal([int(v) for v in r.lrange("done", 0, -1)], [10, 11, 12, 13, 14, 0, 1, 2, 3, 4], "the queue named first goes first, each in order")
        tap.equal([j.result for j in jobs], [i * i for i in (0, 1, 2, 3, 4, 10, 11, 12, 13, 14)], "results come back")
        tap.equal((len(FinishedJobRegistry(queue=low)), jobs[0].get_status(refresh=True), len(low)), (5, "finished", 0), "and are registered")

        flaky = low.enqueue("duetjobs.flaky", 3, retry=rq.Retry(max=3))
        bad = low.enqueue("duetjobs.flaky", 99)
        first = low.enqueue("duetjobs.square", 7)
        after = high.enqueue("duetjobs.square", 8, depends_on=first)
        later = low.enqueue_in(timedelta(seconds=1), "duetjobs.square", 9)
        front = low.enqueue("duetjobs.square", 6, at_front=True)
        tap.equal((after.get_status(), len(ScheduledJobRegistry(queue=low)), low.job_ids[0]), ("deferred", 1, front.id), "deferred, scheduled, at the front")
        one, two = workers.start("high", "low", "--with-scheduler", "--name", "one"), workers.start("high", "low", "--name", "two")
        waited = {j: tap.until(lambda j=j: j.get_status(refresh=True) in ("finished", "failed"), 30, "job %s ends" % j.args) for j in (flaky, bad, first, after, later, front)}
        tap.equal([j.get_status() for j in waited], ["finished", "failed", "finished", "finished", "finished", "finished"], "two workers: retried, failed, after another one, later")
        bad.refresh()
        tap.ok("not yet" in (bad.exc_info or "") and bad.id in FailedJobRegistry(queue=low), "a failure keeps its traceback")
        low.failed_job_registry.requeue(bad.id)
        r.set("tries", 1000)
        tap.ok(tap.until(lambda: bad.get_status(refresh=True) == "finished", 20), "it is queued again by hand, and good")
        tap.equal(sorted(w.name for w in rq.Worker.all(connection=r)), ["one", "two"], "workers are listed")

        hang = low.enqueue("duetjobs.hang", "pid1", job_timeout=500)
        pid = int(tap.until(lambda: r.get("pid1"), 20))
        tap.ok(hang.id in StartedJobRegistry(queue=low), "a job is under way")
        os.kill(pid, signal.SIGKILL)
        tap.ok(tap.until(lambda: hang.get_status(refresh=True) == "failed", 20), "its process is killed: the worker says that it failed")
        stopped = low.enqueue("duetjobs.hang", "pid2", job_timeout=500)
        tap.until(lambda: r.get("pid2"), 20)
        send_stop_job_command(r, stopped.id, serializer=json)
        tap.ok(tap.until(lambda: stopped.get_status(refresh=True) in ("stopped", "failed"), 20), "a job is stopped by a message to its worker")

        lost = low.enqueue("duetjobs.hang", "pid3", job_timeout=500, retry=rq.Retry(max=1))
        tap.until(lambda: r.get("pid3"), 20)
        holder = next(w for w in rq.Worker.all(connection=r) if w.get_current_job_id() == lost.id)
        workers.kill(one if holder.name == "one" else two)
        registry = StartedJobRegistry(queue=low)
        tap.equal(registry.cleanup(int(time.time()) + 100000) is not False and lost.get_status(refresh=True) in ("failed", "queued"), True, "a worker is killed with its job: the registry gives it up when its time is over")
        r.delete("pid3")
        if lost.get_status() == "failed":
            low.failed_job_registry.requeue(lost.id)
        tap.ok(tap.until(lambda: r.get("pid3"), 30), "and the other worker takes it up")
        send_stop_job_command(r, lost.id, serializer=json)
        tap.until(lambda: lost.get_status(refresh=True) != "started", 20)
        survivor = two if holder.name == "one" else one

        send_shutdown_command(r, survivor.args[survivor.args.index("--name") + 1])
        tap.ok(tap.until(lambda: survivor.poll() is not None, 20), "a worker ends when it is told by a message")

        three = workers.start("high", "low", "--name", "three")
        ids = []
        for i in range(30):
            if i == 15:
                tap.until(lambda: rq.Worker.all(connection=r), 20)
                s.crash()
            ids.append(tap.until(lambda i=i: low.enqueue("duetjobs.square", i), 10).id)
        if three.poll() is not None:
            three = workers.start("high", "low", "--name", "four")  # it gives up when the server is away for long
        tap.ok(tap.until(lambda: all(j and j.get_status() == "finished" for j in Job.fetch_many(ids, connection=r, serializer=json)), 60), "the server is killed in the middle: every job is done")
        three.send_signal(signal.SIGTERM)
        tap.ok(tap.until(lambda: three.poll() is not None, 20), "and the worker can be ended")


if __name__ == "__main__":
    rig.main(queues)
