/* link: server/persist/payload.c server/persist/value_save.c server/persist/value_load.c server/persist/value_save_stream.c server/persist/value_load_stream.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c server/proto/rdb_write.c
 * server/proto/crc64.c server/proto/lzf.c server/proto/ziplist.c server/proto/zipmap.c server/proto/listpack.c server/proto/intset.c
 * server/store/dict.c server/store/dict_each.c server/store/entry.c server/store/pass.c server/store/store.c server/store/string.c server/store/value.c
 * server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c server/store/stream_pending.c server/store/stream_tree.c server/store/stream_value.c
 * server/store/list.c server/store/list_chunk.c server/store/list_dir.c server/store/list_edit.c server/store/list_keep.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c
 * server/store/tree_each.c server/store/zset.c server/store/zset_packed.c server/store/walk.c server/store/table_walk.c server/store/zset_walk.c server/base/buf.c server/base/decimal.c server/base/hash.c server/base/log.c server/base/num.c
 * server/base/rand.c server/base/clock.c */
/* A stream's bytes from outside (the first byte: which of RDB's types): what is taken is sound, reads the same both
 * ways, is written and read again as it is, and stands every change, also while a walk goes through it. The last bytes choose
 * the changes. */
#include "server/base/log.h"
#include "server/persist/persist.h"
#include "server/proto/rdb.h"
#include "server/store/stream_group.h"
#include "tests/unit/walk_row_rig.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FOOTER_BYTES = 10, MOST = 1 << 16 };

static size_t read_all(const struct entry *e, bool backwards, struct xid *last) {
    struct xstream_cursor c;
    struct bytes field, value;
    size_t n = 0, fields;
    xstream_seek(e, XID_MIN, XID_MAX, backwards, &c);
    for (; xstream_next(&c, last, &fields); n++)
        while (fields-- > 0) xstream_field(&c, &field, &value);
    return n;
}

static void read_groups(const struct entry *e) {
    struct xpending_cursor k;
    struct xpending p;
    for (size_t i = 0; i < xstream_groups(e); i++) {
        const struct xgroup *g = xgroup_at(e, i);
        size_t n = 0;
        int64_t lag;
        xgroup_lag(e, g, &lag);
        for (size_t j = 0; j < xgroup_consumers(g); j++) {
            xpending_seek(g, xconsumer_at(g, j), XID_MIN, &k);
            while (xpending_next(&k, &p)) n++;
        }
        must(n == xgroup_pending(g), "what is pending is somebody's");
    }
}

static void check_again(struct store *s, const struct entry *e) {
    struct buf once = BUF_INIT, twice = BUF_INIT;
    char err[200];
    persist_dump(&once, e);
    struct entry *copy = persist_restore(
        s, 0, BYTES("again"), (struct bytes){buf_head(&once), buf_len(&once)}, err, sizeof err);
    must(copy, "what was written is read");
    persist_dump(&twice, copy);
    must(buf_len(&once) == buf_len(&twice) &&
             memcmp(buf_head(&once), buf_head(&twice), buf_len(&once)) == 0,
         "and is the same");
    buf_free(&once);
    buf_free(&twice);
    store_delete(s, 0, copy);
}

static void change(struct store *s, struct entry *e, const uint8_t *chance, size_t n) {
    struct bytes words[4] = {BYTES("f"), BYTES("v"), BYTES("12"), BYTES("34")};
    struct xid id;
    for (; n-- > 0; chance++) {
        unsigned dice = *chance;
        struct xstream_trim how = {.by_id = dice & 8, .approx = dice & 16, .max_len = dice >> 5};
        if (!xstream_last_entry(e, &id)) id = xstream_facts(e).last_id;
        how.min_id = id;
        switch (dice % 5) {
        case 0:
            if (xstream_auto_id(e, dice, &id)) xstream_add(s, 0, e, id, words, 1 + dice / 128);
            break;
        case 1: xstream_delete(s, 0, e, dice & 8 ? id : xstream_facts(e).first_id); break;
        case 2: xstream_trim(s, 0, e, &how); break;
        case 3:
            if (xstream_groups(e)) {
                struct xgroup *g = xgroup_at(e, dice % xstream_groups(e));
                xpending_remove(s, 0, e, g, id);
                if (dice > 128 && xgroup_consumers(g))
                    xconsumer_remove(s, 0, e, g, xconsumer_at(g, 0));
                xgroup_deliver(s, 0, e, g, id);
            }
            break;
        default:
            if (xstream_groups(e) && dice > 200) xgroup_remove(s, 0, e, xgroup_at(e, 0));
            break;
        }
        store_verify(s);
    }
}

/* A walk meanwhile, quick or slow, hands out what stood there before the first change. */
static void change_and_walk(struct store *s, struct entry *e, const uint8_t *chance, size_t n) {
    struct texts wanted = {.n = 0};
    struct walker w;
    size_t pace = n ? 1 + chance[0] % 8 : 1;
    bool more = true;
    store_settings(s)->walk_whole_bytes = 1;
    texts_of_store(&wanted, s);
    must(walk_begin(&w, s), "no other walk is running");
    for (size_t i = 0; i < n; i += pace) {
        change(s, e, chance + i, n - i < pace ? n - i : pace);
        more = more && store_walk_step(s, 1);
    }
    while (more) more = store_walk_step(s, 3);
    must(texts_same(&w.got, &wanted) && !w.wrong, "a walk hands out what stood there");
    texts_free(&wanted);
    walker_free(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t types[] = {RDB_STREAM_LISTPACKS, RDB_STREAM_LISTPACKS_2,
                                    RDB_STREAM_LISTPACKS_3};
    if (size < 1 || size > MOST) return 0;
    struct store *s = store_new(1, 1);
    char err[200];
    char *payload = malloc(size + FOOTER_BYTES);
    must(payload, "memory");
    memcpy(payload, data, size);
    memset(payload + size, 0, FOOTER_BYTES);
    payload[0] = (char)types[data[0] % 3];
    store_settings(s)->stream_node_entries = 1 + data[0] / 3;
    struct entry *e = persist_restore(
        s, 0, BYTES("k"), (struct bytes){payload, size + FOOTER_BYTES}, err, sizeof err);
    if (e) {
        struct xid first, last;
        store_verify(s);
        size_t n = read_all(e, false, &last);
        must(n == xstream_len(e) && n == read_all(e, true, &first), "entries read the same");
        must(!n || xid_cmp(first, xstream_facts(e).first_id) == 0, "the first entry is known");
        read_groups(e);
        check_again(s, e);
        e = store_find(s, 0, BYTES("k"));
        change_and_walk(s, e, data + size - size / 8, size / 8);
        read_all(e, true, &last);
    }
    store_verify(s);
    store_free(s);
    free(payload);
    return 0;
}
