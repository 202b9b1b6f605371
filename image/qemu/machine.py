"""One QEMU machine started from a disk image: its command line, life and death, serial console and monitor."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

OVMF = (("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"))

DISKS = {
    "virtio": ["-device", "virtio-blk-pci,drive=disk,bootindex=0"],
    "ahci": ["-device", "ide-hd,drive=disk,bus=ide.0,bootindex=0"],
    "nvme": ["-device", "nvme,drive=disk,serial=duet,bootindex=0"],
}


class MachineError(Exception):
    pass


def wait_for(what, timeout_s, poll_s=0.05):
    """The first true value that what() gives within the time, else None."""
    end = time.monotonic() + timeout_s
    while True:
        value = what()
        if value or time.monotonic() >= end:
            return value or None
        time.sleep(poll_s)


def copy_sparse(source, to):
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, to], check=True)


def qemu_arguments(accel, memory_mib, processors, firmware=()):
    cpu = "host" if accel == "kvm" else "max"
    return ["setpriv", "--pdeathsig", "KILL", "--", "qemu-system-x86_64", "-nodefaults", "-no-user-config",
            "-machine", "q35,vmport=off", "-accel", accel, "-cpu", cpu, "-m", str(memory_mib), "-smp", str(processors),
            "-display", "none", *firmware]


def kvm_works(vmlinuz, initrd, timeout_s=10):
    """Our kernel reaches user space under KVM: it runs `/duet --help`, whose end with status 0 the kernel then deplores.
    A /dev/kvm that opens proves nothing."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    words = qemu_arguments("kvm", 512, 1) + [
        "-no-reboot", "-serial", "stdio", "-kernel", vmlinuz, "-initrd", initrd,
        "-append", "console=ttyS0,115200 panic=-1 rdinit=/duet -- --help"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout_s)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return b"exitcode=0x00000000" in done.stdout


class Machine:
    """disk is written to. Files of the machine lie in folder under NAME.*; the sockets there are named relative to it,
    since a socket's path has a limit of 107 bytes."""

    def __init__(self, name, disk, folder, accel="tcg", firmware="bios", disk_kind="virtio", nic="virtio-net-pci",
                 memory_mib=512, processors=1, extra=()):
        self.name, self.disk, self.folder = name, os.path.abspath(disk), folder
        self.accel, self.firmware, self.disk_kind, self.nic = accel, firmware, disk_kind, nic
        self.memory_mib, self.processors, self.extra = memory_mib, processors, list(extra)
        self.process = self.started = None
        self.log_path = os.path.join(folder, name + ".console.log")
        self._monitor = None

    def mac(self, index):
        return "52:54:00:44:%02x:%02x" % (ord(self.name[0]), index)

    def _firmware(self):
        if self.firmware == "bios":
            return []
        for code, variables in OVMF:
            if os.path.exists(code):
                own = os.path.join(self.folder, self.name + ".efivars")
                if not os.path.exists(own):
                    shutil.copyfile(variables, own)
                return ["-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" + code,
                        "-drive", "if=pflash,format=raw,unit=1,file=" + own]
        raise MachineError("no UEFI firmware for QEMU here; install Debian's package ovmf")

    def start(self, cables=()):
        """cables: sockets for network cards, in order; they are closed here and live on in QEMU."""
        assert self.process is None, "a machine is started once until it is killed"
        words = qemu_arguments(self.accel, self.memory_mib, self.processors, self._firmware())
        words += ["-drive", "if=none,id=disk,format=raw,cache=unsafe,file=" + self.disk, *DISKS[self.disk_kind],
                  "-device", "VGA", "-device", "i6300esb", "-device", "virtio-rng-pci",
                  "-chardev", "socket,id=console,path=%s.console,server=on,wait=off,logfile=%s,logappend=on" % (self.name, self.log_path),
                  "-serial", "chardev:console",
                  "-chardev", "socket,id=monitor,path=%s.monitor,server=on,wait=off" % self.name,
                  "-mon", "chardev=monitor,mode=control"]
        for index, cable in enumerate(cables):
            words += ["-netdev", "socket,id=net%d,fd=%d" % (index, cable.fileno()),
                      "-device", "%s,netdev=net%d,mac=%s,romfile=" % (self.nic, index, self.mac(index))]
        words += self.extra
        errors = os.path.join(self.folder, self.name + ".qemu.log")
        with open(errors, "ab") as log:
            self.process = subprocess.Popen(words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            pass_fds=[c.fileno() for c in cables], start_new_session=True)
        self.started = time.monotonic()
        for cable in cables:
            cable.close()

    def check_alive(self):
        if self.process is None or self.process.poll() is not None:
            with open(os.path.join(self.folder, self.name + ".qemu.log"), errors="replace") as f:
                raise MachineError("machine %s is not running; QEMU said: %s" % (self.name, f.read().strip()[-500:] or "nothing"))

    def kill(self, how=signal.SIGKILL):
        """Power cut, by default."""
        if self._monitor:
            self._monitor.close()
            self._monitor = None
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait()
            self.process = None
        for end in (".console", ".monitor"):
            try:
                os.unlink(os.path.join(self.folder, self.name + end))
            except FileNotFoundError:
                pass

    def output(self, since=0):
        """What the serial line has said since the byte given, over all starts, without colours and cursor movements."""
        try:
            with open(self.log_path, "rb") as f:
                f.seek(since)
                text = f.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>78c])", "", text).replace("\r", "")

    def output_bytes(self):
        try:
            return os.path.getsize(self.log_path)
        except FileNotFoundError:
            return 0

    def wait_output(self, pattern, timeout_s, since=0):
        """A match of the regular expression in the console's output, or None."""
        def look():
            found = re.search(pattern, self.output(since))
            if not found:
                self.check_alive()
            return found
        return wait_for(look, timeout_s)

    def console(self):
        """A connection to the serial line; there is one at a time."""
        return connect_in(self.folder, self.name + ".console")

    def type(self, text):
        """Keys for the serial line. Held until their echo is there: QEMU drops what the guest has not taken when
        the connection ends."""
        since = self.output_bytes()
        with self.console() as line:
            line.sendall(text.encode())
            wait_for(lambda: text.strip() in self.output(since), 10)

    def monitor(self, command, **arguments):
        """One QMP command; its result. set_link cuts a cable, system_powerdown presses the button."""
        if not self._monitor:
            self._monitor = connect_in(self.folder, self.name + ".monitor").makefile("rw")
            self._monitor.readline()
            self.monitor("qmp_capabilities")
        self._monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._monitor.flush()
        while True:
            answer = json.loads(self._monitor.readline() or '{"error": {"desc": "the monitor is closed"}}')
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise MachineError("%s: %s: %s" % (self.name, command, answer["error"]["desc"]))


def connect_in(folder, name):
    """A unix socket named relative to its folder, however long that folder's path is."""
    sock = socket.socket(socket.AF_UNIX)
    there = os.open(folder, os.O_PATH)
    try:
        sock.connect("/proc/self/fd/%d/%s" % (there, name))
    except OSError:
        sock.close()
        raise
    finally:
        os.close(there)
    return sock
