/* See load.h: RDB files. */
#include "server/persist/load_inside.h"

#include "server/base/log.h"
#include "server/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_aux(struct loader *l) {
    const struct rdb_reader *r = &l->rdb;
    char text[24];
    if (r->b.len >= sizeof text && !bytes_is(r->a, "repl-id")) return;
    if (bytes_is(r->a, "repl-id") && r->b.len == PERSIST_ID_CHARS) {
        memcpy(l->pos.id, r->b.p, r->b.len);
        l->pos.id[r->b.len] = '\0';
        return;
    }
    memcpy(text, r->b.p, r->b.len < sizeof text ? r->b.len : 0);
    text[r->b.len < sizeof text ? r->b.len : 0] = '\0';
    if (bytes_is(r->a, "repl-offset")) l->pos.offset = strtoull(text, NULL, 10);
    if (bytes_is(r->a, "repl-stream-db")) l->pos.db = atoi(text);
}

static bool base_event(struct loader *l, enum rdb_event ev) {
    struct rdb_reader *r = &l->rdb;
    switch (ev) {
    case RDB_AUX: take_aux(l); return true;
    case RDB_SELECT:
        if (r->number < (uint64_t)store_databases(l->p->store)) {
            l->value.db = (int)r->number;
            return true;
        }
        snprintf(l->error, sizeof l->error,
                 "database %" PRIu64 " is not one of the %d there are (see `databases`)", r->number,
                 store_databases(l->p->store));
        return false;
    case RDB_KEY_END: l->p->loaded.keys++; return true;
    case RDB_SKIP:
        log_warning("persistence: %s: a %.*s section is skipped", l->path, (int)r->a.len, r->a.p);
        return true;
    default: return value_load_event(&l->value, ev, r, l->error, sizeof l->error);
    }
}

enum persist_load load_base_step(struct loader *l) {
    struct load_bytes *b = &l->bytes;
    enum rdb_event ev = rdb_read(&l->rdb, buf_len(&b->in) ? buf_head(&b->in) : "", buf_len(&b->in));
    if (ev == RDB_BAD) return load_damaged(l, b->at, l->rdb.error);
    if (ev == RDB_MORE) {
        load_bytes_drop(b, l->rdb.used);
        if (load_bytes_have(b, l->rdb.need)) return PERSIST_LOADING;
        return load_damaged(l, b->at + buf_len(&b->in),
                            b->error[0] ? b->error : "the file ends too early");
    }
    if (ev != RDB_END && !base_event(l, ev)) return load_damaged(l, b->at, l->error);
    load_bytes_drop(b, l->rdb.used);
    return ev == RDB_END ? PERSIST_LOADED : PERSIST_LOADING;
}
