/* One machine: kernel, disk, and had's part: it feeds the daemon's own table with events and carries out its actions. */
#include <string.h>

#include "tests/sim/sim.h"

/* ---- actions ----------------------------------------------------------------------------------------- */

static void send_beat(struct world *w, struct node *n, const struct heartbeat *hb) {
    void *copy = keep(hb, sizeof *hb);
    for (int p = HA_PATH_CROSSOVER; p <= HA_PATH_SERIAL; p++) {
        struct msg *m = transmit(w, n->i, !n->i, p, M_BEAT);
        if (m) m->body = copy;
        if (chance(w) < .01 && (m = transmit(w, n->i, !n->i, p, M_BEAT)) != NULL)
            m->body = copy; /* twice */
    }
}

/* Writes are in order; what had was writing when it died may have landed or not. */
static void save(struct world *w, struct node *n, const struct ha_action *a) {
    double took = chance(w) < .9 ? between(w, 2, 30) : between(w, 100, 300);
    n->saving.id = a->save.id;
    n->saving.life = n->had_life;
    n->saving.r = a->save.record;
    struct msg *m = post(w, took, M_SAVED, n->i);
    m->a = a->save.id;
    m->life = n->had_life;
}

static void tell(struct world *w, struct node *n, const struct ha_action *a) {
    struct msg *m;
    if (!n->server_up) {
        m = post(w, .1, M_TOLD, n->i);
        m->a = a->tell.id;
        m->on = false;
        m->life = n->had_life;
        return;
    }
    /* One socket: a command never passes the one before. */
    double in_ms = between(w, .05, .3), after_ms = (double)(n->tell_at - w->t + 1) / 1e6;
    m = post(w, in_ms > after_ms ? in_ms : after_ms, M_TELL, n->i);
    n->tell_at = m->t;
    m->a = a->tell.id;
    m->c = n->server_life;
    m->life = n->had_life;
    m->body = keep(a, sizeof *a);
}

/* A probe and its answer in one step; the answer tells when the probe was sent. */
static void ask_gateway(struct world *w, struct node *n, int64_t sent_at) {
    if (!reachable(w, n->i, GATEWAY, HA_PATH_SERVICE, M_GATEWAY) ||
        !reachable(w, GATEWAY, n->i, HA_PATH_SERVICE, M_GATEWAY) ||
        chance(w) < w->base_loss + w->loss[1])
        return;
    struct msg *m = post(w, 1 + chance(w) * 3 + (w->slow[1] ? 300 : 0), M_GATEWAY, n->i);
    m->a = (uint64_t)sent_at;
}

static void carry_out(struct world *w, struct node *n, const struct ha_action *a) {
    switch (a->kind) {
    case HA_ACT_BEAT: send_beat(w, n, &a->beat); break;
    case HA_ACT_SAVE: save(w, n, a); break;
    case HA_ACT_LEASE: n->lease = a->lease.until; break;
    case HA_ACT_VIP_TAKE:
        n->vip = true;
        n->next_announce = 0;
        say(w, n->i, "serves the VIP");
        break;
    case HA_ACT_VIP_DROP:
        n->vip = false;
        w->stops++;
        break;
    case HA_ACT_VIP_ANNOUNCE: n->next_announce = 0; break;
    case HA_ACT_ASK_GATEWAY: ask_gateway(w, n, a->gateway.sent_at); break;
    case HA_ACT_PROBE_VIP: transmit(w, n->i, !n->i, HA_PATH_SERVICE, M_VIP_ASK); break;
    case HA_ACT_TELL:
        say(w, n->i, "tells %s%s", ha_tell_name(a->tell.what),
            a->tell.what == HA_TELL_ALONE ? (a->tell.alone ? " 1" : " 0") : "");
        tell(w, n, a);
        break;
    case HA_ACT_ASK_WITNESS: ask_witness(w, n, a); break;
    case HA_ACT_FENCE: fence_begin(w, n, a); break;
    case HA_ACT_LOG: say(w, n->i, "%s", a->text); break;
    case HA_ACT_ALARM:
        say(w, n->i, "alarm %s %s: %s", ha_alarm_name(a->alarm.id), a->alarm.on ? "on" : "off",
            a->text);
        break;
    default: say(w, n->i, "answer: %s", a->text); break;
    }
}

static void step(struct world *w, struct node *n, const struct ha_event *ev) {
    int64_t now = node_now(w, n);
    ha_fsm_step(&n->f, ev, now);
    static struct ha_action a;
    while (ha_fsm_next(&n->f, &a)) carry_out(w, n, &a);
    const char *broken = ha_fsm_broken(&n->f, now);
    if (broken && !w->broken) {
        w->broken = broken;
        say(w, n->i, "BROKEN: %s", broken);
    }
}

/* ---- events ------------------------------------------------------------------------------------------------ */

static void had_event(struct world *w, struct node *n, const struct msg *m) {
    struct ha_event ev = {0};
    switch (m->kind) {
    case M_BEAT:
        ev.kind = HA_EV_HEARTBEAT;
        ev.heartbeat.path = (enum ha_path)m->path;
        ev.heartbeat.hb = m->body;
        break;
    case M_GATEWAY:
        ev.kind = HA_EV_GATEWAY;
        ev.gateway.sent_at = (int64_t)m->a;
        break;
    case M_VIP_ANSWER: ev.kind = HA_EV_VIP_FOREIGN; break;
    case M_WITNESS_ANSWER:
        if (!witness_event(n, m, &ev)) return;
        break;
    case M_FENCED:
        if (m->life != n->had_life) return;
        ev.kind = HA_EV_FENCED;
        ev.fenced.id = (uint32_t)m->a;
        ev.fenced.ok = m->on;
        break;
    case M_FENCE_READY:
        if (m->life != n->had_life) return;
        ev.kind = HA_EV_FENCE_READY;
        ev.fence.sent_at = (int64_t)m->a;
        ev.fence.ok = m->on;
        break;
    case M_TOLD:
        if (m->life != n->had_life) return;
        ev.kind = HA_EV_TOLD;
        ev.told.id = (uint32_t)m->a;
        ev.told.ok = m->on;
        ev.told.offset = m->b;
        break;
    case M_SAVED:
        if (m->life != n->had_life) return;
        ev.kind = HA_EV_SAVED;
        ev.saved.id = (uint32_t)m->a;
        ev.saved.ok = m->on;
        break;
    default: ev.kind = HA_EV_SERVER_DIED; break;
    }
    step(w, n, &ev);
}

static void to_had(struct world *w, struct node *n, const struct msg *m) {
    if (n->had_stopped)
        queue_push(&n->had_queue, m);
    else
        had_event(w, n, m);
}

static void vip_asked(struct world *w, struct node *n) {
    bool guard = (w->without & HA_WITHOUT_VIPLEASE) || n->lease > node_now(w, n);
    if (n->vip && !n->frozen && guard) transmit(w, n->i, !n->i, HA_PATH_SERVICE, M_VIP_ANSWER);
}

void node_deliver(struct world *w, struct node *n, const struct msg *m) {
    if (!n->up) return;
    switch (m->kind) {
    case M_VIP_ASK: vip_asked(w, n); break;
    case M_BEAT:
    case M_GATEWAY:
    case M_VIP_ANSWER:
    case M_DIED:
    case M_WITNESS_ANSWER:
    case M_FENCED:
    case M_FENCE_READY:
    case M_SAVED: to_had(w, n, m); break; /* the last out of a queue */
    case M_TOLD: /* the answer of a server that died meanwhile is its end */
        if (m->on && m->c != n->server_life) {
            struct msg failed = *m;
            failed.on = false;
            to_had(w, n, &failed);
        } else {
            to_had(w, n, m);
        }
        break;
    case M_TELL:
        if (!n->server_up || m->c != n->server_life) {
            struct msg *r = post(w, .1, M_TOLD, n->i);
            r->a = m->a;
            r->on = false;
            r->life = m->life;
            break;
        } /* fall through */
    default:
        if (n->server_stopped)
            queue_push(&n->server_queue, m);
        else if (n->server_up)
            server_message(w, n, m);
        break;
    }
}

void node_saved(struct world *w, struct node *n, const struct msg *m) {
    if (!n->up || m->life != n->saving.life || m->a != n->saving.id) return;
    if (bad_disk(w, n, F_HANGRECORD0)) {
        struct msg *later = post(w, 20, M_SAVED, n->i);
        later->a = m->a;
        later->life = m->life;
        return;
    }
    struct msg done = *m;
    done.on = !bad_disk(w, n, F_BADRECORD0);
    if (done.on) n->record = n->saving.r;
    n->saving.id = 0;
    to_had(w, n, &done);
}

void had_died(struct world *w, struct node *n) {
    struct msg m = {.kind = M_DIED, .node = (uint8_t)n->i};
    if (n->up) to_had(w, n, &m);
}

static void feed_status(struct world *w, struct node *n) {
    struct ha_server s;
    if (!server_answers(n)) return;
    server_status(w, n, &s);
    step(w, n, &(struct ha_event){.kind = HA_EV_SERVER, .server = &s});
}

static void announce(struct world *w, struct node *n) {
    if (!n->vip || n->lease <= node_now(w, n) || w->t < n->next_announce) return;
    n->next_announce =
        w->t + 200 * HA_MS; /* stands for the burst, the refresh, and the return of a link */
    if (reachable(w, n->i, CLIENT, HA_PATH_SERVICE, M_WRITE)) w->arp = n->i;
}

void node_tick(struct world *w, struct node *n) {
    if (!n->up) return;
    server_tick(w, n);
    if (n->had_stopped) return;
    if (server_answers(n)) n->server_seen_at = node_now(w, n);
    feed_status(w, n);
    struct ha_event ev = {.kind = HA_EV_TICK};
    ev.tick.server_at = ev.tick.executor_at = n->server_seen_at;
    step(w, n, &ev);
    fence_test(w, n);
    announce(w, n);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

void had_start(struct world *w, struct node *n) {
    struct ha_setup setup = {.pair = 1,
                             .node = (uint8_t)n->i,
                             .has_witness = w->has_witness,
                             .has_fence = w->has_fence,
                             .no_gateway = w->no_gateway,
                             .without = w->without};
    if (w->fast)
        ha_timing_fast(&setup.timing);
    else
        ha_timing_default(&setup.timing);
    n->had_life++;
    n->had_queue.len = 0;
    n->vip = false; /* as it starts it takes the address off and writes "none" */
    n->lease = HA_NEVER;
    n->saving.id = 0;
    n->witness_seq = n->witness_nonce = 0;
    ha_fsm_init(&n->f, &setup, &n->record, ++w->boots + 1000, node_now(w, n));
}

static void unfinished_save(struct world *w, struct node *n) {
    if (n->saving.id == 0) return;
    if (chance(w) < .5 && !bad_disk(w, n, F_BADRECORD0)) n->record = n->saving.r;
    n->saving.id = 0;
}

void had_kill(struct world *w, struct node *n) {
    unfinished_save(w, n);
    had_start(w, n);
}

void had_command(struct world *w, struct node *n, enum ha_command c) {
    struct ha_event ev = {.kind = HA_EV_OPERATOR};
    if (!n->up || n->had_stopped) return;
    ev.op.command = c;
    ev.op.id = 1;
    ev.op.timeout_ms = 500;
    step(w, n, &ev);
}

void node_crash(struct world *w, struct node *n, bool empty) {
    if (!n->up) return;
    unfinished_save(w, n);
    n->up = n->vip = n->server_up = false;
    n->server_life++;
    n->lease = HA_NEVER;
    n->role = HA_SERVER_NONE;
    n->had_queue.len = n->server_queue.len = 0;
    n->held_len = 0;
    server_forget(w, n);
    n->had_life++;
    n->f.state = HA_BOOT;
    n->f.in_sync = false;
    if (!empty) return;
    memset(&n->record, 0, sizeof n->record);
    n->len = n->disk_len = 0;
}

void node_power_on(struct world *w, struct node *n) {
    if (n->up) return;
    n->up = true;
    say(w, n->i, "boots: epoch %llu, %s, peer outdated %d, %d writes",
        (unsigned long long)n->record.epoch, n->record.was_master ? "master" : "slave",
        n->record.peer_outdated, n->len);
    server_start(w, n);
    n->server_seen_at = node_now(w, n);
    had_start(w, n);
}

/* Stop or continue had, the server, or (a stall) everything. What continues runs its timers or its sockets first. */
void node_halt(struct world *w, struct node *n, enum fault_kind what, bool on) {
    int by = on ? 1 : -1;
    bool all = what == F_STALL0 || what == F_STALL1;
    bool had = all || what == F_HADSTOP0 || what == F_HADSTOP1;
    bool server = all || !had;
    if (had) n->had_stopped += by;
    if (server) n->server_stopped += by;
    if (all) n->frozen += by;
    if (!on && had && !n->had_stopped) {
        bool timers_first = chance(w) < .5;
        if (timers_first) node_tick(w, n);
        post(w, timers_first ? 3 : 0, M_DRAIN_HAD, n->i);
    }
    if (!on && server && !n->server_stopped) post(w, 3 * chance(w), M_DRAIN_SERVER, n->i);
}

void node_drain(struct world *w, struct node *n, bool had) {
    struct queue *q = had ? &n->had_queue : &n->server_queue;
    if (had ? n->had_stopped : n->server_stopped) return;
    struct queue mine = *q;
    *q = (struct queue){0};
    for (int k = 0; k < mine.len; k++) node_deliver(w, n, &mine.m[k]);
    if (q->cap == 0) {
        *q = mine;
        q->len = 0;
        return;
    }
    for (int k = 0; k < q->len; k++) mine.m[k] = q->m[k]; /* something stopped again meanwhile */
    mine.len = q->len;
    struct queue newer = *q;
    *q = mine;
    (void)newer;
}

/* ---- the pair starts settled ------------------------------------------------------------------------------------- */

void node_init(struct world *w, int i) {
    struct node *n = &w->node[i];
    n->i = i;
    n->rate = 1 + between(w, -1e-3, 1e-3);
    n->offset = (int64_t)(i + 1) * 1000000 * HA_MS;
    n->up = true;
    n->record =
        (struct ha_record){.epoch = ha_epoch(1, 0), .seen = ha_epoch(1, 0), .was_master = i == 0};
    server_start(w, n);
    n->loading_until = 0;
    n->server_seen_at = node_now(w, n);
    had_start(w, n);
    post(w, chance(w) * 10, M_TICK, i);
    post(w, chance(w) * 1000, M_FLUSH, i);
}

void node_settle(struct world *w) {
    struct node *a = &w->node[0], *b = &w->node[1];
    uint64_t session = ++w->boots;
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        n->role = i == 0 ? HA_SERVER_MASTER : HA_SERVER_SLAVE;
        n->epoch = n->record.epoch;
        n->session = session;
        n->path = HA_PATH_CROSSOVER;
        n->alone = false;
        n->linked = true;
        server_status(w, n, &n->f.server);
        n->f.server_up = true;
        n->f.server_at = n->f.executor_at = node_now(w, n);
        n->f.adopted = true;
        n->f.in_sync = true;
        n->f.state = i == 0 ? HA_MASTER : HA_SLAVE;
    }
    a->f.sync = HA_SYNC_IN;
    a->f.sync_boot = b->boot;
    a->f.lease = a->lease = node_now(w, a) + (w->fast ? 100 : 350) * HA_MS;
    a->f.vip = a->vip = true;
    b->f.whole_boot = b->boot;
    b->f.route = HA_PATH_CROSSOVER;
}
