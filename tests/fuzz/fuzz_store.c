/* link: server/cmd/table.c server/cmd/lookup.c server/cmd/keyspec.c server/cmd/keyspec_rows.c server/base/edition.c server/cmd/list.c server/cmd/list_find.c server/cmd/list_move.c server/cmd/list_block.c server/cmd/blocking.c server/cmd/call.c server/cmd/string.c server/cmd/set.c server/cmd/bits.c
 * server/cmd/bitfield.c server/cmd/lcs.c server/cmd/key.c server/cmd/expire.c server/cmd/keyspace.c server/cmd/scan.c server/cmd/longdouble.c server/cmd/hash.c server/cmd/hash_count.c server/cmd/hash_pick.c server/cmd/sets.c server/cmd/sets_combine.c server/cmd/sets_pick.c
 * server/cmd/zset.c server/cmd/zset_bounds.c server/cmd/zset_combine.c server/cmd/zset_list.c server/cmd/zset_pick.c server/cmd/zset_pop.c server/cmd/zset_range.c
 * server/cmd/zset_remove.c server/cmd/order.c server/cmd/sort.c server/cmd/sort_pattern.c server/cmd/geo.c server/cmd/geo_search.c server/cmd/geohash.c
 * server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c
 * server/store/store.c server/store/string.c server/store/value.c server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
 * server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c
 * server/proto/resp_write.c server/base/buf.c server/base/decimal.c server/base/glob.c server/base/hash.c
 * server/base/log.c server/base/num.c server/base/rand.c server/base/clock.c
 * server/cmd/zset.c server/cmd/zset_bounds.c server/cmd/zset_combine.c server/cmd/zset_list.c server/cmd/zset_pick.c server/cmd/zset_pop.c server/cmd/zset_block.c server/cmd/stream.c server/cmd/stream_words.c server/cmd/stream_range.c server/cmd/stream_read.c server/cmd/stream_group.c server/cmd/stream_pending.c server/cmd/stream_claim.c server/cmd/stream_info.c server/cmd/zset_range.c server/cmd/zset_remove.c server/cmd/order.c server/cmd/sort.c server/cmd/sort_pattern.c server/cmd/geo.c server/cmd/geo_search.c server/cmd/geohash.c
 * server/cmd/hyperloglog.c server/cmd/dump.c server/proto/hll.c server/proto/hll_wide.c server/persist/payload.c server/persist/value_save.c server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/rdb_write.c server/proto/crc64.c server/proto/lzf.c server/proto/ziplist.c server/proto/zipmap.c */
/* Any words as commands to the families, on one small store: nothing crashes, every command that runs replies,
 * and the verifier finds every structure sound afterwards. Words stand between spaces, commands between newlines. A line
 * that begins with ! is about a walk of the store in pieces: !b begins one, !N does a step of N, !x gives it up. The walk
 * hands out as many keys as there were, and of each big value as many items as it had. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/cmd/call.h"
#include "server/cmd/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int split(const char *line, const char *end, struct bytes *argv, int max) {
    int argc = 0;
    while (line < end && argc < max) {
        const char *space = memchr(line, ' ', (size_t)(end - line));
        if (!space) space = end;
        argv[argc++] = (struct bytes){line, (size_t)(space - line)};
        line = space + 1;
    }
    return argc;
}

/* "-500000000" of SRANDMEMBER asks for as many replies, as in Redis: right, and too long for a fuzzer. */
static bool asks_for_millions(int argc, const struct bytes *argv) {
    return argc >= 3 && argv[0].len >= 10 && argv[2].len > 6 && *argv[2].p == '-';
}

static void run(struct store *store, int argc, const struct bytes *argv, struct buf *out) {
    static const struct call_ops no_ops = {.propagate = NULL};
    bool unknown;
    const struct command *cmd = argc ? command_resolve(argc, argv, 0, &unknown) : NULL;
    if (!cmd || unknown || !cmd->fn || !command_arity_fits(cmd, argc)) return;
    if (asks_for_millions(argc, argv)) return;
    struct call c = {.argc = argc,
                     .argv = argv,
                     .command = cmd,
                     .store = store,
                     .resp = 3,
                     .now_ms = 1000,
                     .out = out,
                     .ops = &no_ops};
    buf_clear(out);
    cmd->fn(&c);
    must(buf_len(out) > 0, "a command replies");
}

/* ---- A walk ---------------------------------------------------------------------------------- */

struct walk_seen {
    size_t keys, expected, sum;
    bool inside;
};

static void walk_entry(void *arg, int db, const struct entry *e, bool before_change) {
    struct walk_seen *seen = arg;
    (void)db;
    must(before_change || !seen->inside, "entries come between values");
    seen->keys += entry_memory(e) > 0;
}

static void walk_noted(void *arg, struct walked *v) {
    v->mine = arg;
}

static void walk_begin(void *arg, struct walked *v) {
    struct walk_seen *seen = arg;
    must(!seen->inside, "one value at a time");
    seen->inside = true;
    v->mine = arg;
}

static void walk_item(void *arg, struct walked *v, const struct walk_item *i, bool early) {
    struct walk_seen *seen = arg;
    must(v->mine == arg && (early || seen->inside), "an item is of a known value");
    for (size_t n = 0; n < i->name.len; n++) seen->sum += (unsigned char)i->name.p[n];
}

static void walk_end(void *arg, struct walked *v) {
    struct walk_seen *seen = arg;
    must(seen->inside && v->mine == arg, "what ends has begun");
    seen->inside = false;
    seen->keys++;
}

static void walk_line(struct store *store, struct walk_seen *seen, struct bytes line) {
    const struct store_walker walker = {seen,       walk_entry, walk_noted,
                                        walk_begin, walk_item,  walk_end};
    char what = line.len ? *line.p : 'b';
    if (what == 'b' && !store_walking(store)) {
        if (!store_walk_start(store, &walker)) return;
        *seen = (struct walk_seen){.expected = store_count(store, 0) + store_count(store, 1)};
    } else if (what == 'x' && store_walking(store)) {
        store_walk_abort(store);
    } else if (store_walking(store)) {
        size_t limit = what > '0' && what <= '9' ? (size_t)(what - '0') : 40;
        if (!store_walk_step(store, limit))
            must(seen->keys == seen->expected, "a walk hands out every key once");
    }
    store_work(store, 3);
    store_verify(store);
}

/* Every other input meets limits so low that a few words carry a collection from one form into the other. */
static void limits(struct store_settings *set, bool low) {
    set->string_max_bytes = 1 << 20; /* a fuzzer's memory is small */
    if (!low) return;
    set->hash_max_packed = set->set_max_packed = set->zset_max_packed = 3;
    set->hash_max_packed_bytes = set->zset_max_packed_bytes = 8;
    set->walk_whole_count = 2;
    set->walk_whole_bytes = 64;
    set->list_chunk_bytes = 64;
    set->stream_node_entries = 4;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    command_table_init();
    struct store *store = store_new(2, 1);
    struct buf out = BUF_INIT;
    struct walk_seen seen = {.keys = 0};
    limits(store_settings(store), size % 2);
    const char *line = (const char *)data, *end = line + size;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (!newline) newline = end;
        struct bytes argv[12];
        if (*line == '!')
            walk_line(store, &seen, (struct bytes){line + 1, (size_t)(newline - line) - 1});
        else
            run(store, split(line, newline, argv, 12), argv, &out);
        line = newline + 1;
    }
    while (store_walking(store)) walk_line(store, &seen, (struct bytes){"9", 1});
    store_verify(store);
    store_free(store);
    buf_free(&out);
    return 0;
}
