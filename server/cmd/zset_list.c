/* Members with scores, collected: see zsets.h. */
#include <math.h>
#include <stdlib.h>

#include "server/cmd/order.h"
#include "server/cmd/zsets.h"

void zlist_free(struct zlist *l) {
    buf_free(&l->text);
    free(l->items);
}

size_t zlist_add(struct zlist *l, struct bytes member, double score) {
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->items = xrealloc(l->items, l->cap * sizeof *l->items);
    }
    l->items[l->count] = (struct zitem){buf_len(&l->text), member.len, score};
    buf_add(&l->text, member.p, member.len);
    return l->count++;
}

struct bytes zlist_member(const struct zlist *l, size_t i) {
    const char *text = l->text.data ? buf_head(&l->text) : "";
    return (struct bytes){text + l->items[i].at, l->items[i].len};
}

static int compare(const void *a, const void *b, void *text) {
    const struct zitem *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    const char *base = text;
    int order = memcmp(base + x->at, base + y->at, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

void zlist_sort(struct zlist *l) {
    char *text = l->text.data ? buf_head(&l->text) : NULL;
    size_t i = 1;
    while (i < l->count && compare(&l->items[i - 1], &l->items[i], text) < 0) i++;
    if (i < l->count) order_part(l->items, l->count, sizeof *l->items, 0, l->count, compare, text);
}

/* A listpack has no -0. What a combination makes is not put into one unless it fits, so its -0 are lost only then. */
static void restore_signs(struct call *c, struct entry *e, const struct zlist *l) {
    if (zset_packed(e).p) return;
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].score != 0 || !signbit(l->items[i].score)) continue;
        zset_remove(c->store, c->db, e, zlist_member(l, i));
        zset_put(c->store, c->db, e, zlist_member(l, i), l->items[i].score);
    }
}

void zlist_store(struct call *c, struct bytes key, struct zlist *l, const char *event) {
    struct entry *old = call_write(c, key), *e = NULL;
    if (old) store_delete(c->store, c->db, old);
    if (l->count) {
        e = zset_new(c->store, c->db, key, NO_EXPIRY);
        store_touch(c->store, e, c->now_ms);
        if (!old) call_created(c, c->db, key, e);
    }
    for (size_t i = 0; i < l->count; i++)
        zset_put(c->store, c->db, e, zlist_member(l, i), l->items[i].score);
    if (e && l->combined) restore_signs(c, e, l);
    bool tell_first = !strncmp(event, "geo", 3); /* as Redis has it */
    if (!tell_first) reply_int(c, (int64_t)l->count);
    if (e || old) call_changed(c, key);
    if (e)
        call_notify(c, NOTIFY_ZSET, event, key);
    else if (old)
        call_notify(c, NOTIFY_GENERIC, "del", key);
    if (tell_first) reply_int(c, (int64_t)l->count);
}
