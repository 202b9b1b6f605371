/* A full copy on its way. Where there is memory for it it is loaded beside the data while it comes, and takes the data's place when it
 * is whole: until then data, line and log are the old ones, whatever happens. Where there is not, it is received into a file and
 * looked through, and only then is the data given up and the file loaded.
 *
 *     COPY_NONE -receive-> COPY_COMES -all bytes-> COPY_WHOLE -loaded beside, or checked-> COPY_TAKEN -done-> COPY_NONE
 *
 * A connection that is lost ends a copy that comes. One that is whole goes on without it: what follows its offset is asked for later. */
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/repl/link_inside.h"
#include "server/store/store.h"

#include <stdlib.h>
#include <string.h>

static void take_it(struct link *k);

/* ---- beside the data ---------------------------------------------------------------------------- */

static bool no_keys(const struct store *s) {
    for (int db = 0; db < store_databases(s); db++)
        if (store_count(s, db)) return false;
    return true;
}

/* Without data there is nothing that could make room. */
static bool fits(void *arg, size_t bytes) {
    const struct link *k = arg;
    const struct repl *r = k->r;
    return !r->world.copy_fits || no_keys(r->store) || r->world.copy_fits(r->world.arg, 0, bytes);
}

static bool may_fit(const struct link *k) {
    const struct repl *r = k->r;
    uint64_t expected =
        k->header.kind == REPLLINE_LENGTH ? k->header.number : store_memory(r->store);
    return !r->world.copy_fits || no_keys(r->store) ||
           r->world.copy_fits(r->world.arg, expected, 0);
}

static void fails(struct link *k, const char *what, const char *why) {
    link_complain(k, "%s: %s", what, why);
    k->copy_fails++;
    if (k->fsm.state == LINK_TRANSFER || k->fsm.state == LINK_LOADING) link_event(k, LINK_EV_LOST);
    link_copy_drop(k);
    repl_changed(k->r);
}

static void ended_beside(void *arg, enum persist_beside_end end, const char *why) {
    struct link *k = arg;
    switch (end) {
    case PERSIST_BESIDE_LOADED:
        k->spool.db = persist_beside_loaded(k->r->persist)->pos.db;
        k->loaded_beside = true;
        if (k->copy == COPY_WHOLE) take_it(k);
        return;
    case PERSIST_BESIDE_BAD:
        k->beside = false;
        fails(k, "the copy is damaged, or cannot be held here", why);
        return;
    case PERSIST_BESIDE_NO_ROOM:
        k->beside = false;
        log_warning("replication: memory is short: the old data cannot be kept until the copy is "
                    "loaded, and is dropped when all of it was received and checked");
        k->spool.check = true; /* and what came so far before the end */
        if (k->copy == COPY_WHOLE) loop_timer_start(k->check, 0, 0);
        repl_changed(k->r);
        return;
    }
}

static void begin_beside(struct link *k) {
    const struct persist_copy copy = {.arg = k,
                                      .read = link_copy_read,
                                      .stop = link_copy_read_stop,
                                      .fits = fits,
                                      .ended = ended_beside,
                                      .size = k->spool.total};
    persist_beside(k->r->persist, &copy);
}

/* On the loader's thread: the spool stays where it is until it has ended. */
ssize_t link_copy_read(void *arg, void *p, size_t n) {
    struct link *k = arg;
    return spool_read(&k->spool, p, n);
}

void link_copy_read_stop(void *arg) {
    struct link *k = arg;
    spool_read_stop(&k->spool);
}

/* ---- receiving ---------------------------------------------------------------------------------- */

void link_copy_receive(struct link *k) {
    struct repl *r = k->r;
    char *path = xasprintf("%s/" LINK_COPY_FILE, r->dir);
    must(k->copy == COPY_NONE, "one copy comes at a time");
    k->beside = may_fit(k);
    k->loaded_beside = false;
    log_notice("replication: receiving a full copy from %s:%u, offset %llu%s", k->host, k->port,
               (unsigned long long)k->full_offset,
               k->beside ? "; the data stays in use until it is loaded"
                         : "; there is no memory for it beside the data, which is dropped when all "
                           "of it was received and checked");
    if (spool_open(&k->spool, path, &k->header, store_databases(r->store), !k->beside)) {
        k->copy = COPY_COMES;
        if (k->beside) begin_beside(k);
        repl_changed(r);
    } else {
        link_complain(k, "%s", k->spool.error);
        k->copy_fails++;
        spool_close(&k->spool, false);
        link_event(k, LINK_EV_LOST);
    }
    free(path);
}

bool link_take_copy(struct link *k) {
    size_t used;
    enum spool_state st = spool_add(&k->spool, buf_head(&k->in), buf_len(&k->in), &used);
    if (st == SPOOL_BAD) {
        link_complain(k, "%s", k->spool.error);
        k->copy_fails++;
        link_event(k, LINK_EV_LOST);
        return false;
    }
    buf_eat(&k->in, used);
    k->copy_total = k->spool.total;
    k->copy_got = k->spool.got + buf_len(&k->spool.window);
    if (st == SPOOL_DONE) link_event(k, LINK_EV_RDB_END);
    return st == SPOOL_DONE;
}

/* A step of looking through what came while it was still to be loaded beside. */
static void check_more(struct loop *l, void *arg) {
    struct link *k = arg;
    (void)l;
    switch (spool_check(&k->spool)) {
    case SPOOL_MORE: loop_timer_start(k->check, 0, 0); return;
    case SPOOL_DONE: take_it(k); return;
    case SPOOL_BAD: fails(k, "the copy", k->spool.error); return;
    }
}

struct loop_timer *link_copy_timer(struct link *k) {
    return loop_timer_new(k->r->loop, check_more, k);
}

void link_copy_load(struct link *k) {
    k->copy = COPY_WHOLE;
    if (k->beside) {
        if (k->loaded_beside) take_it(k);
    } else {
        loop_timer_start(k->check, 0, 0);
    }
}

void link_copy_lost(struct link *k) {
    if (k->copy == COPY_COMES) link_copy_drop(k);
}

void link_copy_drop(struct link *k) {
    if (k->copy == COPY_NONE || k->copy == COPY_TAKEN) return;
    k->copy = COPY_NONE;
    k->copy_total = k->copy_got = 0;
    loop_timer_stop(k->check);
    persist_beside_drop(k->r->persist);
    spool_close(&k->spool, false);
}

/* ---- it becomes the data ------------------------------------------------------------------------ */

static void data_goes(struct repl *r) {
    feeds_drop(r, "this slave takes a full copy itself");
    feeds_reap(r);
    transfers_close(r);
}

static void taken(void *arg, bool ok, const char *reason) {
    struct link *k = arg;
    struct repl *r = k->r;
    k->copy = COPY_NONE;
    k->copy_total = k->copy_got = 0;
    if (ok) {
        data_goes(r); /* who follows us has the old line */
        stream_restart(r, k->full_id, k->full_offset, k->spool_db);
        r->whole = true;
        r->diverged = false;
        k->copy_fails = 0;
        r->copies++;
        first_copy_end(r);
        log_notice("replication: the copy is loaded: %s", reason);
    } else {
        r->whole = !persist_loaded(r->persist)->damaged;
        k->copy_fails++;
        link_complain(k, "the copy could not be loaded: %s", reason);
    }
    if (r->world.replaced) r->world.replaced(r->world.arg);
    if (k->start_later) {
        k->start_later = false;
        link_event(k, LINK_EV_START);
    } else {
        link_event(k, ok ? LINK_EV_LOADED : LINK_EV_LOST);
        link_take_read(k); /* of the stream some may have come with the copy's end */
    }
    repl_changed(r);
}

static void take_it(struct link *k) {
    struct repl *r = k->r;
    char err[160];
    struct persist_pos pos = {.offset = k->full_offset, .db = k->spool.db};
    memcpy(pos.id, k->full_id, sizeof pos.id);
    char *path = xstrdup(k->spool.path);
    k->spool_db = k->spool.db;
    spool_close(&k->spool, true);
    if (!k->beside) data_goes(r);
    if (r->world.replaced) r->world.replaced(r->world.arg);
    bool begun =
        persist_replace(r->persist, path, &pos, k->keep_old || persist_loaded(r->persist)->damaged,
                        taken, k, err, sizeof err);
    free(path);
    if (begun) {
        k->copy = COPY_TAKEN;
        if (!k->beside) r->whole = false;
        repl_changed(r);
        return;
    }
    fails(k, "the copy cannot be loaded", err);
}
