/* See store.h: databases, keys, stamps, flushes. Strings are in string.c, the snapshot walker in walk.c,
 * expiry, scans and samples in pass.c. */
#include "server/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/base/num.h"
#include "server/store/dict_inside.h"
#include "server/store/string.h"
#include "server/store/walk_inside.h"

static struct bytes elem_key(const void *elem) {
    return entry_key(elem);
}
static int64_t elem_stamp(const void *elem) {
    return entry_expiry(elem);
}
static const struct dict_type entries = {elem_key, elem_stamp};

static struct space *space_new(struct store *s) {
    struct space *sp = xcalloc(1, sizeof *sp);
    dict_init(&sp->dict, &entries, &s->memory);
    return sp;
}

struct store *store_new(int databases, uint64_t seed) {
    must(databases > 0, "a store has a database");
    struct store *s = xcalloc(1, sizeof *s);
    s->settings = (struct store_settings){.string_max_bytes = 512 << 20,
                                          .lfu_log_factor = 10,
                                          .lfu_decay_min = 1,
                                          .list_chunk_bytes = 8192,
                                          .list_chunk_count = 32767,
                                          .set_max_packed = 512,
                                          .hash_max_packed = 512,
                                          .hash_max_packed_bytes = 64,
                                          .zset_max_packed = 128,
                                          .zset_max_packed_bytes = 64,
                                          .stream_node_bytes = 4096,
                                          .stream_node_entries = 100,
                                          .hll_sparse_max_bytes = 3000,
                                          .walk_whole_count = 1000,
                                          .walk_whole_bytes = 64 << 10};
    s->databases = databases;
    s->spaces = xcalloc(2 * (size_t)databases, sizeof *s->spaces); /* and those beside them */
    for (int i = 0; i < 2 * databases; i++) s->spaces[i] = space_new(s);
    prng_seed(&s->prng, seed);
    return s;
}

void store_free(struct store *s) {
    if (!s) return;
    if (s->walk.running && !s->walk.sweeping) store_walk_abort(s);
    store_flush_all(s);
    store_beside_drop(s);
    while (store_work(s, 1 << 20)) {
    }
    for (int i = 0; i < 2 * s->databases; i++) {
        dict_release(&s->spaces[i]->dict);
        free(s->spaces[i]);
    }
    buf_free(&s->compaction.keys);
    free(s->spaces);
    free(s->grave); /* the reclaimer has ended: nothing is in it */
    free(s);
}

struct store_settings *store_settings(struct store *s) {
    return &s->settings;
}

int store_databases(const struct store *s) {
    return s->databases;
}

size_t store_memory(const struct store *s) {
    return s->memory - s->ends.given_back;
}

size_t store_table_slots(const struct store *s, int db) {
    return store_dict(s, db)->buckets * BUCKET_SLOTS;
}

size_t store_table_memory(const struct store *s, int db) {
    return dict_memory(store_dict(s, db));
}

size_t store_doomed_memory(const struct store *s) {
    return s->ends.queued_bytes - s->ends.done_bytes;
}

size_t store_doomed(const struct store *s) {
    return s->ends.queued - s->ends.done;
}

size_t store_buried(const struct store *s) {
    return s->ends.done;
}

size_t store_count(const struct store *s, int db) {
    return store_dict(s, db)->count;
}

size_t store_expiring_count(const struct store *s, int db) {
    return store_dict(s, db)->flagged;
}

void store_touch(struct store *s, struct entry *e, int64_t now_ms) {
    if (__builtin_expect(s->settings.lfu, 0)) {
        entry_count_access(s, e, now_ms, prng_u64(&s->prng));
        return;
    }
    if (now_ms != s->touched_ms) {
        s->touched_ms = now_ms;
        s->touched_date = entry_lru_date(now_ms);
    }
    entry_set_access(e, s->touched_date);
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static bool same_key(const struct dict *d, const void *elem, struct bytes key) {
    (void)d;
    return entry_key_is(elem, key);
}

static inline __attribute__((always_inline)) struct entry *find(struct store *s, struct space *sp,
                                                                struct bytes key, uint64_t hash) {
    struct dict_place at;
    struct entry *e = dict_find_by(&sp->dict, key, hash, &at, same_key);
    if (e) s->found = (struct seat){sp, e, hash, at};
    return e;
}

struct entry *store_find_hashed(struct store *s, int db, struct bytes key, uint64_t hash) {
    return find(s, s->spaces[db], key, hash);
}

struct entry *store_find(struct store *s, int db, struct bytes key) {
    return store_find_hashed(s, db, key, dict_hash(key));
}

static inline void forget_found(struct store *s) {
    s->found.e = NULL;
}

/* Where an entry's reference stands. */
static struct seat seat_of(struct store *s, int db, struct entry *e) {
    struct space *sp = s->spaces[db];
    if (s->found.e == e && s->found.space == sp) return s->found;
    uint64_t hash = dict_hash(entry_key(e));
    return (struct seat){sp, e, hash, dict_place_of(&sp->dict, e, hash)};
}

/* The table learns that the entry at that place is now `new`, and whether it has a stamp. */
static void seat_update(struct store *s, const struct seat *seat, struct entry *new, bool expires) {
    dict_update(&seat->space->dict, seat->hash, seat->at, new, expires);
    s->found = *seat;
    s->found.e = new;
}

uint64_t store_hash(struct bytes key) {
    return dict_hash(key);
}

void store_prefetch_bucket(struct store *s, int db, uint64_t hash) {
    dict_prefetch_bucket(store_dict(s, db), hash);
}

void store_prefetch_entry(struct store *s, int db, uint64_t hash) {
    dict_prefetch_elem(store_dict(s, db), hash);
}

void store_before_change(struct store *s, int db, struct entry *e) {
    if (s->walk.running) walk_before_change(s, s->spaces[db], e, dict_hash(entry_key(e)));
}

struct entry *store_reshape(struct store *s, int db, struct entry *e, struct entry_shape shape) {
    struct seat seat = seat_of(s, db, e);
    bool had_stamp = e->flags & ENTRY_EXPIRES;
    struct entry *new = entry_reshape(&s->memory, e, shape);
    if (new != e || had_stamp != shape.expires) seat_update(s, &seat, new, shape.expires);
    return new;
}

void store_entry_free(struct store *s, struct entry *e) {
    value_free(s, e);
    mem_free(&s->memory, e, entry_own_size(e));
}

/* The entry leaves the table; its memory is the caller's. */
static void take_out(struct store *s, int db, struct entry *e) {
    struct seat seat = seat_of(s, db, e);
    walk_before_change(s, seat.space, e, seat.hash);
    forget_found(s);
    dict_remove(&seat.space->dict, seat.hash, seat.at);
}

void store_delete(struct store *s, int db, struct entry *e) {
    take_out(s, db, e);
    store_entry_free(s, e);
}

/* Puts a finished entry in; its key is not there. */
static void add(struct store *s, struct space *sp, struct entry *e, uint64_t hash) {
    e->flags &= (uint8_t)~ENTRY_WALKED;
    if (walk_skips_new(s, sp, hash)) e->flags |= ENTRY_WALKED;
    forget_found(s);
    dict_add(&sp->dict, e, hash, e->flags & ENTRY_EXPIRES);
}

/* The existing entry takes the new shape and stamp; what its value pointed to is freed. */
static struct entry *overwrite(struct store *s, struct seat seat, struct entry_shape shape,
                               int64_t expiry_ms) {
    struct entry *e = seat.e;
    bool had_stamp = e->flags & ENTRY_EXPIRES;
    walk_before_change(s, seat.space, e, seat.hash);
    value_free(s, e);
    shape.expires = expiry_ms == KEEP_EXPIRY ? had_stamp : expiry_ms != NO_EXPIRY;
    struct entry *new = entry_reshape(&s->memory, e, shape);
    new->flags &= (uint8_t)~ENTRY_EDITED;
    if (shape.expires && expiry_ms != KEEP_EXPIRY) entry_write_stamp(new, expiry_ms);
    if (new != e || had_stamp || shape.expires) seat_update(s, &seat, new, shape.expires);
    return new;
}

/* The key's entry, mostly the one that was just searched for; *hash is the key's when there is none. */
static struct entry *seek(struct store *s, struct space *sp, struct bytes key, uint64_t *hash) {
    struct seat *found = &s->found;
    if (found->e && found->space == sp && entry_key_is(found->e, key)) return found->e;
    *hash = dict_hash(key);
    struct dict_place at;
    struct entry *e = dict_find_by(&sp->dict, key, *hash, &at, same_key);
    if (e) *found = (struct seat){sp, e, *hash, at};
    return e;
}

/* Same kind of bytes, same length, and no stamp comes or goes: most of what overwrites a string. */
static inline bool fits_in_place(const struct store *s, const struct entry *e, size_t len,
                                 int64_t expiry_ms) {
    const uint8_t small = KIND_STRING | FORM_EMBEDDED << 4;
    return e->kind_form == small && entry_embedded_len(e) == len && !s->walk.running &&
           (expiry_ms == KEEP_EXPIRY || (expiry_ms == NO_EXPIRY && !(e->flags & ENTRY_EXPIRES)));
}

struct entry *store_put_embedded(struct store *s, int db, struct bytes key, struct bytes value,
                                 int64_t expiry_ms) {
    uint64_t hash;
    struct space *sp = s->spaces[db];
    struct entry *e = seek(s, sp, key, &hash);
    if (e && fits_in_place(s, e, value.len, expiry_ms))
        e->flags &= (uint8_t)~ENTRY_EDITED;
    else
        e = store_put(s, db, key, KIND_STRING, FORM_EMBEDDED, value.len, expiry_ms);
    bytes_copy(entry_value_at(e), value.p, value.len);
    return e;
}

struct entry *store_replace_string(struct store *s, int db, struct entry *e, struct bytes key,
                                   struct bytes value, int64_t expiry_ms) {
    unsigned last = value.len ? (unsigned char)value.p[value.len - 1] : 0;
    bool digits = value.len <= 20 && last - '0' < 10;
    if (digits || !fits_in_place(s, e, value.len, expiry_ms))
        return store_put_string(s, db, key, value, expiry_ms);
    e->flags &= (uint8_t)~ENTRY_EDITED;
    bytes_copy(entry_value_at(e), value.p, value.len);
    return e;
}

struct entry *store_put(struct store *s, int db, struct bytes key, enum value_kind kind,
                        enum value_form form, size_t value_len, int64_t expiry_ms) {
    struct entry_shape shape = {kind, form, key.len, value_len, false};
    struct space *sp = s->spaces[db];
    uint64_t hash;
    struct entry *e = seek(s, sp, key, &hash);
    if (e) return overwrite(s, s->found, shape, expiry_ms);
    shape.expires = expiry_ms >= 0;
    e = entry_new(&s->memory, shape, key, NULL);
    if (shape.expires) entry_write_stamp(e, expiry_ms);
    add(s, sp, e, hash);
    return e;
}

struct entry *store_set_expiry(struct store *s, int db, struct entry *e, int64_t expiry_ms) {
    struct seat seat = seat_of(s, db, e);
    struct entry_shape shape = entry_shape_of(e);
    walk_before_change(s, seat.space, e, seat.hash);
    shape.expires = expiry_ms != NO_EXPIRY;
    e = entry_reshape(&s->memory, e, shape);
    if (shape.expires) entry_write_stamp(e, expiry_ms);
    seat_update(s, &seat, e, shape.expires);
    return e;
}

/* The same value header under another key: stamp and access are copied, the value's bytes are not. */
static struct entry *renamed(struct store *s, const struct entry *e, struct bytes to_key) {
    struct entry_shape shape = entry_shape_of(e);
    shape.key_len = to_key.len;
    struct entry *new = entry_new(&s->memory, shape, to_key, e);
    if (shape.expires) entry_write_stamp(new, entry_expiry(e));
    return new;
}

struct entry *store_move(struct store *s, int db, struct entry *e, int to_db, struct bytes to_key) {
    struct entry *new = renamed(s, e, to_key);
    memcpy(entry_value_at(new), entry_value_at(e),
           entry_form(e) == FORM_EMBEDDED ? entry_embedded_len(e) : 8);
    take_out(s, db, e);
    mem_free(&s->memory, e, entry_own_size(e));
    add(s, s->spaces[to_db], new, dict_hash(to_key));
    if (s->walk.running) walk_follows(s, new, s->spaces[to_db]);
    return new;
}

struct entry *store_copy(struct store *s, int db, const struct entry *e, int to_db,
                         struct bytes to_key) {
    (void)db;
    struct entry *new = renamed(s, e, to_key);
    value_copy(s, e, new);
    add(s, s->spaces[to_db], new, dict_hash(to_key));
    return new;
}

/* ---- Whole databases ------------------------------------------------------------------------ */

/* It has no owner any more: taken apart by store_work, or by the reclaimer. */
static void doom(struct store *s, struct space *sp, size_t objects, size_t bytes) {
    sp->dead = true;
    sp->objects = objects;
    sp->bytes = bytes;
    sp->next = s->dead;
    s->dead = sp;
    s->ends.queued += objects;
    s->ends.queued_bytes += bytes;
}

void store_flush(struct store *s, int db) {
    struct space *old = s->spaces[db];
    if (!old->dict.buckets) return;
    forget_found(s);
    s->spaces[db] = space_new(s);
    doom(s, old, old->dict.count, 0);
}

void store_flush_all(struct store *s) {
    for (int db = 0; db < s->databases; db++) store_flush(s, db);
}

const char *store_note(const struct store *s) {
    return s->note;
}

void store_set_note(struct store *s, struct bytes note) {
    size_t n = note.len < STORE_NOTE_CHARS ? note.len : STORE_NOTE_CHARS;
    if (n) memcpy(s->note, note.p, n);
    s->note[n] = '\0';
}

void store_swap(struct store *s, int db_a, int db_b) {
    struct space *a = s->spaces[db_a];
    s->spaces[db_a] = s->spaces[db_b];
    s->spaces[db_b] = a;
}

void store_beside_drop(struct store *s) {
    for (int db = 0; db < s->databases; db++) store_flush(s, store_beside(s) + db);
}

void store_beside_take(struct store *s) {
    for (int db = 0; db < s->databases; db++) store_swap(s, db, store_beside(s) + db);
    store_beside_drop(s);
}

struct dismantling {
    struct store *s;
    const struct elem_type *elems;
    size_t left;
};

static void dismantle_elem(void *arg, void *elem) {
    struct dismantling *d = arg;
    if (d->elems)
        mem_free(&d->s->memory, elem, d->elems->size(elem));
    else
        store_entry_free(d->s, elem);
    if (d->left) d->left--;
}

void store_dismantle_later(struct store *s, struct dict *d, const struct elem_type *elems,
                           size_t bytes) {
    enum { AT_ONCE = 1000 };
    struct dismantling now = {s, elems, AT_ONCE};
    d->memory = &s->memory; /* of a flushed database's values it was another store's */
    if (d->count <= AT_ONCE) {
        while (dict_dismantle(d, dismantle_elem, &now)) {
        }
        dict_release(d);
        return;
    }
    struct space *sp = space_new(s);
    sp->dict = *d;
    sp->elems = elems;
    doom(s, sp, 1, bytes);
    dict_init(d, d->type, d->memory);
}

void store_ruin_later(struct store *s, void *value, bool (*step)(struct store *s, void *value),
                      size_t (*memory)(const void *value)) {
    struct ruin *r = xmalloc(sizeof *r);
    *r = (struct ruin){s->ruins, value, step, memory, memory(value)};
    s->ruins = r;
    s->ends.queued++;
    s->ends.queued_bytes += r->bytes;
}

static void count_end(struct store *s, size_t objects, size_t bytes) {
    s->ends.done_bytes += bytes;
    s->ends.done += objects;
}

static void step_ruin(struct store *s) {
    struct ruin *r = s->ruins;
    s->ruins = r->next;
    if (!r->step(s, r->value)) {
        count_end(s, 1, r->bytes);
        free(r);
        return;
    }
    r->next = s->ruins;
    s->ruins = r;
}

/* A flushed table that may go; one that a walk has still to pass, or a value of, lives until then. */
static struct space *next_dead(const struct store *s) {
    struct space *sp = s->dead;
    while (sp && (sp->walk == WALK_WAITING || sp->walk == WALK_INSIDE || sp->attached))
        sp = sp->next;
    return sp;
}

/* Its place is looked for anew: big values in it have put their own tables before it meanwhile. */
static void forget_dead(struct store *s, const struct space *sp) {
    struct space **p = &s->dead;
    while (*p != sp) p = &(*p)->next;
    *p = sp->next;
}

static void bury(struct store *s, struct space *sp) {
    forget_dead(s, sp);
    count_end(s, sp->objects, sp->bytes);
    dict_release(&sp->dict);
    free(sp);
}

static bool take_apart(struct store *s, size_t limit) {
    struct dismantling d = {s, NULL, limit};
    struct space *sp;
    while (d.left && (sp = next_dead(s)) != NULL) {
        d.elems = sp->elems;
        while (d.left && dict_dismantle(&sp->dict, dismantle_elem, &d)) {
        }
        if (!sp->dict.buckets) bury(s, sp);
    }
    for (; d.left && s->ruins; d.left--) step_ruin(s);
    return !d.left;
}

/* ---- The reclaimer's side -------------------------------------------------------------------- */

struct burial {
    struct store *from;
    struct space *sp;
    struct ruin *ruin;
};

/* On the reclaimer's thread. The grave's own counter runs below zero; what it has fallen by is told. */
static void bury_elsewhere(void *value) {
    enum { STEP = 1000 };
    struct burial *b = value;
    struct store *s = b->from, *g = s->grave;
    size_t objects = b->sp ? b->sp->objects : 1, bytes = b->sp ? b->sp->bytes : b->ruin->bytes;
    if (b->sp) {
        b->sp->dict.memory = &g->memory;
        b->sp->next = g->dead;
        g->dead = b->sp;
    } else {
        b->ruin->next = g->ruins;
        g->ruins = b->ruin;
    }
    for (bool more = true; more;) {
        more = take_apart(g, STEP);
        s->ends.given_back = 0 - g->memory;
    }
    count_end(s, objects, bytes);
    free(b);
}

static void hand_over(struct store *s, struct space *sp, struct ruin *ruin) {
    struct burial *b = xmalloc(sizeof *b);
    if (!s->grave) s->grave = xcalloc(1, sizeof *s->grave);
    *b = (struct burial){s, sp, ruin};
    s->settings.reclaim(s->settings.reclaim_arg, b, bury_elsewhere);
}

static void hand_over_all(struct store *s) {
    for (struct space *sp; (sp = next_dead(s)) != NULL; hand_over(s, sp, NULL)) forget_dead(s, sp);
    for (struct ruin *r; (r = s->ruins) != NULL; hand_over(s, NULL, r)) s->ruins = r->next;
}

bool store_work(struct store *s, size_t limit) {
    bool sweeping = s->walk.running && s->walk.sweeping && walk_sweep(s, limit);
    if (!s->settings.reclaim) return take_apart(s, limit) || sweeping;
    hand_over_all(s);
    return sweeping;
}

/* ---- Checks --------------------------------------------------------------------------------- */

struct check {
    const struct store *s;
    const struct space *sp;
    size_t memory;
};

static void check_entry(void *arg, void *elem) {
    struct check *c = arg;
    const struct entry *e = elem;
    if (c->sp->elems) {
        c->memory += mem_class(c->sp->elems->size(elem));
        return;
    }
    must(entry_kind(e) < KIND_COUNT, "a kind is known");
    must(c->s->walk.running || !(e->flags & ENTRY_WALKED), "no mark outlives its walk");
    value_verify(e);
    c->memory += mem_class(entry_own_size(e)) + value_memory(e);
}

static void check_space(struct check *c, struct space *sp) {
    c->sp = sp;
    if (!sp->dead) dict_verify(&sp->dict);
    dict_each(&sp->dict, check_entry, c);
    c->memory += dict_memory(&sp->dict);
}

void store_verify(struct store *s) {
    struct check c = {s, NULL, 0};
    for (int db = 0; db < 2 * s->databases; db++) check_space(&c, s->spaces[db]);
    for (struct space *sp = s->dead; sp; sp = sp->next) check_space(&c, sp);
    for (const struct ruin *r = s->ruins; r; r = r->next) c.memory += r->memory(r->value);
    c.memory += walk_memory(s);
    walk_verify(s);
    if (s->grave && store_doomed(s)) return; /* some of it is being freed this moment */
    must(c.memory == store_memory(s), "memory is counted to the byte");
}
