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
/* Power cuts and kills at every step of what the log does: what was promised is there, nothing is there that never was, and the log
 * is loaded or its torn tail cut, in generated lives of a data directory, one after the other. */
#include "tests/unit/disk_model.h"
#include "tests/unit/persist_rig.h"

enum { KEYS = 40, HISTORY = 6000, LIVES = 3, CUTS = 50, COMMANDS = 60 };

/* What was done so far: the value of a key from this offset of the stream on. */
static struct done {
    uint64_t end;
    int key;
    unsigned value; /* 0: deleted */
} history[HISTORY];
static int happened;
static int wrong, cuts, torn, steps, copies;

static unsigned chance;
static unsigned dice(unsigned sides) {
    return (unsigned)rand_r(&chance) % sides;
}

/* A value that tells itself from all others, small or over many sectors. */
static void value_text(struct buf *b, unsigned value) {
    buf_clear(b);
    size_t len = value % 7 == 0 ? 3000 + value % 40000 : value % 300;
    buf_printf(b, "%u:", value);
    char *p = buf_room(b, len ? len : 1);
    for (size_t i = 0; i < len; i++) p[i] = (char)('a' + (value + i * 7) % 26);
    buf_added(b, len);
}

static bool values_are(struct rig *g, uint64_t offset, char *why, size_t size) {
    unsigned now[KEYS] = {0};
    size_t there = 0;
    bool same = true;
    struct buf want = BUF_INIT;
    for (int i = 0; i < happened && history[i].end <= offset; i++)
        now[history[i].key] = history[i].value;
    for (int k = 0; k < KEYS && same; k++) {
        char key[16];
        struct digits d;
        snprintf(key, sizeof key, "k%d", k);
        struct entry *e = store_find(g->store, 0, (struct bytes){key, strlen(key)});
        if (now[k]) value_text(&want, now[k]);
        there += now[k] != 0;
        if (!e != !now[k])
            same = false;
        else if (e) {
            struct bytes v = string_bytes(e, &d);
            same = v.len == buf_len(&want) && !memcmp(v.p, buf_head(&want), v.len);
        }
        if (!same)
            snprintf(why, size, "%s is not what it was at offset %llu", key,
                     (unsigned long long)offset);
    }
    buf_free(&want);
    if (same && store_count(g->store, 0) != there) {
        snprintf(why, size, "there are other keys");
        return false;
    }
    return same;
}

static void one_command(struct rig *g) {
    static unsigned last;
    char key[16];
    int k = (int)dice(KEYS);
    struct buf value = BUF_INIT;
    unsigned n = dice(6) ? ++last : 0;
    snprintf(key, sizeof key, "k%d", k);
    if (n) value_text(&value, n);
    if (!rig_do(g, n ? "SET" : "DEL", key, n ? buf_cstr(&value) : NULL)) abort();
    if (happened == HISTORY) abort();
    history[happened++] = (struct done){g->pos.offset, k, n};
    buf_free(&value);
}

static void turn(struct rig *g) {
    store_work(g->store, 100);
    loop_turn(g->loop, false);
    disk_note(persist_synced_offset(g->persist));
}

static void fresh(const char *dir) {
    char *log = xasprintf("%s/log", dir);
    rig_remove(dir);
    file_make_dirs(log, 0750);
    free(log);
}

/* ---- A master's full copy that is ahead of what is here ----------------------------------------- */

static struct persist_pos copy_pos;
static int copy_fd;
static bool copy_loaded, copy_done;

static ssize_t copy_read(void *arg, void *to, size_t n) {
    (void)arg;
    return read(copy_fd, to, n < 5000 ? n : 5000);
}
static void copy_stop(void *arg) {
    (void)arg;
}
static bool copy_fits(void *arg, size_t bytes) {
    (void)arg;
    return bytes < 1 << 30;
}
static void copy_ended(void *arg, enum persist_beside_end end, const char *why) {
    (void)arg;
    (void)why;
    copy_loaded = end == PERSIST_BESIDE_LOADED;
}
static void copy_taken(void *arg, bool ok, const char *why) {
    struct rig *g = arg;
    if (!ok) fprintf(stderr, "# the copy was not taken: %s\n", why);
    if (!ok) abort();
    copy_done = true;
    g->pos = copy_pos;
}

/* What the master did meanwhile stands behind our offset. */
static void master_goes_on(uint64_t offset, unsigned now[KEYS]) {
    for (int i = 0; i < happened; i++) now[history[i].key] = history[i].value;
    for (unsigned i = 1 + dice(8); i; i--) {
        static unsigned last = 1u << 30;
        int k = (int)dice(KEYS);
        if (happened == HISTORY) abort();
        now[k] = dice(6) ? ++last : 0;
        offset += 1 + dice(50);
        history[happened++] = (struct done){offset, k, now[k]};
    }
    copy_pos = (struct persist_pos){.offset = offset, .db = 0};
    memset(copy_pos.id, (int)("bcdef"[dice(5)]), PERSIST_ID_CHARS);
}

/* An RDB file of these values. */
static void master_saves(const unsigned now[KEYS], const char *path) {
    struct rig m;
    char *dir = rig_path("master"), *made = xasprintf("%s/dump.rdb", dir);
    struct buf value = BUF_INIT, bytes = BUF_INIT;
    memset(&m, 0, sizeof m);
    persist_defaults(&m.o);
    m.o.log_on = false;
    fresh(dir);
    if (rig_open(&m, dir) != PERSIST_LOADED) abort();
    for (int k = 0; k < KEYS; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        if (!now[k]) continue;
        value_text(&value, now[k]);
        store_put_string(m.store, 0, (struct bytes){key, strlen(key)},
                         (struct bytes){buf_head(&value), buf_len(&value)}, NO_EXPIRY);
    }
    if (!persist_save(m.persist, true, m.err, sizeof m.err)) abort();
    rig_close(&m);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (fd < 0 || !file_read_all(made, &bytes, 1 << 30) ||
        !file_write_all(fd, buf_head(&bytes), buf_len(&bytes)))
        abort();
    close(fd);
    buf_free(&value);
    buf_free(&bytes);
    free(made);
    free(dir);
}

static void take_copy(struct rig *g) {
    unsigned now[KEYS] = {0};
    char *path = xasprintf("%s/received.rdb", g->o.dir);
    struct persist_status s;
    rig_until(g, (turn(g), persist_status(g->persist, &s), !s.rewriting));
    master_goes_on(g->pos.offset, now);
    master_saves(now, path);
    copy_loaded = copy_done = false;
    if (dice(2)) {
        copy_fd = open(path, O_RDONLY);
        persist_beside(g->persist, &(struct persist_copy){NULL, copy_read, copy_stop, copy_fits,
                                                          copy_ended, 0});
        rig_until(g, (turn(g), copy_loaded));
        close(copy_fd);
    }
    if (!persist_replace(g->persist, path, &copy_pos, false, copy_taken, g, g->err, sizeof g->err))
        abort();
    rig_until(g, (turn(g), copy_done));
    copies++;
    free(path);
}

/* Writes, rewrites and the rest of a life, as the dice say. */
static void live(struct rig *g) {
    bool scheduled;
    unsigned rewrite_at = dice(COMMANDS), lines_at = dice(COMMANDS * 3),
             copy_at = dice(COMMANDS * 2);
    for (unsigned i = 0; i < COMMANDS; i++) {
        one_command(g);
        if (dice(3)) turn(g);
        if (g->o.fsync == PERSIST_FSYNC_EVERYSEC && !dice(12))
            persist_set_fsync(g->persist, g->o.fsync);
        if (i == rewrite_at || i == rewrite_at + 25)
            persist_rewrite(g->persist, &scheduled, g->err, sizeof g->err);
        if (i == copy_at) take_copy(g);
        if (i == lines_at) {
            struct persist_line line = {.until = g->pos.offset};
            memset(line.id, 'd', PERSIST_ID_CHARS);
            persist_set_lines(g->persist, &line, 1);
        }
        for (int n = (int)dice(20); n > 17; n--) {
            usleep(300);
            turn(g);
        }
    }
    struct persist_status s;
    rig_until(g, (turn(g), persist_status(g->persist, &s), !s.rewriting && !s.rewrite_scheduled));
    if (dice(2)) {
        if (!persist_stop(g->persist, g->err, sizeof g->err)) abort();
        disk_note(g->pos.offset);
    }
}

static struct disk_style random_style(void) {
    static const int parts[] = {0, 10, 50, 90, 100};
    return (struct disk_style){.names = parts[dice(5)],
                               .writes = parts[dice(5)],
                               .in_order = dice(2),
                               .sector = dice(2) ? 512 : 4096,
                               .seed = dice(1u << 30)};
}

/* The life before ended at this step: what does the next one find? */
static bool look(struct rig *g, const char *dir, size_t at, const struct disk_style *style,
                 const char *what) {
    char why[120] = "";
    uint64_t promised = disk_noted(at);
    enum persist_load st = rig_open(g, dir);
    uint64_t offset = g->persist ? persist_loaded(g->persist)->pos.offset : 0;
    if (st != PERSIST_LOADED)
        snprintf(why, sizeof why, "it does not load: %.90s",
                 g->persist ? persist_loaded(g->persist)->text : g->err);
    else if (offset < promised)
        snprintf(why, sizeof why, "offset %llu was promised, %llu is there",
                 (unsigned long long)promised, (unsigned long long)offset);
    else
        values_are(g, offset, why, sizeof why);
    cuts++;
    torn += g->persist && persist_loaded(g->persist)->cut_bytes > 0;
    if (!why[0]) return true;
    if (wrong++ < 5)
        fprintf(
            stderr, "# %s, step %zu of %zu, names %d %% (in order: %d), sectors of %u: %d %%: %s\n",
            what, at, disk.count, style->names, style->in_order, style->sector, style->writes, why);
    return false;
}

/* One directory's lives; each is cut in many ways, and the next one goes on from one of them. */
static void lives(enum persist_fsync policy, const char *name, bool kills) {
    struct rig g;
    char *dir = rig_path(name), *next = xasprintf("%s-cut", dir);
    memset(&g, 0, sizeof g);
    persist_defaults(&g.o);
    g.o.fsync = policy;
    g.o.keep_bytes = dice(2) ? 20000 : 64 << 20;
    happened = 0;
    fresh(dir);
    for (int life = 0; life < LIVES; life++) {
        disk_watch(dir);
        if (rig_open(&g, dir) != PERSIST_LOADED) abort();
        live(&g);
        disk.on = false;
        rig_close(&g);
        steps += (int)(disk.count - disk_begun);
        int n = kills ? (int)(disk.count - disk_begun) : CUTS;
        for (int i = 0; i <= n; i++) {
            size_t at =
                disk_begun + (kills ? (size_t)i : dice((unsigned)(disk.count - disk_begun) + 1));
            struct disk_style style = random_style();
            if (kills) style.names = style.writes = 100;
            fresh(next);
            disk_cut(at, style, next);
            look(&g, next, at, &style, name);
            uint64_t offset = g.persist ? persist_loaded(g.persist)->pos.offset : 0;
            if (g.persist && i % 4 == 0 && !persist_loaded(g.persist)->damaged)
                rig_stop(&g); /* it can be ended as well */
            if (g.persist) rig_close(&g);
            if (i < n) continue;
            while (happened && history[happened - 1].end > offset) happened--;
        }
        rig_remove(dir);
        if (rename(next, dir) != 0) abort();
    }
    free(dir);
    free(next);
}

int main(void) {
    static const char *const names[] = {"no", "everysec", "always"};
    int rounds = getenv("DUET_FULL") ? 200 : 4;
    const char *seed = getenv("DUET_SEED");
    chance = seed ? (unsigned)strtoul(seed, NULL, 0) : 20240229;
    printf("# DUET_SEED=%u\n", chance);
    rig_start();
    for (int policy = 0; policy < 3; policy++) {
        wrong = cuts = torn = steps = 0;
        for (int i = 0; i < rounds; i++) lives((enum persist_fsync)policy, names[policy], false);
        ok(wrong == 0,
           "appendfsync %s: after %d power cuts what was promised is there, and nothing that "
           "never was",
           names[policy], cuts);
        ok(torn > cuts / 20, "%d of the logs had a torn tail", torn);
    }
    for (int policy = 0; policy < 3; policy++) {
        wrong = cuts = steps = 0;
        for (int i = 0; i < (rounds + 3) / 4; i++)
            lives((enum persist_fsync)policy, names[policy], true);
        ok(wrong == 0, "appendfsync %s: nor after a kill at each of %d steps, rewrites among them",
           names[policy], cuts);
    }
    ok(copies > 0, "%d full copies of a master were taken on the way", copies);
    return done();
}
