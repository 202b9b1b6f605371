"""Many commands to two servers at once, their replies as raw bytes: what is equal is not looked at any further.

A batch is sent in one piece. Behind each command whose reply may differ rightly (and before it) stands an ECHO of a mark, so that the
bytes fall into segments that can be compared one by one; only a segment that differs is taken apart into replies."""

import os

from wire import encode

READ_BYTES = 1 << 18


def parse(data, at=0):
    """(value, where it ends) of the reply that begins at `at`; values as Wire's."""
    end = data.index(b"\r\n", at)
    kind, rest, at = data[at:at + 1], data[at + 1:end], end + 2
    if kind in b"$=" and rest != b"-1":
        end = at + int(rest)
        return data[at:end], end + 2
    if kind in b"*~>%" and rest != b"-1":
        items = []
        for _ in range(int(rest) * (2 if kind == b"%" else 1)):
            item, at = parse(data, at)
            items.append(item)
        return items, at
    if kind == b":":
        return int(rest), at
    if kind in b"+-(,#":
        return kind + rest, at
    return None, at


def replies(data):
    """[(raw, value)] of a segment."""
    out, at = [], 0
    while at < len(data):
        value, end = parse(data, at)
        out.append((data[at:end], value))
        at = end
    return out


class RawPipe:
    def __init__(self, servers, apart):
        """apart: names of commands that get a segment of their own."""
        self.wires = [s.wire() for s in servers]
        self.apart = apart
        self.mark = os.urandom(8).hex().encode()
        self.echo = encode((b"ECHO", self.mark))
        self.answer = b"$16\r\n" + self.mark + b"\r\n"

    def call(self, *words):
        return [w.call(*words) for w in self.wires]

    def send(self, batch):
        """Returns the segments: lists of commands, in order."""
        segments, some, out = [], [], []
        for words in batch:
            alone = words[0].upper() in self.apart
            if alone and some:
                segments.append(some)
                out.append(self.echo)
                some = []
            some.append(words)
            out.append(encode(words))
            if alone:
                segments.append(some)
                out.append(self.echo)
                some = []
        if some:
            segments.append(some)
            out.append(self.echo)
        out = b"".join(out)
        for w in self.wires:
            w.socket.sendall(out)
        return segments

    def receive(self, segments):
        """[(commands, ours, theirs)], a row a segment, the replies as raw bytes."""
        ours, theirs = [self._read(w, len(segments)) for w in self.wires]
        return list(zip(segments, ours, theirs))

    def _read(self, wire, count):
        pieces, seen, tail = [], 0, b""
        while seen < count:
            piece = wire.socket.recv(READ_BYTES)
            if not piece:
                raise ConnectionError("the server closed the connection")
            pieces.append(piece)
            seen += (tail + piece).count(self.answer)
            tail = (tail + piece)[1 - len(self.answer):]  # too short to hold a whole one: nothing is counted twice
        return b"".join(pieces).split(self.answer)[:-1]

