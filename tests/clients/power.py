"""A machine without power, modelled: a server's log files hold what an fsync had covered when it ended, and nothing else.

The server runs under ptrace, stopped by a seccomp filter at fsync and fdatasync only. What stands in a file of the log when such
a call begins counts as being on the disk when it has ended well, and not before: the server goes on only after that is noted. cut() ends
the server by SIGKILL; then lose() puts zeros in the place of everything else, as a file has whose blocks were given to it and never written.
Not modelled: names of files (a rename counts at once), other files than the log's increments, pages that the kernel wrote by itself (those are lost
here, too). The unit test of the log's disk model has all of that.
"""

import ctypes
import os
import signal
import struct
import threading
import time

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
TRACEME, CONT, GETREGS, SYSCALL, SETOPTIONS = 0, 7, 12, 24, 0x4200
OPTIONS = 0x1 | 0x8 | 0x80 | 0x100000  # sysgood, clones, seccomp, they end with us
SECCOMP_EVENT = signal.SIGTRAP | 7 << 8
WALL_OWN = 0x40000000 | 0x20000000  # every kind of child, of this thread
FSYNCS = (74, 75)
REGS, RAX, RDI = 27, 10, 14


def supported():
    return os.uname().machine == "x86_64"


def _filter():
    """Stops at FSYNCS, lets everything else run."""
    load, jump_equal, ret = 0x20, 0x15, 0x06
    code = [(load, 0, 0, 0)] + [(jump_equal, len(FSYNCS) - i, 0, n) for i, n in enumerate(FSYNCS)]
    code += [(ret, 0, 0, 0x7fff0000), (ret, 0, 0, 0x7ff00000)]
    return b"".join(struct.pack("<HBBI", *c) for c in code), len(code)


def _child(argv, log):
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code, count = _filter()
    buf = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", count, ctypes.addressof(buf)))
    _libc.ptrace(TRACEME, 0, None, None)
    if _libc.prctl(38, 1, 0, 0, 0) or _libc.prctl(22, 2, program, 0, 0):
        os._exit(99)
    os.execv(argv[0], argv)


class Process:
    """What servers.Server expects of a Popen, with the disk beside it."""

    def __init__(self, argv, log_path, disk):
        self.disk, self.returncode, self.pid = disk, None, 0
        self.ready, self.over = threading.Event(), threading.Event()
        threading.Thread(target=self._run, args=([str(a) for a in argv], log_path), daemon=True).start()
        self.ready.wait(20)

    def poll(self):
        return self.returncode

    def wait(self, limit_s=None):
        if not self.over.wait(limit_s):
            raise TimeoutError("the traced server does not end")
        return self.returncode

    def send_signal(self, number):
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def _run(self, argv, log_path):
        log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        pid = os.fork()
        if not pid:
            try:
                _child(argv, log)
            finally:
                os._exit(98)
        os.close(log)
        os.waitpid(pid, WALL_OWN)  # it stands at its first instruction
        _libc.ptrace(SETOPTIONS, pid, None, OPTIONS)
        _libc.ptrace(CONT, pid, None, None)
        self.pid = pid
        self.ready.set()
        try:
            self._trace()
        except ChildProcessError:
            pass
        if self.returncode is None:
            self.returncode = -signal.SIGKILL
        self.over.set()

    def _trace(self):
        regs, under_way = (ctypes.c_ulonglong * REGS)(), {}
        while True:
            tid, status = os.waitpid(-1, WALL_OWN)
            if not os.WIFSTOPPED(status):
                if tid == self.pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
                    return
                continue
            event, signo, how = status >> 8, os.WSTOPSIG(status), CONT
            if event == SECCOMP_EVENT:
                _libc.ptrace(GETREGS, tid, None, regs)
                under_way[tid] = self.disk.begins(self.pid, regs[RDI])
                how = SYSCALL
            elif signo == signal.SIGTRAP | 0x80:
                _libc.ptrace(GETREGS, tid, None, regs)
                if regs[RAX] == 0:
                    self.disk.ended(under_way.pop(tid, None))
            pass_on = signo if event < 0x100 and signo not in (signal.SIGTRAP, signal.SIGTRAP | 0x80, signal.SIGSTOP) else 0
            _libc.ptrace(how, tid, None, pass_on)


class Disk:
    """Of one server: how much of each increment of its log an fsync has covered."""

    def __init__(self, directory):
        self.log, self.covered, self.fsyncs = os.path.join(directory, "log"), {}, 0

    def begins(self, pid, fd):
        """What an fsync that begins now will cover: a file, and up to where it holds anything but zeros."""
        try:
            path = os.readlink("/proc/%d/fd/%d" % (pid, fd))
            if not path.endswith(".incr") or os.path.dirname(path) != os.path.realpath(self.log):
                return None
            known = self.covered.get(path, 0)
            with open(path, "rb") as f:
                f.seek(known)
                return path, known + len(f.read().rstrip(b"\0"))
        except OSError:
            return None

    def ended(self, what):
        if what:
            self.covered[what[0]] = max(self.covered.get(what[0], 0), what[1])
            self.fsyncs += 1

    def lose(self):
        """After the server's end: whatever no fsync has covered goes. Returns how many bytes that were."""
        lost = 0
        for name in os.listdir(self.log):
            path = os.path.join(os.path.realpath(self.log), name)
            if not name.endswith(".incr"):
                continue
            with open(path, "rb+") as f:
                data = f.read()
                keep = self.covered.get(path, 0)
                lost += len(data[keep:].rstrip(b"\0"))
                f.truncate(keep)
                f.truncate(len(data))
        return lost


def cut(servers):
    """The power of all of them goes, the first one's first; returns the bytes that each has lost."""
    for s in servers:
        s.process.kill()
    for s in servers:
        s.process.wait(20)
    time.sleep(0)
    return [s.disk.lose() for s in servers]
