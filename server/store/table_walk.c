/* Big hashes and sets walked in pieces (walk_inside.h): in the order of their dict, group by group, as the keys are.
 *
 * The mark of an element that is not to be handed out (it was already, or it is newer than the walk) is the flag of its
 * reference. Marks stand only at and behind the cursor, which takes them off as it leaves a group. */
#include "server/base/log.h"
#include "server/store/table.h"
#include "server/store/walk_inside.h"

static const struct table *table_of(const struct entry *e) {
    return entry_form(e) == FORM_TABLE ? entry_pointer(e) : NULL;
}

static struct value_walk *attached(const struct entry *e) {
    const struct table *t = table_of(e);
    return t ? t->walked : NULL;
}

static bool is_big(const struct store *s, const struct entry *e) {
    const struct table *t = table_of(e);
    return t && walk_is_big(s, table_len(t), t->bytes);
}

static void attach(struct store *s, const struct entry *e, struct value_walk *v) {
    struct table *t = entry_pointer(e);
    (void)s;
    must(!t->dict.flagged, "marks are gone before another walk comes");
    v->object = t;
    v->w.count = v->w.length = table_len(t);
    t->walked = v;
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void hand_out(struct store *s, struct value_walk *v, const void *elem, bool early) {
    const struct table *t = v->object;
    struct walk_item i = {.count = 1};
    ((const struct elem_type *)t->dict.type)->item(elem, &i);
    walk_hand_out(s, v, &i, early);
}

bool table_walk_skips_new(const struct table *t, uint64_t hash) {
    return dict_order(hash) >= t->walked->at;
}

void table_walk_before_change(struct store *s, struct table *t, uint64_t hash, struct dict_place at,
                              const void *elem) {
    if (dict_marked(at) || !table_walk_skips_new(t, hash)) return;
    hand_out(s, t->walked, elem, true);
    dict_mark(&t->dict, at, true);
}

/* ---- Its turn -------------------------------------------------------------------------------- */

struct passing {
    struct store *s;
    struct value_walk *v;
};

static bool pass(void *arg, void *elem) {
    const struct passing *p = arg;
    hand_out(p->s, p->v, elem, false);
    return walk_goes_on(p->s);
}

static bool step(struct store *s, struct value_walk *v) {
    enum { SWEPT = 8 };
    struct table *t = v->object;
    struct passing p = {s, v};
    bool silent = walk_is_silent(s);
    do {
        if (silent && !t->dict.flagged) return false;
        if (!silent) dict_prefetch_group(&t->dict, v->at);
        if (!dict_pass_group(&t->dict, &v->at, silent ? NULL : pass, &p)) break;
        if (!v->at) return false;
        walk_spend(s, silent ? SWEPT : 1);
    } while (walk_goes_on(s));
    return true;
}

static void let_go(struct store *s, struct value_walk *v) {
    (void)s;
    struct table *t = v->object;
    if (v->space) t->walked = NULL;
}

static void free_object(struct store *s, struct value_walk *v) {
    struct table *t = v->object;
    t->walked = NULL;
    table_free(s, t);
}

static size_t memory(const struct value_walk *v, bool with_object) {
    return with_object ? table_memory(v->object) : 0;
}

const struct walk_kind table_walk = {
    .attached = attached,
    .is_big = is_big,
    .attach = attach,
    .step = step,
    .let_go = let_go,
    .free = free_object,
    .memory = memory,
};
