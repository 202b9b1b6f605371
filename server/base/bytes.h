/* A run of bytes that somebody else owns: an argument, a key, a value on its way. */
#ifndef DUET_BASE_BYTES_H
#define DUET_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct bytes {
    const char *p; /* not ended by a NUL */
    size_t len;
};

#define BYTES(literal) ((struct bytes){"" literal, sizeof(literal) - 1})

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}
/* True when a spells word, ASCII letters folded: bytes_is(arg, "keepttl"). */
static inline bool bytes_is(struct bytes a, const char *word) {
    size_t n = strlen(word);
    return a.len == n && strncasecmp(a.p, word, n) == 0;
}

#endif
