#include "hactl/sets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define INSTANCES     64
#define VERIFIED      "verified"
#define GONE          ".gone"
#define READ_BYTES    (256 << 10)
#define VERDICT_LIMIT 512
#define SPARE_MAX     (64ULL << 20)

void sets_path(char out[SETS_PATH], const char *root, unsigned instance, const char *id) {
    snprintf(out, SETS_PATH, "%s/data/backup/instance-%u%s%s", root, instance, id ? "/" : "",
             id ? id : "");
}

/* ---- the verdict: "good|damaged WALL_US REASON" ---- */

static void read_verdict(const char *dir, struct stored_set *s) {
    char path[SETS_PATH + 16], word[16], reason[160] = "";
    struct buf text = BUF_INIT;
    long long at;
    snprintf(path, sizeof path, "%s/" VERIFIED, dir);
    if (file_read_all(path, &text, VERDICT_LIMIT) &&
        sscanf(buf_cstr(&text), "%15s %lld %159[^\n]", word, &at, reason) >= 2) {
        s->verdict = strcmp(word, "good") == 0 ? SET_GOOD : SET_DAMAGED;
        s->verified_us = at;
        if (s->verdict == SET_DAMAGED) snprintf(s->why, sizeof s->why, "%s", reason);
    }
    buf_free(&text);
}

static void keep_verdict(const char *dir, const struct stored_set *s) {
    char path[SETS_PATH + 16], text[VERDICT_LIMIT];
    snprintf(path, sizeof path, "%s/" VERIFIED, dir);
    int n = snprintf(text, sizeof text, "%s %lld %s\n", s->verdict == SET_GOOD ? "good" : "damaged",
                     (long long)s->verified_us, s->why);
    file_replace(path, text, (size_t)n, 0644);
}

/* ---- reading ---- */

static bool data_has_its_size(const char *dir, struct stored_set *s) {
    char path[SETS_PATH + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s/" BACKUP_DATA_FILE, dir);
    if (stat(path, &st) != 0)
        snprintf(s->why, sizeof s->why, BACKUP_DATA_FILE ": %s", strerror(errno));
    else if ((uint64_t)st.st_size != s->set.bytes)
        snprintf(s->why, sizeof s->why, BACKUP_DATA_FILE " has %llu bytes, the set says %llu",
                 (unsigned long long)st.st_size, (unsigned long long)s->set.bytes);
    else
        return true;
    return false;
}

static void read_set(const char *root, unsigned instance, const char *id, struct stored_set *s) {
    char dir[SETS_PATH];
    memset(s, 0, sizeof *s);
    sets_path(dir, root, instance, id);
    s->readable = backup_set_read(&s->set, dir, s->why, sizeof s->why);
    if (s->readable && strcmp(s->set.id, id) != 0) {
        snprintf(s->why, sizeof s->why, "its file says that it is %.48s", s->set.id);
        s->readable = false;
    }
    if (s->readable) s->readable = data_has_its_size(dir, s);
    if (s->readable) {
        read_verdict(dir, s);
        return;
    }
    snprintf(s->set.id, sizeof s->set.id, "%.47s", id);
    s->set.instance = instance;
    s->verdict = SET_DAMAGED;
}

static int by_age(const void *a, const void *b) {
    const struct stored_set *x = a, *y = b;
    if (x->set.instance != y->set.instance) return x->set.instance < y->set.instance ? -1 : 1;
    return strcmp(x->set.id, y->set.id);
}

size_t sets_list(const char *root, int instance, struct stored_set **list) {
    size_t count = 0;
    *list = NULL;
    for (unsigned n = 0; n < INSTANCES; n++) {
        char dir[SETS_PATH];
        unsigned of;
        struct dirent *e;
        sets_path(dir, root, n, NULL);
        DIR *d = instance < 0 || (unsigned)instance == n ? opendir(dir) : NULL;
        while (d && (e = readdir(d))) {
            if (!backup_id_valid(e->d_name, &of) || of != n) continue;
            *list = xrealloc(*list, (count + 1) * sizeof **list);
            read_set(root, n, e->d_name, *list + count++);
        }
        if (d) closedir(d);
    }
    if (count) qsort(*list, count, sizeof **list, by_age);
    return count;
}

bool sets_find(const char *root, const char *id, struct stored_set *out) {
    char dir[SETS_PATH];
    unsigned instance;
    if (!backup_id_valid(id, &instance)) return false;
    sets_path(dir, root, instance, id);
    if (access(dir, F_OK) != 0) return false;
    read_set(root, instance, id, out);
    return true;
}

/* ---- the folder ---- */

bool sets_give(const char *path, const char *like) {
    struct stat st;
    if (stat(like, &st) != 0) return false;
    return geteuid() != 0 || chown(path, st.st_uid, st.st_gid) == 0;
}

bool sets_make_folder(const char *root, unsigned instance) {
    char dir[SETS_PATH], data[SETS_PATH];
    sets_path(dir, root, instance, NULL);
    snprintf(data, sizeof data, "%s/data/instance-%u", root, instance);
    if (!file_make_dirs(dir, 0755)) return false;
    return access(data, F_OK) != 0 || sets_give(dir, data);
}

bool sets_room(const char *root, unsigned instance, uint64_t *bytes, uint64_t *spare) {
    char dir[SETS_PATH];
    struct statvfs v;
    sets_path(dir, root, instance, NULL);
    if (statvfs(dir, &v) != 0) return false;
    *bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *spare = (uint64_t)v.f_blocks * v.f_frsize / 20;
    if (*spare > SPARE_MAX) *spare = SPARE_MAX;
    return true;
}

/* ---- verifying ---- */

static bool read_data(const char *dir, struct stored_set *s,
                      void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg) {
    char path[SETS_PATH + 16];
    uint32_t crc = 0;
    uint64_t done = 0;
    ssize_t n = 0;
    snprintf(path, sizeof path, "%s/" BACKUP_DATA_FILE, dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = xmalloc(READ_BYTES);
    while (fd >= 0 && (n = read(fd, bytes, READ_BYTES)) > 0) {
        crc = crc32c(crc, bytes, (size_t)n);
        done += (uint64_t)n;
        if (progress) progress(arg, done, s->set.bytes);
    }
    if (fd < 0 || n < 0)
        snprintf(s->why, sizeof s->why, BACKUP_DATA_FILE " cannot be read: %s", strerror(errno));
    else if (crc != s->set.crc)
        snprintf(s->why, sizeof s->why,
                 BACKUP_DATA_FILE " is damaged: its checksum is %08x, the set says %08x", crc,
                 s->set.crc);
    bool good = fd >= 0 && n == 0 && crc == s->set.crc;
    if (fd >= 0) close(fd);
    free(bytes);
    return good;
}

bool sets_verify(const char *root, const char *id, struct stored_set *out,
                 void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg) {
    char dir[SETS_PATH];
    if (!sets_find(root, id, out)) {
        snprintf(out->why, sizeof out->why, "there is no set %s here", id);
        return false;
    }
    if (!out->readable) return false;
    sets_path(dir, root, out->set.instance, id);
    out->why[0] = 0;
    out->verdict = read_data(dir, out, progress, arg) ? SET_GOOD : SET_DAMAGED;
    out->verified_us = clock_wall_us();
    keep_verdict(dir, out);
    return out->verdict == SET_GOOD;
}

/* ---- removing ---- */

static bool remove_folder(const char *dir) {
    struct dirent *e;
    DIR *d = opendir(dir);
    if (!d) return false;
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(dir) == 0;
}

bool sets_delete(const char *root, const char *id) {
    char dir[SETS_PATH], gone[SETS_PATH + 8];
    unsigned instance;
    if (!backup_id_valid(id, &instance)) {
        errno = EINVAL;
        return false;
    }
    sets_path(dir, root, instance, id);
    snprintf(gone, sizeof gone, "%s" GONE, dir);
    remove_folder(gone);
    if (rename(dir, gone) != 0) return false;
    return remove_folder(gone);
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n > m && strcmp(s + n - m, end) == 0;
}

void sets_sweep(const char *root, int64_t older_than_s) {
    for (unsigned n = 0; n < INSTANCES; n++) {
        char dir[SETS_PATH], path[SETS_PATH + 260];
        struct dirent *e;
        struct stat st;
        sets_path(dir, root, n, NULL);
        DIR *d = opendir(dir);
        while (d && (e = readdir(d))) {
            if (!ends_with(e->d_name, BACKUP_PARTIAL) && !ends_with(e->d_name, GONE)) continue;
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            if (stat(path, &st) == 0 && time(NULL) - st.st_mtime > older_than_s)
                remove_folder(path);
        }
        if (d) closedir(d);
    }
}
