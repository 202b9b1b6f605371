#include "hactl/instance_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"

/* A command under way at all servers. */
struct told {
    struct told *next;
    struct instance_set *set;
    uint32_t id;
    int waiting;
    bool ok;
    uint64_t offset;
};

/* ---- status ---- */

void instance_set_fold(struct ha_server *all, const struct ha_server *one, int count) {
    if (count == 0) {
        *all = *one;
        return;
    }
    all->boot = all->boot * 31 + one->boot;
    if (all->boot == 0) all->boot = 1;
    if (all->role != one->role) all->role = HA_SERVER_NONE;
    if (one->epoch < all->epoch) all->epoch = one->epoch;
    all->session = all->session && one->session ? all->session * 31 + one->session : 0;
    all->offset += one->offset;
    all->acked += one->acked;
    all->in_sync_link = all->in_sync_link && one->in_sync_link;
    all->alone = all->alone || one->alone;
    all->held += one->held;
    if (one->held_oldest_ns > all->held_oldest_ns) all->held_oldest_ns = one->held_oldest_ns;
    all->whole = all->whole && one->whole;
    all->loading = all->loading || one->loading;
    all->empty = all->empty && one->empty;
    if (one->stalls > all->stalls) all->stalls = one->stalls;
    if (one->fsync_age_ns > all->fsync_age_ns) all->fsync_age_ns = one->fsync_age_ns;
}

struct member *instance_member_of(struct instance_set *s, const struct instance *i) {
    for (int k = 0; k < s->count; k++)
        if (s->members[k].i == i) return &s->members[k];
    bug("an instance of another set");
}

uint64_t instance_bit_of(const struct member *m) {
    return 1ull << instance_conf_of(m->i)->number;
}

uint64_t instance_set_counts(const struct instance_set *s) {
    uint64_t bits = 0;
    for (int k = 0; k < s->count; k++)
        if (s->members[k].join.counted) bits |= instance_bit_of(&s->members[k]);
    return bits;
}

uint64_t instance_set_has(const struct instance_set *s) {
    uint64_t bits = 0;
    for (int k = 0; k < s->count; k++)
        if (!s->members[k].join.leaving) bits |= instance_bit_of(&s->members[k]);
    return bits;
}

/* The node's boot changes when a server that counts is another process than before. */
static void watch_boot(struct instance_set *s, struct member *m, uint64_t boot) {
    if (m->boot && m->boot != boot) {
        s->boot = s->boot * 31 + boot;
        if (s->boot == 0) s->boot = 1;
    }
    m->boot = boot;
}

/* At async nothing is held; too long a way behind shows as a reply that is held for as long. */
static void watch_lag(struct member *m, struct ha_server *one, uint64_t now_ns) {
    bool lags = instance_conf_of(m->i)->async && one->role == HA_SERVER_MASTER && !one->alone &&
                one->in_sync_link && one->offset > one->acked + INSTANCE_LAG_LIMIT;
    if (!lags) m->lag_ns = 0;
    if (!lags) return;
    if (!m->lag_ns) m->lag_ns = now_ns;
    one->held++;
    if ((int64_t)(now_ns - m->lag_ns) > one->held_oldest_ns)
        one->held_oldest_ns = (int64_t)(now_ns - m->lag_ns);
}

/* A master names its links by the instances that its slave counts, as long as those are all that count here: one that
 * the slave has begun to count, or that is leaving, does not part the two. */
static uint64_t session_of(const struct instance_set *s) {
    const struct instance_wish *w = &s->wish;
    uint64_t mine = instance_set_counts(s), all = 0;
    bool wider = w->role == HA_SERVER_MASTER && w->peer_fresh && (mine & ~w->peer_counts) == 0;
    for (int k = 0, n = 0; k < s->count; k++) {
        const struct instance_status *one = instance_status(s->members[k].i);
        if (!(instance_bit_of(&s->members[k]) & (wider ? w->peer_counts : mine))) continue;
        if (!one || !one->server.session) return 0;
        all = n++ ? all * 31 + one->server.session : one->server.session;
    }
    return all;
}

static void combine(struct instance_set *s) {
    struct ha_server all = {0}, one;
    int n = 0;
    for (int k = 0; k < s->count; k++) {
        struct member *m = &s->members[k];
        const struct instance_status *now = instance_status(m->i);
        if (!m->join.counted) continue;
        if (!m->fresh || !now) return;
        n++;
    }
    if (!n) return;
    n = 0;
    for (int k = 0; k < s->count; k++) {
        struct member *m = &s->members[k];
        if (!m->join.counted) continue;
        one = instance_status(m->i)->server;
        watch_boot(s, m, one.boot);
        watch_lag(m, &one, s->now_ns);
        instance_set_fold(&all, &one, n++);
        m->fresh = false;
    }
    if (!s->boot) s->boot = all.boot;
    all.boot = s->boot;
    all.session = session_of(s);
    s->up = true;
    s->calls.status(s->calls.arg, &all);
}

void instance_set_on_status(void *arg, struct instance *i) {
    struct instance_set *s = arg;
    struct member *m = instance_member_of(s, i);
    m->fresh = true;
    instance_go_on(s, m);
    combine(s);
}

void instance_set_on_died(void *arg, struct instance *i) {
    struct instance_set *s = arg;
    struct member *m = instance_member_of(s, i);
    m->fresh = false;
    instance_join_lost(&m->join);
    if (!s->up || !m->join.counted) return;
    s->up = false;
    s->calls.died(s->calls.arg);
}

/* ---- commands ---- */

static void deliver(struct loop *l, void *arg) {
    struct instance_set *s = arg;
    (void)l;
    for (struct told **at = &s->first; *at;) {
        struct told *t = *at;
        if (t->waiting) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        s->calls.told(s->calls.arg, t->id, t->ok, t->offset);
        free(t);
        at = &s->first; /* the call may have told something new */
    }
}

/* The number in "OK 1234"; 0 when there is none. */
static uint64_t number_in(const char *text, size_t len) {
    uint64_t n = 0;
    const char *space = memchr(text, ' ', len);
    if (space) {
        len -= (size_t)(space + 1 - text);
        text = space + 1;
    }
    return num_parse_u64(text, len, &n) ? n : 0;
}

static void on_answer(void *arg, struct instance *i, uint32_t id, bool ok, const char *text,
                      size_t len) {
    struct told *t = arg;
    (void)id;
    bool counts = instance_member_of(t->set, i)->join.counted;
    if (!ok && counts)
        log_warning("server %d refuses a command of had: %.*s", instance_conf_of(i)->number,
                    (int)len, text);
    if (!counts) ok = true; /* let go meanwhile */
    if (ok && counts) t->offset += number_in(text, len);
    t->ok = t->ok && ok;
    t->waiting--;
    loop_timer_start(t->set->answer, 0, 0);
}

int instance_words_of(const struct instance_tell *t, uint16_t port, const char *argv[5],
                      char scratch[2][24]) {
    static const char *const verbs[HA_TELLS] = {
        [HA_TELL_NONE] = "NONE",    [HA_TELL_MASTER] = "MASTER", [HA_TELL_SLAVE] = "SLAVE",
        [HA_TELL_ALONE] = "ALONE",  [HA_TELL_FSYNC] = "FSYNC",   [HA_TELL_PAUSE] = "PAUSE",
        [HA_TELL_RESUME] = "RESUME"};
    int n = 0;
    argv[n++] = "DUET";
    argv[n++] = verbs[t->what];
    if (t->what == HA_TELL_MASTER || t->what == HA_TELL_SLAVE) {
        snprintf(scratch[0], 24, "%llu", (unsigned long long)t->epoch);
        argv[n++] = scratch[0];
    }
    if (t->what == HA_TELL_SLAVE) {
        snprintf(scratch[1], 24, "%u", port);
        argv[n++] = t->host;
        argv[n++] = scratch[1];
    }
    if (t->what == HA_TELL_ALONE) argv[n++] = t->alone ? "1" : "0";
    if (t->what == HA_TELL_PAUSE) {
        snprintf(scratch[0], 24, "%u", t->ms);
        argv[n++] = scratch[0];
    }
    return n;
}

void instance_set_tell(struct instance_set *s, const struct instance_tell *t) {
    struct told *made = xcalloc(1, sizeof *made);
    struct told **end = &s->first;
    made->set = s;
    made->id = t->id;
    made->ok = true;
    while (*end) end = &(*end)->next;
    *end = made;
    for (int k = 0; k < s->count; k++) {
        struct member *m = &s->members[k];
        const char *argv[5];
        char scratch[2][24];
        if (!m->join.counted) continue;
        int argc = instance_words_of(t, instance_conf_of(m->i)->port, argv, scratch);
        if (instance_tell(m->i, t->id, on_answer, made, argc, argv))
            made->waiting++;
        else
            made->ok = false;
    }
    if (!made->waiting) loop_timer_start(s->answer, 0, 0);
}

/* ---- the rest ---- */

void instance_set_wish(struct instance_set *s, const struct instance_wish *w) {
    s->wish = *w;
}

void instance_set_tick(struct instance_set *s, uint64_t now_ns) {
    s->now_ns = now_ns;
    for (int k = 0; k < s->count; k++) {
        instance_tick(s->members[k].i, now_ns);
    }
    instance_drop_gone(s);
}

void instance_set_ask(struct instance_set *s, uint64_t now_ns) {
    s->now_ns = now_ns;
    for (int k = 0; k < s->count; k++) instance_ask(s->members[k].i, now_ns);
}

void instance_set_lease(struct instance_set *s, uint64_t epoch, uint64_t until_ns) {
    for (int k = 0; k < s->count; k++) instance_lease(s->members[k].i, epoch, until_ns);
}

void instance_set_alive(const struct instance_set *s, uint64_t now_ns, uint64_t *server_ns,
                        uint64_t *executor_ns) {
    *server_ns = *executor_ns = UINT64_MAX;
    for (int k = 0; k < s->count; k++) {
        uint64_t server, executor;
        if (!s->members[k].join.counted) continue;
        instance_alive(s->members[k].i, now_ns, &server, &executor);
        if (server < *server_ns) *server_ns = server;
        if (executor < *executor_ns) *executor_ns = executor;
    }
}

int instance_set_count(const struct instance_set *s) {
    return s->count;
}
struct instance *instance_set_server(struct instance_set *s, int i) {
    return s->members[i].i;
}

const struct instance *instance_set_at(const struct instance_set *s, int i) {
    return s->members[i].i;
}

struct instance_set *instance_set_new(struct loop *l, const char *root,
                                      const struct instance_conf *confs, int count,
                                      const struct instance_set_calls *calls, char *err,
                                      size_t err_size) {
    struct instance_set *s = xcalloc(1, sizeof *s);
    must(count > 0 && count <= INSTANCE_LIMIT, "a node has instances");
    s->loop = l;
    s->calls = *calls;
    snprintf(s->root, sizeof s->root, "%s", root);
    s->answer = loop_timer_new(l, deliver, s);
    for (int k = 0; k < count; k++) {
        if (instance_add(s, &confs[k], true, err, err_size)) continue;
        instance_set_free(s);
        return NULL;
    }
    return s;
}

void instance_set_free(struct instance_set *s) {
    if (!s) return;
    for (int k = 0; k < s->count; k++) instance_free(s->members[k].i);
    while (s->first) {
        struct told *t = s->first;
        s->first = t->next;
        free(t);
    }
    loop_timer_free(s->answer);
    free(s);
}
