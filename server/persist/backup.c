/* See backup.h. What the walk hands out is copied and posted to the aside worker, which compresses, sums up and writes;
 * at most IN_FLIGHT_BYTES are on their way before the walk pauses. What changes while it pauses comes all the same: up to
 * IN_FLIGHT_MOST_BYTES, then the set is given up. */
#include "server/persist/backup.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/base/zframe.h"
#include "server/persist/inside.h"
#include "server/persist/worker.h"
#include "server/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LEVEL = 1, /* 3 takes twice the time for a tenth less */
    IN_FLIGHT_BYTES = 8 * 1024 * 1024,
    IN_FLIGHT_MOST_BYTES = 128 * 1024 * 1024,
    SYNC_EVERY_BYTES = 32 * 1024 * 1024
};

struct backup {
    struct persist *p;
    enum backup_state state;
    struct persist_walk *walk; /* NULL once it has ended */
    char *dir, *partial;
    struct backup_set set;
    uint64_t keys_total;
    size_t in_flight;
    bool cancelled;
    char reason[200];
    /* the worker's, from the first chunk on */
    struct zframe_writer *z;
    struct buf out;
    int fd;
    uint64_t unsynced;
    int error;
    _Atomic uint64_t raw, written;
    uint32_t crc;
    struct backup_set made;
};

struct chunk {
    struct backup *b;
    size_t len;
    char bytes[];
};

/* ---- on the worker -------------------------------------------------------------------------- */

static int open_work(void *arg) {
    struct backup *b = arg;
    char *path = xasprintf("%s/" BACKUP_DATA_FILE, b->partial);
    char *set = xasprintf("%s/" BACKUP_SET_FILE, b->partial);
    unlink(path); /* of one that a crash left */
    unlink(set);
    if (!file_make_dirs(b->partial, 0750)) b->error = errno;
    if (!b->error) b->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (!b->error && b->fd < 0) b->error = errno;
    b->z = zframe_writer_new(LEVEL);
    free(path);
    free(set);
    return b->error;
}

static void push_out(struct backup *b) {
    size_t n = buf_len(&b->out);
    if (n == 0 || b->error) return;
    b->crc = crc32c(b->crc, buf_head(&b->out), n);
    if (!file_write_all(b->fd, buf_head(&b->out), n)) b->error = errno;
    atomic_fetch_add(&b->written, n);
    b->unsynced += n;
    buf_clear(&b->out);
    if (b->error || b->unsynced < SYNC_EVERY_BYTES) return;
    b->unsynced = 0;
    if (!file_sync(b->fd)) b->error = errno;
}

static int chunk_work(void *arg) {
    struct chunk *c = arg;
    struct backup *b = c->b;
    if (b->error) return b->error;
    zframe_write(b->z, c->bytes, c->len, false, &b->out);
    atomic_fetch_add(&b->raw, c->len);
    push_out(b);
    return b->error;
}

static bool put_set(struct backup *b) {
    struct buf text = BUF_INIT;
    char *path = xasprintf("%s/" BACKUP_SET_FILE, b->partial);
    b->made = b->set; /* the executor shows b->set meanwhile */
    b->made.end_us = clock_wall_us();
    b->made.crc = b->crc;
    b->made.raw_bytes = atomic_load(&b->raw);
    b->made.bytes = atomic_load(&b->written);
    backup_set_put(&text, &b->made);
    bool ok =
        file_replace(path, buf_head(&text), buf_len(&text), 0640); /* syncs the directory too */
    free(path);
    buf_free(&text);
    return ok;
}

static bool sync_parent(const char *dir) {
    const char *slash = strrchr(dir, '/');
    char *parent = xasprintf("%.*s", slash == dir ? 1 : (int)(slash - dir), dir);
    bool ok = file_sync_dir(parent);
    free(parent);
    return ok;
}

static void throw_away(struct backup *b) {
    static const char *const files[] = {BACKUP_DATA_FILE, BACKUP_SET_FILE, BACKUP_SET_FILE ".tmp"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = xasprintf("%s/%s", b->partial, files[i]);
        unlink(path);
        free(path);
    }
    rmdir(b->partial);
}

static int end_work(void *arg) {
    struct backup *b = arg;
    if (!b->error && !b->cancelled) {
        zframe_write(b->z, "", 0, true, &b->out);
        push_out(b);
        if (!b->error && !file_sync(b->fd)) b->error = errno;
        if (!b->error && !put_set(b)) b->error = errno;
        if (!b->error && file_exists(b->dir))
            b->error = EEXIST; /* rename would take an empty one's place */
        if (!b->error && rename(b->partial, b->dir) != 0) b->error = errno;
        if (!b->error && !sync_parent(b->dir)) b->error = errno;
    }
    if (b->fd >= 0) close(b->fd);
    b->fd = -1;
    if (b->error || b->cancelled) throw_away(b);
    zframe_writer_free(b->z);
    b->z = NULL;
    buf_free(&b->out);
    return b->error;
}

/* ---- on the executor ------------------------------------------------------------------------ */

static void fail(struct backup *b, const char *reason) {
    if (!b->reason[0]) snprintf(b->reason, sizeof b->reason, "%s", reason);
}

static void ended(void *arg, int error) {
    struct backup *b = arg;
    char text[80];
    if (error) fail(b, strerror(error));
    b->state = b->reason[0] ? BACKUP_FAILED : BACKUP_DONE;
    if (b->state == BACKUP_FAILED) {
        log_warning("backup: set %s was not made: %s", b->set.id, b->reason);
        return;
    }
    b->set = b->made;
    num_format_bytes_human(text, sizeof text, b->set.bytes);
    log_notice("backup: set %s is in %s: %llu keys, %s, offset %llu", b->set.id, b->dir,
               (unsigned long long)b->set.keys, text, (unsigned long long)b->set.offset);
}

static void give_up(struct backup *b, const char *reason) {
    fail(b, reason);
    if (!b->walk) return;
    persist_walk_cancel(b->walk);
    b->walk = NULL;
    b->cancelled = true;
    worker_post(b->p->aside_worker, end_work, ended, b);
}

static void opened(void *arg, int error) {
    if (error) give_up(arg, strerror(error));
}

static void sink_begin(void *arg, const struct persist_pos *pos) {
    struct backup *b = arg;
    struct store *s = b->p->store;
    b->state = BACKUP_RUNNING;
    b->set.begin_us = clock_wall_us();
    for (int db = 0; db < store_databases(s); db++) b->set.keys += store_count(s, db);
    b->keys_total = b->set.keys;
    b->set.offset = pos->offset;
    b->set.db = pos->db;
    memset(b->set.replid, '0', PERSIST_ID_CHARS);
    if (pos->id[0]) memcpy(b->set.replid, pos->id, PERSIST_ID_CHARS);
    worker_post(b->p->aside_worker, open_work, opened, b);
}

static void chunk_done(void *arg, int error) {
    struct chunk *c = arg;
    struct backup *b = c->b;
    b->in_flight -= c->len;
    free(c);
    if (error) give_up(b, strerror(error));
}

static void sink_bytes(void *arg, const void *p, size_t n) {
    struct backup *b = arg;
    if (b->reason[0]) return;
    struct chunk *c = xmalloc(sizeof *c + n);
    c->b = b;
    c->len = n;
    memcpy(c->bytes, p, n);
    b->in_flight += n;
    worker_post(b->p->aside_worker, chunk_work, chunk_done, c);
    if (b->in_flight > IN_FLIGHT_MOST_BYTES)
        fail(b, "the data changes faster than the set can be written");
}

static size_t sink_room(void *arg) {
    struct backup *b = arg;
    if (b->reason[0]) {
        give_up(b, "");
        return 0;
    }
    return b->in_flight < IN_FLIGHT_BYTES ? IN_FLIGHT_BYTES - b->in_flight : 0;
}

static void sink_end(void *arg, bool ok, const char *reason) {
    struct backup *b = arg;
    b->walk = NULL;
    if (!ok) fail(b, reason ? reason : "the snapshot was given up");
    b->cancelled = b->reason[0] != '\0';
    worker_post(b->p->aside_worker, end_work, ended, b);
}

/* ---- outside -------------------------------------------------------------------------------- */

static bool under_way(const struct backup *b) {
    return b && (b->state == BACKUP_WAITING || b->state == BACKUP_RUNNING);
}

static void backup_free(struct backup *b) {
    if (!b) return;
    free(b->dir);
    free(b->partial);
    free(b);
}

bool backup_start(struct persist *p, const struct backup_set *what, const char *dir, char *err,
                  size_t err_size) {
    if (under_way(p->backup)) {
        snprintf(err, err_size, "set %s is being made; wait for it, or cancel it",
                 p->backup->set.id);
        return false;
    }
    if (p->loading || p->loaded.damaged) {
        snprintf(err, err_size,
                 p->loading ? "the data is being loaded; try again when it is there"
                            : "the log is damaged, and nothing was loaded: there is no data");
        return false;
    }
    if (dir[0] != '/' || file_exists(dir)) {
        snprintf(err, err_size,
                 dir[0] != '/' ? "%s: the directory must be given from the root"
                               : "%s: it is there already",
                 dir);
        return false;
    }
    persist_open_aside(p);
    backup_free(p->backup);
    struct backup *b = p->backup = xcalloc(1, sizeof *b);
    b->p = p;
    b->state = BACKUP_WAITING;
    b->fd = -1;
    b->set = *what;
    b->dir = xstrdup(dir);
    b->partial = xasprintf("%s" BACKUP_PARTIAL, dir);
    struct persist_sink sink = {.arg = b,
                                .begin = sink_begin,
                                .bytes = sink_bytes,
                                .room = sink_room,
                                .end = sink_end,
                                .kind = PERSIST_WALK_BACKUP,
                                .plain = true};
    b->walk = persist_walk_start(p, &sink);
    return true;
}

void backup_stop(struct persist *p, const char *reason) {
    if (under_way(p->backup)) give_up(p->backup, reason);
}

void backup_cancel(struct persist *p) {
    backup_stop(p, "cancelled");
}

void backup_close(struct persist *p) {
    backup_cancel(p);
    if (p->aside_worker) worker_wait(p->aside_worker);
    backup_free(p->backup);
    p->backup = NULL;
}

void backup_status(const struct persist *p, struct backup_status *s) {
    struct backup *b = p->backup;
    *s = (struct backup_status){.dir = "", .reason = ""};
    if (!b) return;
    s->state = b->state;
    s->set = b->set;
    if (b->state != BACKUP_DONE) {
        s->set.raw_bytes = atomic_load(&b->raw);
        s->set.bytes = atomic_load(&b->written);
    }
    s->dir = b->dir;
    s->reason = b->state == BACKUP_FAILED ? b->reason : "";
    s->keys_total = b->keys_total;
    struct persist_walk_status walk = {0};
    if (b->walk && b->walk == p->walks) walks_status(p, &walk);
    s->keys_done = b->walk                     ? (uint64_t)walk.keys_done
                   : b->state == BACKUP_FAILED ? 0
                                               : b->keys_total;
}
