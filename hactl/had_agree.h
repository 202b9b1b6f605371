/* What the two nodes must be configured alike in, as small fingerprints that heartbeats carry: one that
 * covers all of it, and one byte for each part, so that an alarm can name what differs. */
#ifndef HACTL_HAD_AGREE_H
#define HACTL_HAD_AGREE_H

#include "hactl/had_conf.h"

/* A part is a row of the table in had_agree.c, and a byte of config_parts; there is room for 8. */
void had_agree_note(const struct had_conf *conf, struct ha_setup *setup);
/* Which parts differ, in words: "the virtual address ([network] vip) and the times ([ha])". "" when
 * no part does. Returns out. */
const char *had_agree_differing(uint64_t mine, uint64_t theirs, char *out, size_t size);

#endif
