#include "server/repl/spool.h"

#include "server/base/file.h"
#include "server/persist/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool spool_open(struct spool *s, const char *path, const struct replline *line, int databases) {
    memset(s, 0, sizeof *s);
    rdb_reader_init(&s->reader);
    s->path = xstrdup(path);
    s->databases = databases;
    s->db = -1;
    s->marked = line->kind == REPLLINE_MARK;
    memcpy(s->mark, line->mark, sizeof s->mark);
    s->total = s->left = line->number;
    s->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (s->fd < 0) snprintf(s->error, sizeof s->error, "%s: %s", path, strerror(errno));
    return s->fd >= 0;
}

void spool_close(struct spool *s, bool keep) {
    if (!s->path) return;
    if (s->fd >= 0) close(s->fd);
    if (!keep) unlink(s->path);
    free(s->path);
    buf_free(&s->window);
    buf_free(&s->scan);
    rdb_reader_free(&s->reader);
    memset(s, 0, sizeof *s);
}

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

static bool look_through(struct spool *s, const char *data, size_t len) {
    buf_add(&s->scan, data, len);
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

static bool keep_bytes(struct spool *s, const char *data, size_t len) {
    if (len == 0) return true;
    s->got += len;
    if (!file_write_all(s->fd, data, len)) {
        snprintf(s->error, sizeof s->error, "%s: %s", s->path, strerror(errno));
        return false;
    }
    return look_through(s, data, len);
}

static enum spool_state finish(struct spool *s) {
    if (s->ended) return SPOOL_DONE;
    snprintf(s->error, sizeof s->error, "the copy ends before its data does");
    return SPOOL_BAD;
}

static enum spool_state add_marked(struct spool *s, const char *data, size_t len, size_t *used) {
    size_t before = buf_len(&s->window);
    buf_add(&s->window, data, len);
    *used = len;
    char *head = buf_head(&s->window);
    char *mark = memmem(head, buf_len(&s->window), s->mark, sizeof s->mark);
    if (mark) {
        size_t n = (size_t)(mark - head);
        *used = n + sizeof s->mark - before;
        return keep_bytes(s, head, n) ? finish(s) : SPOOL_BAD;
    }
    size_t hold = sizeof s->mark - 1,
           n = buf_len(&s->window) > hold ? buf_len(&s->window) - hold : 0;
    if (!keep_bytes(s, head, n)) return SPOOL_BAD;
    buf_eat(&s->window, n);
    return SPOOL_MORE;
}

enum spool_state spool_add(struct spool *s, const char *data, size_t len, size_t *used) {
    if (s->marked) return add_marked(s, data, len, used);
    *used = len < s->left ? len : (size_t)s->left;
    if (!keep_bytes(s, data, *used)) return SPOOL_BAD;
    s->left -= *used;
    return s->left ? SPOOL_MORE : finish(s);
}
