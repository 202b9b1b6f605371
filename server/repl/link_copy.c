/* A full copy on its way: received into a file, then loaded in place of the data. */
#include "server/base/log.h"
#include "server/repl/link_inside.h"
#include "server/store/store.h"

#include <stdlib.h>
#include <string.h>

void link_copy_receive(struct link *k) {
    char *path = xasprintf("%s/received.rdb", k->r->dir);
    log_notice("replication: receiving a full copy from %s:%u, offset %llu", k->host, k->port,
               (unsigned long long)k->full_offset);
    if (!spool_open(&k->spool, path, &k->header, store_databases(k->r->store))) {
        link_complain(k, "%s", k->spool.error);
        link_event(k, LINK_EV_LOST);
    }
    free(path);
}

static void loaded(void *arg, bool ok, const char *reason) {
    struct link *k = arg;
    struct repl *r = k->r;
    k->replacing = false;
    if (ok) {
        stream_restart(r, k->full_id, k->full_offset, k->spool_db);
        r->whole = true;
        log_notice("replication: the copy is loaded: %s", reason);
    } else {
        link_complain(k, "the copy could not be loaded: %s", reason);
    }
    if (r->world.replaced) r->world.replaced(r->world.arg);
    if (k->start_later) {
        k->start_later = false;
        link_event(k, LINK_EV_START);
    } else {
        link_event(k, ok ? LINK_EV_LOADED : LINK_EV_LOST);
    }
    repl_changed(r);
}

void link_copy_load(struct link *k) {
    struct repl *r = k->r;
    char err[160];
    struct persist_pos pos = {.offset = k->full_offset, .db = k->spool.db};
    memcpy(pos.id, k->full_id, sizeof pos.id);
    char *path = xstrdup(k->spool.path);
    k->spool_db = k->spool.db;
    spool_close(&k->spool, true);
    feeds_drop(r, "this slave takes a full copy itself");
    feeds_reap(r);
    transfers_close(r);
    if (r->world.replaced) r->world.replaced(r->world.arg);
    k->replacing =
        persist_replace(r->persist, path, &pos, k->keep_old || persist_loaded(r->persist)->damaged,
                        loaded, k, err, sizeof err);
    free(path);
    if (k->replacing) {
        r->whole = false;
        return;
    }
    link_complain(k, "the copy cannot be loaded: %s", err);
    link_event(k, LINK_EV_LOST);
}

bool link_take_copy(struct link *k) {
    size_t used;
    enum spool_state st = spool_add(&k->spool, buf_head(&k->in), buf_len(&k->in), &used);
    if (st == SPOOL_BAD) {
        link_complain(k, "%s", k->spool.error);
        link_event(k, LINK_EV_LOST);
        return false;
    }
    buf_eat(&k->in, used);
    if (st == SPOOL_DONE) link_event(k, LINK_EV_RDB_END);
    return st == SPOOL_DONE;
}
