#!/usr/bin/python3
"""What applications do with redis-py: locks, limits, queues, messages, streams, caches, in threads and over restarts."""

import collections
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import certs
import rig
import tap

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

LIMITER = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]))
local used = redis.call('ZCARD', KEYS[1])
if used >= tonumber(ARGV[2]) then return {0, used} end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return {1, used + 1}
"""
TAKE = """
local job = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
if not job then return false end
redis.call('HINCRBY', KEYS[3], cjson.decode(job).kind, 1)
return job
"""


def threads(n, work):
    """Runs work(i) in n threads; raises what one of them raised."""
    errors = []

    def guarded(i):
        try:
            work(i)
        except Exception as e:  # noqa: BLE001
            errors.append(e)
    all_of_them = [threading.Thread(target=guarded, args=(i,), daemon=True) for i in range(n)]
    for t in all_of_them:
        t.start()
    for t in all_of_them:
        t.join(60)
    if errors:
        raise errors[0]
    if any(t.is_alive() for t in all_of_them):
        raise TimeoutError("a thread did not end")


def optimistic_lock(command):
    """accounts under contention, by WATCH"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        names = ["account:%d" % i for i in range(3)]
        r.mset({n: 100 for n in names})
        lost = collections.Counter()

        def move(i):
            chance, mine = random.Random(i), redis.Redis(port=s.port, decode_responses=True)
            for _ in range(40):
                a, b = chance.sample(names, 2)
                while True:
                    with mine.pipeline() as p:
                        try:
                            p.watch(a, b)
                            have = int(p.get(a))
                            p.multi()
                            p.set(a, have - 1)
                            p.incrby(b, 1)
                            p.rpush("moves", "%s>%s" % (a, b))
                            p.execute()
                            break
                        except redis.WatchError:
                            lost[i] += 1
        threads(6, move)
        tap.equal(sum(int(v) for v in r.mget(names)), 300, "240 transfers of six threads neither make nor lose money")
        tap.equal(r.llen("moves"), 240, "each is in the book once")
        tap.ok(sum(lost.values()) > 0, "and some had to try again")
        p = r.pipeline()
        p.set("x", 1).lpush("x", 1).incr("y")
        got = p.execute(raise_on_error=False)
        tap.ok(got[0] is True and isinstance(got[1], redis.ResponseError) and got[2] == 1, "an error inside a transaction stops nothing")
        tap.equal(str(got[1]), "WRONGTYPE Operation against a key holding the wrong kind of value", "and has Redis's words")
        try:
            r.pipeline().set("x", 2).execute_command("NOSUCH").set("x", 3).execute()
            tap.ok(False, "an unknown command refuses the transaction")
        except redis.ResponseError as e:
            tap.ok("unknown command 'NOSUCH'" in str(e) and r.get("x") == "1", "an unknown command refuses the transaction") or tap.say(str(e))


def scripts(command):
    """Lua: a rate limiter, a job queue, a lock"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        limiter = r.register_script(LIMITER)
        got = [limiter(keys=["limit:u1"], args=[60000, 5, "call-%d" % i]) for i in range(8)]
        tap.equal(got, [[1, i] for i in range(1, 6)] + [[0, 5]] * 3, "a rate limiter lets five of eight pass")
        tap.ok(0 < r.pttl("limit:u1") <= 60000, "and its window ends")
        allowed = []
        threads(8, lambda i: allowed.extend(limiter(keys=["limit:u2"], args=[60000, 20, "%d-%d" % (i, j)])[0] for j in range(10)))
        tap.equal(sum(allowed), 20, "of eighty calls of eight threads exactly twenty")
        r.script_flush()
        tap.equal(limiter(keys=["limit:u1"], args=[60000, 5, "x"]), [0, 5], "a script that was flushed is loaded again by the library")

        take = r.register_script(TAKE)
        r.rpush("jobs", *['{"kind":"%s","id":%d}' % ("ab"[i % 2], i) for i in range(10)])
        taken = [take(keys=["jobs", "active", "kinds"]) for _ in range(11)]
        tap.ok(taken[10] is None and len(set(taken[:10])) == 10, "a queue in Lua hands out each job once")
        tap.equal((r.hgetall("kinds"), r.llen("active")), ({"a": "5", "b": "5"}, 10), "and cjson read what was in them")
        with r.pipeline() as p:
            limiter(keys=["limit:u3"], args=[60000, 1, "a"], client=p)
            limiter(keys=["limit:u3"], args=[60000, 1, "b"], client=p)
            tap.equal(p.execute(), [[1, 1], [0, 1]], "scripts in a transaction")
        for text, words in (("return redis.call('NOSUCH')", "Unknown Redis command called from script"), ("return nosuch", "global variable 'nosuch'"),
                            ("return redis.call('LPUSH', KEYS[1], 1)", "WRONGTYPE"), ("return redis.error_reply('MINE text')", "MINE text")):
            r.set("str", 1)
            try:
                tap.ok(False, "an error of a script is raised: %s (%r)" % (text, r.eval(text, 1, "str")))
            except redis.ResponseError as e:
                tap.ok(words in str(e), "an error of a script is raised: " + text) or tap.say(str(e))
        try:
            r.eval_ro("return redis.call('SET', KEYS[1], 1)", 1, "a")
            tap.ok(False, "EVAL_RO refuses to write")
        except redis.ResponseError as e:
            tap.ok("Write commands are not allowed from read-only scripts" in str(e), "EVAL_RO refuses to write") or tap.say(str(e))

        lock, other = r.lock("lock", timeout=30), r.lock("lock", timeout=30, blocking=False)
        tap.ok(lock.acquire() and not other.acquire() and lock.locked(), "a lock keeps others out")
        tap.ok(lock.extend(10, replace_ttl=True) and 0 < r.pttl("lock") <= 10000 and lock.reacquire() and r.pttl("lock") > 20000, "it is extended and taken anew")
        lock.release()
        tap.ok(other.acquire() and other.owned(), "released, it goes to the next")
        r.set("lock", "somebody else")
        try:
            other.release()
            tap.ok(False, "a lock that was lost is not released")
        except redis.exceptions.LockNotOwnedError:
            tap.ok(r.get("lock") == "somebody else", "a lock that was lost is not released")
        r.delete("lock")
        inside, most, total = [0], [0], [0]

        def critical(_):
            mine = redis.Redis(port=s.port)
            for _ in range(5):
                with mine.lock("mutex", timeout=20, sleep=0.002):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    total[0] += 1
                    inside[0] -= 1
        threads(5, critical)
        tap.equal((most[0], total[0]), (1, 25), "five threads are in the critical section one at a time")


def messages(command):
    """pub/sub"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        sub = r.pubsub()
        sub.subscribe("news", "sport")
        sub.psubscribe("log.*")
        got = [sub.get_message(timeout=10) for _ in range(3)]
        tap.equal([(m["type"], m["channel"], m["data"]) for m in got], [("subscribe", "news", 1), ("subscribe", "sport", 2), ("psubscribe", "log.*", 3)], "subscriptions are confirmed")
        tap.equal((r.publish("news", "hello"), r.publish("log.err", "bad"), r.publish("nobody", "x")), (1, 1, 0), "a publisher is told how many got it")
        got = [sub.get_message(timeout=10) for _ in range(2)]
        tap.equal([(m["type"], m["pattern"], m["channel"], m["data"]) for m in got], [("message", None, "news", "hello"), ("pmessage", "log.*", "log.err", "bad")], "messages arrive")
        tap.equal((sorted(r.pubsub_channels()), dict(r.pubsub_numsub("news", "none")), r.pubsub_numpat()), (["news", "sport"], {"news": 1, "none": 0}, 1), "PUBSUB tells who listens")
        sub.ping()
        tap.equal(sub.get_message(timeout=10)["type"], "pong", "PING of a subscriber")
        seen = []
        handler = r.pubsub(ignore_subscribe_messages=True)
        handler.subscribe(**{"h": lambda m: seen.append(m["data"])})
        thread = handler.run_in_thread(sleep_time=0.01)
        tap.until(lambda: r.pubsub_numsub("h")[0][1] == 1, 10)
        for i in range(100):
            r.publish("h", i)
        tap.ok(tap.until(lambda: len(seen) == 100, 10) and seen == [str(i) for i in range(100)], "a thread of handlers sees a hundred in order")
        thread.stop()
        thread.join(10)
        s.crash()
        tap.until(r.ping, 10)

        def again():
            try:
                return sub.get_message(timeout=0.1)
            except redis.ConnectionError:
                return None
        tap.until(lambda: again() is None and r.pubsub_numpat() == 1, 10, "the subscriber is back")
        tap.ok(tap.until(lambda: (r.publish("log.x", "after"), (again() or {}).get("data") == "after")[1], 10), "after a restart the library subscribes again by itself")
        sub.unsubscribe()
        sub.punsubscribe()
        tap.until(lambda: (again(), not sub.subscribed)[1], 10)
        tap.equal((r.pubsub_channels(), r.pubsub_numpat()), ([], 0), "unsubscribed from everything")
        r.config_set("notify-keyspace-events", "Ex")
        expired = r.pubsub(ignore_subscribe_messages=True)
        expired.psubscribe("__keyevent@*__:expired")
        expired.get_message(timeout=1)
        r.set("session", 1, px=30)
        tap.equal(tap.until(lambda: expired.get_message(timeout=0.1), 10)["data"], "session", "the end of a session is told by a keyspace event")


def workers(command):
    """blocking lists"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        done = []

        def worker(_):
            mine = redis.Redis(port=s.port, decode_responses=True)
            while True:
                job = mine.blmove("todo", "doing", timeout=20)
                if job == "stop":
                    return
                done.append(job)
                mine.lrem("doing", 1, job)

        def feed():
            for i in range(300):
                r.lpush("todo", "job-%d" % i)
            for _ in range(5):
                r.lpush("todo", "stop")
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        threads(5, worker)
        tap.ok(len(done) == 300 and len(set(done)) == 300, "five workers at BLMOVE do 300 jobs, each once")
        tap.equal(r.lrange("doing", 0, -1), ["stop"] * 5, "none is left in the middle")
        r.delete("doing")
        r.rpush("low", "l")
        r.rpush("high", "h")
        tap.equal((r.blpop(["high", "low"], 1), r.blpop(["high", "low"], 1), r.blpop(["high", "low"], 1)), (("high", "h"), ("low", "l"), None), "BLPOP prefers the first list, and gives up")
        r.zadd("z", {"a": 2, "b": 1})
        tap.equal((r.bzpopmin("z", 1), r.bzpopmax("z", 1), r.brpoplpush("none", "x", timeout=1)), (("z", "b", 1.0), ("z", "a", 2.0), None), "BZPOPMIN, BZPOPMAX, BRPOPLPUSH")
        r.rpush("m", 1, 2, 3)
        tap.equal((r.lmpop(2, "none", "m", direction="LEFT", count=2), r.blmpop(1, 2, "none", "m", direction="RIGHT")), (["m", ["1", "2"]], ["m", ["3"]]), "LMPOP and BLMPOP")


def streams(command):
    """streams with consumer groups"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        ids = [r.xadd("orders", {"n": i, "kind": "buy"}, id="1-%d" % (i + 1)) for i in range(100)]
        tap.equal((r.xlen("orders"), ids[0], r.xrange("orders", count=1), r.xrevrange("orders", count=1)[0][0]), (100, "1-1", [("1-1", {"n": "0", "kind": "buy"})], "1-100"), "a hundred orders")
        tap.ok(r.xgroup_create("orders", "ship", id="0") and r.xgroup_create("new", "g", mkstream=True), "groups are made")
        try:
            r.xgroup_create("orders", "ship", id="0")
            tap.ok(False, "not twice")
        except redis.ResponseError as e:
            tap.equal(str(e), "BUSYGROUP Consumer Group name already exists", "not twice")
        seen = []

        def consumer(i):
            mine = redis.Redis(port=s.port, decode_responses=True)
            while True:
                got = mine.xreadgroup("ship", "c%d" % i, {"orders": ">"}, count=7, block=200)
                if not got:
                    return
                for entry, fields in got[0][1]:
                    seen.append(entry)
                    if int(fields["n"]) % 10:
                        mine.xack("orders", "ship", entry)
        threads(4, consumer)
        tap.ok(sorted(seen) == sorted(ids), "four consumers get each order once")
        pending = r.xpending("orders", "ship")
        tap.ok(pending["pending"] == 10 and (pending["min"], pending["max"]) == ("1-1", "1-91"), "ten were not acknowledged") or tap.say(str(pending))
        rows = r.xpending_range("orders", "ship", "-", "+", 100)
        tap.ok(len(rows) == 10 and all(p["times_delivered"] == 1 for p in rows), "they are listed")
        got = r.xautoclaim("orders", "ship", "rescue", 0, "0-0", count=4)
        tap.ok(got[0] == "1-41" and [e[0] for e in got[1]] == ["1-1", "1-11", "1-21", "1-31"], "XAUTOCLAIM takes four over") or tap.say(str(got))
        tap.equal(len(r.xclaim("orders", "ship", "rescue", 0, [p["message_id"] for p in rows[4:]])), 6, "XCLAIM the others")
        tap.equal([p["times_delivered"] for p in r.xpending_range("orders", "ship", "-", "+", 100, "rescue")], [2] * 10, "their delivery is counted")
        tap.equal(len(r.xreadgroup("ship", "rescue", {"orders": "0"})[0][1]), 10, "a consumer reads its own again")
        tap.equal(r.xack("orders", "ship", *[p["message_id"] for p in rows]), 10, "and acknowledges them")
        group = r.xinfo_groups("orders")[0]
        tap.ok(group["name"] == "ship" and group["pending"] == 0 and group["last-delivered-id"] == "1-100" and group.get("entries-read") == 100 and group.get("lag") == 0, "XINFO GROUPS") or tap.say(str(group))
        tap.ok({c["name"] for c in r.xinfo_consumers("orders", "ship")} >= {"rescue"}, "XINFO CONSUMERS")
        info = r.xinfo_stream("orders")
        tap.ok(info["length"] == 100 and info["first-entry"][0] == "1-1" and info["groups"] == 1, "XINFO STREAM") or tap.say(str(info))
        tap.ok(len(r.xinfo_stream("orders", full=True)["entries"]) == 10, "and FULL")
        waiting = []
        t = threading.Thread(target=lambda: waiting.extend(redis.Redis(port=s.port).xread({"orders": "$"}, block=10000)), daemon=True)
        t.start()
        tap.until(lambda: any(c["cmd"] == "xread" for c in r.client_list()), 10)
        r.xadd("orders", {"n": "late"}, maxlen=50, approximate=False)
        t.join(10)
        tap.ok(waiting and waiting[0][1][0][1] == {b"n": b"late"}, "XREAD BLOCK wakes for a new one")
        tap.equal((r.xlen("orders"), r.xtrim("orders", minid="1-90", approximate=False), r.xdel("orders", "1-90", "9-9")), (50, 38, 1), "XADD MAXLEN, XTRIM MINID, XDEL")
        tap.ok(r.xgroup_delconsumer("orders", "ship", "rescue") == 0 and r.xgroup_setid("orders", "ship", "0") and r.xgroup_destroy("orders", "ship") == 1, "a group is ended")


def big_and_binary(command):
    """50 MB, binary keys, a hundred thousand keys"""
    with rig.Server(command) as s:
        r = redis.Redis(unix_socket_path=s.socket)
        blob = os.urandom(1 << 20) * 50
        tap.ok(r.set("big", blob) and r.strlen("big") == len(blob), "a value of 50 MB is written, over a unix socket")
        tap.ok(r.get("big") == blob, "and read")
        tap.ok(r.getrange("big", 49 << 20, -1) == blob[:1 << 20] and r.append("big", b"end") == len(blob) + 3 and r.setrange("big", 5, b"x") == len(blob) + 3, "in parts, too")
        r.delete("big")
        keys = [bytes([a, b]) + b"\r\n\0 $*" + bytes([b, a]) for a in (0, 10, 13, 127, 255) for b in range(256)]
        with r.pipeline(transaction=False) as p:
            for k in keys:
                p.hset(k, k, k)
            p.execute()
        tap.ok(set(r.scan_iter(count=500)) == set(keys), "binary keys come back by SCAN")
        tap.ok(all(r.hget(k, k) == k for k in keys[::50]) and r.keys(b"\xff*\xff") and r.delete(*keys) == len(keys), "binary keys, fields, values and patterns")
        with r.pipeline(transaction=False) as p:
            for i in range(100000):
                p.set("key:%d" % i, i)
                if i % 10000 == 9999:
                    p.execute()
        got = list(r.scan_iter(count=1000))
        tap.ok(len(set(got)) == 100000, "SCAN hands out 100,000 keys")
        tap.equal(len(set(r.scan_iter(match="key:99*", count=5000, _type="string"))), 1111, "by pattern and type")
        r.sadd("set", *range(5000))
        r.hset("hash", mapping={i: i for i in range(5000)})
        r.zadd("zset", {i: i for i in range(5000)})
        tap.equal((len(set(r.sscan_iter("set"))), len(dict(r.hscan_iter("hash"))), len(dict(r.zscan_iter("zset")))), (5000, 5000, 5000), "SSCAN, HSCAN, ZSCAN")


def secure(command):
    """rediss://"""
    with certs.Authority() as ca:
        options, port = rig.tls(ca)
        with rig.Server(command, *options) as s:
            r = redis.Redis.from_url("rediss://localhost:%d/2?ssl_ca_certs=%s&health_check_interval=10" % (port, ca.path("ca.pem")))
            tap.ok(r.ping() and r.set("a", b"x" * 3000000) and r.get("a") == b"x" * 3000000, "3 MB over TLS")
            with r.pipeline() as p:
                for i in range(2000):
                    p.rpush("list", "value %d" % i)
                tap.equal(p.execute()[-1], 2000, "a pipeline over TLS")
            pushed = []
            t = threading.Thread(target=lambda: pushed.append(r.blpop("q", 10)), daemon=True)
            t.start()
            tap.until(lambda: redis.Redis(port=s.port).info("clients")["blocked_clients"] == 1, 10)
            r.rpush("q", "job")
            t.join(10)
            tap.equal(pushed, [(b"q", b"job")], "a blocked client over TLS")


def crash(command):
    """the server is killed in the middle"""
    with rig.Server(command, "--appendonly", "yes", "--appendfsync", "everysec") as s:
        stop, acknowledged, failures = threading.Event(), [0] * 4, [0]

        def writer(i):
            r = redis.Redis(port=s.port, retry=Retry(ConstantBackoff(0.02), 500), retry_on_error=[redis.ConnectionError, redis.TimeoutError], socket_timeout=5)
            n = 0
            while not stop.is_set():
                n += 1
                try:
                    if r.set("w%d:%d" % (i, n), n) and r.set("last:%d" % i, n):
                        acknowledged[i] = n
                except redis.RedisError:
                    failures[0] += 1
                    n -= 1
        running = [threading.Thread(target=writer, args=(i,), daemon=True) for i in range(4)]
        for t in running:
            t.start()
        for _ in range(2):
            before = list(acknowledged)
            tap.until(lambda: all(a > b + 50 for a, b in zip(acknowledged, before)), 30, "writers write")
            s.crash()
        before = list(acknowledged)
        tap.ok(tap.until(lambda: all(a > b + 50 for a, b in zip(acknowledged, before)), 30), "after two crashes every writer goes on by itself")
        stop.set()
        for t in running:
            t.join(30)
        s.crash()
        r = redis.Redis(port=s.port)
        tap.until(r.ping, 20)
        missing = [(i, n) for i in range(4) for n in range(1, acknowledged[i] + 1) if r.get("w%d:%d" % (i, n)) != b"%d" % n]
        tap.equal(missing[:5], [], "of %d acknowledged writes none is lost" % sum(acknowledged))


def patterns(command):
    """what the documentation's examples do"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port, decode_responses=True)
        r.zadd("board", {"ann": 50, "bob": 40, "cid": 60})
        r.zincrby("board", 25, "bob")
        tap.equal((r.zrevrange("board", 0, 1, withscores=True), r.zrevrank("board", "ann"), r.zcount("board", 55, "+inf")), ([("bob", 65.0), ("cid", 60.0)], 2, 2), "a leaderboard")
        tap.equal((r.zadd("board", {"ann": 10}, gt=True, ch=True), r.zrange("board", 0, -1, desc=True), r.zrangestore("top", "board", 0, 0, desc=True)), (0, ["bob", "cid", "ann"], 1), "its best")
        r.hset("session:1", mapping={"user": "ann", "hits": 1})
        r.expire("session:1", 100)
        tap.equal((r.hincrby("session:1", "hits"), r.hgetall("session:1"), r.ttl("session:1") > 90), (2, {"user": "ann", "hits": "2"}, True), "a session")
        r.geoadd("shops", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
        tap.equal((r.geodist("shops", "Palermo", "Catania", unit="km"), r.geosearch("shops", longitude=15, latitude=37, radius=100, unit="km", sort="ASC")), (166.2742, ["Catania"]), "shops nearby")
        for day in (3, 7, 8):
            r.setbit("active:ann", day, 1)
        tap.equal((r.bitcount("active:ann"), r.bitpos("active:ann", 1), r.bitop("OR", "any", "active:ann", "none"), r.getbit("any", 7)), (3, 3, 2, 1), "active days in a bitmap")
        tap.equal(r.bitfield("counters").incrby("u8", "#1", 200).incrby("u8", "#1", 100, overflow="SAT").get("u8", "#1").execute(), [200, 255, 255], "counters in a bit field")
        tap.equal((r.set("cache", "v", px=100000, get=True), r.set("cache", "w", keepttl=True, get=True), r.pttl("cache") > 90000, r.getex("cache", persist=True), r.ttl("cache"), r.getdel("cache")),
                  (None, "v", True, "w", -1, "w"), "a cache entry with all that SET can do")
        r.sadd("tags:a", 1, 2, 3)
        r.sadd("tags:b", 2, 3, 4)
        tap.equal((r.sinter("tags:a", "tags:b"), r.sintercard(2, ["tags:a", "tags:b"]), r.smismember("tags:a", [1, 9])), ({"2", "3"}, 2, [1, 0]), "tags")
        r.rpush("mylist", 3, 1, 2)
        r.mset({"w1": 30, "w2": 10, "w3": 20})
        tap.equal((r.sort("mylist"), r.sort("mylist", by="w*", get="#"), r.lpos("mylist", 2), r.copy("mylist", "copy"), r.lrange("copy", 0, -1)), (["1", "2", "3"], ["2", "3", "1"], 2, True, ["3", "1", "2"]), "SORT, LPOS, COPY")
        tap.equal([len(r.execute_command("ACL GENPASS", bits)) for bits in (1, 5, 12, 256, 4096)], [1, 2, 3, 64, 1024], "generated passwords of any length")
        computed = []

        def stampede(i):
            mine = redis.Redis(port=s.port, decode_responses=True)
            while mine.get("page") is None:
                if mine.set("page:lock", i, nx=True, px=10000):
                    if mine.get("page") is None:
                        computed.append(i)
                        mine.set("page", "made", ex=100)
                    mine.delete("page:lock")
                else:
                    time.sleep(0.001)
        threads(10, stampede)
        tap.equal(len(computed), 1, "ten threads that miss the same page compute it once")


def sketches(command):
    """hyperloglog, DUMP and RESTORE"""
    with rig.Server(command) as s:
        r = redis.Redis(port=s.port)
        r.pfadd("visits:a", *range(10000))
        r.pfadd("visits:b", *range(5000, 15000))
        r.pfmerge("visits", "visits:a", "visits:b")
        tap.equal((r.pfcount("visits:a"), r.pfcount("visits:a", "visits:b"), r.pfcount("visits")), (9987, 14946, 14946), "visitors are counted as Redis counts them")
        r.hset("h", mapping={"a": 1, "b": 2})
        tap.ok(r.restore("h2", 50000, r.dump("h")) and r.hgetall("h2") == {b"a": b"1", b"b": b"2"} and 0 < r.pttl("h2") <= 50000, "DUMP and RESTORE")


if __name__ == "__main__":
    rig.main(optimistic_lock, scripts, messages, workers, streams, big_and_binary, secure, crash, patterns, sketches)
