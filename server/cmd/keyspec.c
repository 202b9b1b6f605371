/* See keyspec.h. What the words mean is found as Redis finds it, so that COMMAND GETKEYS says the same of words that make no
 * sense too. */
#include "server/cmd/keyspec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/bytes.h"
#include "server/base/num.h"
#include "server/cmd/table.h"

/* What is being filled. */
struct found {
    struct key_place *places;
    int max, n;
};

static void add(struct found *f, int at, uint32_t flags) {
    if (f->n < f->max) f->places[f->n] = (struct key_place){at, (uint16_t)flags};
    f->n++;
}

/* ---- By specification ------------------------------------------------------------------------ */

/* The word behind the keyword; 0: it is not there. Neither the first nor the last word can be it. */
static int behind(const struct key_spec *s, int argc, const struct bytes *argv) {
    bool forwards = s->at > 0;
    int step = forwards ? 1 : -1;
    for (int i = forwards ? s->at : argc + s->at; i >= 1 && i < argc; i += step) {
        if (i == (forwards ? argc - 1 : 1)) return 0;
        if (bytes_is(argv[i], s->keyword)) return i + 1;
    }
    return 0;
}

/* The last key when a count stands at *first, which moves to the first key. False: it is no count. */
static bool counted(int *first, int *last, int argc, const struct bytes *argv) {
    int64_t n;
    if (*first >= argc || !num_parse_i64(argv[*first].p, argv[*first].len, &n) || n < 0)
        return false;
    n = (int32_t)n;
    *first += 1;
    if (n <= 0 || n > argc - *first) return false;
    *last = *first + (int)n - 1;
    return true;
}

static int last_of(const struct key_spec *s, int first, int argc) {
    if (s->last >= 0) return first + s->last;
    return s->limit > 1 ? first + (argc - first) / s->limit + s->last : argc + s->last;
}

/* False: the specification or the words do not tell. */
static bool add_spec(struct found *f, const struct key_spec *s, int argc,
                     const struct bytes *argv) {
    int first = s->begin == KEY_BEGIN_AT ? s->at : behind(s, argc, argv), last;
    if (s->begin == KEY_BEGIN_UNKNOWN) return false;
    if (!first) return true; /* the keyword is not among the words */
    if (s->step)
        last = last_of(s, first, argc);
    else if (!counted(&first, &last, argc, argv))
        return false;
    if (last >= argc || last < first || first >= argc) return false;
    for (int i = first; i <= last; i += s->step ? s->step : 1) add(f, i, s->flags);
    return !(s->flags & KEY_INCOMPLETE);
}

static bool add_all(struct found *f, const struct key_row *row, int argc,
                    const struct bytes *argv) {
    f->n = 0;
    for (int i = 0; i < KEY_SPECS_MAX && row->specs[i].begin; i++) {
        const struct key_spec *s = &row->specs[i];
        if (!(s->flags & KEY_NOT_KEY) && !add_spec(f, s, argc, argv)) return false;
    }
    return true;
}

/* ---- By the words ---------------------------------------------------------------------------- */

/* As atoi reads: leading spaces, a sign, digits, whatever behind. */
static int loose_int(struct bytes word) {
    char text[32];
    size_t n = word.len < sizeof text - 1 ? word.len : sizeof text - 1;
    memcpy(text, word.p, n);
    text[n] = '\0';
    return (int)strtol(text, NULL, 10);
}

static void by_count(struct found *f, const struct key_row *row, int argc,
                     const struct bytes *argv) {
    bool stores = row->specs[1].begin;
    int count_at = row->specs[stores].at;
    int n = count_at < argc ? loose_int(argv[count_at]) : 0;
    if (n < 1 || n > argc - count_at - 1) return;
    for (int i = 0; i < n; i++) add(f, count_at + 1 + i, 0);
    if (stores) add(f, row->specs[0].at, 0);
}

/* The last STORE counts; other options' values are passed over. */
static void by_sort(struct found *f, int argc, const struct bytes *argv) {
    int store = 0;
    for (int i = 2; i < argc; i++) {
        if (bytes_is(argv[i], "limit"))
            i += 2;
        else if (bytes_is(argv[i], "get") || bytes_is(argv[i], "by"))
            i++;
        else if (bytes_is(argv[i], "store") && i + 1 < argc)
            store = i + 1;
    }
    add(f, 1, KEY_RO | KEY_ACCESS);
    if (store) add(f, store, KEY_OW | KEY_UPDATE);
}

static void by_migrate(struct found *f, int argc, const struct bytes *argv) {
    int first = 3, n = 1;
    for (int i = 6; argc > 6 && i < argc; i++) {
        if (bytes_is(argv[i], "keys")) {
            first = i + 1;
            n = argv[3].len ? 0 : argc - first; /* a key at its place too: a syntax error */
            break;
        }
        if (bytes_is(argv[i], "auth"))
            i++;
        else if (bytes_is(argv[i], "auth2"))
            i += 2;
    }
    for (int i = 0; i < n; i++) add(f, first + i, KEY_RW | KEY_ACCESS | KEY_DELETE);
}

static void by_georadius(struct found *f, int argc, const struct bytes *argv) {
    int store = 0;
    for (int i = 5; i + 1 < argc; i++)
        if (bytes_is(argv[i], "store") || bytes_is(argv[i], "storedist")) store = ++i;
    add(f, 1, 0);
    if (store) add(f, store, 0);
}

/* Where STREAMS stands; 0: nowhere, or behind something that is no option. */
static int streams_at(int argc, const struct bytes *argv) {
    for (int i = 1; i < argc; i++) {
        if (bytes_is(argv[i], "streams")) return i;
        if (bytes_is(argv[i], "block") || bytes_is(argv[i], "count"))
            i++;
        else if (bytes_is(argv[i], "group"))
            i += 2;
        else if (!bytes_is(argv[i], "noack"))
            return 0;
    }
    return 0;
}

static void by_xread(struct found *f, int argc, const struct bytes *argv) {
    int at = streams_at(argc, argv), words = argc - at - 1;
    if (!at || words % 2) return;
    for (int i = 0; i < words / 2; i++) add(f, at + 1 + i, 0);
}

static void by_set(struct found *f, int argc, const struct bytes *argv) {
    bool get = false;
    for (int i = 3; i < argc; i++) get = get || bytes_is(argv[i], "get");
    add(f, 1, get ? KEY_RW | KEY_ACCESS | KEY_UPDATE : KEY_OW | KEY_UPDATE);
}

static void by_bitfield(struct found *f, int argc, const struct bytes *argv) {
    bool reads = true;
    for (int i = 2; i < argc && reads; i++) {
        int left = argc - i - 1;
        if (bytes_is(argv[i], "get") && left >= 2)
            i += 2;
        else if (bytes_is(argv[i], "overflow") && left >= 1)
            i++;
        else
            reads = false;
    }
    add(f, 1, reads ? KEY_RO | KEY_ACCESS : KEY_RW | KEY_ACCESS | KEY_UPDATE);
}

static void by_words(struct found *f, const struct key_row *row, int argc,
                     const struct bytes *argv) {
    f->n = 0;
    switch (row->way) {
    case KEYS_BY_SPEC: return;
    case KEYS_COUNTED: by_count(f, row, argc, argv); return;
    case KEYS_SORT: by_sort(f, argc, argv); return;
    case KEYS_SORT_RO: add(f, 1, KEY_RO | KEY_ACCESS); return;
    case KEYS_MIGRATE: by_migrate(f, argc, argv); return;
    case KEYS_GEORADIUS: by_georadius(f, argc, argv); return;
    case KEYS_XREAD: by_xread(f, argc, argv); return;
    case KEYS_SET: by_set(f, argc, argv); return;
    case KEYS_BITFIELD: by_bitfield(f, argc, argv); return;
    }
}

/* ---- For others ------------------------------------------------------------------------------ */

static int by_name(const void *name, const void *row) {
    return strcmp(name, ((const struct key_row *)row)->name);
}

const struct key_row *key_row_of(const char *command_name) {
    return bsearch(command_name, key_rows, key_row_count, sizeof *key_rows, by_name);
}

/* Specifications that are plain ranges one behind the other make one range; what is not leaves a doubt. */
bool key_row_range(const struct key_row *row, int *first, int *last, int *step) {
    const struct key_spec *s = row->specs;
    bool movable = false;
    int before = 0; /* the last key of the range so far */
    *first = *last = *step = 0;
    for (; s < row->specs + KEY_SPECS_MAX && s->begin; s++) {
        bool only = s == row->specs && !s[1].begin;
        bool range = s->begin == KEY_BEGIN_AT && s->step;
        if (!range || (!only && (s->step != 1 || (before && before != s->at - 1)))) {
            movable = true;
            continue;
        }
        if (s->flags & KEY_INCOMPLETE) movable = true;
        if (!*first) *first = s->at;
        before = s->last < 0 ? s->last : s->at + s->last;
        if ((unsigned)before > (unsigned)*last) *last = before;
        *step = s->step;
    }
    return movable;
}

int command_key_places(const struct command *cmd, int argc, const struct bytes *argv,
                       struct key_place *places, int max) {
    struct found f = {places, max, 0};
    const struct key_row *row = cmd->keys;
    if (!row) return 0;
    bool by_spec = row->way != KEYS_SET && row->way != KEYS_BITFIELD;
    if (!by_spec || !add_all(&f, row, argc, argv)) by_words(&f, row, argc, argv);
    return f.n;
}

int command_keys(const struct command *cmd, int argc, const struct bytes *argv, int *positions,
                 int max) {
    enum { SOME = 64 };
    struct key_place some[SOME], *places = some;
    if (max > SOME) places = xmalloc((size_t)max * sizeof *places);
    int n = command_key_places(cmd, argc, argv, places, max);
    for (int i = 0; i < n && i < max; i++) positions[i] = places[i].at;
    if (places != some) free(places);
    return n;
}
