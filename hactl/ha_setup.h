/* What a node is given before it decides anything: epochs, times, and what its disk holds. Part of ha_fsm.h. */
#ifndef HACTL_HA_SETUP_H
#define HACTL_HA_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#define HA_NEVER (INT64_MIN / 4) /* a moment before all others; sums with spans do not overflow */
#define HA_MS    ((int64_t)1000000)

/* Epochs are ordered by (number, node) and kept in one word, so that they compare as integers. 0 is
 * "none". */
static inline uint64_t ha_epoch(uint64_t number, unsigned node) {
    return number << 8 | (node & 255u);
}
static inline uint64_t ha_epoch_number(uint64_t epoch) {
    return epoch >> 8;
}
static inline unsigned ha_epoch_node(uint64_t epoch) {
    return (unsigned)(epoch & 255u);
}

/* ---- setup -------------------------------------------------------------------------------- */

/* All spans in milliseconds. demote < dead < grant is asserted by ha_timing_wrong(). */
struct ha_timing {
    uint32_t tick_ms;   /* how often HA_EV_TICK comes */
    uint32_t beat_ms;   /* heartbeat and gateway probe interval */
    uint32_t demote_ms; /* the lease ends so long after the newest evidence */
    uint32_t dead_ms;   /* silence after which a slave with a grant may promote */
    uint32_t grant_ms;  /* life of a grant */
    uint32_t path_ms;   /* a path that brought nothing for so long is down (4 beats) */
    uint32_t fresh_ms;  /* "a heartbeat of the last 3 beats"; also the gap of its own that a node
                           notices */
    uint32_t sync_ms;   /* a slave that does not acknowledge is given up after this */
    uint32_t server_dead_ms;  /* the server's idle thread was silent for so long: dead or stopped */
    uint32_t server_hung_ms;  /* its executor did not advance for so long: hung */
    uint32_t init_ms;         /* first election by oneself after boot */
    uint32_t gateway_lost_ms; /* own gateway silent for so long, and ... */
    uint32_t gateway_seen_ms; /* ... the peer's answer younger than this: hand over */
    uint32_t probe_ms;        /* VIP probe interval before a takeover */
    uint32_t fsync_max_ms; /* the log was not fsynced for so long: the server's disk is not well */
    uint32_t drift_ppm;    /* bound of the drift between the two clocks */
    uint32_t hold_ms;      /* roles changed twice within hold_window_ms: no automatic change for so
                                long; a third time within it: until an operator ends it. 0: never */
    uint32_t hold_window_ms;
    uint32_t bench_failures; /* so many crashes as master, with no bench_window_ms without one in
                                between: benched. 0: never */
    uint32_t bench_window_ms;
};

/* The design's defaults (profile default) and profile fast. */
void ha_timing_default(struct ha_timing *t);
void ha_timing_fast(struct ha_timing *t);
/* What follows from beat and demote-time: path_ms and fresh_ms, 4 and 3 beats or as much as demote-time leaves room for, and the
 * ages of the gateway's answers. */
void ha_timing_derive(struct ha_timing *t);
/* NULL, or the sentence that says which value contradicts which. Static storage. */
const char *ha_timing_wrong(const struct ha_timing *t);

/* Clauses of the rules that a test may take out, to show what each is for (as model/ha_model.py
 * does). Zero in the daemon. */
enum {
    HA_WITHOUT_ECHO = 1u << 0,
    HA_WITHOUT_ORIGIN = 1u << 1,
    HA_WITHOUT_SUSPEND = 1u << 2,
    HA_WITHOUT_CLAIM = 1u << 3,
    HA_WITHOUT_WATCHED = 1u << 4,
    HA_WITHOUT_NOGRANT = 1u << 5,
    HA_WITHOUT_VIPLEASE =
        1u << 6, /* honoured by the simulator's kernel: the guard does not let the VIP lapse */
    HA_WITHOUT_ORDER = 1u << 7,
    HA_WITHOUT_OFFSET = 1u << 8,
    HA_WITHOUT_RESTART = 1u << 9,
    HA_WITHOUT_TAKEBACK = 1u << 10,
    HA_WITHOUT_BASE = 1u << 11,
    HA_WITHOUT_THISLIFE = 1u << 12,
    HA_WITHOUT_TWOPATH = 1u << 13,
    HA_WITHOUT_MARGIN = 1u << 14,
    HA_WITHOUT_TAKE = 1u << 15,      /* a witnessed grant is used without the witness's TAKE */
    HA_WITHOUT_ARBITER = 1u << 16,   /* the gateway alone is evidence against a witnessed grant */
    HA_WITHOUT_FENCED = 1u << 18,    /* a fenced grant is used before the fence is confirmed */
    HA_WITHOUT_FENCEWAIT = 1u << 19, /* a master goes alone when a fenced grant has expired */
    HA_WITHOUT_HOLD = 1u << 20       /* nothing is held down after flapping */
};

struct ha_setup {
    struct ha_timing timing;
    uint16_t pair;
    uint8_t node;           /* 0: a, 1: b */
    uint32_t config;        /* fingerprint sent in heartbeats; 0 none */
    uint64_t config_parts;  /* the same by parts, a byte each (had_agree.h) */
    bool last_path_promote; /* grants with one path left: an operator was told the risk and chose it
                             */
    bool has_witness;       /* HA_ACT_ASK_WITNESS reaches somebody */
    bool has_fence;         /* HA_ACT_FENCE reaches the peer's management controller */
    bool no_gateway;  /* neither gateway nor reference address: plain grants are never given */
    uint32_t without; /* HA_WITHOUT_*, tests only */
};

/* ---- what is on disk ---------------------------------------------------------------------- */

/* The persistent record. The core keeps it twice: fsm.disk is what is known to be on disk, and only
 * that is acted upon; fsm.next is what has been handed out to be saved. */
struct ha_record {
    uint64_t seen; /* highest epoch ever seen */
    uint64_t
        epoch; /* epoch that the data belong to; a master's: the epoch it serves in. 0: no record */
    uint8_t was_master;    /* the role: 1 master, 0 slave */
    uint8_t peer_outdated; /* a master's word on the other: it may lack what I acknowledged
                              ("in-sync: no") */
    uint8_t outdated;      /* what a slave was told of itself */
    uint8_t maintenance;   /* no automatic change of roles; survives reboots */
    uint8_t benched;       /* crash loop: never promotes until an operator clears it */
    uint8_t locked;        /* flapping: no automatic change of roles until an operator clears it */
    uint8_t failures;      /* crashes as master without a quiet span in between */
};

#endif
