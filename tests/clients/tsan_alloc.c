/* In place of server/base/alloc.c under ThreadSanitizer, which brings its own allocator. */
#include "server/base/alloc.h"

#include <errno.h>
#include <stdlib.h>

void alloc_stats(struct alloc_stats *out) {
    *out = (struct alloc_stats){0};
}

const char *alloc_name(void) {
    return "libc";
}

void alloc_purge(void) {
}

int alloc_control(const char *name, int64_t *value, bool set) {
    (void)name, (void)value, (void)set;
    return ENOENT;
}

void alloc_report(void (*piece)(void *arg, const char *text), void *arg) {
    piece(arg, "the sanitizer's allocator tells nothing\n");
}

bool alloc_is_lonely(const void *p) {
    (void)p;
    return false;
}

void *alloc_move(void *p, size_t n) {
    (void)p, (void)n;
    return NULL;
}

void alloc_free_moved(void *p) {
    free(p);
}
