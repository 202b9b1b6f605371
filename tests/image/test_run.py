"""`make run` as a user has it: the runner, its port, the serial console, and what it leaves behind."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from lab import UP_S, folder, run, tap  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, line):
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as s:
            s.sendall(line + b"\r\n")
            return s.recv(1000)
    except OSError:
        return b""


def processes_below(place):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if place.encode() in f.read() and int(pid) != os.getpid():
                    found.append(pid)
        except OSError:
            pass
    return found


def type_into_console(place):
    """What `image/console a` shows after `hactl status` was typed, until Ctrl-]."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["DUET_RUN"] = place
        os.execv(os.path.join(tap.TOP, "image", "console"), ["console", "a"])
    shown, typed, end = b"", False, time.monotonic() + 30
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:
                break
        if not typed and b"Ctrl-] leaves it" in shown:
            os.write(terminal, b"hactl status\r")
            typed = True
        if re.search(rb"hactl status.*(master|slave)", shown, re.S):
            os.write(terminal, b"\x1d")
    os.close(terminal)
    os.waitpid(pid, 0)
    return shown.decode(errors="replace")


def test_refusals():
    """what cannot work is said at once"""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        status, text = run("image/pair", "--check", "--port", str(port))
        tap.ok(status and "port %d" % port in text and "PORT=" in text and str(os.getpid()) in text,
               "a port in use is named, with who has it and what to do") or tap.say(text)
    status, text = run("image/pair", "--port", str(free_port()), "/nothing/there.img")
    tap.ok(status and "/nothing/there.img is not there" in text, "an image that is not there is named") or tap.say(text)
    status, text = run("image/console", "a", env={**os.environ, "DUET_RUN": "/nothing"})
    tap.ok(status, "a console needs a terminal")


def test_run():
    """from the start to Ctrl-C"""
    with folder() as place:
        port, where = free_port(), os.path.join(place, "run")
        log = open(os.path.join(place, "log"), "w+")
        runner = subprocess.Popen(["sh", "-c", "exec image/pair --port %d <&-" % port], stdout=log, stderr=log, cwd=tap.TOP,
                                  env={**os.environ, "DUET_RUN": where, "ACCEL": lab.accel()}, start_new_session=True)

        def said(text):
            with open(log.name) as f:
                all_of_it = f.read()
            if runner.poll() is not None:
                raise SystemExit("not ok - the runner ended: %s" % all_of_it)
            return text in all_of_it
        try:
            tap.until(lambda: said("The pair is up"), UP_S + 60, "the pair is up", step_s=0.2)
            tap.ok(True, "with standard input closed, the pair comes up")
            tap.ok(said("no password"), "it says that there is no password")
            tap.equal(ask(port, b"PING"), b"+PONG\r\n", "the VIP answers at the port of this host")
            shown = type_into_console(where)
            tap.ok(re.search(r"master|slave", shown), "image/console shows hactl status") or tap.say(shown)
            command = re.search(r"(ssh -i .*)", open(log.name).read())
            if command:
                # the first connection makes the host key
                tap.until(lambda: re.search(r"master|slave", run("sh", "-c", command[1] + " 2>&1")[1]), 60, "an answer by SSH", step_s=0.5)
                tap.ok(True, "the printed ssh command shows hactl status")
            else:
                tap.ok(not shutil.which("ssh-keygen"), "no ssh is offered where there is no OpenSSH client")
            with open(os.path.join(where, "a.pid")) as f:
                os.kill(int(f.read()), signal.SIGKILL)
            tap.until(lambda: ask(port, b"SET k v") == b"+OK\r\n", UP_S, "a write after the kill")
            tap.ok(True, "machine a is killed: the same port takes writes again")
            tap.until(lambda: said("machine a starts"), 60, "machine a starts again")
            runner.send_signal(signal.SIGINT)
            tap.ok(runner.wait(30) == 0, "Ctrl-C ends it")
            tap.ok(not os.path.exists(where), "its folder is gone")
            tap.equal(processes_below(where), [], "no process is left")
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
            tap.ok(True, "the port is free")
        finally:
            if runner.poll() is None:
                runner.terminate()
                runner.wait(30)
            with open(log.name) as f:
                tap.say(f.read())
            log.close()


tap.main(test_refusals, test_run)
