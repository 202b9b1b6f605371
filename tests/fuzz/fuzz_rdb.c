/* link: server/proto/ziplist.c server/base/backup_set.c server/base/zframe.c server/proto/cmdstream.c server/proto/crc64.c
   server/proto/logblock.c server/proto/lzf.c server/proto/rdb_read.c server/proto/rdb_read_stream.c server/proto/rdb_read_other.c
   server/proto/rdb_write.c server/proto/replline.c server/proto/resp_parse.c server/store/dict.c server/store/dict_each.c
   server/store/entry.c server/store/pass.c server/store/apart.c server/store/store.c server/store/string.c server/store/value.c
   server/store/stream.c server/store/stream_cursor.c server/store/stream_group.c server/store/stream_node.c server/store/stream_pending.c
   server/store/stream_tree.c server/store/stream_value.c server/store/list.c server/store/list_chunk.c server/store/list_dir.c
   server/store/list_edit.c server/store/list_walk.c server/store/string_walk.c server/store/stream_walk.c server/store/stream_walk_group.c
   server/store/hash.c server/store/set.c server/store/packed.c server/store/table.c server/store/tree.c server/store/tree_each.c
   server/store/zset.c server/store/zset_packed.c server/proto/intset.c server/proto/listpack.c server/store/walk.c server/store/table_walk.c
   server/store/zset_walk.c server/base/buf.c server/base/decimal.c server/base/clock.c server/base/conf.c server/base/crc32c.c
   server/base/file.c server/base/hash.c server/base/log.c server/base/loop.c server/base/num.c server/base/rand.c server/proto/zipmap.c
   server/persist/load_ahead.c server/persist/load_base_read.c
   server/store/list_keep.c */
/* RDB bytes of a hostile master or a damaged disk: no crash, no read behind the end, the same
 * events in one piece as in many, and from the reader that reads ahead, with and without its thread. The first byte says
 * how big the pieces are. */
#include "server/proto/rdb.h"

#include "server/persist/load_inside.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t add_event(uint64_t sum, int ev, struct bytes a) {
    for (size_t i = 0; i < a.len && ev >= RDB_KEY && ev <= RDB_ITEM && ev != RDB_BEGIN; i++)
        sum = sum * 31 + (unsigned char)a.p[i];
    return sum * 31 + (uint64_t)ev;
}

struct pieces {
    const char *p;
    size_t left, piece;
};

static ssize_t read_piece(void *arg, void *p, size_t n) {
    struct pieces *s = arg;
    if (n > s->piece) n = s->piece;
    if (n > s->left) n = s->left;
    memcpy(p, s->p, n);
    s->p += n;
    s->left -= n;
    return (ssize_t)n;
}

static uint64_t add_item(uint64_t sum, const struct load_item *i) {
    switch ((enum load_what)i->what) {
    case LOAD_EVENT: return add_event(sum, i->event, i->a);
    case LOAD_STRING:
        sum = add_event(add_event(sum, RDB_KEY, i->a), RDB_VALUE, i->b);
        return add_event(sum, RDB_KEY_END, i->b);
    case LOAD_END: return (sum * 31 + RDB_END) * 31 + RDB_END;
    default: return sum;
    }
}

/* The same sum, from batches; *whole: it came to the file's end. */
static uint64_t run_ahead(const char *data, size_t len, size_t piece, bool threaded, bool *whole) {
    static const struct persist_world world;
    struct pieces s = {data, len, piece};
    struct load_source source = {.arg = &s, .read = read_piece};
    struct base_reader r = {.now_ms = 1};
    uint64_t sum = 0;
    *whole = false;
    rdb_reader_init(&r.rdb);
    r.rdb.sum_apart = true;
    struct ahead *a = ahead_start(&source, load_base_fill, &r, threaded ? &world : NULL);
    for (bool last = false; !last;) {
        struct load_batch *b = ahead_take(a, UINT64_MAX);
        for (size_t i = 0; i < b->count; i++) {
            sum = add_item(sum, &b->items[i]);
            *whole |= b->items[i].what == LOAD_END;
        }
        last = b->last;
        ahead_give(a, b);
    }
    ahead_stop(a);
    rdb_reader_free(&r.rdb);
    return sum;
}

static uint64_t run(const char *data, size_t len, size_t piece) {
    struct rdb_reader r;
    size_t at = 0, end = 0;
    uint64_t sum = 0;
    rdb_reader_init(&r);
    for (int events = 0; events < 100000;) {
        /* A copy of exactly what is there, so that the sanitizer sees a read behind it. */
        char *copy = malloc(end - at ? end - at : 1);
        memcpy(copy, data + at, end - at);
        enum rdb_event ev = rdb_read(&r, copy, end - at);
        if (ev != RDB_MORE && ev != RDB_BAD) {
            sum = add_event(sum, ev, r.a);
            events++;
        }
        free(copy);
        at += r.used;
        if (ev == RDB_BAD || ev == RDB_END) {
            sum = sum * 31 + ev;
            break;
        }
        if (ev != RDB_MORE) continue;
        if (end == len) break;
        end = end + piece < len ? end + piece : len;
    }
    rdb_reader_free(&r);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 4096) return 0;
    const char *p = (const char *)data + 1;
    uint64_t want = run(p, size - 1, size);
    if (want != run(p, size - 1, 1 + data[0] % 16)) abort();
    for (int threaded = 0; threaded < 1 + (data[0] % 8 == 7); threaded++) {
        bool whole;
        uint64_t sum = run_ahead(p, size - 1, 1 + data[0] % 16, threaded, &whole);
        if (whole && sum != want) abort();
    }
    return 0;
}
