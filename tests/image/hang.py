"""A machine that hangs: its kernel's interrupt handlers are overwritten with a jump to themselves, through QEMU's debugger port. With
interrupts off it spins for ever, as a hard lockup does: nothing of it runs any more, and its cards and timers go on."""

import os
import re
import struct

from qemu.machine import connect_in

FIRST_VECTOR, VECTORS, GATE_BYTES = 32, 256, 16
JUMP_TO_ITSELF = b"\xeb\xfe"


class Debugger:
    """The few words of gdb's remote protocol that this takes. The machine stands still while it is connected."""

    def __init__(self, machine):
        name = machine.name + ".debugger"
        machine.monitor("human-monitor-command", **{"command-line": "gdbserver unix:%s,server=on,wait=off" % os.path.join(machine.folder, name)})
        self.sock = connect_in(machine.folder, name)
        self.sock.settimeout(30)
        self.file = self.sock.makefile("rb")

    def ask(self, words):
        self.sock.sendall(b"$%s#%02x" % (words.encode(), sum(words.encode()) % 256))
        answer = self.packet()
        while answer.startswith("T"):  # that the machine stands still, when it came to
            answer = self.packet()
        return answer

    def packet(self):
        byte, answer = self.file.read(1), b""
        while byte not in (b"$", b""):
            byte = self.file.read(1)
        while (byte := self.file.read(1)) not in (b"#", b""):
            answer += byte
        self.file.read(2)
        self.sock.sendall(b"+")
        return answer.decode()

    def read(self, address, count):
        answer = self.ask("m%x,%x" % (address, count))
        if len(answer) != 2 * count:
            raise RuntimeError("memory at %x cannot be read: %s" % (address, answer))
        return bytes.fromhex(answer)

    def write(self, address, content):
        answer = self.ask("M%x,%x:%s" % (address, len(content), content.hex()))
        if answer != "OK":
            raise RuntimeError("memory at %x cannot be written: %s" % (address, answer))

    def leave(self):
        self.ask("D")
        self.sock.close()


def hang(machine):
    registers = machine.monitor("human-monitor-command", **{"command-line": "info registers"})
    table = int(re.search(r"IDT=\s*([0-9a-f]+)", registers).group(1), 16)
    debugger = Debugger(machine)
    handlers = set()
    for vector in range(FIRST_VECTOR, VECTORS):
        gate = debugger.read(table + vector * GATE_BYTES, GATE_BYTES)
        low, _, _, kind, middle, high, _ = struct.unpack("<HHBBHII", gate)
        if kind & 0x80:
            handlers.add(low | middle << 16 | high << 32)
    for handler in handlers:
        debugger.write(handler, JUMP_TO_ITSELF)
    debugger.leave()
