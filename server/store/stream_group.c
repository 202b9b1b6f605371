/* See stream_group.h; here are groups and consumers. What is pending is in stream_pending.c. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/stream_inside.h"

/* ---- Rows in order of name -------------------------------------------------------------------- */

static int name_cmp(struct bytes a, struct bytes b) {
    int cmp = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
    return cmp ? cmp : a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

struct bytes xgroup_name(const struct xgroup *g) {
    return (struct bytes){g->name, g->name_len};
}

struct bytes xconsumer_name(const struct xconsumer *c) {
    return (struct bytes){c->name, c->name_len};
}

static struct bytes name_of_group(const void *item) {
    return xgroup_name(item);
}

static struct bytes name_of_consumer(const void *item) {
    return xconsumer_name(item);
}

typedef struct bytes name_fn(const void *item);

/* Where the name stands in the row, or would. */
static uint32_t row_find(void *const *row, uint32_t n, struct bytes name, name_fn *name_of,
                         bool *found) {
    uint32_t low = 0, high = n;
    *found = false;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int cmp = name_cmp(name_of(row[mid]), name);
        if (cmp == 0) {
            *found = true;
            return mid;
        }
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t row_bytes(uint32_t cap) {
    return cap * sizeof(void *);
}

static void *row_insert(size_t *memory, void *row_p, uint32_t *n, uint32_t *cap, uint32_t at,
                        void *item) {
    void **row = row_p;
    if (*n == *cap) {
        uint32_t more = *cap ? 2 * *cap : 1;
        void **wider = mem_new(memory, row_bytes(more));
        if (*n) memcpy(wider, row, row_bytes(*n));
        if (row) mem_free(memory, row, row_bytes(*cap));
        row = wider;
        *cap = more;
    }
    memmove(row + at + 1, row + at, row_bytes(*n - at));
    row[at] = item;
    ++*n;
    return row;
}

static void row_remove(void *row_p, uint32_t *n, uint32_t at) {
    void **row = row_p;
    --*n;
    memmove(row + at, row + at + 1, row_bytes(*n - at));
}

/* ---- Groups ---------------------------------------------------------------------------------- */

size_t xstream_groups(const struct entry *e) {
    return xstream_of(e)->group_count;
}

struct xgroup *xgroup_at(const struct entry *e, size_t i) {
    must(i < xstream_groups(e), "there is such a group");
    return xstream_of(e)->groups[i];
}

struct xgroup *xgroup_find(const struct entry *e, struct bytes name) {
    const struct xstream *x = xstream_of(e);
    bool found;
    uint32_t at = row_find((void *const *)x->groups, x->group_count, name, name_of_group, &found);
    return found ? x->groups[at] : NULL;
}

static size_t group_size(size_t name_len) {
    return sizeof(struct xgroup) + name_len;
}

static struct xgroup *group_new(size_t *memory, struct bytes name) {
    struct xgroup *g = mem_new(memory, group_size(name.len));
    *g = (struct xgroup){.name_len = (uint32_t)name.len};
    memcpy(g->name, name.p, name.len);
    xtree_init(&g->pending, sizeof(struct xdelivery));
    return g;
}

struct xgroup *xgroup_add(struct store *s, int db, struct entry *e, struct bytes name,
                          struct xid last_id, int64_t entries_read) {
    struct xstream *x = xstream_of(e);
    bool found;
    must(name.len <= UINT32_MAX, "a group's name is not that long");
    uint32_t at = row_find((void *const *)x->groups, x->group_count, name, name_of_group, &found);
    if (found) return NULL;
    size_t before = xstream_open(s, db, e);
    struct xgroup *g = group_new(&x->bytes, name);
    g->walks = x->walks;
    g->last_id = last_id;
    g->entries_read = entries_read;
    x->groups = row_insert(&x->bytes, x->groups, &x->group_count, &x->group_cap, at, g);
    xstream_shut(s, e, before);
    return g;
}

struct xid xgroup_last_id(const struct xgroup *g) {
    return g->last_id;
}

int64_t xgroup_entries_read(const struct xgroup *g) {
    return g->entries_read;
}

size_t xgroup_pending(const struct xgroup *g) {
    return g->pending.count;
}

size_t xgroup_consumers(const struct xgroup *g) {
    return g->consumer_count;
}

void xgroup_set(struct store *s, int db, struct entry *e, struct xgroup *g, struct xid last_id,
                int64_t entries_read) {
    store_before_change(s, db, e);
    if (xstream_of(e)->walked) xwalk_change_group(xstream_of(e), g);
    g->last_id = last_id;
    g->entries_read = entries_read;
}

/* ---- How much a group has read ---------------------------------------------------------------- */

/* Something from that id on was deleted one by one: then entries cannot be counted by subtraction. */
static bool has_holes_from(const struct xstream *x, struct xid id) {
    const struct xstream_facts *f = &x->facts;
    if (!x->length || xid_zero(f->max_deleted_id)) return false;
    return !xid_below(f->max_deleted_id, f->first_id) && !xid_below(f->max_deleted_id, id);
}

/* How many entries were ever added up to that id, where it can be known. */
static int64_t added_until(const struct xstream *x, struct xid id) {
    const struct xstream_facts *f = &x->facts;
    int64_t added = (int64_t)f->entries_added, length = (int64_t)x->length;
    int cmp = xid_cmp(id, f->last_id);
    if (!added) return 0;
    if (cmp == 0 || (cmp < 0 && !length)) return added;
    if (cmp > 0) return XSTREAM_READ_UNKNOWN;
    if (xid_zero(f->max_deleted_id) || xid_below(f->max_deleted_id, f->first_id)) {
        cmp = xid_cmp(id, f->first_id);
        if (cmp <= 0) return added - length + (cmp == 0);
    }
    return XSTREAM_READ_UNKNOWN;
}

int64_t xstream_added_until(const struct entry *e, struct xid id) {
    return added_until(xstream_of(e), id);
}

bool xgroup_lag(const struct entry *e, const struct xgroup *g, int64_t *lag) {
    const struct xstream *x = xstream_of(e);
    int64_t read = g->entries_read;
    *lag = 0;
    if (!x->facts.entries_added) return true;
    if (read == XSTREAM_READ_UNKNOWN || has_holes_from(x, g->last_id))
        read = added_until(x, g->last_id);
    if (read == XSTREAM_READ_UNKNOWN) return false;
    *lag = (int64_t)x->facts.entries_added - read;
    return true;
}

bool xgroup_deliver(struct store *s, int db, struct entry *e, struct xgroup *g, struct xid id) {
    struct xstream *x = xstream_of(e);
    if (!xid_below(g->last_id, id)) return false;
    store_before_change(s, db, e);
    if (x->walked) xwalk_change_group(x, g);
    if (g->entries_read != XSTREAM_READ_UNKNOWN && !has_holes_from(x, id))
        g->entries_read++;
    else if (x->facts.entries_added)
        g->entries_read = added_until(x, id);
    g->last_id = id;
    return true;
}

/* ---- Consumers ------------------------------------------------------------------------------- */

struct xconsumer *xconsumer_at(const struct xgroup *g, size_t i) {
    must(i < g->consumer_count, "there is such a consumer");
    return g->consumers[i];
}

struct xconsumer *xconsumer_find(const struct xgroup *g, struct bytes name) {
    bool found;
    uint32_t at =
        row_find((void *const *)g->consumers, g->consumer_count, name, name_of_consumer, &found);
    return found ? g->consumers[at] : NULL;
}

int64_t xconsumer_seen_ms(const struct xconsumer *c) {
    return c->seen_ms;
}

size_t xconsumer_pending(const struct xconsumer *c) {
    return c->pending.count;
}

void xconsumer_see(struct store *s, int db, struct entry *e, struct xconsumer *c, int64_t now_ms) {
    store_before_change(s, db, e);
    if (xstream_of(e)->walked) xwalk_change_consumer(xstream_of(e), c);
    c->seen_ms = now_ms;
}

static size_t consumer_size(size_t name_len) {
    return sizeof(struct xconsumer) + name_len;
}

static struct xconsumer *consumer_new(size_t *memory, struct bytes name, int64_t seen_ms) {
    struct xconsumer *c = mem_new(memory, consumer_size(name.len));
    *c = (struct xconsumer){.seen_ms = seen_ms, .name_len = (uint32_t)name.len};
    memcpy(c->name, name.p, name.len);
    xtree_init(&c->pending, 0);
    return c;
}

struct xconsumer *xconsumer_add(struct store *s, int db, struct entry *e, struct xgroup *g,
                                struct bytes name, int64_t now_ms) {
    struct xstream *x = xstream_of(e);
    bool found;
    must(name.len <= UINT32_MAX, "a consumer's name is not that long");
    uint32_t at =
        row_find((void *const *)g->consumers, g->consumer_count, name, name_of_consumer, &found);
    if (found) return NULL;
    size_t before = xstream_open(s, db, e);
    if (x->walked) xwalk_change_group(x, g);
    struct xconsumer *c = consumer_new(&x->bytes, name, now_ms);
    c->walks = x->walks;
    g->consumers = row_insert(&x->bytes, g->consumers, &g->consumer_count, &g->consumer_cap, at, c);
    xstream_shut(s, e, before);
    return c;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static bool consumer_dismantle(size_t *memory, struct xconsumer *c) {
    if (xtree_dismantle(&c->pending, memory, NULL, NULL)) return true;
    mem_free(memory, c, consumer_size(c->name_len));
    return false;
}

void xconsumer_free(size_t *memory, struct xconsumer *c) {
    while (consumer_dismantle(memory, c)) {
    }
}

static const struct xconsumer *owner(const struct xtree *pending, unsigned at) {
    const struct xdelivery *d = xspot_record(pending, (struct xspot){pending->first, at});
    return d->consumer;
}

/* Takes a consumer's out of the group's: one by one, or by writing what stays anew where that is less. */
static void forget_pending(struct xstream *x, struct xgroup *g, const struct xconsumer *c) {
    enum { ONE_COSTS = 16 }; /* times what passing one takes */
    struct xtree *all = &g->pending, kept;
    if (c->pending.count * ONE_COSTS < all->count) {
        for (struct xspot p = xtree_first(&c->pending); p.leaf; p = xtree_next(p))
            xtree_remove(all, &x->bytes, xspot_id(p));
        return;
    }
    xtree_init(&kept, all->width);
    for (; all->root; xtree_drop_first(all, &x->bytes))
        for (unsigned i = 0, n; i < all->first->n; i += n + 1) { /* runs of what stays */
            for (n = 0; i + n < all->first->n && owner(all, i + n) != c; n++) {
            }
            xtree_append(&kept, &x->bytes, (struct xspot){all->first, i}, n);
        }
    *all = kept;
}

void xconsumer_remove(struct store *s, int db, struct entry *e, struct xgroup *g,
                      struct xconsumer *c) {
    struct xstream *x = xstream_of(e);
    bool found;
    size_t before = xstream_open(s, db, e);
    bool taken = x->walked && xwalk_takes_consumer(x, g, c);
    forget_pending(x, g, c);
    uint32_t at = row_find((void *const *)g->consumers, g->consumer_count, xconsumer_name(c),
                           name_of_consumer, &found);
    must(found && g->consumers[at] == c, "a consumer is one of its group");
    row_remove(g->consumers, &g->consumer_count, at);
    if (!taken) xconsumer_free(&x->bytes, c);
    g->changes++;
    xstream_shut(s, e, before);
}

bool xgroup_dismantle(size_t *memory, struct xgroup *g) {
    if (xtree_dismantle(&g->pending, memory, NULL, NULL)) return true;
    if (g->consumer_count) {
        if (!consumer_dismantle(memory, g->consumers[g->consumer_count - 1])) g->consumer_count--;
        return true;
    }
    if (g->consumers) mem_free(memory, g->consumers, row_bytes(g->consumer_cap));
    mem_free(memory, g, group_size(g->name_len));
    return false;
}

void xgroup_remove(struct store *s, int db, struct entry *e, struct xgroup *g) {
    struct xstream *x = xstream_of(e);
    bool found;
    size_t before = xstream_open(s, db, e);
    uint32_t at =
        row_find((void *const *)x->groups, x->group_count, xgroup_name(g), name_of_group, &found);
    must(found && x->groups[at] == g, "a group is one of its stream");
    row_remove(x->groups, &x->group_count, at);
    if (!x->walked || !xwalk_takes_group(x, g)) xgroup_bury(s, &x->bytes, g);
    xstream_shut(s, e, before);
}

/* ---- Copies and checks ------------------------------------------------------------------------ */

struct xgroup *xgroup_copy(size_t *memory, const struct xgroup *from) {
    struct xgroup *g = group_new(memory, xgroup_name(from));
    g->last_id = from->last_id;
    g->entries_read = from->entries_read;
    for (uint32_t i = 0; i < from->consumer_count; i++) {
        struct xconsumer *old = from->consumers[i];
        struct xconsumer *c = consumer_new(memory, xconsumer_name(old), old->seen_ms);
        xtree_copy(&c->pending, memory, &old->pending);
        g->consumers = row_insert(memory, g->consumers, &g->consumer_count, &g->consumer_cap, i, c);
        old->rank = i;
    }
    xtree_copy(&g->pending, memory, &from->pending);
    for (struct xspot p = xtree_first(&g->pending); p.leaf; p = xtree_next(p)) {
        struct xdelivery *d = xspot_record(&g->pending, p);
        d->consumer = g->consumers[d->consumer->rank];
    }
    return g;
}

size_t xgroups_row_bytes(const struct xstream *x) {
    return x->groups ? mem_class(row_bytes(x->group_cap)) : 0;
}

size_t xconsumer_bytes(const struct xconsumer *c) {
    return mem_class(consumer_size(c->name_len)) + xtree_bytes(&c->pending);
}

size_t xgroup_bytes(const struct xgroup *g) {
    size_t bytes = mem_class(group_size(g->name_len));
    if (g->consumers) bytes += mem_class(row_bytes(g->consumer_cap));
    for (uint32_t i = 0; i < g->consumer_count; i++) bytes += xconsumer_bytes(g->consumers[i]);
    return bytes + xtree_bytes(&g->pending);
}

void xgroup_verify(const struct xgroup *g) {
    size_t pending = 0;
    xtree_verify(&g->pending);
    must(g->consumer_count <= g->consumer_cap, "a group's consumers fit their row");
    for (uint32_t i = 0; i < g->consumer_count; i++) {
        const struct xconsumer *c = g->consumers[i];
        must(!i || name_cmp(xconsumer_name(g->consumers[i - 1]), xconsumer_name(c)) < 0,
             "consumers stand in the order of their names");
        xtree_verify(&c->pending);
        pending += c->pending.count;
        for (struct xspot p = xtree_first(&c->pending); p.leaf; p = xtree_next(p)) {
            struct xspot there = xtree_find(&g->pending, xspot_id(p));
            must(there.leaf, "what is pending for a consumer is pending in the group");
            const struct xdelivery *d = xspot_record(&g->pending, there);
            must(d->consumer == c, "a pending entry is of the consumer that its group says");
        }
    }
    must(pending == g->pending.count, "what is pending in the group is pending for a consumer");
}

void xgroups_verify_order(const struct xstream *x) {
    must(x->group_count <= x->group_cap, "groups fit their row");
    for (uint32_t i = 1; i < x->group_count; i++)
        must(name_cmp(xgroup_name(x->groups[i - 1]), xgroup_name(x->groups[i])) < 0,
             "groups stand in the order of their names");
}
