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

#include "hactl/ha_event.h"
#include "hactl/ha_setup.h"
#include "hactl/heartbeat.h"

/* ---- the node ----------------------------------------------------------------------------- */

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

#define HA_MOVES         4  /* moves of the master's role remembered */
#define HA_FAILURES_MOST 63 /* what the record can count */
#define HA_SENT          256 /* heartbeats of our own that an echo can still date (2.5 s at one a tick) */
#define HA_ASKS          8  /* VIP probes remembered */
#define HA_QUEUE         64 /* actions of one step */

/* A move of the master's role, and who had it: this node, or the peer with that life and server. */
struct ha_move {
    int64_t at;
    uint64_t life, boot;
    bool ours;
};

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
    int64_t gateway_came_at;      /* newest answer, when it arrived: it is late, not lost */
    int64_t outside_at[HEARTBEAT_OUTSIDES]; /* gateway_at for each: the gateway, references */
    int64_t gateway_since;                  /* unbroken answers since; INT64_MAX: no */
    int64_t peer_gateway_since;             /* the same of the peer, as it says; INT64_MAX: no */
    int64_t gap_end;                        /* end of the last gap in our own running */
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
    bool disk_bad;                                   /* an fsync failed */
    bool planned;                                    /* the permit is an operator's switchover */
    int64_t plain_sent, witnessed_sent, fenced_sent; /* newest of each kind; plain: or a permit */
    bool fence_open; /* a slave may have begun to fence us by a grant that has expired since */
    /* arbiters (ha_arbiter.c) */
    int64_t witness_seen; /* newest ask that the witness answered at all, when we sent it */
    int64_t witness_at;   /* newest ask of this master's that it granted, when we sent it */
    int64_t next_ask;
    uint64_t holder;       /* the epoch that the witness named last */
    uint64_t refused;      /* the holder above us that suspended us: once, the peer may disown it */
    uint64_t registered;   /* our epoch, once the witness has granted it ... */
    int64_t registered_at; /* ... and when that was heard: what is asked later is evidence */
    uint64_t taking;       /* the epoch that a slave claims while it waits for an arbiter */
    int64_t taking_at;
    bool taken;         /* the arbiter granted it */
    uint64_t claimed;   /* newest epoch that was claimed so */
    uint64_t give_back; /* a dropped claim that the witness may hold */
    int64_t given_back_at;
    uint32_t fences, fence_id; /* counts them; the one under way, 0 none */
    int64_t fence_tried_at, fence_ready_at;
    /* rails (ha_rails.c) */
    uint64_t served;                   /* newest epoch in which either node serves or served */
    bool claim_planned;                /* the promotion is, or was, an operator's */
    struct ha_move moved[HA_MOVES];    /* ring of moves that no operator made */
    uint64_t master_life, master_boot; /* the peer's, while it served */
    unsigned moves;
    int64_t hold_until, failed_at, unsaved_since;
    int64_t traffic_at, traffic_since; /* the service port carries traffic */
    bool port_down[2], port_deaf[2];   /* by enum ha_path: crossover, service */
    /* slave */
    uint32_t grant_kind; /* HB_WITNESS, HB_FENCE of the newest grant */
    int64_t grant_at;    /* date of the newest grant (when we sent what it answers) */
    uint64_t said;       /* the verdict that is on our disk */
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
    struct ha_server server;                      /* last status */
    bool server_up;                               /* a status came since it last died */
    int64_t server_at, executor_at;               /* the two counters, as last seen */
    int64_t server_silent_ns, executor_silent_ns; /* how long they have stood still while we ran */
    int64_t server_since;                         /* first status of this boot */
    bool
        server_died; /* it restarted (or we cannot know) since it last acknowledged as our master */
    uint64_t whole_boot; /* the boot whose data were complete */
    uint32_t tell_id;
    uint32_t role_tell; /* the steering command (role, path) in flight; 0 none */
    int64_t role_told_at;
    enum ha_path route;             /* the path that the slave's server was told */
    int64_t stall_until[HA_PATHS];  /* replication stays off this path, whose heartbeats pass */
    uint8_t stall_times[HA_PATHS];  /* in a row */
    uint64_t inst_has, inst_counts; /* the node's instances; only handed on to the peer */
    int64_t differ_since;           /* the peer is configured otherwise since; HA_NEVER: alike */
    uint8_t block[HA_STATES + 1];   /* where each state's rows begin in the table (ha_fsm.c) */
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

/* The node's instances as bits by number (has), those that the server's status speaks of (counts), and the fingerprint of
 * the configuration with them. No decision rests on them here: the peer's set of instances needs them. */
void ha_fsm_instances(struct ha_fsm *f, uint64_t has, uint64_t counts, uint32_t config,
                      uint64_t config_parts);

/* Take the next action. false: none left. */
bool ha_fsm_next(struct ha_fsm *f, struct ha_action *out);

/* ---- for status and explain ------------------------------------------------------------------ */

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
