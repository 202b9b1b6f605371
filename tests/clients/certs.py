"""Certificates for tests, made by openssl when they are asked for.

    with certs.Authority() as ca:
        ca.make("server", kind="ec")  # ca.path("server.pem"), ca.path("server.key")
"""

import os
import shutil
import subprocess
import tempfile

KINDS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"],
    "ec384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-pkeyopt", "ec_param_enc:named_curve"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}


def openssl(*words, stdin=None):
    done = subprocess.run(["openssl"] + list(words), input=stdin, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError("openssl %s: %s" % (" ".join(words), done.stderr))
    return done.stdout


class Authority:
    """A directory with a CA and what it signed: NAME.key, NAME.pem."""

    def __init__(self, kind="ec", directory=None):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="duet-certs-")
        self.kind = kind
        self.serial = 0
        self.root("ca", kind)

    def path(self, name):
        return os.path.join(self.directory, name)

    def key(self, name, kind):
        openssl("genpkey", *KINDS[kind], "-out", self.path(name + ".key"))

    def root(self, name, kind="ec"):
        self.key(name, kind)
        openssl("req", "-x509", "-new", "-key", self.path(name + ".key"), "-out", self.path(name + ".pem"), "-days", "30",
                "-subj", "/CN=Duet test " + name, "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def make(self, name, kind="ec", ca="ca", days=10, names="DNS:localhost,IP:127.0.0.1", is_ca=False):
        """days: negative for one that has expired"""
        self.key(name, kind)
        self.serial += 1
        request = openssl("req", "-new", "-key", self.path(name + ".key"), "-subj", "/CN=Duet test " + name)
        text = "[v3]\nsubjectAltName=%s\nbasicConstraints=critical,CA:%s\n" % (names, "TRUE" if is_ca else "FALSE")
        with open(self.path(name + ".ext"), "w") as f:
            f.write(text)
        span = ["-days", str(days)]
        if days < 0:
            span = ["-not_before", "20200101000000Z", "-not_after", "20200201000000Z"]
        self.sign(request, name, ca, span)

    def sign(self, request, name, ca, span):
        out, ext = self.path(name + ".pem"), self.path(name + ".ext")
        if span[0] == "-days":
            openssl("x509", "-req", "-CA", self.path(ca + ".pem"), "-CAkey", self.path(ca + ".key"), "-set_serial", str(self.serial),
                    *span, "-extfile", ext, "-extensions", "v3", "-out", out, stdin=request)
            return
        # only `openssl ca` of this age writes dates of the past
        with open(self.path("index"), "w"):
            pass
        with open(self.path("ca.cnf"), "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nnew_certs_dir=%s\n[p]\n"
                    "commonName=supplied\n" % (self.path("index"), self.directory))
        with open(self.path(name + ".csr"), "w") as f:
            f.write(request)
        openssl("ca", "-batch", "-config", self.path("ca.cnf"), "-cert", self.path(ca + ".pem"), "-keyfile", self.path(ca + ".key"),
                "-startdate", span[1], "-enddate", span[3], "-in", self.path(name + ".csr"), "-extfile", ext, "-extensions", "v3",
                "-notext", "-out", out)

    def close(self):
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
