#!/usr/bin/python3
"""Raw bytes, right and wrong, sent to Duet and to redis-server in the same pieces: the same bytes come back, and the
connection ends on the one where it ends on the other. (What a well-formed request answers is test_commands' to compare;
here it is how requests are read.)"""

import os
import random
import re
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import servers  # noqa: E402
import tap  # noqa: E402

END = b"*2\r\n$4\r\nECHO\r\n$12\r\n--the end.--\r\n"  # its answer tells that all before it was answered
ANSWER = b"$12\r\n--the end.--\r\n"
HUGE = 65000  # what is longer is sent alone: how much was read before the end came would decide what is said
LANES = 12  # connections at once, each in a database of its own

FIXED = [
    b"\r\n", b"\n", b"PING\r\n", b"PING\n", b"  PING  \r\n", b"ping extra words here\r\n", b"'PING'\r\n", b'"PING"\r\n', b'"PI\\x4eG"\r\n',
    b"PING 'a\r\n", b'PING "a\r\n', b'PING "a"b\r\n', b"PING 'a'b\r\n", b"PING 'a\\'b'\r\n", b'ECHO "\\n\\r\\t\\a\\b\\\\\\"\\q"\r\n', b'ECHO ""\r\n', b"ECHO ''\r\n",
    b"\x00\r\n", b"P\x00NG\r\n", b"ECHO a\x00b\r\n", b"\xff\xfe\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"Host: x\r\n",
    b"*0\r\n", b"*-1\r\n", b"*-10\r\n", b"*1\r\n$4\r\nPING\r\n", b"*1\n$4\nPING\n", b"*1\r\n$4\r\nPINGxx", b"*1\r\n$4\r\nPING\n\n", b"*1\r\n\r\n", b"*1\r\n$0\r\n\r\n",
    b"*01\r\n$4\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n", b"* 1\r\n$4\r\nPING\r\n", b"*1 \r\n$4\r\nPING\r\n", b"*\r\n", b"*x\r\n", b"*1x\r\n", b"*1.0\r\n",
    b"*2147483647\r\n", b"*2147483648\r\n", b"*1048577\r\n", b"*1048576\r\n", b"*9223372036854775807\r\n", b"*9223372036854775808\r\n", b"*-9223372036854775809\r\n",
    b"*1\r\n$-1\r\n", b"*1\r\n$-0\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$ 4\r\nPING\r\n", b"*1\r\n$4 \r\nPING\r\n", b"*1\r\n$x\r\n", b"*1\r\n$\r\n",
    b"*1\r\n$536870912\r\n", b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775807\r\n", b"*1\r\n$9223372036854775808\r\n", b"*1\r\n*1\r\n", b"*1\r\n+OK\r\n",
    b"*1\r\n:1\r\n", b"*1\r\n\x00\r\n", b"*2\r\n$4\r\nECHO\r\n:1\r\n", b"*2\r\n$4\r\nECHO\r\n$-1\r\n", b"$4\r\nPING\r\n", b"+PING\r\n", b":1\r\n", b"-ERR\r\n", b"%1\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$70000\r\n" + b"v" * 70000 + b"\r\n*2\r\n$6\r\nSTRLEN\r\n$1\r\na\r\n",
    b"*" + b"1" * 20, b"*" + b"1" * 66000, b"*1\r\n$" + b"1" * 66000, b"x" * 60000 + b"\r\n", b"x" * 66000, b"x" * 66000 + b"\r\n", b" " * 66000 + b"\r\n",
    b"*1\r\n$4\r\nPING\r\n" * 3000, b"PING\r\n" * 3000, b"\r\n" * 5000, b"*0\r\n" * 5000,
    b"*1000\r\n$4\r\nECHO\r\n" + b"$1\r\nx\r\n" * 999, b"QUIT\r\nPING\r\n", b"*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n", b"quit now\r\n",
    b"*1\r\n$5\r\nHELLO\r\n", b"*2\r\n$5\r\nHELLO\r\n$1\r\n4\r\n", b"*2\r\n$5\r\nHELLO\r\n$1\r\nx\r\n", b"MULTI\r\n*x\r\n", b"MULTI\r\nFOO\r\nEXEC\r\n",
]


def talk(port, db, pieces, patience_s):
    """(what came back, whether the connection was ended)"""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        try:
            s.sendall(b"SELECT %d\r\n" % db)
            for p in pieces:
                s.sendall(p)
            if sum(len(p) for p in pieces) < HUGE:
                s.sendall(END)
        except OSError:
            pass  # it was closed meanwhile; what it answered can still be read, or was thrown away with it
        s.settimeout(patience_s)
        while not got.endswith(ANSWER):
            try:
                data = s.recv(1 << 16)
            except socket.timeout:
                return got, "waits"
            except ConnectionError:
                return got, "ended"
            if not data:
                return got, "ended"
            got += data
        return got, "goes on"


def split(rng, data):
    if rng.random() < 0.5 or len(data) > 5000:
        return [data] if data else []
    out, at = [], 0
    while at < len(data):
        n = rng.choice((1, 1, 2, 3, 5, 8, 20, 100))
        out.append(data[at:at + n])
        at += n
    return out


WORDS = [b"PING", b"ECHO", b"GET", b"SET", b"a", b"b", b"", b"1", b"-1", b"x" * 30, b"\r\n", b"*1", b"$4", b"'", b'"', b"\x00", b"v" * 40000]


def request(rng):
    words = [rng.choice((b"PING", b"ECHO", b"GET", b"SET", b"STRLEN", b"FOO"))] + [rng.choice(WORDS) for _ in range(rng.choice((0, 1, 1, 2, 2, 3)))]
    if rng.random() < 0.2:
        return b" ".join(words) + rng.choice((b"\r\n", b"\n"))
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def mutated(rng):
    data = b"".join(request(rng) for _ in range(rng.choice((1, 1, 2, 3, 5))))
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        at = rng.randrange(min(len(data), 60) + 1)
        how = rng.randrange(4)
        if how == 0:
            data = data[:at] + data[at + rng.choice((1, 1, 2, 4)):]
        elif how == 1:
            data = data[:at] + rng.choice((b"\r", b"\n", b"\r\n", b"*", b"$", b"-", b"0", b"9", b" ", b"\x00", b"'", b'"', b"99999")) + data[at:]
        elif how == 2:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1:]
        else:
            other = request(rng)
            data = data[:at] + other[rng.randrange(len(other)):] + data[at:]
    return data


def same(duet, redis, db, data, pieces):
    for patience_s in (0.4, 10):
        a, b = [talk(s.port, db, pieces, patience_s) for s in (duet, redis)]
        a, b = [(re.sub(rb"id\r\n:[0-9]+", b"id", x), end) for x, end in (a, b)]
        if a == b or (a[1] == b[1] == "ended" and (a[0].startswith(b[0]) or b[0].startswith(a[0]))):
            return True  # a close with bytes unread throws away, by TCP, some of what was answered before it
    tap.say("sent %r in %d pieces" % (data[:300], len(pieces)))
    tap.say("duet  %r" % ((a[0][:300], a[1]),))
    tap.say("redis %r" % ((b[0][:300], b[1]),))
    return False


def compare(inputs):
    """How many of the (data, pieces) are read differently"""
    duet, redis = servers.pair()

    def lane(db):
        wrong = 0
        for data, pieces in inputs[db::LANES]:
            wrong += not same(duet, redis, db, data, pieces)
            if wrong > 5:
                break
        return wrong

    with ThreadPoolExecutor(LANES) as lanes:
        wrong = sum(lanes.map(lane, range(LANES)))
    tap.ok(duet.alive() and duet.answers(), "the server lives")
    return wrong


def fixed():
    """Requests chosen by hand"""
    rng = random.Random(tap.seed())
    inputs = [(data, pieces) for data in FIXED for pieces in ([data], split(rng, data))]
    tap.equal(compare(inputs), 0, "%d kinds of raw input are read as redis-server reads them" % len(FIXED))


def generated():
    """Mutated requests"""
    rng = random.Random(tap.seed())
    inputs = []
    for _ in range(60000 if tap.FULL else 3000):
        data = mutated(rng)
        inputs.append((data, split(rng, data)))
    tap.equal(compare(inputs), 0, "%d mutated requests are read as redis-server reads them" % len(inputs))


tap.main(fixed, generated)
