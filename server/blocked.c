/* See blocked.h. A waiter is one client at one key: it stands in the key's queue and in the client's array. */
#include "server/blocked.h"

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/latency.h"
#include "server/output.h"
#include "server/scripts.h"
#include "server/push.h"
#include "server/server.h"
#include "server/tracking.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS   1000000ULL
#define FOR_EVER_MS (100LL * 365 * 24 * 3600 * 1000)

struct waiter {
    struct client *client;
    struct awaited *key;
    struct waiter *next, *prev; /* in the key's queue */
    int at;                     /* the key's place among those that the client waits for */
};

/* A key that somebody waits for, in the map as "db:key". */
struct awaited {
    int db;
    struct bytes key; /* behind the struct */
    struct waiter *first, *last;
    struct waiter *next; /* while the key is served: whose turn comes next */
    bool ready;          /* stands in the row of those that are served next */
    bool came; /* a value came, not only a change: it may serve those who wait for values */
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
bool blocked_watching;
static size_t waiting[KIND_COUNT], timed, until_gone;

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
    if (a->next == w) a->next = w->next;
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
    b->argc = block->argv ? block->argc : c->argc;
    b->argv = copy_words(b->argc, block->argv ? block->argv : c->argv, &b->bytes);
    b->block.argv = NULL; /* the caller's */
    b->mute = client->reply_off || client->reply_skip;
    b->v = xcalloc((size_t)block->keys, sizeof *b->v);
    for (int i = block->first_key; i < block->first_key + block->keys; i++) {
        if (named_before(b, i)) continue;
        struct waiter *w = &b->v[b->count++];
        w->client = client;
        w->at = i - block->first_key;
        queue(find_or_make(c->db, b->argv[i]), w);
    }
    start_timer(client, b);
    client->blocked = b;
    waiting[block->kind]++;
    until_gone += block->until_gone;
    blocked_watching = until_gone > 0;
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
    until_gone -= b->block.until_gone;
    blocked_watching = until_gone > 0;
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
    output_wait_for(c, offset);
    if (wrote) c->write_offset = offset;
    if (buf_len(&c->out)) output_queue(c);
    client_stall(c, STALL_WOKEN);
}

static void count_error(const struct command *cmd, const char *error) {
    if (cmd) server.command_stats[cmd->id].failed++;
    server.stats.errors++;
    error_codes_note(error, strlen(error));
}

void blocked_end(struct client *c, const char *error) {
    size_t before = buf_len(&c->out);
    struct blocked *b = detach(c);
    server.command_stats[b->cmd->id].calls++;
    if (error) {
        count_error(b->cmd, error);
        resp_error(&c->out, error);
    } else
        resp_null_array(&c->out, c->resp);
    answered(c, b, before, false);
    release(b);
}

/* The client waits for slaves (WAIT). */
static void end_wait(struct client *c, const char *error) {
    count_error(c->last_command, error);
    resp_error(&c->out, error);
    output_wait_for(c, repl_reply_offset(server.repl, false));
    output_queue(c);
    client_stall(c, STALL_WOKEN);
}

void blocked_end_all(void) {
    static const char error[] = "UNBLOCKED force unblock from blocking operation, instance state "
                                "changed (master -> replica?)";
    struct client *next;
    for (struct client *c = server.clients; c; c = next) {
        next = c->next;
        if (c->blocked)
            blocked_end(c, error);
        else if (c->stall == STALL_WAIT)
            end_wait(c, error);
        else
            continue;
        c->close_after_reply = true;
    }
}

/* ---- Keys that have come --------------------------------------------------------------------- */

static void note(struct awaited *a, bool came) {
    a->came |= came;
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
    if (a) note(a, true);
}

void blocked_note_changed(int db, struct bytes key) {
    struct awaited *a = find(db, key);
    if (a) note(a, false);
}

void blocked_note_all(int db) {
    const char *key;
    size_t cursor = 0, len;
    void *value;
    if (!blocked_count()) return;
    while (map_next(keys, &cursor, &key, &len, &value)) {
        struct awaited *a = value;
        if (db == -1 || a->db == db) note(a, true);
    }
}

/* What the key holds, or NULL. One that has expired meanwhile is deleted, as by any command that comes upon it. */
static struct entry *value_at(const struct awaited *a, int64_t now_ms) {
    struct call c = {
        .store = server.store, .ops = &service_ops, .db = a->db, .resp = 2, .now_ms = now_ms};
    struct entry *e = store_find(server.store, a->db, a->key);
    if (server.role != REPL_MASTER) c.flags |= CALL_ON_SLAVE;
    if (server.importing) c.flags |= CALL_HOLD_EXPIRY;
    return e && !call_expire_if_needed(&c, a->db, e) ? e : NULL;
}

static struct bytes word_beside(const struct blocked *b, const struct waiter *w) {
    if (!b->block.paired) return (struct bytes){NULL, 0};
    return b->argv[b->block.first_key + b->block.keys + w->at];
}

/* The words with this key in the place of all of them. */
static struct bytes *words_for(const struct blocked *b, const struct waiter *w, int *argc) {
    int first = b->block.first_key, behind = first + b->block.keys * (b->block.paired ? 2 : 1);
    int n = first;
    struct bytes *words = xmalloc((size_t)b->argc * sizeof *words);
    memcpy(words, b->argv, (size_t)first * sizeof *words);
    words[n++] = w->key->key;
    if (b->block.paired) words[n++] = word_beside(b, w);
    while (behind < b->argc) words[n++] = b->argv[behind++];
    if (b->block.count_at) words[b->block.count_at] = BYTES("1");
    *argc = n;
    return words;
}

static void serve(const struct waiter *w, int64_t now_ms) {
    struct client *c = w->client;
    size_t before = buf_len(&c->out);
    int argc;
    struct bytes *words = words_for(c->blocked, w, &argc);
    struct blocked *b = detach(c);
    dispatch_call(c, b->cmd, argc, words, CALL_DENY_BLOCKING | CALL_RESUMED, now_ms);
    answered(c, b, before, true);
    if (server.spies) tracking_pay();
    free(words);
    release(b);
}

/* Whether the wait ends with what the key holds now. */
static bool is_due(const struct waiter *w, const struct entry *e) {
    const struct blocked *b = w->client->blocked;
    if (!e || entry_kind(e) != b->block.kind) return b->block.until_gone;
    if (!w->key->came) return false;
    return !b->block.is_due || b->block.is_due(e, b->argv, word_beside(b, w));
}

/* Everyone in the order in which they began to wait; those who wait for something else keep their place. */
static void serve_key(struct awaited *a) {
    int64_t now_ms = clock_wall_ms();
    a->next = a->first;
    while (a->next) {
        struct waiter *w = a->next;
        const struct entry *e = value_at(a, now_ms);
        if (!e && !until_gone) break;
        a->next = w->next;
        if (is_due(w, e)) serve(w, now_ms);
    }
    a->next = NULL;
    a->came = false;
}

void blocked_serve_now(void) {
    if (scripts_nested) return; /* not in the middle of a script: behind it */
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
