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
/* A walk whose sink stands still: what changes meanwhile stands aside within its bound of memory, the file is that of
 * the instant all the same; without room anywhere the walk is given up with a reason. Walks wait for each other. */
#include "server/store/hash.h"
#include "tests/unit/persist_rig.h"

#include <errno.h>

enum { KEYS = 8000, FIELDS = 12000, VALUE_BYTES = 700 };

static struct bytes text(char *out, const char *kind, int i) {
    return (struct bytes){out, (size_t)snprintf(out, 32, "%s:%d", kind, i)};
}

static struct bytes value_of(char out[VALUE_BYTES], int i, char form) {
    memset(out, form, VALUE_BYTES);
    snprintf(out, VALUE_BYTES, "%c%d", form, i);
    return (struct bytes){out, VALUE_BYTES};
}

static void fill(struct rig *g, char form) {
    char name[32], value[VALUE_BYTES];
    for (int i = 0; i < KEYS; i++)
        store_put_string(g->store, i % 3, text(name, "key", i), value_of(value, i, form),
                         i % 7 ? NO_EXPIRY : 4000000000000 + i);
    struct bytes key = BYTES("hash");
    struct entry *e = store_find(g->store, 1, key);
    if (!e) e = hash_new(g->store, 1, key, NO_EXPIRY);
    for (int i = 0; i < FIELDS; i++) {
        hash_set(g->store, 1, store_find(g->store, 1, key), text(name, "field", i),
                 value_of(value, i, form));
        if (i % 1000 == 0) loop_turn(g->loop, false);
    }
}

/* Whether the store holds what fill(g, form) put there. */
static bool holds(struct rig *g, char form) {
    char name[32], value[VALUE_BYTES];
    struct digits d;
    for (int i = 0; i < KEYS; i++) {
        struct entry *e = store_find(g->store, i % 3, text(name, "key", i));
        struct bytes want = value_of(value, i, form);
        if (!e || !bytes_equal(string_bytes(e, &d), want)) return false;
        if (entry_expiry(e) != (i % 7 ? NO_EXPIRY : 4000000000000 + i)) return false;
    }
    struct entry *e = store_find(g->store, 1, BYTES("hash"));
    if (!e || hash_len(e) != FIELDS) return false;
    for (int i = 0; i < FIELDS; i++) {
        struct bytes got;
        if (!hash_get(e, text(name, "field", i), &got, &d) ||
            !bytes_equal(got, value_of(value, i, form)))
            return false;
    }
    return store_count(g->store, 0) + store_count(g->store, 1) + store_count(g->store, 2) ==
           KEYS + 1;
}

struct sink {
    struct buf bytes;
    size_t room;
    size_t most; /* that came without room */
    bool begun, ended, ok;
    char reason[300];
};

static void sink_begin(void *arg, const struct persist_pos *pos) {
    (void)pos;
    ((struct sink *)arg)->begun = true;
}

static void sink_bytes(void *arg, const void *p, size_t n) {
    struct sink *s = arg;
    if (!s->room) s->most += n;
    buf_add(&s->bytes, p, n);
}

static size_t sink_room(void *arg) {
    return ((struct sink *)arg)->room;
}

static void sink_end(void *arg, bool ok, const char *reason) {
    struct sink *s = arg;
    s->ended = true;
    s->ok = ok;
    snprintf(s->reason, sizeof s->reason, "%s", reason ? reason : "");
}

static struct persist_walk *start(struct rig *g, struct sink *s, size_t room) {
    *s = (struct sink){.room = room};
    struct persist_sink sink = {.arg = s,
                                .begin = sink_begin,
                                .bytes = sink_bytes,
                                .room = sink_room,
                                .end = sink_end,
                                .kind = PERSIST_WALK_BACKUP};
    return persist_walk_start(g->persist, &sink);
}

static struct persist_walk_status walk_status(struct rig *g) {
    struct persist_status s;
    persist_status(g->persist, &s);
    return s.walk;
}

static void rig_new(struct rig *g, const char *name) {
    char *dir = rig_path(name);
    *g = (struct rig){0};
    persist_defaults(&g->o);
    g->o.log_on = g->o.rdb_compression = false;
    mkdir(dir, 0750);
    rig_open(g, dir);
    free(dir);
}

static bool loads_as(struct sink *s, const char *name, char form) {
    struct rig g = {0};
    char *dir = rig_path(name), *path = xasprintf("%s/dump.rdb", dir);
    mkdir(dir, 0750);
    rig_write(path, buf_head(&s->bytes), buf_len(&s->bytes));
    persist_defaults(&g.o);
    g.o.log_on = false;
    bool well = rig_open(&g, dir) == PERSIST_LOADED && holds(&g, form);
    if (!well) printf("# %s\n", persist_loaded(g.persist)->text);
    rig_close(&g);
    free(dir);
    free(path);
    return well;
}

static void stands_still(void) {
    struct rig g;
    struct sink s;
    rig_new(&g, "still");
    fill(&g, 'a');
    start(&g, &s, 0);
    rig_until(&g, s.begun);
    size_t before = store_memory(g.store);
    fill(&g, 'b');
    for (int i = 0; i < 50; i++) loop_turn(g.loop, false);
    struct persist_walk_status w = walk_status(&g);
    ok(w.running && w.kind == PERSIST_WALK_BACKUP && w.keys_total == KEYS + 1,
       "a walk runs, and says of what kind it is");
    ok(s.most == 0, "a sink without room is given nothing");
    ok(w.aside_memory < 6 << 20, "%zu bytes of what changed are in memory", w.aside_memory);
    ok(w.aside_file > 6 << 20 && w.aside_file == w.aside_file_total,
       "the rest, %zu bytes, is in a file", (size_t)w.aside_file);
    ok(w.values_aside == 1, "a big value has changed before its turn");
    ok(store_memory(g.store) < before + (4 << 20), "the store itself holds nothing twice");
    s.room = 1 << 20;
    ok(rig_until(&g, s.ended) && s.ok,
       "when the sink takes bytes again, the walk comes to its end");
    ok(loads_as(&s, "still2", 'a'), "with the data of its beginning");
    ok(holds(&g, 'b'), "the server has what came later");
    buf_free(&s.bytes);
    rig_close(&g);
}

static int no_room(char op, int fd) {
    (void)fd;
    return op == 'w' ? ENOSPC : 0;
}

static void nowhere(void) {
    struct rig g;
    struct sink s, next;
    rig_new(&g, "nowhere");
    fill(&g, 'a');
    start(&g, &s, 0);
    start(&g, &next, 1 << 20);
    rig_until(&g, s.begun);
    ok(walk_status(&g).waiting == 1 && !next.begun, "another walk waits behind it");
    file_set_fault(no_room);
    fill(&g, 'b');
    ok(rig_until(&g, s.ended) && !s.ok && strstr(s.reason, strerror(ENOSPC)),
       "without room anywhere it is given up: %s", s.reason);
    file_set_fault(NULL);
    ok(rig_until(&g, next.ended) && next.ok, "and the one behind it runs");
    ok(loads_as(&next, "nowhere2", 'b'), "with the data of its own beginning");
    ok(!walk_status(&g).running && walk_status(&g).waiting == 0, "then there is none");
    buf_free(&s.bytes);
    buf_free(&next.bytes);
    rig_close(&g);
}

static void cancelled(void) {
    struct rig g;
    struct sink s;
    rig_new(&g, "cancelled");
    fill(&g, 'a');
    struct persist_walk *w = start(&g, &s, 0);
    rig_until(&g, s.begun);
    fill(&g, 'b');
    persist_walk_cancel(w);
    ok(!s.ended && !walk_status(&g).running, "a walk that is cancelled is gone without a word");
    buf_free(&s.bytes);
    start(&g, &s, 1 << 20);
    ok(rig_until(&g, s.ended) && s.ok && loads_as(&s, "cancelled2", 'b'), "the next one is whole");
    buf_free(&s.bytes);
    rig_close(&g);
}

int main(void) {
    rig_start();
    stands_still();
    nowhere();
    cancelled();
    return done();
}
