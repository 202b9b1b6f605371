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
/* Payloads of RESTORE, given a checksum that is right so that what is wrong with them reaches the decoders; then commands on
 * the key that came of it. Nothing crashes, the verifier finds every structure sound, and what DUMP then says is taken by
 * RESTORE. Input: a byte of limits, two of the payload's length, type and value, then a byte a command. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/cmd/call.h"
#include "server/cmd/table.h"
#include "server/proto/crc64.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const lines[] = {"TYPE k",
                                    "OBJECT ENCODING k",
                                    "DEL k",
                                    "COPY k k2 REPLACE",
                                    "RENAME k k2",
                                    "COPY k2 k REPLACE",
                                    "EXPIRE k 100",
                                    "GET k",
                                    "APPEND k abc",
                                    "SETRANGE k 3 xyz",
                                    "GETRANGE k 1 -2",
                                    "INCR k",
                                    "STRLEN k",
                                    "SETBIT k 9 1",
                                    "BITCOUNT k",
                                    "LRANGE k 0 -1",
                                    "LPUSH k a 1 22",
                                    "RPUSH k a 1 22",
                                    "LPOP k",
                                    "RPOP k 2",
                                    "LINSERT k BEFORE a x",
                                    "LSET k 1 hello",
                                    "LREM k 0 a",
                                    "LTRIM k 1 -2",
                                    "LINDEX k -1",
                                    "LPOS k a",
                                    "LMOVE k k LEFT RIGHT",
                                    "LLEN k",
                                    "HGETALL k",
                                    "HSET k a 1 f v",
                                    "HDEL k a",
                                    "HGET k a",
                                    "HINCRBY k a 5",
                                    "HRANDFIELD k 3 WITHVALUES",
                                    "HSCAN k 0",
                                    "HLEN k",
                                    "SMEMBERS k",
                                    "SADD k a 1 99999999999",
                                    "SREM k a 1",
                                    "SPOP k",
                                    "SISMEMBER k 1",
                                    "SRANDMEMBER k 3",
                                    "SCARD k",
                                    "SSCAN k 0",
                                    "SUNIONSTORE k2 k",
                                    "SINTERSTORE k2 k k",
                                    "ZRANGE k 0 -1 WITHSCORES",
                                    "ZADD k 1 a 2 b -inf c",
                                    "ZREM k a",
                                    "ZSCORE k a",
                                    "ZRANK k a",
                                    "ZPOPMIN k",
                                    "ZPOPMAX k",
                                    "ZREVRANGE k 0 -1",
                                    "ZCOUNT k -inf 5",
                                    "ZRANGEBYSCORE k 0 10",
                                    "ZINCRBY k 2 a",
                                    "ZSCAN k 0",
                                    "ZUNIONSTORE k2 1 k",
                                    "ZREMRANGEBYRANK k 0 1",
                                    "ZRANGEBYLEX k - +",
                                    "PFADD k a b c",
                                    "PFCOUNT k",
                                    "PFMERGE k2 k",
                                    "PFDEBUG DECODE k",
                                    "PFDEBUG TODENSE k",
                                    "SORT k ALPHA",
                                    "XRANGE k - +",
                                    "XREVRANGE k + -",
                                    "XADD k * a b",
                                    "XLEN k",
                                    "XDEL k 1-1",
                                    "XTRIM k MAXLEN 2",
                                    "XINFO STREAM k FULL",
                                    "XINFO GROUPS k",
                                    "XREADGROUP GROUP g c STREAMS k >",
                                    "XPENDING k g",
                                    "XGROUP CREATE k g 0",
                                    "XGROUP DESTROY k g",
                                    "XACK k g 1-1",
                                    "XCLAIM k g c 0 1-1",
                                    "XSETID k 9-9"};
enum { LINES = sizeof lines / sizeof lines[0] };

static void run(struct store *store, int argc, const struct bytes *argv, struct buf *out) {
    static const struct call_ops no_ops = {.propagate = NULL};
    bool unknown;
    const struct command *cmd = command_resolve(argc, argv, 0, &unknown);
    buf_clear(out);
    if (!cmd || unknown || !cmd->fn || !command_arity_fits(cmd, argc)) return;
    struct call c = {.argc = argc,
                     .argv = argv,
                     .command = cmd,
                     .store = store,
                     .resp = 3,
                     .now_ms = 1000,
                     .out = out,
                     .ops = &no_ops};
    cmd->fn(&c);
}

static void run_line(struct store *store, const char *line, struct buf *out) {
    struct bytes argv[12];
    int argc = 0;
    while (*line) {
        size_t n = strcspn(line, " ");
        argv[argc++] = (struct bytes){line, n};
        line += n + (line[n] == ' ');
    }
    run(store, argc, argv, out);
}

static bool is_ok(const struct buf *out) {
    return buf_len(out) == 5 && !memcmp(buf_head(out), "+OK", 3);
}

static void restore(struct store *store, const char *key, struct bytes payload, struct buf *out) {
    struct bytes argv[] = {
        BYTES("RESTORE"), {key, strlen(key)}, BYTES("0"), payload, BYTES("REPLACE")};
    run(store, 5, argv, out);
}

/* What is dumped is taken again. */
static void there_and_back(struct store *store, struct buf *out) {
    struct buf copy = BUF_INIT;
    run_line(store, "DUMP k", out);
    if (buf_len(out) < 5 || *buf_head(out) != '$') return;
    const char *body = (const char *)memchr(buf_head(out), '\n', buf_len(out)) + 1;
    buf_add(&copy, body, buf_len(out) - (size_t)(body - buf_head(out)) - 2);
    restore(store, "back", (struct bytes){buf_head(&copy), buf_len(&copy)}, out);
    must(is_ok(out), "RESTORE takes what DUMP has given");
    buf_free(&copy);
}

static void limits(struct store_settings *set, uint8_t how) {
    set->string_max_bytes = 1 << 20;
    if (how & 1) {
        set->hash_max_packed = set->set_max_packed = set->zset_max_packed = 3;
        set->hash_max_packed_bytes = set->zset_max_packed_bytes = 8;
    }
    if (how & 2) set->list_chunk_count = 2;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    command_table_init();
    log_set_level(LOG_ERROR);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) return 0;
    struct store *store = store_new(2, 1);
    struct buf out = BUF_INIT, payload = BUF_INIT;
    size_t n = (size_t)(data[1] | data[2] << 8);
    if (n > size - 3) n = size - 3;
    limits(store_settings(store), data[0]);
    buf_add(&payload, data + 3, n);
    buf_add(&payload, "\x0a\0", 2);
    uint64_t crc = crc64(0, buf_head(&payload), buf_len(&payload));
    buf_add(&payload, &crc, sizeof crc);
    restore(store, "k", (struct bytes){buf_head(&payload), buf_len(&payload)}, &out);
    store_verify(store);
    there_and_back(store, &out);
    for (size_t i = 3 + n; i < size && i < 3 + n + 40; i++)
        run_line(store, lines[data[i] % LINES], &out);
    there_and_back(store, &out);
    store_verify(store);
    store_free(store);
    buf_free(&payload);
    buf_free(&out);
    return 0;
}
