/* One machine of the world that foresee runs: had's part (events in, actions out), its server, its disk. */
#include <string.h>

#include "hactl/foresee_inside.h"

#define WIRE_NS   (HA_MS * 3 / 10)
#define SAVE_NS   (3 * HA_MS)
#define SYNC_NS   (5 * HA_MS)
#define LINK_NS   (20 * HA_MS)  /* to connect and go on where it was */
#define BACK_NS   (150 * HA_MS) /* a process that died, until it is back */
#define LOAD_NS   (100 * HA_MS)
#define FENCE_NS  (2000 * HA_MS)
#define BROKEN_NS (3600000 * HA_MS)

/* ---- actions ---- */

static void send_beat(struct world *w, int i, const struct heartbeat *hb) {
    for (int p = 0; p < HA_PATHS; p++) {
        struct post *m =
            world_reaches(w, i, (enum ha_path)p) ? world_post(w, WIRE_NS, POST_BEAT, !i) : NULL;
        if (!m) continue;
        m->path = (enum ha_path)p;
        m->hb = *hb;
        m->hb.path = (uint8_t)p;
    }
}

static void be_master(struct machine *m, uint64_t epoch) {
    if (m->s.role == HA_SERVER_MASTER && m->s.epoch == epoch) return;
    m->s.role = HA_SERVER_MASTER;
    m->s.epoch = epoch;
    m->s.session = 0;
    m->s.in_sync_link = false;
    m->s.acked = 0;
    m->paused_until = 0;
}

static void be_slave(struct world *w, int i, const struct ha_action *a) {
    struct machine *m = &w->m[i];
    bool same = m->s.role == HA_SERVER_SLAVE && m->s.epoch == a->tell.epoch;
    if (same && m->route == a->tell.path && m->linked) return;
    m->s.role = HA_SERVER_SLAVE;
    m->s.epoch = a->tell.epoch;
    m->s.alone = true;
    m->s.session = 0;
    m->s.in_sync_link = m->linked = false;
    m->route = a->tell.path;
    m->linking_until = w->t + LINK_NS;
}

static void tell(struct world *w, int i, const struct ha_action *a) {
    struct machine *m = &w->m[i];
    bool ok = m->server_up, sync = a->tell.what == HA_TELL_FSYNC;
    struct post *p = world_post(w, sync ? SYNC_NS : WIRE_NS, POST_TOLD, i);
    if (!p) return;
    if (ok) switch (a->tell.what) {
        case HA_TELL_MASTER: be_master(m, a->tell.epoch); break;
        case HA_TELL_SLAVE: be_slave(w, i, a); break;
        case HA_TELL_NONE: m->s.role = HA_SERVER_NONE; break;
        case HA_TELL_ALONE: m->s.alone = a->tell.alone; break;
        case HA_TELL_FSYNC: ok = !m->disk_bad; break;
        case HA_TELL_PAUSE: m->paused_until = w->t + a->tell.ms * HA_MS; break;
        case HA_TELL_RESUME: m->paused_until = 0; break;
        default: break;
        }
    p->id = a->tell.id;
    p->ok = ok;
    p->offset = m->s.offset;
}

static void save(struct world *w, int i, const struct ha_action *a) {
    struct post *p = world_post(w, SAVE_NS, POST_SAVED, i);
    if (!p) return;
    p->id = a->save.id;
    p->ok = true;
    w->m[i].record = a->save.record;
}

static void ask_gateway(struct world *w, int i, int64_t sent_at) {
    struct post *p =
        w->gateway && w->service[i] ? world_post(w, 2 * WIRE_NS, POST_GATEWAY, i) : NULL;
    if (p) p->sent_at = sent_at;
}

/* The other one answers for the VIP while its lease is valid. */
static void probe_vip(struct world *w, int i) {
    const struct machine *o = &w->m[!i];
    bool answers = o->up && o->vip && o->lease > machine_now(w, !i);
    if (answers && w->service[i] && w->service[!i]) world_post(w, 2 * WIRE_NS, POST_VIP, i);
}

static void act(struct world *w, int i, const struct ha_action *a) {
    struct machine *m = &w->m[i];
    struct post *p;
    switch (a->kind) {
    case HA_ACT_BEAT: send_beat(w, i, &a->beat); break;
    case HA_ACT_SAVE: save(w, i, a); break;
    case HA_ACT_LEASE: m->lease = a->lease.until; break;
    case HA_ACT_VIP_TAKE: m->vip = true; break;
    case HA_ACT_VIP_DROP: m->vip = false; break;
    case HA_ACT_ASK_GATEWAY: ask_gateway(w, i, a->gateway.sent_at); break;
    case HA_ACT_PROBE_VIP: probe_vip(w, i); break;
    case HA_ACT_TELL: tell(w, i, a); break;
    case HA_ACT_ASK_WITNESS:
        p = w->witness.there && w->service[i] ? world_post(w, 2 * WIRE_NS, POST_WITNESS, i) : NULL;
        if (p) p->ask = *a;
        break;
    case HA_ACT_FENCE:
        p = world_post(w, FENCE_NS, POST_FENCED, i);
        if (p) p->id = a->fence.id;
        break;
    default: break;
    }
}

void machine_event(struct world *w, int i, const struct ha_event *ev) {
    struct machine *m = &w->m[i];
    struct ha_action a;
    if (!m->up || !m->had_up) return;
    ha_fsm_step(&m->f, ev, machine_now(w, i));
    while (ha_fsm_next(&m->f, &a)) act(w, i, &a);
}

/* ---- the server ---- */

bool machine_writes(const struct world *w, int i) {
    const struct machine *m = &w->m[i];
    return m->up && m->server_up && m->s.role == HA_SERVER_MASTER && m->lease > machine_now(w, i) &&
           w->t >= m->paused_until && w->t >= m->loading_until;
}

void machine_kill_server(struct world *w, int i) {
    struct machine *m = &w->m[i];
    m->server_up = m->linked = false;
    m->s.role = HA_SERVER_NONE;
    m->s.session = 0;
    m->lease = m->lease > machine_now(w, i) ? m->lease : HA_NEVER;
    machine_event(w, i, &(struct ha_event){.kind = HA_EV_SERVER_DIED});
    world_post(w, BACK_NS, POST_SERVER_BACK, i);
}

static void server_back(struct world *w, int i) {
    struct machine *m = &w->m[i];
    m->server_up = true;
    m->s.boot = ++w->boots;
    m->s.role = HA_SERVER_NONE;
    m->s.epoch = m->s.session = m->s.acked = m->s.held = 0;
    m->s.alone = m->s.whole = true;
    m->s.in_sync_link = m->linked = false;
    m->loading_until = w->t + LOAD_NS;
    m->paused_until = 0;
}

void machine_kill_had(struct world *w, int i) {
    w->m[i].had_up = false;
    world_post(w, BACK_NS, POST_HAD_BACK, i);
}

static void had_back(struct world *w, int i) {
    struct machine *m = &w->m[i];
    struct ha_setup setup = m->f.setup;
    m->had_up = true;
    m->vip = false; /* as it starts it takes the address off, and writes "none" */
    m->lease = HA_NEVER;
    ha_fsm_init(&m->f, &setup, &m->record, ++w->lives, machine_now(w, i));
}

/* The link between the servers goes where the slave's was told to, when both are there. */
static void turn_link(struct world *w, int i) {
    struct machine *s = &w->m[i], *o = &w->m[!i];
    enum ha_path way = s->route == HA_PATH_CROSSOVER ? HA_PATH_CROSSOVER : HA_PATH_SERVICE;
    bool can = s->up && s->server_up && s->s.role == HA_SERVER_SLAVE && o->up && o->server_up &&
               o->s.role == HA_SERVER_MASTER && o->s.epoch == s->s.epoch &&
               world_reaches(w, i, way) && world_reaches(w, !i, way) && w->t >= o->loading_until &&
               w->t >= s->loading_until;
    if (!can) s->linking_until = w->t + LINK_NS;
    if (!can && s->linked) {
        s->linked = false;
        s->s.session = 0;
        o->s.in_sync_link = s->s.in_sync_link = false;
    }
    if (!can || w->t < s->linking_until) return;
    if (!s->linked) {
        s->s.session = o->s.session = ++w->boots;
        s->linked = s->s.whole = true;
    }
    uint64_t have = o->s.offset > w->lag_bytes ? o->s.offset - w->lag_bytes : o->s.offset;
    s->s.offset = w->async && have > s->s.offset ? have : w->async ? s->s.offset : o->s.offset;
    s->s.in_sync_link = o->s.in_sync_link = true;
    o->s.acked = w->async ? o->s.offset : s->s.offset;
}

static void feed_status(struct world *w, int i) {
    struct machine *m = &w->m[i];
    struct ha_server s = m->s;
    if (!m->server_up) return;
    s.loading = w->t < m->loading_until;
    s.fsync_age_ns = m->disk_bad ? BROKEN_NS : 0;
    s.held = !s.alone && s.role == HA_SERVER_MASTER && s.offset > s.acked && !w->async;
    s.held_oldest_ns = s.held ? w->t - w->held_since : 0;
    machine_event(w, i, &(struct ha_event){.kind = HA_EV_SERVER, .server = &s});
}

void machine_tick(struct world *w, int i) {
    struct machine *m = &w->m[i];
    if (!m->up) return;
    turn_link(w, i);
    if (!m->had_up) return;
    feed_status(w, i);
    int64_t alive = m->server_up ? machine_now(w, i) : HA_NEVER;
    struct ha_event tick = {.kind = HA_EV_TICK, .tick = {alive, alive}};
    machine_event(w, i, &tick);
    if (w->fence[i] && w->t % (1000 * HA_MS) < 10 * HA_MS)
        machine_event(w, i,
                      &(struct ha_event){.kind = HA_EV_FENCE_READY,
                                         .fence = {.sent_at = machine_now(w, i), .ok = true}});
}

/* ---- what arrives ---- */

static void witness(struct world *w, int i, const struct ha_action *a) {
    bool granted = a->witness.epoch >= w->witness.holder;
    if (a->witness.kind == HA_WITNESS_TAKE)
        granted = granted && w->t - w->witness.renewed_at > a->witness.lease_ms * HA_MS;
    if (a->witness.kind == HA_WITNESS_RESET) granted = true;
    if (a->witness.kind == HA_WITNESS_LOOK) granted = false;
    if (granted) w->witness.holder = a->witness.epoch;
    if (granted) w->witness.renewed_at = w->t;
    struct ha_event ev = {.kind = HA_EV_WITNESS,
                          .witness = {.sent_at = a->witness.sent_at,
                                      .kind = a->witness.kind,
                                      .epoch = a->witness.epoch,
                                      .granted = granted,
                                      .holder = w->witness.holder}};
    machine_event(w, i, &ev);
}

static void fenced(struct world *w, int i, uint32_t id) {
    struct ha_event ev = {.kind = HA_EV_FENCED,
                          .fenced = {.id = id, .ok = w->fence[i] && w->m[!i].up}};
    if (ev.fenced.ok) w->m[!i].up = false;
    machine_event(w, i, &ev);
}

void machine_take(struct world *w, const struct post *p) {
    struct ha_event ev = {0};
    if (!w->m[p->node].up) return;
    switch (p->kind) {
    case POST_BEAT:
        ev.kind = HA_EV_HEARTBEAT;
        ev.heartbeat.path = p->path;
        ev.heartbeat.hb = &p->hb;
        break;
    case POST_GATEWAY:
        ev.kind = HA_EV_GATEWAY;
        ev.gateway.sent_at = p->sent_at;
        break;
    case POST_TOLD:
        ev.kind = HA_EV_TOLD;
        ev.told.id = p->id;
        ev.told.ok = p->ok;
        ev.told.offset = p->offset;
        break;
    case POST_SAVED:
        ev.kind = HA_EV_SAVED;
        ev.saved.id = p->id;
        ev.saved.ok = p->ok;
        break;
    case POST_VIP: ev.kind = HA_EV_VIP_FOREIGN; break;
    case POST_SERVER_BACK: server_back(w, p->node); return;
    case POST_HAD_BACK: had_back(w, p->node); return;
    case POST_FENCED: fenced(w, p->node, p->id); return;
    case POST_WITNESS: witness(w, p->node, &p->ask); return;
    default: return;
    }
    machine_event(w, p->node, &ev);
}

/* ---- as it is now ---- */

#define SEQ_AHEAD 64 /* heartbeats that were sent after the copy was taken */

/* Commands and writes under way are answered at once. */
static void finish_what_is_under_way(struct world *w, int i) {
    const struct ha_fsm *f = &w->m[i].f;
    uint32_t ids[] = {f->role_tell, f->sync_tell};
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) {
        struct post *p = ids[k] ? world_post(w, WIRE_NS, POST_TOLD, i) : NULL;
        if (!p) continue;
        p->id = ids[k];
        p->ok = true;
        p->offset = f->server.offset;
    }
    struct post *p = f->flight_id ? world_post(w, WIRE_NS, POST_SAVED, i) : NULL;
    if (p) p->id = f->flight_id;
    if (p) p->ok = true;
}

void machine_begin(struct world *w, int i, const struct foresee_start *s) {
    struct machine *m = &w->m[i];
    memset(m, 0, sizeof *m);
    m->lease = HA_NEVER;
    if (!s->there[i]) return;
    m->f = s->core[i];
    m->base = s->now[i];
    m->up = m->had_up = true;
    m->server_up = m->f.server_up;
    m->s = m->f.server;
    m->route = m->f.route;
    m->lease = m->f.lease;
    m->vip = m->f.vip;
    m->record = m->f.flight_id ? m->f.flight : m->f.disk;
    m->f.seq += SEQ_AHEAD;
    m->f.queue_len = m->f.queue_head = 0;
    m->linked = m->s.role == HA_SERVER_SLAVE && m->s.session != 0;
    finish_what_is_under_way(w, i);
}
