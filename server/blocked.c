/* See blocked.h. A waiter is one client at one key: it stands in the key's queue and in the client's array. */
#include "server/blocked.h"

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/output.h"
#include "server/push.h"
#include "server/server.h"
#include "server/tracking.h"

#include <stdlib.h>

#define NS_PER_MS   1000000ULL
#define FOR_EVER_MS (100LL * 365 * 24 * 3600 * 1000)

struct waiter {
    struct client *client;
    struct awaited *key;
    struct waiter *next, *prev; /* in the key's queue */
};

/* A key that somebody waits for, in the map as "db:key". */
struct awaited {
    int db;
    struct bytes key; /* behind the struct */
    struct waiter *first, *last;
    bool ready; /* stands in the row of those that are served next */
    struct awaited *next_ready;
};

struct blocked {
    const struct command *cmd;
    struct block block;
    int argc;
    struct bytes *argv; /* one allocation with the bytes behind */
    size_t bytes;
    bool mute;                /* the reply was switched off when the command came */
    struct loop_timer *timer; /* NULL: it waits for ever */
    struct waiter *v;
    int count;
};

bool blocked_ready;
static struct map *keys;
static struct awaited *ready, **ready_end = &ready;
static size_t waiting[KIND_COUNT], timed;

/* ---- Keys ------------------------------------------------------------------------------------ */

static struct buf *map_key(int db, struct bytes key) {
    static struct buf k;
    buf_clear(&k);
    buf_printf(&k, "%d:", db);
    buf_add(&k, key.p, key.len);
    return &k;
}

static struct awaited *find(int db, struct bytes key) {
    struct buf *k = map_key(db, key);
    return keys ? map_get(keys, buf_head(k), buf_len(k)) : NULL;
}

static struct awaited *find_or_make(int db, struct bytes key) {
    struct awaited *a = find(db, key);
    if (a) return a;
    if (!keys) keys = map_new(false);
    a = xcalloc(1, sizeof *a + key.len);
    a->db = db;
    a->key = (struct bytes){(char *)(a + 1), key.len};
    if (key.len) memcpy(a + 1, key.p, key.len);
    struct buf *k = map_key(db, key);
    map_put(keys, buf_head(k), buf_len(k), a);
    return a;
}

static void drop_if_unused(struct awaited *a) {
    if (a->first || a->ready) return;
    struct buf *k = map_key(a->db, a->key);
    map_take(keys, buf_head(k), buf_len(k));
    free(a);
}

static void queue(struct awaited *a, struct waiter *w) {
    w->key = a;
    w->next = NULL;
    w->prev = a->last;
    if (a->last)
        a->last->next = w;
    else
        a->first = w;
    a->last = w;
}

static void unqueue(struct waiter *w) {
    struct awaited *a = w->key;
    if (w->prev)
        w->prev->next = w->next;
    else
        a->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        a->last = w->prev;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static struct bytes *copy_words(int argc, const struct bytes *argv, size_t *bytes) {
    *bytes = (size_t)argc * sizeof *argv;
    for (int i = 0; i < argc; i++) *bytes += argv[i].len;
    struct bytes *copy = xmalloc(*bytes);
    char *to = (char *)(copy + argc);
    for (int i = 0; i < argc; i++) {
        copy[i] = (struct bytes){to, argv[i].len};
        if (argv[i].len) memcpy(to, argv[i].p, argv[i].len);
        to += argv[i].len;
    }
    return copy;
}

static void on_time(struct loop *l, void *arg) {
    (void)l;
    blocked_end(arg, NULL);
}

static void start_timer(struct client *c, struct blocked *b) {
    int64_t ms = b->block.timeout_ms;
    if (!ms) return;
    if (ms > FOR_EVER_MS) ms = FOR_EVER_MS;
    b->timer = loop_timer_new(server.loop, on_time, c);
    loop_timer_start(b->timer, (uint64_t)ms * NS_PER_MS, 0);
    timed++;
}

/* Whether the key stands in the words before position i too. */
static bool named_before(const struct blocked *b, int i) {
    for (int j = b->block.first_key; j < i; j++)
        if (bytes_equal(b->argv[j], b->argv[i])) return true;
    return false;
}

void blocked_wait(struct call *c, const struct block *block) {
    struct client *client = c->client;
    struct blocked *b = xcalloc(1, sizeof *b);
    must(!client->blocked && block->keys > 0, "a client waits once, for some key");
    b->cmd = c->command;
    b->block = *block;
    b->argc = c->argc;
    b->argv = copy_words(c->argc, c->argv, &b->bytes);
    b->mute = client->reply_off || client->reply_skip;
    b->v = xcalloc((size_t)block->keys, sizeof *b->v);
    for (int i = block->first_key; i < block->first_key + block->keys; i++) {
        if (named_before(b, i)) continue;
        struct waiter *w = &b->v[b->count++];
        w->client = client;
        queue(find_or_make(c->db, b->argv[i]), w);
    }
    start_timer(client, b);
    client->blocked = b;
    waiting[block->kind]++;
    server.command_stats[b->cmd->id].calls--; /* it is counted when it is served, or ends */
    client->replies--; /* the dispatcher counts one a command; this one's is to come */
    client_stall(client, STALL_BLOCKED);
}

/* Takes the client out of all queues; the words are the caller's to free. */
static struct blocked *detach(struct client *c) {
    struct blocked *b = c->blocked;
    for (int i = 0; i < b->count; i++) {
        unqueue(&b->v[i]);
        drop_if_unused(b->v[i].key);
    }
    if (b->timer) timed--;
    loop_timer_free(b->timer);
    waiting[b->block.kind]--;
    c->blocked = NULL;
    c->stall = STALL_NONE;
    return b;
}

static void release(struct blocked *b) {
    free(b->v);
    free(b->argv);
    free(b);
}

void blocked_forget(struct client *c) {
    if (c->blocked) release(detach(c));
}

size_t blocked_count(void) {
    size_t n = 0;
    for (int i = 0; i < KIND_COUNT; i++) n += waiting[i];
    return n;
}

size_t blocked_timed_count(void) {
    return timed;
}

size_t blocked_memory(const struct client *c) {
    const struct blocked *b = c->blocked;
    return b ? sizeof *b + b->bytes + (size_t)b->count * sizeof *b->v : 0;
}

/* ---- Ending a wait --------------------------------------------------------------------------- */

/* The reply stands in c->out: it goes out as any other, and the client's next requests are run this turn. */
static void answered(struct client *c, const struct blocked *b, size_t before, bool wrote) {
    uint64_t offset = repl_reply_offset(server.repl, wrote);
    if (b->mute) c->out.end = c->out.start + before;
    c->replies++;
    c->reply_offset = offset;
    if (wrote) c->write_offset = offset;
    if (buf_len(&c->out)) output_queue(c);
    client_stall(c, STALL_WOKEN);
}

void blocked_end(struct client *c, const char *error) {
    size_t before = buf_len(&c->out);
    struct blocked *b = detach(c);
    struct command_stats *stats = &server.command_stats[b->cmd->id];
    stats->calls++;
    stats->failed += error != NULL;
    if (error)
        resp_error(&c->out, error);
    else
        resp_null_array(&c->out, c->resp);
    answered(c, b, before, false);
    release(b);
}

void blocked_end_all(void) {
    struct client *next;
    if (!blocked_count()) return;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        if (!c->blocked) continue;
        blocked_end(c, "UNBLOCKED force unblock from blocking operation, instance state changed "
                       "(master -> replica?)");
        c->close_after_reply = true;
    }
}

/* ---- Keys that have come --------------------------------------------------------------------- */

static void note(struct awaited *a) {
    if (a->ready) return;
    a->ready = true;
    a->next_ready = NULL;
    *ready_end = a;
    ready_end = &a->next_ready;
    blocked_ready = true;
}

void blocked_note(struct call *c, int db, struct bytes key, enum value_kind kind) {
    (void)c;
    if (!waiting[kind]) return;
    struct awaited *a = find(db, key);
    if (a) note(a);
}

void blocked_note_all(int db) {
    const char *key;
    size_t cursor = 0, len;
    void *value;
    if (!blocked_count()) return;
    while (map_next(keys, &cursor, &key, &len, &value)) {
        struct awaited *a = value;
        if (db == -1 || a->db == db) note(a);
    }
}

/* What the key holds, or KIND_COUNT. */
static enum value_kind kind_at(const struct awaited *a, int64_t now_ms) {
    struct entry *e = store_find(server.store, a->db, a->key);
    if (!e || expiry_is_past(entry_expiry(e), now_ms)) return KIND_COUNT;
    return entry_kind(e);
}

/* The words with this key in the place of all of them. */
static struct bytes *words_for(const struct blocked *b, struct bytes key, int *argc) {
    int first = b->block.first_key, behind = first + b->block.keys;
    struct bytes *words = xmalloc((size_t)b->argc * sizeof *words);
    memcpy(words, b->argv, (size_t)first * sizeof *words);
    words[first] = key;
    memcpy(words + first + 1, b->argv + behind, (size_t)(b->argc - behind) * sizeof *words);
    if (b->block.count_at) words[b->block.count_at] = BYTES("1");
    *argc = b->argc - b->block.keys + 1;
    return words;
}

static void serve(struct client *c, struct bytes key, int64_t now_ms) {
    size_t before = buf_len(&c->out);
    struct blocked *b = detach(c);
    int argc;
    struct bytes *words = words_for(b, key, &argc);
    dispatch_call(c, b->cmd, argc, words, CALL_DENY_BLOCKING, now_ms);
    answered(c, b, before, true);
    if (server.spies) tracking_pay();
    free(words);
    release(b);
}

/* Those who wait for something else go behind the others, as in Redis. */
static void serve_key(struct awaited *a) {
    int64_t now_ms = clock_wall_ms();
    size_t n = 0;
    for (const struct waiter *w = a->first; w; w = w->next) n++;
    while (n-- && a->first) {
        struct waiter *w = a->first;
        enum value_kind kind = kind_at(a, now_ms);
        if (kind == KIND_COUNT) break;
        if (w->client->blocked->block.kind == kind) {
            serve(w->client, a->key, now_ms);
            continue;
        }
        unqueue(w);
        queue(a, w);
    }
}

void blocked_serve_now(void) {
    while (ready) {
        struct awaited *a = ready;
        ready = a->next_ready;
        if (!ready) ready_end = &ready;
        serve_key(a); /* it is not dropped meanwhile, and what becomes ready stands behind it */
        a->ready = false;
        drop_if_unused(a);
    }
    blocked_ready = false;
}
