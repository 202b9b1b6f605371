/* Full synchronisation of slaves: the snapshot walk goes straight to their sockets, in the form
 * that ends with a mark (to old ones over a file, since they want its length first). Slaves that come before the walk begins share it. The walk goes at the
 * pace of the slowest; what changes meanwhile must be written out first and piles up in that
 * slave's buffer, up to slave_limit_bytes: then it is given up with a reason. */
#include "server/repl/inside.h"

#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/rand.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM_BYTES = 4 * 1024 * 1024 };

static bool shares(const struct feed *f, const struct transfer *t) {
    return f->transfer == t && !f->dead;
}

static void transfer_free(struct transfer *t) {
    struct transfer **at = &t->r->transfers;
    while (*at != t) at = &(*at)->next;
    *at = t->next;
    for (struct feed *f = t->r->feeds; f; f = f->next)
        if (f->transfer == t) f->transfer = NULL;
    if (t->file >= 0) close(t->file);
    free(t);
}

static void open_file(struct transfer *t) {
    t->file = open(t->r->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    t->failed = t->file < 0;
    if (t->failed) log_warning("replication: no file for a copy in %s: %m", t->r->dir);
}

static void copy_begin(void *arg, const struct persist_pos *pos) {
    struct transfer *t = arg;
    t->begun = true;
    if (t->r->role == REPL_MASTER) t->r->db = -1; /* who reads no aux fields needs a SELECT */
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        f->state = FEED_BULK;
        f->sent = pos->offset;
        if (f->psync)
            buf_printf(&f->out, "+FULLRESYNC %s %llu\r\n", pos->id,
                       (unsigned long long)pos->offset);
        if (!t->spooled) {
            buf_add_str(&f->out, "$EOF:");
            buf_add(&f->out, t->mark, sizeof t->mark);
            buf_add_str(&f->out, "\r\n");
        }
        feed_flush(f);
    }
    if (t->spooled) open_file(t);
    log_notice("replication: a full copy begins at offset %llu", (unsigned long long)pos->offset);
}

static void copy_bytes(void *arg, const void *p, size_t n) {
    struct transfer *t = arg;
    if (t->spooled) {
        t->failed = t->failed || !file_write_all(t->file, p, n);
        t->size += n;
        return;
    }
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        buf_add(&f->out, p, n);
        if (buf_len(&f->out) > t->r->o.slave_limit_bytes)
            feed_end(f, "it takes its full copy slower than the data changes");
        else
            feed_flush(f);
    }
}

static size_t copy_room(void *arg) {
    struct transfer *t = arg;
    size_t room = ROOM_BYTES;
    bool any = false;
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        any = true;
        size_t left = buf_len(&f->out) < ROOM_BYTES ? ROOM_BYTES - buf_len(&f->out) : 0;
        if (left < room) room = left;
    }
    if (any) return room;
    persist_walk_cancel(t->walk);
    transfer_free(t);
    return 0;
}

static void copy_end(void *arg, bool ok, const char *reason) {
    struct transfer *t = arg;
    for (struct feed *f = t->r->feeds; f; f = f->next) {
        if (!shares(f, t)) continue;
        if (!ok || t->failed) {
            log_warning("replication: a full copy was given up: %s",
                        reason ? reason : "its file could not be written");
            feed_end(f, "its full copy was given up");
            continue;
        }
        if (t->spooled) {
            buf_printf(&f->out, "$%llu\r\n", (unsigned long long)t->size);
            f->state = FEED_FILE;
            f->file = dup(t->file);
            f->file_size = t->size;
            feed_flush(f);
            continue;
        }
        buf_add(&f->out, t->mark, sizeof t->mark);
        /* The stream follows only on its first acknowledgement: bytes behind the mark could be
         * taken for the copy's. Who came by SYNC never acknowledges. */
        f->state = f->psync ? FEED_BULK_END : FEED_ONLINE;
        feed_flush(f);
    }
    transfer_free(t);
}

void transfer_join(struct repl *r, struct feed *f) {
    f->state = FEED_WAIT;
    struct transfer *t = r->transfers;
    int version = f->conf.psync2 ? 0 : r->o.old_rdb_version;
    while (t && (t->begun || t->spooled == f->conf.eof || t->rdb_version != version)) t = t->next;
    if (!t) {
        t = xcalloc(1, sizeof *t);
        t->r = r;
        t->file = -1;
        t->spooled = !f->conf.eof;
        t->rdb_version = version;
        char mark[sizeof t->mark + 1];
        rand_hex(mark, sizeof t->mark);
        memcpy(t->mark, mark, sizeof t->mark);
        t->next = r->transfers;
        r->transfers = t;
        struct persist_sink sink = {t,    copy_begin,         copy_bytes, copy_room, copy_end,
                                    true, PERSIST_WALK_SLAVE, version,    false};
        t->walk = persist_walk_start(r->persist, &sink);
    }
    f->transfer = t;
    log_notice("replication: slave %s gets a full copy", f->conf.host);
}

void transfer_left(struct feed *f) {
    f->transfer = NULL; /* the walk notices by itself when nobody is left */
}

void transfers_close(struct repl *r) {
    while (r->transfers) {
        persist_walk_cancel(r->transfers->walk);
        transfer_free(r->transfers);
    }
}
