#include "server/persist/aof.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    AOF_MARK_BYTES = 256 * 1024,
    LOOK_BYTES = 64 * 1024,
    TOGETHER_BYTES = 64 * 1024 /* header and payload up to this size go out in one write */
};

void aof_init(struct aof *a, const char *dir) {
    memset(a, 0, sizeof *a);
    a->dir = xstrdup(dir);
    a->fd = -1;
    a->next = 1;
    a->m.base_pos.db = -1;
}

void aof_reset(struct aof *a) {
    if (a->fd >= 0) close(a->fd);
    a->fd = -1;
    for (size_t i = 0; i < a->part_count; i++) free(a->parts[i].marks);
    free(a->parts);
    a->parts = NULL;
    a->part_count = 0;
    a->torn = a->fresh = false;
    a->ahead = 0;
    a->read_offset = 0;
}

void aof_free(struct aof *a) {
    aof_reset(a);
    free(a->dir);
    a->dir = NULL;
}

void aof_mark(struct aof_part *p, uint64_t offset, uint64_t at) {
    if (p->mark_count && at < p->marks[p->mark_count - 1].at + AOF_MARK_BYTES) return;
    if ((p->mark_count & (p->mark_count - 1)) == 0) {
        size_t cap = p->mark_count ? p->mark_count * 2 : 1;
        p->marks = xrealloc(p->marks, cap * sizeof *p->marks);
    }
    p->marks[p->mark_count++] = (struct aof_mark){offset, at};
}

struct aof_part *aof_add_part(struct aof *a, unsigned number, uint64_t first_offset,
                              uint64_t bytes) {
    must(a->part_count == 0 || a->parts[a->part_count - 1].number + 1 == number,
         "parts are numbered in a row");
    a->parts = xrealloc(a->parts, (a->part_count + 1) * sizeof *a->parts);
    struct aof_part *p = &a->parts[a->part_count++];
    *p = (struct aof_part){.number = number, .first_offset = first_offset, .bytes = bytes};
    if (a->next <= number) a->next = number + 1;
    return p;
}

int aof_open_part(const struct aof *a, unsigned number, int flags) {
    char path[512];
    manifest_part_path(path, sizeof path, a->dir, number, "incr");
    return open(path, flags | O_CLOEXEC, 0640);
}

bool aof_new_part(struct aof *a, uint64_t first_offset, int *old_fd) {
    *old_fd = -1;
    int fd = aof_open_part(a, a->next, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0) return false;
    if (a->torn && file_truncate(a->fd, (off_t)a->parts[a->part_count - 1].bytes)) a->torn = false;
    *old_fd = a->fd;
    a->fd = fd;
    a->torn = false;
    a->fresh = true;
    a->ahead = 0;
    a->written = first_offset;
    aof_add_part(a, a->next, first_offset, 0);
    return true;
}

bool aof_open_last(struct aof *a) {
    must(a->part_count > 0 && a->fd < 0, "there is a part, and it is not open yet");
    const struct aof_part *p = &a->parts[a->part_count - 1];
    struct stat st;
    a->fd = aof_open_part(a, p->number, O_RDWR);
    a->ahead = 0;
    if (a->fd < 0 || fstat(a->fd, &st) != 0) return false;
    if ((uint64_t)st.st_size == p->bytes) return true;
    /* On the disk before anything is written there: blocks of a torn tail could fit behind a new one. */
    return file_truncate(a->fd, (off_t)p->bytes) && file_sync(a->fd);
}

bool aof_give_back(struct aof *a) {
    a->ahead = 0;
    return file_truncate(a->fd, (off_t)a->parts[a->part_count - 1].bytes);
}

int aof_open_again(const struct aof *a) {
    return aof_open_part(a, a->parts[a->part_count - 1].number, O_WRONLY);
}

uint64_t aof_end_of_data(const char *path, uint64_t from, uint64_t size) {
    char *look = xmalloc(LOOK_BYTES);
    uint64_t end = from;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (uint64_t at = size; at > from && end == from;) {
        uint64_t n = at - from < LOOK_BYTES ? at - from : LOOK_BYTES;
        at -= n;
        if (fd < 0 || !file_pread_all(fd, look, n, (off_t)at)) {
            end = at + n; /* what cannot be read is not taken for zeros */
            break;
        }
        while (n && look[n - 1] == 0) n--;
        if (n) end = at + n;
    }
    if (fd >= 0) close(fd);
    free(look);
    return end;
}

void aof_forget_below(struct aof *a, unsigned number) {
    size_t n = 0;
    while (n < a->part_count && a->parts[n].number < number) free(a->parts[n++].marks);
    if (n == 0) return;
    a->part_count -= n;
    memmove(a->parts, a->parts + n, a->part_count * sizeof *a->parts);
    a->read_offset = 0;
}

static bool write_block(int fd, uint64_t at, const char *header, const struct iovec *iov, int count,
                        size_t len) {
    char together[LOGBLOCK_HEADER_BYTES + TOGETHER_BYTES];
    if (len <= TOGETHER_BYTES) {
        char *p = together + LOGBLOCK_HEADER_BYTES;
        memcpy(together, header, LOGBLOCK_HEADER_BYTES);
        for (int i = 0; i < count; p += iov[i].iov_len, i++)
            memcpy(p, iov[i].iov_base, iov[i].iov_len);
        return file_pwrite_all(fd, together, LOGBLOCK_HEADER_BYTES + len, (off_t)at);
    }
    if (!file_pwrite_all(fd, header, LOGBLOCK_HEADER_BYTES, (off_t)at)) return false;
    at += LOGBLOCK_HEADER_BYTES;
    for (int i = 0; i < count; at += iov[i].iov_len, i++)
        if (!file_pwrite_all(fd, iov[i].iov_base, iov[i].iov_len, (off_t)at)) return false;
    return true;
}

bool aof_append(struct aof *a, const struct persist_pos *at, uint64_t synced,
                enum logblock_kind kind, const struct iovec *iov, int count) {
    must(a->fd >= 0, "a part is open for writing");
    must(at->offset == a->written, "a block follows the one before without a gap");
    struct aof_part *p = &a->parts[a->part_count - 1];
    struct logblock b = {.kind = kind, .db = at->db, .offset = at->offset, .synced = synced};
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        len += iov[i].iov_len;
        b.payload_crc = crc32c(b.payload_crc, iov[i].iov_base, iov[i].iov_len);
    }
    must(len <= LOGBLOCK_PAYLOAD_MAX, "a block is at most 2 GiB");
    b.len = (uint32_t)len;
    b.wall_us = (uint64_t)clock_wall_us();
    memcpy(b.id, at->id, sizeof b.id);
    char header[LOGBLOCK_HEADER_BYTES];
    logblock_put(header, &b);
    if (a->torn) {
        if (!file_truncate(a->fd, (off_t)p->bytes)) return false;
        a->torn = false;
    }
    if (!write_block(a->fd, p->bytes, header, iov, count, len)) {
        int saved = errno;
        a->torn = !file_truncate(a->fd, (off_t)p->bytes);
        a->ahead = 0;
        errno = saved;
        return false;
    }
    aof_mark(p, at->offset, p->bytes);
    p->bytes += LOGBLOCK_HEADER_BYTES + len;
    a->written += len;
    return true;
}

uint64_t aof_first_offset(const struct aof *a) {
    return a->part_count ? a->parts[0].first_offset : UINT64_MAX;
}

static uint64_t bytes_of(const struct aof *a, bool live) {
    uint64_t n = 0;
    for (size_t i = 0; i < a->part_count; i++)
        if ((a->parts[i].number >= a->m.base) == live) n += a->parts[i].bytes;
    return n;
}

uint64_t aof_live_bytes(const struct aof *a) {
    return bytes_of(a, true);
}

uint64_t aof_kept_bytes(const struct aof *a) {
    return bytes_of(a, false);
}
