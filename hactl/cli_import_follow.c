/* The source's stream into the target. Units are gathered into transactions of ours, each of which ends with the mark of the
 * place behind it: what is applied and where it came from are one. */
#include <stdio.h>
#include <string.h>

#include "hactl/cli_import_live.h"
#include "server/base/clock.h"
#include "server/proto/cmdstream.h"

enum {
    BATCH_BYTES = 64 << 10,
    BATCH_COUNT = 128,
    ROUND_BYTES = 4 << 20, /* then all answers are waited for */
    ASK_EACH_MS = 1000,
    ASK_SOON_MS = 50,            /* while a cutover waits */
    MARK_EACH_BYTES = 256 << 10, /* of a stream of which nothing is taken */
    IDLE_MS = 100
};

struct follow {
    struct worker *w;
    struct cmdstream stream;
    bool in_batch, bad;
    size_t count, bytes;
};

/* ---- applying ---- */

static bool send(struct follow *f, int db, int argc, const struct bytes *argv) {
    struct worker *w = f->w;
    f->count++;
    w->copy.error[0] = '\0';
    if (copy_command(&w->copy, db, argc, argv)) return true;
    if (*target_why(w->target.t)) return false;
    if (w->job.skip_unsupported) {
        w->skipped++;
        return true;
    }
    f->bad = true;
    return false;
}

/* What Duet says in words that came after Redis 3.2, in those that were there before. */
static bool send_old(struct follow *f, int db, int argc, const struct bytes *argv) {
    bool unlinks = bytes_is(argv[0], "unlink"), sets = bytes_is(argv[0], "hset") && argc > 4;
    bool stamp = argc == 5 && bytes_is(argv[0], "set") && bytes_is(argv[3], "pxat");
    bool ok = true;
    for (int i = 1; unlinks && ok && i < argc; i++)
        ok = send(f, db, 2, (const struct bytes[]){BYTES("DEL"), argv[i]});
    for (int i = 2; sets && ok && i + 1 < argc; i += 2)
        ok = send(f, db, 4, (const struct bytes[]){BYTES("HSET"), argv[1], argv[i], argv[i + 1]});
    if (unlinks || sets) return ok;
    if (!stamp) return send(f, db, argc, argv);
    return send(f, db, 3, argv) &&
           send(f, db, 3, (const struct bytes[]){BYTES("PEXPIREAT"), argv[1], argv[4]});
}

static bool apply(void *arg, int db, int argc, const struct bytes *argv) {
    struct follow *f = arg;
    struct worker *w = f->w;
    if (cmdstream_is_mark(argc, argv)) return true; /* a Duet that takes an import itself */
    if (!f->in_batch && !target_multi(w->target.t)) return false;
    f->in_batch = true;
    return w->old_version ? send_old(f, db, argc, argv) : send(f, db, argc, argv);
}

static bool end_batch(struct follow *f) {
    struct worker *w = f->w;
    if (!f->in_batch) return true;
    f->in_batch = false;
    f->count = f->bytes = 0;
    w->marked = w->source.offset;
    w->marked_ms = clock_boot_ms();
    return worker_mark(w, w->source.offset, f->stream.db) && target_exec(w->target.t) &&
           (w->target.control || target_flush(w->target.t));
}

enum round { ROUND_MORE, ROUND_IDLE, ROUND_LOST, ROUND_BAD };

/* The next unit of what waits, if it is whole. */
static enum round next_unit(struct follow *f) {
    struct source *s = &f->w->source;
    size_t unit;
    enum cmdstream_state st = CMDSTREAM_MORE;
    for (;;) {
        /* between units only: a keepalive newline is no part of the stream */
        if (buf_len(&s->queue))
            st = cmdstream_find(&f->stream, buf_head(&s->queue), buf_len(&s->queue), &unit);
        if (st != CMDSTREAM_MORE) break;
        if (s->spill_read == s->spill_end || !source_refill(s)) return ROUND_IDLE;
    }
    if (st == CMDSTREAM_BAD) return ROUND_BAD;
    bool ok = cmdstream_each(&f->stream, buf_head(&s->queue), unit, apply, f);
    if (!ok) return f->bad ? ROUND_BAD : ROUND_LOST;
    f->bytes += unit;
    source_took(s, unit);
    return ROUND_MORE;
}

static enum round apply_round(struct follow *f) {
    uint64_t from = f->w->source.offset;
    enum round r = ROUND_MORE;
    while (r == ROUND_MORE && f->w->source.offset - from < ROUND_BYTES) {
        r = next_unit(f);
        if (r == ROUND_LOST || r == ROUND_BAD) return r;
        if ((f->count >= BATCH_COUNT || f->bytes >= BATCH_BYTES) && !end_batch(f))
            return ROUND_LOST;
    }
    return end_batch(f) && target_flush(f->w->target.t) ? r : ROUND_LOST;
}

static enum source_end round_end(struct follow *f, enum round r) {
    struct worker *w = f->w;
    enum source_end end = worker_refusals(w);
    if (end != SOURCE_OK || r == ROUND_MORE || r == ROUND_IDLE) return end;
    if (r == ROUND_LOST)
        return worker_say(w, SOURCE_LOST, "%s: %s", w->target.name, target_why(w->target.t));
    if (f->bad)
        return worker_say(w, SOURCE_REFUSED,
                          "the source did what cannot be followed: %s (`hactl import resume "
                          "--skip-unsupported` goes on without it)",
                          w->copy.error);
    return worker_say(w, SOURCE_LOST, "the source's stream is damaged: %s", f->stream.error);
}

/* ---- how far it is behind ---- */

static void note_end(struct worker *w, uint64_t now) {
    uint64_t offset;
    if (!source_end_offset(&w->source, &offset) || !w->source.psync) offset = w->source.received;
    w->source_end = offset;
    w->seen[w->seen_next % 64].at_ms = now;
    w->seen[w->seen_next++ % 64].offset = offset;
}

/* Since when the source has had what is not applied here. */
static void measure(struct worker *w, uint64_t now) {
    uint64_t oldest = now;
    for (unsigned i = 0; i < 64; i++)
        if (w->seen[i].offset > w->applied && w->seen[i].at_ms && w->seen[i].at_ms < oldest)
            oldest = w->seen[i].at_ms;
    w->lag_ms = now - oldest;
}

static bool wants_cutover(const struct worker *w) {
    return strncmp(w->order, "cutover", 7) == 0;
}

static void look_behind(struct worker *w, uint64_t *asked_ms) {
    uint64_t now = clock_boot_ms(), each = wants_cutover(w) ? ASK_SOON_MS : ASK_EACH_MS;
    if (now - *asked_ms >= each) {
        *asked_ms = now;
        note_end(w, now);
    }
    measure(w, now);
}

/* ---- the cut ---- */

/* The source's end is asked anew: what it had then is here. */
static bool is_even(struct worker *w) {
    if (source_waits(&w->source)) return false;
    if (strstr(w->order, "force")) return true;
    uint64_t before = w->applied;
    note_end(w, clock_boot_ms());
    return w->source.psync ? w->source_end <= before : w->source_end == before;
}

static enum source_end cut_over(struct worker *w, int db) {
    uint64_t cut = w->applied;
    if (!worker_mark_now(w, w->source.offset, db) || worker_refusals(w) != SOURCE_OK)
        return worker_say(w, SOURCE_LOST, "%s: %s", w->target.name, target_why(w->target.t));
    import_settle(&w->target);
    if (!worker_end_target(w, false)) return SOURCE_LOST;
    note_end(w, clock_boot_ms());
    w->lag_ms = 0;
    w->phase = PHASE_DONE;
    snprintf(w->text, sizeof w->text, "cut over: %s is the data's place now", w->target.name);
    if (w->source_end > cut)
        snprintf(w->text, sizeof w->text,
                 "cut over; the source has moved on by %llu bytes since, which are not here",
                 (unsigned long long)(w->source_end - cut));
    return SOURCE_OK;
}

/* ---- the loop ---- */

static enum source_end turn(struct follow *f, uint64_t *asked_ms) {
    struct worker *w = f->w;
    struct source *s = &w->source;
    bool busy = source_waits(s) && w->source.received > w->applied && f->count;
    enum source_end end = source_pump(s, w->applied, busy ? 0 : wants_cutover(w) ? 10 : IDLE_MS);
    if (end != SOURCE_OK) snprintf(w->text, sizeof w->text, "%s", s->why);
    /* what came before it ended is applied all the same */
    enum source_end applied = round_end(f, apply_round(f));
    if (applied != SOURCE_OK) return applied;
    w->applied = s->offset;
    if (f->stream.ask_ack) s->acked_ms = 0;
    f->stream.ask_ack = false;
    if (end != SOURCE_OK) {
        snprintf(w->text, sizeof w->text, "%s", s->why);
        return end;
    }
    if (s->offset - w->marked > MARK_EACH_BYTES) {
        w->marked = s->offset;
        if (!worker_mark_now(w, s->offset, f->stream.db)) return round_end(f, ROUND_LOST);
    }
    look_behind(w, asked_ms);
    return SOURCE_OK;
}

enum source_end worker_follow(struct worker *w, int db) {
    struct follow f = {.w = w};
    uint64_t asked_ms = 0;
    enum source_end end;
    cmdstream_init(&f.stream, db);
    memset(w->seen, 0, sizeof w->seen);
    w->copy.filter = &w->filter;
    w->copy.limits = &w->target.limits;
    w->copy.places = w->filter.patterns ? &w->target.places : NULL;
    w->copy.target = w->target.t;
    w->applied = w->marked = w->source.offset;
    do {
        end = turn(&f, &asked_ms);
        if (!worker_turn(w, false)) break;
        worker_share(w);
        if (end == SOURCE_OK && wants_cutover(w) && is_even(w)) {
            end = cut_over(w, f.stream.db);
            break;
        }
    } while (end == SOURCE_OK);
    cmdstream_free(&f.stream);
    return end;
}
