/* Streams as commands. Entries come first, then what XSETID sets, then each group: what was delivered and not acknowledged
 * is claimed for its consumer. What commands cannot carry: pending entries that were deleted from the stream, and when a
 * consumer was last seen. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/import/pieces_inside.h"
#include "server/proto/listpack.h"

enum { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 }; /* an entry's flags */

struct id_text {
    char s[48];
};

static struct bytes id_of(struct id_text *t, uint64_t ms, uint64_t seq) {
    int n = snprintf(t->s, sizeof t->s, "%" PRIu64 "-%" PRIu64, ms, seq);
    return (struct bytes){t->s, (size_t)n};
}

static struct bytes number_of(struct id_text *t, uint64_t v) {
    int n = v == UINT64_MAX ? snprintf(t->s, sizeof t->s, "-1")
                            : snprintf(t->s, sizeof t->s, "%" PRIu64, v);
    return (struct bytes){t->s, (size_t)n};
}

/* ---- entries ---- */

/* Elements of a node, one after the other. bad sticks. */
struct node {
    const uint8_t *lp, *at;
    bool bad;
};

static int64_t take_int(struct node *n) {
    int64_t v = 0;
    if (!n->at || !lp_get_int(n->at, &v)) n->bad = true;
    if (n->at) n->at = lp_next(n->lp, n->at);
    return v;
}

static const uint8_t *take_word(struct node *n) {
    const uint8_t *at = n->at;
    if (!at)
        n->bad = true;
    else
        n->at = lp_next(n->lp, at);
    return at;
}

/* XADD with the fields from `field` on and the values from `value` on; step 2: they stand in pairs. */
static bool add_entry(struct pieces *p, struct node *n, struct bytes id, const uint8_t *field,
                      uint64_t count, bool pairs) {
    struct bytes *words = xmalloc((2 * count + 1) * sizeof *words);
    char(*digits)[LP_DIGITS] = xmalloc((2 * count + 1) * sizeof *digits);
    size_t k = 0;
    words[k++] = id;
    for (uint64_t i = 0; i < count && !n->bad; i++) {
        const uint8_t *f = pairs ? take_word(n) : field, *v = take_word(n);
        if (n->bad || !f) {
            n->bad = true;
            break;
        }
        if (!pairs) field = lp_next(n->lp, field);
        words[k] = lp_get(f, digits[k]);
        k++;
        words[k] = lp_get(v, digits[k]);
        k++;
    }
    bool well = n->bad || pieces_send(p, "XADD", (int)k, words); /* the caller looks at bad */
    free(words);
    free(digits);
    return well;
}

static bool take_node(struct pieces *p) {
    const struct rdb_reader *r = &p->reader;
    struct node n = {.lp = (const uint8_t *)r->b.p};
    uint64_t be[2];
    if (r->a.len != sizeof be || !lp_valid(n.lp, r->b.len) || r->b.len <= LP_EMPTY_BYTES)
        return pieces_bad(p, "holds a node that is not sound");
    memcpy(be, r->a.p, sizeof be);
    uint64_t ms = __builtin_bswap64(be[0]), seq = __builtin_bswap64(be[1]);
    size_t elements = lp_count(n.lp);
    n.at = lp_first(n.lp);
    int64_t live = take_int(&n), deleted = take_int(&n), fields = take_int(&n);
    const uint8_t *names = n.at;
    if (fields < 0 || (uint64_t)fields > elements) n.bad = true;
    for (int64_t i = 0; i < fields && !n.bad; i++) take_word(&n);
    take_int(&n); /* the 0 behind the names */
    if (live < 0 || deleted < 0 || (uint64_t)live + (uint64_t)deleted > elements) n.bad = true;
    for (int64_t i = 0; i < live + deleted && !n.bad; i++) {
        struct id_text t;
        int64_t flags = take_int(&n), d_ms = take_int(&n), d_seq = take_int(&n);
        bool same = flags & ENTRY_SAME_FIELDS;
        int64_t count = same ? fields : take_int(&n);
        if (n.bad || count < 0 || (uint64_t)count > elements) break;
        if (flags & ENTRY_DELETED) {
            for (int64_t j = 0; j < (same ? count : 2 * count) && !n.bad; j++) take_word(&n);
        } else if (!add_entry(p, &n, id_of(&t, ms + (uint64_t)d_ms, seq + (uint64_t)d_seq), names,
                              (uint64_t)count, !same)) {
            return false;
        }
        if (!n.bad) take_int(&n); /* how far it is back to its begin */
    }
    return (!n.bad && !n.at) || pieces_bad(p, "holds a node that is not sound");
}

/* ---- the rest ---- */

static bool set_id(struct pieces *p) {
    const uint64_t *v = p->reader.numbers;
    const bool old = p->type == RDB_STREAM_LISTPACKS;
    struct id_text last, added, gone, one;
    struct bytes words[] = {id_of(&last, v[1], v[2]), BYTES("ENTRIESADDED"),
                            number_of(&added, old ? v[0] : v[7]), BYTES("MAXDELETEDID"),
                            id_of(&gone, old ? 0 : v[5], old ? 0 : v[6])};
    memcpy(p->last_id, v + 1, sizeof p->last_id);
    p->added = old ? v[0] : v[7];
    if (!v[0]) {
        bool none = !v[1] && !v[2];
        struct bytes empty[] = {BYTES("MAXLEN"), BYTES("0"), id_of(&one, v[1], none ? 1 : v[2]),
                                BYTES("x"), BYTES("y")};
        if (!pieces_send(p, "XADD", 5, empty)) return false;
    }
    return pieces_send(p, "XSETID", 5, words);
}

static bool take_group(struct pieces *p) {
    const struct rdb_reader *r = &p->reader;
    const uint64_t *v = r->numbers;
    const bool old = p->type == RDB_STREAM_LISTPACKS;
    struct id_text id, read;
    struct bytes words[] = {r->a, id_of(&id, v[0], v[1]), BYTES("ENTRIESREAD"),
                            number_of(&read, old ? p->added : v[2])};
    bool known = !old || (v[0] == p->last_id[0] && v[1] == p->last_id[1]);
    buf_clear(&p->group);
    buf_add(&p->group, r->a.p, r->a.len);
    p->pending_count = 0;
    return pieces_send(p, "XGROUP CREATE", known ? 4 : 2, words);
}

static void take_pending(struct pieces *p) {
    const uint64_t *v = p->reader.numbers;
    if (p->pending_count == p->pending_room) {
        p->pending_room = p->pending_room ? p->pending_room * 2 : 64;
        p->pending = xrealloc(p->pending, p->pending_room * sizeof *p->pending);
    }
    p->pending[p->pending_count++] = (struct pieces_pending){v[0], v[1], v[2], v[3]};
}

static struct bytes text_of(const struct buf *b) {
    return (struct bytes){buf_len(b) ? buf_head(b) : "", buf_len(b)};
}

static bool take_consumer(struct pieces *p) {
    const struct bytes words[] = {text_of(&p->group), p->reader.a};
    buf_clear(&p->consumer);
    buf_add(&p->consumer, p->reader.a.p, p->reader.a.len);
    return pieces_send(p, "XGROUP CREATECONSUMER", 2, words);
}

static int by_id(const void *a, const void *b) {
    const struct pieces_pending *x = a, *y = b;
    if (x->ms != y->ms) return x->ms < y->ms ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* They come by id. */
static bool claim(struct pieces *p) {
    const uint64_t *v = p->reader.numbers;
    struct pieces_pending one = {.ms = v[0], .seq = v[1]};
    struct id_text id, time, count;
    const struct pieces_pending *e =
        p->pending_count ? bsearch(&one, p->pending, p->pending_count, sizeof one, by_id) : NULL;
    if (!e) return pieces_bad(p, "holds a consumer's entry that is not pending");
    const struct bytes words[] = {text_of(&p->group),  text_of(&p->consumer),
                                  BYTES("0"),          id_of(&id, e->ms, e->seq),
                                  BYTES("TIME"),       number_of(&time, e->time_ms),
                                  BYTES("RETRYCOUNT"), number_of(&count, e->count),
                                  BYTES("FORCE"),      BYTES("JUSTID")};
    return pieces_send(p, "XCLAIM", 10, words);
}

bool pieces_stream_item(struct pieces *p) {
    switch (p->reader.part) {
    case RDB_STREAM_NODE: return take_node(p);
    case RDB_STREAM_FACTS: return set_id(p);
    case RDB_STREAM_GROUP: return take_group(p);
    case RDB_STREAM_PENDING: take_pending(p); return true;
    case RDB_STREAM_CONSUMER: return take_consumer(p);
    case RDB_STREAM_OWNED: return claim(p);
    default: return true;
    }
}
