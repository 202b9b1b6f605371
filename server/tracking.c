/* See tracking.h. */
#include "server/tracking.h"

#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/dispatch.h"
#include "server/proto/resp.h"
#include "server/pubsub.h"
#include "server/push.h"
#include "server/scripts.h"
#include "server/server.h"
#include "server/store/dict.h"
#include "server/tracking_table.h"

#include <stdlib.h>
#include <string.h>

/* A prefix that BCAST clients follow; "" is one too. */
struct prefix {
    char *name;
    size_t len;
    struct client **v;
    size_t count;
    struct map *
        keys; /* changed since the last message: to the number of the client that did, for NOLOOP */
};

struct tracker {
    uint64_t id; /* its key in the table of trackers */
    struct client *client;
    unsigned flags;
    uint64_t target_id;    /* 0: messages go to itself */
    struct client *target; /* NULL: gone */
    struct prefix **prefixes;
    size_t prefix_count;
};

size_t tracking_count;
bool tracking_in_use;

static size_t memory;
static struct dict trackers;     /* by id */
static struct prefix **prefixes; /* in the order of their names */
static size_t prefix_count;
/* Keys that the running command's own client is to be told of behind its reply; NULL in place of a key: all. */
static struct {
    struct buf names;
    size_t *len; /* SIZE_MAX: all */
    size_t count, cap;
    struct client *client;
} owed;

static struct bytes tracker_key(const void *elem) {
    const struct tracker *t = elem;
    return (struct bytes){(const char *)&t->id, sizeof t->id};
}
static const struct dict_type tracker_type = {tracker_key, NULL};

static struct tracker *tracker_of(const struct client *c) {
    return c->push ? c->push->tracker : NULL;
}

static struct tracker *tracker_by_id(uint64_t id) {
    struct bytes key = {(const char *)&id, sizeof id};
    struct dict_place at;
    return trackers.count ? dict_find(&trackers, key, dict_hash(key), &at) : NULL;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static void say_broken(struct client *c, struct tracker *t) {
    t->flags |= TRACKING_BROKEN;
    if (c->resp < 3) return;
    struct buf *out = push_begin(c);
    resp_push(out, 3, 2);
    resp_bulk_str(out, "tracking-redir-broken");
    resp_int(out, (int64_t)t->target_id);
    push_end(c);
}

/* Tells the tracking client of what stands in `what`, RESP already. */
static void send(struct client *c, struct bytes what) {
    struct tracker *t = tracker_of(c);
    if (t->target_id && !t->target) {
        say_broken(c, t);
        return;
    }
    struct client *to = t->target_id ? t->target : c;
    if (to->resp < 3 && !(t->target_id && pubsub_is_subscriber(to))) return;
    push_of(to);
    struct buf *out = push_begin(to);
    if (to->resp > 2) {
        resp_push(out, 3, 2);
        resp_bulk_str(out, "invalidate");
    } else {
        resp_array(out, 3);
        resp_bulk_str(out, "message");
        resp_bulk_str(out, "__redis__:invalidate");
    }
    buf_add(out, what.p, what.len);
    push_end(to);
}

static void send_key(struct client *c, struct bytes key) {
    static struct buf one;
    buf_clear(&one);
    resp_array(&one, 1);
    resp_bulk(&one, key.p, key.len);
    send(c, (struct bytes){buf_head(&one), buf_len(&one)});
}

/* Everything is to be forgotten. The null is the tracking client's, whatever the receiver speaks: so it is in Redis. */
static void send_all(struct client *c) {
    send(c, c->resp > 2 ? BYTES("_\r\n") : BYTES("$-1\r\n"));
}

static void owe(struct client *c, const struct bytes *key) {
    if (owed.count == owed.cap) {
        owed.cap = owed.cap ? owed.cap * 2 : 16;
        owed.len = xrealloc(owed.len, owed.cap * sizeof *owed.len);
    }
    owed.client = c;
    owed.len[owed.count++] = key ? key->len : SIZE_MAX;
    if (key) buf_add(&owed.names, key->p, key->len);
}

void tracking_pay(void) {
    if (!owed.count) return;
    const char *at = buf_head(&owed.names);
    for (size_t i = 0; i < owed.count; i++) {
        struct client *c = owed.client;
        if (c->closed || !tracker_of(c)) break;
        if (owed.len[i] == SIZE_MAX) {
            send_all(c);
            continue;
        }
        send_key(c, (struct bytes){at, owed.len[i]});
        at += owed.len[i];
    }
    owed.count = 0;
    owed.client = NULL;
    buf_clear(&owed.names);
    buf_trim(&owed.names, CONN_KEEP_BYTES);
}

void tracking_request_over(struct client *c, const struct command *cmd) {
    struct tracker *t = tracker_of(c);
    if (!t || multi_active(c)) return;
    const struct command *top = cmd && cmd->parent ? cmd->parent : cmd;
    if (!top || strcmp(top->name, "client") != 0) t->flags &= ~(unsigned)TRACKING_CACHING;
}

/* ---- Prefixes -------------------------------------------------------------------------------- */

static int compare(struct bytes a, struct bytes b) {
    int d = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
    return d ? d : (a.len > b.len) - (a.len < b.len);
}

static struct bytes prefix_name(const struct prefix *p) {
    return (struct bytes){p->name, p->len};
}

/* Where the name stands in a sorted row, or belongs. */
static size_t row_find(struct prefix *const *row, size_t count, struct bytes name) {
    size_t i = 0;
    while (i < count && compare(prefix_name(row[i]), name) < 0) i++;
    return i;
}

static void row_insert(struct prefix ***row, size_t *count, size_t at, struct prefix *p) {
    *row = xrealloc(*row, (*count + 1) * sizeof(struct prefix *));
    memmove(*row + at + 1, *row + at, (*count - at) * sizeof(struct prefix *));
    (*row)[at] = p;
    ++*count;
}

static struct prefix *prefix_find_or_make(struct bytes name) {
    size_t at = row_find(prefixes, prefix_count, name);
    if (at < prefix_count && bytes_equal(prefix_name(prefixes[at]), name)) return prefixes[at];
    struct prefix *p = xcalloc(1, sizeof *p);
    p->name = xmalloc(name.len + 1);
    memcpy(p->name, name.len ? name.p : "", name.len);
    p->len = name.len;
    p->keys = map_new(false);
    row_insert(&prefixes, &prefix_count, at, p);
    return p;
}

static void follow(struct client *c, struct tracker *t, struct bytes name) {
    struct prefix *p = prefix_find_or_make(name);
    size_t at = row_find(t->prefixes, t->prefix_count, name);
    if (at < t->prefix_count && t->prefixes[at] == p) return;
    row_insert(&t->prefixes, &t->prefix_count, at, p);
    p->v = xrealloc(p->v, (p->count + 1) * sizeof(struct client *));
    p->v[p->count++] = c;
}

static void unfollow(struct client *c, struct prefix *p) {
    size_t i = 0;
    while (p->v[i] != c) i++;
    p->v[i] = p->v[--p->count];
    if (p->count) return;
    size_t at = row_find(prefixes, prefix_count, prefix_name(p));
    memmove(prefixes + at, prefixes + at + 1, (--prefix_count - at) * sizeof(struct prefix *));
    map_free(p->keys, NULL);
    free(p->v);
    free(p->name);
    free(p);
}

bool tracking_prefix(const struct client *c, size_t i, struct bytes *name) {
    const struct tracker *t = tracker_of(c);
    if (!t || i >= t->prefix_count) return false;
    *name = prefix_name(t->prefixes[i]);
    return true;
}

/* ---- On and off ------------------------------------------------------------------------------ */

static struct tracker *begin(struct client *c) {
    struct push *p = push_of(c);
    if (p->tracker) return p->tracker;
    struct tracker *t = p->tracker = xcalloc(1, sizeof *t);
    t->id = c->id;
    t->client = c;
    if (!trackers.type) dict_init(&trackers, &tracker_type, &memory);
    dict_add(&trackers, t, dict_hash(tracker_key(t)), false);
    tracking_count++;
    tracking_in_use = true;
    server_refresh_spies();
    return t;
}

void tracking_on(struct client *c, struct client *target, unsigned flags, const struct bytes *names,
                 size_t count) {
    struct tracker *t = begin(c);
    t->flags = flags | (t->flags & TRACKING_CACHING);
    t->target = target;
    t->target_id = target ? target->id : 0;
    if (target) push_of(target)->is_target = true;
    if (!(flags & TRACKING_BCAST)) return;
    if (!count) follow(c, t, BYTES(""));
    for (size_t i = 0; i < count; i++) follow(c, t, names[i]);
}

void tracking_off(struct client *c) {
    struct tracker *t = tracker_of(c);
    if (!t) return;
    for (size_t i = 0; i < t->prefix_count; i++) unfollow(c, t->prefixes[i]);
    uint64_t hash = dict_hash(tracker_key(t));
    dict_remove(&trackers, hash, dict_place_of(&trackers, t, hash));
    free(t->prefixes);
    free(t);
    c->push->tracker = NULL;
    tracking_count--;
    server_refresh_spies();
}

static void lose_target(void *arg, void *elem) {
    struct tracker *t = elem;
    if (t->target == arg) t->target = NULL;
}

void tracking_target_gone(struct client *c) {
    if (c->push->is_target && trackers.count) dict_each(&trackers, lose_target, c);
}

bool tracking_flags(const struct client *c, unsigned *flags) {
    const struct tracker *t = tracker_of(c);
    *flags = t ? t->flags : 0;
    return t != NULL;
}

void tracking_set_caching(struct client *c, bool on) {
    struct tracker *t = tracker_of(c);
    must(t, "who speaks of caching tracks");
    t->flags = on ? t->flags | TRACKING_CACHING : t->flags & ~(unsigned)TRACKING_CACHING;
}

int64_t tracking_target(const struct client *c) {
    const struct tracker *t = tracker_of(c);
    return t ? (int64_t)t->target_id : -1;
}

/* ---- Reads ----------------------------------------------------------------------------------- */

void tracking_remember(struct client *c, const struct command *cmd, int argc,
                       const struct bytes *argv) {
    static int *at, cap;
    const struct tracker *t = tracker_of(c);
    if (!t || t->flags & TRACKING_BCAST || cmd->flags & CMD_PUBSUB) return;
    if (t->flags & TRACKING_OPTIN && !(t->flags & TRACKING_CACHING)) return;
    if (t->flags & TRACKING_OPTOUT && t->flags & TRACKING_CACHING) return;
    if (argc > cap) at = xrealloc(at, (size_t)(cap = argc) * sizeof *at);
    int n = command_keys(cmd, argc, argv, at, cap);
    for (int i = 0; i < n && i < cap; i++) tracking_table_add(argv[at[i]], c->id);
}

/* A script's commands are its caller's. */
static const struct client *client_of(const struct call *c) {
    return c->flags & CALL_FROM_SCRIPT ? scripts_caller() : c->client;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void tell_one(void *arg, struct bytes key, uint64_t id) {
    const struct call *c = arg;
    const struct tracker *t = tracker_by_id(id);
    if (!t || t->flags & TRACKING_BCAST) return;
    bool own = c && client_of(c) == t->client;
    if (own && t->flags & TRACKING_NOLOOP) return;
    if (own)
        owe(t->client, &key);
    else
        send_key(t->client, key);
}

/* An expired key was changed by nobody, and a script is nobody too. */
static uint64_t changed_by(const struct call *c) {
    const struct client *client = c->client;
    return client && !(c->flags & (CALL_EXPIRING | CALL_FROM_SCRIPT)) ? client->id : 0;
}

void tracking_changed(struct call *c, struct bytes key) {
    for (size_t i = 0; i < prefix_count; i++) {
        struct prefix *p = prefixes[i];
        if (p->len > key.len || memcmp(p->name, key.p, p->len)) continue;
        map_put(p->keys, key.p, key.len, (void *)(uintptr_t)changed_by(c));
    }
    tracking_table_take(key, tell_one, c);
}

static void tell_all(void *arg, void *elem) {
    const struct call *c = arg;
    const struct tracker *t = elem;
    if (c && client_of(c) == t->client)
        owe(t->client, NULL);
    else
        send_all(t->client);
}

void tracking_flushed(struct call *c) {
    if (trackers.count) dict_each(&trackers, tell_all, c);
    tracking_table_clear();
    tracking_in_use = tracking_count > 0;
}

/* ---- Broadcasts ------------------------------------------------------------------------------ */

struct changed {
    struct bytes key;
    uint64_t by;
};

static int by_name(const void *a, const void *b) {
    return compare(((const struct changed *)a)->key, ((const struct changed *)b)->key);
}

/* The keys but those that `but` changed (0: all); false: there are none. */
static bool list_keys(const struct changed *v, size_t count, uint64_t but, struct buf *out) {
    size_t n = 0;
    buf_clear(out);
    for (size_t i = 0; i < count; i++) n += !but || v[i].by != but;
    resp_array(out, n);
    for (size_t i = 0; i < count; i++)
        if (!but || v[i].by != but) resp_bulk(out, v[i].key.p, v[i].key.len);
    return n;
}

static void broadcast(struct prefix *p) {
    static struct buf all, some;
    struct changed *v = xmalloc((map_count(p->keys) + 1) * sizeof *v);
    size_t n = 0, cursor = 0;
    void *by;
    while (map_next(p->keys, &cursor, &v[n].key.p, &v[n].key.len, &by)) v[n++].by = (uintptr_t)by;
    qsort(v, n, sizeof *v, by_name);
    list_keys(v, n, 0, &all);
    for (size_t i = 0; i < p->count; i++) {
        struct client *c = p->v[i];
        if (!(tracker_of(c)->flags & TRACKING_NOLOOP))
            send(c, (struct bytes){buf_head(&all), buf_len(&all)});
        else if (list_keys(v, n, c->id, &some))
            send(c, (struct bytes){buf_head(&some), buf_len(&some)});
    }
    free(v);
    map_free(p->keys, NULL);
    p->keys = map_new(false);
}

void tracking_broadcast(void) {
    for (size_t i = 0; i < prefix_count; i++)
        if (map_count(prefixes[i]->keys)) broadcast(prefixes[i]);
}

/* ---- The table's bound ----------------------------------------------------------------------- */

void tracking_limit(void) {
    static unsigned over; /* how often in a row it was not enough */
    uint64_t max = server.config.tracking_max_keys;
    struct bytes key;
    if (!max || tracking_table_keys() <= max) {
        over = 0;
        return;
    }
    for (unsigned effort = 100 * (over + 1); effort && tracking_table_any(&key); effort--) {
        tracking_table_take(key, tell_one, NULL);
        if (tracking_table_keys() > max) continue;
        over = 0;
        return;
    }
    over++;
}

/* ---- Figures --------------------------------------------------------------------------------- */

size_t tracking_memory(const struct client *c) {
    const struct tracker *t = tracker_of(c);
    return t ? sizeof *t + t->prefix_count * sizeof(struct prefix *) : 0;
}

uint64_t tracking_keys(void) {
    return tracking_table_keys();
}

uint64_t tracking_items(void) {
    return tracking_table_items();
}

uint64_t tracking_prefixes(void) {
    return prefix_count;
}

size_t tracking_table_bytes(void) {
    return tracking_table_memory();
}
