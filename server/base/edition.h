/* Editions: what an instance promises beside its commands. Which commands an edition has stands in the command table, a bit an
 * edition; everything else that differs stands here, and code asks for that, never for an edition's name. */
#ifndef DUET_BASE_EDITION_H
#define DUET_BASE_EDITION_H

#include <stdbool.h>
#include <stdint.h>

enum edition_bits {
    EDITION_OPEN = 1 << 0,
    EDITION_CKV = 1 << 1,
    EDITION_MASTER_SLAVE = 1 << 2,
    EDITION_CLUSTER = 1 << 3
};

/* Where a limit is 0 there is none. */
struct edition {
    const char *name; /* in configurations */
    unsigned bit;
    const char *redis_version;                   /* in INFO and HELLO */
    uint64_t memory_min_bytes, memory_max_bytes; /* what an instance's memory may be */
    uint64_t key_limit_bytes;                    /* of a key that is written */
    uint64_t string_limit_bytes;                 /* of a string value */
    uint64_t word_limit_bytes; /* of any word of a write: an element, a field, a member */
    int databases;             /* that may be selected */
    int64_t timeout_s;         /* then an idle connection is closed; the least value of `timeout` */
    int64_t ttl_step_ms;       /* PTTL tells no less; 1: milliseconds */
    bool auth_takes_instance_id; /* AUTH instance-id:password */
    bool only_volatile_lru;      /* maxmemory-policy is that, or noeviction */
    bool slave_is_read;          /* by clients, unless the configuration says otherwise */
};

/* NULL: there is none of that name. */
const struct edition *edition_named(const char *name);
/* By number, from 0; NULL behind the last. */
const struct edition *edition_at(unsigned i);

#endif
