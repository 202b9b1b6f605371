/* What happens around a command's effect: the stream is fed, watchers are told, hits are counted. */
#include "server/blocked.h"
#include "server/dispatch.h"
#include "server/migrate.h"
#include "server/notify.h"
#include "server/push.h"
#include "server/server.h"
#include "server/slave_expiry.h"
#include "server/tracking.h"

static void propagate(struct call *c, int db, int argc, const struct bytes *argv) {
    (void)c;
    if (server.repl) repl_feed(server.repl, db, argc, argv);
}

static void changed(struct call *c, int db, struct bytes key) {
    if (multi_watching()) multi_touched(db, key);
    if (tracking_in_use) tracking_changed(c, key);
    if (migrate_under_way) migrate_touched(db, key);
    if (__builtin_expect(blocked_watching, 0)) blocked_note_changed(db, key);
    if (__builtin_expect((c->flags & (CALL_ON_SLAVE | CALL_FROM_MASTER)) == CALL_ON_SLAVE, 0))
        slave_expiry_note(c, db, key);
}

static void flushed(struct call *c, int db) {
    if (multi_watching()) multi_flushed(db);
    if (tracking_in_use) tracking_flushed(c);
    if (migrate_under_way) migrate_flushed(db);
    if (db == -1) slave_expiry_forget();
    if (db == -1) server_flushed_all();
    blocked_note_all(db);
}

static void swapped(struct call *c, int a, int b) {
    if (multi_watching()) multi_swapped(a, b, c->now_ms);
    if (migrate_under_way) migrate_flushed(a);
    if (migrate_under_way) migrate_flushed(b);
    blocked_note_all(a);
    blocked_note_all(b);
}

static void looked_up(struct call *c, bool hit) {
    (void)c;
    if (hit)
        server.stats.hits++;
    else
        server.stats.misses++;
}

static void expired(struct call *c) {
    (void)c;
    server.stats.expired_keys++;
}

const struct call_ops service_ops = {
    .propagate = propagate,
    .changed = changed,
    .flushed = flushed,
    .swapped = swapped,
    .looked_up = looked_up,
    .expired = expired,
    .ready = blocked_note,
    .block = blocked_wait,
    .notify = notify_event,
    .too_big = push_reply_too_big,
};

const struct call_ops replay_ops = {
    .changed = changed,
    .flushed = flushed,
    .swapped = swapped,
    .expired = expired,
    .notify = notify_event,
    .ready = blocked_note,
};

void drop_key(int db, struct entry *e, int notify_class, const char *event) {
    static struct buf name; /* the entry is gone before everyone was told */
    struct bytes key = entry_key(e);
    struct call c = {.store = server.store, .ops = &service_ops, .db = db, .resp = 2};
    buf_clear(&name);
    buf_add(&name, key.p, key.len);
    key.p = buf_cstr(&name);
    store_delete(server.store, db, e);
    repl_feed(server.repl, db, 2, (struct bytes[]){BYTES("DEL"), key}); /* a slave feeds nobody */
    service_ops.changed(&c, db, key);
    call_notify_db(&c, notify_class, event, db, key);
}
