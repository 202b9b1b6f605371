/* MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * Queued words are copied: one allocation a command holds its argv and their bytes. A watched key is
 * an entry of one map, "db:key" to the list of clients that watch it; a client knows its own keys. */
#include "server/dispatch.h"

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/client.h"
#include "server/scripts.h"
#include "server/server.h"

#include <stdlib.h>

struct queued {
    const struct command *cmd;
    int argc;
    struct bytes *argv; /* one allocation with the bytes behind */
};

struct watchers {
    struct client **v;
    size_t count, cap;
};

struct watched {
    int db;
    bool was_expired;
    struct bytes key; /* malloc'ed */
};

struct transaction {
    bool active; /* inside MULTI */
    bool failed; /* a command was refused while queueing */
    bool touched;
    uint32_t flags, lacking; /* what any of the queue has; what one of it has not */
    struct queued *queue;
    size_t count, cap, bytes;
    struct watched *keys;
    size_t key_count, key_cap;
};

static struct map *watch_map;
static int watching;

int multi_watching(void) {
    return watching;
}

static struct transaction *of(struct client *c) {
    if (!c->multi) c->multi = xcalloc(1, sizeof *c->multi);
    return c->multi;
}

bool multi_active(const struct client *c) {
    return c->multi && c->multi->active;
}

uint32_t multi_flags(const struct client *c) {
    return c->multi ? c->multi->flags : 0;
}

uint32_t multi_lacking(const struct client *c) {
    return c->multi ? c->multi->lacking : 0;
}

size_t multi_queued(const struct client *c) {
    return c->multi ? c->multi->count : 0;
}

size_t multi_memory(const struct client *c) {
    return c->multi ? sizeof *c->multi + c->multi->bytes : 0;
}

bool multi_is_control(const struct command *cmd) {
    static const char *const names[] = {"exec", "discard", "multi", "watch", "quit", "reset"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(names[i], cmd->name)) return true;
    }
    return false;
}

void multi_mark_failed(struct client *c) {
    if (multi_active(c)) c->multi->failed = true;
}

/* --- watched keys --- */

static void map_key(int db, struct bytes key, struct buf *out) {
    buf_clear(out);
    buf_printf(out, "%d:", db);
    buf_add(out, key.p, key.len);
}

static void unwatch_one(struct client *c, const struct watched *w) {
    static struct buf k;
    map_key(w->db, w->key, &k);
    struct watchers *list = map_get(watch_map, buf_head(&k), buf_len(&k));
    must(list, "a watched key is in the map");
    for (size_t i = 0; i < list->count; i++) {
        if (list->v[i] != c) continue;
        list->v[i] = list->v[--list->count];
        break;
    }
    if (!list->count) {
        map_take(watch_map, buf_head(&k), buf_len(&k));
        free(list->v);
        free(list);
    }
    watching--;
}

static void unwatch_all(struct client *c) {
    struct transaction *t = c->multi;
    if (!t) return;
    for (size_t i = 0; i < t->key_count; i++) {
        unwatch_one(c, &t->keys[i]);
        free((void *)(uintptr_t)t->keys[i].key.p);
    }
    free(t->keys);
    t->keys = NULL;
    t->key_count = t->key_cap = 0;
    t->touched = false;
}

static bool is_expired(int db, struct bytes key, int64_t now_ms) {
    struct entry *e = store_find(server.store, db, key);
    return e && expiry_is_past(entry_expiry(e), now_ms);
}

static void watch_one(struct client *c, struct bytes key, int64_t now_ms) {
    static struct buf k;
    struct transaction *t = of(c);
    for (size_t i = 0; i < t->key_count; i++) {
        if (t->keys[i].db == c->db && bytes_equal(t->keys[i].key, key)) return;
    }
    if (t->key_count == t->key_cap) {
        t->key_cap = t->key_cap ? t->key_cap * 2 : 4;
        t->keys = xrealloc(t->keys, t->key_cap * sizeof *t->keys);
    }
    struct bytes copy = {xmemdup(key.len ? key.p : "", key.len ? key.len : 1), key.len};
    t->keys[t->key_count++] = (struct watched){c->db, is_expired(c->db, key, now_ms), copy};
    if (!watch_map) watch_map = map_new(false);
    map_key(c->db, key, &k);
    struct watchers *list = map_get(watch_map, buf_head(&k), buf_len(&k));
    if (!list) {
        list = xcalloc(1, sizeof *list);
        map_put(watch_map, buf_head(&k), buf_len(&k), list);
    }
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 2;
        list->v = xrealloc(list->v, list->cap * sizeof(struct client *));
    }
    list->v[list->count++] = c;
    watching++;
}

static struct watched *watched_find(struct transaction *t, int db, struct bytes key) {
    for (size_t i = 0; i < t->key_count; i++)
        if (t->keys[i].db == db && bytes_equal(t->keys[i].key, key)) return &t->keys[i];
    return NULL;
}

/* A key that had expired when it was watched was gone already: that it is deleted now is no change. */
void multi_touched(int db, struct bytes key) {
    static struct buf k;
    map_key(db, key, &k);
    const struct watchers *list = map_get(watch_map, buf_head(&k), buf_len(&k));
    if (!list) return;
    bool there = store_find(server.store, db, key);
    for (size_t i = 0; i < list->count; i++) {
        struct transaction *t = list->v[i]->multi;
        struct watched *w = watched_find(t, db, key);
        if (!w->was_expired)
            t->touched = true;
        else if (!there)
            w->was_expired = false;
    }
}

static void flushed_one(struct transaction *t, struct watched *w) {
    if (!store_find(server.store, w->db, w->key)) return;
    if (!w->was_expired) t->touched = true;
    w->was_expired = false;
}

/* A flush touches the watched keys that it takes away: it is told before they go. */
void multi_flushed(int db) {
    for (struct client *c = server.clients; c; c = c->next) {
        for (size_t i = 0; c->multi && i < c->multi->key_count; i++)
            if (db == -1 || c->multi->keys[i].db == db) flushed_one(c->multi, &c->multi->keys[i]);
    }
}

/* The key's database has taken the place of another, where the key's old value is now. */
static void swapped_one(struct transaction *t, struct watched *w, int old_db, int64_t now_ms) {
    bool was = store_find(server.store, old_db, w->key);
    bool is = store_find(server.store, w->db, w->key);
    bool stale = is_expired(w->db, w->key, now_ms);
    if (!was && !is) return;
    if ((was && !w->was_expired) || (is && !stale)) t->touched = true;
    w->was_expired = stale;
}

void multi_swapped(int a, int b, int64_t now_ms) {
    for (struct client *c = server.clients; c; c = c->next) {
        for (size_t i = 0; c->multi && i < c->multi->key_count; i++) {
            struct watched *w = &c->multi->keys[i];
            if (w->db == a || w->db == b) swapped_one(c->multi, w, w->db == a ? b : a, now_ms);
        }
    }
}

/* --- the queue --- */

static void drop_queue(struct transaction *t) {
    for (size_t i = 0; i < t->count; i++) free(t->queue[i].argv);
    free(t->queue);
    t->queue = NULL;
    t->count = t->cap = t->bytes = 0;
    t->flags = t->lacking = 0;
}

void multi_free(struct client *c) {
    if (!c->multi) return;
    unwatch_all(c);
    drop_queue(c->multi);
    free(c->multi);
    c->multi = NULL;
}

void multi_queue(struct client *c, const struct command *cmd, int argc, const struct bytes *argv) {
    struct transaction *t = c->multi;
    if (cmd->flags & CMD_NO_MULTI) {
        t->failed = true;
        resp_error(&c->out, "ERR Command not allowed inside a transaction");
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 8;
        t->queue = xrealloc(t->queue, t->cap * sizeof *t->queue);
    }
    size_t bytes = (size_t)argc * sizeof *argv;
    for (int i = 0; i < argc; i++) bytes += argv[i].len;
    struct bytes *copy = xmalloc(bytes);
    char *to = (char *)(copy + argc);
    for (int i = 0; i < argc; i++) {
        copy[i] = (struct bytes){to, argv[i].len};
        if (argv[i].len) memcpy(to, argv[i].p, argv[i].len);
        to += argv[i].len;
    }
    t->queue[t->count++] = (struct queued){cmd, argc, copy};
    t->bytes += bytes + sizeof *t->queue;
    uint32_t flags = scripts_command_flags(cmd, argc, argv);
    t->flags |= flags;
    t->lacking |= ~flags;
    resp_status(&c->out, "QUEUED");
}

/* --- commands --- */

static void cmd_multi(struct call *c) {
    struct client *client = c->client;
    if (multi_active(client)) {
        reply_error(c, "ERR MULTI calls can not be nested");
        return;
    }
    of(client)->active = true;
    reply_ok(c);
}

static void cmd_discard(struct call *c) {
    if (!multi_active(c->client)) {
        reply_error(c, "ERR DISCARD without MULTI");
        return;
    }
    multi_free(c->client);
    reply_ok(c);
}

static void cmd_watch(struct call *c) {
    if (multi_active(c->client)) {
        reply_error(c, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (int i = 1; i < c->argc; i++) watch_one(c->client, c->argv[i], c->now_ms);
    reply_ok(c);
}

static void cmd_unwatch(struct call *c) {
    unwatch_all(c->client);
    reply_ok(c);
}

static bool watched_expired(const struct transaction *t, int64_t now_ms) {
    for (size_t i = 0; i < t->key_count; i++) {
        const struct watched *w = &t->keys[i];
        if (!w->was_expired && is_expired(w->db, w->key, now_ms)) return true;
    }
    return false;
}

static void run_queue(struct call *c, struct client *client, struct transaction *t) {
    reply_array(c, t->count);
    if (server.repl) repl_feed_begin(server.repl);
    for (size_t i = 0; i < t->count; i++) {
        const struct queued *q = &t->queue[i];
        dispatch_call(client, q->cmd, q->argc, q->argv, CALL_IN_EXEC | CALL_DENY_BLOCKING,
                      c->now_ms);
        if (server.spies) dispatch_spy(client, q->cmd, q->argc, q->argv);
    }
    if (server.repl) repl_feed_end(server.repl);
}

void multi_exec(struct call *c) {
    struct client *client = c->client;
    struct transaction *t = client->multi;
    if (!multi_active(client)) {
        reply_error(c, "ERR EXEC without MULTI");
        return;
    }
    if (t->failed) {
        multi_free(client);
        reply_error(c, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    if (t->touched || watched_expired(t, c->now_ms)) {
        multi_free(client);
        reply_null_array(c);
        return;
    }
    unwatch_all(client);
    client->multi = NULL; /* the queued commands run as if outside of MULTI */
    run_queue(c, client, t);
    if (client->multi) multi_free(client);
    client->multi = t;
    multi_free(client);
}

void register_transaction_commands(void) {
    command_set_function("multi", cmd_multi);
    command_set_function("exec", multi_exec);
    command_set_function("discard", cmd_discard);
    command_set_function("watch", cmd_watch);
    command_set_function("unwatch", cmd_unwatch);
}
