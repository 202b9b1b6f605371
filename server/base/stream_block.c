/* See stream_block.h. */
#include "server/base/stream_block.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/crc32c.h"
#include "server/base/stream.h"

enum {
    PIECES = 32,
    /* After a write that the socket did not take whole: a slow line's blocks arrive in time. */
    SLOW_BLOCK_BYTES = 16 * 1024
};

struct block_stream {
    struct stream base;
    struct stream *inner;
    uint64_t out_word, in_word;
    /* Writing: the block that is on its way while payload_left is not 0. */
    uint64_t out_number;
    size_t plain_left;
    unsigned char header[STREAM_BLOCK_HEADER];
    uint32_t header_sent, payload_left;
    bool slow;
    /* Reading: in[at..end] was received, of it the first `good` bytes are checked payload. */
    uint64_t in_number;
    size_t at, end;
    uint32_t good;
    bool unseen; /* what follows was not looked at */
    const char *damage;
    unsigned char in[STREAM_BLOCK_ROOM];
};

static const struct stream_kind block_kind;

static struct block_stream *of(struct stream *s) {
    return (struct block_stream *)s;
}
static const struct block_stream *of_const(const struct stream *s) {
    return (const struct block_stream *)s;
}

static uint32_t head_check(uint64_t word, uint64_t number, uint32_t length) {
    uint64_t covered[3] = {word, number, length};
    return crc32c(0, covered, sizeof covered);
}

/* ---- writing -------------------------------------------------------------------------------- */

/* A place in what the writer offers. */
struct place {
    const struct iovec *iov;
    int left; /* of iov */
    size_t at;
};

/* The next n bytes, or fewer, as pieces; the place moves behind them when move is true. */
static size_t place_pieces(struct place *from, size_t n, struct iovec *to, int *count, int most) {
    struct place p = *from;
    size_t done = 0;
    while (p.left && done < n && *count < most) {
        size_t some = p.iov->iov_len - p.at;
        if (some > n - done) some = n - done;
        if (some) to[(*count)++] = (struct iovec){(char *)p.iov->iov_base + p.at, some};
        done += some;
        p.at += some;
        if (p.at < p.iov->iov_len) break;
        p.iov++;
        p.left--;
        p.at = 0;
    }
    return done;
}

static void place_move(struct place *p, size_t n) {
    while (p->left) {
        size_t some = p->iov->iov_len - p->at;
        if (n < some) break;
        n -= some;
        p->iov++;
        p->left--;
        p->at = 0;
    }
    p->at += n;
}

static void begin_block(struct block_stream *b, struct place *from) {
    struct iovec pieces[PIECES];
    int count = 0;
    uint32_t number = (uint32_t)b->out_number;
    uint32_t length =
        (uint32_t)place_pieces(from, b->slow ? (size_t)SLOW_BLOCK_BYTES : (size_t)STREAM_BLOCK_MAX,
                               pieces, &count, PIECES);
    uint32_t head = head_check(b->out_word, b->out_number, length), all = head;
    for (int i = 0; i < count; i++) all = crc32c(all, pieces[i].iov_base, pieces[i].iov_len);
    memcpy(b->header, &length, 4);
    memcpy(b->header + 4, &number, 4);
    memcpy(b->header + 8, &head, 4);
    memcpy(b->header + 12, &all, 4);
    b->header_sent = 0;
    b->payload_left = length;
}

/* Sends of the block what it can; *went: payload bytes. False: the socket takes no more now, or *error
 * is not 0. */
static bool send_block(struct block_stream *b, struct place *from, size_t *went, long *error) {
    struct iovec v[1 + PIECES];
    int count = 0;
    size_t head = STREAM_BLOCK_HEADER - b->header_sent;
    if (head) v[count++] = (struct iovec){b->header + b->header_sent, head};
    size_t all = head + place_pieces(from, b->payload_left, v, &count, 1 + PIECES);
    *went = 0;
    if (!all) return false; /* the writer keeps back what it had offered */
    long n = stream_writev(b->inner, v, count);
    if (n < 0) {
        *error = n == STREAM_AGAIN ? 0 : n;
        b->slow = true;
        return false;
    }
    size_t of_head = (size_t)n < head ? (size_t)n : head;
    b->header_sent += (uint32_t)of_head;
    *went = (size_t)n - of_head;
    b->payload_left -= (uint32_t)*went;
    b->slow = (size_t)n < all;
    return !b->slow;
}

/* The end of the conversation before the blocks. */
static long send_plain(struct block_stream *b, struct place *from) {
    struct iovec v[PIECES];
    int count = 0;
    size_t all = place_pieces(from, b->plain_left, v, &count, PIECES);
    if (!all) return STREAM_AGAIN;
    long n = stream_writev(b->inner, v, count);
    if (n > 0) b->plain_left -= (size_t)n;
    return n;
}

static bool any_left(struct place *p) {
    while (p->left && p->at == p->iov->iov_len) {
        p->iov++;
        p->left--;
        p->at = 0;
    }
    return p->left != 0;
}

static long block_writev(struct stream *s, const struct iovec *iov, int count) {
    struct block_stream *b = of(s);
    struct place from = {iov, count, 0};
    size_t done = 0;
    long error = 0;
    while (b->plain_left) {
        long n = send_plain(b, &from);
        if (n < 0) return done && n == STREAM_AGAIN ? (long)done : n;
        place_move(&from, (size_t)n);
        done += (size_t)n;
        if (!any_left(&from)) return (long)done;
    }
    for (bool open = true; open && any_left(&from);) {
        size_t went;
        if (!b->payload_left) begin_block(b, &from);
        open = send_block(b, &from, &went, &error);
        place_move(&from, went);
        done += went;
        if (!b->payload_left) b->out_number++;
    }
    if (error && !done) return error;
    return done ? (long)done : STREAM_AGAIN;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The reader must hear of it: a socket that is shut for reading is readable. */
static bool damaged(struct block_stream *b, const char *what) {
    b->damage = what;
    shutdown(b->base.fd, SHUT_RD);
    return false;
}

static const char *wrong_number(const struct block_stream *b, const unsigned char *p,
                                uint32_t length) {
    uint32_t wanted = (uint32_t)b->in_number, number = bytes_load32(p + 4);
    int32_t ahead = (int32_t)(number - wanted);
    uint64_t is = b->in_number + (uint64_t)(int64_t)ahead;
    if (bytes_load32(p + 8) != head_check(b->in_word, is, length))
        return "a block was damaged on the way: its header does not hold";
    return ahead > 0 ? "a block is missing" : "a block came twice";
}

/* Looks at what was received. False: no whole block is there, or it is damaged. */
static bool next_block(struct block_stream *b) {
    const unsigned char *p = b->in + b->at;
    size_t there = b->end - b->at;
    if (there < STREAM_BLOCK_HEADER) return false;
    uint32_t length = bytes_load32(p), head = bytes_load32(p + 8);
    if (bytes_load32(p + 4) != (uint32_t)b->in_number ||
        head != head_check(b->in_word, b->in_number, length))
        return damaged(b, wrong_number(b, p, length));
    if (length == 0 || length > STREAM_BLOCK_MAX)
        return damaged(b, "a block has a length that no block has");
    if (there < STREAM_BLOCK_HEADER + (size_t)length) return false;
    if (crc32c(head, p + STREAM_BLOCK_HEADER, length) != bytes_load32(p + 12))
        return damaged(b, "a block was damaged on the way: its bytes do not hold");
    b->at += STREAM_BLOCK_HEADER;
    b->good = length;
    b->in_number++;
    return true;
}

/* No more than what, checked, has room at the reader's. */
static long receive(struct block_stream *b, size_t n) {
    if (b->at == b->end) {
        b->at = b->end = 0;
    } else if (sizeof b->in - b->end < STREAM_BLOCK_MAX) {
        memmove(b->in, b->in + b->at, b->end - b->at);
        b->end -= b->at;
        b->at = 0;
    }
    size_t most = (n > STREAM_BLOCK_MAX ? n : STREAM_BLOCK_MAX) + STREAM_BLOCK_HEADER;
    size_t room = most - (b->end - b->at); /* a block that is not whole is smaller than that */
    if (room > sizeof b->in - b->end) room = sizeof b->in - b->end;
    long got = stream_read(b->inner, b->in + b->end, room);
    if (got > 0) b->end += (size_t)got;
    return got;
}

static size_t hand_up(struct block_stream *b, char *to, size_t room) {
    size_t n = b->good < room ? b->good : room;
    memcpy(to, b->in + b->at, n);
    b->at += n;
    b->good -= (uint32_t)n;
    return n;
}

static long block_read(struct stream *s, void *p, size_t n) {
    struct block_stream *b = of(s);
    size_t done = 0;
    b->unseen = false;
    while (done < n) {
        if (b->good || (!b->damage && next_block(b))) {
            done += hand_up(b, (char *)p + done, n - done);
        } else if (done) {
            break;
        } else if (b->damage) {
            errno = EBADMSG;
            return STREAM_FAILED;
        } else {
            long got = receive(b, n);
            if (got <= 0) return got;
        }
    }
    b->unseen = done == n;
    return (long)done;
}

/* ---- the rest of a stream ------------------------------------------------------------------- */

static int block_watch(const struct stream *s, int wants) {
    return stream_watch(of_const(s)->inner, wants);
}

static int block_event(struct stream *s, int revents) {
    return stream_event(of(s)->inner, revents);
}

static size_t block_pending(const struct stream *s) {
    const struct block_stream *b = of_const(s);
    return (b->unseen ? b->end - b->at : b->good) + stream_pending(b->inner);
}

static const char *block_cipher(const struct stream *s) {
    return stream_cipher(of_const(s)->inner);
}

static bool block_channel(const struct stream *s, unsigned char *out) {
    return stream_channel(of_const(s)->inner, out);
}

static const char *block_trouble(const struct stream *s) {
    const struct block_stream *b = of_const(s);
    return b->damage ? b->damage : stream_trouble(b->inner);
}

static size_t block_memory(const struct stream *s) {
    return sizeof(struct block_stream) + stream_memory(of_const(s)->inner);
}

static void block_free(struct stream *s) {
    struct stream *inner = of(s)->inner;
    if (inner->kind)
        inner->kind->free(inner);
    else
        free(inner);
    free(s);
}

static const struct stream_kind block_kind = {.read = block_read,
                                              .writev = block_writev,
                                              .watch = block_watch,
                                              .event = block_event,
                                              .pending = block_pending,
                                              .cipher = block_cipher,
                                              .channel = block_channel,
                                              .trouble = block_trouble,
                                              .memory = block_memory,
                                              .free = block_free};

struct stream *stream_block(struct stream *inner, uint64_t out, uint64_t in, size_t plain_bytes) {
    struct block_stream *b = xmalloc(sizeof *b);
    memset(b, 0, offsetof(struct block_stream, in));
    b->base = (struct stream){stream_fd(inner), &block_kind};
    b->inner = inner;
    b->out_word = out;
    b->in_word = in;
    b->plain_left = plain_bytes;
    return &b->base;
}

const char *stream_block_damage(const struct stream *s) {
    return s && s->kind == &block_kind ? of_const(s)->damage : NULL;
}
