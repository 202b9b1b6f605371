/* Directories that are done with. */
#ifndef DUET_PERSIST_DIRS_H
#define DUET_PERSIST_DIRS_H

/* Of the logs in tails/ the newest TAILS_KEPT stay of either kind: rollback-* (as it was before a rollback) and log-* (as it was
 * before another node's data took its place). */
enum { TAILS_KEPT = 3 };
void tails_trim(const char *tails_dir);

#endif
