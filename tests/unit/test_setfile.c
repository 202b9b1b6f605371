/* link: server/persist/persist.c server/persist/aof.c server/persist/aof_read.c server/persist/durable.c server/persist/room.c
   server/persist/filewalk.c server/persist/load.c server/persist/load_ahead.c server/persist/load_base.c
   server/persist/load_base_read.c server/persist/load_incr.c server/persist/load_incr_read.c
   server/persist/manifest.c server/persist/rewrite.c server/persist/commit.c server/persist/replace.c server/persist/save.c server/persist/value_save.c
   server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c
   server/proto/ziplist.c server/persist/walk.c server/persist/walk_out.c server/persist/spill.c
   server/persist/backup.c server/persist/rollback.c server/persist/prepare.c server/persist/setfile.c
   server/persist/rdbscan.c server/persist/logscan.c server/persist/logtimes.c server/persist/dirs.c
   server/base/backup_set.c server/base/zframe.c server/persist/worker.c server/proto/cmdstream.c
   server/proto/crc64.c server/proto/logblock.c server/proto/lzf.c server/proto/rdb_read.c
   server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/rdb_write.c server/proto/replline.c
   server/proto/resp_parse.c server/store/dict.c server/store/dict_each.c server/store/entry.c
   server/store/pass.c server/store/apart.c server/store/store.c server/store/string.c server/store/value.c
   server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c
   server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c server/store/list.c
   server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c
   server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c
   server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c
   server/store/table.c server/store/tree.c server/store/tree_each.c server/store/zset.c
   server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c
   server/store/table_walk.c server/store/zset_walk.c server/base/buf.c server/base/decimal.c
   server/base/clock.c server/base/conf.c server/base/crc32c.c server/base/file.c server/base/hash.c
   server/base/log.c server/base/loop.c server/base/num.c server/base/rand.c server/proto/zipmap.c */
/* What looks through backup sets and RDB files, under the sanitizers: pieces of any size, every bit flipped, every
 * length. tests/clients/test_check.py does the same with the program. */
#include "tests/unit/tap.h"

#include "server/base/buf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/hash.h"
#include "server/base/zframe.h"
#include "server/persist/manifest.h"
#include "server/persist/prepare.h"
#include "server/persist/setfile.h"
#include "server/proto/crc64.h"

#include <unistd.h>

static char dir[] = "/tmp/duet-setfile-XXXXXX";

static void put_key(struct buf *b, enum rdb_type type, const char *name) {
    rdb_put_key(b, type, (struct bytes){name, strlen(name)},
                strcmp(name, "ttl") ? -1 : 4102444800000, true);
}

static void sample(struct buf *b) {
    rdb_put_magic(b, RDB_VERSION);
    rdb_put_aux(b, "redis-ver", "7.0.15");
    rdb_put_aux(b, "repl-id", "0123456789abcdef0123456789abcdef01234567");
    rdb_put_aux_u64(b, "repl-offset", 4711);
    rdb_put_select(b, 3);
    rdb_put_resize(b, 4, 1);
    put_key(b, RDB_STRING, "ttl");
    rdb_put_string(b, BYTES("a value that is long enough, long enough, long enough to be packed"),
                   true);
    put_key(b, RDB_STRING, "number");
    rdb_put_string(b, BYTES("12345"), true);
    put_key(b, RDB_HASH, "hash");
    rdb_put_len(b, 1);
    rdb_put_string(b, BYTES("field"), true);
    rdb_put_string(b, BYTES("value"), true);
    put_key(b, RDB_SET, "set \xff\x01");
    rdb_put_len(b, 2);
    rdb_put_string(b, BYTES("x"), true);
    rdb_put_string(b, BYTES("y"), true);
    rdb_put_eof(b);
    rdb_put_checksum(b, crc64(0, buf_head(b), buf_len(b)));
}

static enum rdbscan_state scan(struct rdbscan *s, const char *p, size_t n, size_t step) {
    rdbscan_begin(s, true);
    for (size_t at = 0; at < n; at += step) rdbscan_feed(s, p + at, n - at < step ? n - at : step);
    return rdbscan_cut(s);
}

static void rdb(void) {
    struct buf b = BUF_INIT;
    struct rdbscan s;
    unsigned missed = 0, odd = 0;
    sample(&b);
    for (size_t step = 1; step < 200; step += 37) {
        ok(scan(&s, buf_head(&b), buf_len(&b), step) == RDBSCAN_END && s.keys == 4 &&
               s.expiring == 1,
           "whole, in pieces of %zu bytes", step);
        ok(s.kind_keys[KIND_STRING] == 2 && s.kind_keys[KIND_HASH] == 1 && s.pos.offset == 4711 &&
               s.databases == 1,
           "with what is in it");
        rdbscan_free(&s);
    }
    char *p = xmemdup(buf_head(&b), buf_len(&b));
    for (size_t i = 0; i < buf_len(&b) * 8; i++) {
        p[i / 8] = (char)(p[i / 8] ^ 1 << i % 8);
        missed += scan(&s, p, buf_len(&b), 50) != RDBSCAN_BAD;
        odd += s.good_end > buf_len(&b) || s.bad_at > buf_len(&b) || !s.what[0];
        p[i / 8] = (char)(p[i / 8] ^ 1 << i % 8);
        rdbscan_free(&s);
    }
    for (size_t n = 0; n < buf_len(&b); n++) {
        missed += scan(&s, p, n, 64) != RDBSCAN_BAD;
        odd += s.good_end > n;
        rdbscan_free(&s);
    }
    is_int(missed, 0, "every flipped bit and every cut is found");
    is_int(odd, 0, "its place lies in the file");
    free(p);
    buf_free(&b);
}

static void write_file(const char *name, const void *p, size_t n) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    ok(file_replace(path, p, n, 0600), "%s is written", name);
}

static void make_set(struct buf *packed) {
    struct buf raw = BUF_INIT, text = BUF_INIT;
    struct zframe_writer *z = zframe_writer_new(1);
    struct backup_set set = {.id = "0-20261121T181500Z",
                             .node = '-',
                             .made_by = "operator",
                             .db = -1,
                             .offset = 4711,
                             .keys = 4,
                             .begin_us = 1,
                             .redis_version = "7",
                             .duet_version = "x"};
    sample(&raw);
    zframe_write(z, buf_head(&raw), buf_len(&raw), true, packed);
    zframe_writer_free(z);
    memset(set.replid, 'a', 40);
    set.raw_bytes = buf_len(&raw);
    set.bytes = buf_len(packed);
    set.crc = crc32c(0, buf_head(packed), buf_len(packed));
    backup_set_put(&text, &set);
    write_file("set", buf_head(&text), buf_len(&text));
    write_file("data.rdb.zst", buf_head(packed), buf_len(packed));
    buf_free(&raw);
    buf_free(&text);
}

static void sets(void) {
    struct buf packed = BUF_INIT;
    struct setfile f = {.tell = NULL};
    unsigned missed = 0;
    char path[200];
    make_set(&packed);
    ok(setfile_read(&f, dir, -1, true) && f.scan.keys == 4 && f.known, "a set is read: %s", f.what);
    setfile_free(&f);
    snprintf(path, sizeof path, "%s/data.rdb.zst", dir);
    char *p = xmemdup(buf_head(&packed), buf_len(&packed));
    for (size_t i = 0; i < buf_len(&packed); i++) {
        p[i] ^= (char)(1 << i % 8);
        if (!file_replace(path, p, buf_len(&packed), 0600)) missed = 999;
        missed += setfile_read(&f, dir, -1, true);
        setfile_free(&f);
        p[i] ^= (char)(1 << i % 8);
        if (!file_replace(path, p, i, 0600)) missed = 999;
        missed += setfile_read(&f, dir, -1, true);
        setfile_free(&f);
    }
    is_int(missed, 0, "every flipped byte and every cut of it is found");
    write_file("data.rdb.zst", p, buf_len(&packed));
    free(p);
    buf_free(&packed);
}

static void prepared(void) {
    char to[200], part[300];
    struct manifest m;
    char err[300];
    struct prepare p = {.set = dir, .to = to};
    snprintf(to, sizeof to, "%s/made", dir);
    memset(p.replid, 'b', 40);
    ok(prepare_run(&p) && p.keys == 4 && p.pos.offset == 4711, "a log is made of it: %s", p.err);
    prepare_free(&p);
    ok(manifest_read(to, &m, err, sizeof err) == MANIFEST_OK && m.base == 1 &&
           strcmp(m.base_pos.id, p.replid) == 0,
       "with a line of its own");
    ok(!prepare_run(&p), "which is not written over: %s", p.err);
    prepare_free(&p);
    static const char *const names[] = {"000001.base", "000001.incr", "manifest"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(part, sizeof part, "%s/%s", to, names[i]);
        ok(unlink(part) == 0, "%s was there", names[i]);
    }
    rmdir(to);
}

int main(void) {
    uint64_t key[2] = {1, 2};
    char path[200];
    hash_set_key(key);
    if (!mkdtemp(dir)) return 1;
    rdb();
    sets();
    prepared();
    snprintf(path, sizeof path, "%s/set", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/data.rdb.zst", dir);
    unlink(path);
    rmdir(dir);
    return done();
}
