/* Single values as bytes, see persist.h. A value is made under a name that nobody has, and takes the key's place when it is
 * whole: what turns out bad has touched nothing. */
#include "server/persist/persist.h"

#include <stdio.h>
#include <string.h>

#include "server/persist/value.h"
#include "server/proto/crc64.h"

enum { VERSION_BYTES = 2, CRC_BYTES = 8, FOOTER_BYTES = VERSION_BYTES + CRC_BYTES };

void persist_dump(struct buf *out, const struct entry *e) {
    size_t before = buf_len(out);
    struct value_style style = {RDB_VERSION, true};
    char type = (char)value_type(e, RDB_VERSION), version[VERSION_BYTES] = {RDB_VERSION, 0};
    buf_add(out, &type, 1);
    value_save_body(out, e, &style);
    buf_add(out, version, sizeof version);
    uint64_t crc = crc64(0, buf_head(out) + before, buf_len(out) - before);
    buf_add(out, &crc, sizeof crc);
}

bool persist_payload_sound(struct bytes payload, bool check_crc) {
    if (payload.len < FOOTER_BYTES) return false;
    const uint8_t *footer = (const uint8_t *)payload.p + payload.len - FOOTER_BYTES;
    int version = footer[0] | footer[1] << 8;
    /* Valkey 9 writes a version of its own above the same forms; a type of its own is refused by name. */
    if (version > RDB_VERSION_MAX && version != RDB_VERSION_VALKEY_9) return false;
    uint64_t crc = check_crc ? crc64(0, payload.p, payload.len - CRC_BYTES) : 0;
    return !check_crc || memcmp(&crc, footer + VERSION_BYTES, CRC_BYTES) == 0;
}

/* A key that does not exist. */
struct spare {
    char text[32 + 8];
};

static struct bytes spare_key(struct spare *spare, struct store *s, int db) {
    struct bytes name = {spare->text, sizeof spare->text};
    memset(spare->text, 0, sizeof spare->text);
    do {
        uint64_t chance = store_chance(s);
        memcpy(spare->text + 32, &chance, 8);
    } while (store_find(s, db, name));
    return name;
}

/* In the words of redis-server's log, which some look for. */
static const char *check_name(int type) {
    switch (type) {
    case RDB_HASH_ZIPMAP: return "Zipmap";
    case RDB_LIST_ZIPLIST: return "List ziplist";
    case RDB_SET_INTSET: return "Intset";
    case RDB_ZSET_ZIPLIST: return "Zset ziplist";
    case RDB_ZSET_LISTPACK: return "Zset listpack";
    case RDB_HASH_ZIPLIST: return "Hash ziplist";
    case RDB_HASH_LISTPACK: return "Hash listpack";
    case RDB_LIST_QUICKLIST: return "Ziplist";
    case RDB_LIST_QUICKLIST_2: return "Listpack";
    case RDB_STREAM_LISTPACKS:
    case RDB_STREAM_LISTPACKS_2:
    case RDB_STREAM_LISTPACKS_3: return "Stream listpack";
    default: return "Value";
    }
}

/* Reads the value's bytes into the store, under key. False: not all of it could be. */
static bool read_value(struct store *s, int db, struct bytes key, int type, struct bytes bytes,
                       char *err, size_t err_size) {
    struct value_load load = {.store = s, .db = db, .expire_ms = -1, .type = type};
    struct rdb_reader r;
    enum rdb_event ev;
    snprintf(err, err_size, "it is of no type that can be read, or cut off");
    if (!value_loads_type(type) || !rdb_reader_at_value(&r, type)) return false;
    buf_add(&load.key, key.p, key.len);
    do {
        ev = rdb_read(&r, bytes.p, bytes.len);
        if (ev == RDB_MORE || ev == RDB_BAD) break;
        bytes.p += r.used;
        bytes.len -= r.used;
    } while (value_load_event(&load, ev, &r, err, err_size) && ev != RDB_KEY_END);
    if (ev == RDB_BAD) snprintf(err, err_size, "%s", r.error);
    rdb_reader_free(&r);
    value_load_free(&load);
    return ev == RDB_KEY_END;
}

struct entry *persist_restore(struct store *s, int db, struct bytes key, struct bytes payload,
                              char *err, size_t err_size) {
    struct spare spare;
    struct bytes made = spare_key(&spare, s, db);
    struct bytes body = {payload.p + 1, payload.len - 1}; /* Redis reads on into the footer too */
    bool well = read_value(s, db, made, (uint8_t)payload.p[0], body, err, err_size);
    struct entry *e = store_find(s, db, made);
    if (!well || !e) {
        char why[200];
        snprintf(why, sizeof why, "%s", err);
        snprintf(err, err_size, "%s integrity check failed: %s", check_name((uint8_t)payload.p[0]),
                 why);
        if (e) store_delete(s, db, e);
        return NULL;
    }
    struct entry *there = store_find(s, db, key);
    if (there) store_delete(s, db, there);
    return store_move(s, db, store_find(s, db, made), db, key);
}
