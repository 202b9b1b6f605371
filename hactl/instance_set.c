#include "hactl/instance_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
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

struct instance_set {
    struct instance_set_calls calls;
    struct instance *members[INSTANCE_LIMIT];
    int count;
    bool fresh[INSTANCE_LIMIT]; /* answered since the last combined status */
    bool up;
    struct told *first;        /* under way */
    struct loop_timer *answer; /* delivers what is complete, outside of _tell */
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
    if (one->fsync_age_ns > all->fsync_age_ns) all->fsync_age_ns = one->fsync_age_ns;
}

static int index_of(const struct instance_set *s, const struct instance *i) {
    for (int k = 0; k < s->count; k++)
        if (s->members[k] == i) return k;
    bug("an instance of another set");
}

static void on_status(void *arg, struct instance *i) {
    struct instance_set *s = arg;
    struct ha_server all = {0};
    s->fresh[index_of(s, i)] = true;
    for (int k = 0; k < s->count; k++)
        if (!s->fresh[k] || !instance_status(s->members[k])) return;
    for (int k = 0; k < s->count; k++) {
        instance_set_fold(&all, &instance_status(s->members[k])->server, k);
        s->fresh[k] = false;
    }
    s->up = true;
    s->calls.status(s->calls.arg, &all);
}

static void on_died(void *arg, struct instance *i) {
    struct instance_set *s = arg;
    s->fresh[index_of(s, i)] = false;
    if (!s->up) return;
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
    if (!ok)
        log_warning("server %d refuses a command of had: %.*s", instance_conf_of(i)->number,
                    (int)len, text);
    if (ok) t->offset += number_in(text, len);
    t->ok = t->ok && ok;
    t->waiting--;
    loop_timer_start(t->set->answer, 0, 0);
}

/* The words of a command for one server; scratch holds the numbers. */
static int words_of(const struct instance_tell *t, uint16_t port, const char *argv[5],
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
        const char *argv[5];
        char scratch[2][24];
        int argc = words_of(t, instance_conf_of(s->members[k])->port, argv, scratch);
        if (instance_tell(s->members[k], t->id, on_answer, made, argc, argv))
            made->waiting++;
        else
            made->ok = false;
    }
    if (!made->waiting) loop_timer_start(s->answer, 0, 0);
}

/* ---- the rest ---- */

void instance_set_tick(struct instance_set *s, uint64_t now_ns) {
    for (int k = 0; k < s->count; k++) instance_tick(s->members[k], now_ns);
}

void instance_set_lease(struct instance_set *s, uint64_t epoch, uint64_t until_ns) {
    for (int k = 0; k < s->count; k++) instance_lease(s->members[k], epoch, until_ns);
}

void instance_set_alive(const struct instance_set *s, uint64_t now_ns, uint64_t *server_ns,
                        uint64_t *executor_ns) {
    *server_ns = *executor_ns = UINT64_MAX;
    for (int k = 0; k < s->count; k++) {
        uint64_t server, executor;
        instance_alive(s->members[k], now_ns, &server, &executor);
        if (server < *server_ns) *server_ns = server;
        if (executor < *executor_ns) *executor_ns = executor;
    }
}

int instance_set_count(const struct instance_set *s) {
    return s->count;
}
const struct instance *instance_set_at(const struct instance_set *s, int i) {
    return s->members[i];
}

struct instance_set *instance_set_new(struct loop *l, const char *root,
                                      const struct instance_conf *confs, int count,
                                      const struct instance_set_calls *calls, char *err,
                                      size_t err_size) {
    struct instance_set *s = xcalloc(1, sizeof *s);
    struct instance_calls each = {.arg = s, .status = on_status, .died = on_died};
    must(count > 0 && count <= INSTANCE_LIMIT, "a node has instances");
    s->calls = *calls;
    s->answer = loop_timer_new(l, deliver, s);
    for (int k = 0; k < count; k++) {
        s->members[k] = instance_new(l, root, &confs[k], &each);
        if (!s->members[k]) {
            snprintf(err, err_size, "%s/run/lease-%d: the lease page cannot be made: %s", root,
                     confs[k].number, strerror(errno));
            instance_set_free(s);
            return NULL;
        }
        s->count = k + 1;
    }
    return s;
}

void instance_set_free(struct instance_set *s) {
    if (!s) return;
    for (int k = 0; k < s->count; k++) instance_free(s->members[k]);
    while (s->first) {
        struct told *t = s->first;
        s->first = t->next;
        free(t);
    }
    loop_timer_free(s->answer);
    free(s);
}
