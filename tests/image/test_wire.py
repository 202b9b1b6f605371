"""The networks between the machines, without machines: switch, namespace, forward."""

import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import tap  # noqa: E402
from qemu.pair import GATEWAY, NETMASK, listen  # noqa: E402
from qemu.wire import Networks  # noqa: E402

LIMIT_S = 20
MACS = [bytes([2, 0, 0, 0, 0, n]) for n in range(3)]
ALL = b"\xff" * 6


def frame(to, source, text):
    return to + source + b"\x88\xb5" + text


def send(cable, data):
    cable.sendall(struct.pack(">I", len(data)) + data)


def receive(cable):
    """The next frame, or None when there is none within a moment."""
    try:
        (size,) = struct.unpack(">I", cable.recv(4, socket.MSG_WAITALL))
        return cable.recv(size, socket.MSG_WAITALL)
    except (socket.timeout, struct.error):
        return None


def test_switch():
    """a frame goes where its address is"""
    networks = Networks(GATEWAY, NETMASK)
    try:
        cables = [networks.plug(networks.crossover) for _ in range(3)]
        for cable in cables:
            cable.settimeout(LIMIT_S)
        send(cables[0], frame(ALL, MACS[0], b"who"))
        tap.ok(all(receive(c)[14:] == b"who" for c in cables[1:]), "a broadcast comes to everybody else")
        send(cables[1], frame(MACS[0], MACS[1], b"me"))
        tap.equal(receive(cables[0])[14:], b"me", "an answer comes to who asked")
        many = b"".join(struct.pack(">I", 1014) + frame(MACS[1], MACS[0], b"%04d" % n + b"x" * 996) for n in range(500))
        threading.Thread(target=cables[0].sendall, args=(many,), daemon=True).start()
        got = [receive(cables[1])[14:18] for _ in range(500)]
        tap.ok(got == [b"%04d" % n for n in range(500)], "500 frames come whole and in order")
        send(cables[0], frame(ALL, MACS[0], b"last"))
        tap.equal(receive(cables[2])[14:], b"last", "a third one saw nothing of what was not for it")
        cables[1].close()
        again = networks.plug(networks.crossover)
        again.settimeout(LIMIT_S)

        def reached():
            send(cables[0], frame(MACS[1], MACS[0], b"back"))
            return receive(again)[14:] == b"back"
        tap.until(reached, LIMIT_S, "a frame to the new cable")
        tap.ok(True, "a machine that was off is found again on its new cable")
    finally:
        networks.close()


def server_inside(networks, port):
    """One that answers in capitals, at the gateway's address inside the namespace."""
    def make():
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((GATEWAY, port))
        sock.listen(8)
        return sock
    listener = networks._inside(make)

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while data := client.recv(65536):
                    client.sendall(data.upper())
    threading.Thread(target=serve, daemon=True).start()
    return listener


def exchange(port, data):
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as sock:
        threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)), daemon=True).start()
        got = b""
        while part := sock.recv(65536):
            got += part
        return got


def test_forward():
    """a port of this host leads into the namespace"""
    networks = Networks(GATEWAY, NETMASK)
    outside = listen(0)
    port = outside.getsockname()[1]
    try:
        networks.forward(outside, GATEWAY, 7777)
        with socket.create_connection(("127.0.0.1", port), LIMIT_S) as early:
            early.settimeout(LIMIT_S)
            early.sendall(b"early")
            inside = server_inside(networks, 7777)
            tap.equal(early.recv(100), b"EARLY", "who came before the server is there is served when it is")
        tap.equal(exchange(port, b"hello"), b"HELLO", "bytes go both ways and the end is passed on")
        big = b"abcdefgh" * 400000
        tap.ok(exchange(port, big) == big.upper(), "3 MB come whole")
        try:
            socket.create_connection((GATEWAY, 7777), 0.3).close()
            tap.ok(False, "the address exists inside only")
        except OSError:
            tap.ok(True, "the address exists inside only")
        inside.close()
    finally:
        networks.close()
        outside.close()


tap.main(test_switch, test_forward)
