/* A big string under a walk: its bytes of one instant are handed out in order, in pieces, while commands change it.
 *
 * Of what is about to change and was not passed yet, the lines in which it lies are kept: a line is a 64th of a page.
 * A piece in which none was kept is handed out from the string itself, another is put together in a copy. What is appended
 * needs nothing. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/raw.h"
#include "server/store/walk_inside.h"

enum {
    PAGE_BYTES = 4096, /* of a string of 512 MB and less: their table takes a 512th of it */
    MANY_PAGES = 1 << 17,
    PAGE_LINES = 64
};

/* The lines of a page that were kept, one behind the other. */
struct lines {
    uint64_t have; /* a bit for each */
    char bytes[];
};

struct string_walk {
    struct store *s;
    size_t bytes;       /* all that is kept, this included; part of the store's memory */
    size_t len, passed; /* bytes: at the instant; handed out */
    size_t page_bytes, pages;
    struct lines **page; /* NULL: nothing was kept of any; then of this one */
    char *piece;         /* where pieces are put together; NULL: none was yet */
};

static size_t line_bytes(const struct string_walk *w) {
    return w->page_bytes / PAGE_LINES;
}

static size_t lines_size(const struct string_walk *w, uint64_t have) {
    return sizeof(struct lines) + (size_t)__builtin_popcountll(have) * line_bytes(w);
}

/* How many bytes of the line there are: the last one may be short. */
static size_t line_len(const struct string_walk *w, size_t from) {
    size_t left = from < w->len ? w->len - from : 0;
    return left < line_bytes(w) ? left : line_bytes(w);
}

static void drop_page(struct string_walk *w, size_t at) {
    if (!w->page || !w->page[at]) return;
    mem_free(&w->bytes, w->page[at], lines_size(w, w->page[at]->have));
    w->page[at] = NULL;
}

static void keep_lines(struct string_walk *w, const struct raw *raw, size_t at, uint64_t wanted) {
    const struct lines *old = w->page[at];
    uint64_t had = old ? old->have : 0, have = had | wanted;
    const char *from = old ? old->bytes : NULL;
    if (have == had) return;
    struct lines *new = mem_new(&w->bytes, lines_size(w, have));
    char *to = new->bytes;
    new->have = have;
    for (uint64_t rest = have; rest; rest &= rest - 1, to += line_bytes(w)) {
        size_t n = (size_t)__builtin_ctzll(rest), there = at * w->page_bytes + n * line_bytes(w);
        if (had >> n & 1) {
            memcpy(to, from, line_bytes(w));
            from += line_bytes(w);
        } else {
            memcpy(to, raw->data + there, line_len(w, there));
        }
    }
    drop_page(w, at);
    w->page[at] = new;
}

static size_t table_size(const struct string_walk *w) {
    return w->pages * sizeof(struct lines *);
}

static void make_table(struct string_walk *w) {
    if (w->page) return;
    w->page = xcalloc(1, mem_class(table_size(w)));
    w->bytes += mem_class(table_size(w));
}

/* The lines from..until of a page; until may lie behind it. */
static uint64_t lines_between(size_t from, size_t until) {
    uint64_t low = UINT64_MAX << from;
    return until >= PAGE_LINES ? low : low & ((UINT64_C(1) << until) - 1);
}

void string_keep_part(struct raw *raw, size_t from, size_t n) {
    struct string_walk *w = raw->walked->inside;
    size_t before = w->bytes, line = line_bytes(w);
    if (from < w->passed) {
        size_t over = w->passed - from;
        n = n > over ? n - over : 0;
        from = w->passed;
    }
    if (from >= w->len || !n || walk_is_silent(w->s)) return;
    if (n > w->len - from) n = w->len - from;
    make_table(w);
    size_t first = from / line, until = (from + n - 1) / line + 1;
    for (size_t at = first / PAGE_LINES; at * PAGE_LINES < until; at++) {
        size_t low = first > at * PAGE_LINES ? first - at * PAGE_LINES : 0;
        keep_lines(w, raw, at, lines_between(low, until - at * PAGE_LINES));
    }
    walk_keeps(w->s, w->bytes - before);
}

void string_moved(struct raw *raw) {
    raw->walked->object = raw;
}

/* ---- What the store asks of a kind that is walked -------------------------------------------- */

static struct value_walk *attached(const struct entry *e) {
    return entry_form(e) == FORM_RAW ? ((const struct raw *)entry_pointer(e))->walked : NULL;
}

static bool is_big(const struct store *s, const struct entry *e) {
    return entry_form(e) == FORM_RAW &&
           walk_is_big(s, 1, ((const struct raw *)entry_pointer(e))->len);
}

static void attach(struct store *s, const struct entry *e, struct value_walk *v) {
    struct raw *raw = entry_pointer(e);
    struct string_walk *w = xmalloc(mem_class(sizeof *w));
    *w = (struct string_walk){.s = s, .len = raw->len, .page_bytes = PAGE_BYTES};
    while (w->len / w->page_bytes >= MANY_PAGES) w->page_bytes *= 2;
    w->pages = (w->len + w->page_bytes - 1) / w->page_bytes;
    w->bytes = mem_class(sizeof *w);
    walk_keeps(s, w->bytes);
    v->object = raw;
    v->w.count = v->w.length = raw->len;
    v->inside = w;
    raw->walked = v;
}

/* The bytes of a piece that begins there are as they were. */
static void put_back(const struct string_walk *w, size_t at) {
    const struct lines *kept = w->page[at];
    const char *from = kept ? kept->bytes : NULL;
    char *to = w->piece + (at * w->page_bytes - w->passed);
    for (uint64_t rest = kept ? kept->have : 0; rest; rest &= rest - 1, from += line_bytes(w)) {
        size_t n = (size_t)__builtin_ctzll(rest) * line_bytes(w);
        memcpy(to + n, from, line_len(w, at * w->page_bytes + n));
    }
}

static size_t piece_bytes(const struct string_walk *w) {
    return w->page_bytes > WALK_PIECE_BYTES ? w->page_bytes : WALK_PIECE_BYTES;
}

/* Pieces begin and end where pages do. */
static struct bytes next_piece(struct string_walk *w, const struct raw *raw) {
    size_t n = w->len - w->passed, at = w->passed / w->page_bytes;
    if (n > piece_bytes(w)) n = piece_bytes(w);
    size_t behind = at + (n + w->page_bytes - 1) / w->page_bytes;
    bool kept = false;
    for (size_t i = at; w->page && i < behind && !kept; i++) kept = w->page[i] != NULL;
    if (!kept) return (struct bytes){raw->data + w->passed, n};
    if (!w->piece) {
        w->piece = mem_new(&w->bytes, piece_bytes(w));
        walk_keeps(w->s, mem_class(piece_bytes(w)));
    }
    memcpy(w->piece, raw->data + w->passed, n);
    for (; at < behind; at++) put_back(w, at);
    return (struct bytes){w->piece, n};
}

static void pass_bytes(struct string_walk *w, size_t n) {
    size_t before = w->bytes, at = w->passed / w->page_bytes;
    w->passed += n;
    for (; at < w->pages && at * w->page_bytes < w->passed; at++) drop_page(w, at);
    walk_keeps(w->s, w->bytes - before);
}

/* A silent walk gives back what was kept. */
static bool step(struct store *s, struct value_walk *v) {
    struct string_walk *w = v->inside;
    do {
        struct bytes piece = next_piece(w, v->object);
        struct walk_item i = {.name = piece, .count = piece.len, .whole = w->len, .at = w->passed};
        if (walk_is_silent(s))
            walk_spend(s, 1);
        else
            walk_hand_out(s, v, &i, false);
        pass_bytes(w, piece.len);
    } while (w->passed < w->len && walk_goes_on(s));
    return w->passed < w->len;
}

static void let_go(struct store *s, struct value_walk *v) {
    struct string_walk *w = v->inside;
    struct raw *raw = v->object;
    walk_keeps(s, 0 - w->bytes);
    if (v->space) raw->walked = NULL;
    if (w->piece) mem_free(&w->bytes, w->piece, piece_bytes(w));
    if (w->page) {
        w->bytes -= mem_class(table_size(w));
        store_give_back(s, w->page, table_size(w));
    }
    must(w->bytes == mem_class(sizeof *w), "a walk keeps nothing of what it has passed");
    free(w);
}

static void free_orphan(struct store *s, struct value_walk *v) {
    struct raw *raw = v->object;
    s->memory -= mem_class(raw_size(raw->cap));
    store_give_back(s, raw, raw_size(raw->cap));
}

static size_t memory(const struct value_walk *v, bool with_object) {
    const struct string_walk *w = v->inside;
    const struct raw *raw = v->object;
    return w->bytes + (with_object ? mem_class(raw_size(raw->cap)) : 0);
}

const struct walk_kind string_walk = {
    .attached = attached,
    .is_big = is_big,
    .attach = attach,
    .step = step,
    .let_go = let_go,
    .free = free_orphan,
    .memory = memory,
    .keeps = true,
};
