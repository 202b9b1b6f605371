/* One machine's server: data, the replication link, held replies, and the control socket that had tells things over.
 * As harsh as the model: a killed server loses what was not fsynced. */
#include <string.h>

#include "tests/sim/sim.h"

#define BYTES_A_WRITE 100
#define LINK_DEAD_MS  500 /* a link that brought nothing for so long is made anew */

bool server_answers(const struct node *n) {
    return n->up && n->server_up && !n->server_stopped;
}

bool server_can_write(const struct world *w, const struct node *n) {
    return server_answers(n) && n->role == HA_SERVER_MASTER && n->lease > node_now(w, n);
}

static void forget_link(struct node *n) {
    n->session = 0;
    n->acked = 0;
    n->linked = false;
}

void server_start(struct world *w, struct node *n) {
    n->server_up = true;
    n->server_life++;
    n->boot = ++w->boots;
    n->role = HA_SERVER_NONE;
    n->epoch = 0;
    n->lease = HA_NEVER; /* both sides begin with none */
    n->alone = true;
    n->whole = true;
    n->held_len = n->held_head = 0;
    n->server_queue.len = 0;
    n->told_at = n->pause_until = 0;
    n->loading_until = w->t + (int64_t)between(w, 0, 100) * HA_MS;
    forget_link(n);
}

void server_forget(struct world *w, struct node *n) {
    for (int k = n->disk_len; k < n->len; k++)
        if (w->solo[n->data[k]] && w->acked_by[n->data[k]] == n->i) w->excused[n->data[k]] = true;
    n->len = n->disk_len;
}

void server_kill(struct world *w, struct node *n) {
    server_forget(w, n);
    n->server_up = false;
    n->role = HA_SERVER_NONE;
    n->held_len = 0;
    forget_link(n);
    say(w, n->i, "server killed");
    for (int k = 0; k < n->server_queue.len;
         k++) { /* commands in its socket are answered by its end */
        const struct msg *q = &n->server_queue.m[k];
        if (q->kind != M_TELL) continue;
        struct msg *m = post(w, .1, M_TOLD, n->i);
        m->a = q->a;
        m->on = false;
        m->life = q->life;
    }
    n->server_queue.len = 0;
    had_died(w, n);
    post(w, 300, M_SERVER_BACK, n->i)->life = n->server_life;
}

void server_back(struct world *w, struct node *n, uint32_t life) {
    if (!n->up || n->server_up || n->server_life != life) return;
    server_start(w, n);
    say(w, n->i, "server back with %d writes", n->len);
}

/* ---- replies: the lease is checked, then the acknowledged offset, or none is needed when alone ---------------- */

static struct held *oldest(struct node *n) {
    return &n->held[n->held_head];
}

static void release(struct world *w, struct node *n) {
    while (n->held_len > 0 && server_can_write(w, n)) {
        struct held h = *oldest(n);
        if (!n->alone && (int)h.upto > n->acked) break;
        if (!reachable(w, n->i, CLIENT, HA_PATH_SERVICE, M_WRITE)) break; /* waits in TCP */
        n->held_head = (n->held_head + 1) % MAX_HELD;
        n->held_len--;
        reply_reached(w, n, &h);
    }
}

static void stream(struct world *w, struct node *n, int from) {
    int count = n->len - from;
    struct msg *m = transmit(w, n->i, !n->i, n->path, M_STREAM);
    if (m == NULL) return;
    m->a = n->session;
    m->b = (uint64_t)from;
    m->c = (uint64_t)count;
    m->body = keep(n->data + from, (size_t)count * sizeof(uint32_t));
}

static void on_write(struct world *w, struct node *n, const struct msg *m) {
    bool vip = n->vip && n->lease > node_now(w, n);
    if (!server_can_write(w, n) || !vip || w->t < n->pause_until) return;
    if (n->held_len == MAX_HELD) return;
    n->data[n->len++] = (uint32_t)m->a;
    n->held[(n->held_head + n->held_len++) % MAX_HELD] = (struct held){.upto = (uint32_t)n->len,
                                                                       .id = (uint32_t)m->a,
                                                                       .who = (uint8_t)m->b,
                                                                       .solo = n->alone,
                                                                       .at = w->t};
    if (n->session) stream(w, n, n->len - 1);
    release(w, n);
}

/* ---- the link ------------------------------------------------------------------------------------------------------ */

static void acknowledge(struct world *w, struct node *n) {
    struct msg *m = transmit(w, n->i, !n->i, n->path, M_ACK);
    if (m == NULL) return;
    m->a = n->session;
    m->b = (uint64_t)n->len;
}

static void on_stream(struct world *w, struct node *n, const struct msg *m) {
    if (m->a != n->session || n->role != HA_SERVER_SLAVE) return;
    n->link_heard = w->t;
    const uint32_t *ids = m->body;
    for (uint64_t k = 0; k < m->c; k++)
        if ((int)(m->b + k) == n->len) n->data[n->len++] = ids[k];
    acknowledge(w, n);
}

static void on_ack(struct world *w, struct node *n, const struct msg *m) {
    if (m->a != n->session || n->role != HA_SERVER_MASTER) return;
    n->linked = true;
    if ((int)m->b > n->acked) n->acked = (int)m->b;
    release(w, n);
}

static bool is_prefix(const struct node *master, const uint32_t *ids, int len) {
    return len <= master->len && !memcmp(master->data, ids, (size_t)len * sizeof *ids);
}

/* A slave asks for the link: it goes on where its data end if they are a part of ours, else it gets a copy. */
static void on_sync(struct world *w, struct node *n, const struct msg *m) {
    if (n->role != HA_SERVER_MASTER || n->epoch != m->a || w->t < n->loading_until) return;
    forget_link(n);
    n->session = ++w->boots;
    n->path = m->path;
    n->resend = w->t + 200 * HA_MS;
    bool partial = is_prefix(n, m->body, (int)m->b) && m->b > 0;
    struct msg *c = transmit(w, n->i, !n->i, n->path, M_COPY);
    if (c == NULL) return;
    c->a = n->session;
    c->b = partial ? UINT64_MAX : (uint64_t)n->len;
    c->c = n->epoch;
    c->body = partial ? NULL : keep(n->data, (size_t)n->len * sizeof(uint32_t));
}

static void on_copy(struct world *w, struct node *n, const struct msg *m) {
    if (n->role != HA_SERVER_SLAVE || n->epoch != m->c) return;
    if (m->b != UINT64_MAX) {
        static bool theirs[MAX_WRITES + 1];
        memset(theirs, 0, sizeof theirs);
        const uint32_t *ids = m->body;
        for (uint64_t k = 0; k < m->b; k++) theirs[ids[k]] = true;
        int tail = 0;
        for (int k = 0; k < n->len; k++)
            if (!theirs[n->data[k]]) w->tail[n->data[k]] = true, tail++;
        if (tail) say(w, n->i, "saves a tail of %d writes", tail);
        memcpy(n->data, ids, m->b * sizeof *ids);
        n->len = (int)m->b;
        n->disk_len = n->len;
    }
    n->session = m->a;
    n->link_heard = w->t;
    n->whole = true;
    say(w, n->i, "%s, session %llu", m->b == UINT64_MAX ? "link goes on" : "resynchronised",
        (unsigned long long)m->a);
    acknowledge(w, n);
}

static void ask_sync(struct world *w, struct node *n) {
    n->next_sync = w->t + 150 * HA_MS;
    struct msg *m = transmit(w, n->i, !n->i, n->path, M_SYNC);
    if (m == NULL) return;
    m->a = n->epoch;
    m->b = (uint64_t)n->len;
    m->body = keep(n->data, (size_t)n->len * sizeof(uint32_t));
}

void server_tick(struct world *w, struct node *n) {
    if (n->len == n->disk_len || !bad_disk(w, n, F_SLOWDISK0))
        n->dirty_since = 0;
    else if (n->dirty_since == 0)
        n->dirty_since = w->t;
    if (!server_answers(n) || w->t < n->loading_until) return;
    if (n->role == HA_SERVER_MASTER && n->session && n->acked < n->len && w->t > n->resend) {
        n->resend = w->t + 40 * HA_MS;
        stream(w, n, n->acked);
    }
    if (n->role == HA_SERVER_MASTER && n->session && w->t > n->next_ping) {
        n->next_ping = w->t + 100 * HA_MS;
        stream(w, n, n->len);
    }
    if (n->role == HA_SERVER_SLAVE && n->session && w->t - n->link_heard > LINK_DEAD_MS * HA_MS)
        forget_link(n);
    if (n->role == HA_SERVER_SLAVE && !n->session && w->t > n->next_sync) ask_sync(w, n);
    release(w, n);
}

/* ---- the control socket ------------------------------------------------------------------------------------------------ */

static void be_master(struct node *n, uint64_t epoch) {
    if (n->role == HA_SERVER_MASTER && n->epoch == epoch) return;
    n->role = HA_SERVER_MASTER;
    n->epoch = epoch;
    n->held_len = 0;
    n->pause_until = 0;
    forget_link(n);
}

static void be_slave(struct world *w, struct node *n, uint64_t epoch, int path) {
    bool same = n->role == HA_SERVER_SLAVE && n->epoch == epoch;
    if (same && n->path == path && n->session) return;
    n->role = HA_SERVER_SLAVE;
    n->epoch = epoch;
    n->path = path;
    n->held_len = 0; /* closes such connections without a reply */
    n->pause_until = 0;
    n->alone = true;
    forget_link(n);
    n->next_sync = w->t;
}

static void on_tell(struct world *w, struct node *n, const struct msg *m) {
    const struct ha_action *a = m->body;
    double takes = between(w, .05, .5);
    switch (a->tell.what) {
    case HA_TELL_MASTER: be_master(n, a->tell.epoch); break;
    case HA_TELL_SLAVE: be_slave(w, n, a->tell.epoch, a->tell.path); break;
    case HA_TELL_NONE: n->role = HA_SERVER_NONE; break;
    case HA_TELL_ALONE:
        if (a->tell.alone && !n->alone)
            forget_link(n); /* a slave that was given up asks for a new link */
        n->alone = a->tell.alone;
        release(w, n);
        break;
    case HA_TELL_FSYNC: takes = chance(w) < .9 ? between(w, 1, 15) : between(w, 50, 200); break;
    case HA_TELL_PAUSE: n->pause_until = w->t + a->tell.ms * HA_MS; break;
    case HA_TELL_RESUME: n->pause_until = 0; break;
    default: break;
    }
    int64_t at = w->t + (int64_t)(takes * 1e6); /* answers come in order */
    if (at < n->told_at) at = n->told_at;
    n->told_at = at;
    bool failed = a->tell.what == HA_TELL_FSYNC && bad_disk(w, n, F_BADLOG0);
    if (a->tell.what == HA_TELL_FSYNC && bad_disk(w, n, F_SLOWDISK0)) {
        struct msg *later = post(w, 20, M_TELL, n->i); /* it waits for the disk */
        struct msg again = *m;
        again.t = later->t;
        again.order = later->order;
        *later = again;
        return;
    }
    if (a->tell.what == HA_TELL_FSYNC && !failed) {
        struct msg *f = post(w, (double)(at - w->t) / 1e6, M_FSYNCED, n->i);
        f->a = (uint64_t)n->len;
        f->life = n->server_life;
    }
    struct msg *r = post(w, (double)(at - w->t) / 1e6, M_TOLD, n->i);
    r->a = a->tell.id;
    r->b = (uint64_t)n->len * BYTES_A_WRITE;
    r->c = n->server_life;
    r->life = m->life;
    r->on = !failed;
}

void server_fsynced(struct node *n, const struct msg *m) {
    if (n->up && n->server_up && n->server_life == m->life && (int)m->a <= n->len &&
        (int)m->a > n->disk_len)
        n->disk_len = (int)m->a;
}

void server_message(struct world *w, struct node *n, const struct msg *m) {
    bool loading = w->t < n->loading_until;
    switch (m->kind) {
    case M_WRITE: on_write(w, n, m); break;
    case M_STREAM: on_stream(w, n, m); break;
    case M_ACK: on_ack(w, n, m); break;
    case M_SYNC: on_sync(w, n, m); break;
    case M_COPY:
        if (!loading) on_copy(w, n, m);
        break;
    default: on_tell(w, n, m); break;
    }
}

void server_status(const struct world *w, const struct node *n, struct ha_server *out) {
    *out = (struct ha_server){
        .boot = n->boot,
        .role = (uint8_t)n->role,
        .epoch = n->epoch,
        .session = n->session,
        .offset = (uint64_t)n->len * BYTES_A_WRITE,
        .acked = (uint64_t)n->acked * BYTES_A_WRITE,
        .in_sync_link = n->session != 0 && n->linked,
        .alone = n->alone,
        .held = (uint64_t)n->held_len,
        .held_oldest_ns = n->held_len ? w->t - n->held[n->held_head].at : 0,
        .whole = n->whole,
        .loading = w->t < n->loading_until,
        .empty = n->len == 0,
        .fsync_age_ns = n->dirty_since ? w->t - n->dirty_since : 0,
    };
}
