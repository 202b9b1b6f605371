#include "hactl/set_rdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/import/rdb_old.h"
#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/zframe.h"

#define READ_BYTES (256 << 10)

struct unpacking {
    int from, fd, version;
    uint32_t crc;
    uint64_t taken;
    struct zframe_reader *z;
    struct rdb_old old;
    struct buf in, rdb, out;
    char *why;
    size_t why_size;
};

static bool fails(struct unpacking *u, const char *why) {
    if (!*u->why) snprintf(u->why, u->why_size, "%s", why);
    return false;
}

static bool put(struct unpacking *u) {
    struct buf *b = &u->rdb;
    if (u->version && buf_len(b)) {
        if (!rdb_old_feed(&u->old, buf_head(b), buf_len(b), &u->out)) return fails(u, u->old.error);
        buf_clear(b);
        b = &u->out;
    }
    bool well = !buf_len(b) || file_write_all(u->fd, buf_head(b), buf_len(b));
    buf_clear(b);
    return well || fails(u, strerror(errno));
}

/* What was read, through the frame. */
static bool unpack(struct unpacking *u, enum zframe_state *st) {
    for (bool more = true; more && *st == ZFRAME_MORE;) {
        size_t used, had = buf_len(&u->in);
        *st = zframe_read(u->z, had ? buf_head(&u->in) : "", had, &used, &u->rdb, READ_BYTES);
        more = used < had || buf_len(&u->rdb);
        buf_eat(&u->in, used);
        if (!put(u)) return false;
    }
    if (*st != ZFRAME_BAD) return true;
    snprintf(u->why, u->why_size, "the set is damaged here: %s", zframe_error(u->z));
    return false;
}

static bool go_through(struct unpacking *u, const struct backup_set *s, set_progress *progress,
                       void *arg) {
    enum zframe_state st = ZFRAME_MORE;
    while (u->taken < s->bytes) {
        ssize_t n = read(u->from, buf_room(&u->in, READ_BYTES), READ_BYTES);
        if (n <= 0) return fails(u, n ? strerror(errno) : "the set's data are too short");
        u->crc = crc32c(u->crc, u->in.data + u->in.end, (size_t)n);
        buf_added(&u->in, (size_t)n);
        u->taken += (uint64_t)n;
        if (!unpack(u, &st)) return false;
        if (progress) progress(arg, u->taken, s->bytes);
    }
    if (u->crc != s->crc) return fails(u, "the set is damaged here: its checksum does not fit");
    if (st != ZFRAME_END || (u->version && !u->old.done))
        return fails(u, "the set is damaged here: its data have no end");
    return true;
}

bool set_export_rdb(const char *root, const struct stored_set *s, int version, int fd,
                    set_progress *progress, void *arg, char *why, size_t why_size) {
    struct unpacking *u = xcalloc(1, sizeof *u);
    char dir[SETS_PATH], path[SETS_PATH + 16];
    sets_path(dir, root, s->set.instance, s->set.id);
    snprintf(path, sizeof path, "%s/" BACKUP_DATA_FILE, dir);
    *why = 0;
    u->version = version;
    u->fd = fd;
    u->why = why;
    u->why_size = why_size;
    u->from = open(path, O_RDONLY | O_CLOEXEC);
    u->z = zframe_reader_new();
    rdb_old_begin(&u->old, version);
    bool well = u->from >= 0 ? go_through(u, &s->set, progress, arg) : fails(u, strerror(errno));
    if (u->from >= 0) close(u->from);
    zframe_reader_free(u->z);
    rdb_old_free(&u->old);
    buf_free(&u->in);
    buf_free(&u->rdb);
    buf_free(&u->out);
    free(u);
    return well;
}
