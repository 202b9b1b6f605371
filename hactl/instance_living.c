#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/instance_inside.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"

#define TELL_EACH_NS (100 * NS_PER_MS) /* one that joins is told no faster */

/* ---- those that come and go ---- */

static void ignore_answer(void *arg, struct instance *i, uint32_t id, bool ok, const char *text,
                          size_t len) {
    (void)arg, (void)id;
    if (!ok)
        log_warning("server %d, which does not count yet, refuses a command of had: %.*s",
                    instance_conf_of(i)->number, (int)len, text);
}

static void tell_one(struct instance_set *s, struct member *m, enum instance_step step) {
    struct instance_tell t = {.epoch = s->wish.epoch, .host = s->wish.host};
    const char *argv[5];
    char scratch[2][24];
    if (step == INSTANCE_MASTER) t.what = HA_TELL_MASTER;
    if (step == INSTANCE_SLAVE) t.what = HA_TELL_SLAVE;
    if (step == INSTANCE_NONE) t.what = HA_TELL_NONE;
    if (step == INSTANCE_HOLD || step == INSTANCE_RELEASE) t.what = HA_TELL_ALONE;
    t.alone = step == INSTANCE_RELEASE;
    int argc = instance_words_of(&t, instance_conf_of(m->i)->port, argv, scratch);
    m->told_ns = s->now_ns;
    instance_tell(m->i, 0, ignore_answer, NULL, argc, argv);
}

void instance_go_on(struct instance_set *s, struct member *m) {
    const struct ha_server *one = &instance_status(m->i)->server;
    if (!m->join.counted && s->now_ns - m->told_ns < TELL_EACH_NS) return;
    enum instance_step step = instance_next(&m->join, one, &s->wish, instance_bit_of(m));
    if (step == INSTANCE_WAIT) return;
    if (step == INSTANCE_COUNT || step == INSTANCE_LET_GO) {
        m->boot = one->boot;
        log_notice("server %d %s", instance_conf_of(m->i)->number,
                   step == INSTANCE_COUNT
                       ? "is where the others are: it counts from now on"
                       : "does not count any more: it, or the other node's, was removed");
        return;
    }
    tell_one(s, m, step);
}

/* A leaving one is kept until the peer does not count it: until then the two name their links with it. */
static bool is_gone(const struct instance_set *s, const struct member *m) {
    if (!m->join.leaving || m->join.counted || instance_busy(m->i)) return false;
    return !s->wish.peer_fresh || !(s->wish.peer_counts & instance_bit_of(m)) ||
           !instance_status(m->i);
}

void instance_drop_gone(struct instance_set *s) {
    for (int k = 0; k < s->count;) {
        if (!is_gone(s, &s->members[k])) {
            k++;
            continue;
        }
        instance_free(s->members[k].i);
        memmove(&s->members[k], &s->members[k + 1],
                (size_t)(s->count - k - 1) * sizeof s->members[0]);
        s->count--;
    }
}

const char *instance_set_waits(const struct instance_set *s, int i) {
    static const struct ha_server none;
    const struct member *m = &s->members[i];
    const struct instance_status *st = instance_status(m->i);
    return instance_join_why(&m->join, st ? &st->server : &none, &s->wish, instance_bit_of(m));
}

/* ---- the configuration ---- */

static struct member *member_named(struct instance_set *s, int number) {
    for (int k = 0; k < s->count; k++)
        if (instance_conf_of(s->members[k].i)->number == number) return &s->members[k];
    return NULL;
}

bool instance_add(struct instance_set *s, const struct instance_conf *conf, bool counts, char *err,
                  size_t err_size) {
    struct instance_calls each = {
        .arg = s, .status = instance_set_on_status, .died = instance_set_on_died};
    struct member made = {.join = {.counted = counts, .hold_from = UINT64_MAX}};
    int at = 0;
    if (s->count == 2 * INSTANCE_LIMIT) {
        snprintf(err, err_size, "too many instances were removed just now; try again in a minute");
        return false;
    }
    made.i = instance_new(s->loop, s->root, conf, &each);
    if (!made.i) {
        snprintf(err, err_size, "%s/run/lease-%d: the lease page cannot be made: %s", s->root,
                 conf->number, strerror(errno));
        return false;
    }
    while (at < s->count && instance_conf_of(s->members[at].i)->number < conf->number) at++;
    memmove(&s->members[at + 1], &s->members[at], (size_t)(s->count - at) * sizeof made);
    s->members[at] = made;
    s->count++;
    return true;
}

static const struct instance_conf *conf_named(const struct instance_conf *confs, int count,
                                              int number) {
    for (int k = 0; k < count; k++)
        if (confs[k].number == number) return &confs[k];
    return NULL;
}

/* What would not work is refused before anything is done. */
static bool may_take(struct instance_set *s, const struct instance_conf *confs, int count,
                     char *err, size_t err_size) {
    bool stays = false;
    for (int k = 0; k < s->count; k++) {
        int number = instance_conf_of(s->members[k].i)->number;
        const struct instance_conf *c = conf_named(confs, count, number);
        stays |= c && s->members[k].join.counted;
        if (c && c->port != instance_conf_of(s->members[k].i)->port) {
            snprintf(err, err_size,
                     "the port of instance %d cannot change while the node runs; restart the node",
                     number);
            return false;
        }
    }
    if (!stays) snprintf(err, err_size, "no instance would be left that is in use");
    return stays;
}

bool instance_set_take(struct instance_set *s, const struct instance_conf *confs, int count,
                       char *err, size_t err_size) {
    if (!may_take(s, confs, count, err, err_size)) return false;
    for (int k = 0; k < count; k++) {
        if (member_named(s, confs[k].number)) continue;
        if (!instance_add(s, &confs[k], false, err, err_size)) return false;
        log_notice("server %d is new", confs[k].number);
    }
    for (int k = 0; k < s->count; k++) {
        struct member *m = &s->members[k];
        const struct instance_conf *c = conf_named(confs, count, instance_conf_of(m->i)->number);
        if (c) instance_set_async(m->i, c->async);
        if (c) m->join.leaving = false; /* taken back before it had left */
        if (c || m->join.leaving) continue;
        m->join.leaving = true;
        m->join.counted = false; /* at once: its server ends soon, and that is no failure */
        log_notice("server %d leaves", instance_conf_of(m->i)->number);
    }
    return true;
}
