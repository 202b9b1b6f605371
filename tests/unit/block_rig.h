/* Two ends of a block stream with a line between them that is only memory: how much it takes and gives
 * at a time is the test's. */
#ifndef TESTS_UNIT_BLOCK_RIG_H
#define TESTS_UNIT_BLOCK_RIG_H

#include "server/base/buf.h"
#include "server/base/stream.h"
#include "server/base/stream_block.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct line {
    struct stream base;
    struct buf sent;    /* what was written */
    const char *coming; /* what is read: left bytes */
    size_t left;
    bool closes;                     /* after them */
    size_t (*some)(size_t n);        /* how much of n bytes goes now; 0: AGAIN */
    unsigned long writes, calls_max; /* calls; how many bytes one offered at most */
};

static long line_read(struct stream *s, void *p, size_t n) {
    struct line *l = (struct line *)s;
    if (!l->left) return l->closes ? STREAM_CLOSED : STREAM_AGAIN;
    size_t k = l->some(n < l->left ? n : l->left);
    if (!k) return STREAM_AGAIN;
    memcpy(p, l->coming, k);
    l->coming += k;
    l->left -= k;
    return (long)k;
}

static long line_writev(struct stream *s, const struct iovec *iov, int count) {
    struct line *l = (struct line *)s;
    size_t all = 0;
    for (int i = 0; i < count; i++) all += iov[i].iov_len;
    size_t k = l->some(all), left = k;
    l->writes++;
    if (all > l->calls_max) l->calls_max = all;
    for (int i = 0; i < count && left; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;
        buf_add(&l->sent, iov[i].iov_base, n);
        left -= n;
    }
    return k ? (long)k : STREAM_AGAIN;
}

static int line_same(const struct stream *s, int wants) {
    (void)s;
    return wants;
}
static int line_event(struct stream *s, int revents) {
    (void)s;
    return revents;
}
static size_t line_size(const struct stream *s) {
    (void)s;
    return 0;
}
static const char *line_cipher(const struct stream *s) {
    (void)s;
    return NULL;
}
static bool line_channel(const struct stream *s, unsigned char *out) {
    (void)s, (void)out;
    return false;
}
static void line_free(struct stream *s) {
    buf_free(&((struct line *)s)->sent);
    free(s);
}

static const struct stream_kind line_kind = {line_read, line_writev, line_same,    line_event,
                                             line_size, line_cipher, line_channel, line_cipher,
                                             line_size, line_free};

static inline struct line *line_new(size_t (*some)(size_t n)) {
    struct line *l = xcalloc(1, sizeof *l);
    l->base = (struct stream){-1, &line_kind};
    l->some = some;
    return l;
}

static inline size_t line_all(size_t n) {
    return n;
}

/* Writes all of data through s, as a user of streams does: what was not taken comes again. In up to
 * three pieces a call; each call offers at most `most`. */
static inline bool rig_write(struct stream *s, const char *data, size_t len, size_t most) {
    size_t at = 0;
    for (unsigned long turns = 0; at < len; turns++) {
        size_t n = len - at < most ? len - at : most, third = n / 3;
        struct iovec iov[4] = {{(char *)(size_t)(data + at), third},
                               {(char *)(size_t)data, 0},
                               {(char *)(size_t)(data + at + third), third},
                               {(char *)(size_t)(data + at + 2 * third), n - 2 * third}};
        long done = stream_writev(s, iov, 4);
        if (done == STREAM_AGAIN) {
            if (turns > 64 * len + 1000) return false;
            continue;
        }
        if (done <= 0 || (size_t)done > n) return false;
        at += (size_t)done;
    }
    return true;
}

#endif
