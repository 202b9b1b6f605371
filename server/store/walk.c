/* The snapshot walker; its promise stands in store.h.
 *
 * A walk goes through the databases that had keys at its start, each in its dict's order (dict.h), group by
 * group. What stands before the cursor was handed out. Behind it, an entry marked ENTRY_WALKED is not to be
 * handed out: it was already, before a change, or it is newer than the walk. The cursor takes the marks
 * off as it passes, so no mark outlives the walk; a walk given up goes on silently for the same reason. */
#include <stdlib.h>

#include "server/base/log.h"
#include "server/store/inside.h"

bool store_walking(const struct store *s) {
    return s->walk.running && !s->walk.sweeping;
}

size_t store_walk_count(const struct store *s, int db) {
    return s->walk.running ? s->walk.keys[db] : 0;
}

size_t store_walk_expiring_count(const struct store *s, int db) {
    return s->walk.running ? s->walk.expiring[db] : 0;
}

bool store_walk_start(struct store *s, store_walk_fn *fn, void *arg) {
    struct walk *w = &s->walk;
    if (w->running) return false;
    *w = (struct walk){.running = true, .fn = fn, .arg = arg};
    w->spaces = xcalloc((size_t)s->databases, sizeof *w->spaces);
    w->keys = xcalloc((size_t)s->databases, sizeof *w->keys);
    w->expiring = xcalloc((size_t)s->databases, sizeof *w->expiring);
    for (int db = 0; db < s->databases; db++) {
        struct space *sp = s->spaces[db];
        w->keys[db] = sp->dict.count;
        w->expiring[db] = sp->dict.flagged;
        sp->walk = WALK_NO;
        if (!sp->dict.count) continue;
        sp->walk = WALK_WAITING;
        sp->walk_at = 0;
        sp->walk_db = db;
        w->spaces[w->count++] = sp;
    }
    return true;
}

static void walk_end(struct store *s) {
    for (int db = 0; db < s->databases; db++) s->spaces[db]->walk = WALK_NO;
    for (struct space *sp = s->dead; sp; sp = sp->next) sp->walk = WALK_NO;
    free(s->walk.spaces);
    free(s->walk.keys);
    free(s->walk.expiring);
    s->walk = (struct walk){.running = false};
}

/* Whether the walk has still to come to the element of that hash. */
static bool lies_ahead(const struct space *sp, uint64_t hash) {
    if (sp->walk == WALK_WAITING) return true;
    return sp->walk == WALK_INSIDE && dict_order(hash) >= sp->walk_at;
}

bool walk_skips_new(const struct store *s, const struct space *sp, uint64_t hash) {
    return s->walk.running && lies_ahead(sp, hash);
}

void walk_before_change(struct store *s, struct space *sp, struct entry *e, uint64_t hash) {
    if (!s->walk.running || e->flags & ENTRY_WALKED || !lies_ahead(sp, hash)) return;
    if (s->walk.fn) s->walk.fn(s->walk.arg, sp->walk_db, e, true);
    e->flags |= ENTRY_WALKED;
}

struct passing {
    struct store *s;
    struct space *sp;
    size_t seen;
};

static void pass(void *arg, void *elem) {
    struct passing *p = arg;
    struct entry *e = elem;
    p->seen++;
    /* A group that shrinking put together may begin before the cursor: those were passed. */
    if (p->sp->walk_at && dict_order(dict_hash(entry_key(e))) < p->sp->walk_at) return;
    if (!(e->flags & ENTRY_WALKED) && p->s->walk.fn)
        p->s->walk.fn(p->s->walk.arg, p->sp->walk_db, e, false);
    e->flags &= (uint8_t)~ENTRY_WALKED;
}

/* Passes groups until `limit` entries were seen; false when the walk is at its end. */
static bool walk_on(struct store *s, size_t limit) {
    struct walk *w = &s->walk;
    for (size_t seen = 0; w->at < w->count && seen < limit;) {
        struct space *sp = w->spaces[w->at];
        struct passing p = {s, sp, 0};
        sp->walk = WALK_INSIDE;
        sp->walk_at = dict_each_in_group(&sp->dict, sp->walk_at, pass, &p);
        seen += p.seen + 1;
        if (sp->walk_at) continue;
        sp->walk = WALK_PASSED;
        w->at++;
    }
    if (w->at < w->count) return true;
    walk_end(s);
    return false;
}

bool store_walk_step(struct store *s, size_t limit) {
    must(store_walking(s), "a walk is running");
    return walk_on(s, limit);
}

void store_walk_abort(struct store *s) {
    must(store_walking(s), "a walk is running");
    s->walk.fn = NULL;
    s->walk.sweeping = true;
}

bool walk_sweep(struct store *s, size_t limit) {
    return walk_on(s, limit);
}
