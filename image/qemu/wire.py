"""The networks between machines, in user space: one thread with one selector, Ethernet switches, TCP forwarders.

The thread lives in a network namespace of its own that has no name: it ends with the thread, and with it the tap, its
addresses and its neighbours. Sockets that the thread makes are therefore inside; listening sockets that the caller made
before are outside. A Forward joins the two.
"""

import collections
import ctypes
import errno
import fcntl
import os
import selectors
import socket
import struct
import threading
import time
import traceback

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, IFF_UP = 0x8914, 0x8916, 0x891C, 0x1
TCP_USER_TIMEOUT = 18
QUEUE_BYTES = 4 << 20  # a port that does not read loses frames, as on a real switch
CONNECT_RETRY_S = 0.3  # a SYN lost while the VIP moves is sent again sooner than TCP would
CONNECT_GIVE_UP_S = 10


class WireError(Exception):
    pass


class Loop:
    """Callbacks by descriptor and by time; others' threads hand in work by call()."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.timers, self.todo = [], collections.deque()
        self.wake_in, self.wake_out = socket.socketpair()
        self.wake_in.setblocking(False)
        self.running = True
        self.watch(self.wake_in, lambda: self.wake_in.recv(4096))

    def watch(self, sock, on_read=None, on_write=None):
        events = (selectors.EVENT_READ if on_read else 0) | (selectors.EVENT_WRITE if on_write else 0)
        known = sock.fileno() in self.selector.get_map()
        if not events:
            if known:
                self.selector.unregister(sock)
        elif known:
            self.selector.modify(sock, events, (on_read, on_write))
        else:
            self.selector.register(sock, events, (on_read, on_write))

    def later(self, delay_s, what):
        self.timers.append((time.monotonic() + delay_s, what))

    def call(self, what):
        self.todo.append(what)
        self.wake_out.send(b"x")

    def stop(self):
        self.running = False
        self.wake_out.send(b"x")

    def run(self):
        while self.running:
            try:
                self.turn()
            except Exception:  # a fault in one connection must not cut the others' cables
                traceback.print_exc()

    def turn(self):
        now = time.monotonic()
        due = [t for t in self.timers if t[0] <= now]
        self.timers = [t for t in self.timers if t[0] > now]
        for _, what in due:
            what()
        while self.todo:
            self.todo.popleft()()
        wait = min((t[0] for t in self.timers), default=now + 1) - now
        for key, events in self.selector.select(max(0, wait)):
            on_read, on_write = key.data
            if events & selectors.EVENT_READ and on_read:
                on_read()
            # the first callback may have taken the descriptor off, or changed what is watched
            still = self.selector.get_map().get(key.fd)
            if events & selectors.EVENT_WRITE and on_write and still and still.data[1]:
                on_write()


class Port:
    """One socket of a switch. framed: QEMU's stream form, each frame behind its length; else a tap, a frame a read."""

    def __init__(self, switch, sock, framed):
        self.switch, self.sock, self.framed = switch, sock, framed
        self.inbox, self.outbox, self.out_bytes = bytearray(), collections.deque(), 0
        self.waits = False  # for room to write

    def read(self):
        try:
            data = self.sock.recv(262144) if self.framed else os.read(self.sock.fileno(), 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.switch.remove(self)
        elif self.framed:
            self.split(data)
        else:
            self.switch.forward(self, data)

    def split(self, data):
        self.inbox += data
        at, have = 0, len(self.inbox)
        while have - at >= 4:
            (size,) = struct.unpack_from(">I", self.inbox, at)
            if have - at - 4 < size:
                break
            self.switch.forward(self, bytes(self.inbox[at + 4:at + 4 + size]))
            at += 4 + size
        del self.inbox[:at]

    def send(self, frame):
        if self.framed:
            frame = struct.pack(">I", len(frame)) + frame
        if self.out_bytes + len(frame) > QUEUE_BYTES:
            return
        self.outbox.append(frame)
        self.out_bytes += len(frame)
        if len(self.outbox) == 1:
            self.write()

    def write(self):
        try:
            while self.outbox:
                sent = os.write(self.sock.fileno(), self.outbox[0])
                self.out_bytes -= sent
                if sent < len(self.outbox[0]):
                    self.outbox[0] = self.outbox[0][sent:]
                else:
                    self.outbox.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.switch.remove(self)
            return
        if self.waits != bool(self.outbox):
            self.waits = bool(self.outbox)
            self.switch.loop.watch(self.sock, self.read, self.write if self.waits else None)


class Switch:
    """Learns where an address is, floods what it does not know."""

    def __init__(self, loop):
        self.loop, self.ports, self.where, self.frames = loop, [], {}, 0

    def add(self, sock, framed=True):
        if framed:
            sock.setblocking(False)
        port = Port(self, sock, framed)
        self.ports.append(port)
        self.loop.watch(sock, port.read)

    def remove(self, port):
        if port in self.ports:
            self.ports.remove(port)
            self.where = {mac: p for mac, p in self.where.items() if p is not port}
            self.loop.watch(port.sock)
            port.sock.close()

    def forward(self, source, frame):
        if len(frame) < 14:
            return
        self.frames += 1
        self.where[frame[6:12]] = source
        to = None if frame[0] & 1 else self.where.get(frame[:6])
        for port in [to] if to else list(self.ports):
            if port is not source:
                port.send(frame)


class Forward:
    """One accepted connection and its other half inside the namespace."""

    def __init__(self, loop, outside, address):
        self.loop, self.address, self.began = loop, address, time.monotonic()
        self.outside, self.inside = outside, None
        self.pending = {}  # socket -> bytes that it has yet to take; None: no more will come
        self.ended = set()
        outside.setblocking(False)
        self.connect()

    def connect(self):
        if self.inside:
            self.loop.watch(self.inside)
            self.inside.close()
        attempt = self.inside = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        attempt.setblocking(False)
        attempt.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 10000)
        error = attempt.connect_ex(self.address)
        if error in (0, errno.EINPROGRESS):
            self.loop.watch(attempt, None, self.connected)
            self.loop.later(CONNECT_RETRY_S, lambda: self.retry(attempt))
        else:
            self.loop.later(CONNECT_RETRY_S, lambda: self.retry(attempt))

    def retry(self, attempt):
        if attempt is not self.inside or self.pending:
            return
        if time.monotonic() - self.began > CONNECT_GIVE_UP_S:
            self.close()
        else:
            self.connect()

    def connected(self):
        if self.inside.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.loop.watch(self.inside)  # refused or no host: the timer tries again
            return
        for sock in (self.inside, self.outside):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pending[sock] = bytearray()
        self.rewatch()

    def rewatch(self):
        for sock, other in ((self.inside, self.outside), (self.outside, self.inside)):
            reads = sock not in self.ended and len(self.pending[other]) < 1 << 20
            self.loop.watch(sock, (lambda s=sock, o=other: self.move(s, o)) if reads else None,
                            (lambda s=sock: self.flush(s)) if self.pending[sock] else None)

    def move(self, source, to):
        try:
            data = source.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            return self.close()
        if data:
            self.pending[to] += data
        else:
            self.ended.add(source)
        self.flush(to)

    def flush(self, sock):
        other = self.outside if sock is self.inside else self.inside
        try:
            if self.pending[sock]:
                del self.pending[sock][:sock.send(self.pending[sock])]
            if other in self.ended and not self.pending[sock]:
                sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            return self.close()
        if len(self.ended) == 2 and not any(self.pending.values()):
            return self.close()
        self.rewatch()

    def close(self):
        for sock in (self.inside, self.outside):
            self.loop.watch(sock)
            sock.close()
        self.began = 0
        self.pending = {None: None}  # a late timer sees that this is over


def open_tap(name, address, netmask):
    tap = open("/dev/net/tun", "r+b", buffering=0)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name, IFF_TAP | IFF_NO_PI))
    os.set_blocking(tap.fileno(), False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        def address_request(text):
            return struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(text))
        fcntl.ioctl(s, SIOCSIFADDR, address_request(address))
        fcntl.ioctl(s, SIOCSIFNETMASK, address_request(netmask))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", name, IFF_UP))
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    return tap


def be_a_gateway():
    """Forwards what one machine sends to the other through it (a path of the heartbeats), and says nothing about the detour."""
    for name, value in (("ip_forward", "1"), ("conf/all/send_redirects", "0"), ("conf/service/send_redirects", "0")):
        with open("/proc/sys/net/ipv4/" + name, "w") as f:
            f.write(value)


class Networks:
    """The service network with a host on it (the gateway, and whoever connects through a forward), and the crossover."""

    def __init__(self, gateway, netmask):
        self.loop = Loop()
        self.service, self.crossover = Switch(self.loop), Switch(self.loop)
        self.gateway, self.netmask = gateway, netmask
        self.failure, self.ready = None, threading.Event()
        self.thread = threading.Thread(target=self._run, name="networks", daemon=True)
        self.thread.start()
        self.ready.wait()
        if self.failure:
            self.thread.join()
            raise WireError(self.failure)

    def _run(self):
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self.service.add(open_tap(b"service", self.gateway, self.netmask), framed=False)
            be_a_gateway()
        except OSError as e:
            self.failure = ("cannot make a network for the machines: %s; this needs root, network namespaces and /dev/net/tun"
                            % e)
        self.ready.set()
        if not self.failure:
            self.loop.run()

    def _inside(self, what):
        """Runs what() on the thread, in the namespace; its result or exception is the caller's."""
        done, result = threading.Event(), []

        def work():
            try:
                result.append((what(), None))
            except Exception as e:  # handed to the caller, who raises it
                result.append((None, e))
            done.set()
        self.loop.call(work)
        done.wait()
        value, failure = result[0]
        if failure:
            raise failure
        return value

    def plug(self, switch):
        """A new cable: the end for QEMU (an inheritable socket, for `-netdev socket,fd=`)."""
        here, there = socket.socketpair()
        for sock in (here, there):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._inside(lambda: switch.add(here))
        return there

    def forward(self, listener, address, port):
        """Connections to listener (a socket outside) go to address inside, whoever has it at that moment."""
        listener.setblocking(False)

        def accept():
            try:
                outside, _ = listener.accept()
            except OSError:
                return
            Forward(self.loop, outside, (address, port))
        self._inside(lambda: self.loop.watch(listener, accept))

    def connection(self, address, port, timeout_s):
        """A plain socket to a machine, from the host that is on the service network."""
        sock = self._inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.settimeout(timeout_s)
        try:
            sock.connect((address, port))
        except OSError:
            sock.close()
            raise
        return sock

    def close(self):
        self.loop.stop()
        self.thread.join()
        for key in list(self.loop.selector.get_map().values()):
            if key.fileobj is not self.loop.wake_in:
                key.fileobj.close()
        self.loop.selector.close()
        self.loop.wake_in.close()
        self.loop.wake_out.close()
