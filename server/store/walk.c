/* The snapshot walker; its promise stands in store.h, what a kind does for it in walk_inside.h.
 *
 * A walk goes through the databases that had keys at its start, each in its dict's order (dict.h), group by
 * group. What stands before the cursor was handed out. Behind it, an entry marked ENTRY_WALKED is not to be
 * handed out: it was already, before a change or because a step ended inside its group, or it is newer than the
 * walk, or its value waits for its turn or has it. The marks of a group are taken off when the cursor leaves it, so no mark
 * outlives the walk; a walk given up goes on silently for the same reason.
 *
 * Big values have turns: one at a time, `now`. The cursor gives a turn to a value that it meets; values that were about
 * to change before that wait in a row and come first. */
#include <stdlib.h>

#include "server/base/log.h"
#include "server/store/walk_inside.h"

static const struct walk_kind *walk_kind_of(const struct entry *e) {
    static const struct walk_kind *const kinds[KIND_COUNT] = {
        [KIND_STRING] = &string_walk, [KIND_LIST] = &list_walk, [KIND_HASH] = &table_walk,
        [KIND_SET] = &table_walk,     [KIND_ZSET] = &zset_walk, [KIND_STREAM] = &xstream_walk,
    };
    return kinds[entry_kind(e)];
}

bool store_walking(const struct store *s) {
    return s->walk.running && !s->walk.sweeping;
}

size_t store_walk_count(const struct store *s, int db) {
    return s->walk.running ? s->walk.keys[db] : 0;
}

size_t store_walk_expiring_count(const struct store *s, int db) {
    return s->walk.running ? s->walk.expiring[db] : 0;
}

size_t store_walk_kept(const struct store *s) {
    return s->walk.kept;
}

size_t store_walk_noted(const struct store *s) {
    return s->walk.waiting;
}

bool store_walk_start(struct store *s, const struct store_walker *walker) {
    struct walk *w = &s->walk;
    if (w->running) return false;
    *w = (struct walk){.running = true, .to = *walker};
    w->row_last = &w->row;
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

/* ---- Big values ------------------------------------------------------------------------------ */

/* A new walk of the entry's value; NULL: it is handed out whole. */
static struct value_walk *value_attach(struct store *s, struct space *sp, const struct entry *e) {
    const struct walk_kind *kind = walk_kind_of(e);
    if (!kind || !s->walk.to.begin || !kind->is_big(s, e)) return NULL;
    struct bytes key = entry_key(e);
    struct value_walk *v = mem_new(&s->memory, sizeof *v + key.len);
    char *own_key = (char *)(v + 1);
    *v = (struct value_walk){.of = kind, .space = sp};
    v->w = (struct walked){.db = sp->walk_db,
                           .kind = entry_kind(e),
                           .key = {memcpy(own_key, key.p, key.len), key.len},
                           .expiry_ms = entry_expiry(e)};
    kind->attach(s, e, v);
    must(kind->attached(e) == v, "a value knows its walk");
    sp->attached++;
    return v;
}

static void value_line_up(struct walk *w, struct value_walk *v) {
    *w->row_last = v;
    w->row_last = &v->next;
    w->waiting++;
}

static void value_begin(struct walk *w, struct value_walk *v) {
    w->now = v;
    v->begun = true;
    if (!w->sweeping) w->to.begin(w->to.arg, &v->w);
}

/* The turn of the one that has waited longest. */
static void next_in_row(struct walk *w) {
    struct value_walk *v = w->row;
    w->row = v->next;
    if (!w->row) w->row_last = &w->row;
    w->waiting--;
    value_begin(w, v);
}

static void value_end(struct store *s, struct value_walk *v) {
    struct walk *w = &s->walk;
    w->now = NULL;
    if (!w->sweeping) {
        must(v->handed == v->w.count, "all of a value was handed out, and nothing twice");
        w->to.end(w->to.arg, &v->w);
    }
    if (v->space)
        v->space->attached--;
    else
        v->of->free(s, v);
    v->of->let_go(s, v);
    buf_free(&v->kept);
    mem_free(&s->memory, v, sizeof *v + v->w.key.len);
}

static void value_step(struct store *s, struct value_walk *v) {
    bool no_use = s->walk.sweeping && !v->space && !v->of->keeps;
    if (no_use || !v->of->step(s, v)) value_end(s, v);
    walk_spend(s, 1); /* afterwards: a step does something, however little it may do */
}

void walk_hand_out(struct store *s, struct value_walk *v, const struct walk_item *i, bool early) {
    struct walk *w = &s->walk;
    if (w->sweeping) return;
    v->handed += i->count;
    walk_spend(s, 1 + (i->name.len + i->value.len) / WALK_COST_BYTES);
    w->to.item(w->to.arg, &v->w, i, early);
}

static struct value_walk *attached_to(const struct store *s, const struct entry *e) {
    const struct walk_kind *kind = s->walk.running ? walk_kind_of(e) : NULL;
    return kind ? kind->attached(e) : NULL;
}

bool walk_takes(struct store *s, const struct entry *e) {
    struct value_walk *v = attached_to(s, e);
    if (!v) return false;
    v->space->attached--;
    v->space = NULL;
    return true;
}

void walk_follows(struct store *s, const struct entry *e, struct space *to) {
    struct value_walk *v = attached_to(s, e);
    if (!v) return;
    v->space->attached--;
    v->space = to;
    to->attached++;
}

static size_t value_walk_memory(const struct value_walk *v) {
    return mem_class(sizeof *v + v->w.key.len) + v->of->memory(v, !v->space);
}

size_t walk_memory(const struct store *s) {
    size_t n = s->walk.now ? value_walk_memory(s->walk.now) : 0;
    for (const struct value_walk *v = s->walk.row; v; v = v->next) n += value_walk_memory(v);
    return n;
}

void walk_verify(const struct store *s) {
    const struct walk *w = &s->walk;
    size_t counted = 0, waiting = 0, attached = w->now && w->now->space;
    size_t kept = w->now ? w->now->of->memory(w->now, false) : 0;
    for (const struct value_walk *v = w->row; v; v = v->next, waiting++) attached += !!v->space;
    for (int db = 0; db < s->databases; db++) counted += s->spaces[db]->attached;
    for (const struct space *sp = s->dead; sp; sp = sp->next) counted += sp->attached;
    must(counted == attached, "spaces count the values that the walk holds on to");
    for (const struct value_walk *v = w->row; v; v = v->next) kept += v->of->memory(v, false);
    must(waiting == w->waiting, "the row is counted");
    must(kept == w->kept, "what is kept beside values is counted");
}

/* ---- The cursor ------------------------------------------------------------------------------ */

/* Whether the walk has still to come to the element of that hash. */
static bool lies_ahead(const struct space *sp, uint64_t hash) {
    if (sp->walk == WALK_WAITING) return true;
    return sp->walk == WALK_INSIDE && dict_order(hash) >= sp->walk_at;
}

bool walk_skips_new(const struct store *s, const struct space *sp, uint64_t hash) {
    return store_walking(s) && lies_ahead(sp, hash);
}

void walk_before_change(struct store *s, struct space *sp, struct entry *e, uint64_t hash) {
    struct walk *w = &s->walk;
    if (!store_walking(s) || e->flags & ENTRY_WALKED || !lies_ahead(sp, hash)) return;
    struct value_walk *v = value_attach(s, sp, e);
    e->flags |= ENTRY_WALKED;
    if (!v) {
        w->to.entry(w->to.arg, sp->walk_db, e, true);
        return;
    }
    value_line_up(w, v);
    w->to.noted(w->to.arg, &v->w);
}

struct passing {
    struct store *s;
    struct space *sp;
    bool
        split; /* the group begins before the cursor: shrinking put it together with one that was passed */
    bool unseen; /* there is more in it than the step may do, or a value has its turn first */
};

static void pass(void *arg, void *elem) {
    struct passing *p = arg;
    struct entry *e = elem;
    struct walk *w = &p->s->walk;
    if (e->flags & ENTRY_WALKED) return;
    if (p->split && dict_order(dict_hash(entry_key(e))) < p->sp->walk_at) return;
    if (w->now || !walk_goes_on(p->s)) {
        p->unseen = true;
        return;
    }
    struct value_walk *v = value_attach(p->s, p->sp, e);
    e->flags |= ENTRY_WALKED;
    if (v) {
        value_begin(w, v);
        return;
    }
    walk_spend(p->s, 1 + value_memory(e) / WALK_COST_BYTES);
    w->to.entry(w->to.arg, p->sp->walk_db, e, false);
}

static void unmark(void *arg, void *elem) {
    struct entry *e = elem;
    e->flags &= (uint8_t)~ENTRY_WALKED;
    walk_spend(arg, 1);
}

/* Hands out what the group at the cursor has, in one step or some; then goes past it. */
static void pass_group(struct store *s) {
    struct walk *w = &s->walk;
    struct space *sp = w->spaces[w->at];
    struct passing p = {s, sp, !dict_group_begins(&sp->dict, sp->walk_at), false};
    sp->walk = WALK_INSIDE;
    if (!w->sweeping) {
        dict_prefetch_group(&sp->dict, sp->walk_at);
        dict_each_in_group(&sp->dict, sp->walk_at, pass, &p);
        if (p.unseen || w->now) return;
    }
    sp->walk_at = dict_each_in_group(&sp->dict, sp->walk_at, unmark, s);
    walk_spend(s, 1);
    if (sp->walk_at) return;
    sp->walk = WALK_PASSED;
    w->at++;
}

static bool walk_on(struct store *s, size_t limit) {
    struct walk *w = &s->walk;
    for (w->left = (int64_t)limit; walk_goes_on(s);) {
        if (!w->now && w->row) next_in_row(w);
        if (w->now) {
            value_step(s, w->now);
        } else if (w->at < w->count) {
            pass_group(s);
        } else {
            walk_end(s);
            return false;
        }
    }
    return true;
}

bool store_walk_step(struct store *s, size_t limit) {
    must(store_walking(s), "a walk is running");
    must(limit > 0, "a step does something");
    return walk_on(s, limit);
}

void store_walk_abort(struct store *s) {
    must(store_walking(s), "a walk is running");
    s->walk.sweeping = true;
}

bool walk_sweep(struct store *s, size_t limit) {
    return walk_on(s, limit);
}
