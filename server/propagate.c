/* What happens around a command's effect: the stream is fed, watchers are told, hits are counted. */
#include "server/blocked.h"
#include "server/dispatch.h"
#include "server/server.h"

static void propagate(struct call *c, int db, int argc, const struct bytes *argv) {
    (void)c;
    if (server.repl) repl_feed(server.repl, db, argc, argv);
}

static void changed(struct call *c, int db, struct bytes key) {
    (void)c;
    if (multi_watching()) multi_touched(db, key);
}

static void flushed(struct call *c, int db) {
    (void)c;
    if (multi_watching()) multi_flushed(db);
    blocked_note_all(db);
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
    .looked_up = looked_up,
    .expired = expired,
    .ready = blocked_note,
    .block = blocked_wait,
};

const struct call_ops replay_ops = {
    .changed = changed,
    .flushed = flushed,
    .expired = expired,
};
