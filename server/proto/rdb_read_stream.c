/* Streams in RDB files: nodes, facts, then for each group what is pending, and for each of its consumers which of that
 * is its own. The events are in rdb.h. */
#include "server/proto/rdb_cut.h"

#include <string.h>

enum { NODE, FACTS, GROUP, PENDING, CONSUMERS, CONSUMER, OWNED, GROUP_END };

void rdb_stream_begin(struct rdb_reader *r, uint64_t nodes) {
    r->nest = (struct rdb_nest){.next = nodes ? NODE : FACTS, .nodes = nodes};
}

static uint64_t take_time(struct cut *c) {
    uint64_t ms;
    memcpy(&ms, rdb_take(c, sizeof ms), sizeof ms);
    return ms;
}

static void take_id(struct cut *c, uint64_t *id) {
    uint64_t be[2];
    memcpy(be, rdb_take(c, sizeof be), sizeof be);
    id[0] = __builtin_bswap64(be[0]);
    id[1] = __builtin_bswap64(be[1]);
}

static void take_numbers(struct cut *c, int from, int n) {
    for (int i = from; i < from + n; i++) c->r->numbers[i] = rdb_take_len(c, NULL);
}

static bool is_old(const struct cut *c) {
    return c->r->type == RDB_STREAM_LISTPACKS;
}

static void read_facts(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    take_numbers(c, 0, is_old(c) ? 3 : 8);
    n->groups = rdb_take_len(c, NULL);
    n->next = GROUP;
}

static void read_group(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    c->r->a = rdb_take_string(c, &c->r->scratch[0]);
    take_numbers(c, 0, is_old(c) ? 2 : 3);
    n->pending = rdb_take_len(c, NULL);
    n->next = n->pending ? PENDING : CONSUMERS;
}

static void read_pending(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    take_id(c, c->r->numbers);
    c->r->numbers[2] = take_time(c);
    take_numbers(c, 3, 1);
    if (!--n->pending) n->next = CONSUMERS;
}

static void read_consumer(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    c->r->a = rdb_take_string(c, &c->r->scratch[0]);
    c->r->numbers[0] = take_time(c);
    if (c->r->type == RDB_STREAM_LISTPACKS_3) take_time(c); /* when it last got something */
    n->owned = rdb_take_len(c, NULL);
    n->next = n->owned ? OWNED : --n->consumers ? CONSUMER : GROUP_END;
}

static void read_owned(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    take_id(c, c->r->numbers);
    if (!--n->owned) n->next = --n->consumers ? CONSUMER : GROUP_END;
}

static void read_node(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    c->r->a = rdb_take_string(c, &c->r->scratch[0]);
    c->r->b = rdb_take_string(c, &c->r->scratch[1]);
    if (!--n->nodes) n->next = FACTS;
}

bool rdb_stream_item(struct cut *c) {
    struct rdb_nest *n = &c->r->nest;
    c->r->a = c->r->b =
        (struct bytes){"", 0};  /* of those without words: none is left from before */
    if (n->next == CONSUMERS) { /* their number stands alone, and is no event */
        n->consumers = rdb_take_len(c, NULL);
        n->next = n->consumers ? CONSUMER : GROUP_END;
    }
    switch (n->next) {
    case NODE:
        c->r->part = RDB_STREAM_NODE;
        read_node(c);
        return true;
    case FACTS:
        c->r->part = RDB_STREAM_FACTS;
        read_facts(c);
        return n->groups > 0;
    case GROUP:
        c->r->part = RDB_STREAM_GROUP;
        read_group(c);
        return true;
    case PENDING:
        c->r->part = RDB_STREAM_PENDING;
        read_pending(c);
        return true;
    case CONSUMER:
        c->r->part = RDB_STREAM_CONSUMER;
        read_consumer(c);
        return true;
    case OWNED:
        c->r->part = RDB_STREAM_OWNED;
        read_owned(c);
        return true;
    default:
        c->r->part = RDB_STREAM_GROUP_END;
        n->next = GROUP;
        return --n->groups > 0;
    }
}
