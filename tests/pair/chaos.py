"""Faults by chance from a seed: each is made, lasts a moment, is mended, and the pair settles; now and then two at once."""

import os
import random
import signal
import time

import netlab
import tap


class Chaos:
    def __init__(self, pair, seed):
        self.pair, self.chance, self.made = pair, random.Random(seed), []
        self.faults = [self.server_killed, self.had_stopped, self.had_killed, self.power, self.crossover_cut, self.service_cut, self.isolated,
                       self.switchover, self.deaf, self.stall, self.gateway_silent, self.server_stopped]

    def node(self):
        """Mostly the master, when there is one."""
        serving = [n for n in self.pair.nodes.values() if n.serving()]
        if serving and self.chance.random() < 0.65:
            return serving[0]
        return self.pair.nodes[self.chance.choice("ab")]

    def span(self):
        return self.chance.choice([0.05, 0.2, 0.3, 0.45, 0.6, 1.0, 1.5, 2.5])

    def note(self, text):
        self.made.append(text)
        tap.say("%.1f s: %s" % (time.monotonic() - self.began, text))

    def run(self, seconds):
        """Faults until the time is over. Raises TimeoutError when the pair does not settle after one."""
        self.began = time.monotonic()
        while time.monotonic() - self.began < seconds:
            undo = [self.chance.choice(self.faults)()]
            if self.chance.random() < 0.3:
                time.sleep(self.chance.random() * 0.8)
                undo.append(self.chance.choice(self.faults)())
            time.sleep(self.span())
            for mend in undo:
                if mend:
                    mend()
            self.pair.settled()
            time.sleep(0.2 + self.chance.random() * 0.5)

    # ---- each answers what mends it, or None ----

    @staticmethod
    def signals(pids, signo):
        for pid in pids:
            try:
                os.kill(pid, signo)
            except ProcessLookupError:
                pass

    def stopped(self, node, applet):
        pids = node.pids(applet)
        self.signals(pids, signal.SIGSTOP)
        return lambda: self.signals(pids, signal.SIGCONT)

    def server_killed(self):
        node = self.node()
        self.note("server of %s killed" % node.name)
        self.signals(node.pids("server"), signal.SIGKILL)

    def server_stopped(self):
        node = self.node()
        self.note("server of %s stopped" % node.name)
        return self.stopped(node, "server")

    def had_killed(self):
        node = self.node()
        self.note("had of %s killed" % node.name)
        self.signals(node.pids("had"), signal.SIGKILL)

    def had_stopped(self):
        node = self.node()
        self.note("had of %s stopped" % node.name)
        return self.stopped(node, "had")

    def stall(self):
        node = self.node()
        self.note("all of %s stopped" % node.name)
        return self.stopped(node, None)

    def power(self):
        node = self.node()
        self.note("power of %s cut" % node.name)
        node.power_cut()
        return lambda: node.pids() or node.power_on()

    def crossover_cut(self):
        self.note("crossover cut")
        self.pair.lab.crossover("down")
        return lambda: self.pair.lab.crossover("up")

    def service_cut(self):
        node = self.node()
        self.note("service link of %s cut" % node.name)
        self.pair.lab.service(node.name, "down")
        return lambda: self.pair.lab.service(node.name, "up")

    def isolated(self):
        node = self.node()
        self.note("%s isolated" % node.name)
        self.pair.lab.isolate(node.name, "down")
        return lambda: self.pair.lab.isolate(node.name, "up")

    def deaf(self):
        """One-way loss: a node does not hear on some of its links."""
        node = self.node()
        links = self.chance.choice([["eth0"], ["eth1"], ["eth0", "eth1"]])
        self.note("%s deaf on %s" % (node.name, " and ".join(links)))
        node.drop(*["iifname %s" % l for l in links])
        return lambda: node.drop(None)

    def gateway_silent(self):
        self.note("gateway %s silent" % netlab.GATEWAY)
        self.pair.lab.gateway("down")
        return lambda: self.pair.lab.gateway("up")

    def switchover(self):
        node = self.node()
        self.note("switchover asked of %s" % node.name)
        node.hactl("switchover", check=False)
