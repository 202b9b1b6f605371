/* The decision core of a node: who may write, and who may take over (DESIGN.md section 5).
 *
 * A pure function over a struct that the caller owns: events go in with the time they happened,
 * actions come out of a queue. No I/O, no clock, no allocation, no global state: had and the
 * simulator (tests/sim) run the same table.
 *
 *     ha_fsm_init(&fsm, &setup, &record_on_disk, random_life, now);
 *     for every event:   ha_fsm_step(&fsm, &event, now);
 *                        while (ha_fsm_next(&fsm, &action)) do it, in this order;
 *
 * Time is CLOCK_BOOTTIME in nanoseconds everywhere (int64_t, *_at is a moment, *_ns a span, *_ms a
 * span in the setup). Events must be given in the order in which they happened to the process, with
 * a `now` that never goes back. An event that waited in a queue is given with the time at which it
 * is *read*: evidence is dated by the core itself (by what it sent). Feed HA_EV_TICK every 10 ms
 * (ha_timing.tick_ms), or sooner when something seems to have happened (carrier lost).
 *
 * For a new kind of event: enum ha_event_kind, a name in ha_names.c, rows in ha_fsm.c. For a new
 * action the same. */
#ifndef HACTL_HA_FSM_H
#define HACTL_HA_FSM_H

#include "hactl/heartbeat.h"

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

/* ---- setup
 * -----------------------------------------------------------------------------------------------------------
 */

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
};

/* The design's defaults (profile default) and profile fast. */
void ha_timing_default(struct ha_timing *t);
void ha_timing_fast(struct ha_timing *t);
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
    HA_WITHOUT_MARGIN = 1u << 14
};

struct ha_setup {
    struct ha_timing timing;
    uint16_t pair;
    uint8_t node;           /* 0: a, 1: b */
    uint32_t config;        /* fingerprint sent in heartbeats; 0 none */
    bool last_path_promote; /* grants with one path left: an operator was told the risk and chose it
                             */
    uint32_t without;       /* HA_WITHOUT_*, tests only */
};

/* ---- what is on disk
 * ---------------------------------------------------------------------------------------------------
 */

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
};

/* ---- events
 * ------------------------------------------------------------------------------------------------------------
 */

enum ha_event_kind {
    HA_EV_TICK = 0,    /* time passes; liveness counters of the server (ev.tick) */
    HA_EV_HEARTBEAT,   /* an authentic heartbeat (heartbeat_decode said OK) arrived on a path; the
                          core judges its freshness */
    HA_EV_GATEWAY,     /* the gateway answered the probe that was sent at ev.gateway.sent_at */
    HA_EV_VIP_FOREIGN, /* somebody else answers for, or announces, the VIP (ev.vip.mac) */
    HA_EV_SAVED,  /* the record of HA_ACT_SAVE number ev.saved.id is on disk (ok), or could not be
                     written */
    HA_EV_SERVER, /* a fresh answer to DUET STATUS */
    HA_EV_SERVER_DIED, /* the process is gone or the control socket closed; HA_EV_SERVER says that
                          it is back */
    HA_EV_TOLD, /* the server answered HA_ACT_TELL number ev.told.id; ok=false: -ERR, or the socket
                   broke meanwhile */
    HA_EV_OPERATOR, /* a command of hactl */
    HA_EVENTS
};

/* DUET STATUS. With several instances the daemon makes one of it: all up -> up, the worst of each,
 * offsets summed. */
struct ha_server {
    uint64_t boot;          /* boot_id; 0 is not a boot */
    uint8_t role;           /* enum ha_server_role: what it was told last since it started */
    uint64_t epoch;         /* the epoch it was told */
    uint64_t session;       /* number of the pair's replication link; 0 none */
    uint64_t offset;        /* data held */
    uint64_t acked;         /* a master's: what the pair's slave acknowledged */
    bool in_sync_link;      /* the pair's slave streams and has no gap */
    bool alone;             /* replies are not held */
    uint64_t held;          /* replies held */
    int64_t held_oldest_ns; /* age of the oldest of them */
    bool whole;             /* not in the middle of a first copy */
    bool loading;
    bool empty;           /* no keys and offset 0: nothing was ever written */
    int64_t fsync_age_ns; /* how long an fsync has been due */
};
enum ha_server_role { HA_SERVER_NONE = 0, HA_SERVER_SLAVE, HA_SERVER_MASTER };

enum ha_command {
    HA_CMD_SWITCHOVER =
        1, /* on the master: hand over as planned; ev.op.timeout_ms bounds the pause */
    HA_CMD_MAINTENANCE_ON,
    HA_CMD_MAINTENANCE_OFF,
    HA_CMD_FORCE,  /* promote --force: the operator typed what he was told the risk is */
    HA_CMD_RESUME, /* a suspended master resumes on the operator's word that the other one does not
                      serve */
    HA_CMD_BENCH,  /* crash loop: never promote ... */
    HA_CMD_UNBENCH /* ... until cleared */
};

struct ha_event {
    enum ha_event_kind kind;
    union {
        struct {
            int64_t
                server_at; /* when the counter of the server's idle thread was last seen to move */
            int64_t executor_at; /* when the executor's counter was last seen to move */
        } tick;
        struct {
            enum ha_path path;
            const struct heartbeat *hb; /* read during the step only */
        } heartbeat;
        struct {
            int64_t sent_at;
        } gateway;
        struct {
            uint8_t mac[6];
        } vip;
        struct {
            uint32_t id;
            bool ok;
        } saved;
        const struct ha_server *server; /* read during the step only */
        struct {
            uint32_t id;
            bool ok;
            uint64_t offset; /* the answer to HA_TELL_PAUSE */
        } told;
        struct {
            enum ha_command command;
            uint32_t id;         /* comes back in HA_ACT_ANSWER; 0: no answer wanted */
            uint32_t timeout_ms; /* HA_CMD_SWITCHOVER; 0: 2 s */
        } op;
    };
};

/* ---- actions
 * -----------------------------------------------------------------------------------------------------------
 */

enum ha_action_kind {
    HA_ACT_BEAT = 0, /* send act.beat on every path, now */
    HA_ACT_SAVE,  /* write act.save.record, fsync, then HA_EV_SAVED with the same id. One at a time,
                     in order */
    HA_ACT_LEASE, /* the server's write lease and the VIP guard: valid until act.lease.until;
                     HA_NEVER: drop both now */
    HA_ACT_VIP_TAKE,     /* put the VIP on, let it pass the guard (its timeout follows the lease),
                            announce it (burst) */
    HA_ACT_VIP_DROP,     /* take it off */
    HA_ACT_VIP_ANNOUNCE, /* announce it again: a foreign claim was seen */
    HA_ACT_ASK_GATEWAY,  /* probe the gateway; the answer comes back with act.gateway.sent_at as
                            HA_EV_GATEWAY */
    HA_ACT_PROBE_VIP,    /* ask who has the VIP; an answer from elsewhere is HA_EV_VIP_FOREIGN */
    HA_ACT_TELL,   /* send a command to the server; the answer is HA_EV_TOLD with the same id */
    HA_ACT_ALARM,  /* act.alarm.id begins or ends; act.text says what happened and what to do */
    HA_ACT_LOG,    /* act.text for the log: a transition, or something ignored */
    HA_ACT_ANSWER, /* the outcome of the operator's command act.answer.id */
    HA_ACTIONS
};

enum ha_tell {
    HA_TELL_NONE = 0, /* DUET NONE */
    HA_TELL_MASTER,   /* DUET MASTER epoch */
    HA_TELL_SLAVE, /* DUET SLAVE epoch host port: of the peer on `path` (crossover, else the service
                      network) */
    HA_TELL_ALONE, /* DUET ALONE `alone` */
    HA_TELL_FSYNC, /* DUET FSYNC */
    HA_TELL_PAUSE, /* DUET PAUSE `ms`; the answer's offset comes back */
    HA_TELL_RESUME, /* DUET RESUME */
    HA_TELLS
};

/* What is wrong now. An alarm begins once and ends once. */
enum ha_alarm {
    HA_ALARM_SOLO =
        0, /* master without a slave in sync: a second fault loses service, maybe data */
    HA_ALARM_TAKEOVER_OFF, /* automatic takeover is off (one path left, slave does not see the
                              gateway, maintenance) */
    HA_ALARM_GATEWAY,      /* the gateway does not answer this node */
    HA_ALARM_SUSPENDED,    /* this master's lease lapsed and it waits for a word */
    HA_ALARM_WAITING,      /* nobody serves and this node may not: who or what it waits for */
    HA_ALARM_SERVER,       /* this node's server is down, hung, or its disk is not well */
    HA_ALARM_VIP,          /* a foreign host answers for the VIP */
    HA_ALARM_RECORD,       /* the record could not be written */
    HA_ALARM_FSYNC,        /* an fsync of the log failed: this node's word is not durable */
    HA_ALARM_CONFIG,       /* the two nodes are configured differently */
    HA_ALARM_MAINTENANCE,  /* maintenance is on, here or at the peer */
    HA_ALARM_BENCHED,
    HA_ALARM_PATH, /* a path that used to work is down */
    HA_ALARMS
};

#define HA_TEXT 240

struct ha_action {
    enum ha_action_kind kind;
    union {
        struct heartbeat beat;
        struct {
            uint32_t id;
            struct ha_record record;
        } save;
        struct {
            int64_t until;
        } lease;
        struct {
            int64_t sent_at;
        } gateway;
        struct {
            uint32_t id;
            enum ha_tell what;
            uint64_t epoch;
            enum ha_path path;
            bool alone;
            uint32_t ms;
        } tell;
        struct {
            enum ha_alarm id;
            bool on;
        } alarm;
        struct {
            uint32_t id;
            bool ok;
        } answer;
    };
    char text[HA_TEXT]; /* ALARM, LOG, ANSWER: a sentence without a line end */
};

/* ---- the node
 * ----------------------------------------------------------------------------------------------------------
 */

/* How a master stands with its slave. Written by ha_master.c alone. */
enum ha_sync {
    HA_SYNC_IN = 0,   /* in sync: replies are held until acknowledged, grants may be given */
    HA_SYNC_LOST,     /* given up: waits until it says that it is outdated, or until its grant has
                         expired */
    HA_SYNC_FSYNC,    /* the log is being fsynced */
    HA_SYNC_NOTE_OUT, /* "peer outdated" is being written */
    HA_SYNC_RELEASE,  /* the server is told to release what it holds */
    HA_SYNC_SOLO,     /* alone; replies are not held */
    HA_SYNC_HOLD,     /* a slave streams again: the server is told to hold replies */
    HA_SYNC_CATCH_UP, /* held; waits until the slave has all that was released before */
    HA_SYNC_NOTE_IN,  /* "peer outdated: no" is being written */
    HA_SYNCS
};

enum ha_step { HA_STEP_FSYNC = 0, HA_STEP_NOTE, HA_STEP_TELL };
enum ha_switch { HA_SWITCH_NO = 0, HA_SWITCH_PAUSING, HA_SWITCH_DRAINING };

#define HA_SENT  256 /* heartbeats of our own that an echo can still date (2.5 s at one a tick) */
#define HA_ASKS  8   /* VIP probes remembered */
#define HA_QUEUE 64  /* actions of one step */

struct ha_fsm {
    struct ha_setup setup;
    /* role */
    enum ha_state state;
    int64_t started_at;
    struct ha_record disk; /* is on disk */
    struct ha_record next; /* was handed out last; equal to disk when nothing is being written */
    uint32_t save_id, saved_id; /* newest asked for, newest on disk */
    struct ha_record flight;    /* being written now as number flight_id (0: nothing is) */
    uint32_t flight_id;
    int64_t retry_at;        /* a failed write is tried again then */
    uint64_t known;          /* highest epoch seen, in memory (disk.seen follows) */
    uint64_t claim;          /* epoch that is being promoted to */
    enum ha_step claim_step; /* how far the promotion is */
    uint32_t claim_wait;     /* the number (tell or save) whose answer ends that step ... */
    uint32_t claim_first; /* ... and the first of the commands that all have to be answered well */
    bool adopted;         /* the server's first status said what kind of start this is */
    /* evidence */
    struct heartbeat peer; /* last heartbeat believed */
    bool peer_known;       /* there was one in this life of ours */
    struct heartbeat_window window;
    uint64_t life, seq;
    int64_t sent_at[HA_SENT];     /* by sequence modulo HA_SENT */
    int64_t heard_at;             /* newest heartbeat, when it arrived */
    int64_t echo_at;              /* newest heartbeat of ours that was echoed, when we sent it */
    int64_t path_at[HA_PATHS];    /* newest heartbeat on each path, when it arrived */
    int64_t path_since[HA_PATHS]; /* it has been good since */
    int64_t gateway_at;           /* newest answered probe, when we sent it */
    int64_t gateway_since;        /* unbroken answers since; INT64_MAX: no */
    int64_t gap_end;              /* end of the last gap in our own running */
    int64_t last_tick;
    int64_t vip_foreign_at;
    int64_t vip_asked[HA_ASKS]; /* ring of probes */
    unsigned vip_asks;
    /* master */
    int64_t lease; /* as handed out */
    bool vip;      /* as handed out */
    enum ha_sync sync;
    bool in_sync;              /* a master's verdict, or a slave's belief */
    int64_t grant_sent;        /* newest grant or permit that went out */
    int64_t sync_since;        /* entry into the current ha_sync */
    uint64_t hold_from;        /* offset to be acknowledged before in-sync */
    uint64_t sync_boot;        /* server_boot of the peer that is in sync */
    int64_t session_off_since; /* servers disagree on the session since; HA_NEVER: they agree */
    uint64_t outdate;  /* a master's verdict that is out; a slave's: the one it was told last */
    uint32_t verdicts; /* counts them */
    uint32_t sync_save, sync_tell;
    bool disk_bad; /* an fsync failed */
    /* slave */
    int64_t grant_at; /* date of the newest grant (when we sent what it answers) */
    uint64_t said;    /* the verdict that is on our disk */
    uint32_t said_save;
    uint64_t said_next;
    /* commands under way */
    uint32_t force_op, note_op, note_save;
    /* handing over */
    uint64_t permit, permit_boot;
    int64_t suspended_at, yielded_at, withdrawn_at;
    enum ha_switch switching;
    int64_t switch_until;
    uint32_t switch_op, switch_tell;
    uint64_t switch_offset;
    /* server */
    struct ha_server server; /* last status */
    bool server_up;          /* a status came since it last died */
    int64_t server_at, executor_at;
    int64_t server_since; /* first status of this boot */
    bool
        server_died; /* it restarted (or we cannot know) since it last acknowledged as our master */
    uint64_t whole_boot; /* the boot whose data were complete */
    uint32_t tell_id;
    uint32_t role_tell; /* the steering command (role, path) in flight; 0 none */
    int64_t role_told_at;
    enum ha_path route;           /* the path that the slave's server was told */
    uint8_t block[HA_STATES + 1]; /* where each state's rows begin in the table (ha_fsm.c) */
    /* output */
    int64_t next_beat, next_probe, next_announce;
    bool beat_now;
    uint32_t alarms;    /* bit per enum ha_alarm */
    uint64_t counts[8]; /* enum ha_count */
    struct ha_action queue[HA_QUEUE];
    unsigned queue_head, queue_len;
};

enum ha_count {
    HA_COUNT_REPLAYED = 0,
    HA_COUNT_STRANGERS,
    HA_COUNT_IGNORED,
    HA_COUNT_LATE,
    HA_COUNT_TAKEOVERS,
    HA_COUNT_GAPS
};

/* Start a node. `record` is what the disk holds (epoch 0: none). `life` is random and not 0. The
 * role is not taken from the record alone: whether this is a restart of had only, or of the
 * machine, shows when the server's first status comes. */
void ha_fsm_init(struct ha_fsm *f, const struct ha_setup *setup, const struct ha_record *record,
                 uint64_t life, int64_t now);

/* One event. Leaves actions in the queue; the caller takes all of them before the next step. */
void ha_fsm_step(struct ha_fsm *f, const struct ha_event *ev, int64_t now);

/* Take the next action. false: none left. */
bool ha_fsm_next(struct ha_fsm *f, struct ha_action *out);

/* ---- for status and explain
 * ------------------------------------------------------------------------------------------- */

struct ha_view {
    enum ha_state state;
    enum ha_sync sync;     /* of a master */
    uint64_t epoch, known; /* of the record; highest seen */
    bool serving;          /* master with a valid lease */
    bool alone;            /* a master that holds no replies */
    bool in_sync;
    bool peer_heard;          /* within path_ms */
    int64_t peer_age_ns;      /* since the last heartbeat; INT64_MAX never */
    int64_t gateway_age_ns;   /* since the newest answered probe was sent; INT64_MAX never */
    int64_t lease_left_ns;    /* 0 none */
    unsigned heard;           /* bit per path: the peer is heard here */
    unsigned both_ways;       /* bit per path: and it hears us */
    bool takeover_on;         /* the slave could take over by itself if the master died now */
    const char *takeover_why; /* why not; "" when on. Static storage */
    const char
        *waiting_for; /* what a node that does not serve waits for; "" otherwise. Static storage */
};

void ha_fsm_view(const struct ha_fsm *f, int64_t now, struct ha_view *out);

/* Names for logs and reports. Static storage; every value of the enum has one. */
const char *ha_event_name(enum ha_event_kind k);
const char *ha_action_name(enum ha_action_kind k);
const char *ha_tell_name(enum ha_tell t);
const char *ha_sync_name(enum ha_sync s);
const char *ha_alarm_name(enum ha_alarm a);
const char *ha_command_name(enum ha_command c);

/* The whole-struct verifier that tests call after every step: NULL, or the sentence that is broken.
 */
const char *ha_fsm_broken(const struct ha_fsm *f, int64_t now);

#endif
