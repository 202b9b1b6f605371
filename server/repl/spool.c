#include "server/repl/spool.h"

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/repl/spool_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool spool_open(struct spool *s, const char *path, const struct replline *line, int databases,
                bool check) {
    memset(s, 0, sizeof *s);
    rdb_reader_init(&s->reader);
    s->path = xstrdup(path);
    s->databases = databases;
    s->db = -1;
    s->check = check;
    s->marked = line->kind == REPLLINE_MARK;
    memcpy(s->mark, line->mark, sizeof s->mark);
    s->total = s->left = line->number;
    s->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (s->fd < 0) {
        snprintf(s->error, sizeof s->error, "%s: %s", path, strerror(errno));
        return false;
    }
    s->shared = spool_shared_new(s->fd);
    return true;
}

void spool_close(struct spool *s, bool keep) {
    if (!s->path) return;
    if (!keep) unlink(s->path);
    if (s->shared) spool_shared_end(s->shared); /* which closes it: that may take long */
    free(s->path);
    buf_free(&s->window);
    spool_check_free(s);
    memset(s, 0, sizeof *s);
}

static bool keep_bytes(struct spool *s, const char *data, size_t len) {
    if (len == 0) return true;
    if (!file_write_all(s->fd, data, len)) {
        snprintf(s->error, sizeof s->error, "%s: %s", s->path, strerror(errno));
        return false;
    }
    bool here = s->check && s->checked == s->got;
    s->got += len;
    spool_shared_grew(s->shared, s->got);
    return !here || spool_look_through(s, data, len);
}

static enum spool_state finish(struct spool *s) {
    spool_shared_whole(s->shared);
    if (!s->check || s->checked < s->got || s->ended) return SPOOL_DONE;
    snprintf(s->error, sizeof s->error, "the copy ends before its data does");
    return SPOOL_BAD;
}

static enum spool_state mark_found(struct spool *s, const char *p, size_t n, size_t used_of_data,
                                   size_t *used) {
    *used = used_of_data;
    return keep_bytes(s, p, n) ? finish(s) : SPOOL_BAD;
}

/* The mark may begin in what the window holds of the pieces before; most of a piece is looked at where it is. */
static enum spool_state add_marked(struct spool *s, const char *data, size_t len, size_t *used) {
    enum { HOLD = REPLLINE_MARK_BYTES - 1 };
    size_t before = buf_len(&s->window), joint = len < HOLD ? len : HOLD;
    *used = len;
    if (before) {
        buf_add(&s->window, data, joint);
        char *head = buf_head(&s->window);
        char *mark = memmem(head, buf_len(&s->window), s->mark, sizeof s->mark);
        if (mark) {
            size_t n = (size_t)(mark - head);
            return mark_found(s, head, n, n + sizeof s->mark - before, used);
        }
        if (len <= HOLD) {
            size_t n = buf_len(&s->window) > HOLD ? buf_len(&s->window) - HOLD : 0;
            if (!keep_bytes(s, head, n)) return SPOOL_BAD;
            buf_eat(&s->window, n);
            return SPOOL_MORE;
        }
        if (!keep_bytes(s, head, before)) return SPOOL_BAD;
        buf_clear(&s->window);
    }
    const char *mark = memmem(data, len, s->mark, sizeof s->mark);
    if (mark) {
        size_t n = (size_t)(mark - data);
        return mark_found(s, data, n, n + sizeof s->mark, used);
    }
    size_t n = len > HOLD ? len - HOLD : 0;
    if (!keep_bytes(s, data, n)) return SPOOL_BAD;
    buf_add(&s->window, data + n, len - n);
    return SPOOL_MORE;
}

enum spool_state spool_add(struct spool *s, const char *data, size_t len, size_t *used) {
    if (s->marked) return add_marked(s, data, len, used);
    *used = len < s->left ? len : (size_t)s->left;
    if (!keep_bytes(s, data, *used)) return SPOOL_BAD;
    s->left -= *used;
    return s->left ? SPOOL_MORE : finish(s);
}
