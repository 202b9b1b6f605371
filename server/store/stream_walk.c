/* A stream under a walk: see stream_inside.h. */
#include "server/store/stream_inside.h"
#include "server/store/walk_inside.h"
