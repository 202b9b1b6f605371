/* Sorted sets, and sets as if all their scores were 1, with each other: ZUNION, ZINTER, ZDIFF, their STORE forms,
 * ZINTERCARD. A member's score is brought together in the order of the sets' sizes, so that sums round as Redis's do. */
#include <math.h>
#include <stdlib.h>

#include "server/base/hash.h"
#include "server/cmd/families.h"
#include "server/cmd/zsets.h"
#include "server/store/set.h"

enum combination { INTER, UNION, DIFF };
enum aggregate { SUM, MIN, MAX };

struct source {
    const struct entry *e; /* a set or sorted set; NULL: no such key */
    size_t len;
    int at; /* its place among the words */
    double weight;
};

struct combining {
    struct call *c;
    enum combination what;
    bool store, count_only, scores;
    int first; /* position of the first key */
    struct source *sources;
    int count;
    enum aggregate aggregate;
    uint64_t found, limit; /* of ZINTERCARD; limit 0: none */
    struct zlist result;
    uint32_t *index; /* of a table of the result's members: their number + 1, 0 is free */
    size_t mask;
};

/* ---- Members of either kind ------------------------------------------------------------------- */

/* Returns false to stop. */
typedef bool member_fn(struct combining *k, const struct source *s, struct bytes member,
                       double score);

struct each_of_set {
    struct combining *k;
    const struct source *s;
    member_fn *fn;
};

static bool set_member(void *arg, struct bytes member) {
    struct each_of_set *each = arg;
    return each->fn(each->k, each->s, member, 1);
}

/* Sorted sets from their end, as Redis goes through them. */
static void source_each(struct combining *k, const struct source *s, member_fn *fn) {
    struct zset_cursor cursor;
    struct bytes member;
    double score;
    if (!s->e) return;
    if (entry_kind(s->e) == KIND_SET) {
        struct each_of_set each = {k, s, fn};
        set_each(s->e, set_member, &each);
        return;
    }
    zset_seek(s->e, s->len, &cursor);
    while (zset_prev(&cursor, &member, &score))
        if (!fn(k, s, member, score)) return;
}

static bool source_find(const struct source *s, struct bytes member, double *score) {
    if (!s->e) return false;
    if (entry_kind(s->e) == KIND_ZSET) return zset_score(s->e, member, score);
    *score = 1;
    return set_has(s->e, member);
}

/* ---- The result's members by name ------------------------------------------------------------- */

static void index_free(struct combining *k) {
    free(k->index);
    k->index = NULL;
}

/* Where the member's number stands or would stand. */
static uint32_t *index_slot(const struct combining *k, struct bytes member) {
    size_t at = hash_bytes(member.p, member.len) & k->mask;
    while (k->index[at] && !bytes_equal(zlist_member(&k->result, k->index[at] - 1), member))
        at = (at + 1) & k->mask;
    return &k->index[at];
}

/* A table that stays at most half full with so many members. */
static void index_grow(struct combining *k, size_t members) {
    size_t slots = 64;
    while (slots < 2 * members) slots *= 2;
    free(k->index);
    k->index = xcalloc(slots, sizeof *k->index);
    k->mask = slots - 1;
    for (size_t i = 0; i < k->result.count; i++)
        *index_slot(k, zlist_member(&k->result, i)) = (uint32_t)i + 1;
}

static void index_add(struct combining *k, uint32_t *slot, struct bytes member, double score) {
    *slot = (uint32_t)zlist_add(&k->result, member, score) + 1;
    if (2 * k->result.count > k->mask) index_grow(k, 2 * k->result.count);
}

/* ---- Scores ------------------------------------------------------------------------------------ */

/* Infinity times 0, and infinity less infinity, count as 0. */
static double number(double score) {
    return isnan(score) ? 0 : score;
}

static double bring_together(enum aggregate how, double a, double b) {
    if (how == SUM) return number(a + b);
    if (how == MIN) return b < a ? b : a;
    return b > a ? b : a;
}

/* ---- Inter, union, diff ------------------------------------------------------------------------ */

static bool each_of_inter(struct combining *k, const struct source *s, struct bytes member,
                          double score) {
    double sum = number(s->weight * score), other;
    for (int i = 1; i < k->count; i++) {
        if (!source_find(&k->sources[i], member, &other)) return true;
        sum = bring_together(k->aggregate, sum, other * k->sources[i].weight);
    }
    k->found++;
    if (!k->count_only) zlist_add(&k->result, member, sum);
    return !k->limit || k->found < k->limit;
}

static bool each_of_union(struct combining *k, const struct source *s, struct bytes member,
                          double score) {
    uint32_t *slot = index_slot(k, member);
    score = number(s->weight * score);
    if (*slot) {
        double *sum = &k->result.items[*slot - 1].score;
        *sum = bring_together(k->aggregate, *sum, score);
    } else {
        index_add(k, slot, member, score);
    }
    return true;
}

static void unite(struct combining *k) {
    size_t largest = k->count ? k->sources[k->count - 1].len : 0;
    index_grow(k, largest);
    for (int i = 0; i < k->count; i++) source_each(k, &k->sources[i], each_of_union);
}

/* Few members of the first against the others. */
static bool each_of_diff(struct combining *k, const struct source *s, struct bytes member,
                         double score) {
    (void)s;
    double other;
    for (int i = 1; i < k->count; i++)
        if (source_find(&k->sources[i], member, &other)) return true;
    zlist_add(&k->result, member, score);
    return true;
}

static bool each_of_first(struct combining *k, const struct source *s, struct bytes member,
                          double score) {
    (void)s;
    index_add(k, index_slot(k, member), member, score);
    return true;
}

/* Strikes the member out: a score that is no number. */
static bool each_of_others(struct combining *k, const struct source *s, struct bytes member,
                           double score) {
    (void)s, (void)score;
    uint32_t slot = *index_slot(k, member);
    if (slot && !isnan(k->result.items[slot - 1].score)) {
        k->result.items[slot - 1].score = (double)NAN;
        k->found++;
    }
    return k->found < k->result.count;
}

static void diff_by_striking_out(struct combining *k) {
    index_grow(k, k->sources[0].len);
    source_each(k, &k->sources[0], each_of_first);
    for (int i = 1; i < k->count && k->found < k->result.count; i++)
        source_each(k, &k->sources[i], each_of_others);
    size_t left = 0;
    for (size_t i = 0; i < k->result.count; i++)
        if (!isnan(k->result.items[i].score)) k->result.items[left++] = k->result.items[i];
    k->result.count = left;
}

/* Either the first set's members are looked for in the others, or the others' in it: what is less work. */
static void diff(struct combining *k) {
    const struct source *first = &k->sources[0];
    uint64_t all = 0;
    if (!first->len) return;
    for (int i = 0; i < k->count; i++) {
        if (i && k->sources[i].e == first->e) return;
        all += k->sources[i].len;
    }
    if (first->len * (uint64_t)k->count / 2 <= all)
        source_each(k, first, each_of_diff);
    else
        diff_by_striking_out(k);
}

/* By size, then by their order among the words. */
static int compare_sources(const void *a, const void *b) {
    const struct source *x = a, *y = b;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void combine(struct combining *k) {
    if (k->what == DIFF) {
        diff(k);
    } else {
        qsort(k->sources, (size_t)k->count, sizeof *k->sources, compare_sources);
        if (k->what == UNION)
            unite(k);
        else if (k->sources[0].len)
            source_each(k, &k->sources[0], each_of_inter);
    }
    index_free(k);
    if (!k->count_only) zlist_sort(&k->result);
}

/* ---- Words ------------------------------------------------------------------------------------- */

/* What has expired goes first, as it moves entries: then they are looked up. */
static bool find_sources(struct combining *k) {
    struct call *c = k->c;
    for (int i = 0; i < k->count; i++) {
        struct source *s = &k->sources[i];
        s->e = call_read(c, c->argv[k->first + i]);
        s->weight = 1;
        s->at = i;
        if (!s->e || entry_kind(s->e) == KIND_SET || entry_kind(s->e) == KIND_ZSET) continue;
        reply_error(c, ERR_WRONG_TYPE);
        return false;
    }
    for (int i = 0; i < k->count; i++) {
        struct source *s = &k->sources[i];
        if (!s->e) continue;
        s->e = store_find(c->store, c->db, c->argv[k->first + i]);
        s->len = entry_kind(s->e) == KIND_SET ? set_len(s->e) : zset_len(s->e);
    }
    return true;
}

static bool parse_weights(struct combining *k, int at) {
    for (int i = 0; i < k->count; i++)
        if (!arg_double_or(k->c, at + i, "ERR weight value is not a float", &k->sources[i].weight))
            return false;
    return true;
}

static bool parse_aggregate(struct combining *k, struct bytes word) {
    static const char *const names[] = {"sum", "min", "max"};
    for (int i = SUM; i <= MAX; i++)
        if (bytes_is(word, names[i])) {
            k->aggregate = (enum aggregate)i;
            return true;
        }
    reply_error(k->c, ERR_SYNTAX);
    return false;
}

/* The option at argv[i]; returns the words that it took, 0 after an error. */
static int parse_option(struct combining *k, int i) {
    struct call *c = k->c;
    struct bytes word = c->argv[i];
    int left = c->argc - i;
    bool scored = k->what != DIFF && !k->count_only;
    if (scored && left > k->count && bytes_is(word, "weights"))
        return parse_weights(k, i + 1) ? 1 + k->count : 0;
    if (scored && left > 1 && bytes_is(word, "aggregate"))
        return parse_aggregate(k, c->argv[i + 1]) ? 2 : 0;
    if (!k->store && !k->count_only && bytes_is(word, "withscores")) {
        k->scores = true;
        return 1;
    }
    if (k->count_only && left > 1 && bytes_is(word, "limit")) {
        int64_t limit;
        if (!arg_int_range(c, i + 1, 0, INT64_MAX, "ERR LIMIT can't be negative", &limit)) return 0;
        k->limit = (uint64_t)limit;
        return 2;
    }
    reply_error(c, ERR_SYNTAX);
    return 0;
}

/* The number of keys at argv[at], the keys, the options; false after an error. */
static bool parse(struct combining *k, int at) {
    struct call *c = k->c;
    int64_t count;
    if (!arg_int(c, at, &count)) return false;
    if (count < 1)
        reply_errorf(c, "ERR at least 1 input key is needed for '%s' command", c->command->name);
    else if (count > c->argc - at - 1)
        reply_error(c, ERR_SYNTAX);
    if (count < 1 || count > c->argc - at - 1) return false;
    k->first = at + 1;
    k->count = (int)count;
    k->sources = xcalloc((size_t)count, sizeof *k->sources);
    if (!find_sources(k)) return false;
    int taken;
    for (int i = k->first + k->count; i < c->argc; i += taken)
        if (!(taken = parse_option(k, i))) return false;
    return true;
}

/* ---- Commands ---------------------------------------------------------------------------------- */

static void reply_result(struct combining *k) {
    zsets_reply_begin(k->c, k->scores, k->result.count);
    for (size_t i = 0; i < k->result.count; i++)
        zsets_reply_member(k->c, k->scores, zlist_member(&k->result, i), k->result.items[i].score);
}

static void run(struct combining k, const char *event) {
    if (parse(&k, k.store ? 2 : 1)) {
        combine(&k);
        k.result.combined = true;
        if (k.store)
            zlist_store(k.c, k.c->argv[1], &k.result, event);
        else if (k.count_only)
            reply_int(k.c, (int64_t)k.found);
        else
            reply_result(&k);
    }
    zlist_free(&k.result);
    free(k.sources);
}

void cmd_zunion(struct call *c) {
    run((struct combining){.c = c, .what = UNION}, NULL);
}

void cmd_zinter(struct call *c) {
    run((struct combining){.c = c, .what = INTER}, NULL);
}

void cmd_zdiff(struct call *c) {
    run((struct combining){.c = c, .what = DIFF}, NULL);
}

void cmd_zintercard(struct call *c) {
    run((struct combining){.c = c, .what = INTER, .count_only = true}, NULL);
}

void cmd_zunionstore(struct call *c) {
    run((struct combining){.c = c, .what = UNION, .store = true}, "zunionstore");
}

void cmd_zinterstore(struct call *c) {
    run((struct combining){.c = c, .what = INTER, .store = true}, "zinterstore");
}

void cmd_zdiffstore(struct call *c) {
    run((struct combining){.c = c, .what = DIFF, .store = true}, "zdiffstore");
}
