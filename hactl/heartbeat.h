/* The heartbeat: what one node tells the other, twenty times a second, over every path.
 *
 * Pure codec: bytes in, struct out. It knows no socket and no clock. On the wire every field has a
 * fixed width, big-endian, and an HMAC-SHA-256 over all that stands before it closes the datagram (so
 * it is in every version, and one that differs is named only when it is signed by the pair's secret).
 * Two checks come before any field is believed: heartbeat_decode   length, version, HMAC, pair,
 * node, and that every enum and flag is one we know; heartbeat_judge    freshness. A sequence
 * counts up within one *life* (a random number chosen by each start of had). A new life is believed
 * only after it has echoed a heartbeat that we sent a moment ago, so a recording of an earlier life
 * proves nothing; until then it is a stranger whose greeting we echo. To add a field: the struct,
 * and one line each in put_all() and get_all() of heartbeat.c; then raise HEARTBEAT_VERSION. */
#ifndef HACTL_HEARTBEAT_H
#define HACTL_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEARTBEAT_VERSION  4
#define HEARTBEAT_BYTES    213 /* one datagram: 181 bytes of fields, 32 of HMAC */
#define HEARTBEAT_MOST     512 /* longer than one of any version */
#define HEARTBEAT_RETIRED  4
#define HEARTBEAT_OUTSIDES 8
#define HEARTBEAT_KEY      32

/* Every way a heartbeat can take. Values stand on the wire (bits of `paths`). */
enum ha_path {
    HA_PATH_CROSSOVER = 0, /* the cable between the two */
    HA_PATH_SERVICE = 1,   /* the service network, directly */
    HA_PATH_GATEWAY = 2,   /* the service network, handed through the gateway */
    HA_PATH_SERIAL = 3,    /* a serial line, where one is wired */
    HA_PATHS = 4
};

/* States of a node (ha_fsm.h says what each means). Values stand on the wire. */
enum ha_state {
    HA_BOOT = 0,      /* knows nothing yet, or was told to begin again */
    HA_SLAVE = 1,     /* follows, or waits for a master to follow */
    HA_PROMOTING = 2, /* has decided; its record is being written */
    HA_MASTER = 3,    /* serves while its lease is valid */
    HA_SUSPENDED = 4, /* was master, its lease lapsed; resumes on a word only */
    HA_YIELDED = 5,   /* was master, has given the other one a permit */
    HA_STATES = 6
};

/* Flags of a heartbeat. */
enum {
    HB_GRANT =
        1u << 0, /* the receiver may promote on its own, dated by the heartbeat that `echo` names */
    HB_IN_SYNC = 1u << 1, /* a master: its slave is in sync; a slave: it believes that it is */
    HB_WHOLE = 1u << 2,   /* the server has not restarted since its data last were complete */
    HB_HEALTHY = 1u << 3, /* the server is well */
    HB_VOID = 1u << 4,    /* a slave: my last grant has expired */
    HB_RECORD = 1u << 5,  /* the sender has a record on disk */
    HB_EMPTY =
        1u << 6, /* the sender's server holds no data at all (a new pair is made of two such) */
    HB_MAINTENANCE = 1u << 7, /* no automatic change of roles */
    HB_RANKED =
        1u << 8, /* data_epoch, data_offset and HB_WAS_MASTER are known (the server has loaded) */
    HB_WAS_MASTER = 1u << 9, /* the record's role is master */
    HB_PROOF = 1u << 10,     /* the record proves that nobody is ahead (master, peer outdated) */
    HB_OUTDATED = 1u << 11,  /* the record says that the sender was told to be outdated */
    HB_WITNESS = 1u << 12,   /* beside HB_GRANT: to use it the receiver needs the witness's word */
    HB_FENCE = 1u << 13, /* beside HB_GRANT: to use it the receiver needs its own confirmed fence */
    HB_FENCE_READY = 1u << 14, /* the sender's fence of the receiver answered a test lately */
    HB_PLANNED = 1u << 15, /* the permit is an operator's switchover: no takeover to be counted */
    HB_LOCKED =
        1u << 16,       /* roles changed too often: no automatic change until an operator ends it */
    HB_READ = 1u << 17, /* a master: the receiver may hold the VIP for reads, dated like a grant */
    HB_BENCHED = 1u << 18, /* crash loop: never promotes until an operator clears it */
    HB_KNOWN_FLAGS = (1u << 19) - 1
};

#define HEARTBEAT_AGE_NEVER 65535u /* gateway_age_ms: never, or longer than can be said */

struct heartbeat {
    uint16_t pair;  /* number of the pair, from the configuration */
    uint8_t node;   /* 0: a, 1: b */
    uint8_t state;  /* enum ha_state */
    uint32_t flags; /* HB_* */
    uint8_t paths;  /* bit per enum ha_path on which the sender hears the receiver now */
    uint8_t path;   /* enum ha_path it was sent on: what arrives elsewhere shows swapped cables */
    uint16_t
        gateway_age_ms; /* age of the newest gateway probe that was answered, dated when sent */
    uint8_t
        outside; /* bit per gateway and reference, in the order of both nodes' configuration, that
                        answered the sender within dead-time */
    uint32_t config; /* fingerprint of what both must agree on (VIP, timers); 0 not given */
    uint64_t
        config_parts; /* eight small ones, one a byte, that say which part differs (had_agree.h) */
    uint64_t life;    /* random, one per start of had */
    uint64_t seq;     /* counts up from 1 within a life */
    uint64_t echo_life; /* the newest heartbeat of the receiver that the sender believed */
    uint64_t echo_seq;
    uint64_t hello_life; /* a life of the receiver that the sender has only just met; 0 none */
    uint64_t hello_seq;
    uint64_t epoch;  /* epoch of the sender's record (ha_epoch() in ha_fsm.h: number and node) */
    uint64_t known;  /* highest epoch the sender has seen */
    uint64_t claim;  /* the epoch a promoting node is about to write; 0 none */
    uint64_t permit; /* the epoch that the receiver may promote to; 0 none */
    uint64_t permit_boot; /* the receiver's server_boot for which the permit was given */
    uint64_t outdate;     /* a master's verdict on its slave: you are outdated; 0 none. A number per
                             verdict */
    uint64_t said;        /* the last verdict that the sender has on its disk */
    uint64_t data_offset; /* replication offset of the sender's data */
    uint64_t session;     /* number of the replication link between the servers; 0 none */
    uint64_t server_boot; /* random, one per start of the sender's server; 0 it is down */
    uint64_t link_boot;   /* server_boot of the receiver that HB_IN_SYNC and HB_GRANT speak of */
    uint64_t has;         /* the instances the sender has, a bit for each number */
    uint64_t counts;      /* those of them that offset, session and HB_IN_SYNC speak of */
};

enum heartbeat_result {
    HEARTBEAT_OK = 0,
    HEARTBEAT_SHORT,   /* not HEARTBEAT_BYTES long */
    HEARTBEAT_ALIEN,   /* not ours at all: magic */
    HEARTBEAT_OLD,     /* authentic, but of a version that we do not speak */
    HEARTBEAT_FORGED,  /* HMAC does not fit: another secret, or somebody invents */
    HEARTBEAT_FOREIGN, /* authentic, but of another pair: two pairs share a secret */
    HEARTBEAT_SELF, /* authentic, but of our own node name: a loop, or both are called the same */
    HEARTBEAT_NONSENSE,  /* authentic, but a field has a value that no node sends */
    HEARTBEAT_ASTRAY,    /* (driver) authentic, but it was sent on another path than it came by */
    HEARTBEAT_ELSEWHERE, /* (driver) authentic, but not from the other node's address */
    HEARTBEAT_REPLAY,  /* (judge) this or a later one of this life was heard on this path before */
    HEARTBEAT_STRANGER /* (judge) a life that has not yet proven that it is alive now */
};

/* A sentence for the log. Static storage. */
const char *heartbeat_result_name(enum heartbeat_result r);
const char *ha_state_name(enum ha_state s);
const char *ha_path_name(enum ha_path p);

/* Write hb with its HMAC. Fields must be in range (asserted). */
void heartbeat_encode(const struct heartbeat *hb, const uint8_t key[HEARTBEAT_KEY],
                      uint8_t out[HEARTBEAT_BYTES]);

/* What stands at the beginning of every version, authentic or not: for the sentence about one that is
 * refused. Zeros when it is no heartbeat. */
struct heartbeat_label {
    uint8_t version, node;
    uint16_t pair;
};
struct heartbeat_label heartbeat_label(const void *bytes, size_t len);

/* Read a datagram of len bytes that should come from the other node of `pair`; own_node is the
 * reader's. *out is written only when the answer is HEARTBEAT_OK. Never reads beyond len; len may
 * be anything. */
enum heartbeat_result heartbeat_decode(const void *bytes, size_t len,
                                       const uint8_t key[HEARTBEAT_KEY], uint16_t pair,
                                       uint8_t own_node, struct heartbeat *out);

/* What a node remembers of the peer's lives. All zero is the start. Owned by the caller (ha_fsm
 * keeps one). */
struct heartbeat_window {
    uint64_t life;          /* the life that is believed; 0 none yet */
    uint64_t seq[HA_PATHS]; /* newest sequence of it, per path */
    uint64_t hello_life;    /* a stranger, greeted but not yet believed */
    uint64_t hello_seq;
    uint64_t retired[HEARTBEAT_RETIRED]; /* lives that ended: never believed again */
    unsigned retirements;
};

/* Is an authentic heartbeat fresh? my_life and my_seq are this node's life and the newest sequence
 * it sent. Answers HEARTBEAT_OK, _REPLAY or _STRANGER and updates the window. `recent` is how many
 * of our newest heartbeats count as "a moment ago" for a stranger's proof. */
enum heartbeat_result heartbeat_judge(struct heartbeat_window *w, const struct heartbeat *hb,
                                      enum ha_path path, uint64_t my_life, uint64_t my_seq,
                                      uint64_t recent);

#endif
