/* The log read back by offset: for slaves that are behind, in turns that are bounded, and for tails. */
#include "server/persist/aof.h"

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/persist/persist.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RAW_BYTES = 256 * 1024 }; /* of a part, read at once */

/* The descriptor to read a part by: the last one's own, a new one for others. */
static int read_fd(const struct aof *a, const struct aof_part *p) {
    if (p == &a->parts[a->part_count - 1] && a->fd >= 0) return a->fd;
    return aof_open_part(a, p->number, O_RDONLY);
}

static bool header_at(int fd, const struct aof_part *p, uint64_t at, struct logblock *b) {
    char raw[LOGBLOCK_HEADER_BYTES];
    if (at + LOGBLOCK_HEADER_BYTES > p->bytes || !file_pread_all(fd, raw, sizeof raw, (off_t)at))
        return false;
    if (logblock_get(b, raw, sizeof raw) != LOGBLOCK_OK) return false;
    return at + LOGBLOCK_HEADER_BYTES + b->len <= p->bytes;
}

/* Finds the block of part p that holds the offset; *at is its place. */
static bool seek(struct aof *a, int fd, struct aof_part *p, uint64_t offset, uint64_t *at) {
    struct logblock b;
    *at = 0;
    for (size_t i = p->mark_count; i-- > 0;) {
        if (p->marks[i].offset > offset) continue;
        *at = p->marks[i].at;
        break;
    }
    if (a->read_offset && a->read_offset <= offset && p == &a->parts[a->read_part] &&
        a->read_at > *at)
        *at = a->read_at;
    while (header_at(fd, p, *at, &b)) {
        aof_mark(p, b.offset, *at);
        if (offset < b.offset + b.len) return offset >= b.offset;
        *at += LOGBLOCK_HEADER_BYTES + b.len;
    }
    return false;
}

/* The row of blocks from *at on is read in pieces of about RAW_BYTES, so that many small blocks cost one call of the
 * kernel; a block that is longer than a piece is read by itself. */
struct piece {
    char *data;
    size_t n, used;
    uint64_t at; /* of data in the part */
};

static bool piece_read(struct piece *x, int fd, const struct aof_part *p, uint64_t at, size_t n) {
    if (n > p->bytes - at) n = (size_t)(p->bytes - at);
    x->data = xrealloc(x->data, n ? n : 1);
    *x = (struct piece){x->data, n, 0, at};
    return n >= LOGBLOCK_HEADER_BYTES && file_pread_all(fd, x->data, n, (off_t)at);
}

/* The block at x->used, whole. NULL: the part ends here, its bytes are not what was written, or it is longer than
 * longest. */
static const char *piece_block(struct piece *x, int fd, const struct aof_part *p,
                               struct logblock *b, size_t longest) {
    for (int again = 0; again < 3; again++) {
        size_t left = x->n - x->used, want = RAW_BYTES;
        if (left >= LOGBLOCK_HEADER_BYTES) {
            if (logblock_get(b, x->data + x->used, left) != LOGBLOCK_OK || b->len > longest)
                return NULL;
            want = LOGBLOCK_HEADER_BYTES + (size_t)b->len;
            if (want <= left) {
                const char *payload = x->data + x->used + LOGBLOCK_HEADER_BYTES;
                x->used += want;
                return logblock_payload_fits(b, payload) ? payload : NULL;
            }
        }
        uint64_t at = x->at + x->used;
        if (at >= p->bytes || !piece_read(x, fd, p, at, want > RAW_BYTES ? want : RAW_BYTES))
            return NULL;
    }
    return NULL;
}

static size_t read_part(struct aof *a, size_t i, uint64_t offset, size_t max, size_t longest,
                        struct buf *out, struct persist_pos *block) {
    struct aof_part *p = &a->parts[i];
    struct piece x = {0};
    struct logblock b;
    uint64_t at;
    size_t got = 0;
    int fd = read_fd(a, p);
    if (fd < 0) return 0;
    if (seek(a, fd, p, offset, &at)) {
        const char *payload;
        x.at = at;
        while (got < max && (payload = piece_block(&x, fd, p, &b, longest))) {
            size_t skip = got ? 0 : (size_t)(offset - b.offset);
            if (!got && block) {
                *block = (struct persist_pos){.offset = b.offset, .db = b.db};
                memcpy(block->id, b.id, sizeof block->id);
            }
            buf_add(out, payload + skip, b.len - skip);
            got += b.len - skip;
            at = x.at + x.used;
        }
        a->read_part = i;
        a->read_offset = offset + got;
        a->read_at = at;
    }
    free(x.data);
    if (fd != a->fd) close(fd);
    return got;
}

size_t aof_read(struct aof *a, uint64_t offset, size_t max, struct buf *out,
                struct persist_pos *block) {
    if (offset >= a->written) return 0;
    for (size_t i = a->part_count; i-- > 0;) {
        if (a->parts[i].first_offset > offset) continue;
        return read_part(a, i, offset, max, SIZE_MAX, out, block);
    }
    return 0;
}

/* ---- A block that is too long for a turn -------------------------------------------------------- */

/* Looks at a further piece of the block's payload. True: all of it was looked at, and holds. */
static bool look_on(struct persist_reader *r, int fd, uint64_t at, const struct logblock *b) {
    if (r->block != b->offset || !r->done) *r = (struct persist_reader){.block = b->offset};
    if (r->done == b->len) return true;
    size_t n = b->len - r->done < RAW_BYTES ? b->len - r->done : RAW_BYTES;
    char *piece = xmalloc(n);
    bool ok = file_pread_all(fd, piece, n, (off_t)(at + LOGBLOCK_HEADER_BYTES + r->done));
    if (ok) r->crc = crc32c(r->crc, piece, n);
    free(piece);
    r->done += (uint32_t)n;
    r->busy = ok && (r->done < b->len || r->crc == b->payload_crc);
    return false;
}

/* The bytes from offset on of the long block at `at`. */
static size_t take_piece(struct persist_reader *r, int fd, uint64_t at, const struct logblock *b,
                         uint64_t offset, size_t max, struct buf *out) {
    if (!look_on(r, fd, at, b)) return 0;
    size_t skip = (size_t)(offset - b->offset), n = b->len - skip < max ? b->len - skip : max;
    char *room = buf_room(out, n);
    if (!file_pread_all(fd, room, n, (off_t)(at + LOGBLOCK_HEADER_BYTES + skip))) return 0;
    buf_added(out, n);
    return n;
}

size_t aof_read_step(struct aof *a, struct persist_reader *r, uint64_t offset, size_t max,
                     struct buf *out) {
    struct logblock b;
    uint64_t at;
    size_t i = a->part_count, got = 0;
    r->busy = false;
    if (offset >= a->written) return 0;
    while (i && a->parts[i - 1].first_offset > offset) i--;
    if (!i) return 0;
    struct aof_part *p = &a->parts[i - 1];
    int fd = read_fd(a, p);
    if (fd < 0) return 0;
    bool found = seek(a, fd, p, offset, &at) && header_at(fd, p, at, &b);
    if (found && b.len > RAW_BYTES) {
        got = take_piece(r, fd, at, &b, offset, max, out);
        a->read_part = i - 1;
        a->read_offset = b.offset;
        a->read_at = at;
    }
    if (fd != a->fd) close(fd);
    if (found) r->wall_us = b.wall_us;
    return found && b.len <= RAW_BYTES ? read_part(a, i - 1, offset, max, RAW_BYTES, out, NULL)
                                       : got;
}
