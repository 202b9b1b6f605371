/* See table.h. */
#include "server/store/table.h"

#include "server/base/log.h"
#include "server/store/dict_inside.h"

static const struct elem_type *type_of(const struct table *t) {
    return (const struct elem_type *)t->dict.type; /* which stands first in it */
}

static size_t elem_room(const struct table *t, const void *elem) {
    return mem_class(type_of(t)->size(elem));
}

struct table *table_new(struct store *s, const struct elem_type *type) {
    struct table *t = mem_new(&s->memory, sizeof *t);
    dict_init(&t->dict, &type->keys, &s->memory);
    t->bytes = 0;
    t->walked = NULL;
    return t;
}

void table_free(struct store *s, struct table *t) {
    must(!t->walked, "a table that is walked stays");
    store_dismantle_later(s, &t->dict, type_of(t), table_memory(t) - mem_class(sizeof *t));
    mem_free(&s->memory, t, sizeof *t);
}

struct copying {
    struct store *s;
    struct table *to;
};

static void copy_elem(void *arg, void *elem) {
    const struct copying *c = arg;
    size_t size = type_of(c->to)->size(elem);
    table_add(c->to, memcpy(elem_new(c->s, size), elem, size), dict_elem_hash(&c->to->dict, elem));
}

struct table *table_copy(struct store *s, const struct table *t) {
    struct copying c = {s, table_new(s, type_of(t))};
    dict_each(&t->dict, copy_elem, &c);
    return c.to;
}

size_t table_memory(const struct table *t) {
    return mem_class(sizeof *t) + dict_memory(&t->dict) + t->bytes;
}

struct tally {
    const struct table *t;
    size_t bytes;
};

static void tally_elem(void *arg, void *elem) {
    struct tally *tally = arg;
    tally->bytes += elem_room(tally->t, elem);
}

void table_verify(const struct table *t) {
    struct tally tally = {t, 0};
    dict_verify(&t->dict);
    dict_each(&t->dict, tally_elem, &tally);
    must(tally.bytes == t->bytes, "a table counts its elements' bytes");
}

void table_add(struct table *t, void *elem, uint64_t hash) {
    t->bytes += elem_room(t, elem);
    bool marked = __builtin_expect(t->walked != NULL, 0) && table_walk_skips_new(t, hash);
    dict_add(&t->dict, elem, hash, marked);
}

void table_replace(struct store *s, struct table *t, uint64_t hash, struct dict_place at, void *old,
                   void *elem) {
    table_before_change(s, t, hash, at, old);
    t->bytes += elem_room(t, elem) - elem_room(t, old);
    dict_update(&t->dict, hash, at, elem, dict_marked(at));
    mem_free(&s->memory, old, type_of(t)->size(old));
}

void table_remove(struct store *s, struct table *t, uint64_t hash, struct dict_place at,
                  void *elem) {
    table_before_change(s, t, hash, at, elem);
    t->bytes -= elem_room(t, elem);
    dict_remove(&t->dict, hash, at);
    mem_free(&s->memory, elem, type_of(t)->size(elem));
}

uint64_t table_scan(const struct table *t, uint64_t cursor, dict_each_fn *fn, void *arg) {
    return dict_reverse64(dict_each_in_group(&t->dict, dict_reverse64(cursor), fn, arg));
}

static uint64_t chance(void *arg) {
    return store_chance(arg);
}

void *table_random(struct store *s, const struct table *t) {
    return dict_random(&t->dict, chance, s);
}

struct compacting {
    const struct table *t;
    struct store_mover *m;
    table_moved_fn *moved;
    void *arg;
};

static void *compact_elem(void *arg, void *elem) {
    const struct compacting *c = arg;
    c->m->looked++;
    void *copy = c->m->move(elem, elem_room(c->t, elem));
    if (!copy) return NULL;
    if (c->moved) c->moved(c->arg, elem, copy);
    c->m->free(elem);
    c->m->moved++;
    return copy;
}

uint64_t table_compact(struct table *t, uint64_t from, struct store_mover *m, table_moved_fn *moved,
                       void *arg) {
    struct compacting c = {t, m, moved, arg};
    return dict_move_in_group(&t->dict, from, compact_elem, &c);
}
