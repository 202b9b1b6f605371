/* dump.rdb: SAVE, BGSAVE and `save` points. */
#include "server/persist/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/store/store.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_S = 5, LOOKED_AT_FIRST = 5000 };

static int64_t now_s(void) {
    return clock_wall_ms() / 1000;
}

static bool saving_begins(struct persist *p, const struct persist_pos *pos) {
    (void)pos;
    p->changes_at_save = p->changes;
    return true;
}

static void saved(struct persist *p, int error, const char *reason) {
    p->saving = NULL;
    p->last_save_ok = error == 0;
    p->last_save_took_s = now_s() - p->last_try_s;
    if (error) {
        log_error("persistence: %s was not written: %s", p->rdb_path,
                  reason ? reason : strerror(error));
    } else {
        p->changes -= p->changes_at_save;
        p->last_save_s = now_s();
        p->saves++;
        log_notice("persistence: %s was written", p->rdb_path);
    }
    persist_changed(p);
}

bool persist_save(struct persist *p, bool foreground, char *err, size_t err_size) {
    if (p->loading) {
        snprintf(err, err_size, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    if (p->saving) {
        snprintf(err, err_size, "ERR Background save already in progress");
        return false;
    }
    char why[200];
    if (!walks_can_write(p, p->o.rdb_version, foreground ? SIZE_MAX : LOOKED_AT_FIRST, why,
                         sizeof why)) {
        snprintf(err, err_size, "ERR %s", why);
        return false;
    }
    p->last_try_s = now_s();
    p->saving =
        file_walk_start(p, p->rdb_path, PERSIST_WALK_SAVE, p->o.rdb_version, saving_begins, saved);
    if (!foreground) return true;
    walks_give_up_sockets(p);
    while (p->saving) walks_push(p);
    if (!p->last_save_ok) snprintf(err, err_size, "ERR");
    return p->last_save_ok;
}

void persist_flushed(struct persist *p) {
    char err[200];
    if (p->loading) return;
    if (p->saving) file_walk_cancel(p->saving);
    p->saving = NULL;
    if (!p->o.save_count) return;
    /* Nothing is left to write: it takes a moment, unless another walk is before it. */
    bool now = !p->walks && !store_walking(p->store);
    if (!persist_save(p, now, err, sizeof err)) log_error("persistence: after FLUSHALL: %s", err);
}

void save_second(struct persist *p) {
    char err[64];
    if (p->saving || p->loading || p->loaded.damaged) return;
    if (!p->last_save_ok && now_s() - p->last_try_s < RETRY_S) return;
    for (size_t i = 0; i < p->o.save_count; i++) {
        const struct persist_save_point *s = &p->o.save[i];
        if ((int64_t)p->changes < s->changes || now_s() - p->last_save_s <= s->seconds) continue;
        log_notice("persistence: %lld changes in %lld seconds: saving", (long long)s->changes,
                   (long long)s->seconds);
        persist_save(p, false, err, sizeof err);
        return;
    }
}
