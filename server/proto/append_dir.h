/* The manifest of an append directory of Redis 7.0: which files there are, in which order. Pure. */
#ifndef DUET_PROTO_APPEND_DIR_H
#define DUET_PROTO_APPEND_DIR_H

#include <stdbool.h>
#include <stddef.h>

enum { APPEND_FILES = 4096 };

struct append_file {
    char *name;
    unsigned long long seq;
    bool base;
};
struct append_dir {
    struct append_file *
        files; /* the base first when there is one, then increments in order; history is left out */
    size_t count;
    char error[200];
};
/* False: error names the line. */
bool append_dir_read(struct append_dir *d, const char *text, size_t len);
void append_dir_free(struct append_dir *d);

#endif
