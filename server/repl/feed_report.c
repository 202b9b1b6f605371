/* What others want to know of the slaves: how many, how far, how late. */
#include "server/repl/inside.h"

#include "server/base/clock.h"
#include "server/base/loop.h"
#include "server/base/stream.h"

#include <string.h>

int repl_slave_count(const struct repl *r) {
    int n = 0;
    for (const struct feed *f = r->feeds; f; f = f->next) n += !f->dead;
    return n;
}

static int64_t lag_s(const struct feed *f) {
    return (int64_t)((clock_boot_ns() - f->ack_ns) / NS_PER_S);
}

void feeds_note_end(struct repl *r, uint64_t now_ns) {
    unsigned at = r->ends_at++ % REPL_ENDS;
    r->ends[at].offset = backlog_end(r->backlog);
    r->ends[at].ns = now_ns;
}

/* Since when at least it lacks something, to a second or so; 0: it does not, or not for that long. */
static uint64_t behind_ns(const struct feed *f) {
    const struct repl *r = f->r;
    uint64_t now = clock_boot_ns(), found = 0;
    if (f->state != FEED_ONLINE || f->acked >= backlog_end(r->backlog)) return 0;
    for (unsigned i = 1; i <= REPL_ENDS && i <= r->ends_at; i++) {
        unsigned at = (r->ends_at - i) % REPL_ENDS;
        if (r->ends[at].offset <= f->acked) break;
        found = r->ends[at].ns;
    }
    return found && now > found ? now - found : 0;
}

int repl_good_slaves(const struct repl *r) {
    int n = 0;
    for (const struct feed *f = r->feeds; f; f = f->next)
        n += !f->dead && f->state == FEED_ONLINE && lag_s(f) <= r->o.min_slaves_lag_s;
    return n;
}

int repl_count_acked(struct repl *r, uint64_t offset, int *synced) {
    int n = 0, s = 0;
    for (const struct feed *f = r->feeds; f; f = f->next) {
        if (f->dead || f->state != FEED_ONLINE) continue;
        n += f->acked >= offset;
        s += f->synced >= offset;
    }
    if (synced) *synced = s;
    return n;
}

/* What it has still to be sent, as far as it may be: of the stream, or of what stands in its buffer. */
static size_t unsent(const struct feed *f) {
    uint64_t end = backlog_end(f->r->backlog);
    return buf_len(&f->out) +
           (f->state == FEED_ONLINE && f->sent < end ? (size_t)(end - f->sent) : 0);
}

size_t repl_slaves(const struct repl *r, struct repl_slave_info *out, size_t max) {
    static const char *const states[] = {
        [FEED_SHAKE] = "wait_bgsave", [FEED_WAIT] = "wait_bgsave",
        [FEED_BULK] = "send_bulk",    [FEED_BULK_END] = "send_bulk",
        [FEED_ONLINE] = "online",     [FEED_GIVEN] = "rdb_transmitted"};
    size_t n = 0;
    for (const struct feed *f = r->feeds; f; f = f->next) {
        if (f->dead) continue;
        if (n < max) {
            out[n] = (struct repl_slave_info){.id = f->conf.client_id,
                                              .created_ns = f->conf.created_ns,
                                              .heard_ns = f->ack_ns,
                                              .behind_ms = behind_ns(f) / NS_PER_MS,
                                              .in_bytes = buf_len(&f->in),
                                              .out_bytes = unsent(f),
                                              .fd = stream_fd(f->stream),
                                              .writing = loop_io_wanted(f->io) & LOOP_WRITE,
                                              .port = f->conf.port,
                                              .state = states[f->state],
                                              .offset = f->acked,
                                              .synced = f->synced,
                                              .lag_s = lag_s(f),
                                              .pair = f == r->pair};
            memcpy(out[n].host, f->conf.host, sizeof out[n].host);
            memcpy(out[n].digest, f->digest, sizeof out[n].digest);
        }
        n++;
    }
    return n;
}
