"""A pair whose instance has a TLS port: its replication is TLS too, over either path, and after a change of roles."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
import certs  # noqa: E402
import pairlab  # noqa: E402
import tap  # noqa: E402

TLS_PORT = 6390
pair = None


def info(node):
    return node.control().info("everything")


def over_tls(master):
    """The slave follows the TLS port, and the master has handshakes to show for it."""
    return info(master.other).get("master_port") == TLS_PORT and info(master)["tls_handshakes_full"] > 0


def encrypted():
    """the pair's link is TLS without a directive of its own"""
    master = pair.settled()
    tap.until(lambda: over_tls(master), pairlab.SETTLE_S, "the link is TLS")
    tap.ok(True, "the slave follows its master's TLS port")
    load = pairlab.Writer(pair, "tls")
    load.wait_for(100)
    copies = [info(n)["sync_full"] for n in (pair.a, pair.b)]
    pair.lab.crossover("down")
    tap.until(lambda: master.other.status()["sync"]["path"] == "service", pairlab.SETTLE_S, "the service network")
    load.wait_for(100)
    tap.ok(pair.settled(master) is master and over_tls(master), "over the service network too")
    pair.lab.crossover("up")
    tap.until(lambda: master.other.status()["sync"]["path"] == "crossover", pairlab.SETTLE_S, "the crossover")
    load.wait_for(100)
    tap.equal([info(n)["sync_full"] for n in (pair.a, pair.b)], copies, "there and back without a full copy")
    master.power_cut()
    load.wait_for(100)
    new = pair.master
    tap.ok(new is master.other, "the other node serves when this one is cut")
    master.links("up")
    master.power_on()
    tap.until(lambda: pair.settled(new) is new and over_tls(new), 2 * pairlab.SETTLE_S, "the old master follows")
    load.stop()
    tap.ok(over_tls(new), "and the old master follows it by TLS")
    tap.equal(load.missing(pair.client(socket_timeout=10)), [], "no acknowledged write is lost")
    tap.ok(all("not authenticated" not in n.log_tail(2000) for n in (pair.a, pair.b)), "both links were authenticated")


def main():
    global pair
    ca = certs.Authority()
    ca.make("node", names="DNS:duet")
    words = "tls-port %d\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\n" % (
        TLS_PORT, ca.path("node.pem"), ca.path("node.key"), ca.path("ca.pem"))
    try:
        with pairlab.Pair(extra=words) as pair:
            pairlab.run(encrypted)
    finally:
        ca.close()
    sys.exit(tap.done())


if __name__ == "__main__":
    main()
