"""Who may include whom: DESIGN.md section 1, as a table. `check` takes {path: text} and returns sentences."""

import re

# Patterns from the most special to the most general; the first that matches a path gives its floor.
FLOORS = [
    (r"server/base/", 0),
    (r"build/version\.h", 0),
    (r"server/proto/", 1),
    (r"hactl/(heartbeat|witness_wire|channel\.|ustar|timetable|import/(rdb_keys|rdb_skip|answer|key_places|pieces|pieces_inside|rdb_old)\.)", 1),
    (r"server/store/", 2),
    (r"server/repl/(backlog|link_fsm)", 2),
    (r"hactl/(ha_|witness_pair\.)", 2),
    (r"hactl/import/(filter|inventory)", 2),
    (r"netcfg/(plan|conf|frames)\.", 2),
    (r"server/(cmd|script|repl|persist)/", 3),
    (r"hactl/(had|cli|steward|rollback_plan|witness_main)", 4),
    (r"hactl/", 3),
    (r"netcfg/main", 4),
    (r"netcfg/", 3),
    (r"server/[^/]*$", 4),
    (r"rootfs/duet\.c", 5),
    (r"rootfs/", 4),
]

# On floor 3 a folder may include the one public header of a folder further right in this order.
ORDER = ["cmd", "script", "repl", "persist"]

# Libraries that one place alone may know.
LIBRARIES = [
    (r"ev\.h|ev\+\+\.h", r"server/base/loop", "base/loop alone knows libev"),
    (r"bearssl.*\.h", r"server/base/(tls|hmac|rand|x25519)", "base/tls, base/hmac, base/rand and base/x25519 alone know BearSSL"),
    (r"jemalloc/.*", r"server/base/alloc", "base/alloc alone knows the allocator"),
    (r"zstd\.h|zstd_errors\.h", r"server/base/zframe", "base/zframe alone knows zstd"),
    (r"lua\.h|luaconf\.h|lualib\.h|lauxlib\.h", r"server/script/", "server/script alone knows Lua"),
]

# What a floor may not know, of base and of the system.
BLIND = {
    1: (r"server/base/(loop|sock|stream|tls|file|clock|lease)\.h", r"sys/(socket|epoll|un|time|timerfd)\.h|fcntl\.h|poll\.h|time\.h|unistd\.h|netdb\.h",
        "a codec sees bytes: no descriptors, no time, no loop"),
    2: (r"server/base/(loop|sock|stream|tls|clock)\.h", r"sys/(socket|epoll|un)\.h|poll\.h|netdb\.h|linux/(rt)?netlink\.h|linux/if_addr\.h",
        "a core sees events: no sockets, no loop, no clock"),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)
OURS = ("server/", "hactl/", "netcfg/", "rootfs/")


def floor_of(path):
    return next((floor for pattern, floor in FLOORS if re.match(pattern, path)), None)


def folder_of(path):
    return path.rsplit("/", 1)[0]


def public_header(path):
    """server/repl/repl.h and its like."""
    folder = folder_of(path)
    return path == "%s/%s.h" % (folder, folder.split("/")[-1])


def judge_pair(path, other):
    """Why `path` may not include `other`, or None."""
    mine, its = floor_of(path), floor_of(other)
    tree, other_tree = path.split("/")[0], other.split("/")[0]
    if its is None:
        return "%s is no header of ours: write includes from the top of the repository" % other
    if tree == "server" and other_tree in ("hactl", "netcfg", "rootfs"):
        return "the server never includes %s" % other_tree
    if tree == "netcfg" and other_tree != "netcfg" and its > 0:
        return "netcfg includes only base"
    if other_tree == "netcfg" and tree != "netcfg" and other != "netcfg/netcfg.h":
        return "addresses are reached only through netcfg.h"
    if tree in ("hactl", "rootfs") and other_tree == "server" and its > 1:
        return "only base and proto of the server may be known here; steer it by RESP"
    if other_tree == "rootfs" and tree != "rootfs":
        return "nothing includes rootfs"
    if path == "rootfs/duet.c" and other_tree != "rootfs" and its > 0:
        return "duet.c knows the applets' main functions and nothing else"
    if folder_of(path) == folder_of(other):
        return None if its <= mine else "floor %d may not know floor %d" % (mine, its)
    if its < mine:
        return None
    if mine == its == 1 and tree == "hactl" and other_tree == "server":
        return None  # its codecs stand on the server's
    if mine == its == 3:
        if tree == "hactl" and other == "netcfg/netcfg.h":
            return None
        a, b = folder_of(path).split("/")[-1], folder_of(other).split("/")[-1]
        if tree == other_tree == "server" and ORDER.index(a) < ORDER.index(b):
            return None if public_header(other) else "of %s only %s/%s.h is public" % (b, b, b)
        return "%s may not know %s: the order is %s" % (a, b, " > ".join(ORDER))
    return "floor %d may not know floor %d" % (mine, its)


def judge(path, ours, system):
    floor = floor_of(path)
    if ours:
        why = judge_pair(path, ours)
        if why:
            return why
    for pattern, place, why in LIBRARIES:
        if re.fullmatch(pattern, (ours or system).split("/")[-1]) and not (ours or "").startswith(OURS) and not re.match(place, path):
            return why
    if floor in BLIND:
        base, outside, why = BLIND[floor]
        if re.fullmatch(base, ours or "") or re.fullmatch(outside, system or ""):
            return why
    return None


def check(texts):
    wrong = []
    for path, text in sorted(texts.items()):
        if floor_of(path) is None:
            wrong.append("%s: is on no floor: there is no such folder in the house" % path)
            continue
        for m in INCLUDE.finditer(text):
            why = judge(path, m[1], m[2])
            if why:
                wrong.append("%s:%d: includes %s: %s" % (path, text.count("\n", 0, m.start()) + 1, m[1] or m[2], why))
    return wrong
