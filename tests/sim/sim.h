/* A pair of nodes under a fake clock, network, disk, server and clients, run by the daemon's own decision table.
 *
 *   world.c   time, the network, faults, clients, and what may never happen
 *   node.c    one machine: kernel, disk, and had's part (events in, actions out)
 *   arbiter.c a witness and fences, where the rules say so
 *   server.c  one machine's server: data, the replication link, held replies, the control socket
 *   plan.c    schedules of faults, from seeds and from words
 *   runs.c    running them; clauses.c, agree.c and sim_pair.c say which, and what is expected
 *
 * The faults and the checks are those of the Python model of the rules. Where the model decides, here ha_fsm does. All chance comes from one
 * seeded generator, so a seed is a run. True time is in ns; each node's clock has its own offset and drift. */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "hactl/ha_fsm.h"
#include "hactl/witness_pair.h"

#define SETTLE_MS   4000
#define MAX_WRITES  8192 /* of a run */
#define FAULTS_MOST 8
#define SPELT       400 /* room for a schedule in words */
#define MAX_HELD    4096
#define GATEWAY     2 /* as a place in the network, beside the nodes 0 and 1 */
#define CLIENT      3

/* Faults: the 33 kinds of the model, and beside them the operator's switchover, a log
 * that cannot be fsynced (until the server is restarted), and a record that cannot be written. */
enum fault_kind {
    F_CRASH0,
    F_CRASH1,
    F_REPLACE0,
    F_REPLACE1,
    F_STALL0,
    F_STALL1,
    F_HADSTOP0,
    F_HADSTOP1,
    F_HADKILL0,
    F_HADKILL1,
    F_SERVERSTOP0,
    F_SERVERSTOP1,
    F_SERVERKILL0,
    F_SERVERKILL1,
    F_X,
    F_X0,
    F_X1,
    F_L0,
    F_L1,
    F_L0TX,
    F_L0RX,
    F_L1TX,
    F_L1RX,
    F_SW,
    F_GW,
    F_HBF,
    F_PART,
    F_PART0,
    F_PART1,
    F_LOSSX,
    F_LOSSL,
    F_SLOWX,
    F_SLOWL,
    F_MODEL_KINDS, /* the model's end here */
    F_SWITCH0 = F_MODEL_KINDS,
    F_SWITCH1,
    F_BADLOG0,
    F_BADLOG1,
    F_BADRECORD0,
    F_BADRECORD1,
    F_SLOWDISK0, /* no fsync of the log ends: its age grows */
    F_SLOWDISK1,
    F_HANGRECORD0, /* a write of the record ends with the fault */
    F_HANGRECORD1,
    F_FENCEBAD0, /* the node's fence of the other one fails */
    F_FENCEBAD1,
    F_MAINT0, /* maintenance, said to the node, ends with the fault */
    F_MAINT1,
    F_S, /* the serial line */
    F_WITDEAD,
    F_WIT0, /* the witness does not hear the node, nor the node it */
    F_WIT1,
    F_WITSLOW,
    F_KINDS,
    F_NONE = F_KINDS /* time passes */
};

struct fault {
    enum fault_kind kind;
    int at_ms, lasts_ms;
};

struct rules {
    uint32_t without;                        /* HA_WITHOUT_* */
    bool no_hairpin;                         /* nothing passes through the gateway */
    bool fast;                               /* profile fast */
    bool witness, fence, serial, no_gateway; /* what the pair has */
    double loss;      /* of every datagram, on every path; 0: as the seed says */
    double jitter_ms; /* every packet takes up to this; 0: as the seed says */
    bool mixed;       /* loss to 20 %, jitter to 100 ms, as the seed says */
    int stall_ms;     /* one machine or the other stands still for so long, every second or so */
};

struct schedule {
    uint64_t seed;
    int faults;
    struct fault fault[FAULTS_MOST];
};

enum msg_kind {
    M_FAULT,
    M_TICK,
    M_FLUSH,
    M_CLIENT,
    M_OPERATOR,
    M_DRAIN_HAD,
    M_DRAIN_SERVER,
    M_SERVER_BACK,
    M_SAVED,
    M_FSYNCED, /* not packets */
    M_BEAT,
    M_GATEWAY,
    M_VIP_ASK,
    M_VIP_ANSWER,
    M_TOLD,
    M_DIED,
    M_WITNESS_ANSWER,
    M_FENCED,
    M_FENCE_READY, /* to had */
    M_WITNESS_ASK,
    M_WITNESS_SAVED,
    M_FENCE_DUE,
    M_POWER, /* to the others */
    M_WRITE,
    M_STREAM,
    M_ACK,
    M_SYNC,
    M_COPY,
    M_TELL /* to the server */
};

struct msg {
    int64_t t;
    uint64_t order;
    uint8_t kind, node, path;
    bool on;
    uint32_t life; /* of had or server: an answer to an earlier one is dropped */
    uint64_t a, b, c;
    void *body; /* in the run's arena */
};

struct queue {
    struct msg *m;
    int len, cap;
};

/* An ask of the witness, and its answer. */
struct flight {
    int64_t sent_at;
    struct witness_ask ask;
    struct witness_answer answer;
};

struct held {
    uint32_t upto, id;
    uint8_t who;
    bool solo; /* executed while nothing was held */
    int64_t at;
};

struct node {
    int i;
    double rate;
    int64_t offset;
    bool up;
    int frozen, had_stopped, server_stopped;
    struct queue had_queue, server_queue;
    /* disk */
    struct ha_record record;
    int disk_len;
    /* kernel */
    bool vip;
    int64_t lease, next_announce;
    /* had */
    struct ha_fsm f;
    uint32_t had_life;
    int64_t saved_at;
    struct {
        uint32_t id, life;
        struct ha_record r;
    } saving;
    int64_t server_seen_at, next_test, dirty_since;
    uint64_t witness_seq, witness_nonce;
    bool powerless; /* its power was cut, not switched off */
    /* server */
    bool server_up;
    uint32_t server_life;
    uint64_t boot, session, role, epoch;
    int path;
    int64_t loading_until, resend, next_sync, next_ping, link_heard, pause_until;
    int64_t tell_at, told_at; /* newest command on its way to the server; newest answer of it */
    bool alone, whole, linked;
    uint32_t *data;
    int len, acked;
    struct held held[MAX_HELD];
    int held_head, held_len;
};

struct world {
    struct schedule plan;
    uint32_t without;
    bool hairpin, fast, trace, forgiving, has_witness, has_fence, has_serial, no_gateway;
    int settle_ms;
    struct witness_pair witness;
    int64_t witness_since;
    double witness_rate;
    uint64_t rng;
    int64_t t;
    uint64_t order;
    struct queue heap;
    uint64_t cut; /* bit per fault_kind */
    double base_loss, jitter, loss[2];
    bool slow[2];
    struct node node[2];
    uint64_t boots;
    int arp, sticky;
    int64_t sticky_ok, first, healed, last_ack, gap;
    uint32_t writes;
    int64_t acked_at[MAX_WRITES + 1]; /* 0: no reply reached a client */
    uint8_t acked_by[MAX_WRITES + 1];
    bool tail[MAX_WRITES + 1];
    bool solo[MAX_WRITES + 1];    /* acknowledged alone: promised as the log's fsync policy says */
    bool excused[MAX_WRITES + 1]; /* ... and lost with its node's memory before an fsync */
    /* verdict */
    int64_t two_writers_at, overlap, overlap_since;
    int lost, burnt;
    int64_t lost_at;
    bool no_master;
    int stops;          /* how often a serving master gave up the VIP */
    const char *broken; /* the core's own verifier */
    uint64_t steps;
};

/* world.c */
void world_run(struct world *w, const struct schedule *plan, const struct rules *r, bool trace);
bool world_bad(const struct world *w);
double chance(struct world *w); /* [0, 1) */
double between(struct world *w, double low, double high);
struct msg *post(struct world *w, double in_ms, enum msg_kind kind, int node);
/* k: F_BADLOG0 or F_BADRECORD0. */
bool bad_disk(const struct world *w, const struct node *n, enum fault_kind k);
bool reachable(const struct world *w, int src, int dst, int path, enum msg_kind kind);
struct msg *transmit(struct world *w, int src, int dst, int path,
                     enum msg_kind kind); /* NULL: lost */
void *keep(const void *bytes, size_t n);  /* a copy that lives as long as the run */
void queue_push(struct queue *q, const struct msg *m);
void say(struct world *w, int who, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void reply_reached(struct world *w, struct node *n, const struct held *h);
const char *fault_name(enum fault_kind k);

/* node.c */
static inline int64_t node_now(const struct world *w, const struct node *n) {
    return n->offset + (int64_t)((double)w->t * n->rate);
}
void node_init(struct world *w, int i);
void node_settle(struct world *w);
void node_deliver(struct world *w, struct node *n, const struct msg *m);
void node_tick(struct world *w, struct node *n);
void node_crash(struct world *w, struct node *n, bool empty);
void node_power_on(struct world *w, struct node *n);
void node_halt(struct world *w, struct node *n, enum fault_kind what, bool on);
void node_drain(struct world *w, struct node *n, bool had);
void node_saved(struct world *w, struct node *n, const struct msg *m);
void had_start(struct world *w, struct node *n);
void had_kill(struct world *w, struct node *n);
void had_command(struct world *w, struct node *n, enum ha_command c);
void had_died(struct world *w, struct node *n);

/* arbiter.c */
void witness_start(struct world *w);
void witness_asked(struct world *w, const struct msg *m);
void witness_saved(struct world *w, const struct msg *m);
bool witness_event(struct node *n, const struct msg *m, struct ha_event *ev);
void ask_witness(struct world *w, struct node *n, const struct ha_action *a);
void fence_begin(struct world *w, struct node *n, const struct ha_action *a);
void fence_due(struct world *w, struct node *n, const struct msg *m);
void fence_test(struct world *w, struct node *n);

/* server.c */
void server_start(struct world *w, struct node *n);
void server_forget(struct world *w, struct node *n); /* memory is gone, the disk is left */
void server_kill(struct world *w, struct node *n);
void server_back(struct world *w, struct node *n, uint32_t life);
void server_message(struct world *w, struct node *n, const struct msg *m);
void server_tick(struct world *w, struct node *n);
void server_fsynced(struct node *n, const struct msg *m);
bool server_answers(const struct node *n);
bool server_can_write(const struct world *w, const struct node *n);
void server_status(const struct world *w, const struct node *n, struct ha_server *out);

#endif
