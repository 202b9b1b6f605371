/* The stream as the slave has it: applied, passed on to log and slaves of its own, acknowledged. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/repl/link_inside.h"

#include <string.h>

void link_stream_begin(struct link *k) {
    struct repl *r = k->r;
    if (k->header.kind == REPLLINE_CONTINUE && k->header.id[0] &&
        strcmp(k->header.id, r->id) != 0) {
        stream_new_line(r, k->header.id);
        feeds_drop(r, "the line has a new id; it continues at once");
    }
    cmdstream_init(&k->commands, r->db);
    r->line_pending = false;
    tail_forget(r);
    k->down_since_ns = 0;
    k->was_up = true;
    k->number++;
    k->since_ns = clock_boot_ns();
    k->error[0] = '\0';
    k->acked = 0;
    k->ack_now = true;
    r->master_disk = false; /* until it is told */
    repl_settle_eager(r);
    log_notice("replication: streaming from %s:%u at offset %llu", k->host, k->port,
               (unsigned long long)backlog_end(r->backlog));
    if (k->pair && r->world.told) replline_words(&k->out, "REPLCONF", "duet-beside", "1", NULL);
    link_ack(k);
    repl_changed(r);
}

/* Any other slave goes on, as Redis's do. The pair's must hold what its master holds: it stops before the command, so that
 * neither log nor acknowledgement has it. */
static bool apply_one(void *arg, int db, int argc, const struct bytes *argv) {
    struct link *k = arg;
    struct repl *r = k->r;
    char err[160] = "";
    if (r->world.apply(r->world.arg, db, argc, argv, err, sizeof err)) return true;
    if (r->apply_errors++ < 16)
        log_error("replication: the master's command %.*s was not applied: %s",
                  (int)(argv[0].len < 32 ? argv[0].len : 32), argv[0].p, err);
    if (k->pair) r->diverged = true;
    return !k->pair;
}

static void diverges(struct link *k) {
    k->r->divergences++;
    k->full_tries++;
    link_complain(k,
                  "a command of the stream failed here: the data differs; a full copy is taken%s",
                  k->full_tries > LINK_FULL_TRIES ? " in a minute" : "");
    link_event(k, LINK_EV_LOST);
}

/* What floor 4 of the master told floor 4 here. False: it is not there whole. */
static bool take_told(struct link *k) {
    const struct repl_world *w = &k->r->world;
    const uint8_t *p = (const uint8_t *)buf_head(&k->in);
    size_t have = buf_len(&k->in);
    if (have < ASIDE_TOLD_HEAD) return false;
    size_t len = (size_t)p[1] << 8 | p[2];
    if (have < ASIDE_TOLD_HEAD + len) return false;
    if (w->told) w->told(w->arg, buf_head(&k->in) + ASIDE_TOLD_HEAD, len);
    buf_eat(&k->in, ASIDE_TOLD_HEAD + len);
    return true;
}

/* What the pair's master says beside its stream; false: it is none of that. */
static bool take_aside(struct link *k) {
    struct repl *r = k->r;
    char said = buf_head(&k->in)[0];
    bool level = k->pair && (said == ASIDE_DISK || said == ASIDE_MEMORY);
    if (said != ASIDE_LIVES && !level) return false;
    buf_eat(&k->in, 1);
    if (level) {
        r->master_disk = said == ASIDE_DISK;
        repl_settle_eager(r);
    }
    return true;
}

bool link_take_stream(struct link *k) {
    struct repl *r = k->r;
    size_t unit;
    if (take_aside(k)) return true;
    if (k->pair && buf_head(&k->in)[0] == ASIDE_TOLD) return take_told(k);
    enum cmdstream_state st =
        cmdstream_find(&k->commands, buf_head(&k->in), buf_len(&k->in), &unit);
    if (st == CMDSTREAM_MORE) return false;
    if (st == CMDSTREAM_BAD) {
        link_complain(k, "the stream is damaged: %s", k->commands.error);
        link_event(k, LINK_EV_LOST);
        return false;
    }
    cmdstream_each(&k->commands, buf_head(&k->in), unit, apply_one, k);
    if (__builtin_expect(r->diverged, 0)) {
        diverges(k);
        return false;
    }
    stream_pass_on(r, buf_head(&k->in), unit, k->commands.db);
    if (r->world.applied) r->world.applied(r->world.arg);
    buf_eat(&k->in, unit);
    return true;
}

/* ---- acknowledgements -------------------------------------------------------------------------- */

void link_send_ack(struct link *k) {
    struct repl *r = k->r;
    char offset[NUM_I64_CHARS], synced[NUM_I64_CHARS];
    uint64_t on_disk = persist_synced_offset(r->persist);
    k->acked = r->logged; /* what the own log does not have yet is not acknowledged */
    k->acked_synced = on_disk < r->logged ? on_disk : r->logged;
    k->ack_now = false;
    offset[num_format_u64(offset, k->acked)] = '\0';
    synced[num_format_u64(synced, k->acked_synced)] = '\0';
    /* Other masters, too, read an ACK's first words only. */
    const char *more = r->digest[0] ? "DUET-DIGEST" : NULL;
    if (k->pair)
        replline_words(&k->out, "REPLCONF", "ACK", offset, "FACK", synced, more, r->digest, NULL);
    else
        replline_words(&k->out, "REPLCONF", "ACK", offset, more, r->digest, NULL);
    r->digest[0] = '\0';
    link_write(k);
}

void link_ack(struct link *k) {
    const struct repl *r = k->r;
    if (k->fsm.state != LINK_STREAM) return;
    uint64_t on_disk = persist_synced_offset(r->persist);
    bool news = r->logged > k->acked ||
                (on_disk != UINT64_MAX && on_disk > k->acked_synced && k->acked_synced < k->acked);
    if (k->commands.ask_ack) k->ack_now = true;
    k->commands.ask_ack = false;
    if (k->ack_now || (k->pair && news)) link_send_ack(k);
    link_want(k); /* the log may have caught up */
}
