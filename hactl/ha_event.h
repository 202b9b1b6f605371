/* What goes into the decision core and what comes out of it: events and actions. Part of ha_fsm.h. */
#ifndef HACTL_HA_EVENT_H
#define HACTL_HA_EVENT_H

#include "hactl/ha_setup.h"
#include "hactl/heartbeat.h"

/* ---- events ------------------------------------------------------------------------------- */

enum ha_event_kind {
    HA_EV_TICK = 0,  /* time passes; liveness counters of the server (ev.tick) */
    HA_EV_HEARTBEAT, /* an authentic heartbeat (heartbeat_decode said OK) arrived on a path; the
                          core judges its freshness */
    HA_EV_GATEWAY, /* the gateway, or a reference, answered the probe that was sent at ev.gateway.sent_at */
    HA_EV_VIP_FOREIGN, /* somebody else answers for, or announces, the VIP (ev.vip.mac) */
    HA_EV_SAVED,  /* the record of HA_ACT_SAVE number ev.saved.id is on disk (ok), or could not be
                     written */
    HA_EV_SERVER, /* a fresh answer to DUET STATUS */
    HA_EV_SERVER_DIED, /* the process is gone or the control socket closed; HA_EV_SERVER says that
                          it is back */
    HA_EV_TOLD, /* the server answered HA_ACT_TELL number ev.told.id; ok=false: -ERR, or the socket
                   broke meanwhile */
    HA_EV_OPERATOR,    /* a command of hactl */
    HA_EV_WITNESS,     /* the witness answered HA_ACT_ASK_WITNESS (authentic; ev.witness) */
    HA_EV_FENCED,      /* the outcome of HA_ACT_FENCE number ev.fenced.id; ok: the peer's management
                          controller confirms that the power is off */
    HA_EV_FENCE_READY, /* the periodic test of the peer's management controller that began at
                          ev.fence.sent_at: ok, it would obey */
    HA_EV_LINK, /* the carrier of a port came or went, or a port with carrier receives nothing
                          although it should (ev.link) */
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
    uint64_t stalls;      /* a slave's: connections to its master in a row that fell silent */
};
enum ha_server_role { HA_SERVER_NONE = 0, HA_SERVER_SLAVE, HA_SERVER_MASTER };

/* What a witness is asked (act.witness.kind). The witness keeps per pair the holder's epoch on its disk, and when it renewed. */
enum ha_witness_kind {
    HA_WITNESS_RENEW = 1, /* a master, every beat: granted unless a higher epoch holds it; a higher
                             one than the holder becomes the holder */
    HA_WITNESS_TAKE,      /* a slave about to promote on silence, for its claim: granted only when
                             the holder has not renewed for lease_ms, then the claim is the holder */
    HA_WITNESS_RESET, /* a slave whose TAKE may have been granted, and that hears the master again:
                             the holder, its own claim, becomes the master's epoch (act.epoch) */
    HA_WITNESS_LOOK   /* who holds it? Changes nothing; epoch 0. Never "granted" */
};

enum ha_command {
    HA_CMD_SWITCHOVER =
        1, /* on the master: hand over as planned; ev.op.timeout_ms bounds the pause */
    HA_CMD_MAINTENANCE_ON,
    HA_CMD_MAINTENANCE_OFF,
    HA_CMD_FORCE,   /* promote --force: the operator typed what he was told the risk is */
    HA_CMD_RESUME,  /* a suspended master resumes on the operator's word that the other one does not
                      serve */
    HA_CMD_BENCH,   /* crash loop: never promote ... */
    HA_CMD_UNBENCH, /* ... until cleared; also ends a lock after flapping */
    HA_COMMANDS
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
            unsigned which; /* 0 the gateway, then the references (none: they begin at 0) */
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
        struct {
            int64_t sent_at; /* of the ask that this answers (act.witness.sent_at) */
            enum ha_witness_kind kind;
            uint64_t epoch; /* as asked */
            bool granted;
            uint64_t holder; /* who holds it now; refused: who held it */
        } witness;
        struct {
            uint32_t id;
            bool ok;
        } fenced;
        struct {
            int64_t sent_at;
            bool ok;
        } fence;
        struct {
            enum ha_path path; /* HA_PATH_CROSSOVER or HA_PATH_SERVICE: the port */
            bool carrier;
            bool receives; /* its receive counter moved since the last such event (fed on every
                              change, and once a second) */
        } link;
    };
};

/* ---- actions ------------------------------------------------------------------------------ */

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
    HA_ACT_ASK_WITNESS, /* one datagram to the witness; its answer is HA_EV_WITNESS with the same
                           sent_at, kind and epoch. No answer: nothing comes */
    HA_ACT_FENCE, /* switch the peer's power off, confirm it, then HA_EV_FENCED with the same id (also
                     when it failed). Asked again with a new id while it is needed */
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
    HA_ALARM_PATH,    /* a path that used to work is down */
    HA_ALARM_STALL,   /* heartbeats pass a path and replication does not */
    HA_ALARM_WITNESS, /* the witness does not answer this node, or refuses it */
    HA_ALARM_TAIL, /* (driver) writes that the master lacks are put aside here, and nobody has dealt with them */
    HA_ALARM_FENCE,    /* the peer's management controller does not answer, or a fence failed */
    HA_ALARM_HOLD,     /* roles changed too often: no automatic change for a while, or until an
                         operator ends the lock */
    HA_ALARM_LINK,     /* a port has no carrier, or receives nothing */
    HA_ALARM_IDENTITY, /* (driver) swapped cables, or a machine with our name, id or secret */
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
        struct {
            int64_t sent_at;
            enum ha_witness_kind kind;
            uint64_t epoch;
            uint32_t lease_ms; /* HA_WITNESS_TAKE: the holder's silence that is asked for */
        } witness;
        struct {
            uint32_t id;
        } fence;
        struct {
            bool moved; /* a transition, from one state to another */
            uint8_t from, to;
        } log;
    };
    char text[HA_TEXT]; /* ALARM, LOG, ANSWER: a sentence without a line end */
};

#endif
