/* What of the stream is kept for slaves, where, how far one may lag, and when nobody is expected any more.
 *
 * With a log, memory keeps repl-backlog-size and the log the rest. Without one, what a slave lacks beyond
 * repl-backlog-size and KEEP_BYTES goes into files without a name (overrun.h): memory stays flat however slow the
 * slave, and client-output-buffer-limit says when it is dropped. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/log.h"

enum {
    KEEP_BYTES = 8 << 20,
    TAKE_BYTES = 2 << 20 /* into the files in one turn; more when memory grows beyond that by far */
};
#define ASIDE_BYTES (4ULL << 30) /* when client-output-buffer-limit names no bound */

void stream_hear(struct repl *r) {
    r->heard = r->backlog_on = true;
    backlog_set_keep(r->backlog, r->o.backlog_bytes);
}

bool stream_aside_has(const struct repl *r, uint64_t offset) {
    return offset >= overrun_first(r->aside) && offset < overrun_end(r->aside);
}

uint64_t stream_first(const struct repl *r) {
    uint64_t memory = backlog_first(r->backlog);
    return overrun_bytes(r->aside) && overrun_first(r->aside) < memory ? overrun_first(r->aside)
                                                                       : memory;
}

/* ---- client-output-buffer-limit --------------------------------------------------------------- */

static bool takes_stream(const struct feed *f) {
    return !f->dead && f->state > FEED_WAIT && f->state != FEED_GIVEN;
}

/* One that still catches up, from its copy or a time away, costs no memory where the log serves it. */
static bool is_limited(const struct feed *f, bool log) {
    return takes_stream(f) && !f->conf.pair && (f->level || !log);
}

static void drop_late(struct repl *r, struct feed *f, const char *why) {
    r->limit_drops++;
    feed_end(f, why);
}

/* As in Redis a hard limit below the backlog's size is taken for that: what memory holds anyway is no cost of the
 * slave's. */
static void hold_to_limits(struct repl *r, struct feed *f, uint64_t end) {
    const struct repl_options *o = &r->o;
    uint64_t lag = end - f->sent, hard = o->slave_limit_bytes;
    if (hard && hard < o->backlog_bytes) hard = o->backlog_bytes;
    if (hard && lag >= hard) {
        drop_late(r, f, "it is further behind than client-output-buffer-limit lets it be");
        return;
    }
    if (!o->slave_soft_bytes || lag < o->slave_soft_bytes) {
        f->soft_ns = 0;
        return;
    }
    uint64_t now = clock_boot_ns();
    if (!f->soft_ns) f->soft_ns = now;
    if (now - f->soft_ns > (uint64_t)o->slave_soft_s * NS_PER_S)
        drop_late(r, f, "it has been behind for longer than client-output-buffer-limit lets it be");
}

/* ---- What is kept ------------------------------------------------------------------------------ */

static void drop_behind(struct repl *r, uint64_t memory_from) {
    for (struct feed *f = r->feeds; f; f = f->next) {
        if (!takes_stream(f) || f->sent >= memory_from) continue;
        log_warning("replication: slave %s is behind: %s", f->conf.host, overrun_failure(r->aside));
        drop_late(r, f, "what it lacks could not be put aside");
    }
    overrun_reset(r->aside);
}

/* Without a log: what is older than memory is kept for goes into the files. Returns what memory must hold. */
static uint64_t put_aside(struct repl *r, uint64_t need) {
    uint64_t end = backlog_end(r->backlog), keep = r->o.backlog_bytes + KEEP_BYTES;
    if (end - need <= keep) {
        if (overrun_bytes(r->aside)) overrun_drop(r->aside, need);
        return need;
    }
    uint64_t from = overrun_bytes(r->aside) ? overrun_end(r->aside) : need, until = end - keep;
    uint64_t most = r->o.slave_limit_bytes > ASIDE_BYTES ? 0 : ASIDE_BYTES;
    if (until > from && until - from > TAKE_BYTES)
        until = from + TAKE_BYTES + (until - from - TAKE_BYTES) / 16;
    if (until > from && !overrun_take(r->aside, r->backlog, need, until, most)) {
        drop_behind(r, until);
        return until;
    }
    overrun_drop(r->aside, need);
    return overrun_bytes(r->aside) ? overrun_end(r->aside) : need;
}

void stream_trim(struct repl *r) {
    uint64_t need = r->logged, end = backlog_end(r->backlog);
    bool log = persist_first_offset(r->persist) != UINT64_MAX;
    for (struct feed *f = r->feeds; f; f = f->next) {
        if (is_limited(f, log)) hold_to_limits(r, f, end);
        if (takes_stream(f) && f->sent < need) need = f->sent;
    }
    if (log)
        need = r->logged;
    else if (end - need > KEEP_BYTES || overrun_bytes(r->aside))
        need = put_aside(r, need);
    backlog_trim(r->backlog, need);
}

/* ---- repl-backlog-ttl --------------------------------------------------------------------------- */

/* No slave has been there for so long that none is expected: as in Redis the line ends with the backlog. In a pair
 * the peer may come back at any time. */
void stream_second(struct repl *r, uint64_t now_ns) {
    if (r->feeds || r->role != REPL_MASTER) r->last_slave_ns = now_ns;
    if (!r->backlog_on || r->o.node || r->barred || r->depth || r->o.backlog_ttl_s == 0) return;
    if (now_ns - r->last_slave_ns <= (uint64_t)r->o.backlog_ttl_s * NS_PER_S) return;
    log_notice("replication: no slave for repl-backlog-ttl (%lld s): the backlog is freed",
               (long long)r->o.backlog_ttl_s);
    repl_change_id(r);
    r->line_pending = r->heard = r->backlog_on = false;
    backlog_set_keep(r->backlog, 0);
    overrun_reset(r->aside);
    stream_trim(r);
}
