"""A null-modem cable for tests: two pseudo-terminals with a relay between them that can lie.

    cable = Cable(seed)
    cable.device["a"]             # what a node opens
    cable.mode = Cable.CUT        # nothing passes
    cable.mode = Cable.GARBAGE    # noise, a login prompt, and halves of what is sent, in its place
    cable.mode = Cable.TURNED     # one byte in fifty is another one
    cable.mode = Cable.WHOLE

The noise comes from the seed, so that a failing run can be had again."""

import errno
import os
import random
import select
import threading
import tty

PROMPT = b"\r\n\r\nDebian GNU/Linux 12 duet ttyS1\r\n\r\nduet login: "
BYTES = 4096


class Cable:
    WHOLE, CUT, GARBAGE, TURNED = "whole", "cut", "garbage", "turned"

    def __init__(self, seed=0):
        self.mode, self.random = Cable.WHOLE, random.Random(seed)
        self.ends, self.held, self.device, self.carried = {}, {}, {}, {"a": 0, "b": 0}
        for node in "ab":
            self.ends[node], self.held[node] = os.openpty()  # the node's own end stays open: it has somebody at its other one all the while
            tty.setraw(self.held[node])
            os.set_blocking(self.ends[node], False)
            self.device[node] = os.ttyname(self.held[node])
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.relay, daemon=True)
        self.thread.start()

    def relay(self):
        nodes = {fd: node for node, fd in self.ends.items()}
        while not self.stopping.is_set():
            ready, _, _ = select.select(list(nodes), [], [], 0.05)
            for fd in ready:
                try:
                    data = os.read(fd, BYTES)
                except OSError as e:
                    if e.errno not in (errno.EIO, errno.EAGAIN):
                        raise
                    continue
                self.carry(nodes[fd], data)

    def carry(self, sender, data):
        receiver = self.ends["b" if sender == "a" else "a"]
        try:
            os.write(receiver, self.changed(data))
        except BlockingIOError:
            return  # its reader stands still: as on a line, what it does not take is lost
        self.carried[sender] += len(data)

    def changed(self, data):
        r = self.random
        if self.mode == Cable.WHOLE:
            return data
        if self.mode == Cable.CUT:
            return b""
        if self.mode == Cable.TURNED:
            return bytes(b ^ 1 << r.randrange(8) if r.random() < 0.02 else b for b in data)
        kind = r.randrange(4)
        if kind == 0:
            return PROMPT
        if kind == 1:
            return data[:r.randrange(len(data))]
        if kind == 2:
            return data[r.randrange(len(data)):]
        return r.randbytes(r.randrange(1, 400))

    def close(self):
        self.stopping.set()
        self.thread.join()
        for fd in list(self.ends.values()) + list(self.held.values()):
            os.close(fd)
