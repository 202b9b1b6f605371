/* See pubsub.h. */
#include "server/pubsub.h"

#include "server/base/glob.h"
#include "server/base/log.h"
#include "server/proto/resp.h"
#include "server/push.h"
#include "server/store/dict.h"

#include <stdlib.h>
#include <string.h>

struct subscription {
    struct client *client; /* these two are its key */
    struct channel *channel;
    uint32_t at;                      /* its place in channel->v */
    struct subscription *prev, *next; /* of the client's, in the order in which they came */
};

/* What a message is handed out by. */
struct reader {
    struct client *client;
    struct subscription *sub;
};

struct channel {
    struct reader *v;
    uint32_t count, cap;
    uint32_t row_at; /* a pattern's place in the row of them */
    uint32_t len;
    char name[];
};

struct subscriptions {
    size_t count[PUBSUB_KINDS];
    struct subscription *first[PUBSUB_KINDS], *last[PUBSUB_KINDS];
};

static size_t memory;
static struct dict names[PUBSUB_KINDS], subs;
static struct channel **row; /* the patterns */
static uint32_t row_cap;

static const struct {
    const char *message, *subscribed, *unsubscribed;
} words[PUBSUB_KINDS] = {{"message", "subscribe", "unsubscribe"},
                         {"pmessage", "psubscribe", "punsubscribe"},
                         {"smessage", "ssubscribe", "sunsubscribe"}};

/* ---- Tables ---------------------------------------------------------------------------------- */

static struct bytes channel_name(const void *elem) {
    const struct channel *ch = elem;
    return (struct bytes){ch->name, ch->len};
}

static struct bytes sub_key(const void *elem) {
    return (struct bytes){elem, sizeof(struct client *) + sizeof(struct channel *)};
}

static const struct dict_type name_type = {channel_name, NULL}, sub_type = {sub_key, NULL};

static void begin(void) {
    if (subs.type) return;
    dict_init(&subs, &sub_type, &memory);
    for (int i = 0; i < PUBSUB_KINDS; i++) dict_init(&names[i], &name_type, &memory);
}

static struct channel *find(enum pubsub_kind kind, struct bytes name) {
    struct dict_place at;
    if (!names[kind].count) return NULL;
    return dict_find(&names[kind], name, dict_hash(name), &at);
}

static void row_add(struct channel *ch) {
    ch->row_at = (uint32_t)names[PUBSUB_PATTERN].count - 1;
    if (ch->row_at == row_cap) {
        row_cap = row_cap ? row_cap * 2 : 16;
        row = xrealloc(row, row_cap * sizeof(struct channel *));
    }
    row[ch->row_at] = ch;
}

static struct channel *find_or_make(enum pubsub_kind kind, struct bytes name) {
    struct channel *ch = find(kind, name);
    if (ch) return ch;
    ch = xcalloc(1, sizeof *ch + name.len);
    ch->len = (uint32_t)name.len;
    if (name.len) memcpy(ch->name, name.p, name.len);
    dict_add(&names[kind], ch, dict_hash(name), false);
    if (kind == PUBSUB_PATTERN) row_add(ch);
    return ch;
}

static void drop_channel(enum pubsub_kind kind, struct channel *ch) {
    uint64_t hash = dict_hash(channel_name(ch));
    dict_remove(&names[kind], hash, dict_place_of(&names[kind], ch, hash));
    if (kind == PUBSUB_PATTERN) {
        row[ch->row_at] = row[names[kind].count];
        row[ch->row_at]->row_at = ch->row_at;
    }
    free(ch->v);
    free(ch);
}

static struct subscription *find_sub(struct client *c, struct channel *ch) {
    struct subscription key = {.client = c, .channel = ch};
    struct dict_place at;
    return dict_find(&subs, sub_key(&key), dict_hash(sub_key(&key)), &at);
}

/* ---- Subscriptions --------------------------------------------------------------------------- */

static void add_reader(struct channel *ch, struct subscription *s) {
    if (ch->count == ch->cap) {
        ch->cap = ch->cap ? ch->cap * 2 : 1;
        ch->v = xrealloc(ch->v, ch->cap * sizeof *ch->v);
    }
    s->at = ch->count;
    ch->v[ch->count++] = (struct reader){s->client, s};
}

static void remove_reader(struct channel *ch, uint32_t at) {
    ch->v[at] = ch->v[--ch->count];
    ch->v[at].sub->at = at;
}

static void link_last(struct subscriptions *of, enum pubsub_kind kind, struct subscription *s) {
    s->prev = of->last[kind];
    if (s->prev)
        s->prev->next = s;
    else
        of->first[kind] = s;
    of->last[kind] = s;
    of->count[kind]++;
}

static void unlink_one(struct subscriptions *of, enum pubsub_kind kind, struct subscription *s) {
    if (s->prev)
        s->prev->next = s->next;
    else
        of->first[kind] = s->next;
    if (s->next)
        s->next->prev = s->prev;
    else
        of->last[kind] = s->prev;
    of->count[kind]--;
}

static void add(struct client *c, enum pubsub_kind kind, struct bytes name) {
    struct push *p = push_of(c);
    begin();
    if (!p->sub) p->sub = xcalloc(1, sizeof *p->sub);
    struct channel *ch = find_or_make(kind, name);
    if (find_sub(c, ch)) return;
    struct subscription *s = xcalloc(1, sizeof *s);
    s->client = c;
    s->channel = ch;
    dict_add(&subs, s, dict_hash(sub_key(s)), false);
    add_reader(ch, s);
    link_last(p->sub, kind, s);
}

static void end(struct client *c, enum pubsub_kind kind, struct subscription *s) {
    struct channel *ch = s->channel;
    uint64_t hash = dict_hash(sub_key(s));
    dict_remove(&subs, hash, dict_place_of(&subs, s, hash));
    unlink_one(c->push->sub, kind, s);
    remove_reader(ch, s->at);
    if (!ch->count) drop_channel(kind, ch);
    free(s);
}

size_t pubsub_count(const struct client *c, enum pubsub_kind kind) {
    return c->push && c->push->sub ? c->push->sub->count[kind] : 0;
}

bool pubsub_is_subscriber(const struct client *c) {
    return c->push && c->push->sub;
}

void pubsub_settle(struct client *c) {
    struct push *p = c->push;
    if (p && p->sub && !(p->sub->count[0] + p->sub->count[1] + p->sub->count[2])) {
        free(p->sub);
        p->sub = NULL;
    }
    c->only_pubsub = pubsub_is_subscriber(c) && c->resp == 2;
    c->restricted = c->only_pubsub || (p && p->monitor);
}

/* Channels and patterns are counted together, shard channels by themselves. */
static void confirm(struct client *c, enum pubsub_kind kind, const char *word,
                    const struct bytes *name) {
    size_t n = pubsub_count(c, kind);
    if (kind != PUBSUB_SHARD) n = pubsub_count(c, PUBSUB_CHANNEL) + pubsub_count(c, PUBSUB_PATTERN);
    push_of(c);
    struct buf *out = push_begin(c);
    resp_push(out, c->resp, 3);
    resp_bulk_str(out, word);
    if (name)
        resp_bulk(out, name->p, name->len);
    else
        resp_null(out, c->resp);
    resp_int(out, (int64_t)n);
    push_end(c);
}

void pubsub_subscribe(struct client *c, enum pubsub_kind kind, struct bytes name) {
    add(c, kind, name);
    confirm(c, kind, words[kind].subscribed, &name);
    pubsub_settle(c);
}

void pubsub_unsubscribe(struct client *c, enum pubsub_kind kind, struct bytes name) {
    struct channel *ch = find(kind, name);
    struct subscription *s = ch ? find_sub(c, ch) : NULL;
    if (s) end(c, kind, s);
    confirm(c, kind, words[kind].unsubscribed, &name);
    pubsub_settle(c);
}

void pubsub_unsubscribe_all(struct client *c, enum pubsub_kind kind) {
    if (!pubsub_count(c, kind)) {
        confirm(c, kind, words[kind].unsubscribed, NULL);
        return;
    }
    while (pubsub_count(c, kind)) {
        struct subscription *s = c->push->sub->first[kind];
        struct bytes name = channel_name(s->channel);
        char *copy = xmalloc(name.len + 1);
        memcpy(copy, name.p, name.len);
        name.p = copy;
        end(c, kind, s);
        confirm(c, kind, words[kind].unsubscribed, &name);
        free(copy);
    }
    pubsub_settle(c);
}

void pubsub_forget(struct client *c) {
    if (!pubsub_is_subscriber(c)) return;
    for (int i = 0; i < PUBSUB_KINDS; i++)
        while (c->push->sub->first[i]) end(c, (enum pubsub_kind)i, c->push->sub->first[i]);
    pubsub_settle(c);
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* A message in the words of one protocol, made for its first reader. */
struct rendered {
    struct buf text;
    struct shared *shared; /* of a big one */
};

struct message {
    enum pubsub_kind kind;
    struct bytes pattern, channel, body;
    struct rendered in[2]; /* RESP2, RESP3 */
};

static void render(struct message *m, struct rendered *r, int resp) {
    resp_push(&r->text, resp, m->kind == PUBSUB_PATTERN ? 4 : 3);
    resp_bulk_str(&r->text, words[m->kind].message);
    if (m->kind == PUBSUB_PATTERN) resp_bulk(&r->text, m->pattern.p, m->pattern.len);
    resp_bulk(&r->text, m->channel.p, m->channel.len);
    resp_bulk(&r->text, m->body.p, m->body.len);
}

static void hand_to(struct client *c, struct message *m, bool only_one) {
    struct rendered *r = &m->in[c->resp == 3];
    if (!buf_len(&r->text)) render(m, r, c->resp);
    if (buf_len(&r->text) < SHARED_FROM_BYTES || only_one) {
        push_bytes(c, buf_head(&r->text), buf_len(&r->text));
        return;
    }
    if (!r->shared) r->shared = shared_new(buf_head(&r->text), buf_len(&r->text));
    push_shared(c, r->shared);
}

/* The next reader's struct is asked for while one is served. */
static int64_t hand_out(const struct channel *ch, struct message *m) {
    for (uint32_t i = 0; i < ch->count; i++) {
        if (i + 4 < ch->count) __builtin_prefetch(&ch->v[i + 4].client->out);
        hand_to(ch->v[i].client, m, ch->count == 1);
    }
    for (int i = 0; i < 2; i++) {
        buf_clear(&m->in[i].text);
        shared_release(m->in[i].shared);
        m->in[i].shared = NULL;
    }
    return ch->count;
}

int64_t pubsub_publish(bool shard, struct bytes channel, struct bytes body) {
    static struct message m;
    int64_t n = 0;
    m.kind = shard ? PUBSUB_SHARD : PUBSUB_CHANNEL;
    m.channel = channel;
    m.body = body;
    const struct channel *ch = find(m.kind, channel);
    if (ch) n = hand_out(ch, &m);
    m.kind = PUBSUB_PATTERN;
    for (size_t i = 0; !shard && i < names[PUBSUB_PATTERN].count; i++) {
        m.pattern = channel_name(row[i]);
        if (glob_match(m.pattern, channel, false)) n += hand_out(row[i], &m);
    }
    for (int i = 0; i < 2; i++) buf_trim(&m.in[i].text, CONN_KEEP_BYTES);
    return n;
}

/* ---- Figures --------------------------------------------------------------------------------- */

size_t pubsub_memory(const struct client *c) {
    enum { A_REFERENCE = 8 };
    size_t n = 0;
    if (!pubsub_is_subscriber(c)) return 0;
    for (int i = 0; i < PUBSUB_KINDS; i++) n += c->push->sub->count[i];
    return sizeof *c->push->sub +
           n * (sizeof(struct subscription) + sizeof(struct reader) + A_REFERENCE);
}

size_t pubsub_names(enum pubsub_kind kind) {
    return names[kind].count;
}

size_t pubsub_subscribers(enum pubsub_kind kind, struct bytes name) {
    const struct channel *ch = find(kind, name);
    return ch ? ch->count : 0;
}

struct visit {
    void (*fn)(void *arg, struct bytes name);
    void *arg;
};

static void visit_one(void *arg, void *elem) {
    const struct visit *v = arg;
    v->fn(v->arg, channel_name(elem));
}

void pubsub_each(enum pubsub_kind kind, void (*fn)(void *arg, struct bytes name), void *arg) {
    struct visit v = {fn, arg};
    if (names[kind].count) dict_each(&names[kind], visit_one, &v);
}
