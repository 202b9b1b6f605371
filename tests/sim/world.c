/* Time, the network, faults, clients, and what may never happen. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static const char *const fault_names[F_KINDS + 1] = {
    "crash:0",
    "crash:1",
    "replace:0",
    "replace:1",
    "stall:0",
    "stall:1",
    "hadstop:0",
    "hadstop:1",
    "hadkill:0",
    "hadkill:1",
    "serverstop:0",
    "serverstop:1",
    "serverkill:0",
    "serverkill:1",
    "X",
    "X0>",
    "X1>",
    "L0",
    "L1",
    "L0tx",
    "L0rx",
    "L1tx",
    "L1rx",
    "SW",
    "GW",
    "HBF",
    "PART",
    "PART0>",
    "PART1>",
    "loss:X",
    "loss:L",
    "slow:X",
    "slow:L",
    "switchover:0",
    "switchover:1",
    "badlog:0",
    "badlog:1",
    "badrecord:0",
    "badrecord:1",
    "slowdisk:0",
    "slowdisk:1",
    "hangrecord:0",
    "hangrecord:1",
    "fencebad:0",
    "fencebad:1",
    "maintenance:0",
    "maintenance:1",
    "S",
    "W",
    "W0",
    "W1",
    "slow:W",
    "nothing",
};

const char *fault_name(enum fault_kind k) {
    return fault_names[k];
}

/* ---- chance: splitmix64 -------------------------------------------------------------------------- */

double chance(struct world *w) {
    uint64_t z = w->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

double between(struct world *w, double low, double high) {
    return low + chance(w) * (high - low);
}

/* ---- memory of a run ------------------------------------------------------------------------------ */

static char *arena;
static size_t arena_used, arena_size;
static char *arena_old[64];
static int arena_olds;

void *keep(const void *bytes, size_t size) {
    size_t n = (size + 15) & ~(size_t)15;
    if (arena == NULL || arena_used + n > arena_size) {
        if (arena && arena_olds < 64) arena_old[arena_olds++] = arena;
        arena_size = arena_size ? arena_size * 2 : 1 << 20;
        while (arena_size < n) arena_size *= 2;
        arena = malloc(arena_size);
        arena_used = 0;
    }
    void *p = arena + arena_used;
    arena_used += n;
    if (bytes) memcpy(p, bytes, size);
    return p;
}

static void forget(void) {
    while (arena_olds > 0) free(arena_old[--arena_olds]);
    arena_used = 0;
}

/* ---- time ------------------------------------------------------------------------------------------- */

void queue_push(struct queue *q, const struct msg *m) {
    if (q->len == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 256;
        q->m = realloc(q->m, (size_t)q->cap * sizeof *q->m);
    }
    q->m[q->len++] = *m;
}

static bool earlier(const struct msg *a, const struct msg *b) {
    return a->t != b->t ? a->t < b->t : a->order < b->order;
}

static struct msg *heap_add(struct queue *h, const struct msg *m) {
    queue_push(h, m);
    int i = h->len - 1;
    struct msg one = h->m[i];
    while (i > 0 && earlier(&one, &h->m[(i - 1) / 2])) {
        h->m[i] = h->m[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->m[i] = one;
    return &h->m[i];
}

static struct msg heap_take(struct queue *h) {
    struct msg top = h->m[0], last = h->m[--h->len];
    int i = 0;
    for (;;) {
        int c = 2 * i + 1;
        if (c >= h->len) break;
        if (c + 1 < h->len && earlier(&h->m[c + 1], &h->m[c])) c++;
        if (!earlier(&h->m[c], &last)) break;
        h->m[i] = h->m[c];
        i = c;
    }
    if (h->len > 0) h->m[i] = last;
    return top;
}

struct msg *post(struct world *w, double in_ms, enum msg_kind kind, int node) {
    struct msg m = {.t = w->t + (int64_t)(in_ms * 1e6), .order = w->order++};
    m.kind = (uint8_t)kind;
    m.node = (uint8_t)node;
    return heap_add(&w->heap, &m);
}

void say(struct world *w, int who, const char *fmt, ...) {
    if (!w->trace) return;
    va_list ap;
    va_start(ap, fmt);
    printf("%10.2f %c ", (double)w->t / 1e6, who < 0 ? '*' : "ab"[who]);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
}

/* ---- network ------------------------------------------------------------------------------------------ */

#define BIT(k) (1ull << (k))

static uint64_t port_out(int node) {
    return node == 0 ? BIT(F_L0) | BIT(F_L0TX) : node == 1 ? BIT(F_L1) | BIT(F_L1TX) : 0;
}

static uint64_t port_in(int node) {
    return node == 0 ? BIT(F_L0) | BIT(F_L0RX) : node == 1 ? BIT(F_L1) | BIT(F_L1RX) : 0;
}

bool reachable(const struct world *w, int src, int dst, int path, enum msg_kind kind) {
    if (path == HA_PATH_SERIAL) return w->has_serial && !(w->cut & BIT(F_S));
    if (path == HA_PATH_CROSSOVER) return !(w->cut & (BIT(F_X) | BIT(src == 0 ? F_X0 : F_X1)));
    uint64_t cuts = BIT(F_SW) | port_out(src) | port_in(dst);
    if (path == HA_PATH_GATEWAY) return w->hairpin && !(w->cut & (cuts | BIT(F_GW)));
    if (src == GATEWAY || dst == GATEWAY) cuts |= BIT(F_GW);
    if (src < 2 && dst < 2) {
        cuts |= BIT(F_PART) | BIT(src == 0 ? F_PART0 : F_PART1);
        if (kind != M_VIP_ASK && kind != M_VIP_ANSWER) cuts |= BIT(F_HBF);
    }
    return !(w->cut & cuts);
}

bool bad_disk(const struct world *w, const struct node *n, enum fault_kind k) {
    return (w->cut & BIT(k + (enum fault_kind)n->i)) != 0;
}

struct msg *transmit(struct world *w, int src, int dst, int path, enum msg_kind kind) {
    int net = path == HA_PATH_CROSSOVER ? 0 : 1;
    double loss = w->base_loss + w->loss[net];
    if (!reachable(w, src, dst, path, kind)) return NULL;
    bool datagram = kind == M_BEAT || kind == M_VIP_ASK || kind == M_VIP_ANSWER;
    bool serial = path == HA_PATH_SERIAL;
    if (datagram && chance(w) < (serial ? .01 : loss)) return NULL;
    double delay = .2 + chance(w) * w->jitter * .3 + (w->slow[net] ? chance(w) * 300 : 0);
    if (serial) delay = 20 + chance(w) * 20; /* 212 bytes at 115,200 baud */
    struct msg *m = post(w, delay, kind, dst);
    m->path = (uint8_t)path;
    return m;
}

/* ---- clients --------------------------------------------------------------------------------------------- */

static void one_write(struct world *w, int who, int node) {
    if (w->writes >= MAX_WRITES) return;
    uint32_t id = ++w->writes;
    if (!reachable(w, CLIENT, node, HA_PATH_SERVICE, M_WRITE)) return;
    struct msg *m = post(w, .3, M_WRITE, node);
    m->a = id;
    m->b = (uint64_t)who;
}

/* Every 10 ms one write to the announced owner of the VIP, and one over a connection that stays while it is answered. */
static void clients(struct world *w) {
    if (w->t < w->healed + (w->settle_ms - 1000) * HA_MS) post(w, 10, M_CLIENT, 0);
    if (w->t - w->sticky_ok > 300 * HA_MS) {
        w->sticky = w->arp;
        w->sticky_ok = w->t;
    }
    one_write(w, 0, w->arp);
    one_write(w, 1, w->sticky);
}

void reply_reached(struct world *w, struct node *n, const struct held *h) {
    uint32_t id = h->id;
    int who = h->who;
    w->acked_at[id] = w->t;
    w->solo[id] =
        h->solo || n->record.peer_outdated; /* until in-sync is on disk, status says alone */
    w->acked_by[id] = (uint8_t)n->i;
    if (who == 0) {
        if (w->t >= w->first - 200 * HA_MS && w->last_ack && w->t - w->last_ack > w->gap)
            w->gap = w->t - w->last_ack;
        w->last_ack = w->t;
    } else if (w->sticky == n->i) {
        w->sticky_ok = w->t;
    }
}

/* ---- faults ------------------------------------------------------------------------------------------------ */

static void fault(struct world *w, enum fault_kind k, bool on) {
    say(w, -1, "%s %s", on ? "fault" : "end of", fault_names[k]);
    struct node *n =
        &w->node[k < F_MODEL_KINDS ? k & 1 : !(k & 1)]; /* 33 kinds stand before the others */
    switch (k) {
    case F_CRASH0:
    case F_CRASH1:
    case F_REPLACE0:
    case F_REPLACE1:
        n->powerless = on;
        if (on)
            node_crash(w, n, k >= F_REPLACE0);
        else
            node_power_on(w, n);
        break;
    case F_STALL0:
    case F_STALL1:
    case F_HADSTOP0:
    case F_HADSTOP1:
    case F_SERVERSTOP0:
    case F_SERVERSTOP1: node_halt(w, n, k, on); break;
    case F_HADKILL0:
    case F_HADKILL1:
        if (on && n->up) had_kill(w, n);
        break;
    case F_SERVERKILL0:
    case F_SERVERKILL1:
        if (on && n->up && n->server_up) server_kill(w, n);
        break;
    case F_SWITCH0:
    case F_SWITCH1:
        if (on && n->up && !n->had_stopped) had_command(w, n, HA_CMD_SWITCHOVER);
        break;
    case F_NONE: break;
    case F_BADLOG0:
    case F_BADLOG1:
        w->cut = on ? w->cut | BIT(k) : w->cut & ~BIT(k);
        if (!on && n->up && n->server_up) server_kill(w, n); /* the disk is replaced */
        break;
    case F_MAINT0:
    case F_MAINT1:
        w->cut = on ? w->cut | BIT(k) : w->cut & ~BIT(k);
        if (!on) /* the operator takes it back on both */
            for (int i = 0; i < 2; i++) had_command(w, &w->node[i], HA_CMD_MAINTENANCE_OFF);
        else if (n->up && !n->had_stopped)
            had_command(w, n, HA_CMD_MAINTENANCE_ON);
        break;
    case F_WITDEAD:
        w->cut = on ? w->cut | BIT(k) : w->cut & ~BIT(k);
        if (!on) witness_start(w);
        break;
    case F_LOSSX: w->loss[0] = on ? .3 : 0; break;
    case F_LOSSL: w->loss[1] = on ? .3 : 0; break;
    case F_SLOWX: w->slow[0] = on; break;
    case F_SLOWL: w->slow[1] = on; break;
    default: w->cut = on ? w->cut | BIT(k) : w->cut & ~BIT(k); break;
    }
}

/* ---- what may never happen ------------------------------------------------------------------------------------ */

static void check(struct world *w) {
    bool both = server_can_write(w, &w->node[0]) && server_can_write(w, &w->node[1]);
    if (both && w->overlap_since < 0) {
        w->overlap_since = w->t;
        if (w->two_writers_at < 0) w->two_writers_at = w->t;
        say(w, -1, "TWO WRITERS");
    } else if (!both && w->overlap_since >= 0) {
        w->overlap += w->t - w->overlap_since;
        w->overlap_since = -1;
    }
}

static void judge(struct world *w) {
    struct node *master = NULL;
    int masters = 0;
    for (int i = 0; i < 2; i++)
        if (server_can_write(w, &w->node[i])) {
            master = &w->node[i];
            masters++;
        }
    w->no_master = masters != 1 || !master->f.in_sync;
    if (masters != 1) return;
    static bool kept[MAX_WRITES + 1];
    memset(kept, 0, w->writes + 1);
    for (int k = 0; k < master->len; k++) kept[master->data[k]] = true;
    for (uint32_t id = 1; id <= w->writes; id++) {
        if (!w->acked_at[id] || kept[id]) continue;
        if (w->excused[id] ||
            (w->forgiving && !w->tail[id])) { /* both machines lost their memory */
            w->burnt++;
            continue;
        }
        if (w->lost++ == 0) {
            w->lost_at = w->acked_at[id];
            say(w, -1, "LOST write %u, acknowledged at %.1f by %c", id, (double)w->lost_at / 1e6,
                "ab"[w->acked_by[id]]);
        }
    }
}

bool world_bad(const struct world *w) {
    return w->two_writers_at >= 0 || w->lost || w->no_master || w->broken;
}

static void dispatch(struct world *w, const struct msg *m) {
    struct node *n = &w->node[m->node & 1];
    switch (m->kind) {
    case M_FAULT: fault(w, (enum fault_kind)m->a, m->on); break;
    case M_CLIENT: clients(w); break;
    case M_OPERATOR: /* the crash loop is over */
        for (int i = 0; i < 2; i++)
            if (w->node[i].record.benched || w->node[i].record.locked)
                had_command(w, &w->node[i], HA_CMD_UNBENCH);
        break;
    case M_TICK:
        post(w, w->fast ? 5 : 10, M_TICK, n->i);
        node_tick(w, n);
        break;
    case M_FLUSH:
        post(w, 1000, M_FLUSH, n->i);
        if (n->record.maintenance && !(w->cut & (BIT(F_MAINT0) | BIT(F_MAINT1))))
            had_command(w, n,
                        HA_CMD_MAINTENANCE_OFF); /* an operator who was not heard says it again */
        if (n->up && server_answers(n) && !bad_disk(w, n, F_BADLOG0) &&
            !bad_disk(w, n, F_SLOWDISK0))
            n->disk_len = n->len;
        break;
    case M_DRAIN_HAD: node_drain(w, n, true); break;
    case M_DRAIN_SERVER: node_drain(w, n, false); break;
    case M_SERVER_BACK: server_back(w, n, m->life); break;
    case M_FSYNCED: server_fsynced(n, m); break;
    case M_SAVED: node_saved(w, n, m); break;
    case M_WITNESS_ASK: witness_asked(w, m); break;
    case M_WITNESS_SAVED: witness_saved(w, m); break;
    case M_FENCE_DUE: fence_due(w, n, m); break;
    case M_POWER:
        if (!n->powerless) node_power_on(w, n);
        break;
    default: node_deliver(w, n, m); break;
    }
}

static void prepare(struct world *w, const struct schedule *plan) {
    uint32_t *data[2] = {w->node[0].data, w->node[1].data};
    struct queue heap = w->heap, q[4] = {w->node[0].had_queue, w->node[1].had_queue,
                                         w->node[0].server_queue, w->node[1].server_queue};
    memset(w, 0, sizeof *w);
    forget();
    w->heap = heap;
    w->heap.len = 0;
    for (int i = 0; i < 2; i++) {
        w->node[i].data = data[i] ? data[i] : malloc((MAX_WRITES + 1) * sizeof(uint32_t));
        w->node[i].had_queue = q[i];
        w->node[i].server_queue = q[2 + i];
        w->node[i].had_queue.len = w->node[i].server_queue.len = 0;
    }
    w->plan = *plan;
    w->rng = plan->seed * 0x2545f4914f6cdd1du + 1;
    w->two_writers_at = w->overlap_since = -1;
    static const double losses[] = {0, 0, .01, .05}, jitters[] = {1, 5, 20};
    w->base_loss = losses[(int)(chance(w) * 4)];
    w->jitter = jitters[(int)(chance(w) * 3)];
}

/* Weather instead of faults: stalls all along. */
static void post_stalls(struct world *w, int stall_ms, int64_t until) {
    double at = 1000;
    while ((int64_t)(at * 1e6) < until) {
        uint64_t kind = chance(w) < .5 ? F_STALL0 : F_STALL1;
        for (int on = 1; on >= 0; on--) {
            struct msg *m = post(w, at + (on ? 0 : stall_ms), M_FAULT, 0);
            m->a = kind;
            m->on = on;
        }
        at += between(w, 2 * stall_ms, 2000);
    }
}

void world_run(struct world *w, const struct schedule *plan, const struct rules *r, bool trace) {
    prepare(w, plan);
    w->without = r->without;
    w->hairpin = !r->no_hairpin;
    w->fast = r->fast;
    w->trace = trace;
    w->forgiving = plan->faults > 1;
    w->has_witness = r->witness;
    w->has_fence = r->fence;
    w->has_serial = r->serial;
    w->no_gateway = r->no_gateway;
    w->settle_ms = r->fence ? 16000 : SETTLE_MS;
    w->witness_rate = 1 + between(w, -1e-3, 1e-3);
    w->witness.holder = ha_epoch(1, 0);
    witness_start(w);
    w->witness_since -= 10000 * HA_MS;
    node_init(w, 0);
    node_init(w, 1);
    node_settle(w);
    w->first = INT64_MAX;
    for (int i = 0; i < plan->faults; i++) {
        const struct fault *f = &plan->fault[i];
        for (int on = 1; on >= 0; on--) {
            struct msg *m = post(w, f->at_ms + (on ? 0 : f->lasts_ms), M_FAULT, 0);
            m->a = f->kind;
            m->on = on;
        }
        int64_t at = f->at_ms * HA_MS, end = (f->at_ms + f->lasts_ms) * HA_MS;
        if (at < w->first) w->first = at;
        if (end > w->healed) w->healed = end;
    }
    if (r->mixed) {
        w->base_loss = between(w, 0, .2);
        w->jitter = between(w, 1, 333);
    }
    if (r->loss > 0) w->base_loss = r->loss;
    if (r->jitter_ms > 0) w->jitter = r->jitter_ms / .3;
    if (r->stall_ms > 0) post_stalls(w, r->stall_ms, w->healed);
    post(w, 5, M_CLIENT, 0);
    post(w, (double)w->healed / 1e6 + 1, M_OPERATOR, 0);
    int64_t end = w->healed + w->settle_ms * HA_MS;
    while (w->heap.len > 0 && w->heap.m[0].t <= end && w->broken == NULL) {
        struct msg m = heap_take(&w->heap);
        w->t = m.t;
        dispatch(w, &m);
        check(w);
        w->steps++;
    }
    if (end - 1000 * HA_MS - w->last_ack > w->gap) w->gap = end - 1000 * HA_MS - w->last_ack;
    judge(w);
}
