/* The control socket: fingerprints of the data, by which master and slaves are compared. See control.h. */
#include "server/control.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/proto/cmdstream.h"
#include "server/proto/rdb_digest.h"
#include "server/proto/replline.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ROOM_BYTES = 1 << 20, SLAVES_MAX = 64 };

static struct {
    enum { NONE, WAITING, RUNNING, DONE, FAILED } state;
    bool slave; /* the master's mark asked for it */
    uint64_t id, offset, begun_ns, took_ms;
    int64_t instant_us;
    struct persist_walk *walk;
    struct rdb_digest d;
    char text[RDB_DIGEST_CHARS + 1], reason[240];
} now;

static void tell_master(void) {
    char text[REPL_DIGEST_CHARS + 1];
    snprintf(text, sizeof text, "%" PRIu64 " %s %" PRIu64, now.id,
             now.state == DONE ? now.text : "-", now.state == DONE ? rdb_digest_keys(&now.d) : 0);
    if (now.slave) repl_tell_digest(server.repl, text);
}

static void over(const char *reason) {
    now.walk = NULL;
    now.took_ms = (clock_boot_ns() - now.begun_ns) / NS_PER_MS;
    now.state = reason ? FAILED : DONE;
    snprintf(now.reason, sizeof now.reason, "%s", reason ? reason : "");
    if (!reason) rdb_digest_text(&now.d, -1, now.text);
    tell_master();
    if (reason)
        log_warning("the fingerprint of the data could not be taken: %s", reason);
    else
        log_notice("fingerprint of %" PRIu64 " keys at offset %" PRIu64 ": %s",
                   rdb_digest_keys(&now.d), now.offset, now.text);
}

/* ---- The walk ---------------------------------------------------------------------------------- */

/* The master's mark stands exactly where its walk begins. */
static void put_mark(int db) {
    char text[64];
    int n = snprintf(text, sizeof text, "%" PRIu64 " %" PRId64, now.id, now.instant_us);
    const struct bytes words[] = {BYTES("REPLCONF"),
                                  BYTES("capa"),
                                  BYTES(CMDSTREAM_DIGEST),
                                  BYTES("capa"),
                                  {text, (size_t)n}};
    repl_feed(server.repl, db < 0 ? 0 : db, 5, words);
    now.offset =
        repl_offset(server.repl) - replline_request_size(5, words); /* a SELECT may be before it */
}

static void walk_begins(void *arg, const struct persist_pos *pos) {
    (void)arg;
    now.state = RUNNING;
    now.offset = pos->offset;
    if (!now.slave) {
        now.instant_us = clock_wall_us();
        put_mark(pos->db);
    }
    rdb_digest_init(&now.d, store_databases(server.store), now.instant_us / 1000);
}

static void walk_bytes(void *arg, const void *p, size_t n) {
    (void)arg;
    if (!now.d.error[0]) rdb_digest_add(&now.d, p, n);
}

static size_t walk_room(void *arg) {
    (void)arg;
    return ROOM_BYTES;
}

static void walk_ends(void *arg, bool ok, const char *reason) {
    (void)arg;
    if (!ok)
        over(reason);
    else if (now.d.error[0])
        over(now.d.error);
    else
        over(now.d.ended ? NULL : "the walk ended before the data did");
}

static void start(uint64_t id, bool slave) {
    const struct persist_sink sink = {.begin = walk_begins,
                                      .bytes = walk_bytes,
                                      .room = walk_room,
                                      .end = walk_ends,
                                      .kind = PERSIST_WALK_DIGEST,
                                      .plain = true};
    if (now.walk) persist_walk_cancel(now.walk);
    rdb_digest_free(&now.d);
    memset(&now, 0, sizeof now);
    now.state = WAITING;
    now.slave = slave;
    now.id = id;
    now.begun_ns = clock_boot_ns();
    now.walk = persist_walk_start(server.persist, &sink);
}

void control_digest_mark(struct bytes text) {
    char copy[64] = "";
    uint64_t id;
    int64_t instant_us;
    snprintf(copy, sizeof copy, "%.*s", (int)(text.len < 63 ? text.len : 63), text.p);
    if (sscanf(copy, "%" SCNu64 " %" SCNd64, &id, &instant_us) != 2) return;
    start(id, true);
    now.instant_us = instant_us;
    struct persist_walk *w = now.walk;
    if (persist_walk_begin(w)) return;
    if (now.state != WAITING) return; /* it was given up, and said so */
    persist_walk_cancel(w);
    over("another snapshot was being made at that moment; ask again later");
}

/* ---- The commands ------------------------------------------------------------------------------ */

static void answer_indexed(struct answer *f, const char *what, size_t i, const char *name,
                           const char *v) {
    char field[40];
    snprintf(field, sizeof field, "%s.%zu.%s", what, i, name);
    answer_word(f, field, v);
}

static void answer_dbs(struct answer *f) {
    size_t count = 0;
    char text[RDB_DIGEST_CHARS + 1];
    for (int i = 0; now.state == DONE && i < now.d.databases; i++) count += now.d.db[i].keys > 0;
    answer_number(f, "dbs", count);
    count = 0;
    for (int i = 0; now.state == DONE && i < now.d.databases; i++) {
        if (!now.d.db[i].keys) continue;
        snprintf(text, sizeof text, "%d", i);
        answer_indexed(f, "db", count, "number", text);
        snprintf(text, sizeof text, "%" PRIu64, now.d.db[i].keys);
        answer_indexed(f, "db", count, "keys", text);
        rdb_digest_text(&now.d, i, text);
        answer_indexed(f, "db", count++, "digest", text);
    }
}

/* What a slave told of this fingerprint; digest and keys stay as they are when it told nothing. */
static const char *result_of(const struct repl_slave_info *s, char *digest, char *keys) {
    uint64_t id = 0;
    char its_digest[RDB_DIGEST_CHARS + 1], its_keys[21];
    bool told =
        sscanf(s->digest, "%" SCNu64 " %32s %20s", &id, its_digest, its_keys) == 3 && id == now.id;
    if (!told || now.state != DONE) return "waiting";
    strcpy(digest, its_digest);
    strcpy(keys, its_keys);
    return strcmp(digest, "-") == 0 ? "failed" : strcmp(digest, now.text) == 0 ? "same" : "differs";
}

static void answer_slave(struct answer *f, size_t i, const struct repl_slave_info *s) {
    char digest[RDB_DIGEST_CHARS + 1] = "-", keys[24] = "0", port[8];
    const char *result = result_of(s, digest, keys);
    snprintf(port, sizeof port, "%u", s->port);
    answer_indexed(f, "slave", i, "host", s->host);
    answer_indexed(f, "slave", i, "port", port);
    answer_indexed(f, "slave", i, "result", result);
    answer_indexed(f, "slave", i, "keys", keys);
    answer_indexed(f, "slave", i, "digest", digest);
}

static void status(struct call *c) {
    static const char *const states[] = {"none", "waiting", "running", "done", "failed"};
    static struct repl_slave_info slaves[SLAVES_MAX];
    struct answer f = {.count = 0};
    size_t n = repl_slaves(server.repl, slaves, SLAVES_MAX);
    if (n > SLAVES_MAX) n = SLAVES_MAX;
    answer_word(&f, "state", states[now.state]);
    answer_number(&f, "id", now.id);
    answer_number(&f, "offset", now.offset);
    answer_number(&f, "instant_us", (uint64_t)now.instant_us);
    answer_number(&f, "took_ms", now.took_ms);
    answer_number(&f, "keys", now.state == DONE ? rdb_digest_keys(&now.d) : 0);
    answer_word(&f, "digest", now.state == DONE ? now.text : "-");
    answer_word(&f, "reason", now.reason);
    answer_dbs(&f);
    answer_number(&f, "slaves", n);
    for (size_t i = 0; i < n; i++) answer_slave(&f, i, &slaves[i]);
    answer_send(&f, c->out);
}

/* Nobody can go on from a line that was never theirs. */
static void resync(struct call *c) {
    static struct repl_slave_info slaves[SLAVES_MAX];
    char digest[RDB_DIGEST_CHARS + 1], keys[24];
    size_t n = repl_slaves(server.repl, slaves, SLAVES_MAX);
    bool any = false;
    for (size_t i = 0; i < n && i < SLAVES_MAX; i++)
        any = any || strcmp(result_of(&slaves[i], digest, keys), "differs") == 0;
    if (!any) {
        reply_error(c, "ERR no slave's data is known to differ");
        return;
    }
    log_warning("a slave's data differs from this master's: slaves copy it anew");
    repl_change_id(server.repl);
    repl_drop_slaves(server.repl, "its data differs from this master's");
    reply_ok(c);
}

void duet_digest(struct call *c) {
    char text[40];
    if (!server.repl) {
        reply_error(c, "LOADING the log is still being read; ask again");
    } else if (bytes_is(c->argv[2], "status")) {
        status(c);
    } else if (!bytes_is(c->argv[2], "start") && !bytes_is(c->argv[2], "resync")) {
        reply_error(c, "ERR DUET DIGEST takes START, STATUS or RESYNC");
    } else if (server.role != REPL_MASTER) {
        reply_error(c, "ERR only a master compares");
    } else if (bytes_is(c->argv[2], "resync")) {
        resync(c);
    } else if (now.walk) {
        reply_error(c, "ERR a fingerprint is being taken already");
    } else {
        start((uint64_t)clock_wall_us(), false);
        snprintf(text, sizeof text, "OK %" PRIu64, now.id);
        reply_status(c, text);
    }
}
