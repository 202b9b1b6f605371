#include "hactl/set_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"

#define READ_BYTES (256 << 10)

/* ---- out ---- */

static bool put_head(int fd, const char *name, uint64_t size, int64_t wall_us, bool directory) {
    struct ustar_head h = {.size = size, .mtime_s = wall_us / 1000000, .directory = directory};
    uint8_t block[USTAR_BLOCK];
    snprintf(h.name, sizeof h.name, "%s", name);
    ustar_put(&h, block);
    return file_write_all(fd, block, sizeof block);
}

static bool put_padding(int fd, uint64_t size) {
    static const char zeros[USTAR_BLOCK];
    return file_write_all(fd, zeros, ustar_padding(size));
}

static bool put_set_file(int fd, const char *dir, const struct backup_set *s) {
    char path[SETS_PATH + 16], name[USTAR_NAME_LIMIT];
    struct buf text = BUF_INIT;
    snprintf(path, sizeof path, "%s/" BACKUP_SET_FILE, dir);
    snprintf(name, sizeof name, "%s/" BACKUP_SET_FILE, s->id);
    bool done = file_read_all(path, &text, BACKUP_SET_MAX_BYTES) &&
                put_head(fd, name, buf_len(&text), s->end_us, false) &&
                file_write_all(fd, buf_head(&text), buf_len(&text)) &&
                put_padding(fd, buf_len(&text));
    buf_free(&text);
    return done;
}

/* Exactly as many bytes as the head announced; *crc is of what was sent. */
static bool put_data(int from, int fd, const struct backup_set *s, uint32_t *crc,
                     set_progress *progress, void *arg) {
    char *bytes = xmalloc(READ_BYTES);
    uint64_t done = 0;
    bool good = true;
    while (good && done < s->bytes) {
        uint64_t left = s->bytes - done;
        ssize_t n = read(from, bytes, left < READ_BYTES ? (size_t)left : READ_BYTES);
        good = n > 0 && file_write_all(fd, bytes, (size_t)n);
        if (!good) break;
        *crc = crc32c(*crc, bytes, (size_t)n);
        done += (uint64_t)n;
        if (progress) progress(arg, done, s->bytes);
    }
    free(bytes);
    return good;
}

bool set_export(const char *root, const struct stored_set *s, int fd, set_progress *progress,
                void *arg, char *why, size_t why_size) {
    static const char zeros[2 * USTAR_BLOCK];
    char dir[SETS_PATH], path[SETS_PATH + 16], name[USTAR_NAME_LIMIT];
    uint32_t crc = 0;
    sets_path(dir, root, s->set.instance, s->set.id);
    snprintf(path, sizeof path, "%s/" BACKUP_DATA_FILE, dir);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(name, sizeof name, "%s/", s->set.id);
    bool done =
        from >= 0 && put_head(fd, name, 0, s->set.end_us, true) && put_set_file(fd, dir, &s->set);
    snprintf(name, sizeof name, "%s/" BACKUP_DATA_FILE, s->set.id);
    done = done && put_head(fd, name, s->set.bytes, s->set.end_us, false) &&
           put_data(from, fd, &s->set, &crc, progress, arg) && put_padding(fd, s->set.bytes);
    if (!done) snprintf(why, why_size, "the set cannot be written out: %s", strerror(errno));
    if (done && crc != s->set.crc) {
        snprintf(why, why_size, "the set is damaged here: its checksum is %08x, it should be %08x",
                 crc, s->set.crc);
        done = false; /* without an end the archive is none */
    } else if (done && !file_write_all(fd, zeros, sizeof zeros)) {
        snprintf(why, why_size, "the set cannot be written out: %s", strerror(errno));
        done = false;
    }
    if (from >= 0) close(from);
    return done;
}

/* ---- in ---- */

__attribute__((format(printf, 2, 3))) static bool wrong(struct set_import *i, const char *fmt,
                                                        ...) {
    va_list ap;
    va_start(ap, fmt);
    if (!i->why[0]) vsnprintf(i->why, sizeof i->why, fmt, ap);
    va_end(ap);
    return false;
}

static void partial_path(const struct set_import *i, char out[SETS_PATH], const char *file) {
    char id[80];
    snprintf(id, sizeof id, "%s" BACKUP_PARTIAL "%s%s", i->set.id, file ? "/" : "",
             file ? file : "");
    sets_path(out, i->root, i->set.instance, id);
}

void set_import_begin(struct set_import *i, const char *root, set_progress *progress, void *arg) {
    memset(i, 0, sizeof *i);
    i->root = root;
    i->progress = progress;
    i->arg = arg;
    i->fd = -1;
}

static void drop_partial(struct set_import *i) {
    char path[SETS_PATH];
    if (i->fd >= 0) close(i->fd);
    i->fd = -1;
    if (!i->known || i->there_already) return;
    partial_path(i, path, BACKUP_DATA_FILE);
    unlink(path);
    partial_path(i, path, BACKUP_SET_FILE);
    unlink(path);
    partial_path(i, path, NULL);
    rmdir(path);
}

static bool write_set_file(struct set_import *i, const char *dir) {
    char path[SETS_PATH];
    partial_path(i, path, BACKUP_SET_FILE);
    return file_replace(path, i->text, i->text_len, 0644) && sets_give(path, dir);
}

/* The first file is whole: is there such a set, and room for this one? */
static bool know_set(struct set_import *i) {
    char dir[SETS_PATH], path[SETS_PATH];
    struct stored_set here;
    uint64_t room = 0, spare = 0;
    const char *not_fine = backup_set_parse(&i->set, i->text, i->text_len);
    if (not_fine) return wrong(i, "the archive's set file is damaged: %s", not_fine);
    if (strncmp(i->file.name, i->set.id, strlen(i->set.id)) != 0)
        return wrong(i, "the archive's names are not its set's");
    i->known = true;
    if (sets_find(i->root, i->set.id, &here)) {
        i->there_already = true; /* also when it is another one: nothing of it may be touched */
        if (here.readable && here.set.crc == i->set.crc && here.set.bytes == i->set.bytes)
            return true;
        return wrong(i, "there is another set %s here%s%s; delete that one first", i->set.id,
                     here.readable ? "" : ", a damaged one: ", here.readable ? "" : here.why);
    }
    if (!sets_make_folder(i->root, i->set.instance) ||
        !sets_room(i->root, i->set.instance, &room, &spare))
        return wrong(i, "no folder for it: %s", strerror(errno));
    if (room < i->set.bytes + spare)
        return wrong(i, "no room for it: it takes %llu MB, %llu MB are free; delete older sets",
                     (unsigned long long)(i->set.bytes + spare) >> 20,
                     (unsigned long long)room >> 20);
    sets_path(dir, i->root, i->set.instance, NULL);
    drop_partial(i); /* of an earlier try */
    partial_path(i, path, NULL);
    if (mkdir(path, 0755) != 0 || !sets_give(path, dir) || !write_set_file(i, dir))
        return wrong(i, "%s cannot be made: %s", path, strerror(errno));
    partial_path(i, path, BACKUP_DATA_FILE);
    i->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (i->fd < 0 || !sets_give(path, dir))
        return wrong(i, "%s cannot be made: %s", path, strerror(errno));
    return true;
}

static bool named(const struct set_import *i, const char *file) {
    char want[USTAR_NAME_LIMIT + 8];
    snprintf(want, sizeof want, "%s/%s", i->set.id, file);
    return i->known && strcmp(i->file.name, want) == 0;
}

static bool take_head(struct set_import *i) {
    const char *not_fine = ustar_get(i->head, &i->file);
    if (not_fine) return wrong(i, "%s", not_fine);
    i->head_len = 0;
    i->ended |= i->file.end;
    if (i->file.end || i->file.directory) return true;
    i->left = i->file.size;
    i->padding = ustar_padding(i->file.size);
    const char *base = strrchr(i->file.name, '/');
    if (!i->known && base && strcmp(base, "/" BACKUP_SET_FILE) == 0 && i->left > 0 &&
        i->left < sizeof i->text)
        return true;
    if (named(i, BACKUP_DATA_FILE) && i->left == i->set.bytes && i->taken == 0) return true;
    return wrong(i,
                 "the archive holds '%.60s', which is no part of a backup set, or not in its place",
                 i->file.name);
}

static bool take_bytes(struct set_import *i, const char *bytes, size_t n) {
    i->left -= n;
    if (!i->known) {
        memcpy(i->text + i->text_len, bytes, n);
        i->text_len += n;
        return i->left > 0 || know_set(i);
    }
    i->taken += n;
    i->crc = crc32c(i->crc, bytes, n);
    if (i->progress) i->progress(i->arg, i->taken, i->set.bytes);
    if (i->there_already || file_write_all(i->fd, bytes, n)) return true;
    return wrong(i, "cannot write to the disk: %s", strerror(errno));
}

bool set_import_take(struct set_import *i, const char *bytes, size_t len) {
    while (len > 0 && !i->why[0] && !i->ended) {
        size_t n = len;
        if (i->left > 0) {
            if (n > i->left) n = (size_t)i->left;
            take_bytes(i, bytes, n);
        } else if (i->padding > 0) {
            if (n > i->padding) n = (size_t)i->padding;
            i->padding -= n;
        } else {
            if (n > USTAR_BLOCK - i->head_len) n = USTAR_BLOCK - i->head_len;
            memcpy(i->head + i->head_len, bytes, n);
            i->head_len += n;
            if (i->head_len == USTAR_BLOCK) take_head(i);
        }
        bytes += n;
        len -= n;
    }
    return !i->why[0];
}

static bool name_it(struct set_import *i) {
    char from[SETS_PATH], to[SETS_PATH], dir[SETS_PATH];
    partial_path(i, from, NULL);
    sets_path(to, i->root, i->set.instance, i->set.id);
    sets_path(dir, i->root, i->set.instance, NULL);
    if (!file_sync(i->fd) || !file_sync_dir(from) || rename(from, to) != 0 || !file_sync_dir(dir))
        return wrong(i, "cannot be written whole: %s", strerror(errno));
    close(i->fd);
    i->fd = -1;
    return true;
}

bool set_import_end(struct set_import *i) {
    bool good = !i->why[0];
    if (good && (!i->known || !i->ended || i->taken != i->set.bytes))
        good = wrong(i, "the archive is cut off");
    if (good && i->crc != i->set.crc)
        good = wrong(i, "the archive is damaged: its checksum is %08x, the set says %08x", i->crc,
                     i->set.crc);
    if (good && !i->there_already) good = name_it(i);
    if (!good) drop_partial(i);
    return good;
}
