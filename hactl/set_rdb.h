/* A backup set's data as an RDB file that a real Redis loads. */
#ifndef HACTL_SET_RDB_H
#define HACTL_SET_RDB_H

#include "hactl/set_archive.h"

/* Writes it to fd; the set's bytes are compared with its checksum on the way. version: 0 for what the set holds (Redis
 * 7.0's), 7 (3.2) or 6 (2.8). False with why: what was written is then of no use. */
bool set_export_rdb(const char *root, const struct stored_set *s, int version, int fd,
                    set_progress *progress, void *arg, char *why, size_t why_size);

#endif
