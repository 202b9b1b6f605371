/* Commands through the filter: those about databases first, then those whose keys lie on both sides of a pattern. */
#include "hactl/import/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/num.h"

/* One command on its way. */
struct passing {
    const struct filter *f;
    int db, argc;
    const struct bytes *argv;
    struct filter_command *out;
    const int *places; /* of its keys */
    int keys, inside;  /* so many, so many of them taken */
};

void filter_command_free(struct filter_command *out) {
    free(out->words);
    memset(out, 0, sizeof *out);
}

/* ---- what goes out ---- */

static void add(struct filter_command *out, struct bytes w) {
    if (out->argc == out->room) {
        out->room = out->room ? out->room * 2 : 16;
        out->words = xrealloc(out->words, (size_t)out->room * sizeof *out->words);
    }
    out->words[out->argc++] = w;
    out->argv = out->words;
}

static void begin(struct passing *c, struct bytes name) {
    c->out->argc = 0;
    add(c->out, name);
}

static void add_db(struct filter_command *out, int which, int db) {
    int n = snprintf(out->digits[which], sizeof out->digits[which], "%d", db);
    add(out, (struct bytes){out->digits[which], (size_t)n});
}

static enum filter_verdict refuse(struct passing *c, const char *why) {
    int n = (int)(c->argv[0].len < 24 ? c->argv[0].len : 24);
    snprintf(c->out->why, sizeof c->out->why, "%.*s %s", n, c->argv[0].p, why);
    for (int i = 0; i < n; i++)
        if (c->out->why[i] < ' ') c->out->why[i] = '?';
    return FILTER_REFUSED;
}

static bool is(const struct passing *c, const char *name) {
    return bytes_is(c->argv[0], name);
}

static bool is_one_of(const struct passing *c, const char *const *list) {
    for (; *list; list++)
        if (is(c, *list)) return true;
    return false;
}

/* The database that a word names, in the target; -1: it is not taken, -2: it is no number. */
static int db_word(const struct passing *c, struct bytes w, int *db) {
    int64_t n;
    if (!num_parse_i64(w.p, w.len, &n) || n < 0 || n > FILTER_DB_MAX) return -2;
    *db = (int)n;
    return filter_db(c->f, (int)n);
}

static bool takes(const struct passing *c, struct bytes key) {
    return filter_name(c->f, key);
}

/* ---- databases ---- */

#define MERGED                                                                                     \
    "cannot be passed on: it would take keys of the target's own, or of another database, with "   \
    "it"

static enum filter_verdict flush(struct passing *c) {
    bool all = is(c, "flushall"), one = !all || c->f->only_db >= 0;
    int db = all && one ? filter_db(c->f, c->f->only_db) : filter_db(c->f, c->db);
    if (!one) db = 0;
    if (db < 0) return FILTER_DROP;
    if (c->f->merge || (one && filter_joins(c->f, db))) return refuse(c, MERGED);
    begin(c, one ? BYTES("FLUSHDB") : BYTES("FLUSHALL"));
    c->out->db = db;
    return FILTER_PASS;
}

static enum filter_verdict swap(struct passing *c) {
    int from, to, a = c->argc == 3 ? db_word(c, c->argv[1], &from) : -2;
    int b = a == -2 ? -2 : db_word(c, c->argv[2], &to);
    if (a == -2 || b == -2) return refuse(c, "is not a command with two databases");
    if (a == -1 && b == -1) return FILTER_DROP;
    if (a == -1 || b == -1)
        return refuse(c, "brings in the keys of a database that is not taken, which are not known "
                         "here");
    if (a == b) return FILTER_DROP;
    if (c->f->merge || filter_joins(c->f, a) || filter_joins(c->f, b)) return refuse(c, MERGED);
    begin(c, c->argv[0]);
    add_db(c->out, 0, a);
    add_db(c->out, 1, b);
    c->out->db = a;
    return FILTER_PASS;
}

#define UNKNOWN_VALUE "brings in a key from outside of what is taken, whose value is not known here"

/* MOVE key db. */
static enum filter_verdict move(struct passing *c) {
    int db, from = filter_db(c->f, c->db), to = c->argc == 3 ? db_word(c, c->argv[2], &db) : -2;
    if (to == -2) return refuse(c, "is not a command with a key and a database");
    if ((from < 0 && to < 0) || !takes(c, c->argv[1])) return FILTER_DROP;
    if (from < 0) return refuse(c, UNKNOWN_VALUE);
    if (from == to) return FILTER_DROP;
    begin(c, to < 0 ? BYTES("DEL") : c->argv[0]);
    add(c->out, c->argv[1]);
    if (to >= 0) add_db(c->out, 0, to);
    return FILTER_PASS;
}

/* COPY source destination [DB n] [REPLACE]: it is in the stream because it happened. */
static enum filter_verdict copy(struct passing *c) {
    int db = c->db, from = filter_db(c->f, c->db), to = from;
    for (int i = 3; i + 1 < c->argc; i++)
        if (bytes_is(c->argv[i], "db")) to = db_word(c, c->argv[i + 1], &db);
    if (c->argc < 3 || to == -2) return refuse(c, "is not a command with two keys");
    if (to < 0 || !takes(c, c->argv[2])) return FILTER_DROP;
    if (from < 0 || !takes(c, c->argv[1])) return refuse(c, UNKNOWN_VALUE);
    if (from == to && bytes_equal(c->argv[1], c->argv[2])) return FILTER_DROP;
    begin(c, c->argv[0]);
    add(c->out, c->argv[1]);
    add(c->out, c->argv[2]);
    add(c->out, BYTES("DB"));
    add_db(c->out, 0, to);
    add(c->out, BYTES("REPLACE"));
    return FILTER_PASS;
}

/* ---- keys on both sides ---- */

/* Those with their following words (step 1: none) that are inside. */
static enum filter_verdict keep_inside(struct passing *c, struct bytes name, int step) {
    begin(c, name);
    for (int i = 1; i + step <= c->argc; i += step)
        for (int j = 0; j < step && takes(c, c->argv[i]); j++) add(c->out, c->argv[i + j]);
    return FILTER_PASS;
}

/* name key [word]: what a command on two keys did to one of them. */
static enum filter_verdict instead(struct passing *c, const char *name, int key, int word) {
    begin(c, (struct bytes){name, strlen(name)});
    add(c->out, c->argv[key]);
    if (word) add(c->out, c->argv[word]);
    return FILTER_PASS;
}

/* A command that takes from the key at 1 and gives to the key at 2. */
static enum filter_verdict from_to(struct passing *c) {
    bool source = takes(c, c->argv[1]);
    bool left = is_one_of(c, (const char *const[]){"lmove", "blmove", NULL}) && c->argc > 3 &&
                bytes_is(c->argv[3], "left");
    if (is(c, "smove") && c->argc == 4)
        return instead(c, source ? "SREM" : "SADD", source ? 1 : 2, 3);
    if (!source) return refuse(c, UNKNOWN_VALUE);
    if (is_one_of(c, (const char *const[]){"rename", "renamenx", NULL}))
        return instead(c, "DEL", 1, 0);
    return instead(c, left ? "LPOP" : "RPOP", 1, 0);
}

static const char *const two_keys[] = {"rename",     "renamenx", "smove",  "rpoplpush",
                                       "brpoplpush", "lmove",    "blmove", NULL};
static const char *const deletes[] = {"del", "unlink", "touch", NULL};
static const char *const msets[] = {"mset", "msetnx", NULL};
/* The result goes to the first key, or to the last. */
static const char *const to_first[] = {"sunionstore", "sinterstore",    "sdiffstore", "zunionstore",
                                       "zinterstore", "zdiffstore",     "bitop",      "pfmerge",
                                       "zrangestore", "geosearchstore", NULL};
static const char *const to_last[] = {"sort", "georadius", "georadiusbymember", NULL};

static enum filter_verdict on_both_sides(struct passing *c) {
    if (is_one_of(c, deletes)) return keep_inside(c, c->argv[0], 1);
    if (is_one_of(c, msets)) return keep_inside(c, BYTES("MSET"), 2);
    if (is_one_of(c, two_keys) && c->argc > 2) return from_to(c);
    bool first = is_one_of(c, to_first), last = is_one_of(c, to_last);
    int to = first ? c->places[0] : c->places[c->keys - 1];
    if ((first || last) && !takes(c, c->argv[to])) return FILTER_DROP;
    return refuse(c, "has keys inside and outside of what is taken: its effect depends on keys "
                     "that are not here");
}

/* SORT BY and GET read keys that their patterns name. */
static bool reads_others(const struct passing *c) {
    for (int i = 2; is(c, "sort") && i + 1 < c->argc; i++)
        if ((bytes_is(c->argv[i], "by") || bytes_is(c->argv[i], "get")) &&
            memchr(c->argv[i + 1].p, '*', c->argv[i + 1].len))
            return true;
    return false;
}

static enum filter_verdict by_pattern(struct passing *c, struct key_places *places) {
    static const int second = 2;
    if (is(c, "xgroup") && c->argc > 2) {
        c->places = &second;
        c->keys = 1;
    } else {
        c->keys = places ? key_places_find(places, c->argc, c->argv, &c->places) : -1;
    }
    if (c->keys < 0)
        return refuse(c, "is not known to the target: which keys it names cannot be told");
    for (int i = 0; i < c->keys; i++) c->inside += takes(c, c->argv[c->places[i]]);
    if (c->keys && !c->inside) return FILTER_DROP;
    if (c->inside < c->keys) return on_both_sides(c);
    if (reads_others(c)) return refuse(c, "reads keys that may lie outside of what is taken");
    if (!c->keys && is_one_of(c, (const char *const[]){"eval", "evalsha", NULL}))
        return refuse(c, "names no keys: what it touches cannot be told");
    return FILTER_PASS;
}

/* ---- all ---- */

/* What changes no data. */
static const char *const no_data[] = {"ping",    "replconf", "select",   "multi", "exec",
                                      "discard", "publish",  "spublish", "wait",  NULL};

enum filter_verdict filter_command(const struct filter *f, struct key_places *places, int db,
                                   int argc, const struct bytes *argv, struct filter_command *out) {
    struct passing c = {.f = f, .db = db, .argc = argc, .argv = argv, .out = out};
    out->db = filter_db(f, db);
    out->argc = 0;
    out->why[0] = 0;
    if (is_one_of(&c, no_data)) return FILTER_DROP;
    if (is(&c, "function")) return refuse(&c, "cannot be taken: there are no functions here");
    if (is_one_of(&c, (const char *const[]){"flushdb", "flushall", NULL})) return flush(&c);
    bool plain = filter_is_plain(f) && !f->merge;
    if (!plain && is(&c, "swapdb")) return swap(&c);
    if (!plain && is(&c, "move")) return move(&c);
    if (!plain && is(&c, "copy")) return copy(&c);
    if (out->db < 0) return FILTER_DROP;
    enum filter_verdict v = f->patterns ? by_pattern(&c, places) : FILTER_PASS;
    if (v == FILTER_PASS && !out->argc) {
        out->argc = argc;
        out->argv = argv;
    }
    return v;
}
