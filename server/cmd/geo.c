/* Places in sorted sets: GEOADD, GEODIST, GEOHASH, GEOPOS. The searches are in geo_search.c. */
#include "server/cmd/geo.h"

#include <stdlib.h>

#include "server/base/num.h"
#include "server/cmd/families.h"
#include "server/cmd/longdouble.h"
#include "server/store/zset.h"

bool arg_geo_point(struct call *c, int i, struct geo_point *p) {
    if (!arg_double(c, i, &p->longitude) || !arg_double(c, i + 1, &p->latitude)) return false;
    if (geo_point_is_valid(*p)) return true;
    reply_errorf(c, "ERR invalid longitude,latitude pair %f,%f", p->longitude, p->latitude);
    return false;
}

bool arg_geo_unit(struct call *c, int i, double *metres) {
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};
    for (size_t k = 0; k < sizeof units / sizeof units[0]; k++)
        if (bytes_is(c->argv[i], units[k].name)) {
            *metres = units[k].metres;
            return true;
        }
    reply_error(c, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

void reply_geo_distance(struct call *c, double distance) {
    resp_bulkf(c->out, "%.4f", distance);
}

static void reply_coordinate(struct call *c, double v) {
    char text[LONG_DOUBLE_CHARS];
    size_t n = long_double_format(text, (long double)v);
    if (c->resp == 2) {
        reply_bulk(c, (struct bytes){text, n});
        return;
    }
    resp_raw(c->out, ",", 1);
    resp_raw(c->out, text, n);
    resp_raw(c->out, "\r\n", 2);
}

void reply_geo_point(struct call *c, struct geo_point p) {
    reply_array(c, 2);
    reply_coordinate(c, p.longitude);
    reply_coordinate(c, p.latitude);
}

/* ---- GEOADD ---------------------------------------------------------------------------------- */

/* Writes "zadd key options score member ..." for "geoadd key options longitude latitude member ..."; false after an
 * error. digits holds the scores' text. */
static bool as_zadd(struct call *c, int first, struct bytes *words, char (*digits)[NUM_I64_CHARS]) {
    int n = (c->argc - first) / 3;
    words[0] = BYTES("zadd");
    for (int i = 1; i < first; i++) words[i] = c->argv[i];
    for (int i = 0; i < n; i++) {
        struct geo_point p;
        if (!arg_geo_point(c, first + 3 * i, &p)) return false;
        size_t len = num_format_u64(digits[i], geo_score(p));
        words[first + 2 * i] = (struct bytes){digits[i], len};
        words[first + 2 * i + 1] = c->argv[first + 3 * i + 2];
    }
    return true;
}

static void run_zadd(struct call *c, int argc, const struct bytes *words) {
    const struct bytes *argv = c->argv;
    int own_argc = c->argc;
    c->argv = words;
    c->argc = argc;
    cmd_zadd(c);
    c->argv = argv;
    c->argc = own_argc;
    if (c->dirty) call_propagate_as(c, argc, words);
}

void cmd_geoadd(struct call *c) {
    bool nx = false, xx = false;
    int first = 2;
    for (; first < c->argc; first++) {
        nx |= bytes_is(c->argv[first], "nx");
        xx |= bytes_is(c->argv[first], "xx");
        if (!bytes_is(c->argv[first], "nx") && !bytes_is(c->argv[first], "xx") &&
            !bytes_is(c->argv[first], "ch"))
            break;
    }
    if ((c->argc - first) % 3 || (nx && xx)) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    int n = (c->argc - first) / 3;
    struct bytes *words = xmalloc((size_t)c->argc * sizeof *words);
    char(*digits)[NUM_I64_CHARS] = xmalloc((size_t)(n + 1) * sizeof *digits);
    if (as_zadd(c, first, words, digits)) run_zadd(c, first + 2 * n, words);
    free(digits);
    free(words);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static bool find_place(const struct entry *e, struct bytes member, struct geo_point *p) {
    double score;
    if (!e || !zset_score(e, member, &score)) return false;
    *p = geo_point_of(score);
    return true;
}

void cmd_geodist(struct call *c) {
    double unit = 1;
    struct geo_point a, b;
    if (c->argc > 5) {
        reply_error(c, ERR_SYNTAX);
        return;
    }
    if (c->argc == 5 && !arg_geo_unit(c, 4, &unit)) return;
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_ZSET)) return;
    if (find_place(e, c->argv[2], &a) && find_place(e, c->argv[3], &b))
        reply_geo_distance(c, geo_distance(a, b) / unit);
    else
        reply_null(c);
}

void cmd_geopos(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_ZSET)) return;
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        struct geo_point p;
        if (find_place(e, c->argv[i], &p))
            reply_geo_point(c, p);
        else
            reply_null_array(c);
    }
}

/* As geohash.org has it: latitudes go to 90 there. Of the eleventh letter's bits there are only two; it is always 0. */
static void reply_geohash(struct call *c, struct geo_point p) {
    static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = geo_cell_of(p, GEO_STEPS, 90).bits;
    char text[11];
    for (int i = 0; i < 10; i++) text[i] = letters[bits >> (2 * GEO_STEPS - 5 * (i + 1)) & 31];
    text[10] = letters[0];
    reply_bulk(c, (struct bytes){text, sizeof text});
}

void cmd_geohash(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_ZSET)) return;
    reply_array(c, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++) {
        struct geo_point p;
        if (find_place(e, c->argv[i], &p))
            reply_geohash(c, p);
        else
            reply_null(c);
    }
}
