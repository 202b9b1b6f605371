"""The pair's link spoken by hand: the slave's side of the handshake (server/repl/hello.h), then blocks
(server/base/stream_block.h).

    g = pairwire.Guest(node.connect(), "b", key="6b" * 32)
    g.hello()
    answer = g.pair()           # "OK session ..."
    c = g.blocks()              # a servers.Connection whose bytes travel in blocks
"""

import hashlib
import hmac
import os
import struct

import servers

BLOCK_MAX = 65536


def _crc_table():
    table = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
        table.append(c)
    return table


TABLE = _crc_table()


def crc32c(crc, data):
    c = ~crc & 0xffffffff
    for b in data:
        c = c >> 8 ^ TABLE[(c ^ b) & 255]
    return ~c & 0xffffffff


def block(word, number, payload):
    head = crc32c(0, struct.pack("<QQQ", word, number, len(payload)))
    return struct.pack("<IIII", len(payload), number & 0xffffffff, head, crc32c(head, payload)) + payload


class Blocks(servers.Connection):
    """Reads without judging (that is the servers' test): what came is checked only for its lengths and numbers."""

    def __init__(self, sock, out_word, buf=b""):
        super().__init__(sock)
        self.out_word, self.out_number, self.in_number, self.raw = out_word, 0, 0, buf

    def send_raw(self, data):
        for at in range(0, len(data), BLOCK_MAX):
            self.sock.sendall(block(self.out_word, self.out_number, data[at:at + BLOCK_MAX]))
            self.out_number += 1

    def send(self, *words):
        self.send_raw(servers.encode(*words))

    def _more(self):
        data = self.sock.recv(1 << 20)
        if not data:
            raise servers.Closed()
        self.raw += data
        at = 0
        while len(self.raw) - at >= 16:
            n, number = struct.unpack_from("<II", self.raw, at)
            if not 0 < n <= BLOCK_MAX or number != self.in_number & 0xffffffff:
                raise ValueError("this is no block, or not the next one")
            if len(self.raw) - at < 16 + n:
                break
            self.buf += self.raw[at + 16:at + 16 + n]
            at += 16 + n
            self.in_number += 1
        self.raw = self.raw[at:]


class Guest:
    """The slave's side of the handshake."""

    def __init__(self, c, letter="b", key="", channel="00" * 32):
        self.c, self.key, self.letter, self.channel = c, bytes.fromhex(key), letter, channel

    def hello(self, nonce=None, version="1"):
        """True when the master proved itself."""
        self.nonce = nonce or os.urandom(16).hex()
        words = self.c.cmd("REPLCONF", "duet-hello", version, self.letter, self.nonce).decode().split()
        self.master, self.theirs, proof = words[2:]
        return proof == self.proof("master", "")

    def mac(self, name, text):
        said = "duet 1 link %s|%s %s|%s %s|%s|%s" % (name, self.master, self.theirs, self.letter, self.nonce, self.channel, text)
        return hmac.new(self.key, said.encode(), hashlib.sha256)

    def proof(self, name, text):
        return self.mac(name, text).hexdigest()

    def pair(self, proof=None, id="?", offset=0):
        """The master's answer, "OK session ..."."""
        proof = proof or self.proof("slave", "%s %d" % (id, offset))
        return self.c.cmd("REPLCONF", "duet-pair", self.letter, id, offset, proof).decode()

    def blocks(self):
        word = struct.unpack_from("<Q", self.mac("blocks", "").digest(), 8)[0]
        return Blocks(self.c.sock, word, self.c.buf)
