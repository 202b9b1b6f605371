#include "hactl/import/key_places.h"

#include <stdlib.h>
#include <string.h>

#include "hactl/import/answer.h"
#include "server/base/buf.h"
#include "server/base/num.h"

static void note_flags(struct key_place *p, const char **at, const char *end) {
    struct answer_item flags = answer_next(at, end);
    for (int64_t i = 0; flags.type == '*' && i < flags.number; i++) {
        struct answer_item one = answer_next(at, end);
        if (bytes_is(one.text, "movablekeys")) p->movable = true;
        if (bytes_is(one.text, "write")) p->write = true;
    }
}

static int small_int(struct answer_item i) {
    return i.type == ':' && i.number > -1000 && i.number < 1000 ? (int)i.number : 0;
}

/* name, arity, flags, first, last, step, and whatever later versions put behind. False: no such row. */
static bool take_row(struct key_place *p, const char *at, const char *end) {
    struct answer_item row = answer_next(&at, end);
    if (row.type != '*' || row.number < 6) return false;
    struct answer_item name = answer_next(&at, end);
    if (name.type != '$' && name.type != '+') return false;
    if (name.text.len >= sizeof p->name) return true; /* none that a stream holds */
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < name.text.len; i++)
        p->name[i] = (char)(name.text.p[i] | (name.text.p[i] >= 'A' && name.text.p[i] <= 'Z') << 5);
    answer_pass(&at, end); /* arity */
    note_flags(p, &at, end);
    p->first = small_int(answer_next(&at, end));
    p->last = small_int(answer_next(&at, end));
    p->step = small_int(answer_next(&at, end));
    return true;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct key_place *)a)->name, ((const struct key_place *)b)->name);
}

bool key_places_take(struct key_places *k, const char *reply, size_t len) {
    const char *at = reply, *end = reply + len;
    struct answer_item all = answer_next(&at, end);
    memset(k, 0, sizeof *k);
    if (all.type != '*' || all.number <= 0) return false;
    k->list = xcalloc((size_t)all.number, sizeof *k->list);
    for (int64_t i = 0; i < all.number; i++) {
        if (!take_row(&k->list[k->count], at, end)) return false;
        k->count += k->list[k->count].name[0] != 0;
        answer_pass(&at, end);
    }
    qsort(k->list, k->count, sizeof *k->list, by_name);
    return true;
}

void key_places_free(struct key_places *k) {
    free(k->list);
    free(k->found);
    memset(k, 0, sizeof *k);
}

const struct key_place *key_places_of(const struct key_places *k, struct bytes name) {
    struct key_place one = {.step = 0};
    if (name.len >= sizeof one.name) return NULL;
    for (size_t i = 0; i < name.len; i++)
        one.name[i] = (char)(name.p[i] | (name.p[i] >= 'A' && name.p[i] <= 'Z') << 5);
    return bsearch(&one, k->list, k->count, sizeof one, by_name);
}

static void found(struct key_places *k, int *n, int place) {
    if (*n == k->room) {
        k->room = k->room ? k->room * 2 : 16;
        k->found = xrealloc(k->found, (size_t)k->room * sizeof *k->found);
    }
    k->found[(*n)++] = place;
}

/* Keys behind a count of them at that place. */
static bool counted(struct key_places *k, int *n, int argc, const struct bytes *argv, int at) {
    int64_t count;
    if (at >= argc || !num_parse_i64(argv[at].p, argv[at].len, &count) || count < 0 ||
        count > argc - at - 1)
        return false;
    for (int i = 0; i < (int)count; i++) found(k, n, at + 1 + i);
    return true;
}

/* The key behind the last of these words, from `from` on. */
static void behind_word(struct key_places *k, int *n, int argc, const struct bytes *argv, int from,
                        const char *word, const char *other) {
    int place = 0;
    for (int i = from; i + 1 < argc; i++)
        if (bytes_is(argv[i], word) || (other && bytes_is(argv[i], other))) place = i + 1;
    if (place) found(k, n, place);
}

static bool is_one_of(struct bytes w, const char *const *list) {
    for (; *list; list++)
        if (bytes_is(w, *list)) return true;
    return false;
}

/* Commands whose keys move: those that a stream of commands may hold. */
static int movable(struct key_places *k, int argc, const struct bytes *argv) {
    static const char *const from_third[] = {"eval", "evalsha", "fcall", NULL};
    static const char *const stores[] = {"zunionstore", "zinterstore", "zdiffstore", NULL};
    static const char *const sources[] = {"lmpop", "zmpop", "sintercard", NULL};
    static const char *const geo[] = {"georadius", "georadiusbymember", NULL};
    int n = 0;
    bool well = true;
    if (is_one_of(argv[0], from_third)) {
        well = counted(k, &n, argc, argv, 2);
    } else if (is_one_of(argv[0], stores) && argc > 2) {
        found(k, &n, 1);
        well = counted(k, &n, argc, argv, 2);
    } else if (is_one_of(argv[0], sources)) {
        well = counted(k, &n, argc, argv, 1);
    } else if (bytes_is(argv[0], "sort") && argc > 1) {
        found(k, &n, 1);
        behind_word(k, &n, argc, argv, 2, "store", NULL);
    } else if (is_one_of(argv[0], geo) && argc > 1) {
        found(k, &n, 1);
        behind_word(k, &n, argc, argv, 5, "store", "storedist");
    } else {
        return -1;
    }
    return well ? n : -1;
}

int key_places_find(struct key_places *k, int argc, const struct bytes *argv, const int **places) {
    const struct key_place *p = key_places_of(k, argv[0]);
    int n = 0;
    if (!p) return -1;
    if (p->movable) {
        n = movable(k, argc, argv);
        if (n >= 0 || !p->first) {
            *places = k->found;
            return n;
        }
        n = 0;
    }
    int last = p->last < 0 ? argc + p->last : p->last;
    for (int i = p->first; p->first > 0 && i <= last && i<argc; i += p->step> 0 ? p->step : 1)
        found(k, &n, i);
    *places = k->found;
    return n;
}
