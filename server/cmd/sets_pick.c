/* Some members of a set: SPOP, SRANDMEMBER, SSCAN. */
#include <stdlib.h>

#include "server/base/hash.h"
#include "server/base/rand.h"
#include "server/cmd/families.h"
#include "server/cmd/scan.h"
#include "server/cmd/sets.h"

/* Every set of `wanted` members is equally likely, in one pass. */
struct choosing {
    struct buf *out;
    uint64_t left, wanted;
    struct prng prng;
};

static bool each_chosen(void *arg, struct bytes member) {
    struct choosing *p = arg;
    if (prng_below(&p->prng, p->left--) < p->wanted) {
        resp_bulk(p->out, member.p, member.len);
        p->wanted--;
    }
    return p->wanted > 0;
}

/* Replies `count` different members (at most as many as there are), without the header. */
static void choose(struct call *c, const struct entry *e, uint64_t count, struct buf *out) {
    struct choosing p = {.out = out, .left = set_len(e), .wanted = count};
    if (count * 10 >= p.left) {
        prng_seed(&p.prng, store_chance(c->store));
        set_each(e, each_chosen, &p);
        return;
    }
    struct map *taken = map_new(false);
    while (map_count(taken) < count) { /* a few of many: drawn until they are different */
        struct digits d;
        struct bytes member = set_random(c->store, e, &d);
        if (!map_put(taken, member.p, member.len, taken)) resp_bulk(out, member.p, member.len);
    }
    map_free(taken, NULL);
}

void cmd_srandmember(struct call *c) {
    int64_t count = 1;
    struct digits d;
    if (c->argc > 3) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (c->argc == 3 && !arg_int_range(c, 2, -INT64_MAX, INT64_MAX, NULL, &count)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_SET)) return;
    if (c->argc == 2) {
        if (e)
            reply_bulk(c, set_random(c->store, e, &d));
        else
            reply_null(c);
    } else if (!e || count == 0) {
        reply_array(c, 0);
    } else if (count < 0) {
        reply_array(c, (size_t)-count);
        for (; count < 0; count++) reply_bulk(c, set_random(c->store, e, &d));
    } else {
        if ((uint64_t)count > set_len(e)) count = (int64_t)set_len(e);
        reply_array(c, (size_t)count);
        choose(c, e, (uint64_t)count, c->out);
    }
}

/* ---- SPOP: replicated as what it took --------------------------------------------------------- */

/* Removes the members that stand as replies in `items`, with an SREM for each thousand. */
static void remove_chosen(struct call *c, struct entry *e, struct buf *items) {
    enum { AT_ONCE = 1000 };
    struct bytes *words = xmalloc((AT_ONCE + 2) * sizeof *words);
    int n = 2;
    words[0] = BYTES("SREM");
    words[1] = c->argv[1];
    const char *p = buf_head(items), *end = p + buf_len(items);
    while (p < end) {
        char *digits_end;
        size_t len = strtoul(p + 1, &digits_end, 10);
        words[n++] = (struct bytes){digits_end + 2, len};
        set_remove(c->store, c->db, e, words[n - 1]);
        p = digits_end + 2 + len + 2;
        if (n < AT_ONCE + 2 && p < end) continue;
        call_propagate_as(c, n, words);
        n = 2;
    }
    free(words);
}

static void pop_all(struct call *c, struct entry *e) {
    struct bytes words[] = {BYTES("DEL"), c->argv[1]};
    reply_set(c, set_len(e));
    set_each(e, sets_reply_member, c);
    c->dirty += set_len(e) - 1;
    store_delete(c->store, c->db, e);
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_SET, "spop", c->argv[1]);
    call_notify(c, NOTIFY_GENERIC, "del", c->argv[1]);
    call_propagate_as(c, 2, words);
}

static void pop_some(struct call *c, struct entry *e, uint64_t count, bool as_set) {
    struct buf items = BUF_INIT;
    choose(c, e, count, &items);
    if (as_set) reply_set(c, count);
    resp_raw(c->out, buf_head(&items), buf_len(&items));
    remove_chosen(c, e, &items);
    sets_removed(c, c->argv[1], e, "spop");
    c->dirty += count - 1;
    buf_free(&items);
}

void cmd_spop(struct call *c) {
    int64_t count = 1;
    bool counted = c->argc == 3;
    if (c->argc > 3) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (counted &&
        !arg_int_range(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive", &count))
        return;
    struct entry *e = call_write(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_SET)) return;
    if (!e || count == 0) {
        if (counted)
            reply_set(c, 0);
        else
            reply_null(c);
    } else if (counted && (uint64_t)count >= set_len(e)) {
        pop_all(c, e);
    } else {
        pop_some(c, e, (uint64_t)count, counted);
    }
}

/* ---- SSCAN ----------------------------------------------------------------------------------- */

struct listing {
    struct buf *out;
    struct scan_options o;
    size_t seen, listed;
};

static bool list_member(void *arg, struct bytes member) {
    struct listing *l = arg;
    l->seen++;
    if (!scan_matches(&l->o, member)) return true;
    resp_bulk(l->out, member.p, member.len);
    l->listed++;
    return true;
}

void cmd_sscan(struct call *c) {
    struct buf items = BUF_INIT;
    struct listing l = {.out = &items};
    uint64_t cursor;
    struct entry *e = scan_begin(c, KIND_SET, &cursor, &l.o);
    if (!e) return;
    do {
        cursor = set_scan(e, cursor, list_member, &l);
    } while (cursor && l.seen < l.o.count);
    scan_reply(c, cursor, &items, l.listed);
}
