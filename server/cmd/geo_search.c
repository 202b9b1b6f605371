/* GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER. Each of the shape's cells is a range of
 * scores; what lies in them is measured one by one. */
#include <math.h>
#include <stdlib.h>

#include "server/cmd/families.h"
#include "server/cmd/geo.h"
#include "server/cmd/order.h"
#include "server/cmd/zsets.h"

enum form { GEORADIUS, BY_MEMBER, GEOSEARCH, GEOSEARCHSTORE };
enum order { NO_ORDER, NEAREST, FARTHEST };

struct place {
    size_t at, len; /* the member, in text */
    double score, distance;
    struct geo_point point;
};

struct search {
    struct call *c;
    enum form form;
    bool read_only;
    int key, store; /* positions of their words; store 0: none */
    bool with_distance, with_hash, with_point, store_distance, any;
    bool from_member, from_point, by_radius, by_box;
    enum order order;
    int64_t count; /* 0: all */
    struct entry *e;
    struct geo_shape shape;
    struct buf text;
    struct place *places;
    size_t found, cap;
};

/* ---- Words ----------------------------------------------------------------------------------- */

/* A number and a unit. */
static bool arg_radius(struct search *s, int i) {
    double radius;
    if (!arg_double_or(s->c, i, "ERR need numeric radius", &radius)) return false;
    if (radius < 0) {
        reply_error(s->c, "ERR radius cannot be negative");
        return false;
    }
    s->shape.box = false;
    s->shape.radius = radius;
    return arg_geo_unit(s->c, i + 1, &s->shape.unit);
}

/* Width, height and a unit. */
static bool arg_box(struct search *s, int i) {
    double width, height;
    if (!arg_double_or(s->c, i, "ERR need numeric width", &width) ||
        !arg_double_or(s->c, i + 1, "ERR need numeric height", &height))
        return false;
    if (width < 0 || height < 0) {
        reply_error(s->c, "ERR height or width cannot be negative");
        return false;
    }
    s->shape.box = true;
    s->shape.width = width;
    s->shape.height = height;
    return arg_geo_unit(s->c, i + 2, &s->shape.unit);
}

/* Without a key there is no member to be missed: the answer is empty. */
static bool arg_member(struct search *s, int i) {
    double score;
    if (!s->e) return true;
    if (!zset_score(s->e, s->c->argv[i], &score)) {
        reply_error(s->c, "ERR could not decode requested zset member");
        return false;
    }
    s->shape.centre = geo_point_of(score);
    return true;
}

/* The flags among the words. */
static bool parse_flag(struct search *s, struct bytes word) {
    if (bytes_is(word, "withdist"))
        s->with_distance = true;
    else if (bytes_is(word, "withhash"))
        s->with_hash = true;
    else if (bytes_is(word, "withcoord"))
        s->with_point = true;
    else if (bytes_is(word, "any"))
        s->any = true;
    else if (bytes_is(word, "asc"))
        s->order = NEAREST;
    else if (bytes_is(word, "desc"))
        s->order = FARTHEST;
    else if (s->form == GEOSEARCHSTORE && bytes_is(word, "storedist"))
        s->store_distance = true;
    else
        return false;
    return true;
}

static bool parse_count(struct search *s, int i) {
    if (!arg_int(s->c, i, &s->count)) return false;
    if (s->count <= 0) reply_error(s->c, "ERR COUNT must be > 0");
    return s->count > 0;
}

/* Where and how far, as GEOSEARCH has it. Returns the words taken, 0: it is no such option, -1 after an error. */
static int parse_shape(struct search *s, int i) {
    struct bytes word = s->c->argv[i];
    int left = s->c->argc - i - 1;
    if (left >= 1 && !s->from_point && bytes_is(word, "frommember")) {
        s->from_member = true;
        return arg_member(s, i + 1) ? 2 : -1;
    }
    if (left >= 2 && !s->from_member && bytes_is(word, "fromlonlat")) {
        s->from_point = true;
        return arg_geo_point(s->c, i + 1, &s->shape.centre) ? 3 : -1;
    }
    if (left >= 2 && !s->by_box && bytes_is(word, "byradius")) {
        s->by_radius = true;
        return arg_radius(s, i + 1) ? 3 : -1;
    }
    if (left >= 3 && !s->by_radius && bytes_is(word, "bybox")) {
        s->by_box = true;
        return arg_box(s, i + 1) ? 4 : -1;
    }
    return 0;
}

/* Returns the words taken; -1 after an error. */
static int parse_option(struct search *s, int i) {
    struct bytes word = s->c->argv[i];
    bool valued = i + 1 < s->c->argc, searching = s->form >= GEOSEARCH;
    if (parse_flag(s, word)) return 1;
    if (valued && bytes_is(word, "count")) return parse_count(s, i + 1) ? 2 : -1;
    if (valued && !searching && !s->read_only &&
        (bytes_is(word, "store") || bytes_is(word, "storedist"))) {
        s->store = i + 1;
        s->store_distance = word.len > 5;
        return 2;
    }
    int taken = searching ? parse_shape(s, i) : 0;
    if (!taken) reply_error(s->c, ERR_SYNTAX);
    return taken ? taken : -1;
}

/* What GEORADIUS and GEORADIUSBYMEMBER say by position. Returns where the options begin, 0 after an error. */
static int parse_positions(struct search *s) {
    s->shape.unit = 1;
    if (s->form == GEORADIUS)
        return arg_geo_point(s->c, 2, &s->shape.centre) && arg_radius(s, 4) ? 6 : 0;
    if (s->form == BY_MEMBER) return !s->e || (arg_member(s, 2) && arg_radius(s, 3)) ? 5 : 0;
    if (s->form == GEOSEARCHSTORE) s->store = 1;
    return s->form == GEOSEARCHSTORE ? 3 : 2;
}

/* What does not go together; false after the error. */
static bool fits_together(struct search *s) {
    struct bytes name = s->c->argv[0];
    const char *missing = NULL;
    if (s->store && (s->with_distance || s->with_hash || s->with_point)) {
        reply_errorf(s->c, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                     s->form == GEOSEARCHSTORE ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
        return false;
    }
    if (s->form >= GEOSEARCH && !s->from_member && !s->from_point)
        missing = "FROMMEMBER or FROMLONLAT";
    else if (s->form >= GEOSEARCH && !s->by_radius && !s->by_box)
        missing = "BYRADIUS and BYBOX";
    if (missing)
        reply_errorf(s->c, "ERR exactly one of %s can be specified for %.*s", missing,
                     (int)name.len, name.p);
    else if (s->any && !s->count)
        reply_error(s->c, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

static bool parse(struct search *s) {
    int i = parse_positions(s), taken;
    if (!i) return false;
    for (; i < s->c->argc; i += taken)
        if ((taken = parse_option(s, i)) < 0) return false;
    return fits_together(s);
}

/* ---- Searching ------------------------------------------------------------------------------- */

static void add_place(struct search *s, struct bytes member, double score, struct geo_point point) {
    if (s->found == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->places = xrealloc(s->places, s->cap * sizeof *s->places);
    }
    bool measured = s->order != NO_ORDER || s->with_distance || s->store_distance;
    double distance = measured ? geo_distance(s->shape.centre, point) : 0;
    s->places[s->found++] = (struct place){buf_len(&s->text), member.len, score, distance, point};
    buf_add(&s->text, member.p, member.len);
}

static bool has_enough(const struct search *s) {
    return s->any && s->found >= (uint64_t)s->count;
}

static void search_cell(struct search *s, struct geo_cell cell) {
    uint64_t min, max;
    struct zset_cursor cursor;
    struct bytes member;
    double score;
    geo_cell_scores(cell, &min, &max);
    struct score_range range = {(double)min, (double)max, false, true};
    struct rank_range ranks = ranks_by_score(s->e, &range);
    zset_seek(s->e, ranks.first, &cursor);
    while (ranks.count-- && zset_next(&cursor, &member, &score)) {
        struct geo_point p = geo_point_of(score);
        if (!geo_shape_has(&s->shape, p)) continue;
        add_place(s, member, score, p);
        if (has_enough(s)) return;
    }
}

static bool same_cell(struct geo_cell a, struct geo_cell b) {
    return a.bits == b.bits && a.steps == b.steps;
}

static void search_cells(struct search *s) {
    struct geo_cell cells[GEO_CELLS];
    int last = 0;
    geo_shape_begin(&s->shape);
    geo_shape_cells(&s->shape, cells);
    for (int i = 0; i < GEO_CELLS && !has_enough(s); i++) {
        if (!cells[i].steps) continue;
        /* Of a shape as big as the world neighbours are the same cell. */
        if (last && same_cell(cells[i], cells[last])) continue;
        search_cell(s, cells[i]);
        last = i;
    }
}

static int compare(const void *x, const void *y, void *arg) {
    const struct place *a = x, *b = y;
    const struct search *s = arg;
    if (a->distance != b->distance)
        return (a->distance < b->distance) == (s->order == NEAREST) ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at); /* as they were found */
}

/* ---- Answers --------------------------------------------------------------------------------- */

static struct bytes member_of(const struct search *s, const struct place *p) {
    return (struct bytes){p->len ? buf_head(&s->text) + p->at : "", p->len};
}

static void reply_places(struct search *s, size_t n) {
    struct call *c = s->c;
    size_t words = (size_t)s->with_distance + s->with_hash + s->with_point;
    reply_array(c, n);
    for (size_t i = 0; i < n; i++) {
        const struct place *p = &s->places[i];
        if (words) reply_array(c, words + 1);
        reply_bulk(c, member_of(s, p));
        if (s->with_distance) reply_geo_distance(c, p->distance / s->shape.unit);
        if (s->with_hash) reply_int(c, (int64_t)p->score);
        if (s->with_point) reply_geo_point(c, p->point);
    }
}

static void store_places(struct search *s, size_t n) {
    struct zlist list = {.combined = true};
    for (size_t i = 0; i < n; i++) {
        const struct place *p = &s->places[i];
        zlist_add(&list, member_of(s, p),
                  s->store_distance ? p->distance / s->shape.unit : p->score);
    }
    zlist_store(s->c, s->c->argv[s->store], &list,
                s->form >= GEOSEARCH ? "geosearchstore" : "georadiusstore");
    if (n) s->c->dirty += n - 1;
    zlist_free(&list);
}

static void run(struct search *s) {
    if (s->e) {
        if (s->count && s->order == NO_ORDER && !s->any) s->order = NEAREST;
        search_cells(s);
    }
    size_t n = s->count && s->found > (uint64_t)s->count ? (size_t)s->count : s->found;
    if (s->order != NO_ORDER) order_part(s->places, s->found, sizeof *s->places, 0, n, compare, s);
    if (s->store)
        store_places(s, n);
    else
        reply_places(s, n);
}

static void search(struct call *c, enum form form, bool read_only) {
    struct search s = {.c = c, .form = form, .read_only = read_only};
    s.key = form == GEOSEARCHSTORE ? 2 : 1;
    s.e = call_read(c, c->argv[s.key]);
    if (call_is_kind(c, s.e, KIND_ZSET) && parse(&s)) run(&s);
    buf_free(&s.text);
    free(s.places);
}

void cmd_georadius(struct call *c) {
    search(c, GEORADIUS, false);
}

void cmd_georadius_ro(struct call *c) {
    search(c, GEORADIUS, true);
}

void cmd_georadiusbymember(struct call *c) {
    search(c, BY_MEMBER, false);
}

void cmd_georadiusbymember_ro(struct call *c) {
    search(c, BY_MEMBER, true);
}

void cmd_geosearch(struct call *c) {
    search(c, GEOSEARCH, false);
}

void cmd_geosearchstore(struct call *c) {
    search(c, GEOSEARCHSTORE, false);
}
