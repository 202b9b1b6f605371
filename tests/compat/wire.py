"""A connection that sends commands and reads replies, each reply as its raw bytes and as a value.

Nothing is decoded or made convenient: compat compares bytes."""

import socket


class Wire:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, commands):
        self.socket.sendall(b"".join(encode(c) for c in commands))

    def call(self, *words):
        """One command; the value of its reply."""
        self.send([words])
        return self.read()[1]

    def pipeline(self, commands):
        """[(raw, value)] of the commands' replies."""
        self.send(commands)
        return [self.read() for _ in commands]

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=" and rest != b"-1":
            data = self.file.read(int(rest) + 2)
            return line + data, data[:-2]
        if kind in b"*~>%|" and rest != b"-1":
            count = int(rest) * (2 if kind in b"%|" else 1)
            items = [self.read() for _ in range(count)]
            return line + b"".join(raw for raw, _ in items), [value for _, value in items]
        if kind == b":":
            return line, int(rest)
        if kind in b"+-(,#":
            return line, line[:-2]
        if kind in b"$*_":
            return line, None
        raise ValueError("not a reply: %r" % line)


def encode(words):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
