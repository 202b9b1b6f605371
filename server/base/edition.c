/* See edition.h. */
#include "server/base/edition.h"

#include <string.h>

#define MB ((uint64_t)1 << 20)
#define GB ((uint64_t)1 << 30)

static const struct edition editions[] = {
    {
        .name = "open",
        .bit = EDITION_OPEN,
        .redis_version = "7.0.15",
        .ttl_step_ms = 1,
        .slave_is_read = true,
    },
    {
        .name = "master-slave",
        .bit = EDITION_MASTER_SLAVE,
        .redis_version = "2.8.23",
        .memory_min_bytes = GB / 4,
        .memory_max_bytes = 60 * GB,
        .ttl_step_ms = 1,
        .slave_is_read = true,
    },
    {
        .name = "ckv",
        .bit = EDITION_CKV,
        .redis_version = "3.2.12",
        .memory_min_bytes = 4 * GB,
        .memory_max_bytes = 384 * GB,
        .string_limit_bytes = 32 * MB,
        .ttl_step_ms = 1000,
        .auth_takes_instance_id = true,
        .only_volatile_lru = true,
    },
    {
        /* 60 GB and more are spread over several pairs: a pair's part has no size of its own. */
        .name = "cluster",
        .bit = EDITION_CLUSTER,
        .redis_version = "2.8.23",
        .key_limit_bytes = 127,
        .string_limit_bytes = 1000000,
        .word_limit_bytes = 1000000,
        .databases = 1,
        .timeout_s = 1800,
        .ttl_step_ms = 1,
        .slave_is_read = true,
    },
};

const struct edition *edition_at(unsigned i) {
    return i < sizeof editions / sizeof editions[0] ? &editions[i] : NULL;
}

const struct edition *edition_named(const char *name) {
    for (unsigned i = 0; edition_at(i); i++)
        if (!strcmp(editions[i].name, name)) return &editions[i];
    return NULL;
}
