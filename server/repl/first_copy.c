/* The mark that a pair's slave waits for its first copy: a file in the data directory. Without data, and with that mark, a server
 * that starts again is not taken for one whose data is complete and empty: the other node has more. A log with a line of its own
 * says more than the mark does; then it is out of date. */
#include "server/repl/inside.h"

#include "server/base/file.h"
#include "server/base/log.h"

#include <stdlib.h>
#include <unistd.h>

static char *mark_path(const struct repl *r) {
    return xasprintf("%s/first-copy", r->dir);
}

bool first_copy_due(const struct repl *r) {
    char *path = mark_path(r);
    bool there = file_exists(path);
    free(path);
    return there && !r->line_known;
}

void first_copy_begin(struct repl *r) {
    static const char text[] = "The first copy of the other node's data is not complete.\n";
    if (r->line_known) return;
    char *path = mark_path(r);
    if (!file_exists(path) && !file_replace(path, text, sizeof text - 1, 0640))
        log_error("replication: %s cannot be written: %m", path);
    free(path);
}

void first_copy_end(struct repl *r) {
    char *path = mark_path(r);
    unlink(path);
    free(path);
}
