/* A store with its persistence in a directory of its own, for the tests of server/persist and
 * server/repl. Commands are SET key value [PXAT ms], DEL key and FLUSHALL; anything else is
 * unknown. */
#ifndef TESTS_UNIT_PERSIST_RIG_H
#define TESTS_UNIT_PERSIST_RIG_H

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/persist/persist.h"
#include "server/proto/replline.h"
#include "server/store/store.h"
#include "server/store/string.h"
#include "tests/unit/tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char rig_top[256];

/* Removes a directory of this test with all in it. */
__attribute__((unused)) static void rig_remove(const char *path) {
    DIR *d = opendir(path);
    if (d) {
        for (struct dirent *e; (e = readdir(d));) {
            if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
            char *p = xasprintf("%s/%s", path, e->d_name);
            if (unlink(p) != 0) rig_remove(p);
            free(p);
        }
        closedir(d);
    }
    rmdir(path);
}

static void rig_bye(void) {
    if (rig_top[0]) rig_remove(rig_top);
}

__attribute__((unused)) static void rig_start(void) {
    /* Thousands of fsyncs: in memory where there is such a place. */
    const char *tmp = getenv("TMPDIR"),
               *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(rig_top, sizeof rig_top, "%s/duet-test-XXXXXX", tmp ? tmp : place);
    if (!mkdtemp(rig_top)) exit(2);
    atexit(rig_bye);
    hash_set_key((uint64_t[2]){1, 2});
    if (!getenv("DUET_TEST_LOG")) log_set_level(LOG_ERROR + 1);
}

struct rig {
    struct loop *loop;
    struct store *store;
    struct persist *persist;
    struct persist_options o;
    struct persist_pos pos; /* where the next block goes */
    char err[512];
};

static bool rig_run(void *arg, int db, int argc, const struct bytes *argv, char *err,
                    size_t err_size) {
    struct rig *g = arg;
    if (argc >= 3 && bytes_is(argv[0], "set")) {
        int64_t at = NO_EXPIRY;
        if (argc == 5) num_parse_i64(argv[4].p, argv[4].len, &at);
        store_put_string(g->store, db, argv[1], argv[2], at);
        return true;
    }
    if (argc == 2 && bytes_is(argv[0], "del")) {
        struct entry *e = store_find(g->store, db, argv[1]);
        if (e) store_delete(g->store, db, e);
        return true;
    }
    if (argc == 1 && bytes_is(argv[0], "flushall")) {
        store_flush_all(g->store);
        return true;
    }
    snprintf(err, err_size, "unknown command");
    return false;
}

static void rig_pos(void *arg, struct persist_pos *pos) {
    *pos = ((struct rig *)arg)->pos;
}

/* Opens dir and loads it. The position goes on where the log ends. */
__attribute__((unused)) static enum persist_load rig_open(struct rig *g, const char *dir) {
    enum persist_load st;
    struct persist_world world = {.arg = g, .run = rig_run};
    g->loop = loop_new();
    g->store = store_new(16, 1);
    g->o.dir = dir;
    g->persist = persist_open(&g->o, g->store, g->loop, &world, g->err, sizeof g->err);
    if (!g->persist) return PERSIST_DAMAGED;
    do st = persist_load_step(g->persist, 1000);
    while (st == PERSIST_LOADING);
    g->pos = persist_loaded(g->persist)->pos;
    if (!g->pos.id[0]) memset(g->pos.id, 'a', PERSIST_ID_CHARS);
    persist_set_pos_source(g->persist, rig_pos, g);
    return st;
}

__attribute__((unused)) static void rig_close(struct rig *g) {
    persist_close(g->persist);
    store_free(g->store);
    loop_free(g->loop);
    g->persist = NULL;
}

__attribute__((unused)) static bool rig_stop(struct rig *g) {
    bool ok = persist_stop(g->persist, g->err, sizeof g->err);
    rig_close(g);
    return ok;
}

/* Turns the loop until what holds, at most 20 s. */
#define rig_until(g, what)                                                                         \
    ({                                                                                             \
        uint64_t rig_end = clock_boot_ms() + 20000;                                                \
        while (!(what) && clock_boot_ms() < rig_end) {                                             \
            store_work((g)->store, 1000);                                                          \
            loop_turn((g)->loop, false);                                                           \
            usleep(100);                                                                           \
        }                                                                                          \
        (what);                                                                                    \
    })

/* Runs a command and appends it to the log in a block of its own. */
__attribute__((unused)) static bool rig_do(struct rig *g, const char *a, const char *b,
                                           const char *c) {
    struct buf req = BUF_INIT;
    struct bytes argv[3] = {{a, strlen(a)}, {b, b ? strlen(b) : 0}, {c, c ? strlen(c) : 0}};
    int argc = c ? 3 : b ? 2 : 1;
    rig_run(g, 0, argc, argv, g->err, sizeof g->err);
    if (g->pos.db != 0) {
        replline_words(&req, "SELECT", "0", NULL);
    }
    replline_request(&req, argc, argv);
    struct iovec iov = {buf_head(&req), buf_len(&req)};
    bool ok = persist_append(g->persist, &g->pos, &iov, 1);
    if (ok) {
        g->pos.offset += buf_len(&req);
        g->pos.db = 0;
    }
    buf_free(&req);
    return ok;
}

__attribute__((unused)) static const char *rig_get(struct rig *g, const char *key) {
    static char text[4096];
    struct digits d;
    struct entry *e = store_find(g->store, 0, (struct bytes){key, strlen(key)});
    if (!e) return NULL;
    struct bytes v = string_bytes(e, &d);
    snprintf(text, sizeof text, "%.*s", (int)v.len, v.p);
    return text;
}

__attribute__((unused)) static char *rig_path(const char *name) {
    return xasprintf("%s/%s", rig_top, name);
}

/* The whole of a file, and a file from bytes. */
__attribute__((unused)) static struct buf rig_read(const char *path) {
    struct buf b = BUF_INIT;
    if (!file_read_all(path, &b, 1 << 30)) buf_clear(&b);
    return b;
}

__attribute__((unused)) static void rig_write(const char *path, const char *data, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (fd < 0 || !file_write_all(fd, data, len)) abort();
    close(fd);
}

#endif
