#!/usr/bin/python3
"""Applications with job queues at the VIP while the master loses power: no job that was accepted is lost, and none is done
twice beyond what its queue promises (one that was under way, or whose end was in doubt, may be)."""

import collections
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import netlab  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

JOBS = 400


class ListQueue:
    """The pattern of lists: LPUSH, BLMOVE into a list of the worker's own, and MULTI to end a job."""

    def __init__(self, pair):
        self.pair, self.lock = pair, threading.Lock()
        self.accepted, self.begun, self.ended, self.doubted = [], collections.Counter(), set(), set()
        self.finished = threading.Event()
        self.threads = [threading.Thread(target=t, args=a, daemon=True) for t, a in ((self.produce, ()), (self.work, ("w1",)), (self.work, ("w2",)))]
        for t in self.threads:
            t.start()

    def client(self):
        return self.pair.client(socket_timeout=2, decode_responses=True)

    def produce(self):
        c = self.client()
        for n in range(JOBS):
            job = "list-%d" % n
            while True:
                try:
                    c.lpush("todo", job)
                    break
                except pairlab.LOSSES:
                    self.doubted.add(job)  # it may have been accepted: a second one of the name may come
            self.accepted.append(job)
            self.finished.wait(0.005)

    def work(self, name):
        c, mine = self.client(), "doing:" + name
        while not self.finished.is_set():
            job = None
            try:
                job = c.lindex(mine, -1) or c.blmove("todo", mine, timeout=0.5)
                if not job:
                    continue
                with self.lock:
                    self.begun[job] += 1
                with c.pipeline() as p:
                    p.lrem(mine, 1, job).sadd("done", job).execute()
                self.ended.add(job)
            except pairlab.LOSSES:
                if job:
                    self.doubted.add(job)


class BullQueue:
    """BullMQ, in a process of Node.js."""

    def __init__(self):
        node = os.path.join(tap.TOP, "build", "deps", "node", "node_modules")
        script = os.path.join(tap.TOP, "tests", "clients", "node", "failover.js")
        self.accepted, self.begun, self.ended, self.failed, self.all_in = [], collections.Counter(), collections.Counter(), [], False
        self.process = subprocess.Popen(["node", script, netlab.VIP, str(pairlab.PORT), str(JOBS)], env=dict(os.environ, NODE_PATH=node), text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=pairlab.end_with_parent)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            word, job = line.split()[:2]
            if word == "ADDED":
                self.accepted.append(job)
            elif word == "BEGIN":
                self.begun[job] += 1
            elif word == "DONE":
                self.ended[job] += 1
            elif word == "FAILED":
                self.failed.append(line.strip())
            elif word == "ALL":
                self.all_in = True


def queues():
    """queues over a failover"""
    with pairlab.Pair() as pair:
        old = pair.settled()
        lists, bull = ListQueue(pair), BullQueue()
        try:
            tap.until(lambda: len(lists.ended) > 60 and len(bull.ended) > 60, 60, "both queues are at work")
            under_way = set(bull.accepted) - set(bull.ended)
            old.power_cut()
            tap.until(lambda: pair.master is old.other, 30, "the slave takes over")
            tap.ok(tap.until(lambda: len(lists.accepted) == JOBS and set(lists.accepted) <= lists.ended | lists.doubted and len(lists.client().smembers("done")) == JOBS, 60),
                   "lists: the master loses power: every job that was accepted is done")
            again = {j for j, n in lists.begun.items() if n > 1}
            tap.equal(again - lists.doubted, set(), "lists: only what was in doubt was done again (%d)" % len(again)) or tap.say(str(lists.doubted))
            tap.ok(tap.until(lambda: bull.all_in and set(bull.accepted) <= set(bull.ended), 60), "bullmq: every job that was accepted is done")
            again = {j for j, n in bull.begun.items() if n > 1}
            tap.ok(len(again) <= 4 + len(under_way), "bullmq: only what was under way was done again (%d)" % len(again)) or tap.say(str(again))
            tap.equal(bull.failed, [], "bullmq: none failed")
        finally:
            lists.finished.set()
            tap.say("bullmq: begun %d, ended %d, accepted %d" % (sum(bull.begun.values()), sum(bull.ended.values()), len(bull.accepted)))
            bull.process.kill()
            bull.process.wait()


tap.main(queues)
