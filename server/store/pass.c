/* Going over the keys: scans, samples, and expiry in time. Contracts in store.h. */
#include "server/base/log.h"
#include "server/store/dict_inside.h"
#include "server/store/inside.h"

struct each {
    store_each_fn *fn;
    void *arg;
};

static void each_elem(void *arg, void *elem) {
    const struct each *each = arg;
    each->fn(each->arg, elem);
}

/* SCAN's cursor is the place in the order read backwards: numbers below the number of groups. */
uint64_t store_scan(struct store *s, int db, uint64_t cursor, store_each_fn *fn, void *arg) {
    struct each each = {fn, arg};
    return dict_reverse64(
        dict_each_in_group(store_dict(s, db), dict_reverse64(cursor), each_elem, &each));
}

void store_each(struct store *s, int db, store_each_fn *fn, void *arg) {
    struct each each = {fn, arg};
    dict_each(store_dict(s, db), each_elem, &each);
}

uint64_t store_chance(struct store *s) {
    return prng_u64(&s->prng);
}

static uint64_t chance(void *arg) {
    return store_chance(arg);
}

struct entry *store_random(struct store *s, int db) {
    return dict_random(store_dict(s, db), chance, s);
}

struct sample {
    struct entry **out;
    size_t n, max;
};

static void take_sample(void *arg, void *elem) {
    struct sample *sample = arg;
    if (sample->n < sample->max) sample->out[sample->n++] = elem;
}

size_t store_sample(struct store *s, int db, struct entry **out, size_t n) {
    const struct dict *d = store_dict(s, db);
    struct sample sample = {out, 0, n < d->count ? n : d->count};
    uint64_t at = prng_u64(&s->prng);
    /* Groups may be empty in a table that is shrinking; a bounded number of them is looked at. */
    for (size_t groups = 0; sample.n < sample.max && groups < 8 + n; groups++)
        at = dict_each_in_group(d, at, take_sample, &sample);
    return sample.n;
}

int64_t store_mean_ttl_ms(struct store *s, int db, int64_t now_ms) {
    enum { SAMPLE = 64 };
    struct entry *some[SAMPLE];
    size_t n = store_sample(s, db, some, SAMPLE), expiring = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t expiry = entry_expiry(some[i]);
        if (expiry == NO_EXPIRY) continue;
        expiring++;
        if (expiry > now_ms) sum += (double)(expiry - now_ms);
    }
    return expiring ? (int64_t)(sum / (double)expiring) : 0;
}

bool store_expire_cycle(struct store *s, int64_t now_ms, size_t limit, store_expired_fn *fn,
                        void *arg) {
    enum { AT_ONCE = 64, LOOK = 20 };
    void *due[AT_ONCE];
    size_t done = 0;
    int passes =
        s->databases + (s->expire_block != 0); /* the half of one that is under way, and each */
    while (passes > 0) {
        enum dict_rest rest;
        size_t max = limit - done < AT_ONCE ? limit - done : AT_ONCE;
        size_t n = dict_due(store_dict(s, s->expire_db), now_ms, &s->expire_block, due, max,
                            AT_ONCE * LOOK, &rest);
        for (size_t i = 0; i < n; i++) fn(arg, s->expire_db, due[i]);
        done += n + (rest == DUE_MORE); /* looking counts too: the whole cycle is bounded */
        if (done >= limit) return true;
        if (rest == DUE_UNSEEN) return false;
        if (rest == DUE_MORE) continue;
        s->expire_db = (s->expire_db + 1) % s->databases;
        passes--;
    }
    return false;
}
