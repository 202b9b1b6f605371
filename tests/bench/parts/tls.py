"""TLS beside plain, by Debian's redis-benchmark: TLS 1.2 for everyone, an ECDSA certificate made for the run."""

import os
import shutil
import subprocess

import rig
from frame import Step

ABOUT = "TLS 1.2 and plain by redis-benchmark, 50 connections; `connect` makes a new one for each request"
ROWS = [("SET -P 1", ["-P", "1"], 30000), ("SET -P 16", ["-P", "16"], 150000), ("connect + SET", ["-k", "0"], 3000)]


def certificate(folder):
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                           "-days", "30", "-subj", "/CN=localhost"], capture_output=True, text=True)
    if done.returncode:
        raise rig.Failed("openssl made no certificate: " + done.stderr.strip()[-200:])
    return key, cert


class Tls:
    def __init__(self, bench):
        self.bench, self.running, self.folder = bench, [], None

    def begin(self):
        self.folder = rig.scratch_folder()
        key, self.cert = certificate(self.folder)
        for spec in self.bench.real:
            port = rig.resp.free_port()
            try:
                server = rig.Server(spec, "--tls-port", port, "--tls-cert-file", self.cert, "--tls-key-file", key, "--tls-ca-cert-file", self.cert,
                                    "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2")
                server.tls_port = port
                self.running.append(server)
            except rig.Failed as e:
                self.bench.note("tls: skipped on %s: %s" % (spec.name, e))

    def measure(self, number, row, options, count):
        count = count // 2 if self.bench.quick else count
        common = ["-n", str(count), "-c", "50", "-r", "1000000", "-d", "64"] + options
        for server in self.bench.turn(self.running, number) if self.running else []:
            for kind in ("plain", "TLS"):
                secure = ["--tls", "--cacert", self.cert, "--sni", "localhost"] if kind == "TLS" else []
                try:
                    rps, cpu_us = rig.redis_benchmark(server, common + secure + ["SET", "key:__rand_int__", "x" * 64],
                                                      server.tls_port if secure else None)
                except rig.Failed as e:
                    self.bench.note("tls: %s, %s on %s: %s" % (row, kind, server.name, e))
                    continue
                self.bench.add("tls", "server CPU a request", "%s, %s" % (row, kind), server.name, cpu_us, "us")
                self.bench.add("tls", "requests a second", "%s, %s" % (row, kind), server.name, rps, "/s", True, 0)

    def end(self):
        for server in self.running:
            server.close()
        shutil.rmtree(self.folder or "", ignore_errors=True)


def steps(bench):
    tls, count = Tls(bench), len(bench.real)
    found = [Step("starting servers", 0.8 * count, tls.begin)]
    for number in range(bench.rounds):
        for row, options, requests in ROWS[:2] if bench.quick else ROWS:
            found.append(Step("round %d of %d, %s" % (number + 1, bench.rounds, row), count * (1.2 if bench.quick else 2.5),
                              lambda n=number, r=row, o=options, c=requests: tls.measure(n, r, o, c), number > 0))
    return found + [Step("ending servers", 0.3, tls.end, ends=True)]
