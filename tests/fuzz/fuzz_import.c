/* link: hactl/import/rdb_keys.c hactl/import/rdb_skip.c hactl/import/pieces.c hactl/import/pieces_stream.c
   hactl/import/rdb_old.c server/proto/aofile.c server/proto/append_dir.c hactl/import/inventory.c
   hactl/import/inventory_report.c server/proto/rdb_write.c server/proto/rdb_read.c server/proto/rdb_read_stream.c
   server/proto/rdb_read_other.c server/proto/resp_parse.c server/proto/crc64.c server/proto/lzf.c server/proto/listpack.c
   server/proto/intset.c server/proto/ziplist.c server/proto/zipmap.c server/base/buf.c server/base/conf.c server/base/num.c
   server/base/decimal.c server/base/log.c server/base/clock.c server/base/file.c server/base/edition.c */
/* Files that are imported, as somebody hostile would write them: no crash, no read behind the end; the same keys in one piece
 * as in many; what the plain reader takes as a key of its kinds is taken as one here, with the same bytes. The first byte says how
 * big the pieces are, and what the file is taken for. */
#include "server/proto/aofile.h"
#include "server/proto/append_dir.h"
#include "hactl/import/inventory.h"
#include "hactl/import/pieces.h"
#include "hactl/import/rdb_keys.h"
#include "hactl/import/rdb_old.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t add(uint64_t sum, struct bytes a) {
    for (size_t i = 0; i < a.len; i++) sum = sum * 31 + (unsigned char)a.p[i];
    return sum * 31 + a.len;
}

static bool count_words(void *arg, int argc, const struct bytes *argv) {
    uint64_t *sum = arg;
    for (int i = 0; i < argc; i++) *sum = add(*sum, argv[i]);
    return true;
}

/* One pass: keys, the inventory, and each value as commands. *done: the file was whole. */
static uint64_t run(const char *data, size_t len, size_t piece, bool *done, uint64_t *keys) {
    struct rdb_keys k;
    struct inventory v;
    struct pieces p = {.room = 0};
    uint64_t sum = 0;
    bool open = false;
    size_t at = 0, have = 0;
    enum rdb_keys_event ev;
    rdb_keys_init(&k);
    inventory_init(&v);
    for (;;) {
        char *copy = malloc(have - at + 1);
        memcpy(copy, data + at, have - at);
        ev = rdb_keys_read(&k, copy, have - at);
        if (ev == RDB_KEYS_AUX) inventory_aux(&v, k.name, k.text);
        if (ev == RDB_KEYS_OTHER) inventory_other(&v, k.name, k.text);
        if (ev == RDB_KEYS_KEY) {
            sum = add(sum * 31 + (unsigned)k.type, k.key);
            open = pieces_begin(&p, k.type, k.key, count_words, &sum);
        }
        if (ev == RDB_KEYS_PIECE && open) open = pieces_feed(&p, k.piece.p, k.piece.len);
        if (ev == RDB_KEYS_END) {
            if (open && pieces_end(&p)) sum++;
            inventory_key(&v, NULL, &k, k.db, 1000);
            sum = sum * 31 + k.value.bytes;
            ++*keys;
        }
        free(copy);
        at += k.used;
        if (ev == RDB_KEYS_BAD || ev == RDB_KEYS_DONE) break;
        if (ev != RDB_KEYS_MORE) continue;
        if (have == len) break;
        have = have + piece < len ? have + piece : len;
    }
    struct buf text = BUF_INIT;
    inventory_text(&v, NULL, &text);
    inventory_json(&v, NULL, &text);
    buf_free(&text);
    *done = ev == RDB_KEYS_DONE;
    inventory_free(&v);
    pieces_free(&p);
    rdb_keys_free(&k);
    return sum;
}

/* What the plain reader says of the same bytes. */
static bool reader_takes(const char *data, size_t len, uint64_t *keys) {
    struct rdb_reader r;
    size_t at = 0;
    rdb_reader_init(&r);
    enum rdb_event ev;
    do {
        ev = rdb_read(&r, data + at, len - at);
        at += r.used;
        *keys += ev == RDB_KEY_END;
    } while (ev != RDB_MORE && ev != RDB_BAD && ev != RDB_END);
    rdb_reader_free(&r);
    return ev == RDB_END;
}

static void rdb(const char *data, size_t len, size_t piece) {
    bool whole, again;
    uint64_t keys = 0, keys_again = 0, keys_plain = 0;
    uint64_t sum = run(data, len, len + 1, &whole, &keys);
    uint64_t other = run(data, len, piece, &again, &keys_again);
    if (whole != again || keys != keys_again || (whole && sum != other)) abort();
    bool sound = reader_takes(data, len, &keys_plain);
    if (sound && (!whole || keys != keys_plain)) abort();
    struct rdb_old o;
    struct buf out = BUF_INIT;
    rdb_old_begin(&o, RDB_VERSION_3_2);
    if (rdb_old_feed(&o, data, len, &out) && o.done && sound) {
        uint64_t old_keys = 0;
        if (!reader_takes(buf_head(&out), buf_len(&out), &old_keys) || old_keys != keys) abort();
    }
    rdb_old_free(&o);
    buf_free(&out);
}

static bool command(void *arg, int db, int argc, const struct bytes *argv) {
    *(uint64_t *)arg += (uint64_t)db;
    return count_words(arg, argc, argv);
}

static uint64_t units(const char *data, size_t len, size_t piece) {
    struct aofile a = {.db = 0};
    uint64_t sum = 0;
    size_t at = 0, have = 0;
    for (;;) {
        char *copy = malloc(have - at + 1);
        memcpy(copy, data + at, have - at);
        enum aofile_state st = aofile_find(&a, copy, have - at);
        if (st == AOFILE_UNIT) {
            aofile_each(&a, copy, a.used, command, &sum);
            at += a.used;
        }
        free(copy);
        if (st == AOFILE_BAD || (st == AOFILE_MORE && have == len)) break;
        if (st == AOFILE_MORE) have = have + piece < len ? have + piece : len;
    }
    aofile_free(&a);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct append_dir d;
    if (size < 1 || size > 4096) return 0;
    const char *p = (const char *)data + 1;
    size_t len = size - 1, piece = 1 + data[0] % 16;
    switch (data[0] / 16 % 4) {
    case 0:
    case 1: rdb(p, len, piece); break;
    case 2:
        if (units(p, len, len + 1) != units(p, len, piece)) abort();
        break;
    default: append_dir_read(&d, p, len); append_dir_free(&d);
    }
    return 0;
}
