/* See rdbscan.h. */
#include "server/persist/rdbscan.h"

#include "server/persist/persist.h"
#include "server/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATABASES = 16 }; /* keys of higher ones are made in the first */

static enum value_kind kind_of(int rdb_type) {
    switch (rdb_type) {
    case RDB_LIST:
    case RDB_LIST_ZIPLIST:
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2: return KIND_LIST;
    case RDB_SET:
    case RDB_SET_INTSET:
    case RDB_SET_LISTPACK: return KIND_SET;
    case RDB_ZSET:
    case RDB_ZSET_2:
    case RDB_ZSET_ZIPLIST:
    case RDB_ZSET_LISTPACK: return KIND_ZSET;
    case RDB_HASH:
    case RDB_HASH_ZIPMAP:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK: return KIND_HASH;
    case RDB_STREAM_LISTPACKS:
    case RDB_STREAM_LISTPACKS_2:
    case RDB_STREAM_LISTPACKS_3: return KIND_STREAM;
    default: return KIND_STRING;
    }
}

void rdbscan_begin(struct rdbscan *s, bool deep) {
    memset(s, 0, sizeof *s);
    s->pos.db = -1;
    rdb_reader_init(&s->reader);
    if (deep) s->store = s->value.store = store_new(DATABASES, 1);
}

void rdbscan_free(struct rdbscan *s) {
    rdb_reader_free(&s->reader);
    value_load_free(&s->value);
    buf_free(&s->in);
    if (s->store) store_free(s->store);
    s->store = NULL;
}

static enum rdbscan_state bad(struct rdbscan *s, uint64_t at, const char *what) {
    s->state = RDBSCAN_BAD;
    s->bad_at = at;
    snprintf(s->what, sizeof s->what, "%s", what);
    return s->state;
}

static void note_name(struct rdbscan_key *k, struct bytes name, int db) {
    size_t n = name.len < sizeof k->name ? name.len : sizeof k->name - 4;
    k->db = db;
    memcpy(k->name, name.p, n);
    for (size_t i = 0; i < n; i++)
        if (!k->name[i]) k->name[i] = 1; /* shown as it cannot be */
    strcpy(k->name + n, n < name.len ? "..." : "");
}

static void take_aux(struct rdbscan *s) {
    const struct rdb_reader *r = &s->reader;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(r->b.len < 63 ? r->b.len : 63), r->b.p);
    if (bytes_is(r->a, "repl-id") && strlen(text) == PERSIST_ID_CHARS &&
        strspn(text, "0123456789abcdef") == PERSIST_ID_CHARS)
        memcpy(s->pos.id, text, PERSIST_ID_CHARS + 1);
    if (bytes_is(r->a, "repl-offset")) s->pos.offset = strtoull(text, NULL, 10);
    if (bytes_is(r->a, "repl-stream-db")) s->pos.db = atoi(text);
    if (bytes_is(r->a, "ctime")) s->ctime_s = strtoll(text, NULL, 10);
    if (bytes_is(r->a, "redis-ver"))
        snprintf(s->redis_version, sizeof s->redis_version, "%.31s", text);
}

static void take_database(struct rdbscan *s) {
    uint64_t n = s->reader.number;
    s->db = n < INT32_MAX ? (int)n : INT32_MAX;
    s->value.db = s->db < DATABASES ? s->db : 0;
    if (n < 256 && s->dbs_seen[n / 64] >> (n % 64) & 1) return;
    if (n < 256) s->dbs_seen[n / 64] |= 1ULL << (n % 64);
    s->databases++;
}

static bool key_begins(struct rdbscan *s, uint64_t at) {
    const struct rdb_reader *r = &s->reader;
    s->in_key = true;
    s->key_begin = at;
    s->last_type = r->type;
    note_name(&s->key, r->a, s->db);
    s->expiring += r->expire_ms >= 0;
    if (persist_loads_type(r->type)) return true;
    snprintf(s->what, sizeof s->what, "its type, %s, is not held by this version",
             rdb_type_name(r->type));
    return false;
}

static void key_ends(struct rdbscan *s) {
    enum value_kind kind = kind_of(s->last_type);
    s->key.bytes = s->reader.total - s->key_begin;
    s->keys++;
    s->kind_keys[kind]++;
    s->kind_bytes[kind] += s->key.bytes;
    if (s->key.bytes > s->biggest.bytes) s->biggest = s->key;
    s->in_key = false;
    s->good_end = s->reader.total;
    if (!s->store) return;
    struct bytes name = {buf_len(&s->value.key) ? buf_head(&s->value.key) : "",
                         buf_len(&s->value.key)};
    struct entry *e = store_find(s->store, s->value.db, name);
    if (e) store_delete(s->store, s->value.db, e);
    while (store_work(s->store, 1000)) {
    }
}

static bool take_event(struct rdbscan *s, enum rdb_event ev, uint64_t at) {
    char err[200];
    switch (ev) {
    case RDB_START: s->version = s->reader.version; break;
    case RDB_AUX: take_aux(s); break;
    case RDB_SELECT: take_database(s); break;
    case RDB_SKIP: s->skipped_sections++; break;
    case RDB_KEY:
        if (!key_begins(s, at)) return false;
        break;
    default: break;
    }
    if (s->store && ev >= RDB_KEY && ev <= RDB_KEY_END &&
        !value_load_event(&s->value, ev, &s->reader, err, sizeof err)) {
        snprintf(s->what, sizeof s->what, "%s", err);
        return false;
    }
    if (ev == RDB_KEY_END) key_ends(s);
    if (ev < RDB_KEY && ev != RDB_SKIP) s->good_end = s->reader.total;
    return true;
}

enum rdbscan_state rdbscan_feed(struct rdbscan *s, const void *p, size_t n) {
    s->bytes += n;
    if (s->state == RDBSCAN_END && n)
        return bad(s, s->bytes - n, "bytes stand behind the end of the data");
    if (s->state != RDBSCAN_MORE) return s->state;
    buf_add(&s->in, p, n);
    for (;;) {
        uint64_t at = s->reader.total;
        enum rdb_event ev =
            rdb_read(&s->reader, buf_len(&s->in) ? buf_head(&s->in) : "", buf_len(&s->in));
        if (ev == RDB_BAD) return bad(s, at, s->reader.error);
        if (ev != RDB_MORE && ev != RDB_END && !take_event(s, ev, at)) {
            char why[280];
            snprintf(why, sizeof why, "%s", s->what);
            return bad(s, at, why);
        }
        buf_eat(&s->in, s->reader.used);
        if (ev == RDB_MORE) break;
        if (ev != RDB_END) continue;
        s->state = RDBSCAN_END;
        s->end = s->reader.total;
        if (buf_len(&s->in))
            return bad(s, s->reader.total, "bytes stand behind the end of the data");
        break;
    }
    /* What one event needs more than it has comes in one piece: no key is looked at twice for each read. */
    if (s->state == RDBSCAN_MORE && s->reader.need > buf_len(&s->in))
        buf_room(&s->in, s->reader.need - buf_len(&s->in));
    buf_trim(&s->in, 1 << 20);
    return s->state;
}

enum rdbscan_state rdbscan_cut(struct rdbscan *s) {
    if (s->state == RDBSCAN_MORE) bad(s, s->bytes, "the file ends too early");
    return s->state;
}
