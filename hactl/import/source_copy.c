/* The source's RDB, received into a file: of a length that is told first, or up to a mark (diskless). */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "hactl/import/source_inside.h"
#include "server/base/clock.h"
#include "server/base/file.h"

enum {
    COPY_BEGINS_MS = 600000, /* a big source forks and saves first; it says newlines meanwhile */
    SILENT_COPY_MS = 60000,
    CHECK_EACH_BYTES = 64 << 20
};
#define DISK_SPARE_BYTES (64ULL << 20)

static uint64_t disk_free(const char *dir) {
    struct statvfs v;
    return statvfs(dir, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : UINT64_MAX;
}

bool source_has_room(const struct source *s) {
    return disk_free(s->o.dir) >= DISK_SPARE_BYTES;
}

/* Before a byte of it is taken: is there room for `bytes` more? */
static bool fits(struct source *s, uint64_t bytes) {
    uint64_t there = disk_free(s->o.dir);
    if (there >= bytes + DISK_SPARE_BYTES) return true;
    source_say(s, SOURCE_REFUSED,
               "the source's copy needs %llu MB below %s, where %llu MB are free",
               (unsigned long long)((bytes + DISK_SPARE_BYTES) >> 20), s->o.dir,
               (unsigned long long)(there >> 20));
    return false;
}

static enum source_end head_line(struct source *s, struct replline *l) {
    if (!dial_line(&s->link, l, COPY_BEGINS_MS))
        return source_say(s, SOURCE_LOST, "the source: %s", s->link.why);
    enum source_end end = SOURCE_OK;
    if (l->kind == REPLLINE_ERROR)
        end = source_refusal(s, s->psync ? "PSYNC" : "SYNC", l->text);
    else if (l->kind != REPLLINE_LENGTH && l->kind != REPLLINE_MARK)
        end = source_say(s, SOURCE_LOST, "the source does not send a copy as a Redis does");
    buf_eat(&s->link.in, l->used);
    return end;
}

struct copy {
    int fd;
    uint64_t checked;
    const struct replline *head;
};

static bool put(struct source *s, struct copy *c, size_t n) {
    if (!file_write_all(c->fd, buf_head(&s->link.in), n)) {
        source_say(s, SOURCE_REFUSED, "%s/source.rdb: %s", s->o.dir, strerror(errno));
        return false;
    }
    buf_eat(&s->link.in, n);
    s->rdb_got += n;
    if (s->rdb_got - c->checked < CHECK_EACH_BYTES) return true;
    c->checked = s->rdb_got;
    return fits(s, 0);
}

/* Takes what is there; *whole at the end. */
static bool take(struct source *s, struct copy *c, bool *whole) {
    size_t n = buf_len(&s->link.in);
    if (c->head->kind == REPLLINE_LENGTH) {
        uint64_t left = c->head->number - s->rdb_got;
        *whole = n >= left;
        return put(s, c, n < left ? n : (size_t)left);
    }
    const char *mark = n >= REPLLINE_MARK_BYTES
                           ? memmem(buf_head(&s->link.in), n, c->head->mark, REPLLINE_MARK_BYTES)
                           : NULL;
    *whole = mark != NULL;
    if (mark) {
        if (!put(s, c, (size_t)(mark - buf_head(&s->link.in)))) return false;
        buf_eat(&s->link.in, REPLLINE_MARK_BYTES);
        return true;
    }
    return n <= REPLLINE_MARK_BYTES || put(s, c, n - REPLLINE_MARK_BYTES);
}

static enum source_end receive(struct source *s, struct copy *c) {
    bool whole = false;
    uint64_t heard = clock_boot_ms();
    for (;;) {
        if (!take(s, c, &whole)) return SOURCE_REFUSED;
        if (whole) break;
        if (s->o.pause && !s->o.pause(s->o.arg))
            return source_say(s, SOURCE_REFUSED, "it was stopped");
        long n = dial_read(&s->link, 256 << 10, 200);
        if (n < 0) return source_say(s, SOURCE_LOST, "the source: %s", s->link.why);
        if (n > 0) heard = clock_boot_ms();
        if (clock_boot_ms() - heard > SILENT_COPY_MS)
            return source_say(s, SOURCE_LOST, "the source's copy does not go on");
    }
    if (file_sync(c->fd)) return SOURCE_OK;
    return source_say(s, SOURCE_REFUSED, "%s/source.rdb: %s", s->o.dir, strerror(errno));
}

enum source_end source_receive(struct source *s) {
    char path[600];
    struct replline head;
    struct copy c = {.head = &head};
    s->rdb_got = s->rdb_total = 0;
    enum source_end end = head_line(s, &head);
    if (end != SOURCE_OK) return end;
    s->rdb_total = head.kind == REPLLINE_LENGTH ? head.number : 0;
    /* without a length: an RDB is seldom bigger than half of the memory that it comes from */
    uint64_t bytes = s->rdb_total ? s->rdb_total : s->facts.used_memory / 2;
    if (!fits(s, 2 * bytes)) return SOURCE_REFUSED; /* and the instance's log takes it, too */
    snprintf(path, sizeof path, "%s/source.rdb", s->o.dir);
    c.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (c.fd < 0) return source_say(s, SOURCE_REFUSED, "%s: %s", path, strerror(errno));
    end = receive(s, &c);
    close(c.fd);
    if (end != SOURCE_OK) return end;
    s->rdb_total = s->rdb_got;
    s->streaming = true;
    s->heard_ms = clock_boot_ms();
    s->acked_ms = 0; /* a diskless master sends its stream from the first acknowledgement on */
    return SOURCE_OK;
}
