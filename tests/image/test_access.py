"""The ways into a machine and out of it: SSH by key, no shell, the console's reboot, the power button."""

import os
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import IMAGE, UP_S, accel, folder, tap  # noqa: E402
from qemu.pair import SERVICE, Pair  # noqa: E402


def shown(text):
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


class Way:
    """A local port that leads to the machine's SSH port, through the host's end of the service network."""

    def __init__(self, two):
        self.two, self.listen = two, socket.socket()
        self.listen.bind(("127.0.0.1", 0))
        self.listen.listen(8)
        self.port = self.listen.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _ = self.listen.accept()
            except OSError:
                return
            try:
                far = self.two.networks.connection(SERVICE["a"], 22, 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    @staticmethod
    def pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        try:
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    with open(path + ".pub") as f:
        return f.read().strip()


def ssh(way, key, user, *words, known="/dev/null"):
    return subprocess.run(
        ["ssh", "-F", "none", "-i", key, "-p", str(way.port), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
         "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + known, "-o", "LogLevel=ERROR",
         user + "@127.0.0.1", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def check_ssh(way, place, key):
    known = os.path.join(place, "known")
    p = tap.until(lambda: (r := ssh(way, key, "duet", "status", known=known)).returncode == 0 and r, UP_S, "ssh", step_s=0.5)
    tap.ok("duet-a, node a:" in p.stdout, "ssh duet@node status runs hactl's verb")
    p = ssh(way, key, "root", "hactl", "--json", "status", known=known)
    tap.ok(p.returncode == 0 and p.stdout.startswith("{"), "root has the same console")
    for words in (("/bin/sh",), ("sh", "-c", "id"), ("status;", "id"), ("$(id)",)):
        p = ssh(way, key, "duet", *words, known=known)
        tap.ok("uid=" not in p.stdout + p.stderr and p.returncode, "no shell by `%s`" % " ".join(words))
    stranger = os.path.join(place, "stranger")
    make_key(stranger)
    p = ssh(way, stranger, "duet", "status", known=known)
    tap.ok(p.returncode == 255 and "node a" not in p.stdout, "a key that is not configured is refused")
    p = ssh(way, key, "server", "status", known=known)
    tap.ok(p.returncode == 255, "the servers' user has no way in")
    return known


def off_within(machine, limit_s):
    def gone():
        try:
            machine.check_alive()
        except Exception:  # noqa: BLE001
            return True
        return False
    return tap.until(gone, limit_s, "the machine to be off", step_s=0.1)


def test_access():
    """SSH by key, reboot from the console, power button"""
    with folder() as place:
        key = os.path.join(place, "key")
        two = Pair(IMAGE, place, {me: {"accel": accel()} for me in "ab"}, ssh_key=make_key(key))
        try:
            machine = two.machines["a"]
            two.start_networks()
            two.start_machine("a")
            way = Way(two)
            known = check_ssh(way, place, key)
            mark = machine.output_bytes()
            machine.type("\rreboot\r")
            tap.ok(machine.wait_output(r"server-0 ended with status 0", UP_S, mark), "reboot: the server ends in order first")
            tap.ok(machine.wait_output(r"slot (\w) is loaded|starting slot", UP_S, mark), "and the machine starts again")
            p = tap.until(lambda: (r := ssh(way, key, "duet", "log", "init", known=known)).returncode == 0 and r, UP_S, "ssh", step_s=0.5)
            tap.ok("runs as process" in p.stdout, "it is the same machine to SSH: the host key was kept")
            mark = machine.output_bytes()
            machine.monitor("system_powerdown")
            tap.ok(off_within(machine, UP_S), "the power button: the machine goes off")
            text = shown(machine.output())
            tap.ok("power button: powering off" in text, "in order, and says so")
        finally:
            two.stop()


if not any(os.access(os.path.join(d, "ssh"), os.X_OK) for d in os.environ["PATH"].split(":")):
    tap.skip("SSH by key", "this machine has no OpenSSH client")
    sys.exit(tap.done())
tap.main(test_access)
