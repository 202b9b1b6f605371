/* Who it is that we hear when it is not the other node: swapped cables, another pair with our id or our
 * secret, a machine with our name, another secret, another version. One sentence for the operator that names
 * the sender and what to do; it holds for as long as such heartbeats come. Nothing here changes a role:
 * what is noted here was refused. No sockets, no clock. */
#ifndef HACTL_PEER_IDENTITY_H
#define HACTL_PEER_IDENTITY_H

#include "hactl/heartbeat.h"

/* In the order of their weight: the first one that is seen is the one that is said. */
enum peer_odd {
    PEER_ODD_SAME_NAME = 0, /* both are called a, or b */
    PEER_ODD_THIRD,         /* a third machine is a node of this pair */
    PEER_ODD_SWAPPED,       /* cables */
    PEER_ODD_VERSION,
    PEER_ODD_OTHER_KEY, /* the other node signs with another secret */
    PEER_ODD_SAME_KEY,  /* another pair has our secret */
    PEER_ODD_SAME_ID,   /* another pair has our id */
    PEER_ODD_FORGED,    /* from the other node's address, and the other node is heard */
    PEER_ODDS
};

struct peer_identity {
    struct {
        uint64_t first_ns, last_ns;
        unsigned count;
        char text[224];
    } seen[PEER_ODDS];
};

/* One that was refused. */
struct peer_oddity {
    enum heartbeat_result result; /* or OK: authentic, but announced by who is not the other node */
    struct heartbeat_label label;
    enum ha_path sent_on, came_by; /* sent_on only when it is authentic */
    uint16_t pair;                 /* ours */
    uint8_t node;
    bool from_peer;    /* its source is the other node's address on came_by */
    bool from_self;    /* its source is an address of this node */
    bool peer_heard;   /* the other node itself is heard on came_by just now */
    const char *from;  /* address, and link address where it is known */
    const char *iface; /* that it came in by */
};

/* False: nothing to be said about it (another pair of the same network, an echo of our own). */
bool peer_identity_note(struct peer_identity *id, const struct peer_oddity *o, uint64_t now_ns);
/* What is wrong now; "" nothing. */
const char *peer_identity_text(const struct peer_identity *id, uint64_t now_ns);

#endif
