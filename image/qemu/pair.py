"""The pair: two machines from one image, their networks, their configuration, and questions to the service."""

import os
import secrets
import socket
import subprocess
import time

from .machine import Machine, copy_sparse
from .wire import Networks

IMAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

GATEWAY, NETMASK, VIP = "192.0.2.1", "255.255.255.0", "192.0.2.10"
SERVICE = {"a": "192.0.2.11", "b": "192.0.2.12"}
CROSSOVER = {"a": "192.168.255.1", "b": "192.168.255.2"}
PORT = 6379
# A null-modem cable between the second serial ports, when a pair is to have one.
SERIAL_CABLE = {"a": ["-chardev", "socket,id=line,path=line.cable,server=on,wait=off", "-serial", "chardev:line"],
                "b": ["-chardev", "socket,id=line,path=line.cable,reconnect=1", "-serial", "chardev:line"]}

CONF = """\
[node]
name duet-{me}
node {me}

[pair]
id 1
secret {secret}

[network]
service mac:{service_mac} {service_me}/24 peer {service_peer}
crossover mac:{crossover_mac} {crossover_me}/30 peer {crossover_peer}
gateway {gateway}
vip {vip}/24
{serial}{more}
[instance 0]
port 6379
memory {memory}
password none
durability pair

[access]
console ttyS0 115200
console-password none
{ssh}"""


class Redis:
    """Just enough of a client to ask whether the service is up. Commands are lists of words; errors come back as text."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")

    def ask(self, *words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.sock.sendall(b"".join(parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection ended")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest.decode(errors="replace")

    def close(self):
        self.file.close()
        self.sock.close()


class Pair:
    """folder holds disks, sockets and logs of the two machines; options are Machine's, by node."""

    def __init__(self, image, folder, options=None, memory="128mb", ssh_key=None, serial=False, more=""):
        self.folder, self.networks, self.machines = folder, None, {}
        self.secret, self.serial, self.more = secrets.token_hex(32), serial, more
        for me in "ab":
            disk = os.path.join(folder, me + ".disk")
            copy_sparse(image, disk)
            mine = dict((options or {}).get(me, {}))
            if serial:
                mine["extra"] = [*mine.get("extra", ()), *SERIAL_CABLE[me]]
            self.machines[me] = Machine(me, disk, folder, **mine)
            self.configure(me, disk, memory, ssh_key)

    def configure(self, me, disk, memory, ssh_key):
        peer, machine = "b" if me == "a" else "a", self.machines[me]
        path = os.path.join(self.folder, me + ".conf")
        with open(path, "w") as f:
            f.write(CONF.format(
                me=me, secret=self.secret, memory=memory, gateway=GATEWAY, vip=VIP, service_mac=machine.mac(0), crossover_mac=machine.mac(1),
                service_me=SERVICE[me], service_peer=SERVICE[peer], crossover_me=CROSSOVER[me], crossover_peer=CROSSOVER[peer],
                serial="serial /dev/ttyS1\n" if self.serial else "", more=self.more,
                ssh="ssh-key %s\n" % ssh_key if ssh_key else ""))
        subprocess.run([os.path.join(IMAGE, "configure"), "--in-place", disk, path], check=True)

    def start_networks(self):
        self.networks = Networks(GATEWAY, NETMASK)

    def start(self):
        self.start_networks()
        for me in "ab":
            self.start_machine(me)

    def start_machine(self, me):
        self.machines[me].start([self.networks.plug(self.networks.service), self.networks.plug(self.networks.crossover)])

    def service(self, address=VIP, timeout_s=3):
        """A connection to the Redis port from the host on the service network."""
        return Redis(self.networks.connection(address, PORT, timeout_s))

    def ask(self, *words, address=VIP, timeout_s=3):
        """One command on a connection of its own; None when there is nobody to answer it."""
        try:
            redis = self.service(address, timeout_s)
        except OSError:
            return None
        try:
            return redis.ask(*words)
        except (OSError, ValueError):
            return None
        finally:
            redis.close()

    def master(self):
        """Which machine says that it is master and serves; None when none or both do."""
        roles = {me: self.ask("ROLE", address=SERVICE[me], timeout_s=1) for me in "ab" if self.machines[me].process}
        masters = [me for me, role in roles.items() if isinstance(role, list) and role[:1] == ["master"]]
        return masters[0] if len(masters) == 1 else None

    def in_sync(self):
        """The VIP answers as master with a slave attached, and a write goes through (so the slave has acknowledged it)."""
        role = self.ask("ROLE")
        if not (isinstance(role, list) and role[:1] == ["master"] and len(role) > 2 and role[2]):
            return False
        return self.ask("SET", "duet:up", time.strftime("%H:%M:%S"), "PX", 1000) == "OK"

    def stop(self):
        for machine in self.machines.values():
            machine.kill()
        if self.networks:
            self.networks.close()
            self.networks = None


def listen(port):
    """The host's end of a forward; OSError when the port is taken."""
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock
