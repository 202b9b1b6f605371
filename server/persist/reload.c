/* Reading the data back from disk while the server runs, for DEBUG: dump.rdb, or the log. Blocks. */
#include "server/persist/inside.h"

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/persist/load.h"
#include "server/persist/value.h"
#include "server/proto/rdb.h"
#include "server/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUDGET_US = 1000000 };

size_t persist_value_bytes(const struct persist *p, const struct entry *e) {
    struct buf whole = BUF_INIT, key = BUF_INIT;
    struct value_style style = {RDB_VERSION, p->o.rdb_compression};
    value_save(&whole, e, &style);
    rdb_put_key(&key, 0, entry_key(e), entry_expiry(e), p->o.rdb_compression);
    size_t n = buf_len(&whole) - buf_len(&key);
    buf_free(&whole);
    buf_free(&key);
    return n;
}

/* Lets walks that write files come to their end. */
static void wait_for_walks(struct persist *p) {
    walks_give_up_sockets(p);
    while (p->saving || p->rewriting || p->committing) walks_push(p);
}

bool persist_save_now(struct persist *p, char *err, size_t err_size) {
    if (!p->loading) wait_for_walks(p);
    return persist_save(p, true, err, err_size);
}

static bool run_loader(struct persist *p, struct loader *l, char *err, size_t err_size) {
    enum persist_load st;
    do st = loader_step(l, BUDGET_US);
    while (st == PERSIST_LOADING);
    loader_free(l);
    if (st == PERSIST_LOADED) return true;
    snprintf(err, err_size, "%s", p->loaded.text);
    return false;
}

bool persist_reload(struct persist *p, bool merge, char *err, size_t err_size) {
    struct persist_loaded before = p->loaded;
    wait_for_walks(p);
    struct loader *l = loader_base(p, p->rdb_path, NULL);
    loader_set_merge(l, merge);
    bool ok = run_loader(p, l, err, err_size);
    p->loaded = before;
    return ok;
}

bool persist_has_off_base(const struct persist *p) {
    char *path = xasprintf("%s/%s", p->log_dir, REWRITE_OFF_BASE);
    bool there = file_exists(path);
    free(path);
    return there;
}

static bool load_off_base(struct persist *p, char *err, size_t err_size) {
    struct persist_loaded before = p->loaded;
    char *path = xasprintf("%s/%s", p->log_dir, REWRITE_OFF_BASE);
    store_flush_all(p->store);
    bool ok = run_loader(p, loader_base(p, path, NULL), err, err_size);
    free(path);
    p->loaded = before;
    return ok;
}

bool persist_replay(struct persist *p, char *err, size_t err_size) {
    struct persist_loaded before = p->loaded;
    struct aof live = p->aof;
    bool ok = false;
    wait_for_walks(p);
    if (!p->o.log_on) return load_off_base(p, err, err_size);
    live = p->aof;
    aof_init(&p->aof, p->log_dir);
    if (manifest_read(p->log_dir, &p->aof.m, err, err_size) == MANIFEST_OK) {
        p->aof.next = p->aof.m.first ? p->aof.m.first : p->aof.m.base;
        store_flush_all(p->store);
        struct loader *l = loader_new(p);
        loader_look_only(l);
        ok = run_loader(p, l, err, err_size);
    }
    aof_free(&p->aof);
    p->aof = live;
    p->loaded = before;
    return ok;
}
