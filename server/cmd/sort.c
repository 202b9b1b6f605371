/* SORT and SORT_RO: the members of a list, set or sorted set, by themselves or by what patterns find, and what other
 * patterns find for them. Members and weights are copied first: looking up a key may delete one that has expired. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "server/cmd/families.h"
#include "server/cmd/order.h"
#include "server/cmd/sort.h"
#include "server/cmd/zsets.h"
#include "server/store/hash.h"
#include "server/store/list.h"
#include "server/store/set.h"

#define NO_WEIGHT SIZE_MAX

struct sort_item {
    size_t at, len;               /* the member, in text */
    size_t weight_at, weight_len; /* the text to sort by; weight_len NO_WEIGHT: there is none */
    double score;                 /* the number to sort by */
    size_t place;                 /* among the members as they came */
};

struct sorting {
    struct call *c;
    bool read_only, descending, alpha, unsorted; /* unsorted: BY a pattern that names one key */
    int by, store;                               /* positions of their words, 0: none */
    int *gets, get_count;                        /* positions of the patterns */
    int64_t offset, limit;
    bool bad_score;
    struct buf text, key;
    struct sort_item *items;
    size_t count, first, end; /* the items, and which of them are the answer */
};

/* ---- Words ----------------------------------------------------------------------------------- */

/* The option at argv[*i], which moves to its last word; false after an error. */
static bool parse_option(struct sorting *s, int *i) {
    struct call *c = s->c;
    struct bytes word = c->argv[*i];
    int left = c->argc - *i - 1;
    if (bytes_is(word, "asc") || bytes_is(word, "desc")) {
        s->descending = word.len == 4;
    } else if (bytes_is(word, "alpha")) {
        s->alpha = true;
    } else if (bytes_is(word, "limit") && left >= 2) {
        if (!arg_int(c, *i + 1, &s->offset) || !arg_int(c, *i + 2, &s->limit)) return false;
        *i += 2;
    } else if (!s->read_only && bytes_is(word, "store") && left >= 1) {
        s->store = ++*i;
    } else if (bytes_is(word, "by") && left >= 1) {
        s->by = ++*i;
        s->unsorted |= !pattern_parse(c->argv[s->by]).varies;
    } else if (bytes_is(word, "get") && left >= 1) {
        s->gets[s->get_count++] = ++*i;
    } else {
        reply_error(c, ERR_SYNTAX);
        return false;
    }
    return true;
}

static bool parse(struct sorting *s) {
    s->limit = -1;
    s->gets = xmalloc((size_t)s->c->argc * sizeof *s->gets);
    for (int i = 2; i < s->c->argc; i++)
        if (!parse_option(s, &i)) return false;
    return true;
}

/* ---- Members --------------------------------------------------------------------------------- */

static void add(struct sorting *s, struct bytes member) {
    s->items[s->count] =
        (struct sort_item){buf_len(&s->text), member.len, 0, NO_WEIGHT, 0, s->count};
    buf_add(&s->text, member.p, member.len);
    s->count++;
}

static bool add_member(void *arg, struct bytes member) {
    add(arg, member);
    return true;
}

static struct bytes text_at(const struct sorting *s, size_t at, size_t len) {
    return (struct bytes){s->text.data ? buf_head(&s->text) + at : "", len};
}

static struct bytes member_of(const struct sorting *s, const struct sort_item *item) {
    return text_at(s, item->at, item->len);
}

static size_t length(const struct entry *e) {
    if (!e) return 0;
    if (entry_kind(e) == KIND_LIST) return list_len(e);
    return entry_kind(e) == KIND_SET ? set_len(e) : zset_len(e);
}

/* n members from place `first` on, counted from the side that is begun at. */
static void add_ranked(struct sorting *s, const struct entry *e, bool reverse, size_t first,
                       size_t n) {
    struct zset_cursor c;
    struct bytes member;
    double score;
    zset_seek(e, reverse ? zset_len(e) - first : first, &c);
    while (n-- && (reverse ? zset_prev : zset_next)(&c, &member, &score)) add(s, member);
}

static void add_listed(struct sorting *s, const struct entry *e, bool reverse, size_t first,
                       size_t n) {
    struct list_cursor c;
    if (!n || !list_seek(e, reverse ? list_len(e) - 1 - first : first, &c)) return;
    do add(s, list_here(&c));
    while (--n && (reverse ? list_prev : list_next)(&c));
}

/* Loads what can be the answer: all, or the part that LIMIT leaves where the order is there already. */
static void load(struct sorting *s, const struct entry *e) {
    size_t len = length(e), n = len, skip = s->offset < 0 ? 0 : (size_t)s->offset;
    if (skip > len) skip = len;
    if (n > len - skip) n = len - skip;
    if (s->limit >= 0 && n > (uint64_t)s->limit) n = (size_t)s->limit;
    bool part = s->unsorted && e && entry_kind(e) != KIND_SET;
    s->first = part ? 0 : skip;
    s->end = s->first + n;
    s->items = xmalloc(((part ? n : len) + 1) * sizeof *s->items);
    if (!e) return;
    if (entry_kind(e) == KIND_SET) {
        set_each(e, add_member, s);
        return;
    }
    bool reverse = part && s->descending;
    (entry_kind(e) == KIND_LIST ? add_listed : add_ranked)(s, e, reverse, part ? skip : 0,
                                                           part ? n : len);
}

/* ---- Order ----------------------------------------------------------------------------------- */

static int compare_bytes(struct bytes a, struct bytes b) {
    int order = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* As strings of C: a NUL ends them. What is stored is compared whole. */
static int compare_text(const struct sorting *s, struct bytes a, struct bytes b) {
    if (!s->store) {
        a.len = strnlen(a.p, a.len);
        b.len = strnlen(b.p, b.len);
    }
    return compare_bytes(a, b);
}

static int compare_weights(const struct sorting *s, const struct sort_item *a,
                           const struct sort_item *b) {
    if (!s->by) return compare_text(s, member_of(s, a), member_of(s, b));
    bool has_a = a->weight_len != NO_WEIGHT, has_b = b->weight_len != NO_WEIGHT;
    if (!has_a || !has_b) return has_a - has_b;
    return compare_text(s, text_at(s, a->weight_at, a->weight_len),
                        text_at(s, b->weight_at, b->weight_len));
}

static int compare_items(const void *x, const void *y, void *arg) {
    const struct sort_item *a = x, *b = y;
    const struct sorting *s = arg;
    int order;
    if (s->alpha)
        order = compare_weights(s, a, b);
    else if (a->score != b->score)
        order = a->score < b->score ? -1 : 1;
    else
        order = compare_bytes(member_of(s, a), member_of(s, b));
    if (order) return s->descending ? -order : order;
    return (a->place > b->place) - (a->place < b->place);
}

static bool score_of(struct bytes text, double *score) {
    errno = 0;
    return loose_double(text, score) && errno != ERANGE;
}

/* The weight's bytes never lie in the text that grows: BY # is not a pattern to sort by. */
static void weigh(struct sorting *s, struct sort_item *item, const struct pattern *by) {
    struct digits d;
    struct bytes weight = member_of(s, item);
    if (by && !pattern_find(s->c, by, weight, &s->key, &weight, &d)) return;
    if (!s->alpha) {
        if (!score_of(weight, &item->score)) s->bad_score = true;
    } else if (by) {
        item->weight_at = buf_len(&s->text);
        item->weight_len = weight.len;
        buf_add(&s->text, weight.p, weight.len);
    }
}

static void sort(struct sorting *s) {
    struct pattern by = {0};
    if (s->by) by = pattern_parse(s->c->argv[s->by]);
    for (size_t i = 0; i < s->count; i++) weigh(s, &s->items[i], s->by ? &by : NULL);
    if (!s->bad_score)
        order_part(s->items, s->count, sizeof *s->items, s->first, s->end, compare_items, s);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* What is said of each member of the answer: itself, or what each GET finds. */
typedef void answer_fn(struct sorting *s, void *arg, const struct bytes *value);

static void each_answer(struct sorting *s, answer_fn *fn, void *arg) {
    struct pattern *gets = xmalloc((size_t)(s->get_count + 1) * sizeof *gets);
    struct digits d;
    for (int g = 0; g < s->get_count; g++) gets[g] = pattern_parse(s->c->argv[s->gets[g]]);
    for (size_t i = s->first; i < s->end; i++) {
        struct bytes member = member_of(s, &s->items[i]), value;
        if (!s->get_count) fn(s, arg, &member);
        for (int g = 0; g < s->get_count; g++) {
            bool found = pattern_find(s->c, &gets[g], member, &s->key, &value, &d);
            fn(s, arg, found ? &value : NULL);
        }
    }
    free(gets);
}

static void reply_answer(struct sorting *s, void *arg, const struct bytes *value) {
    (void)arg;
    if (value)
        reply_bulk(s->c, *value);
    else
        reply_null(s->c);
}

static void collect_answer(struct sorting *s, void *arg, const struct bytes *value) {
    (void)s;
    zlist_add(arg, value ? *value : BYTES(""), 0);
}

static void store_answers(struct sorting *s) {
    struct call *c = s->c;
    struct bytes key = c->argv[s->store];
    struct zlist answers = {0}; /* first: a GET may read the key that is to be replaced */
    each_answer(s, collect_answer, &answers);
    struct entry *old = call_write(c, key), *e = NULL;
    if (old) store_delete(c->store, c->db, old);
    if (answers.count) {
        e = list_new(c->store, c->db, key, NO_EXPIRY);
        store_touch(c->store, e, c->now_ms);
        if (!old) call_created(c, c->db, key, e);
    }
    for (size_t i = 0; i < answers.count; i++)
        list_push(c->store, c->db, e, LIST_TAIL, zlist_member(&answers, i));
    reply_int(c, (int64_t)answers.count);
    if (e || old) {
        call_changed(c, key);
        if (e) c->dirty += answers.count - 1;
        call_notify(c, e ? NOTIFY_LIST : NOTIFY_GENERIC, e ? "sortstore" : "del", key);
    }
    zlist_free(&answers);
}

static void answer(struct sorting *s) {
    if (s->bad_score) {
        reply_error(s->c, "ERR One or more scores can't be converted into double");
    } else if (s->store) {
        store_answers(s);
    } else {
        size_t each = s->get_count ? (size_t)s->get_count : 1;
        reply_array(s->c, each * (s->end - s->first));
        each_answer(s, reply_answer, NULL);
    }
}

static bool can_be_sorted(const struct entry *e) {
    return !e || entry_kind(e) == KIND_LIST || entry_kind(e) == KIND_SET ||
           entry_kind(e) == KIND_ZSET;
}

static void run(struct sorting *s) {
    struct entry *e = call_read(s->c, s->c->argv[1]);
    if (!can_be_sorted(e)) {
        reply_error(s->c, ERR_WRONG_TYPE);
        return;
    }
    /* What is stored, and what a script sees, must not depend on how a set lies in memory. */
    if (s->unsorted && e && entry_kind(e) == KIND_SET &&
        (s->store || s->c->flags & CALL_FROM_SCRIPT)) {
        s->unsorted = false;
        s->alpha = true;
        s->by = 0;
    }
    load(s, e);
    if (!s->unsorted) sort(s);
    answer(s);
}

static void sort_command(struct call *c, bool read_only) {
    struct sorting s = {.c = c, .read_only = read_only};
    if (parse(&s)) run(&s);
    buf_free(&s.text);
    buf_free(&s.key);
    free(s.items);
    free(s.gets);
}

void cmd_sort(struct call *c) {
    sort_command(c, false);
}

void cmd_sort_ro(struct call *c) {
    sort_command(c, true);
}
