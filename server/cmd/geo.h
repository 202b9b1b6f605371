/* What the two files of the geo commands share. */
#ifndef DUET_CMD_GEO_H
#define DUET_CMD_GEO_H

#include "server/cmd/call.h"
#include "server/cmd/geohash.h"

/* Each replies the error and returns false. */
bool arg_geo_point(struct call *c, int i, struct geo_point *p); /* longitude, latitude */
bool arg_geo_unit(struct call *c, int i, double *metres);       /* m, km, ft, mi */
/* A distance with four digits behind the point, in both protocols a bulk string. */
void reply_geo_distance(struct call *c, double distance);
void reply_geo_point(struct call *c, struct geo_point p);

#endif
