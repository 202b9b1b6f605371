#!/usr/bin/python3
"""Debian's kombu over its redis transport, as Celery uses it: tasks, acknowledgements, priorities, fan-out, a consumer that dies."""

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
import tap

import redis
from kombu import Connection, Consumer, Exchange, Queue

TASKS = Exchange("tasks", type="direct")
NEWS = Exchange("news", type="fanout")


def connection(s, **options):
    return Connection("redis://127.0.0.1:%d/1" % s.port, transport_options=dict({"visibility_timeout": 1, "unacked_mutex_expire": 1}, **options))


def drain(c, count, limit_s=20):
    """Handles events until count() says that it is enough."""
    def once():
        try:
            c.drain_events(timeout=0.2)
        except socket.timeout:
            pass
        return count()
    tap.until(once, limit_s, "messages", 0)


def tasks(command):
    """tasks"""
    with rig.Server(command) as s, connection(s, priority_steps=[0, 3, 6, 9], queue_order_strategy="priority") as c:
        queue = Queue("work", TASKS, routing_key="work")
        with c.Producer(serializer="json") as p:
            for i in range(50):
                p.publish({"n": i}, exchange=TASKS, routing_key="work", declare=[queue], priority=9 if i < 25 else 0)
        got = []

        def on(body, message):
            got.append(body["n"])
            message.ack()
        with Consumer(c, queue, callbacks=[on], prefetch_count=1, accept=["json"]):
            drain(c, lambda: len(got) == 50)
        tap.equal(got, list(range(25, 50)) + list(range(25)), "fifty tasks by priority, each once")
        tap.equal(redis.Redis(port=s.port, db=1).hlen("unacked"), 0, "all are acknowledged")
        with c.SimpleQueue("simple") as q:
            q.put({"a": "b"}, compression="zlib")
            m = q.get(timeout=10)
            tap.equal((m.payload, m.ack(), redis.Redis(port=s.port, db=1).exists("simple")), ({"a": "b"}, None, 0), "a simple queue, compressed")
        big = "x" * 5000000
        with c.SimpleQueue("big") as q:
            q.put(big)
            m = q.get(timeout=10)
            m.ack()
            tap.ok(m.payload == big, "a task of 5 MB")


def dead_consumer(command):
    """a consumer that dies"""
    with rig.Server(command) as s:
        queue, second = Queue("work", TASKS, routing_key="work"), []
        with connection(s) as c, c.Producer(serializer="json") as p:
            for i in range(5):
                p.publish({"n": i}, exchange=TASKS, routing_key="work", declare=[queue])
        r = redis.Redis(port=s.port, db=1)
        child = os.fork()
        if not child:
            try:
                dying = connection(s)
                with Consumer(dying, queue, callbacks=[lambda body, message: r.incr("taken")], accept=["json"], prefetch_count=10):
                    drain(dying, lambda: False, 60)
            finally:
                os._exit(1)
        try:
            tap.until(lambda: r.get("taken") == b"5", 20)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        tap.equal(r.hlen("unacked"), 5, "five tasks were with a consumer that was killed")
        with connection(s) as c:
            def on(body, message):
                second.append(body["n"])
                message.ack()
            with Consumer(c, queue, callbacks=[on], accept=["json"]):
                def restored():
                    c.default_channel.qos.restore_visible()
                    return len(second) == 5
                drain(c, restored)
        tap.equal((sorted(second), r.hlen("unacked")), ([0, 1, 2, 3, 4], 0), "when their time is over another one does them")


def fan_out(command):
    """fan-out"""
    with rig.Server(command) as s:
        got, listeners = {"a": [], "b": []}, []
        for name in got:
            c = connection(s, fanout_prefix=True, fanout_patterns=True)
            queue = Queue("listener-" + name, NEWS, auto_delete=True)
            consumer = Consumer(c, queue, callbacks=[lambda body, message, name=name: (got[name].append(body), message.ack())], accept=["json"])
            consumer.consume()
            listeners.append((c, consumer))
        r = redis.Redis(port=s.port, db=1)
        for n, (c, _) in enumerate(listeners, 1):
            drain(c, lambda n=n: sum(l["psub"] != "0" for l in r.client_list()) == n)
        with connection(s, fanout_prefix=True, fanout_patterns=True) as c, c.Producer(serializer="json") as p:
            for i in range(20):
                p.publish(i, exchange=NEWS, declare=[NEWS])
        for (c, consumer), name in zip(listeners, got):
            drain(c, lambda name=name: len(got[name]) == 20)
        tap.equal(got, {"a": list(range(20)), "b": list(range(20))}, "twenty messages reach both listeners")
        for c, consumer in listeners:
            consumer.cancel()
            c.release()


if __name__ == "__main__":
    rig.main(tasks, dead_consumer, fan_out)
