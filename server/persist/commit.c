/* See commit.h. */
#include "server/persist/commit.h"

#include "server/base/file.h"
#include "server/base/log.h"
#include "server/persist/dirs.h"
#include "server/persist/inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void commit_free(struct commit *c) {
    free(c->from);
    free(c->base);
    free(c->keep_dir);
    free(c);
}

void commit_each_part(const char *dir,
                      void (*fn)(void *arg, const char *path, unsigned number, bool base),
                      void *arg) {
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        unsigned number;
        char kind[8], path[600];
        if (sscanf(e->d_name, "%u.%5s", &number, kind) != 2) continue;
        bool base = strcmp(kind, "base") == 0;
        if (!base && strcmp(kind, "incr") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        fn(arg, path, number, base);
    }
    closedir(d);
}

static void drop_old_part(void *arg, const char *path, unsigned number, bool base) {
    const struct commit *c = arg;
    if (number >= (base ? c->m.base : c->m.first)) return;
    for (size_t i = 0; base && i < c->kept_count; i++)
        if (c->kept[i] == number) return;
    unlink(path);
}

struct move_to {
    const char *dir;
    unsigned below;
};

static void keep_part(void *arg, const char *path, unsigned number, bool base) {
    (void)base;
    const struct move_to *to = arg;
    char target[700];
    if (number >= to->below) return;
    snprintf(target, sizeof target, "%s/log%s", to->dir, strrchr(path, '/'));
    /* Under both names until the new manifest stands: a crash before it finds the log whole. */
    if (link(path, target) != 0)
        log_warning("persistence: %s could not be kept as %s: %m", path, target);
}

/* tails/log-.../log/ is a data directory that `duet server --dir` loads. */
static bool keep_log(const struct commit *c) {
    char path[700];
    struct manifest m;
    snprintf(path, sizeof path, "%s/log", c->keep_dir);
    if (!file_make_dirs(path, 0750)) return false;
    bool known = manifest_read(c->p->log_dir, &m, path, sizeof path) == MANIFEST_OK;
    commit_each_part(c->p->log_dir, keep_part, &(struct move_to){c->keep_dir, c->m.base});
    snprintf(path, sizeof path, "%s/log", c->keep_dir);
    return (!known || manifest_write(path, &m)) && file_sync_dir(path);
}

/* The manifest could not be written: its base goes, unless the file that is there names it. */
static void drop_unnamed(const struct commit *c) {
    struct manifest there;
    char err[200];
    if (manifest_read(c->p->log_dir, &there, err, sizeof err) == MANIFEST_OK &&
        there.base != c->m.base)
        unlink(c->base);
}

static bool has_manifest(const char *log_dir) {
    char path[600];
    snprintf(path, sizeof path, "%s/manifest", log_dir);
    return file_exists(path);
}

int commit_work(void *arg) {
    struct commit *c = arg;
    int fd = open(c->from, O_RDONLY | O_CLOEXEC);
    int error = fd >= 0 && file_sync(fd) ? 0 : errno;
    if (fd >= 0) close(fd);
    if (error) return error;
    if (c->m.base && !has_manifest(c->p->log_dir)) {
        /* Parts without any manifest would be refused at the next start. */
        const struct manifest none = {.base_pos.db = -1};
        if (!manifest_write(c->p->log_dir, &none)) return errno;
    }
    if (rename(c->from, c->base) != 0) return errno;
    if (!c->m.base) return file_sync_dir(c->p->dir) ? 0 : errno;
    if (c->keep_dir && !keep_log(c))
        log_error("persistence: the log could not be moved to %s: %m", c->keep_dir);
    /* The base's name is on the disk before the manifest that says it. */
    if (!file_sync_dir(c->p->log_dir) || (c->begun && !file_sync_dir(c->p->dir))) return errno;
    if (!manifest_write(c->p->log_dir, &c->m)) {
        error = errno;
        drop_unnamed(c);
        return error;
    }
    commit_each_part(c->p->log_dir, drop_old_part, c);
    if (c->keep_dir) tails_trim(c->p->tails_dir);
    return 0;
}
