/* Directories that are done with. */
#ifndef DUET_PERSIST_DIRS_H
#define DUET_PERSIST_DIRS_H

/* Removes the directory and all that is in it; it need not be there. Big files take their time: not on a busy thread. */
void file_tree_remove(const char *dir);
/* Of the rollback-* directories in tails/ only the newest TAILS_KEPT stay. */
enum { TAILS_KEPT = 3 };
void tails_trim(const char *tails_dir);

#endif
