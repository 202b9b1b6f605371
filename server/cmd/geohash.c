/* See geohash.h. Every expression is evaluated in the order that Redis's results show: the last bit decides whether a
 * place on the edge is inside. */
#include "server/cmd/geohash.h"

#include <math.h>

#define EARTH_RADIUS  6372797.560856
#define MERCATOR_HALF 20037726.37 /* half the width of the map, metres */
#define RADIAN        (M_PI / 180.0)

static double to_radians(double degrees) {
    return degrees * RADIAN;
}

static double to_degrees(double radians) {
    return radians / RADIAN;
}

bool geo_point_is_valid(struct geo_point p) {
    return p.longitude >= -GEO_LONGITUDE_MAX && p.longitude <= GEO_LONGITUDE_MAX &&
           p.latitude >= -GEO_LATITUDE_MAX && p.latitude <= GEO_LATITUDE_MAX;
}

/* ---- Cells ----------------------------------------------------------------------------------- */

/* Every bit of v to twice its place. */
static uint64_t spread(uint32_t v) {
    uint64_t x = v;
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
    x = (x | x << 2) & 0x3333333333333333;
    return (x | x << 1) & 0x5555555555555555;
}

/* The even bits of x, pushed together. */
static uint32_t gather(uint64_t x) {
    x &= 0x5555555555555555;
    x = (x | x >> 1) & 0x3333333333333333;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0f;
    x = (x | x >> 4) & 0x00ff00ff00ff00ff;
    x = (x | x >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(x | x >> 16);
}

/* The part that v lies in; the upper end of the range is in a part of its own. */
static uint32_t part_of(double v, double max, int steps) {
    double share = (v - -max) / (max - -max);
    return (uint32_t)(share * (double)(1ULL << steps));
}

static void part_ends(uint32_t part, double max, int steps, double *low, double *high) {
    double parts = (double)(1ULL << steps), range = max - -max;
    *low = -max + (part * 1.0 / parts) * range;
    *high = -max + ((part + 1) * 1.0 / parts) * range;
}

struct geo_cell geo_cell_of(struct geo_point p, int steps, double latitude_max) {
    uint32_t latitude = part_of(p.latitude, latitude_max, steps);
    uint32_t longitude = part_of(p.longitude, GEO_LONGITUDE_MAX, steps);
    return (struct geo_cell){spread(latitude) | spread(longitude) << 1, steps};
}

struct geo_area geo_cell_area(struct geo_cell cell) {
    struct geo_area a;
    part_ends(gather(cell.bits), GEO_LATITUDE_MAX, cell.steps, &a.min.latitude, &a.max.latitude);
    part_ends(gather(cell.bits >> 1), GEO_LONGITUDE_MAX, cell.steps, &a.min.longitude,
              &a.max.longitude);
    return a;
}

/* The cell so many parts to the north and to the east, around the world where it ends. */
static struct geo_cell moved(struct geo_cell cell, int north, int east) {
    uint32_t mask = (uint32_t)((1ULL << cell.steps) - 1);
    uint32_t latitude = gather(cell.bits), longitude = gather(cell.bits >> 1);
    if (north) latitude = (latitude + (uint32_t)north) & mask;
    if (east) longitude = (longitude + (uint32_t)east) & mask;
    return (struct geo_cell){spread(latitude) | spread(longitude) << 1, cell.steps};
}

/* ---- Scores ---------------------------------------------------------------------------------- */

static uint64_t align(struct geo_cell cell, uint64_t bits) {
    return bits << (2 * (GEO_STEPS - cell.steps));
}

void geo_cell_scores(struct geo_cell cell, uint64_t *min, uint64_t *max) {
    *min = align(cell, cell.bits);
    *max = align(cell, cell.bits + 1);
}

uint64_t geo_score(struct geo_point p) {
    return geo_cell_of(p, GEO_STEPS, GEO_LATITUDE_MAX).bits;
}

/* Any score may be asked for a place: what no cell has becomes what the processor makes of it in Redis. */
static uint64_t bits_of(double score) {
    const double half = 9223372036854775808.0; /* 2^63 */
    if (score >= 2 * half) return 0;
    if (score >= half) return (uint64_t)(int64_t)(score - half) ^ 1ULL << 63;
    return score < -half ? 1ULL << 63 : (uint64_t)(int64_t)score;
}

static double within(double v, double max) {
    return v > max ? max : v < -max ? -max : v;
}

struct geo_point geo_point_of(double score) {
    struct geo_area a = geo_cell_area((struct geo_cell){bits_of(score), GEO_STEPS});
    return (struct geo_point){
        within((a.min.longitude + a.max.longitude) / 2, GEO_LONGITUDE_MAX),
        within((a.min.latitude + a.max.latitude) / 2, GEO_LATITUDE_MAX),
    };
}

/* ---- Distances ------------------------------------------------------------------------------- */

/* Worked out with more digits and then rounded, so that they are the nearest doubles whatever the C library is. */
static double sine(double v) {
    return (double)sinl((long double)v);
}

static double cosine(double v) {
    return (double)cosl((long double)v);
}

double geo_distance(struct geo_point a, struct geo_point b) {
    double lat_a = to_radians(a.latitude), lat_b = to_radians(b.latitude);
    double u = sine((lat_b - lat_a) / 2);
    double v = sine((to_radians(b.longitude) - to_radians(a.longitude)) / 2);
    double h = u * u + cosine(lat_a) * cosine(lat_b) * v * v;
    return 2.0 * EARTH_RADIUS * (double)asinl((long double)sqrt(h));
}

/* Most places are far inside or far outside, which fewer digits and no arc sine can tell: sin^2 of half an angle grows
 * with the angle up to half a turn, where every place is inside. */
static double limit_of(double metres) {
    double half = metres / EARTH_RADIUS / 2, s = sin(half);
    return half < M_PI / 2 ? s * s : 2;
}

enum side { INSIDE, OUTSIDE, UNSURE };

static enum side side_of(double h, double limit) {
    if (h > limit * (1 + 1e-9)) return OUTSIDE;
    return h < limit * (1 - 1e-9) ? INSIDE : UNSURE;
}

void geo_shape_begin(struct geo_shape *s) {
    s->cosine = cos(to_radians(s->centre.latitude));
    s->limit = limit_of((s->box ? s->height / 2 : s->radius) * s->unit);
    s->limit_across = limit_of(s->width / 2 * s->unit);
}

/* sin^2 of half of what lies between two angles. */
static double half_square(double a, double b) {
    double s = sin((to_radians(b) - to_radians(a)) / 2);
    return s * s;
}

static bool box_has(const struct geo_shape *s, struct geo_point p) {
    struct geo_point c = s->centre;
    struct geo_point beside = {c.longitude, p.latitude}, above = {p.longitude, c.latitude};
    enum side side = side_of(half_square(c.latitude, p.latitude), s->limit);
    if (side == UNSURE && geo_distance(p, above) <= s->height * s->unit / 2) side = INSIDE;
    if (side != INSIDE) return false;
    double cosine_p = cos(to_radians(p.latitude));
    side = side_of(cosine_p * cosine_p * half_square(c.longitude, p.longitude), s->limit_across);
    if (side == UNSURE && geo_distance(p, beside) <= s->width * s->unit / 2) side = INSIDE;
    return side == INSIDE;
}

bool geo_shape_has(const struct geo_shape *s, struct geo_point p) {
    struct geo_point c = s->centre;
    if (s->box) return box_has(s, p);
    double h = half_square(c.latitude, p.latitude);
    if (side_of(h, s->limit) == OUTSIDE) return false;
    h += s->cosine * cos(to_radians(p.latitude)) * half_square(c.longitude, p.longitude);
    enum side side = side_of(h, s->limit);
    return side == UNSURE ? geo_distance(c, p) <= s->radius * s->unit : side == INSIDE;
}

/* ---- The cells around a shape ---------------------------------------------------------------- */

/* So many steps that the shape is not wider than a cell, more or less: cells get narrow to the poles. */
static int steps_for(double metres, double latitude) {
    int steps = 1;
    if (metres == 0) return GEO_STEPS;
    for (; metres < MERCATOR_HALF; metres *= 2) steps++;
    steps -= 2;
    if (fabs(latitude) > 66) steps--;
    if (fabs(latitude) > 80) steps--;
    return steps < 1 ? 1 : steps > GEO_STEPS ? GEO_STEPS : steps;
}

/* A box of angles around the shape. */
static struct geo_area bounds(const struct geo_shape *s) {
    double height = s->unit * (s->box ? s->height / 2 : s->radius);
    double width = s->unit * (s->box ? s->width / 2 : s->radius);
    double north = to_degrees(height / EARTH_RADIUS);
    double nearer_pole =
        s->centre.latitude < 0 ? s->centre.latitude - north : s->centre.latitude + north;
    double east = to_degrees(width / EARTH_RADIUS / cosine(to_radians(nearer_pole)));
    return (struct geo_area){{s->centre.longitude - east, s->centre.latitude - north},
                             {s->centre.longitude + east, s->centre.latitude + north}};
}

/* Whether the neighbours of the cell end before the box does. */
static bool is_too_small(struct geo_cell cell, const struct geo_area *box) {
    return geo_cell_area(moved(cell, 1, 0)).max.latitude < box->max.latitude ||
           geo_cell_area(moved(cell, -1, 0)).min.latitude > box->min.latitude ||
           geo_cell_area(moved(cell, 0, 1)).max.longitude < box->max.longitude ||
           geo_cell_area(moved(cell, 0, -1)).min.longitude > box->min.longitude;
}

/* Whether the box reaches out of the cell's own area that way. */
static bool is_needed(const struct geo_area *own, const struct geo_area *box, int north, int east) {
    if (north < 0 && own->min.latitude < box->min.latitude) return false;
    if (north > 0 && own->max.latitude > box->max.latitude) return false;
    if (east < 0 && own->min.longitude < box->min.longitude) return false;
    return !(east > 0 && own->max.longitude > box->max.longitude);
}

void geo_shape_cells(const struct geo_shape *s, struct geo_cell cells[GEO_CELLS]) {
    /* The order in which places are found when no other is asked for. */
    static const struct {
        int north, east;
    } ways[GEO_CELLS] = {{0, 0}, {1, 0},  {-1, 0}, {0, 1},  {0, -1},
                         {1, 1}, {1, -1}, {-1, 1}, {-1, -1}};
    struct geo_area box = bounds(s);
    double reach = s->box
                       ? sqrt((s->width / 2) * (s->width / 2) + (s->height / 2) * (s->height / 2))
                       : s->radius;
    int steps = steps_for(reach * s->unit, s->centre.latitude);
    struct geo_cell cell = geo_cell_of(s->centre, steps, GEO_LATITUDE_MAX);
    if (steps > 1 && is_too_small(cell, &box))
        cell = geo_cell_of(s->centre, --steps, GEO_LATITUDE_MAX);
    struct geo_area own = geo_cell_area(cell);
    for (int i = 0; i < GEO_CELLS; i++)
        if (steps < 2 || is_needed(&own, &box, ways[i].north, ways[i].east))
            cells[i] = moved(cell, ways[i].north, ways[i].east);
        else
            cells[i] = (struct geo_cell){0, 0};
}
