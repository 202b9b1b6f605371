#!/usr/bin/python3
"""redis-py's asyncio half: many tasks, pipelines, WATCH, locks, scripts, pub/sub, blocking calls, a crash."""

import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import certs
import rig
import tap

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError, WatchError


def running(test):
    """A coroutine as a test with a time limit."""
    def one(command):
        asyncio.run(asyncio.wait_for(test(command), 60))
    one.__doc__ = test.__doc__
    return one


async def until(condition, limit_s=15):
    end = asyncio.get_running_loop().time() + limit_s
    while True:
        try:
            if value := await condition():
                return value
        except (RedisError, OSError):
            pass
        if asyncio.get_running_loop().time() > end:
            raise TimeoutError("the condition did not come true within %g s" % limit_s)
        await asyncio.sleep(0.02)


@running
async def tasks(command):
    """a thousand tasks over one pool"""
    with certs.Authority() as ca:
        options, tls_port = rig.tls(ca)
        with rig.Server(command, *options) as s:
            for name, url in (("TCP", "redis://127.0.0.1:%d" % s.port), ("a unix socket", "unix://" + s.socket), ("TLS", "rediss://localhost:%d?ssl_ca_certs=%s" % (tls_port, ca.path("ca.pem")))):
                r = redis.Redis(connection_pool=redis.BlockingConnectionPool.from_url(url, max_connections=20, decode_responses=True))
                await r.flushall()

                async def work(i):
                    await r.set("k:%d" % i, i, ex=100)
                    await r.incr("n")
                    return await r.get("k:%d" % i)
                got = await asyncio.gather(*[work(i) for i in range(1000)])
                tap.equal((got == [str(i) for i in range(1000)], await r.get("n")), (True, "1000"), "a thousand tasks over %s" % name)
                async with r.pipeline(transaction=True) as p:
                    got = await p.set("a", 1).incr("a").lpush("l", 1, 2).lrange("l", 0, -1).execute()
                tap.equal(got, [True, 2, 2, ["2", "1"]], "a transaction over %s" % name)
                tap.equal(len([k async for k in r.scan_iter("k:*", count=100)]), 1000, "SCAN over %s" % name)
                await r.close()
                await r.connection_pool.disconnect()


@running
async def contention(command):
    """WATCH"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port)
        again = 0

        async def add():
            nonlocal again
            async with r.pipeline() as p:
                while True:
                    try:
                        await p.watch("n")
                        value = int(await p.get("n") or 0)
                        p.multi()
                        p.set("n", value + 1)
                        return await p.execute()
                    except WatchError:
                        again += 1
        await asyncio.gather(*[add() for _ in range(60)])
        tap.ok(await r.get("n") == b"60" and again > 0, "sixty tasks count to sixty, some of them again")
        await r.close()


@running
async def blocking(command):
    """workers"""
    with rig.Server(command) as s:
        r, done = redis.Redis(port=s.port, decode_responses=True), []

        async def worker():
            mine = redis.Redis(port=s.port, decode_responses=True)
            while (job := (await mine.brpop(["high", "low"], 10))[1]) != "stop":
                done.append(job)
            await mine.close()
        workers = [asyncio.create_task(worker()) for _ in range(8)]
        for i in range(200):
            await r.lpush("high" if i % 2 else "low", i)
        await r.lpush("low", *["stop"] * 8)
        await asyncio.gather(*workers)
        tap.equal(sorted(map(int, done)), list(range(200)), "eight workers at BRPOP do 200 jobs, each once")
        try:
            await asyncio.wait_for(r.blpop("none", 5), 0.1)
            tap.ok(False, "a blocked call is cancelled")
        except asyncio.TimeoutError:
            tap.ok(await r.ping(), "a blocked call is cancelled, and the client goes on")
        await r.close()


@running
async def locks(command):
    """locks and scripts"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port)
        inside, most = 0, 0

        async def critical():
            nonlocal inside, most
            async with r.lock("lock", timeout=30, sleep=0.002, blocking_timeout=30):
                inside += 1
                most = max(most, inside)
                await r.incr("n")
                inside -= 1
        await asyncio.gather(*[critical() for _ in range(20)])
        tap.equal((most, await r.get("n"), await r.exists("lock")), (1, b"20", 0), "twenty tasks, one at a time under a lock")
        script = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
        tap.equal(sorted(await asyncio.gather(*[script(keys=["s"], args=[2]) for _ in range(10)])), list(range(2, 21, 2)), "a script of many tasks")
        await r.close()


@running
async def messages(command):
    """pub/sub"""
    with rig.Server(command) as s:
        r, sub = redis.Redis(port=s.port, decode_responses=True), redis.Redis(port=s.port, decode_responses=True).pubsub(ignore_subscribe_messages=True)
        await sub.subscribe("a")
        await sub.psubscribe("b*")
        await until(lambda: r.pubsub_numpat())
        got = []

        async def listen():
            async for m in sub.listen():
                got.append((m["channel"], m["data"]))
                if m["data"] == "stop":
                    return
        task = asyncio.create_task(listen())
        for i in range(500):
            await r.publish("a" if i % 2 else "bee", i)
        await r.publish("a", "stop")
        await asyncio.wait_for(task, 15)
        tap.equal(got[:-1], [("a" if i % 2 else "bee", str(i)) for i in range(500)], "five hundred messages in order")
        await sub.close()
        await r.close()


@running
async def streams(command):
    """streams"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        await r.xgroup_create("st", "g", "$", mkstream=True)
        seen = []

        async def consumer(name):
            mine = redis.Redis(port=s.port, decode_responses=True)
            while got := await mine.xreadgroup("g", name, {"st": ">"}, count=3, block=500):
                for entry, fields in got[0][1]:
                    seen.append(int(fields["n"]))
                    await mine.xack("st", "g", entry)
            await mine.close()
        consumers = [asyncio.create_task(consumer("c%d" % i)) for i in range(4)]
        async with r.pipeline(transaction=False) as p:
            for i in range(100):
                p.xadd("st", {"n": i})
            await p.execute()
        await asyncio.gather(*consumers)
        tap.equal((sorted(seen), (await r.xpending("st", "g"))["pending"]), (list(range(100)), 0), "four consumers get a hundred entries, each once")
        await r.close()


@running
async def crash(command):
    """the server is killed in the middle"""
    with rig.Server(command, "--appendonly", "yes") as s:
        r = redis.Redis(port=s.port, retry=Retry(ConstantBackoff(0.02), 500), retry_on_error=[ConnectionError, TimeoutError, OSError])
        acknowledged, stop = [], False

        async def write(i):
            n = 0
            while not stop:
                key, n = "%d:%d" % (i, n), n + 1
                try:
                    await r.set(key, n)
                    acknowledged.append(key)
                except (RedisError, OSError):
                    await asyncio.sleep(0.01)
        writers = [asyncio.create_task(write(i)) for i in range(10)]

        async def progress():
            want = len(acknowledged) + 300
            return await until(lambda: asyncio.sleep(0, len(acknowledged) > want))
        await progress()
        await asyncio.to_thread(s.crash)
        tap.ok(await progress(), "after a crash every task goes on by itself")
        stop = True
        await asyncio.gather(*writers)
        await asyncio.to_thread(s.crash)
        values = await redis.Redis(port=s.port).mget(acknowledged)
        tap.equal(values.count(None), 0, "of %d acknowledged writes none is lost" % len(acknowledged))
        await r.close()


if __name__ == "__main__":
    rig.main(tasks, contention, blocking, locks, messages, streams, crash)
