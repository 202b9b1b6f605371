/* The control socket: going back to a backup set, or to a second of the log. See control.h.
 *
 * Before the data goes, slaves are dropped, writes pause until nothing that was executed waits to be told, and in a pair
 * had must have said that this node serves alone (DUET ALONE 1): then the slave is outdated in writing and cannot promote
 * with what is being rolled back. From there until the end service clients get -LOADING, while DUET STATUS goes on saying
 * that all is well. */
#include "server/control.h"

#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/blocked.h"
#include "server/output.h"
#include "server/pair.h"
#include "server/persist/rollback.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>

enum { PAUSE_MS = 1000 };

static bool barred; /* slaves are, by a rollback */

static bool ready(void *arg) {
    (void)arg;
    if (!server.repl || server.role != REPL_MASTER) return false;
    if (!barred) repl_bar(server.repl, true);
    barred = true;
    if (pair_on() && !repl_alone(server.repl)) return false;
    server.had_pause_until_ns = clock_boot_ns() + PAUSE_MS * NS_PER_MS;
    repl_before_sleep(server.repl);
    return output_held_count() == 0;
}

static void begin(void *arg) {
    server.rolling_back = true;
    blocked_end_all();
    server_replaced(arg);
    server_refresh();
}

static void end(void *arg, bool ok) {
    server.rolling_back = false;
    server.had_pause_until_ns = 0;
    if (ok)
        repl_renew(server.repl);
    else if (barred)
        repl_bar(server.repl, false);
    barred = false;
    server_replaced(arg);
    server_refresh();
}

static void tell(struct call *c) {
    static const char *const states[] = {[ROLLBACK_IDLE] = "idle",
                                         [ROLLBACK_RUNNING] = "running",
                                         [ROLLBACK_DONE] = "done",
                                         [ROLLBACK_FAILED] = "failed"};
    static const char *const stages[] = {[ROLLBACK_VERIFY] = "verify",
                                         [ROLLBACK_COPY] = "copy",
                                         [ROLLBACK_WAIT] = "wait",
                                         [ROLLBACK_LOAD] = "load"};
    struct rollback_status s = {.set = "", .tail = "", .reason = ""};
    struct answer f = {BUF_INIT, 0};
    if (server.persist) rollback_status(server.persist, &s);
    answer_word(&f, "state", states[s.state]);
    answer_word(&f, "stage", s.state == ROLLBACK_RUNNING ? stages[s.stage] : "-");
    answer_word(&f, "dir", s.set);
    answer_number(&f, "until_us", s.until_us);
    answer_number(&f, "progress", (uint64_t)(s.progress * 1000));
    answer_number(&f, "keys", s.keys);
    answer_number(&f, "offset", s.offset);
    answer_number(&f, "wall_us", s.wall_us);
    answer_word(&f, "replid", s.replid);
    answer_word(&f, "tail", s.tail);
    answer_word(&f, "reason", s.reason);
    answer_send(&f, c->out);
}

static void start(struct call *c, const char *set, uint64_t until_us, const char *log) {
    static const struct rollback_world world = {.ready = ready, .begin = begin, .end = end};
    char err[900];
    if (!server.persist || !server.repl || server_loading())
        reply_error(c, "ERR the data is being loaded; try again when it is there");
    else if (server.role != REPL_MASTER)
        reply_error(c, "ERR only a master is rolled back; its slave follows by itself");
    else if (until_us > (uint64_t)clock_wall_us())
        reply_error(c, "ERR that time has not come yet");
    else if (repl_before_sleep(server.repl),
             rollback_start(server.persist, set, until_us, log, &world, err, sizeof err))
        reply_ok(c);
    else
        reply_errorf(c, "ERR %s", err);
}

/* A path from the root, as a string. */
static bool take_path(char *to, size_t size, struct bytes path) {
    if (path.len == 0 || path.len >= size || memchr(path.p, 0, path.len) || path.p[0] != '/')
        return false;
    memcpy(to, path.p, path.len);
    to[path.len] = 0;
    return true;
}

void duet_rollback(struct call *c) {
    char set[1024], log[1024];
    uint64_t until_us;
    struct bytes dir = c->argv[2];
    if (bytes_is(dir, "status") && c->argc == 3) {
        tell(c);
        return;
    }
    if (c->argc != 4 && c->argc != 5) {
        reply_error(c, "ERR DUET ROLLBACK takes DIR|- until_us|0 [LOG], or STATUS");
        return;
    }
    bool own = bytes_is(dir, "-"), other_log = c->argc == 5;
    if (!num_parse_u64(c->argv[3].p, c->argv[3].len, &until_us))
        reply_error(c, "ERR the time is not a number of microseconds");
    else if (!own && !take_path(set, sizeof set, dir))
        reply_error(c, "ERR the set's directory must be given from the root");
    else if (other_log && !take_path(log, sizeof log, c->argv[4]))
        reply_error(c, "ERR the log's directory must be given from the root");
    else
        start(c, own ? NULL : set, until_us, other_log ? log : NULL);
}
