/* Directories that are done with. */
#ifndef DUET_PERSIST_DIRS_H
#define DUET_PERSIST_DIRS_H

/* Removes the directory and all that is in it; it need not be there. Big files take their time: not on a busy thread. */
void file_tree_remove(const char *dir);
/* Of the logs in tails/ the newest TAILS_KEPT stay of either kind: rollback-* (as it was before a rollback) and log-* (as it was
 * before another node's data took its place). */
enum { TAILS_KEPT = 3 };
void tails_trim(const char *tails_dir);

#endif
