/* What may be typed at a console: the verbs of hactl, which are executed as `hactl VERB ...`, and a few
 * of the console's own. Never a shell: a line is words, the first one is a verb. */
#ifndef DUET_ROOTFS_CONSOLE_VERBS_H
#define DUET_ROOTFS_CONSOLE_VERBS_H

#include <stdbool.h>

struct console {
    const char *root; /* "" on the appliance */
    bool interactive; /* a person at a terminal, not one command */
};

/* Runs a line; returns an exit status. Output goes to standard output and error. Sets *leave for exit. */
int console_run_line(const struct console *c, const char *line, bool *leave);
/* Runs `hactl ARG`, with its output on fd (-1: ours). Returns its exit status. */
int console_run_hactl(const struct console *c, char *const *words, int count, int fd);
/* Appends the last lines of a log; false when there is none. */
struct buf;
bool console_log_tail(const struct console *c, const char *name, int lines, struct buf *out);
/* "ROOT/sub" in a static buffer. */
const char *console_path(const struct console *c, const char *sub);

#endif
