/* The tails that stand in the data directory: how many nobody has dealt with, and not too many of them. */
#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/log.h"
#include "server/proto/tail_report.h"
#include "server/repl/inside.h"
#include "server/repl/tail.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Those that were dealt with go first, the oldest first; others only when that was not enough. */
enum { TAILS_MOST = 64, REPORT_BYTES = 4 << 20 };
#define TAILS_BYTES (8ULL << 30)

struct found {
    struct tail_report report;
    bool done;
};

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static bool read_one(const char *dir, const char *name, struct found *f) {
    char *path = xasprintf("%s/%s", dir, name);
    struct buf text = BUF_INIT;
    bool ok = file_read_all(path, &text, REPORT_BYTES) &&
              tail_report_get((struct bytes){buf_head(&text), buf_len(&text)}, &f->report, NULL);
    free(path);
    buf_free(&text);
    if (!ok) return false;
    path = xasprintf("%s/tail-%s.done", dir, f->report.id);
    f->done = file_exists(path);
    free(path);
    return true;
}

/* What goes first stands last. */
static int by_worth(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->done != y->done) return x->done - y->done;
    return (x->report.saved_ms < y->report.saved_ms) - (x->report.saved_ms > y->report.saved_ms);
}

static void drop(const char *dir, const struct found *f) {
    static const char *const ends[] = {"resp", "txt", "done"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *path = xasprintf("%s/tail-%s.%s", dir, f->report.id, ends[i]);
        unlink(path);
        free(path);
    }
    log_warning("replication: tail %s (%llu writes, %s) was removed: there are too many tails",
                f->report.id, (unsigned long long)f->report.writes,
                f->done ? "dealt with" : "nobody had dealt with it");
}

static struct found *look(const char *dir, size_t *count, uint64_t *wholes) {
    struct found *all = NULL;
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        *wholes += strncmp(e->d_name, "log-", 4) == 0;
        if (strncmp(e->d_name, "tail-", 5) != 0 || !ends_with(e->d_name, ".txt")) continue;
        all = xrealloc(all, (n + 1) * sizeof *all);
        n += read_one(dir, e->d_name, &all[n]);
    }
    if (d) closedir(d);
    *count = n;
    return all;
}

void tail_look(struct repl *r) {
    struct repl_tails *t = &r->tails;
    char *dir = xasprintf("%s/tails", r->dir);
    uint64_t bytes = 0, wholes = 0;
    size_t n;
    struct found *all = look(dir, &n, &wholes);
    *t = (struct repl_tails){.wholes = wholes};
    if (n) qsort(all, n, sizeof *all, by_worth);
    for (size_t i = 0; i < n; i++) {
        const struct tail_report *one = &all[i].report;
        bytes += one->bytes;
        if (i >= TAILS_MOST || (i > 0 && bytes > TAILS_BYTES)) {
            drop(dir, &all[i]);
            continue;
        }
        if (all[i].done) continue;
        if (!t->count) memcpy(t->newest, one->id, sizeof t->newest);
        t->count++;
        t->writes += one->writes;
        t->keys += one->keys;
    }
    free(all);
    free(dir);
}

/* A log that is kept whole: log-SECONDS-LINE (server/persist). */
static bool is_whole(const char *id) {
    return strncmp(id, "log-", 4) == 0 && strspn(id + 4, "0123456789abcdef-") == strlen(id + 4) &&
           strlen(id) < 48;
}

bool repl_tail_discard(struct repl *r, const char *id) {
    static const char *const ends[] = {"txt", "resp", "done"};
    bool gone = false;
    if (is_whole(id)) {
        char *dir = xasprintf("%s/tails/%s", r->dir, id);
        gone = file_exists(dir);
        file_tree_remove(dir);
        free(dir);
    }
    for (size_t i = 0; tail_id_valid(id) && i < sizeof ends / sizeof *ends; i++) {
        char *path = xasprintf("%s/tails/tail-%s.%s", r->dir, id, ends[i]);
        gone |= unlink(path) == 0;
        free(path);
    }
    if (gone) log_notice("replication: tail %s was discarded by an operator", id);
    tail_look(r);
    return gone;
}

bool repl_tail_done(struct repl *r, const char *id, const char *text) {
    if (!tail_id_valid(id)) return false;
    char *path = xasprintf("%s/tails/tail-%s.txt", r->dir, id);
    bool ok = file_exists(path);
    free(path);
    path = xasprintf("%s/tails/tail-%s.done", r->dir, id);
    ok = ok && file_replace(path, text, strlen(text), 0640);
    free(path);
    if (ok) log_notice("replication: tail %s: %s", id, text);
    tail_look(r);
    return ok;
}
