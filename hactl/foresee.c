#include "hactl/foresee.h"

#include <stdio.h>
#include <string.h>

#include "hactl/foresee_inside.h"

#define TICK_NS    (10 * HA_MS)
#define STEP_NS    (HA_MS / 2)
#define WARM_NS    (1000 * HA_MS)
#define LIMIT_NS   (9000 * HA_MS) /* after the fault: longer than any wait of the table */
#define WRITE_NS   (5 * HA_MS)
#define BYTES      100
#define PHASES     4
#define NOTICED_NS (60 * HA_MS) /* a shorter gap is an ordinary reply's */

/* ---- the world ---- */

struct post *world_post(struct world *w, int64_t in_ns, enum post_kind kind, int node) {
    for (int i = 0; i < POSTS; i++) {
        struct post *p = &w->posts[i];
        if (p->at) continue;
        *p = (struct post){.at = w->t + in_ns, .order = ++w->order, .kind = kind, .node = node};
        if (p->at < w->soonest) w->soonest = p->at;
        return p;
    }
    return NULL;
}

bool world_reaches(const struct world *w, int from, enum ha_path path) {
    bool lan = path == HA_PATH_SERVICE || path == HA_PATH_GATEWAY;
    if (!w->m[0].up || !w->m[1].up || w->cut[path][from]) return false;
    if (path == HA_PATH_GATEWAY && !w->gateway) return false;
    return !lan || (w->service[0] && w->service[1]);
}

static void deliver(struct world *w) {
    while (w->soonest <= w->t) {
        struct post *first = NULL;
        for (int i = 0; i < POSTS; i++) {
            struct post *p = &w->posts[i];
            bool sooner = p->at && (!first || p->at < first->at ||
                                    (p->at == first->at && p->order < first->order));
            if (sooner) first = p;
        }
        w->soonest = first ? first->at : INT64_MAX;
        if (!first || first->at > w->t) return;
        struct post taken = *first;
        first->at = 0;
        w->soonest = w->t; /* there may be more */
        machine_take(w, &taken);
    }
}

/* The client's write, and its reply. */
static void write_once(struct world *w) {
    bool can[2] = {machine_writes(w, 0), machine_writes(w, 1)};
    w->two_writers |= can[0] && can[1];
    for (int i = 0; i < 2; i++) {
        struct machine *m = &w->m[i];
        if (!can[i] || !m->vip || !w->service[i]) continue;
        bool waits = !m->s.alone && !w->async && m->s.offset > m->s.acked;
        if (!waits) {
            m->s.offset += BYTES;
            w->held_since = w->t;
        }
    }
}

static void reply(struct world *w) {
    for (int i = 0; i < 2; i++) {
        const struct machine *m = &w->m[i];
        bool out = m->s.alone || w->async || m->s.acked >= m->s.offset;
        if (!machine_writes(w, i) || !m->vip || !w->service[i] || !out) continue;
        if (m->s.offset > w->acked || !w->acked_any) w->acked = m->s.offset;
        if (w->t - w->last_ack > w->gap) w->gap = w->t - w->last_ack;
        w->last_ack = w->t;
        w->acked_any = true;
    }
}

static void run(struct world *w, int64_t until) {
    for (; w->t < until; w->t += STEP_NS) {
        deliver(w);
        if (w->t % WRITE_NS == 0) write_once(w);
        if (w->t % TICK_NS == 0)
            for (int i = 0; i < 2; i++) machine_tick(w, (int)((i + w->t / TICK_NS) % 2));
        reply(w);
    }
}

/* ---- from what is now ---- */

static bool lately(int64_t now, int64_t at, uint32_t span_ms) {
    return at > HA_NEVER && now - at < (int64_t)span_ms * HA_MS;
}

static void world_begin(struct world *w, const struct foresee_start *s) {
    memset(w, 0, sizeof *w);
    w->lives = 0x5eed0000;
    w->boots = 0x5eed0000;
    w->soonest = INT64_MAX;
    w->async = s->async;
    w->lag_bytes = s->lag_bytes;
    for (int i = 0; i < 2; i++) machine_begin(w, i, s);
    for (int i = 0; i < 2; i++) {
        const struct ha_fsm *f = &s->core[i], *o = &s->core[!i];
        uint32_t path_ms = f->setup.timing.path_ms;
        bool sees = s->there[i] && lately(s->now[i], f->gateway_at, f->setup.timing.dead_ms);
        w->gateway |= sees;
        bool lan =
            s->there[i] && s->there[!i] && lately(s->now[i], f->path_at[HA_PATH_SERVICE], path_ms);
        bool lan_back =
            s->there[i] && s->there[!i] && lately(s->now[!i], o->path_at[HA_PATH_SERVICE], path_ms);
        w->service[i] = sees || lan || lan_back || (f->state == HA_MASTER && s->there[i]);
        for (int p = 0; p < HA_PATHS; p++)
            w->cut[p][!i] = !s->there[i] || !lately(s->now[i], f->path_at[p], path_ms);
        w->fence[i] = s->there[i] && f->setup.has_fence && !(f->alarms >> HA_ALARM_FENCE & 1);
        if (s->there[i] && f->setup.has_witness && !(f->alarms >> HA_ALARM_WITNESS & 1))
            w->witness.there = true;
        if (s->there[i] && f->state == HA_MASTER) w->witness.holder = f->disk.epoch;
    }
}

/* ---- faults ---- */

static void port(struct world *w, int i, enum ha_path path) {
    struct ha_event ev = {.kind = HA_EV_LINK, .link = {.path = path, .carrier = false}};
    machine_event(w, i, &ev);
}

static void cut_crossover(struct world *w, int node) {
    w->cut[HA_PATH_CROSSOVER][0] = w->cut[HA_PATH_CROSSOVER][1] = true;
    for (int i = 0; i < 2; i++)
        if (node < 0 || i == node) port(w, i, HA_PATH_CROSSOVER);
}

static void cut_service(struct world *w, int node) {
    w->service[node] = false;
    port(w, node, HA_PATH_SERVICE);
}

static void strike(struct world *w, const struct fault *f) {
    struct ha_event command = {.kind = HA_EV_OPERATOR,
                               .op = {.command = HA_CMD_SWITCHOVER, .id = 1, .timeout_ms = 2000}};
    switch (f->kind) {
    case FAULT_POWER: w->m[f->node].up = false; break;
    case FAULT_SERVER: machine_kill_server(w, f->node); break;
    case FAULT_HAD: machine_kill_had(w, f->node); break;
    case FAULT_DISK: w->m[f->node].disk_bad = true; break;
    case FAULT_SERVICE: cut_service(w, f->node); break;
    case FAULT_ISOLATED:
        cut_service(w, f->node);
        cut_crossover(w, -1);
        break;
    case FAULT_CROSSOVER: cut_crossover(w, -1); break;
    case FAULT_SWITCH:
        cut_service(w, 0);
        cut_service(w, 1);
        break;
    case FAULT_GATEWAY: w->gateway = false; break;
    case FAULT_SWITCHOVER:
        for (int i = 0; i < 2; i++)
            if (w->m[i].f.state == HA_MASTER) machine_event(w, i, &command);
        break;
    case FAULT_KINDS: break;
    }
}

/* ---- outcomes ---- */

static int who_serves(const struct world *w) {
    for (int i = 0; i < 2; i++)
        if (machine_writes(w, i) && w->m[i].vip) return i;
    return -1;
}

static uint64_t highest_epoch(const struct world *w) {
    uint64_t highest = 0;
    for (int i = 0; i < 2; i++)
        if (w->m[i].up && w->m[i].f.disk.epoch > highest) highest = w->m[i].f.disk.epoch;
    return ha_epoch_number(highest);
}

static void conclude(struct world *w, int64_t struck, struct foreseen *o) {
    o->after = who_serves(w);
    o->epoch_after = highest_epoch(w);
    o->moved = o->before != o->after || o->epoch_after != o->epoch_before;
    bool ended = o->after < 0 || w->t - w->last_ack > LIMIT_NS / 2;
    o->gap_min_ms = o->gap_max_ms = ended ? -1 : w->gap / HA_MS;
    if (w->last_ack <= struck && !ended) o->gap_min_ms = o->gap_max_ms = -1;
    o->two_writers = w->two_writers;
    const struct machine *m = &w->m[o->after < 0 ? 0 : o->after];
    if (o->after >= 0) {
        struct ha_view v;
        ha_fsm_view(&m->f, machine_now(w, o->after), &v);
        o->alone = !v.in_sync;
        o->takeover = v.takeover_on;
        o->lost_bytes = w->acked > m->s.offset ? w->acked - m->s.offset : 0;
    }
    /* What the loss would be for who has the acknowledged data only on the machine that is gone. */
    if (o->before >= 0 && o->after >= 0 && o->after != o->before && w->async &&
        w->lag_bytes > o->lost_bytes)
        o->lost_bytes = w->lag_bytes;
    for (int i = 0; i < 2 && o->after < 0; i++) {
        struct ha_view v;
        if (!w->m[i].up || !w->m[i].had_up) continue;
        ha_fsm_view(&w->m[i].f, machine_now(w, i), &v);
        if (*v.waiting_for) snprintf(o->why, sizeof o->why, "%s", v.waiting_for);
    }
}

static void foresee_once(const struct foresee_start *s, const struct fault *f, int64_t phase,
                         struct foreseen *o) {
    static struct world w; /* large; this is a tool of one thread */
    memset(o, 0, sizeof *o);
    world_begin(&w, s);
    run(&w, WARM_NS + phase);
    o->before = who_serves(&w);
    o->epoch_before = highest_epoch(&w);
    w.gap = 0;
    w.last_ack = w.t;
    w.two_writers = false;
    int64_t struck = w.t;
    const struct machine *m = &w.m[f->node];
    o->unsynced = f->kind == FAULT_POWER && o->before == f->node && m->s.alone;
    strike(&w, f);
    run(&w, struck + LIMIT_NS);
    conclude(&w, struck, o);
}

void foresee(const struct foresee_start *s, const struct fault *f, struct foreseen *out) {
    for (int i = 0; i < PHASES; i++) {
        struct foreseen one;
        uint32_t beat_ms = s->core[s->there[0] ? 0 : 1].setup.timing.beat_ms;
        foresee_once(s, f, i * (int64_t)beat_ms * HA_MS / PHASES / STEP_NS * STEP_NS, &one);
        if (i == 0) {
            *out = one;
            out->certain = true;
            continue;
        }
        out->certain = out->certain && one.after == out->after && one.moved == out->moved;
        if (one.gap_min_ms < out->gap_min_ms) out->gap_min_ms = one.gap_min_ms;
        if (one.gap_max_ms > out->gap_max_ms) out->gap_max_ms = one.gap_max_ms;
        if (one.lost_bytes > out->lost_bytes) out->lost_bytes = one.lost_bytes;
        out->two_writers |= one.two_writers;
    }
    if (out->gap_min_ms >= 0 && out->gap_max_ms * HA_MS < NOTICED_NS)
        out->gap_min_ms = out->gap_max_ms = 0;
}
