/* Places on the globe as sorted set scores. A coordinate is cut into 2^steps equal parts of its range; the number of the
 * part of the latitude stands in the even bits of a cell's number, that of the longitude in the odd ones. A score is the
 * number of a cell of 26 steps, 52 bits. Angles are in degrees, distances in metres. */
#ifndef DUET_CMD_GEOHASH_H
#define DUET_CMD_GEOHASH_H

#include <stdbool.h>
#include <stdint.h>

#define GEO_LONGITUDE_MAX 180.0
#define GEO_LATITUDE_MAX  85.05112878 /* where the square map of the world ends */
#define GEO_STEPS         26

struct geo_point {
    double longitude, latitude;
};
struct geo_cell {
    uint64_t bits;
    int steps; /* 0: no cell */
};
struct geo_area {
    struct geo_point min, max;
};

bool geo_point_is_valid(struct geo_point p);
/* latitude_max: GEO_LATITUDE_MAX, or 90 as geohash.org has it. */
struct geo_cell geo_cell_of(struct geo_point p, int steps, double latitude_max);
struct geo_area geo_cell_area(struct geo_cell cell);
uint64_t geo_score(struct geo_point p);
/* The middle of the score's cell. */
struct geo_point geo_point_of(double score);
/* Along a great circle of a globe of 6372797.560856 m radius. */
double geo_distance(struct geo_point a, struct geo_point b);

/* A circle, or a box whose sides lie along the meridians and parallels. */
struct geo_shape {
    bool box;
    struct geo_point centre;
    double radius, width, height; /* in the unit */
    double unit;                  /* metres */
    double cosine;                /* geo_shape_begin: of the centre's latitude */
    double limit,
        limit_across; /* sin^2 of half the angles that radius, or half of height and width, span */
};
/* What geo_shape_has needs beside the shape itself; once, before it. */
void geo_shape_begin(struct geo_shape *s);
bool geo_shape_has(const struct geo_shape *s, struct geo_point p);
/* The cells that the shape may touch, at most 9: the centre's, then its neighbours. Unused ones have no steps. */
enum { GEO_CELLS = 9 };
void geo_shape_cells(const struct geo_shape *s, struct geo_cell cells[GEO_CELLS]);
/* The scores of a cell: from min to below max. */
void geo_cell_scores(struct geo_cell cell, uint64_t *min, uint64_t *max);

#endif
