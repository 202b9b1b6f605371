/* link: server/persist/persist.c server/persist/aof.c server/persist/aof_read.c server/persist/durable.c server/persist/room.c server/persist/filewalk.c
   server/persist/load.c server/persist/load_ahead.c server/persist/load_base.c server/persist/load_base_read.c server/persist/load_incr.c server/persist/load_incr_read.c
   server/persist/manifest.c server/persist/rewrite.c server/persist/commit.c server/persist/replace.c server/persist/save.c server/persist/value_save.c server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c server/proto/ziplist.c server/persist/walk.c server/persist/walk_out.c server/persist/spill.c server/persist/backup.c server/persist/rollback.c server/persist/prepare.c server/persist/setfile.c server/persist/rdbscan.c server/persist/logscan.c server/persist/logtimes.c server/persist/dirs.c server/base/backup_set.c server/base/zframe.c
   server/persist/worker.c server/proto/cmdstream.c server/proto/crc64.c server/proto/logblock.c server/proto/lzf.c
   server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/rdb_write.c server/proto/replline.c server/proto/resp_parse.c server/store/dict.c
   server/store/dict_each.c server/store/entry.c server/store/pass.c server/store/apart.c server/store/store.c server/store/string.c
   server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/base/buf.c server/base/decimal.c server/base/clock.c server/base/conf.c server/base/crc32c.c
   server/base/file.c server/base/hash.c server/base/log.c server/base/loop.c server/base/num.c server/base/rand.c
 * server/proto/zipmap.c */
/* The log and snapshots in a directory: what was written is loaded, a torn tail is cut and
 * reported, damage is refused, wherever it is. */
#include "tests/unit/persist_rig.h"

#include <errno.h>

static void defaults(struct rig *g) {
    memset(g, 0, sizeof *g);
    persist_defaults(&g->o);
    g->o.fsync = PERSIST_FSYNC_NO;
}

static void test_reload(void) {
    struct rig g;
    char *dir = rig_path("reload");
    defaults(&g);
    ok(rig_open(&g, dir) == PERSIST_LOADED, "an empty directory loads as nothing");
    ok(persist_loaded(g.persist)->pos.id[0] == '\0', "and has no place in any stream");
    rig_do(&g, "SET", "a", "1");
    rig_do(&g, "SET", "b", "two");
    rig_do(&g, "DEL", "a", NULL);
    struct persist_pos end = g.pos;
    ok(persist_written_offset(g.persist) == end.offset, "what was appended is written");
    struct rig other;
    defaults(&other);
    ok(rig_open(&other, dir) == PERSIST_DAMAGED && strstr(other.err, "another server"),
       "a second server is refused");
    store_free(other.store);
    loop_free(other.loop);
    rig_close(&g); /* as a crash: nothing is marked */

    ok(rig_open(&g, dir) == PERSIST_LOADED, "it loads after a crash");
    const struct persist_loaded *l = persist_loaded(g.persist);
    ok(!rig_get(&g, "a") && rig_get(&g, "b") && !strcmp(rig_get(&g, "b"), "two"),
       "with the same data");
    ok(l->pos.offset == end.offset && !strcmp(l->pos.id, end.id) && l->pos.db == 0,
       "at the same place in the stream");
    ok(!l->clean && l->cut_bytes == 0, "not clean, nothing cut");
    rig_do(&g, "SET", "c", "3");
    ok(rig_stop(&g), "a clean stop");

    ok(rig_open(&g, dir) == PERSIST_LOADED && persist_loaded(g.persist)->clean, "is seen as one");
    ok(rig_get(&g, "c") != NULL, "and nothing is missing");
    rig_do(&g, "SET", "d", "4");
    rig_close(&g);
    ok(rig_open(&g, dir) == PERSIST_LOADED && rig_get(&g, "d") && !persist_loaded(g.persist)->clean,
       "writes behind a clean end count");
    rig_close(&g);
    free(dir);
}

/* A log of a few blocks, closed as a crash or cleanly; returns its bytes. */
static struct buf make_log(const char *dir, bool clean, uint64_t *end) {
    struct rig g;
    defaults(&g);
    rig_open(&g, dir);
    for (int i = 0; i < 6; i++) {
        char key[8], value[16];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "value-%d", i);
        rig_do(&g, "SET", key, value);
    }
    *end = g.pos.offset;
    if (clean)
        rig_stop(&g);
    else
        rig_close(&g);
    char *path = xasprintf("%s/log/000001.incr", dir);
    struct buf b = rig_read(path);
    free(path);
    return b;
}

/* Keys must be k0..kn without a gap, with their values. */
static int prefix(struct rig *g) {
    int n = 0;
    char key[8], value[16];
    for (;; n++) {
        snprintf(key, sizeof key, "k%d", n);
        snprintf(value, sizeof value, "value-%d", n);
        const char *v = rig_get(g, key);
        if (!v) break;
        if (strcmp(v, value) != 0) return -1;
    }
    return store_count(g->store, 0) == (size_t)n ? n : -1;
}

static void test_truncation(void) {
    uint64_t end;
    char *dir = rig_path("torn"), *path = xasprintf("%s/log/000001.incr", dir);
    struct buf log = make_log(dir, false, &end);
    size_t len = buf_len(&log);
    int wrong = 0, reported = 0, boundaries = 0;
    for (size_t n = 0; n <= len; n++) {
        struct rig g;
        defaults(&g);
        rig_write(path, buf_head(&log), n);
        enum persist_load st = rig_open(&g, dir);
        if (st == PERSIST_DAMAGED) {
            wrong++;
        } else {
            const struct persist_loaded *l = persist_loaded(g.persist);
            if (prefix(&g) < 0) wrong++;
            if (l->cut_bytes) reported++;
            if (!l->cut_bytes) boundaries++;
            /* It goes on behind the cut. */
            if (!rig_do(&g, "SET", "x", "y")) wrong++;
        }
        rig_close(&g);
        if (st == PERSIST_LOADED) {
            if (rig_open(&g, dir) != PERSIST_LOADED || !rig_get(&g, "x")) wrong++;
            rig_close(&g);
        }
    }
    is_int(wrong, 0, "a log cut at any byte loads as what stands before the cut, and goes on");
    is_int(boundaries, 7, "a cut is silent only between two blocks");
    ok(reported > 300, "every other cut is reported (%d)", reported);
    buf_free(&log);
    free(path);
    free(dir);
}

static void flip_all(const char *name, bool clean, bool must_refuse) {
    uint64_t end;
    char *dir = rig_path(name), *path = xasprintf("%s/log/000001.incr", dir);
    struct buf log = make_log(dir, clean, &end);
    size_t len = buf_len(&log);
    int silent = 0, wrong = 0, refused = 0, cut = 0;
    for (size_t i = 0; i < len; i++) {
        struct rig g;
        defaults(&g);
        char *p = buf_head(&log) + i;
        *p = (char)(*p ^ (1 << (i % 8)));
        rig_write(path, buf_head(&log), len);
        *p = (char)(*p ^ (1 << (i % 8)));
        enum persist_load st = rig_open(&g, dir);
        const struct persist_loaded *l = persist_loaded(g.persist);
        if (st == PERSIST_DAMAGED) {
            refused++;
            wrong += store_count(g.store, 0) != 0 || !strstr(l->text, "000001.incr: byte ");
        } else if (l->cut_bytes) {
            cut++;
            wrong += prefix(&g) < 0 || (must_refuse && prefix(&g) != 6);
        } else {
            silent++;
        }
        rig_close(&g);
    }
    is_int(silent, 0,
           clean ? "no flipped bit of a log that ended cleanly loads silently"
                 : "no flipped bit of a log that ended in a crash loads silently");
    is_int(wrong, 0, "what loads is what stands before the bit, and a refusal names the byte");
    if (must_refuse) is_int(cut, 68, "only a damaged end mark is cut; damage before it is refused");
    if (must_refuse) ok(refused > 300, "%d bits were refused", refused);
    buf_free(&log);
    free(path);
    free(dir);
}

static struct buf copy_of(const char *path, size_t flip) {
    struct buf b = rig_read(path);
    if (flip < buf_len(&b)) buf_head(&b)[flip] = (char)(buf_head(&b)[flip] ^ (1 << (flip % 8)));
    return b;
}

static void test_rewrite(void) {
    struct rig g;
    char *dir = rig_path("rewrite");
    bool scheduled;
    defaults(&g);
    rig_open(&g, dir);
    for (int i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i % 50);
        rig_do(&g, "SET", key, "0123456789");
    }
    ok(persist_rewrite(g.persist, &scheduled, g.err, sizeof g.err), "a rewrite begins");
    /* Between its steps keys change, come and go. */
    struct persist_status s;
    persist_status(g.persist, &s);
    rig_until(&g, (persist_status(g.persist, &s), s.rewriting));
    rig_do(&g, "SET", "k0", "changed");
    rig_do(&g, "DEL", "k1", NULL);
    rig_do(&g, "SET", "new", "1");
    ok(rig_until(&g, (persist_status(g.persist, &s), s.rewrites == 1)), "and ends");
    rig_do(&g, "SET", "after", "1");
    persist_status(g.persist, &s);
    ok(s.log_bytes < 5000 && s.kept_bytes > 10000, "the log is short, the old increment is kept");

    struct buf all = BUF_INIT, part = BUF_INIT;
    uint64_t end = g.pos.offset;
    is_int((int64_t)persist_first_offset(g.persist), 0, "the kept log reaches back to the begin");
    for (uint64_t at = 0; at < end;) {
        size_t n = persist_read(g.persist, at, 1000, &all, NULL);
        if (n == 0) break;
        at += n;
    }
    ok(buf_len(&all) == end, "and reads over parts as one stream");
    bool same = true;
    for (uint64_t at = 1; at < end; at += 97) {
        struct persist_pos block;
        buf_clear(&part);
        size_t n = persist_read(g.persist, at, 1, &part, &block);
        same =
            same && n && memcmp(buf_head(&part), buf_head(&all) + at, n) == 0 && block.offset <= at;
    }
    ok(same, "from any offset");
    ok(persist_read(g.persist, end, 1, &part, NULL) == 0, "there is nothing behind its end");
    rig_close(&g);

    ok(rig_open(&g, dir) == PERSIST_LOADED && store_count(g.store, 0) == 51,
       "base and increment load");
    ok(!strcmp(rig_get(&g, "k0"), "changed") && !rig_get(&g, "k1") && rig_get(&g, "after"),
       "as they were at last");
    ok(g.pos.offset == end, "at the same offset");
    rig_stop(&g);

    const char *const names[] = {"log/manifest", "log/000002.base"};
    for (int f = 0; f < 2; f++) {
        char *path = xasprintf("%s/%s", dir, names[f]);
        struct buf good = rig_read(path);
        int silent = 0;
        for (size_t i = 0; i < buf_len(&good); i++) {
            struct buf bad = copy_of(path, i);
            rig_write(path, buf_head(&bad), buf_len(&bad));
            enum persist_load st = rig_open(&g, dir);
            silent += st != PERSIST_DAMAGED || store_count(g.store, 0) != 0;
            rig_close(&g);
            rig_write(path, buf_head(&good), buf_len(&good));
            buf_free(&bad);
        }
        is_int(silent, 0,
               f ? "every flipped bit of the base is refused"
                 : "every flipped bit of the manifest is refused");
        for (size_t n = 0; n < buf_len(&good); n++) {
            rig_write(path, buf_head(&good), n);
            enum persist_load st = rig_open(&g, dir);
            silent += st != PERSIST_DAMAGED;
            rig_close(&g);
        }
        is_int(silent, 0,
               f ? "every cut of the base is refused" : "every cut of the manifest is refused");
        rig_write(path, buf_head(&good), buf_len(&good));
        buf_free(&good);
        free(path);
    }
    ok(rig_open(&g, dir) == PERSIST_LOADED && store_count(g.store, 0) == 51,
       "whole again, it loads again");
    rig_close(&g);
    buf_free(&all);
    buf_free(&part);
    free(dir);
}

static int fail_write, fail_sync;
static int faults(char op, int fd) {
    (void)fd;
    return op == 'w' ? fail_write : fail_sync;
}

static bool synced_called, synced_ok;
static void on_synced(void *arg, bool good) {
    (void)arg;
    synced_called = true;
    synced_ok = good;
}

static void test_faults(void) {
    struct rig g;
    struct persist_status s;
    char *dir = rig_path("faults");
    defaults(&g);
    rig_open(&g, dir);
    file_set_fault(faults);
    rig_do(&g, "SET", "a", "1");
    persist_sync(g.persist, on_synced, NULL);
    ok(rig_until(&g, synced_called) && synced_ok, "a sync is answered when the log is on disk");
    ok(persist_synced_offset(g.persist) == g.pos.offset, "and the offset says so");
    fail_write = ENOSPC;
    ok(!rig_do(&g, "SET", "b", "2"), "a full disk is told");
    persist_status(g.persist, &s);
    ok(s.stuck && !s.failed && strstr(s.failure, "No space"), "with its reason");
    synced_called = false;
    persist_sync(g.persist, on_synced, NULL);
    ok(synced_called && !synced_ok, "a sync meanwhile fails");
    fail_write = 0;
    ok(rig_do(&g, "SET", "b", "2"), "room again, the same bytes are taken");
    persist_status(g.persist, &s);
    ok(!s.stuck, "and all is well");
    fail_sync = EIO;
    synced_called = false;
    persist_sync(g.persist, on_synced, NULL);
    ok(rig_until(&g, synced_called) && !synced_ok, "a failed fsync is told");
    fail_sync = 0;
    rig_do(&g, "SET", "c", "3");
    synced_called = false;
    persist_sync(g.persist, on_synced, NULL);
    ok(synced_called && !synced_ok, "and never forgotten");
    persist_status(g.persist, &s);
    ok(s.failed, "the status says so");
    file_set_fault(NULL);
    rig_close(&g);
    ok(rig_open(&g, dir) == PERSIST_LOADED && rig_get(&g, "c"), "what was in the kernel loads");
    rig_close(&g);
    free(dir);
}

static void test_always(void) {
    struct rig g;
    char *dir = rig_path("always");
    defaults(&g);
    g.o.fsync = PERSIST_FSYNC_ALWAYS;
    rig_open(&g, dir);
    rig_do(&g, "SET", "a", "1");
    ok(rig_until(&g, persist_policy_offset(g.persist) == g.pos.offset), "always syncs by itself");
    for (int i = 0; i < 20; i++) rig_do(&g, "SET", "a", "2");
    ok(rig_until(&g, persist_policy_offset(g.persist) == g.pos.offset),
       "and what was written during an fsync by the next one");
    rig_close(&g);
    free(dir);
}

static void test_dump(void) {
    struct rig g;
    char *dir = rig_path("dump"), *path = xasprintf("%s/dump.rdb", dir);
    struct persist_status s;
    defaults(&g);
    g.o.log_on = false;
    rig_open(&g, dir);
    rig_do(&g, "SET", "a", "1");
    rig_do(&g, "SET", "number", "12345");
    store_put_string(g.store, 5, BYTES("far"), BYTES("away"), 1893456000000);
    persist_count_changes(g.persist, 3);
    ok(persist_save(g.persist, true, g.err, sizeof g.err) && file_exists(path),
       "SAVE writes dump.rdb");
    persist_status(g.persist, &s);
    ok(s.changes_since_save == 0 && s.saves == 1, "and counts");
    rig_do(&g, "SET", "a", "2");
    ok(persist_save(g.persist, false, g.err, sizeof g.err), "BGSAVE begins");
    ok(rig_until(&g, (persist_status(g.persist, &s), s.saves == 2)), "and ends");
    rig_do(&g, "SET", "lost", "1");
    rig_close(&g);

    ok(rig_open(&g, dir) == PERSIST_LOADED && !rig_get(&g, "lost") &&
           !strcmp(rig_get(&g, "a"), "2"),
       "it loads");
    struct entry *e = store_find(g.store, 5, BYTES("far"));
    ok(e && entry_expiry(e) == 1893456000000, "with databases and stamps");
    rig_close(&g);

    g.o.log_on = true;
    ok(rig_open(&g, dir) == PERSIST_LOADED && rig_get(&g, "a"),
       "with the log on, dump.rdb is where it begins");
    rig_do(&g, "SET", "b", "1");
    unlink(path);
    rig_close(&g);
    ok(rig_open(&g, dir) == PERSIST_LOADED && rig_get(&g, "a") && rig_get(&g, "b"),
       "and from then on the log is enough");
    ok(persist_set_log_on(g.persist, false, g.err, sizeof g.err), "CONFIG SET appendonly no");
    rig_do(&g, "SET", "c", "1");
    ok(persist_set_log_on(g.persist, true, g.err, sizeof g.err), "and yes again");
    ok(rig_until(&g, (persist_status(g.persist, &s), s.rewrites == 1)), "writes a new base");
    rig_do(&g, "SET", "d", "1");
    rig_close(&g);
    ok(rig_open(&g, dir) == PERSIST_LOADED && rig_get(&g, "c") && rig_get(&g, "d"),
       "with everything");
    rig_close(&g);
    free(path);
    free(dir);
}

static bool replaced_called, replaced_ok;
static void on_replaced(void *arg, bool good, const char *reason) {
    (void)arg;
    replaced_called = true;
    replaced_ok = good;
    if (!good) fprintf(stderr, "# %s\n", reason);
}

static void test_replace(void) {
    struct rig g, from;
    char *dir = rig_path("replace"), *source = rig_path("source"),
         *dump = xasprintf("%s/dump.rdb", source);
    defaults(&from);
    rig_open(&from, source);
    rig_do(&from, "SET", "theirs", "1");
    persist_save(from.persist, true, from.err, sizeof from.err);
    rig_close(&from);
    defaults(&g);
    rig_open(&g, dir);
    rig_do(&g, "SET", "ours", "1");
    struct persist_line line = {.until = 5};
    memset(line.id, 'b', PERSIST_ID_CHARS);
    persist_set_lines(g.persist, &line, 1);
    struct persist_pos pos = {.offset = 777777, .db = 0};
    memset(pos.id, 'c', PERSIST_ID_CHARS);
    ok(persist_replace(g.persist, dump, &pos, true, on_replaced, NULL, g.err, sizeof g.err),
       "a received file is taken");
    ok(rig_until(&g, replaced_called) && replaced_ok, "and loaded");
    ok(rig_get(&g, "theirs") && !rig_get(&g, "ours"), "it is the data now");
    g.pos = pos;
    rig_do(&g, "SET", "more", "1");
    rig_close(&g);
    ok(rig_open(&g, dir) == PERSIST_LOADED && rig_get(&g, "theirs") && rig_get(&g, "more"),
       "also after a restart");
    ok(g.pos.offset > 777777 && g.pos.id[0] == 'c', "at its place in its line");
    struct persist_line lines[PERSIST_LINES_MAX];
    is_int((int64_t)persist_lines(g.persist, lines), 0, "the old lines are no longer ours");
    rig_close(&g);

    char *tails = xasprintf("%s/tails", dir), *old = NULL;
    DIR *d = opendir(tails);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] == 'l') old = xasprintf("%s/%s", tails, e->d_name);
    if (d) closedir(d);
    ok(old != NULL, "the log as it was is put aside");
    ok(old && rig_open(&g, old) == PERSIST_LOADED && rig_get(&g, "ours"), "and loads by itself");
    if (old) rig_close(&g);
    free(old);
    free(tails);
    free(dir);
    free(source);
    free(dump);
}

int main(void) {
    rig_start();
    test_reload();
    test_truncation();
    flip_all("flip-crash", false, false);
    flip_all("flip-clean", true, true);
    test_rewrite();
    test_faults();
    test_always();
    test_dump();
    test_replace();
    return done();
}
