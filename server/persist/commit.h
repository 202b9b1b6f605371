/* The change of manifests: a finished base takes its place, and is what the log begins with from then on. Inside server/persist
 * only.
 *
 * The order on disk: the base's bytes, its name, the manifest that says it, then what is older goes. So a crash at any moment
 * finds the log as it was (and a base that nobody names, which the next start removes) or the new one. */
#ifndef DUET_PERSIST_COMMIT_H
#define DUET_PERSIST_COMMIT_H

#include "server/persist/manifest.h"

enum { COMMIT_KEPT_MAX = 64 };

struct commit {
    struct persist *p;
    struct manifest m;
    char *from;                     /* the new base where it was written */
    char *base;                     /* and where it belongs */
    char *keep_dir;                 /* the log as it was moves here, or NULL */
    unsigned kept[COMMIT_KEPT_MAX]; /* older bases that stay */
    size_t kept_count;
    /* of a replacement */
    struct persist_pos pos;
    bool keep_old;
    bool begun;  /* the worker has it */
    bool beside; /* the data is there already, beside the one in use */
    void (*done)(void *arg, bool ok, const char *reason); /* NULL: nobody listens any more */
    void *arg;
};

/* On the bulk worker; arg: the commit. m.base 0 (log off): only the file is moved. */
int commit_work(void *arg);
void commit_free(struct commit *c);

/* Calls fn for each N.base and N.incr in the log's directory. */
void commit_each_part(const char *dir,
                      void (*fn)(void *arg, const char *path, unsigned number, bool base),
                      void *arg);

#endif
