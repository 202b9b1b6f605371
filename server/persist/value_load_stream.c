#include "server/persist/value_stream.h"

#include <string.h>

#include "server/store/stream_group.h"

static struct xid id_at(const struct rdb_reader *r, int i) {
    return (struct xid){r->numbers[i], r->numbers[i + 1]};
}

static const char *load_node(struct value_load *v, const struct rdb_reader *r) {
    uint64_t be[2];
    if (r->a.len != sizeof be) return "holds a node whose id is no id";
    memcpy(be, r->a.p, sizeof be);
    struct xid id = {__builtin_bswap64(be[0]), __builtin_bswap64(be[1])};
    return xstream_load_node(v->store, v->db, v->e, id, r->b);
}

static const char *load_facts(struct value_load *v, const struct rdb_reader *r) {
    bool old = v->type == RDB_STREAM_LISTPACKS;
    struct xstream_facts f = {.last_id = id_at(r, 1)};
    struct xid last;
    f.entries_added = old ? r->numbers[0] : r->numbers[7];
    if (!old) f.max_deleted_id = id_at(r, 5);
    if (r->numbers[0] != xstream_len(v->e)) return "counts its entries wrongly";
    if (xstream_last_entry(v->e, &last) && xid_cmp(last, f.last_id) > 0)
        return "has an entry above its last id";
    xstream_set_facts(v->store, v->db, v->e, &f);
    return NULL;
}

static const char *load_group(struct value_load *v, const struct rdb_reader *r) {
    struct xid last = id_at(r, 0);
    int64_t read =
        v->type == RDB_STREAM_LISTPACKS ? xstream_added_until(v->e, last) : (int64_t)r->numbers[2];
    v->group = xgroup_add(v->store, v->db, v->e, r->a, last, read);
    return v->group ? NULL : "has a group twice";
}

static const char *load_consumer(struct value_load *v, const struct rdb_reader *r) {
    v->consumer = xconsumer_add(v->store, v->db, v->e, v->group, r->a, (int64_t)r->numbers[0]);
    return v->consumer ? NULL
                       : "has a consumer twice in a group (Duplicate stream consumer detected)";
}

static const char *load_pending(struct value_load *v, const struct rdb_reader *r) {
    struct xpending p = {id_at(r, 0), NULL, (int64_t)r->numbers[2], r->numbers[3]};
    if (xpending_load(v->store, v->db, v->e, v->group, &p)) return NULL;
    return "has an entry pending twice in a group, or out of order";
}

static const char *load_owned(struct value_load *v, const struct rdb_reader *r) {
    if (xpending_own(v->store, v->db, v->e, v->group, v->consumer, id_at(r, 0))) return NULL;
    return "has a consumer with an entry that is not pending in the group, or is another's";
}

static const char *load_part(struct value_load *v, const struct rdb_reader *r) {
    switch (r->part) {
    case RDB_STREAM_NODE: return load_node(v, r);
    case RDB_STREAM_FACTS: return load_facts(v, r);
    case RDB_STREAM_GROUP: return load_group(v, r);
    case RDB_STREAM_PENDING: return load_pending(v, r);
    case RDB_STREAM_CONSUMER: return load_consumer(v, r);
    case RDB_STREAM_OWNED: return load_owned(v, r);
    case RDB_STREAM_GROUP_END: break;
    }
    return xgroup_is_whole(v->group) ? NULL : "has an entry pending for no consumer";
}

bool value_stream_item(struct value_load *v, const struct rdb_reader *r) {
    v->why = load_part(v, r);
    if (!v->why) return true;
    store_delete(v->store, v->db, v->e);
    return false;
}
