/* See load.h: increments, block by block. logblock.h says what tells a torn tail (cut, reported) from damage (refused
 * with file and byte). */
#include "server/persist/load_inside.h"

#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/logscan.h"
#include "server/store/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ITEMS_A_STEP = 64,
    ASK_BUCKET_AHEAD = 16, /* commands */
    ASK_ENTRY_AHEAD = 8
};

static void part_path(const struct loader *l, unsigned number, char *path, size_t size) {
    manifest_part_path(path, size, l->p->log_dir, number, "incr");
}

static void cut_tail(struct loader *l, uint64_t at) {
    struct persist_loaded *r = l->result;
    char path[512];
    r->cut_bytes = aof_end_of_data(l->path, at, l->size) - at;
    l->stopped = true;
    if (!l->part) return; /* it is being written, or belongs to somebody else */
    l->part->bytes = at;
    for (unsigned n = l->number + 1;; n++) {
        part_path(l, n, path, sizeof path);
        if (!file_exists(path)) break;
        r->cut_bytes += load_file_bytes(path);
        if (l->at_start && !l->look_only) unlink(path);
    }
    log_warning("persistence: %s: a torn tail of %" PRIu64 " bytes was cut off at byte %" PRIu64
                " (stream offset %" PRIu64 ")",
                l->path, r->cut_bytes, at, l->pos.offset);
}

static enum persist_load torn(struct loader *l, uint64_t at, const char *what) {
    if (aof_end_of_data(l->path, at, l->size) == at) {
        if (l->part) l->part->bytes = at; /* room that was made ahead: the part's end */
        return PERSIST_LOADED;
    }
    if (logscan_vouched(l->p->log_dir, l->number, at + 1, l->pos.offset))
        return load_damaged(l, at, what);
    cut_tail(l, at);
    return PERSIST_LOADED;
}

/* A SET whose entry is made: it takes the place of what is there. */
static bool put_made(struct loader *l, struct load_item *i) {
    struct store *s = l->p->store;
    if (i->db >= store_databases(s)) return false;
    if (!apart_join(s, i->db, i->made, i->argv[1], i->hash, false)) {
        store_delete(s, i->db, store_find_hashed(s, i->db, i->argv[1], i->hash));
        apart_join(s, i->db, i->made, i->argv[1], i->hash, false);
    }
    i->made.e = NULL; /* the store's now */
    persist_count_changes(l->p, 1);
    return true;
}

static bool run(struct loader *l, struct load_item *i) {
    l->result->commands++;
    if (i->made.e && put_made(l, i)) return true;
    return l->p->world.run(l->p->world.arg, i->db, (int)i->number, i->argv, l->error,
                           sizeof l->error);
}

static void take_block(struct loader *l, const struct load_item *i) {
    const struct logblock *b = i->block;
    if (!l->any && l->part) l->part->first_offset = b->offset;
    l->any = true;
    if (l->part) aof_mark(l->part, b->offset, i->at);
    memcpy(l->pos.id, b->id, sizeof l->pos.id);
    l->pos.offset = b->offset + b->len;
    l->pos.db = i->db;
    l->result->clean = b->kind == LOGBLOCK_CLEAN_END;
}

static enum persist_load take_item(struct loader *l, struct load_item *i) {
    switch ((enum load_what)i->what) {
    case LOAD_COMMAND: return run(l, i) ? PERSIST_LOADING : load_damaged(l, i->at, l->error);
    case LOAD_BLOCK: take_block(l, i); return PERSIST_LOADING;
    case LOAD_END: l->stopped = i->number; return PERSIST_LOADED;
    case LOAD_BAD: return load_damaged(l, i->at, i->a.p);
    case LOAD_TORN: return torn(l, i->at, i->a.p);
    default: bug("an increment holds nothing else");
    }
}

/* Where the key of a command to come stands, and then the key itself, are in the cache by the time it comes. */
static void ask_for(const struct loader *l, const struct load_batch *b, size_t n) {
    struct store *s = l->p->store;
    if (n + ASK_BUCKET_AHEAD < b->count && b->items[n + ASK_BUCKET_AHEAD].hash) {
        const struct load_item *i = &b->items[n + ASK_BUCKET_AHEAD];
        if (i->db < store_databases(s)) store_prefetch_bucket(s, i->db, i->hash);
    }
    if (n + ASK_ENTRY_AHEAD < b->count && b->items[n + ASK_ENTRY_AHEAD].hash) {
        const struct load_item *i = &b->items[n + ASK_ENTRY_AHEAD];
        if (i->db < store_databases(s)) store_prefetch_entry(s, i->db, i->hash);
    }
}

enum persist_load load_incr_step(struct loader *l) {
    struct load_batch *b = load_batch_now(l);
    if (!b) return PERSIST_LOADING;
    for (int n = 0; n < ITEMS_A_STEP && l->item < b->count; n++) {
        ask_for(l, b, l->item);
        enum persist_load st = take_item(l, &b->items[l->item++]);
        if (st != PERSIST_LOADING) return st;
    }
    return PERSIST_LOADING;
}

bool load_incr_next(struct loader *l) {
    const struct manifest *m = &l->p->aof.m;
    struct incr_reader *r = &l->incr;
    unsigned first = l->ranged ? l->range.number : m->base ? m->base : m->first;
    l->number = l->number ? l->number + 1 : first;
    if (l->number == 0 || l->stopped) return false;
    part_path(l, l->number, l->path, sizeof l->path);
    r->any = l->any;
    r->offset = l->pos.offset;
    r->db = l->pos.db;
    r->ranged = l->ranged;
    r->range = l->range;
    if (!load_open(l, l->path, load_incr_fill, r)) return false;
    if (!l->ranged) l->part = aof_add_part(&l->p->aof, l->number, l->pos.offset, l->size);
    return true;
}
