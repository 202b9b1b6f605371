#include "hactl/import/copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void copy_init(struct copy *c, const struct filter *f, const struct inventory_target *limits) {
    memset(c, 0, sizeof *c);
    c->filter = f;
    c->limits = limits;
}

void copy_free(struct copy *c) {
    pieces_free(&c->pieces);
    buf_free(&c->value);
    buf_free(&c->text);
    filter_command_free(&c->out);
    free(c->refused);
    c->refused = NULL;
}

static bool fails(struct copy *c, const char *why) {
    snprintf(c->error, sizeof c->error, "%s", why);
    return false;
}

static size_t limit_of(int type) {
    return type == RDB_STRING ? COPY_STRING_BYTES : COPY_VALUE_BYTES;
}

/* ---- the first pass ---- */

/* What the reader's structure says nothing about is inside of blobs and compressed strings. */
static bool needs_look(const struct rdb_keys *k) {
    return rdb_type_taken(k->type);
}

static bool look_begins(struct copy *c, const struct rdb_keys *k) {
    c->to = filter_key(c->filter, k->db, k->key);
    c->look = c->to >= 0 && needs_look(k);
    return !c->look || pieces_begin(&c->pieces, k->type, k->key, NULL, NULL);
}

static void remember_refused(struct copy *c, uint64_t at) {
    if (c->refused_count == c->refused_room) {
        c->refused_room = c->refused_room ? c->refused_room * 2 : 16;
        c->refused = xrealloc(c->refused, c->refused_room * sizeof *c->refused);
    }
    c->refused[c->refused_count++] = at;
}

bool copy_look(struct copy *c, struct inventory *v, struct rdb_keys *k, enum rdb_keys_event ev,
               uint64_t at) {
    (void)at;
    switch (ev) {
    case RDB_KEYS_START: v->rdb_version = k->version; return true;
    case RDB_KEYS_AUX: inventory_aux(v, k->name, k->text); return true;
    case RDB_KEYS_OTHER: inventory_other(v, k->name, k->text); return true;
    case RDB_KEYS_KEY: return look_begins(c, k);
    case RDB_KEYS_PIECE:
        if (!c->look || pieces_feed(&c->pieces, k->piece.p, k->piece.len)) return true;
        return fails(c, c->pieces.error);
    case RDB_KEYS_END:
        if (c->look && !pieces_end(&c->pieces)) return fails(c, c->pieces.error);
        if (!inventory_key(v, c->limits, k, c->to, c->now_ms) && c->to >= 0 &&
            k->value.bytes > limit_of(k->type))
            remember_refused(c, k->at);
        return true;
    default: return true;
    }
}

/* ---- the second ---- */

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool to_target(void *arg, int argc, const struct bytes *argv) {
    struct copy *c = arg;
    size_t key = bytes_is(argv[0], "xgroup") ? 2 : 1;
    return target_command(c->target, c->to, argc, argv, argv[key]);
}

static bool lost(struct copy *c) {
    return fails(c, c->pieces.error[0] ? c->pieces.error : target_why(c->target));
}

static bool key_begins(struct copy *c, const struct rdb_keys *k) {
    c->piecewise = false;
    buf_clear(&c->value);
    c->pieces.error[0] = 0;
    c->to = filter_key(c->filter, k->db, k->key);
    if (c->to < 0) {
        c->left_out++;
    } else if (!rdb_type_taken(k->type) ||
               (c->refused_count &&
                bsearch(&k->at, c->refused, c->refused_count, sizeof k->at, by_number))) {
        c->skipped++;
        c->to = -1;
    } else if (k->expire_ms >= 0 && k->expire_ms <= c->now_ms) {
        c->expired++;
        c->to = -1;
    }
    return true;
}

static bool add_piece(struct copy *c, const struct rdb_keys *k) {
    if (c->to < 0) return true;
    if (c->piecewise) return pieces_feed(&c->pieces, k->piece.p, k->piece.len) || lost(c);
    buf_add(&c->value, k->piece.p, k->piece.len);
    if (buf_len(&c->value) <= limit_of(k->type)) return true;
    c->piecewise = true;
    c->in_pieces++;
    bool well = pieces_begin(&c->pieces, k->type, k->key, to_target, c) &&
                pieces_feed(&c->pieces, buf_head(&c->value), buf_len(&c->value));
    buf_clear(&c->value);
    buf_trim(&c->value, 1 << 20);
    return well || lost(c);
}

static bool expire(struct copy *c, const struct rdb_keys *k) {
    char ms[24];
    int n = snprintf(ms, sizeof ms, "%lld", (long long)k->expire_ms);
    const struct bytes words[] = {BYTES("PEXPIREAT"), k->key, {ms, (size_t)n}};
    return k->expire_ms < 0 || target_command(c->target, c->to, 3, words, k->key);
}

/* False: it is no such string, or more is to be kept of it. */
static bool as_set(struct copy *c, const struct rdb_keys *k, bool *sent) {
    char ms[24];
    struct bytes words[5] = {BYTES("SET"), k->key, {"", 0}, BYTES("PXAT"), {ms, 0}};
    if (k->type != RDB_STRING || !c->plain_sets || k->idle_s > 0 || k->freq >= 0 ||
        !rdb_string_of((struct bytes){buf_head(&c->value), buf_len(&c->value)}, &c->text,
                       &words[2]))
        return false;
    if (k->expire_ms >= 0)
        words[4].len = (size_t)snprintf(ms, sizeof ms, "%lld", (long long)k->expire_ms);
    *sent = target_command(c->target, c->to, k->expire_ms >= 0 ? 5 : 3, words, k->key);
    return true;
}

static bool key_ends(struct copy *c, const struct rdb_keys *k) {
    if (c->to < 0) return true;
    if (c->piecewise) {
        c->keys++;
        return (pieces_end(&c->pieces) && expire(c, k)) || lost(c);
    }
    if (inventory_refuses(c->limits, k, c->to)) {
        c->skipped++;
        return true;
    }
    const struct target_restore r = {.db = c->to,
                                     .type = k->type,
                                     .key = k->key,
                                     .value = {buf_head(&c->value), buf_len(&c->value)},
                                     .expire_ms = k->expire_ms,
                                     .idle_s = k->idle_s,
                                     .freq = k->freq,
                                     .dump_version = c->dump_version};
    bool sent;
    c->keys++;
    if (!as_set(c, k, &sent)) sent = target_restore(c->target, &r);
    return sent || lost(c);
}

bool copy_event(struct copy *c, struct rdb_keys *k, enum rdb_keys_event ev, uint64_t at) {
    (void)at;
    switch (ev) {
    case RDB_KEYS_KEY: return key_begins(c, k);
    case RDB_KEYS_PIECE: return add_piece(c, k);
    case RDB_KEYS_END: return key_ends(c, k);
    default: return true;
    }
}

/* ---- commands ---- */

static size_t key_place(int argc, const struct bytes *argv) {
    return argc > 2 && bytes_is(argv[0], "xgroup") ? 2 : argc > 1 ? 1 : 0;
}

/* NULL, or why a command that came through the filter cannot be taken by the target (into a static place). */
static const char *target_refuses(const struct copy *c, const struct filter_command *out) {
    static char why[120];
    if (c->places && c->places->count && !key_places_of(c->places, out->argv[0])) {
        int n = (int)(out->argv[0].len < 40 ? out->argv[0].len : 40);
        snprintf(why, sizeof why, "%.*s, which the target does not know", n, out->argv[0].p);
        return why;
    }
    if (c->limits && c->limits->databases && out->db >= c->limits->databases)
        return "for databases that the target does not have";
    return NULL;
}

bool copy_command(struct copy *c, int db, int argc, const struct bytes *argv) {
    struct filter_command *out = &c->out;
    const char *why = NULL;
    switch (filter_command(c->filter, c->places, db, argc, argv, out)) {
    case FILTER_DROP: c->dropped++; return true;
    case FILTER_REFUSED: return fails(c, out->why);
    case FILTER_PASS: why = target_refuses(c, out);
    }
    if (why) return fails(c, why);
    c->commands++;
    c->pieces.error[0] = 0;
    return target_command(c->target, out->db, out->argc, out->argv,
                          out->argv[key_place(out->argc, out->argv)]) ||
           lost(c);
}

void copy_look_at_command(struct copy *c, struct inventory *v, int db, int argc,
                          const struct bytes *argv) {
    struct filter_command *out = &c->out;
    char what[160];
    const char *why = NULL;
    enum filter_verdict verdict = filter_command(c->filter, c->places, db, argc, argv, out);
    v->commands++;
    if (verdict == FILTER_REFUSED) why = out->why;
    if (verdict == FILTER_PASS) why = target_refuses(c, out);
    if (!why) return;
    snprintf(what, sizeof what, "commands: %.140s", why);
    inventory_refuse(v, what, argv[key_place(argc, argv)], 0, true);
}
