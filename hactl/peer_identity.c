#include "hactl/peer_identity.h"

#include <stdarg.h>
#include <stdio.h>

#define NS_PER_S_ ((uint64_t)1000000000)
#define HOLDS_NS  (25 * NS_PER_S_) /* announcements come every 10 s */
#define OFTEN     3                /* one bad signature may be a bad cable's */

static bool note(struct peer_identity *id, enum peer_odd odd, uint64_t now, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool note(struct peer_identity *id, enum peer_odd odd, uint64_t now, const char *fmt, ...) {
    va_list ap;
    if (!id->seen[odd].count || now - id->seen[odd].last_ns > HOLDS_NS) {
        id->seen[odd].first_ns = now;
        id->seen[odd].count = 0;
    }
    id->seen[odd].last_ns = now;
    id->seen[odd].count++;
    va_start(ap, fmt);
    vsnprintf(id->seen[odd].text, sizeof id->seen[odd].text, fmt, ap);
    va_end(ap);
    return true;
}

static bool unsigned_one(struct peer_identity *id, const struct peer_oddity *o, uint64_t now) {
    if (!o->from_peer && o->label.pair == o->pair)
        return note(id, PEER_ODD_SAME_ID, now,
                    "another pair on the %s network has this pair's id %u and another secret, at "
                    "%s: give each pair an id of its own",
                    ha_path_name(o->came_by), o->pair, o->from);
    if (!o->from_peer) return false;
    if (o->peer_heard)
        return note(id, PEER_ODD_FORGED, now,
                    "heartbeats that are not signed with this pair's secret come from %s on the "
                    "%s path beside the good ones: somebody forges them; they are refused",
                    o->from, ha_path_name(o->came_by));
    return note(id, PEER_ODD_OTHER_KEY, now,
                "the other node, at %s, signs with another secret: [pair] secret must be the same "
                "on both; compare `hactl key show`",
                o->from);
}

static bool same_name(struct peer_identity *id, const struct peer_oddity *o, uint64_t now) {
    if (o->from_self && o->sent_on != o->came_by)
        return note(id, PEER_ODD_SWAPPED, now,
                    "this node hears its own %s heartbeats at its %s port %s: both ports hang on "
                    "one network; the crossover needs a cable of its own",
                    ha_path_name(o->sent_on), ha_path_name(o->came_by), o->iface);
    if (o->from_self) return false;
    return note(id, PEER_ODD_SAME_NAME, now,
                "the machine at %s calls itself node %c of pair %u, as this one does: [node] must "
                "say a on the one and b on the other",
                o->from, 'a' + o->node, o->pair);
}

bool peer_identity_note(struct peer_identity *id, const struct peer_oddity *o, uint64_t now_ns) {
    switch (o->result) {
    case HEARTBEAT_OLD:
        return note(id, PEER_ODD_VERSION, now_ns,
                    "the other node, at %s, speaks version %u of heartbeats, this one %u: both "
                    "must run images that go together; update the older one",
                    o->from, o->label.version, HEARTBEAT_VERSION);
    case HEARTBEAT_FORGED: return unsigned_one(id, o, now_ns);
    case HEARTBEAT_FOREIGN:
        return note(id, PEER_ODD_SAME_KEY, now_ns,
                    "the machine at %s is of pair %u and has this pair's secret: give each pair "
                    "one of its own (`hactl key rotate`)",
                    o->from, o->label.pair);
    case HEARTBEAT_SELF: return same_name(id, o, now_ns);
    case HEARTBEAT_ASTRAY:
        return note(id, PEER_ODD_SWAPPED, now_ns,
                    "heartbeats of the other node's %s port arrive at this node's %s port %s: two "
                    "cables are swapped, or the two lines of [network]",
                    ha_path_name(o->sent_on), ha_path_name(o->came_by), o->iface);
    case HEARTBEAT_ELSEWHERE:
        return note(id, PEER_ODD_THIRD, now_ns,
                    "a third machine, at %s, is node %c of pair %u with this pair's secret: two "
                    "pairs have the same configuration; give each an id and a secret of its own",
                    o->from, 'a' + o->label.node, o->label.pair);
    default: return false;
    }
}

const char *peer_identity_text(const struct peer_identity *id, uint64_t now_ns) {
    for (int i = 0; i < PEER_ODDS; i++) {
        if (!id->seen[i].count || now_ns - id->seen[i].last_ns > HOLDS_NS) continue;
        bool unsure = i == PEER_ODD_OTHER_KEY || i == PEER_ODD_FORGED;
        if (!unsure || id->seen[i].count >= OFTEN) return id->seen[i].text;
    }
    return "";
}
