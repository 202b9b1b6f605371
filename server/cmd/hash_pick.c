/* Some fields of a hash: HRANDFIELD and HSCAN. */
#include <stdlib.h>

#include "server/base/hash.h"
#include "server/base/rand.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/cmd/scan.h"
#include "server/store/hash.h"

/* ---- HRANDFIELD ------------------------------------------------------------------------------ */

struct picking {
    struct call *c;
    bool with_values;
    uint64_t left, wanted; /* each_chosen: fields still to come, fields still to be taken */
    struct prng prng;
};

static void reply_pick(struct picking *p, struct bytes field, struct bytes value) {
    if (p->with_values && p->c->resp > 2) reply_array(p->c, 2);
    reply_bulk(p->c, field);
    if (p->with_values) reply_bulk(p->c, value);
}

/* Every set of `wanted` fields is equally likely, in one pass. */
static void each_chosen(void *arg, struct bytes field, struct bytes value) {
    struct picking *p = arg;
    if (p->wanted && prng_below(&p->prng, p->left) < p->wanted) {
        reply_pick(p, field, value);
        p->wanted--;
    }
    p->left--;
}

static void begin(struct picking *p, uint64_t count) {
    reply_array(p->c, (size_t)(p->with_values && p->c->resp == 2 ? 2 * count : count));
}

enum { LOOK_EVERY = 1024 }; /* how often a reply without end is looked at */

static void pick_with_repeats(struct picking *p, struct entry *e, uint64_t count) {
    struct bytes field, value;
    struct digits df, dv;
    begin(p, count);
    while (count-- > 0) {
        hash_random(p->c->store, e, &field, &value, &df, &dv);
        reply_pick(p, field, value);
        if (count % LOOK_EVERY == 0 && reply_is_too_big(p->c)) return;
    }
}

/* A few of many: drawn until they are different, so that a big hash is not walked. */
static void pick_few(struct picking *p, struct entry *e, uint64_t count) {
    struct map *taken = map_new(false);
    struct bytes field, value;
    struct digits df, dv;
    begin(p, count);
    while (map_count(taken) < count) {
        hash_random(p->c->store, e, &field, &value, &df, &dv);
        if (!map_put(taken, field.p, field.len, taken)) reply_pick(p, field, value);
    }
    map_free(taken, NULL);
}

static void pick_different(struct picking *p, struct entry *e, uint64_t count) {
    uint64_t len = hash_len(e);
    if (count > len) count = len;
    if (count * 10 < len) {
        pick_few(p, e, count);
        return;
    }
    begin(p, count);
    p->left = len;
    p->wanted = count;
    hash_each(e, each_chosen, p);
}

void cmd_hrandfield(struct call *c) {
    struct picking p = {.c = c, .with_values = c->argc == 4};
    int64_t count = 1;
    if (c->argc > 2 && !arg_int_range(c, 2, -INT64_MAX, INT64_MAX, NULL, &count)) return;
    if (c->argc > 4 || (c->argc == 4 && !bytes_is(c->argv[3], "withvalues"))) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (p.with_values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        reply_error(c, "ERR value is out of range");
        return;
    }
    struct entry *e = call_read(c, c->argv[1]);
    struct bytes field, value;
    struct digits df, dv;
    if (!call_is_kind(c, e, KIND_HASH)) return;
    if (c->argc == 2 && e) {
        hash_random(c->store, e, &field, &value, &df, &dv);
        reply_bulk(c, field);
    } else if (c->argc == 2) {
        reply_null(c);
    } else if (!e || count == 0) {
        reply_array(c, 0);
    } else if (count < 0) {
        pick_with_repeats(&p, e, (uint64_t)-count);
    } else {
        prng_seed(&p.prng, store_chance(c->store));
        pick_different(&p, e, (uint64_t)count);
    }
}

/* ---- HSCAN ----------------------------------------------------------------------------------- */

struct listing {
    struct call *c;
    struct scan_options o;
    size_t seen, listed;
};

static void list_pair(void *arg, struct bytes field, struct bytes value) {
    struct listing *l = arg;
    l->seen++;
    if (!scan_matches(&l->o, field)) return;
    reply_bulk(l->c, field);
    reply_bulk(l->c, value);
    l->listed++;
}

void cmd_hscan(struct call *c) {
    struct listing l = {.c = c};
    struct buf items = BUF_INIT, *out = c->out;
    uint64_t cursor;
    struct entry *e = scan_begin(c, KIND_HASH, &cursor, &l.o);
    if (!e) return;
    c->out = &items;
    do {
        cursor = hash_scan(e, cursor, list_pair, &l);
    } while (cursor && l.seen < l.o.count);
    c->out = out;
    scan_reply(c, cursor, &items, 2 * l.listed);
}
