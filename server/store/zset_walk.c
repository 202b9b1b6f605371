/* Big sorted sets walked in pieces (walk_inside.h): in their order, from the highest down, as a file has them that is
 * loaded fast.
 *
 * The cursor is the score and member of the last one that was gone past: what is less lies ahead, wherever it came from and
 * whatever it was when the walk began. The mark of a member ahead that is not to be handed out (it was already, or it is newer
 * than the walk) is the flag of its reference in the index. A member that moves across the cursor, in either
 * direction, was handed out before: ahead it is marked, behind it is not. */
#include "server/store/zset_inside.h"

#include "server/base/log.h"
#include "server/store/walk_inside.h"

enum { AT_A_TIME = 32 };

static struct zset *big_of(const struct entry *e) {
    return entry_form(e) == FORM_TREE ? entry_pointer(e) : NULL;
}

static struct value_walk *attached(const struct entry *e) {
    const struct zset *z = big_of(e);
    return z ? z->walked : NULL;
}

static bool is_big(const struct store *s, const struct entry *e) {
    const struct zset *z = big_of(e);
    return z && walk_is_big(s, z->order.count, z->members->bytes);
}

static void attach(struct store *s, const struct entry *e, struct value_walk *v) {
    struct zset *z = big_of(e);
    (void)s;
    must(!z->members->dict.flagged, "marks are gone before another walk comes");
    v->object = z;
    v->w.count = v->w.length = z->order.count;
    z->walked = v;
}

/* ---- The cursor: its score's key and its member stand in `kept` --------------------------------- */

static bool started(const struct value_walk *v) {
    return buf_len(&v->kept) > 0;
}

static struct mark cursor(const struct value_walk *v) {
    struct mark m = {.or_equal = false};
    memcpy(&m.key, buf_head(&v->kept), sizeof m.key);
    m.member = (struct bytes){buf_head(&v->kept) + sizeof m.key, buf_len(&v->kept) - sizeof m.key};
    return m;
}

static void cursor_set(struct value_walk *v, const void *elem) {
    struct bytes member = scored_member(elem);
    uint64_t key = score_key(scored_score(elem));
    buf_clear(&v->kept);
    buf_add(&v->kept, &key, sizeof key);
    buf_add(&v->kept, member.p, member.len);
}

static bool lies_ahead(const struct value_walk *v, const void *elem) {
    if (!started(v)) return true;
    struct mark m = cursor(v);
    uint64_t key = score_key(scored_score(elem));
    return key != m.key ? key < m.key : mark_is_behind_equal(&m, scored_member(elem));
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void hand_out(struct store *s, struct value_walk *v, const void *elem, bool early) {
    struct walk_item i = {.name = scored_member(elem), .score = scored_score(elem), .count = 1};
    walk_hand_out(s, v, &i, early);
}

void zset_walk_before_change(struct store *s, struct zset *z, const void *elem,
                             struct dict_place at) {
    if (walk_is_silent(s) || dict_marked(at) || !lies_ahead(z->walked, elem)) return;
    hand_out(s, z->walked, elem, true);
    dict_mark(&z->members->dict, at, true);
}

void zset_walk_changed(struct store *s, struct zset *z, const void *elem, struct dict_place at) {
    if (walk_is_silent(s)) return;
    dict_mark(&z->members->dict, at, lies_ahead(z->walked, elem));
}

/* ---- Its turn -------------------------------------------------------------------------------- */

/* Takes the marks off, in the index's order; false when none is left. */
static bool sweep(struct store *s, struct value_walk *v) {
    enum { SWEPT = 8 };
    struct dict *d = &((struct zset *)v->object)->members->dict;
    for (; d->flagged && walk_goes_on(s); walk_spend(s, SWEPT))
        dict_pass_group(d, &v->at, NULL, NULL);
    return d->flagged > 0;
}

/* The next ones below the cursor. */
static size_t below(struct tree *t, struct tree_cursor *c, void **elems) {
    size_t n = 0;
    while (n < AT_A_TIME && (elems[n] = tree_prev(t, c))) n++;
    return n;
}

/* Takes the mark off, if there is one; whether there was. */
static bool unmark(struct dict *d, const void *elem, uint64_t hash) {
    struct dict_place at = dict_place_of(d, elem, hash);
    bool marked = dict_marked(at);
    if (marked) dict_mark(d, at, false);
    return marked;
}

/* Goes past some of them; how many. */
static size_t pass(struct store *s, struct value_walk *v, void **elems, size_t n) {
    struct dict *d = &((struct zset *)v->object)->members->dict;
    uint64_t hashes[AT_A_TIME];
    bool marks = d->flagged > 0;
    size_t i = 0;
    for (; marks && i < n; i++) {
        hashes[i] = dict_hash(scored_member(elems[i]));
        dict_prefetch_bucket(d, hashes[i]);
    }
    for (i = 0; i < n && walk_goes_on(s); i++) {
        if (marks && unmark(d, elems[i], hashes[i]))
            walk_spend(s, 1);
        else
            hand_out(s, v, elems[i], false);
    }
    return i;
}

static bool step(struct store *s, struct value_walk *v) {
    struct zset *z = v->object;
    if (walk_is_silent(s)) return sweep(s, v);
    struct mark from = {0};
    if (started(v)) from = cursor(v);
    struct tree_cursor c = tree_cursor(started(v) ? tree_before(&z->order, &from) : z->order.count);
    void *elems[AT_A_TIME], *last = NULL;
    bool more = true;
    while (more && walk_goes_on(s)) {
        size_t n = below(&z->order, &c, elems);
        if (n) last = elems[pass(s, v, elems, n) - 1];
        more = n > 0;
    }
    if (last) cursor_set(v, last);
    return more;
}

static void let_go(struct store *s, struct value_walk *v) {
    (void)s;
    struct zset *z = v->object;
    if (v->space) z->walked = NULL;
}

static void free_object(struct store *s, struct value_walk *v) {
    struct zset *z = v->object;
    z->walked = NULL;
    zset_big_free(s, z);
}

static size_t memory(const struct value_walk *v, bool with_object) {
    return with_object ? zset_big_memory(v->object) : 0;
}

const struct walk_kind zset_walk = {
    .attached = attached,
    .is_big = is_big,
    .attach = attach,
    .step = step,
    .let_go = let_go,
    .free = free_object,
    .memory = memory,
};
