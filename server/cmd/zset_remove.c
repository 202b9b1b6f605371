/* Removing members of sorted sets: ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX. */
#include "server/cmd/families.h"
#include "server/cmd/zsets.h"

bool zsets_removed(struct call *c, struct bytes key, struct entry *e, const char *event,
                   uint64_t n) {
    bool emptied = zset_len(e) == 0;
    if (emptied) store_delete(c->store, c->db, e);
    call_changed(c, key);
    c->dirty += n - 1;
    call_notify(c, NOTIFY_ZSET, event, key);
    if (emptied) call_notify(c, NOTIFY_GENERIC, "del", key);
    return !emptied;
}

void cmd_zrem(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    uint64_t n = 0;
    if (!call_is_kind(c, e, KIND_ZSET)) return;
    for (int i = 2; e && i < c->argc && zset_len(e) > 0; i++)
        n += zset_remove(c->store, c->db, e, c->argv[i]);
    if (n) zsets_removed(c, c->argv[1], e, "zrem", n);
    reply_int(c, (int64_t)n);
}

static void remove_ranks(struct call *c, struct entry *e, struct rank_range r, const char *event) {
    if (r.count) {
        zset_remove_ranks(c->store, c->db, e, r.first, r.count);
        zsets_removed(c, c->argv[1], e, event, r.count);
    }
    reply_int(c, (int64_t)r.count);
}

/* The sorted set to remove from; NULL after the reply. */
static struct entry *find(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_ZSET)) return NULL;
    if (!e) reply_int(c, 0);
    return e;
}

void cmd_zremrangebyrank(struct call *c) {
    int64_t start, end;
    if (!arg_int(c, 2, &start) || !arg_int(c, 3, &end)) return;
    struct entry *e = find(c);
    if (e) remove_ranks(c, e, ranks_by_index(zset_len(e), start, end), "zremrangebyrank");
}

void cmd_zremrangebyscore(struct call *c) {
    struct score_range r;
    if (!arg_score_range(c, 2, 3, &r)) return;
    struct entry *e = find(c);
    if (e) remove_ranks(c, e, ranks_by_score(e, &r), "zremrangebyscore");
}

void cmd_zremrangebylex(struct call *c) {
    struct name_range r;
    if (!arg_name_range(c, 2, 3, &r)) return;
    struct entry *e = find(c);
    if (e) remove_ranks(c, e, ranks_by_name(e, &r, false, 0), "zremrangebylex");
}
