/* A queue is a row of pieces. A piece is filled at the row's end, growing up to SPILL_PIECE_BYTES;
 * when the pool holds more than its bound, the pieces that were filled first go to the file (or, if
 * none is full, the one at hand), each into a place of SPILL_PIECE_BYTES. Places are used again. */
#include "server/persist/spill.h"

#include "server/base/file.h"
#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    PIECE_MIN_BYTES = 256,
    LOOK_EVERY_PLACES = 256, /* how often the disk's room is looked at */
    DISK_RESERVE_BYTES = 64 << 20
};
#define IN_MEMORY UINT64_MAX

struct spill_piece {
    struct spill_piece *next;                  /* in the queue */
    struct spill_piece *full_prev, *full_next; /* in the pool's row of full ones in memory */
    char *data;                                /* NULL: in the file */
    uint32_t start, end, cap;
    uint64_t place; /* in the file, in pieces; IN_MEMORY */
};

struct spill_pool {
    char *dir;
    int fd; /* -1: not needed yet */
    size_t memory, memory_bound;
    uint64_t file_bound, in_file, written;
    uint64_t places; /* made so far */
    uint64_t *spare; /* those that are free again */
    size_t spare_count, spare_cap;
    struct spill_piece full; /* the row's two ends; nothing else of it is used */
    bool failed;
    char failure[256];
};

struct spill_pool *spill_pool_new(const char *dir, size_t memory_bytes, uint64_t file_bytes) {
    struct spill_pool *pool = xcalloc(1, sizeof *pool);
    pool->dir = xstrdup(dir);
    pool->fd = -1;
    pool->memory_bound = memory_bytes;
    pool->file_bound = file_bytes;
    pool->full.full_next = pool->full.full_prev = &pool->full;
    return pool;
}

int spill_pool_free(struct spill_pool *pool) {
    if (!pool) return -1;
    int fd = pool->fd;
    must(pool->memory == 0 && pool->in_file == 0, "the queues of a pool are freed before it");
    free(pool->spare);
    free(pool->dir);
    free(pool);
    return fd;
}

const char *spill_failure(const struct spill_pool *pool) {
    return pool->failed ? pool->failure : NULL;
}

size_t spill_memory(const struct spill_pool *pool) {
    return pool->memory;
}

uint64_t spill_file_bytes(const struct spill_pool *pool) {
    return pool->in_file;
}

uint64_t spill_written_bytes(const struct spill_pool *pool) {
    return pool->written;
}

static bool fail(struct spill_pool *pool, const char *why) {
    if (!pool->failed)
        snprintf(pool->failure, sizeof pool->failure,
                 "what had to wait could not be put aside in %.120s: %s", pool->dir, why);
    pool->failed = true;
    return false;
}

/* ---- The file -------------------------------------------------------------------------------- */

static bool disk_has_room(struct spill_pool *pool) {
    struct statvfs v;
    if (pool->places % LOOK_EVERY_PLACES || !pool->places) return true;
    if (fstatvfs(pool->fd, &v) != 0) return true;
    return (uint64_t)v.f_bavail * v.f_frsize >= DISK_RESERVE_BYTES;
}

/* A place for a piece; false: the pool has failed. */
static bool place_take(struct spill_pool *pool, uint64_t *place) {
    char why[80];
    if (pool->fd < 0) pool->fd = open(pool->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (pool->fd < 0) return fail(pool, strerror(errno));
    if (pool->spare_count) {
        *place = pool->spare[--pool->spare_count];
        return true;
    }
    if ((pool->places + 1) * SPILL_PIECE_BYTES > pool->file_bound) {
        snprintf(why, sizeof why, "it is more than %llu MB",
                 (unsigned long long)(pool->file_bound >> 20));
        return fail(pool, why);
    }
    if (!disk_has_room(pool)) return fail(pool, "the disk is nearly full");
    *place = pool->places++;
    return true;
}

static void place_give(struct spill_pool *pool, uint64_t place) {
    if (pool->spare_count == pool->spare_cap) {
        pool->spare_cap = pool->spare_cap ? 2 * pool->spare_cap : 64;
        pool->spare = xrealloc(pool->spare, pool->spare_cap * sizeof *pool->spare);
    }
    pool->spare[pool->spare_count++] = place;
}

static off_t place_at(uint64_t place) {
    return (off_t)(place * SPILL_PIECE_BYTES);
}

/* ---- Pieces ---------------------------------------------------------------------------------- */

static bool is_full_row_member(const struct spill_piece *piece) {
    return piece->full_next != NULL;
}

static void leave_full_row(struct spill_piece *piece) {
    if (!is_full_row_member(piece)) return;
    piece->full_prev->full_next = piece->full_next;
    piece->full_next->full_prev = piece->full_prev;
    piece->full_next = piece->full_prev = NULL;
}

static void join_full_row(struct spill_pool *pool, struct spill_piece *piece) {
    piece->full_prev = pool->full.full_prev;
    piece->full_next = &pool->full;
    piece->full_prev->full_next = piece;
    pool->full.full_prev = piece;
}

static void drop_memory(struct spill_pool *pool, struct spill_piece *piece) {
    leave_full_row(piece);
    free(piece->data);
    pool->memory -= piece->cap;
    piece->data = NULL;
    piece->cap = 0;
}

static bool piece_out(struct spill_pool *pool, struct spill_piece *piece) {
    size_t n = piece->end - piece->start;
    uint64_t place;
    if (!place_take(pool, &place)) return false;
    if (!file_pwrite_all(pool->fd, piece->data + piece->start, n, place_at(place))) {
        int error = errno;
        place_give(pool, place);
        return fail(pool, strerror(error));
    }
    drop_memory(pool, piece);
    piece->place = place;
    piece->start = 0;
    piece->end = (uint32_t)n;
    pool->in_file += n;
    pool->written += n;
    return true;
}

/* Keeps the bound: full pieces first, else the one that is being filled. */
static void make_room(struct spill_pool *pool, struct spill_piece *at_hand) {
    while (pool->memory > pool->memory_bound && !pool->failed) {
        struct spill_piece *piece = pool->full.full_next;
        if (piece == &pool->full) {
            if (!at_hand->data || at_hand->end < SPILL_LEAST_BYTES) return;
            piece = at_hand;
        }
        if (!piece_out(pool, piece)) return;
    }
}

static bool takes_more(const struct spill_piece *piece) {
    return piece && piece->data && piece->end < SPILL_PIECE_BYTES;
}

static struct spill_piece *new_piece(struct spill *s) {
    struct spill_piece *piece = xcalloc(1, sizeof *piece);
    piece->place = IN_MEMORY;
    if (s->last)
        s->last->next = piece;
    else
        s->first = piece;
    s->last = piece;
    return piece;
}

static void widen(struct spill_pool *pool, struct spill_piece *piece, size_t n) {
    size_t cap = piece->cap ? piece->cap : PIECE_MIN_BYTES;
    while (cap < SPILL_PIECE_BYTES && cap - piece->end < n) cap *= 2;
    if (cap <= piece->cap) return;
    piece->data = xrealloc(piece->data, cap);
    pool->memory += cap - piece->cap;
    piece->cap = (uint32_t)cap;
}

static void piece_free(struct spill_pool *pool, struct spill_piece *piece) {
    if (piece->place != IN_MEMORY) {
        pool->in_file -= piece->end - piece->start;
        place_give(pool, piece->place);
    }
    drop_memory(pool, piece);
    free(piece);
}

/* ---- Queues ---------------------------------------------------------------------------------- */

void spill_init(struct spill *s, struct spill_pool *pool) {
    *s = (struct spill){.pool = pool};
}

static void drop_first(struct spill *s) {
    struct spill_piece *piece = s->first;
    s->first = piece->next;
    if (!s->first) s->last = NULL;
    piece_free(s->pool, piece);
}

void spill_free(struct spill *s) {
    while (s->first) drop_first(s);
    s->bytes = 0;
}

void spill_add(struct spill *s, const void *p, size_t n) {
    struct spill_pool *pool = s->pool;
    const char *from = p;
    while (n && !pool->failed) {
        struct spill_piece *piece = takes_more(s->last) ? s->last : new_piece(s);
        widen(pool, piece, n);
        size_t room = piece->cap - piece->end, now = n < room ? n : room;
        memcpy(piece->data + piece->end, from, now);
        piece->end += (uint32_t)now;
        s->bytes += now;
        from += now;
        n -= now;
        if (piece->end == SPILL_PIECE_BYTES) join_full_row(pool, piece);
        make_room(pool, piece);
    }
}

size_t spill_take(struct spill *s, struct buf *out) {
    struct spill_pool *pool = s->pool;
    struct spill_piece *piece = s->first;
    if (!piece || pool->failed) return 0;
    size_t n = piece->end - piece->start;
    char *room = buf_room(out, n);
    if (piece->place == IN_MEMORY) {
        memcpy(room, piece->data + piece->start, n);
    } else if (!file_pread_all(pool->fd, room, n, place_at(piece->place))) {
        fail(pool, strerror(errno));
        return 0;
    }
    buf_added(out, n);
    s->bytes -= n;
    drop_first(s);
    return n;
}
