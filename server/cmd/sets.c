/* The set commands on one set; those that combine sets are in sets_combine.c, random members and SSCAN in
 * sets_pick.c. */
#include "server/cmd/sets.h"

#include "server/cmd/families.h"

struct entry *sets_new(struct call *c, struct bytes key) {
    struct entry *e = set_new(c->store, c->db, key, NO_EXPIRY);
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, key, e);
    return e;
}

void sets_removed(struct call *c, struct bytes key, struct entry *e, const char *event) {
    bool emptied = set_len(e) == 0;
    if (emptied) store_delete(c->store, c->db, e);
    call_changed(c, key);
    call_notify(c, NOTIFY_SET, event, key);
    if (emptied) call_notify(c, NOTIFY_GENERIC, "del", key);
}

bool sets_reply_member(void *arg, struct bytes member) {
    reply_bulk(arg, member);
    return true;
}

void cmd_sadd(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    uint64_t added = 0;
    if (!call_is_kind(c, e, KIND_SET)) return;
    if (!e) e = sets_new(c, c->argv[1]);
    for (int i = 2; i < c->argc; i++) added += set_add(c->store, c->db, e, c->argv[i]);
    if (added) {
        call_changed(c, c->argv[1]);
        c->dirty += added - 1;
        call_notify(c, NOTIFY_SET, "sadd", c->argv[1]);
    }
    reply_int(c, (int64_t)added);
}

void cmd_srem(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    uint64_t n = 0;
    if (!call_is_kind(c, e, KIND_SET)) return;
    for (int i = 2; e && i < c->argc && set_len(e) > 0; i++)
        n += set_remove(c->store, c->db, e, c->argv[i]);
    if (n) {
        sets_removed(c, c->argv[1], e, "srem");
        c->dirty += n - 1;
    }
    reply_int(c, (int64_t)n);
}

void cmd_smove(struct call *c) {
    struct bytes from_key = c->argv[1], to_key = c->argv[2], member = c->argv[3];
    struct entry *from = call_write(c, from_key), *to = call_write(c, to_key);
    if (!from) {
        reply_int(c, 0);
        return;
    }
    if (!call_is_kind(c, from, KIND_SET) || !call_is_kind(c, to, KIND_SET)) return;
    if (from == to || !set_has(from, member)) {
        reply_int(c, from == to && set_has(from, member));
        return;
    }
    set_remove(c->store, c->db, from, member);
    sets_removed(c, from_key, from, "srem");
    to = store_find(c->store, c->db, to_key);
    if (!to) to = sets_new(c, to_key);
    bool added = set_add(c->store, c->db, to, member);
    call_changed(c, to_key);
    if (added) call_notify(c, NOTIFY_SET, "sadd", to_key);
    reply_int(c, 1);
}

void cmd_sismember(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (call_is_kind(c, e, KIND_SET)) reply_int(c, e && set_has(e, c->argv[2]));
}

void cmd_smismember(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_SET)) return;
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) reply_int(c, e && set_has(e, c->argv[i]));
}

void cmd_scard(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (call_is_kind(c, e, KIND_SET)) reply_int(c, e ? (int64_t)set_len(e) : 0);
}

void cmd_smembers(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_SET)) return;
    reply_set(c, e ? set_len(e) : 0);
    if (e) set_each(e, sets_reply_member, c);
}
