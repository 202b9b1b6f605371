/* DEBUG's verbs about data: how a value is kept, filling, and reading everything back from disk. */
#include "server/cmd_debug.h"

#include "server/base/log.h"
#include "server/client.h"
#include "server/server.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"
#include "server/store/string.h"
#include "server/store/zset.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* DEBUG sees what has expired and is still there. NULL after the error was replied. */
static const struct entry *find(struct call *c) {
    const struct entry *e = store_find(c->store, c->db, c->argv[2]);
    if (!e) reply_error(c, ERR_NO_KEY);
    return e;
}

/* --- OBJECT and its kin --- */

static void add_bytes(void *arg, struct bytes listpack) {
    *(size_t *)arg += listpack.len;
}

static void add_list(const struct entry *e, char *out, size_t size) {
    size_t bytes = 0, chunks = list_chunks(e);
    list_each_chunk(e, add_bytes, &bytes);
    snprintf(out, size,
             " ql_nodes:%zu ql_avg_node:%.2f ql_listpack_max:%lld ql_compressed:%d "
             "ql_uncompressed_size:%zu",
             chunks, (double)list_len(e) / (double)chunks, (long long)server.config.list_chunk,
             server.config.list_compress != 0, bytes);
}

void debug_object(struct call *c) {
    const struct entry *e = find(c);
    char text[400], list[200] = "";
    if (!e) return;
    if (entry_kind(e) == KIND_LIST) add_list(e, list, sizeof list);
    snprintf(text, sizeof text,
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%u%s",
             (const void *)e, entry_encoding(e), persist_value_bytes(server.persist, e),
             (unsigned)(c->now_ms / 1000 & 0xffffff), entry_idle_s(e, c->now_ms), list);
    reply_status(c, text);
}

void debug_sdslen(struct call *c) {
    const struct entry *e = find(c);
    char text[200];
    int64_t number;
    if (!e) return;
    if (entry_kind(e) != KIND_STRING || string_is_int(e, &number)) {
        reply_error(c, "ERR Not an sds encoded string.");
        return;
    }
    /* Key and value share one allocation, and nothing is to spare in it. */
    size_t len = string_len(e), whole = entry_memory(e);
    snprintf(text, sizeof text,
             "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%zu, "
             "val_sds_avail:0, val_zmalloc: %zu",
             entry_key(e).len, whole > len ? whole - len : whole, len, len);
    reply_status(c, text);
}

void debug_listpack(struct call *c) {
    const struct entry *e = find(c);
    if (!e) return;
    if (strcmp(entry_encoding(e), "listpack") != 0)
        reply_error(c, "ERR Not a listpack encoded object.");
    else
        reply_status(c, "Listpack structure printed on stdout");
}

void debug_quicklist(struct call *c) {
    const struct entry *e = find(c);
    if (!e) return;
    if (entry_kind(e) != KIND_LIST)
        reply_error(c, "ERR Not a quicklist encoded object.");
    else
        reply_status(c, "Quicklist structure printed on stdout");
}

/* --- HTSTATS --- */

static void describe_table(struct buf *out, size_t slots, size_t elements) {
    buf_add_str(out, "Hash table 0 stats (main hash table):\n");
    if (!elements) {
        buf_add_str(out, "No stats available for empty dictionaries\n");
        return;
    }
    buf_printf(out, " table size: %zu\n number of elements: %zu\n", slots, elements);
}

static void reply_text(struct call *c, struct buf *text) {
    resp_verbatim(c->out, c->resp, "txt", buf_head(text), buf_len(text));
    buf_free(text);
}

void debug_htstats(struct call *c) {
    int64_t db;
    struct buf text = BUF_INIT;
    if (!arg_int(c, 2, &db)) return;
    if (db < 0 || db >= store_databases(c->store)) {
        reply_error(c, "ERR Out of range database");
        return;
    }
    buf_add_str(&text, "[Dictionary HT]\n");
    describe_table(&text, store_table_slots(c->store, (int)db), store_count(c->store, (int)db));
    /* Stamps stand in the entries: there is no second table. */
    buf_add_str(&text, "[Expires HT]\n");
    describe_table(&text, store_expiring_count(c->store, (int)db),
                   store_expiring_count(c->store, (int)db));
    reply_text(c, &text);
}

void debug_htstats_key(struct call *c) {
    const struct entry *e = find(c);
    struct buf text = BUF_INIT;
    if (!e) return;
    const char *encoding = entry_encoding(e);
    if (strcmp(encoding, "hashtable") != 0 && strcmp(encoding, "skiplist") != 0) {
        reply_error(c, "ERR The value stored at the specified key is not represented using an hash "
                       "table");
        return;
    }
    size_t n = entry_kind(e) == KIND_HASH  ? hash_len(e)
               : entry_kind(e) == KIND_SET ? set_len(e)
                                           : zset_len(e);
    describe_table(&text, n + n / 6, n); /* about 85 % full */
    reply_text(c, &text);
}

/* --- POPULATE --- */

/* As getPositiveLong: an integer, not below 0. */
static bool arg_count(struct call *c, int i, int64_t *n) {
    return arg_int_range(c, i, 0, LONG_MAX, "ERR value is out of range, must be positive", n);
}

static void populate_one(struct call *c, struct bytes prefix, int64_t i, size_t size,
                         struct buf *key, struct buf *value) {
    buf_clear(key);
    buf_clear(value);
    buf_add(key, prefix.p, prefix.len);
    buf_printf(key, ":%lld", (long long)i);
    struct bytes name = {buf_head(key), buf_len(key)};
    if (store_find(c->store, c->db, name)) return;
    buf_printf(value, "value:%lld", (long long)i);
    if (size) {
        size_t had = buf_len(value);
        char *room = buf_room(value, size);
        if (size > had) memset(room, 0, size - had);
        if (size > had) buf_added(value, size - had);
    }
    size_t len = size ? size : buf_len(value);
    struct entry *e = string_put_plain(c->store, c->db, name, (struct bytes){buf_head(value), len},
                                       NO_EXPIRY, false);
    call_created(c, c->db, name, e);
}

void debug_populate(struct call *c) {
    int64_t count, size = 0;
    struct buf key = BUF_INIT, value = BUF_INIT;
    if (!arg_count(c, 2, &count) || (c->argc == 5 && !arg_count(c, 4, &size))) return;
    struct bytes prefix = c->argc > 3 ? c->argv[3] : BYTES("key");
    for (int64_t i = 0; i < count; i++) populate_one(c, prefix, i, (size_t)size, &key, &value);
    buf_free(&key);
    buf_free(&value);
    c->propagated = true; /* slaves are left alone */
    reply_ok(c);
}

/* --- from disk --- */

void debug_reload(struct call *c) {
    bool merge = false, flush = true, save = true;
    char err[300] = "";
    for (int i = 2; i < c->argc; i++) {
        if (bytes_is(c->argv[i], "merge"))
            merge = true;
        else if (bytes_is(c->argv[i], "noflush"))
            flush = false;
        else if (bytes_is(c->argv[i], "nosave"))
            save = false;
        else {
            reply_error(c, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
            return;
        }
    }
    if (save && !persist_save_now(server.persist, err, sizeof err)) {
        reply_error(c, *err ? err : "ERR");
        return;
    }
    if (flush) store_flush_all(server.store);
    if (!persist_reload(server.persist, merge, err, sizeof err)) {
        log_error("DEBUG RELOAD: %s", err);
        reply_error(c, "ERR Error trying to load the RDB dump");
        return;
    }
    log_notice("DB reloaded by DEBUG RELOAD");
    reply_ok(c);
}

/* Without a log, what is on disk is what BGREWRITEAOF wrote last, or else dump.rdb. */
void debug_loadaof(struct call *c) {
    char err[300] = "";
    if (!server.config.appendonly && !persist_has_off_base(server.persist)) {
        c->argc = 2;
        debug_reload(c);
        return;
    }
    if (server.repl) repl_before_sleep(server.repl); /* writes what is pending */
    if (!persist_replay(server.persist, err, sizeof err)) {
        reply_errorf(c, "ERR %s", err);
        return;
    }
    log_notice("Append Only File loaded by DEBUG LOADAOF");
    reply_ok(c);
}

void debug_verify(struct call *c) {
    store_verify(server.store);
    reply_ok(c);
}
