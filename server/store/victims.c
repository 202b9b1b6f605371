/* See victims.h. The remembered are keys, not entries: those may be gone, or have moved, by the next time. */
#include "server/store/victims.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/store/inside.h"

enum { REMEMBERED = 16, SAMPLES_MAX = 64 };

struct candidate {
    uint64_t score; /* the higher the sooner it goes */
    int db;
    char *key; /* a copy */
    size_t key_len;
};

struct victims {
    struct candidate best[REMEMBERED]; /* the highest score stands last */
    int count;
    int next_db; /* VICTIM_ANY takes databases in turn */
};

struct victims *victims_new(void) {
    return xcalloc(1, sizeof(struct victims));
}

void victims_forget(struct victims *v) {
    while (v->count) free(v->best[--v->count].key);
}

void victims_free(struct victims *v) {
    victims_forget(v);
    free(v);
}

static uint64_t score_of(const struct store *s, const struct entry *e, enum victim_rule rule,
                         int64_t now_ms) {
    switch (rule) {
    case VICTIM_RAREST: return 255u - entry_freq(s, e, now_ms);
    case VICTIM_SOONEST: return UINT64_MAX - (uint64_t)entry_expiry(e);
    case VICTIM_OLDEST:
    case VICTIM_ANY: break;
    }
    return entry_idle_s(e, now_ms);
}

static bool is_remembered(const struct victims *v, int db, struct bytes key) {
    for (int i = 0; i < v->count; i++)
        if (v->best[i].db == db && v->best[i].key_len == key.len &&
            !memcmp(v->best[i].key, key.p, key.len))
            return true;
    return false;
}

static void remember(struct victims *v, uint64_t score, int db, struct bytes key) {
    if (v->count == REMEMBERED && score <= v->best[0].score) return;
    if (is_remembered(v, db, key)) return;
    struct candidate new = {score, db, xmemdup(key.p, key.len), key.len};
    if (v->count == REMEMBERED) {
        free(v->best[0].key);
        memmove(v->best, v->best + 1, sizeof v->best - sizeof v->best[0]);
        v->count--;
    }
    int at = v->count++;
    for (; at > 0 && v->best[at - 1].score > score; at--) v->best[at] = v->best[at - 1];
    v->best[at] = new;
}

static uint64_t chance(void *arg) {
    return store_chance(arg);
}

static size_t sample(struct store *s, int db, bool expiring_only, void **out, size_t most) {
    return dict_sample(store_dict(s, db), expiring_only, chance, s, out, most);
}

static bool has_any(const struct store *s, int db, bool expiring_only) {
    return expiring_only ? store_expiring_count(s, db) : store_count(s, db);
}

static struct entry *any(struct victims *v, struct store *s, bool expiring_only, int *db) {
    for (int i = 0; i < s->databases; i++) {
        void *one;
        *db = v->next_db;
        v->next_db = (v->next_db + 1) % s->databases;
        if (has_any(s, *db, expiring_only) && sample(s, *db, expiring_only, &one, 1)) return one;
    }
    return NULL;
}

/* The worst one that is still there, as it was remembered. */
static struct entry *take_worst(struct victims *v, struct store *s, bool expiring_only, int *db) {
    while (v->count) {
        struct candidate *c = &v->best[--v->count];
        struct entry *e = store_find(s, c->db, (struct bytes){c->key, c->key_len});
        *db = c->db;
        free(c->key);
        if (e && (!expiring_only || entry_expiry(e) != NO_EXPIRY)) return e;
    }
    return NULL;
}

struct entry *victims_next(struct victims *v, struct store *s, enum victim_rule rule,
                           bool expiring_only, unsigned samples, int64_t now_ms, int *db) {
    void *some[SAMPLES_MAX];
    if (samples > SAMPLES_MAX) samples = SAMPLES_MAX;
    if (rule == VICTIM_ANY) return any(v, s, expiring_only, db);
    for (;;) {
        size_t seen = 0;
        for (int i = 0; i < s->databases; i++) {
            if (!has_any(s, i, expiring_only)) continue;
            size_t n = sample(s, i, expiring_only, some, samples);
            for (size_t k = 0; k < n; k++)
                remember(v, score_of(s, some[k], rule, now_ms), i, entry_key(some[k]));
            seen += n;
        }
        struct entry *e = take_worst(v, s, expiring_only, db);
        if (e || !seen) return e;
    }
}
