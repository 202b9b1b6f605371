#!/usr/bin/python3
"""Includes go down only."""

import os
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import floors
import tap
import tree

# (including file, what it includes, allowed): the check itself must be able to fail.
SAMPLES = [
    ("server/base/buf.c", '"server/base/buf.h"', True),
    ("server/base/buf.c", '"server/proto/resp.h"', False),
    ("server/base/loop.c", "<ev.h>", True),
    ("server/base/sock.c", "<ev.h>", False),
    ("server/client.c", "<ev.h>", False),
    ("server/base/hmac.c", "<bearssl.h>", True),
    ("hactl/heartbeat.c", "<bearssl_hmac.h>", False),
    ("server/script/engine.c", "<lua.h>", True),
    ("server/cmd/eval.c", "<lauxlib.h>", False),
    ("server/proto/rdb.c", '"server/base/buf.h"', True),
    ("server/proto/rdb.c", '"server/base/loop.h"', False),
    ("server/proto/rdb.c", "<sys/socket.h>", False),
    ("server/proto/rdb.c", "<string.h>", True),
    ("hactl/heartbeat.c", '"server/base/clock.h"', False),
    ("server/store/db.c", '"server/proto/listpack.h"', True),
    ("server/store/db.c", '"server/repl/backlog.h"', False),
    ("server/store/db.c", '"server/base/sock.h"', False),
    ("hactl/ha_fsm.c", '"hactl/heartbeat.h"', True),
    ("hactl/ha_fsm.c", '"hactl/peer.h"', False),
    ("hactl/ha_fsm.c", "<poll.h>", False),
    ("netcfg/plan.c", "<linux/rtnetlink.h>", False),
    ("server/cmd/string.c", '"server/store/store.h"', True),
    ("server/cmd/repl.c", '"server/repl/repl.h"', True),
    ("server/cmd/repl.c", '"server/repl/feed.h"', False),
    ("server/repl/feed.c", '"server/persist/persist.h"', True),
    ("server/persist/log.c", '"server/repl/repl.h"', False),
    ("server/persist/log.c", '"server/cmd/table.h"', False),
    ("server/repl/feed.c", '"server/server.h"', False),
    ("server/client.c", '"server/cmd/call.h"', True),
    ("server/client.c", '"hactl/epoch.h"', False),
    ("server/client.c", '"netcfg/netcfg.h"', False),
    ("hactl/vip.c", '"netcfg/netcfg.h"', True),
    ("hactl/vip.c", '"netcfg/netlink.h"', False),
    ("hactl/had.c", '"server/proto/resp.h"', True),
    ("hactl/had.c", '"server/store/store.h"', False),
    ("hactl/import/rdb_keys.c", '"server/proto/rdb.h"', True),
    ("hactl/import/rdb_keys.c", '"server/base/sock.h"', False),
    ("hactl/import/filter.c", '"hactl/import/target.h"', False),
    ("hactl/import/target.c", '"server/persist/persist.h"', False),
    ("hactl/cli_import_file.c", '"hactl/import/target.h"', True),
    ("netcfg/main.c", '"hactl/vip.h"', False),
    ("netcfg/arp.c", '"server/proto/resp.h"', False),
    ("rootfs/init.c", '"server/base/log.h"', True),
    ("rootfs/duet.c", '"hactl/had.h"', False),
    ("server/base/log.c", '"log.h"', False),
    ("tools/x.c", '"server/base/log.h"', False),
]


def samples():
    """the floors' check tells allowed includes from forbidden ones"""
    for path, include, allowed in SAMPLES:
        wrong = floors.check({path: "#include <stdio.h>\n  #  include %s\n" % include})
        tap.ok(bool(wrong) != allowed, "%s %s include %s" % (path, "may" if allowed else "may not", include))
    tap.equal([w.split(": ")[0] for w in floors.check({"server/base/a.c": '\n\n#include "hactl/peer.h"\n'})], ["server/base/a.c:3"],
              "a forbidden include is named by file and line")


def house():
    """every include goes down the floors"""
    sources = {f: tree.read(f) for f in tree.files(".c", ".h") if f.split("/")[0] in ("server", "hactl", "netcfg", "rootfs")}
    wrong = floors.check(sources)
    for w in wrong:
        tap.ok(False, w)
    tap.ok(not wrong, "every include of %d files goes down the floors" % len(sources))
    tops = {f.split("/")[0] for f in tree.files() if "/" in f} - {".ci"}
    tap.equal(sorted(tops - {"kernel-config", "rootfs", "server", "hactl", "netcfg", "image", "tests"}), [], "no other folder at the top")


tap.main(samples, house)
