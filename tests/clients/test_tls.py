#!/usr/bin/python3
"""TLS on tls-port: redis-cli, Python's ssl and openssl's s_client against duet server; certificates, suites, resumption,
reloads, and everything that is no good TLS."""
# timeout: 400

import os
import random
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import certs
import servers
import tap

CA = certs.Authority()
for _name, _kind in (("ec", "ec"), ("rsa", "rsa"), ("ec384", "ec384"), ("client", "ec"), ("client-rsa", "rsa"), ("other", "rsa")):
    CA.make(_name, _kind)

SUITES = {
    "ec": "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-CCM "
          "ECDHE-ECDSA-AES256-CCM ECDHE-ECDSA-AES128-CCM8 ECDHE-ECDSA-AES256-CCM8 ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA384 "
          "ECDHE-ECDSA-AES128-SHA ECDHE-ECDSA-AES256-SHA".split(),
    "rsa": "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-SHA256 "
           "ECDHE-RSA-AES256-SHA384 ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-CCM AES256-CCM "
           "AES128-CCM8 AES256-CCM8 AES128-SHA256 AES256-SHA256 AES128-SHA AES256-SHA".split(),
}
DEFAULT = {s for kind in SUITES.values() for s in kind if s.startswith("ECDHE") and ("GCM" in s or "CHACHA" in s)}


class TlsServer(servers.Server):
    """duet server with a plain port for the test's own questions, and a TLS port."""

    def __init__(self, *options, cert="ec", auth="no", **more):
        self.tls_port = servers.free_port()
        super().__init__("--tls-port", self.tls_port, "--tls-cert-file", CA.path(cert + ".pem"), "--tls-key-file", CA.path(cert + ".key"),
                         "--tls-ca-cert-file", CA.path("ca.pem"), "--tls-auth-clients", auth, "--save", "", "--appendonly", "no",
                         "--loglevel", "debug", *options, **more)

    def tls(self, context=None, session=None, timeout_s=20, port=None):
        sock = socket.create_connection(("127.0.0.1", port or self.tls_port), timeout_s)
        try:
            sock = (context or trusting()).wrap_socket(sock, server_hostname="localhost", session=session)
        except BaseException:
            sock.close()
            raise
        return servers.Connection(sock, timeout_s)


def trusting(cert=None, ciphers=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(CA.path("ca.pem"))
    if cert:
        context.load_cert_chain(CA.path(cert + ".pem"), CA.path(cert + ".key"))
    if ciphers:
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
    return context


def refused(s, context, what):
    """The handshake, or the first command after it, fails: a client may learn late that it was refused."""
    try:
        with s.tls(context) as c:
            got = c.cmd("PING")
    except (ssl.SSLError, ConnectionError, servers.Closed) as e:
        return tap.ok(True, "%s (%s)" % (what, re.sub(r"^\[\S*: |\] .*$|\(_ssl.*", "", str(e)) or type(e).__name__))
    return tap.equal(got, "refusal", what)


def redis_cli():
    """redis-cli --tls"""
    def cli(*words):
        done = subprocess.run([servers.REDIS_CLI, "-p", str(s.tls_port)] + list(words), capture_output=True, text=True, timeout=30)
        return (done.stdout + done.stderr).strip("\n")
    with TlsServer() as s:
        trust = ["--tls", "--cacert", CA.path("ca.pem")]
        tap.equal(cli(*trust, "set", "k", "v"), "OK", "redis-cli --tls sets")
        tap.equal(cli(*trust, "get", "k"), "v", "and gets")
        tap.equal(cli("--tls", "--insecure", "get", "k"), "v", "--insecure too")
        tap.ok("certificate verify failed" in cli("--tls", "--cacert", CA.path("other.pem"), "get", "k"), "it believes no other CA")
        tap.ok("closed the connection" in cli("get", "k"), "without --tls the connection is closed")
        tap.until(lambda: cli("get", "k") and "it speaks without TLS" in s.log(), 10, "the line, one a second at most")
        tap.ok(True, "and the log says what that was, at debug level")
        text = "".join("SET bulk:%d %s\n" % (i, "x" * (1 + i % 300)) for i in range(20000))
        done = subprocess.run([servers.REDIS_CLI, "-p", str(s.tls_port)] + trust + ["--pipe"], input=text, capture_output=True, text=True,
                              timeout=60)
        tap.ok("errors: 0, replies: 20000" in done.stdout, "--pipe") or tap.say(done.stdout + done.stderr)
    with TlsServer(auth="yes") as s:
        me = ["--cert", CA.path("client.pem"), "--key", CA.path("client.key")]
        tap.equal(cli(*trust, *me, "ping"), "PONG", "with a client certificate")
        tap.ok("PONG" not in cli(*trust, "ping"), "without one it is refused where one is asked for")


def suites():
    """Every suite, both kinds of keys"""
    value = os.urandom(300000)
    for kind in ("ec", "rsa"):
        with TlsServer("--tls-ciphers", "ALL", cert=kind) as s:
            for name in SUITES[kind]:
                try:
                    with s.tls(trusting(ciphers=name)) as c:
                        used = c.sock.cipher()[0], c.sock.version()
                        right = used == (name, "TLSv1.2") and c.cmd("SET", "v", value) == b"OK" and c.cmd("GET", "v") == value
                        tap.ok(right, "%s with an %s key carries 300 kB both ways" % (name, kind.upper())) or tap.say(used)
                except Exception as e:  # noqa: BLE001
                    tap.ok(False, "%s with an %s key: %r" % (name, kind.upper(), e))
    for kind in ("ec", "rsa"):
        with TlsServer(cert=kind) as s:
            offered = set()
            for name in SUITES[kind]:
                try:
                    s.tls(trusting(ciphers=name)).close()
                    offered.add(name)
                except (ssl.SSLError, ConnectionError):
                    pass
            tap.equal(offered, DEFAULT & set(SUITES[kind]), "by default what has forward secrecy and authenticates as it encrypts")
    with TlsServer(cert="ec384") as s, s.tls() as c:
        tap.equal(c.cmd("PING"), b"PONG", "a certificate with a P-384 key")
    with TlsServer("--tls-prefer-server-ciphers", "yes", "--tls-ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256") as s:
        with s.tls(trusting(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")) as c:
            tap.equal(c.sock.cipher()[0], "ECDHE-ECDSA-CHACHA20-POLY1305", "tls-prefer-server-ciphers: its order")
        with s.connect() as c:
            c.cmd("CONFIG", "SET", "tls-prefer-server-ciphers", "no")
        with s.tls(trusting(ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")) as c:
            tap.equal(c.sock.cipher()[0], "ECDHE-ECDSA-AES128-GCM-SHA256", "and else the client's")
        done = s_client(s, "-curves", "X25519:P-256")
        tap.ok("Server Temp Key: X25519" in done, "X25519 comes first") or tap.say(done)
        tap.ok("Server Temp Key: ECDH, prime256v1" in s_client(s, "-curves", "P-256"), "P-256 when there is nothing else")


def s_client(s, *options, text="Q\n", pause_for=None):
    """The output of openssl s_client; text is given to it once pause_for was seen."""
    argv = ["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.tls_port, "-CAfile", CA.path("ca.pem")] + list(options)
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, deadline = b"", time.monotonic() + 20
    try:
        while time.monotonic() < deadline:
            ready = select.select([p.stdout], [], [], 0.2)[0]
            got = os.read(p.stdout.fileno(), 65536) if ready else b""
            if ready and not got:
                break
            out += got
            if text and b"Verify return code" in out:
                p.stdin.write(text.encode())
                p.stdin.flush()
                text = None
            if pause_for and pause_for in out:
                break
    except BrokenPipeError:
        pass
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()
    return out.decode(errors="replace")


def resumption():
    """Sessions are resumed"""
    def again(s, context, session):
        with s.tls(context, session) as c:
            assert c.cmd("PING") == b"PONG"
            return c.sock.session_reused
    for threads in ("1", "4"):
        with TlsServer("--io-threads", threads) as s:
            context = trusting()
            with s.tls(context) as c:
                c.cmd("PING")
                first = c.sock.session
                tap.ok(not c.sock.session_reused, "the first handshake is a full one (io-threads %s)" % threads)
            results = []
            def worker():
                results.extend(again(s, context, first) for _ in range(10))
            workers = [threading.Thread(target=worker) for _ in range(8)]
            for w in workers:
                w.start()
            for w in workers:
                w.join()
            tap.equal(results, [True] * 80, "80 more on 8 threads are resumed (io-threads %s)" % threads)
            with s.connect() as c:
                tap.ok(b"tls_handshakes_full:1\r\ntls_handshakes_resumed:80\r\n" in c.cmd("INFO", "stats"), "INFO counts them")
                tap.equal(c.cmd("CONFIG", "SET", "tls-auth-clients", "optional"), b"OK", "who must show a certificate is changed")
            tap.ok(not again(s, context, first), "then old sessions are void")
    with TlsServer("--tls-session-cache-timeout", "1") as s:
        context = trusting()
        with s.tls(context) as c:
            c.cmd("PING")
            first, made = c.sock.session, time.monotonic()
        tap.ok(again(s, context, first) or time.monotonic() - made > 1, "within its time a session is resumed")
        tap.until(lambda: not again(s, context, first), 10, "the session ends")
        tap.ok(time.monotonic() - made >= 1, "and not after tls-session-cache-timeout")
    with TlsServer("--tls-session-cache-size", "3") as s:
        context, sessions = trusting(), []
        for _ in range(5):
            with s.tls(context) as c:
                c.cmd("PING")
                sessions.append(c.sock.session)
        tap.equal([again(s, context, x) for x in sessions[2:]], [True] * 3, "tls-session-cache-size 3: the newest three are kept")
        with s.tls(context, sessions[0]) as c:
            tap.ok(not c.sock.session_reused, "and the oldest went")
    with TlsServer("--tls-session-caching", "no") as s:
        context = trusting()
        with s.tls(context) as c:
            c.cmd("PING")
            first = c.sock.session
        tap.ok(not again(s, context, first), "tls-session-caching no: none is resumed")


def on_io_threads(test):
    """The same with I/O threads"""
    def run():
        tap.say("io-threads 4")
        test("--io-threads", "4")
    run.__doc__ = test.__doc__ + ", on I/O threads"
    return run


def exchange(c, pieces, want):
    """Sends the pieces and reads as many bytes, by turns in one thread: a connection of OpenSSL's is not made for two."""
    got, count = [], 0
    c.sock.setblocking(False)
    left = [memoryview(p) for p in reversed(pieces)]
    while left or count < want:
        idle = True
        if left:
            try:
                left[-1] = left[-1][c.sock.send(left[-1]):]
                idle = False
                if not left[-1]:
                    left.pop()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        try:
            got.append(c.sock.recv(65536))
            if not got[-1]:
                raise servers.Closed()
            count += len(got[-1])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if idle and not any(select.select([c.sock], [c.sock] if left else [], [], 30)):
                raise TimeoutError("nothing moves")
    c.sock.settimeout(20)
    return b"".join(got)


def amounts(*options):
    """Much and little at a time"""
    rng = random.Random(tap.seed())
    with TlsServer(*options) as s:
        value = rng.randbytes(8 << 20)
        with s.tls() as c:
            tap.ok(c.cmd("SET", "big", value) == b"OK" and c.cmd("GET", "big") == value, "8 MB in one value, both ways")
            words = [(b"k%d" % i, b"v" * rng.randrange(200)) for i in range(30000)]
            data = b"".join(servers.encode("SET", k, v) + servers.encode("GET", k) for k, v in words)
            want = b"".join(b"+OK\r\n$%d\r\n%s\r\n" % (len(v), v) for k, v in words)
            tap.ok(exchange(c, [data], len(want)) == want, "a pipeline of 60000 requests, %d MB" % (len(data) >> 20))
            for b in servers.encode("SET", "byte", "by byte" * 30):
                c.send_raw(bytes([b]))
            tap.ok(c.read() == b"OK" and c.cmd("GET", "byte") == b"by byte" * 30, "a request in records of one byte")
            c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            texts = [rng.randbytes(rng.choice((1, 100, 20000, 70000))) for _ in range(60)]
            data, at, pieces = b"".join(servers.encode("ECHO", text) for text in texts), 0, []
            while at < len(data):
                pieces.append(data[at:at + rng.choice((1, 3, 5, 1000, 16384, 16385, 40000))])
                at += len(pieces[-1])
            want = b"".join(b"$%d\r\n%s\r\n" % (len(text), text) for text in texts)
            tap.ok(exchange(c, pieces, len(want)) == want, "records that end anywhere in a request")
        slow = [s.tls() for _ in range(4)]
        for c in slow:
            c.send_raw(servers.encode("GET", "big") * 4)
        with s.tls() as c:
            tap.ok(all(c.cmd("SET", "x", i) == b"OK" for i in range(200)), "clients that do not read hold nobody up")
        tap.ok(all(c.read() == value for c in slow for _ in range(4)), "and get 32 MB each when they do")
        for c in slow:
            c.close()
        done = s_client(s, "-maxfraglen", "512", text="GET byte\r\n", pause_for=b"by byte" * 30 + b"\r\n")
        tap.ok("by byte" * 30 in done, "a client that asks for records of 512 bytes")
        relay = Relay(s.tls_port)
        with s.tls(port=relay.port) as c:
            c.sock.sendall(servers.encode("GET", "big"))
            tap.ok(c.read() == value, "through a relay")
            tap.ok(max(relay.records) <= 16384 + 24, "whose records are %d bytes at most" % max(relay.records))
        relay.close()


class Relay:
    """Passes bytes on in both directions, one connection, and notes the lengths of data records from the server."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target, self.records = self.listener.getsockname()[1], port, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        near = self.listener.accept()[0]
        far, seen = socket.create_connection(("127.0.0.1", self.target)), b""
        while True:
            for sock in select.select([near, far], [], [])[0]:
                data = sock.recv(65536)
                if not data:
                    near.close()
                    far.close()
                    return
                (far if sock is near else near).sendall(data)
                if sock is far:
                    seen += data
                    while len(seen) >= 5 and len(seen) >= 5 + struct.unpack(">H", seen[3:5])[0]:
                        n = struct.unpack(">H", seen[3:5])[0]
                        if seen[0] == 23:
                            self.records.append(n)
                        seen = seen[5 + n:]

    def close(self):
        self.listener.close()


def endings(*options):
    """How connections end"""
    with TlsServer(*options) as s:
        c = s.tls()
        c.cmd("PING")
        try:
            c.sock.unwrap()
            said = True
        except (ssl.SSLError, OSError):
            said = False
        tap.ok(said, "a close_notify is answered with one")
        c.close()
        c = s.tls()
        c.send("SET", "last", "1")
        c.sock.close()
        with s.connect() as plain:
            tap.until(lambda: plain.cmd("GET", "last") == b"1", 10, "the last request is run")
            tap.ok(True, "what came before a sudden end is run")
            c = s.tls()
            c.cmd("PING")
            c.sock.shutdown(socket.SHUT_WR)
            tap.until(lambda: plain.cmd("CLIENT", "LIST").count(b"\n") == 1, 10, "half-closed connections go")
            tap.ok(True, "a connection that is closed in one direction goes")
            c.close()
            c = s.tls()
            c.cmd("PING")
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(c.sock.detach())
            tap.until(lambda: plain.cmd("CLIENT", "LIST").count(b"\n") == 1, 10, "reset connections go")
            tap.ok(True, "so does one that is reset")
            c = s.tls()
            tap.equal(c.cmd("QUIT"), b"OK", "QUIT is answered")
            try:
                rest = c.sock.recv(10)
            except ssl.SSLError as e:
                rest = e
            tap.equal(rest, b"", "and ends with a close_notify")
            c = s.tls()
            me = c.cmd("CLIENT", "ID")
            tap.equal(plain.cmd("CLIENT", "KILL", "ID", me), 1, "CLIENT KILL")
            tap.equal(c.sock.recv(10), b"", "ends one with a close_notify too")
        done = s_client(s, "-tls1_2", text="R\n", pause_for=b"no renegotiation")
        tap.ok("no renegotiation" in done, "renegotiation is refused") or tap.say(done[-1000:])
        with s.tls() as c:
            tap.equal(c.cmd("PING"), b"PONG", "and others are served")


def client_hello(*, version=b"\x03\x03", suites=b"\xc0\x2b\xc0\x2f", cut=None):
    body = version + os.urandom(32) + b"\0" + struct.pack(">H", len(suites)) + suites + b"\1\0"
    body = b"\1" + struct.pack(">I", len(body))[1:] + body
    return (b"\x16\x03\x01" + struct.pack(">H", len(body)) + body)[:cut]


def garbage():
    """What is no TLS"""
    rng = random.Random(tap.seed())
    with TlsServer() as s:
        cases = {"a plain request": b"*1\r\n$4\r\nPING\r\n", "an inline request": b"PING\r\n", "HTTP": b"GET / HTTP/1.1\r\n\r\n",
                 "zeros": b"\0" * 600, "a version of nobody": b"\x16\x09\x09\0\x10" + b"x" * 16, "a record that is too long": b"\x16\x03\x01\xff\xff" + b"x" * 100,
                 "data before the handshake": b"\x17\x03\x03\0\x05hello", "an alert": b"\x15\x03\x03\0\x02\x02\x28",
                 "a hello without a suite in common": client_hello(suites=b"\x00\x2f"), "a hello of SSL 3": client_hello(version=b"\x03\x00"),
                 "a hello of TLS 1.0": client_hello(version=b"\x03\x01"), "an empty record, then noise": b"\x16\x03\x01\0\0" + os.urandom(300)}
        for what, data in cases.items():
            with socket.create_connection(("127.0.0.1", s.tls_port), 10) as sock:
                sock.sendall(data)
                ended = False
                try:
                    while not ended:
                        ended = not sock.recv(4096)
                except ConnectionError:
                    ended = True
                tap.ok(ended, "%s: closed" % what)
        for _ in range(300):
            with socket.create_connection(("127.0.0.1", s.tls_port), 10) as sock:
                data = bytearray(client_hello()) if rng.random() < 0.7 else bytearray(rng.randbytes(rng.randrange(1, 2000)))
                for _ in range(rng.randrange(4)):
                    data[rng.randrange(len(data))] = rng.randrange(256)
                try:
                    sock.sendall(bytes(data[:rng.randrange(1, len(data) + 1)]))
                except ConnectionError:
                    pass
        c = s.tls()
        c.cmd("PING")
        raw = socket.socket(fileno=os.dup(c.sock.fileno()))
        raw.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
        try:
            got = c.sock.recv(100)
        except (ssl.SSLError, ConnectionError) as e:
            got = str(e)
        tap.ok(got == b"" or "bad record mac" in got.lower() or "reset" in got.lower(), "a record that was changed on its way ends the connection") or tap.say(got)
        raw.close()
        c.close()
        for version, word in ((ssl.TLSVersion.TLSv1_3, "TLS 1.3"), (ssl.TLSVersion.TLSv1_1, "TLS 1.1")):
            context = trusting(ciphers="ALL")
            context.minimum_version = context.maximum_version = version
            refused(s, context, "a client that knows %s only is refused" % word)
        lines = re.findall(r".*a handshake .*", s.log())
        tap.ok(0 < len(lines) < 40, "the log has %d lines about it, not one each" % len(lines))
        with s.tls() as c, s.connect() as plain:
            tap.equal(c.cmd("PING"), b"PONG", "a good client is served after all that")
            tap.until(lambda: plain.cmd("CLIENT", "LIST").count(b"\n") == 2, 15, "the others go")
            tap.ok(True, "and no other connection is left")


def client_certificates():
    """Certificates of clients"""
    CA.make("expired", days=-1)
    CA.root("other-ca")
    CA.make("stranger", ca="other-ca")
    CA.make("middle", is_ca=True)
    CA.make("below", ca="middle")
    with open(CA.path("below-chain.pem"), "w") as out:
        out.write(open(CA.path("below.pem")).read() + open(CA.path("middle.pem")).read())
    os.link(CA.path("below.key"), CA.path("below-chain.key"))
    for auth in ("yes", "optional"):
        with TlsServer(auth=auth) as s:
            for cert, what in (("client", "an EC certificate"), ("client-rsa", "an RSA certificate"), ("below-chain", "one signed by a CA below")):
                with s.tls(trusting(cert)) as c:
                    tap.equal(c.cmd("PING"), b"PONG", "tls-auth-clients %s takes %s" % (auth, what))
            for cert, what in (("expired", "an expired certificate"), ("stranger", "one of another CA"), ("other-ca", "one signed by itself"),
                               ("below", "one whose signer it does not know")):
                refused(s, trusting(cert), "tls-auth-clients %s refuses %s" % (auth, what))
            if auth == "yes":
                refused(s, trusting(), "tls-auth-clients yes refuses a client without one")
            else:
                with s.tls() as c:
                    tap.equal(c.cmd("PING"), b"PONG", "tls-auth-clients optional takes a client without one")
            context = trusting("client")
            with s.tls(context) as c:
                c.cmd("PING")
                session = c.sock.session
            with s.tls(context, session) as c:
                tap.ok(c.cmd("PING") == b"PONG" and c.sock.session_reused, "a session with a certificate is resumed")
    store = CA.path("store")
    os.mkdir(store)
    for name in ("ca.pem", "other-ca.pem"):
        os.link(CA.path(name), os.path.join(store, name))
    with open(os.path.join(store, "README"), "w") as f:
        f.write("no certificate\n")
    with TlsServer("--tls-ca-cert-file", "", "--tls-ca-cert-dir", store, auth="yes") as s:
        for cert in ("client", "stranger"):
            with s.tls(trusting(cert)) as c:
                tap.equal(c.cmd("PING"), b"PONG", "tls-ca-cert-dir: a client of each CA in it")


def reload_files():
    """Changes while it runs"""
    def served():
        with s.tls() as c:
            assert c.cmd("PING") == b"PONG"
            return ssl.DER_cert_to_PEM_cert(c.sock.getpeercert(True)).strip()
    def pem(name):
        text = open(CA.path(name + ".pem")).read()
        return text[text.index("-----BEGIN"):].strip()
    with TlsServer() as s, s.connect() as plain:
        old = s.tls()
        tap.equal(served(), pem("ec"), "the certificate that was given is shown")
        tap.equal(plain.cmd("CONFIG", "SET", "tls-cert-file", CA.path("rsa.pem"), "tls-key-file", CA.path("rsa.key")), b"OK",
                  "CONFIG SET of certificate and key")
        tap.equal(served(), pem("rsa"), "new connections see the new one")
        tap.equal(old.cmd("PING"), b"PONG", "old connections go on")
        with open(CA.path("broken.pem"), "w") as f:
            f.write(pem("ec")[:200])
        with open(CA.path("nothing.pem"), "w") as f:
            f.write("nothing\n")
        certs.openssl("pkey", "-in", CA.path("ec.key"), "-aes256", "-passout", "pass:x", "-out", CA.path("locked.key"))
        for name, value, why in (("tls-cert-file", "/nonexistent", "No such file"), ("tls-cert-file", CA.path("broken.pem"), "is damaged"),
                                 ("tls-cert-file", CA.path("nothing.pem"), "holds no certificate"),
                                 ("tls-cert-file", CA.path("ec.pem"), "is not the one that the first certificate"),
                                 ("tls-key-file", CA.path("rsa.pem"), "holds no private key"), ("tls-key-file", CA.path("locked.key"), "is encrypted"),
                                 ("tls-ciphers", "NOSUCH", "names no cipher suite here"), ("tls-ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", "RSA key"),
                                 ("tls-protocols", "TLSv1.3", "there is TLSv1.2 and nothing else"), ("tls-cluster", "yes", "there is no cluster bus here")):
            before = plain.cmd("CONFIG", "GET", name)
            error = plain.error("CONFIG", "SET", name, value)
            tap.ok(error and why in error, "%s %s: %s" % (name, os.path.basename(value), why)) or tap.say(error)
            if plain.cmd("CONFIG", "GET", name) != before or served() != pem("rsa"):
                tap.ok(False, "and changed something")
        tap.equal(served(), pem("rsa"), "none of these changed anything")
        with open(CA.path("moving.pem"), "w") as f:
            f.write(pem("rsa"))
        tap.equal(plain.cmd("CONFIG", "SET", "tls-cert-file", CA.path("moving.pem")), b"OK", "a file of another name")
        with open(CA.path("moving.pem"), "w") as f:
            f.write("gone\n")
        tap.ok(plain.error("CONFIG", "SET", "tls-cert-file", CA.path("moving.pem")), "a file that became unreadable is refused")
        tap.equal(served(), pem("rsa"), "and what was read from it before is kept")
        tap.equal(plain.cmd("CONFIG", "SET", "tls-cert-file", CA.path("rsa.pem")), b"OK", "a good one is taken again")
        for name, value in (("tls-dh-params-file", "/tmp/dh.pem"), ("tls-ciphersuites", "TLS_AES_128_GCM_SHA256"), ("tls-protocols", "TLSv1.2"),
                            ("tls-replication", "no"), ("tls-ciphers", "DEFAULT:!MEDIUM")):
            tap.equal(plain.cmd("CONFIG", "SET", name, value), b"OK", "%s is taken" % name)
        port = servers.free_port()
        tap.equal(plain.cmd("CONFIG", "SET", "tls-port", port), b"OK", "tls-port is changed")
        tap.equal(old.cmd("PING"), b"PONG", "connections go on")
        refused_port, s.tls_port = s.tls_port, port
        tap.equal(served(), pem("rsa"), "new ones come by the new port")
        tap.equal(socket.socket().connect_ex(("127.0.0.1", refused_port)) != 0, True, "the old one is closed")
        tap.equal(plain.cmd("CONFIG", "SET", "tls-port", "0"), b"OK", "tls-port 0")
        tap.equal(socket.socket().connect_ex(("127.0.0.1", port)) != 0, True, "closes it")
        tap.equal(plain.cmd("CONFIG", "SET", "tls-port", port), b"OK", "and it opens again")
        tap.equal(served(), pem("rsa"), "as it was")
        tap.equal(plain.cmd("CONFIG", "SET", "port", "0"), b"OK", "port 0 leaves TLS alone")
        with s.tls() as c:
            info = c.cmd("INFO", "server").decode()
            tap.ok("tcp_port:%d\r\n" % port in info, "INFO names the TLS port then")
            tap.equal(c.cmd("CONFIG", "GET", "tls-port"), [b"tls-port", b"%d" % port], "and CONFIG GET")
        old.close()


def starts():
    """What it refuses to start with"""
    def fails(*options, **more):
        s = TlsServer(*options, wait=False, **more)
        try:
            s.process.wait(10)
            return s.log() if s.process.returncode else "it started"
        finally:
            s.close()
    for options, why in ((("--tls-cert-file", "/nonexistent"), "/nonexistent cannot be read: No such file"), (("--tls-cert-file", ""), "needs tls-cert-file"),
                         (("--tls-key-file", ""), "needs tls-key-file"), (("--tls-auth-clients", "yes", "--tls-ca-cert-file", ""), "needs tls-ca-cert-file"),
                         (("--tls-auth-clients", "yes", "--tls-ca-cert-dir", "/nonexistent"), "/nonexistent cannot be read")):
        log = fails(*options)
        tap.ok(why in log, "it does not start: %s" % why) or tap.say(log)


def many(*options):
    """200 connections at once, and slow handshakes"""
    with TlsServer(*options) as s:
        slow = [socket.create_connection(("127.0.0.1", s.tls_port)) for _ in range(100)]
        began = time.monotonic()
        for i, sock in enumerate(slow):
            sock.sendall(client_hello(cut=1 + i % 60))
        results, context = [], trusting()
        def one(i):
            try:
                with s.tls(context, timeout_s=60) as c:
                    gate.wait()
                    right = all(c.cmd("SET", "k%d" % i, "%d" % n) == b"OK" for n in range(20)) and c.cmd("GET", "k%d" % i) == b"19"
            except Exception as e:  # noqa: BLE001
                gate.abort()
                right = e
            results.append(right)
        gate = threading.Barrier(200)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        tap.equal(results, [True] * 200, "200 connections work at once beside 100 that stopped within their handshake")
        with s.connect() as plain:
            tap.until(lambda: plain.cmd("CLIENT", "LIST").count(b"\n") == 101 or time.monotonic() - began > 9, 10, "the 200 are gone")
            tap.until(lambda: plain.cmd("CLIENT", "LIST").count(b"\n") == 1, 30, "slow handshakes end")
            tap.ok(time.monotonic() - began >= 9, "and are closed when their time is over")
        for sock in slow:
            sock.close()
        with s.connect() as plain:
            plain.cmd("CONFIG", "SET", "maxclients", "2")
            with s.tls() as c:
                c.cmd("PING")
                refused(s, trusting(), "one more than maxclients is refused")
                tap.ok(b"rejected_connections:1\r\n" in plain.cmd("INFO", "stats"), "and counted")


def slave_over_tls():
    """A redis-server that follows by TLS"""
    with TlsServer() as s, s.connect() as c:
        rng = random.Random(tap.seed())
        c.send_raw(b"".join(servers.encode("SET", "k%d" % i, rng.randbytes(1000)) for i in range(10000)))
        for _ in range(10000):
            c.read()
        argv = ["--tls-replication", "yes", "--tls-ca-cert-file", CA.path("ca.pem"), "--tls-cert-file", CA.path("client.pem"), "--tls-key-file",
                CA.path("client.key"), "--replicaof", "127.0.0.1 %d" % s.tls_port, "--save", ""]
        with servers.Server(*argv, command=[servers.REDIS_SERVER]) as r, r.connect() as slave:
            tap.until(lambda: b"master_link_status:up" in slave.cmd("INFO", "replication"), 30, "the link is up")
            tap.equal(slave.cmd("DBSIZE"), 10000, "takes a full copy over TLS")
            for i in range(1000):
                c.cmd("SET", "k%d" % i, "new")
            tap.until(lambda: slave.cmd("GET", "k999") == b"new", 10, "the stream arrives")
            tap.equal(slave.cmd("GET", "k500"), b"new", "and then the stream")
            tap.equal(c.cmd("WAIT", "1", "5000"), 1, "and acknowledges it")


try:
    tap.main(redis_cli, suites, resumption, amounts, endings, garbage, client_certificates, reload_files, starts, many, slave_over_tls,
             *[on_io_threads(test) for test in (amounts, endings, many)])
finally:
    CA.close()
