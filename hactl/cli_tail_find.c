#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hactl/cli_tail.h"
#include "server/base/file.h"

#define REPORT_BYTES (4u << 20)
#define INSTANCES    64

struct list {
    struct tail_found *all;
    size_t count;
};

static struct tail_found *add(struct list *l) {
    l->all = xrealloc(l->all, (l->count + 1) * sizeof *l->all);
    return memset(&l->all[l->count], 0, sizeof *l->all);
}

char *tail_path(const char *root, const struct tail_found *t, const char *end) {
    if (t->whole) return xasprintf("%s/data/instance-%u/tails/%s", root, t->instance, t->report.id);
    return xasprintf("%s/data/instance-%u/tails/tail-%s.%s", root, t->instance, t->report.id, end);
}

static bool read_report(const char *path, struct tail_report *r) {
    struct buf text = BUF_INIT;
    bool ok = file_read_all(path, &text, REPORT_BYTES) &&
              tail_report_get((struct bytes){buf_head(&text), buf_len(&text)}, r, NULL);
    buf_free(&text);
    return ok;
}

static void read_done(const char *root, struct tail_found *t) {
    char *path = tail_path(root, t, "done");
    struct buf text = BUF_INIT;
    if (file_read_all(path, &text, 4096))
        snprintf(t->done, sizeof t->done, "%.*s", (int)buf_len(&text), buf_head(&text));
    buf_free(&text);
    free(path);
}

static void take(struct list *l, const char *root, const char *dir, unsigned instance,
                 const char *name) {
    size_t n = strlen(name);
    struct tail_found *t = add(l);
    struct stat st;
    t->instance = instance;
    char *path = xasprintf("%s/%s", dir, name);
    if (strncmp(name, "log-", 4) == 0 && n < sizeof t->report.id) {
        t->whole = true;
        memcpy(t->report.id, name, n + 1);
        if (stat(path, &st) == 0) t->report.saved_ms = (int64_t)st.st_mtime * 1000;
        l->count++;
    } else if (strncmp(name, "tail-", 5) == 0 && n > 4 && strcmp(name + n - 4, ".txt") == 0 &&
               read_report(path, &t->report)) {
        read_done(root, t);
        l->count++;
    }
    free(path);
}

static int by_time(const void *a, const void *b) {
    const struct tail_found *x = a, *y = b;
    return (x->report.saved_ms > y->report.saved_ms) - (x->report.saved_ms < y->report.saved_ms);
}

struct tail_found *tails_find(const char *root, size_t *count) {
    struct list l = {0};
    for (unsigned i = 0; i < INSTANCES; i++) {
        char *dir = xasprintf("%s/data/instance-%u/tails", root, i);
        DIR *d = opendir(dir);
        for (struct dirent *e; d && (e = readdir(d));) take(&l, root, dir, i, e->d_name);
        if (d) closedir(d);
        free(dir);
    }
    if (l.count) qsort(l.all, l.count, sizeof *l.all, by_time);
    *count = l.count;
    return l.all;
}

bool tail_named(const struct cli *c, const char *id, struct tail_found *out) {
    size_t n, found = 0;
    struct tail_found *all = tails_find(c->root, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].report.id, id) != 0) continue;
        if (c->instance && (unsigned)strtoul(c->instance, NULL, 10) != all[i].instance) continue;
        *out = all[i];
        found++;
    }
    free(all);
    if (!found)
        fprintf(stderr,
                "hactl: there is no tail %s on this node; `hactl tail list` shows those "
                "there are, `hactl --peer tail list` the other node's\n",
                id);
    if (found > 1)
        fprintf(stderr, "hactl: several instances have a tail %s: say which by --instance N\n", id);
    return found == 1;
}
