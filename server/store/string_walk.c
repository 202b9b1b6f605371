/* A big string under a walk: its bytes of one instant are handed out in order, in pieces, while commands change it.
 *
 * Of what is about to change and was not passed yet, the page in which it lies is kept; a page is taken whole, from
 * where the walk finds it: kept, or in the string itself. What is appended needs nothing. */
#include <string.h>

#include "server/base/log.h"
#include "server/store/raw.h"
#include "server/store/walk_inside.h"

enum {
    PAGE_BYTES = 4096, /* of a string of 512 MB and less: their table takes a 512th of it */
    MANY_PAGES = 1 << 17
};

struct string_walk {
    struct store *s;
    size_t bytes;       /* all that is kept, this included; part of the store's memory */
    size_t len, passed; /* bytes: at the instant; handed out */
    size_t page_bytes, pages;
    char **page; /* those kept; NULL: none was yet */
};

static size_t page_size(const struct string_walk *w, size_t at) {
    size_t left = w->len - at * w->page_bytes;
    return left < w->page_bytes ? left : w->page_bytes;
}

static void keep_page(struct string_walk *w, const struct raw *raw, size_t at) {
    if (w->page[at]) return;
    size_t n = page_size(w, at);
    w->page[at] = mem_new(&w->bytes, n);
    memcpy(w->page[at], raw->data + at * w->page_bytes, n);
}

static void drop_page(struct string_walk *w, size_t at) {
    if (!w->page || !w->page[at]) return;
    mem_free(&w->bytes, w->page[at], page_size(w, at));
    w->page[at] = NULL;
}

static size_t table_size(const struct string_walk *w) {
    return w->pages * sizeof *w->page;
}

static void make_table(struct string_walk *w) {
    if (w->page) return;
    w->page = xcalloc(1, mem_class(table_size(w)));
    w->bytes += mem_class(table_size(w));
}

void string_keep_part(struct raw *raw, size_t from, size_t n) {
    struct string_walk *w = raw->walked->inside;
    size_t before = w->bytes,
           until = n < w->len - (from < w->len ? from : w->len) ? from + n : w->len;
    if (from < w->passed) from = w->passed;
    if (from >= until || walk_is_silent(w->s)) return;
    make_table(w);
    for (size_t at = from / w->page_bytes; at * w->page_bytes < until; at++) keep_page(w, raw, at);
    w->s->memory += w->bytes - before;
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
    s->memory += w->bytes;
    v->object = raw;
    v->w.count = v->w.length = raw->len;
    v->inside = w;
    raw->walked = v;
}

/* The next piece: a page that was kept, or as many bytes as none was kept of. */
static struct bytes next_piece(const struct string_walk *w, const struct raw *raw) {
    size_t at = w->passed / w->page_bytes, n = (at + 1) * w->page_bytes - w->passed;
    const char *p = w->page ? w->page[at] : NULL;
    if (p)
        return (struct bytes){p + w->passed % w->page_bytes,
                              page_size(w, at) - w->passed % w->page_bytes};
    for (at++; n < WALK_PIECE_BYTES && at < w->pages && !(w->page && w->page[at]); at++)
        n += w->page_bytes;
    if (n > WALK_PIECE_BYTES) n = WALK_PIECE_BYTES;
    if (n > w->len - w->passed) n = w->len - w->passed;
    return (struct bytes){raw->data + w->passed, n};
}

static void pass_bytes(struct string_walk *w, size_t n) {
    size_t before = w->bytes, at = w->passed / w->page_bytes;
    w->passed += n;
    for (; at < w->pages && (at * w->page_bytes + page_size(w, at)) <= w->passed; at++)
        drop_page(w, at);
    w->s->memory += w->bytes - before;
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
    s->memory -= w->bytes;
    if (v->space) raw->walked = NULL;
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
