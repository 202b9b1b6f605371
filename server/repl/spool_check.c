/* A copy is looked through before anything is given up for it. See spool.h. */
#include "server/base/file.h"
#include "server/persist/persist.h"
#include "server/repl/spool_threads.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { A_TURN_BYTES = 256 * 1024 };

static void take_stream_db(struct spool *s) {
    const struct rdb_reader *r = &s->reader;
    char text[16];
    if (!bytes_is(r->a, "repl-stream-db") || r->b.len >= sizeof text) return;
    memcpy(text, r->b.p, r->b.len);
    text[r->b.len] = '\0';
    s->db = atoi(text);
}

static bool event_is_fine(struct spool *s, enum rdb_event ev) {
    const struct rdb_reader *r = &s->reader;
    if (ev == RDB_AUX) take_stream_db(s);
    if (ev == RDB_SELECT && r->number >= (uint64_t)s->databases) {
        snprintf(s->error, sizeof s->error,
                 "the master uses database %" PRIu64 ", here are %d (see `databases`)", r->number,
                 s->databases);
        return false;
    }
    if (ev == RDB_KEY && !persist_loads_type(r->type)) {
        snprintf(s->error, sizeof s->error,
                 "the master's key \"%.*s\" is a %s, which this version does not hold",
                 (int)(r->a.len < 64 ? r->a.len : 64), r->a.p, rdb_type_name(r->type));
        return false;
    }
    return true;
}

bool spool_look_through(struct spool *s, const char *data, size_t len) {
    buf_add(&s->scan, data, len);
    s->checked += len;
    if (!s->ended && s->reader.need > buf_len(&s->scan)) return true;
    while (buf_len(&s->scan)) {
        if (s->ended) {
            snprintf(s->error, sizeof s->error, "bytes follow the end of the copy");
            return false;
        }
        enum rdb_event ev = rdb_read(&s->reader, buf_head(&s->scan), buf_len(&s->scan));
        if (ev == RDB_BAD) {
            snprintf(s->error, sizeof s->error, "the copy is damaged: %s", s->reader.error);
            return false;
        }
        if (!event_is_fine(s, ev)) return false;
        buf_eat(&s->scan, s->reader.used);
        if (ev == RDB_MORE) return true;
        s->reader.need = 0;
        s->ended = ev == RDB_END;
    }
    return true;
}

static enum spool_state at_the_end(struct spool *s) {
    if (s->ended) return SPOOL_DONE;
    snprintf(s->error, sizeof s->error, "the copy ends before its data does");
    return SPOOL_BAD;
}

enum spool_state spool_check(struct spool *s) {
    uint64_t left = s->got - s->checked;
    size_t n = left < A_TURN_BYTES ? (size_t)left : A_TURN_BYTES;
    s->check = true;
    if (!n) return at_the_end(s);
    char *piece = xmalloc(n);
    bool well = file_pread_all(s->fd, piece, n, (off_t)s->checked);
    if (!well) snprintf(s->error, sizeof s->error, "%s: %s", s->path, strerror(errno));
    well = well && spool_look_through(s, piece, n);
    free(piece);
    return well ? SPOOL_MORE : SPOOL_BAD;
}

void spool_check_free(struct spool *s) {
    buf_free(&s->scan);
    rdb_reader_free(&s->reader);
}
