/* Rule 7: nothing vanishes. Before a node gives up writes that its new master does not have,
 * they are written to tails/tail-SECONDS-LINE-FROM.resp, requests that `redis-cli --pipe`
 * replays, and beside it a .txt that says how many and which keys. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/proto/cmdstream.h"
#include "server/proto/replline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS_A_COMMAND = 64, READ_BYTES = 4 << 20 };

struct tail {
    struct repl *r;
    struct buf requests, keys;
    uint64_t writes;
    int db; /* selected in requests, -1 */
};

static void note_keys(struct tail *t, int db, int argc, const struct bytes *argv) {
    struct bytes keys[KEYS_A_COMMAND];
    size_t n = 0;
    if (t->r->world.keys) n = t->r->world.keys(t->r->world.arg, argc, argv, keys, KEYS_A_COMMAND);
    if (n == 0 && argc > 1) {
        keys[0] = argv[1];
        n = 1;
    }
    for (size_t i = 0; i < n; i++) {
        buf_printf(&t->keys, "%d %.*s ", db, (int)(argv[0].len < 32 ? argv[0].len : 32), argv[0].p);
        buf_add(&t->keys, keys[i].p, keys[i].len);
        buf_add(&t->keys, "\n", 1);
    }
}

static bool keep_one(void *arg, int db, int argc, const struct bytes *argv) {
    struct tail *t = arg;
    if (db != t->db) {
        char text[NUM_I64_CHARS];
        text[num_format_i64(text, db)] = '\0';
        replline_words(&t->requests, "SELECT", text, NULL);
        t->db = db;
    }
    replline_request(&t->requests, argc, argv);
    note_keys(t, db, argc, argv);
    t->writes++;
    return true;
}

static bool skip_one(void *arg, int db, int argc, const struct bytes *argv) {
    (void)arg;
    (void)db;
    (void)argc;
    (void)argv;
    return true;
}

/* The bytes from the block that holds `from` (so that its database is known) to the end. */
static bool gather(struct repl *r, uint64_t from, struct buf *out, struct persist_pos *at) {
    uint64_t end = backlog_end(r->backlog);
    if (persist_read(r->persist, from, 1, out, at)) {
        buf_clear(out);
        for (uint64_t next = at->offset; next < end;) {
            size_t n = persist_read(r->persist, next, READ_BYTES, out, NULL);
            if (n == 0) break;
            next += n;
            if (next >= end) return true;
        }
        buf_clear(out);
    }
    if (from < backlog_first(r->backlog)) return false;
    at->offset = from;
    at->db = r->db;
    while (from < end) {
        struct iovec iov;
        backlog_spans(r->backlog, from, end, &iov, 1);
        buf_add(out, iov.iov_base, iov.iov_len);
        from += iov.iov_len;
    }
    return true;
}

static bool take_apart(struct tail *t, struct buf *bytes, const struct persist_pos *at,
                       uint64_t from) {
    struct cmdstream c;
    uint64_t offset = at->offset;
    size_t unit;
    bool ok = true;
    cmdstream_init(&c, at->db);
    while (ok && buf_len(bytes)) {
        ok = cmdstream_find(&c, buf_head(bytes), buf_len(bytes), &unit) == CMDSTREAM_UNIT;
        if (!ok) break;
        cmdstream_each(&c, buf_head(bytes), unit, offset >= from ? keep_one : skip_one, t);
        buf_eat(bytes, unit);
        offset += unit;
    }
    cmdstream_free(&c);
    return ok;
}

static bool write_files(struct tail *t, const struct persist_pos *from, char *err,
                        size_t err_size) {
    struct repl *r = t->r;
    char *dir = xasprintf("%s/tails", r->dir);
    char *base = xasprintf("%s/tail-%lld-%.8s-%" PRIu64, dir, (long long)(clock_wall_ms() / 1000),
                           r->id, from->offset);
    char *requests = xasprintf("%s.resp", base), *report = xasprintf("%s.txt", base);
    struct buf text = BUF_INIT;
    buf_printf(&text,
               "%" PRIu64 " writes of line %s behind offset %" PRIu64
               " that the new master does not have.\n"
               "The requests are in %s; `redis-cli --pipe` replays them. Database, command and key "
               "of each:\n\n",
               t->writes, r->id, from->offset, requests);
    if (buf_len(&t->keys)) buf_add(&text, buf_head(&t->keys), buf_len(&t->keys));
    bool ok = file_make_dirs(dir, 0750) &&
              file_replace(requests, buf_head(&t->requests), buf_len(&t->requests), 0640) &&
              file_replace(report, buf_head(&text), buf_len(&text), 0640);
    if (ok)
        snprintf(r->tail_file, sizeof r->tail_file, "%s", requests);
    else
        snprintf(err, err_size, "the writes that the new master lacks cannot be saved in %s: %s",
                 dir, strerror(errno));
    buf_free(&text);
    free(dir);
    free(base);
    free(requests);
    free(report);
    return ok;
}

bool tail_save(struct repl *r, uint64_t from, char *err, size_t err_size) {
    struct tail t = {.r = r, .db = -1};
    struct buf bytes = BUF_INIT;
    struct persist_pos at = {.db = -1}, fork = {.offset = from};
    bool ok = gather(r, from, &bytes, &at);
    if (!ok)
        snprintf(err, err_size,
                 "the writes behind offset %" PRIu64 " are no longer in memory and log", from);
    else if (!(ok = take_apart(&t, &bytes, &at, from)))
        snprintf(err, err_size, "the writes behind offset %" PRIu64 " cannot be taken apart", from);
    if (ok && t.writes) ok = write_files(&t, &fork, err, err_size);
    if (ok && t.writes) {
        r->tail_writes += t.writes;
        log_warning("replication: %" PRIu64 " writes that the new master does not have are in %s",
                    t.writes, r->tail_file);
    }
    buf_free(&bytes);
    buf_free(&t.requests);
    buf_free(&t.keys);
    return ok;
}
