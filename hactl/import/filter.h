/* What of a source is taken, and under which database number: of keys, and of commands. Pure: events in, events out.
 *
 * A command whose keys lie on both sides of the pattern, or of a database that is not taken, is cut to what is inside
 * where that has the same effect (DEL, MSET, RENAME to the outside, SMOVE ...). Where it has not, because the effect
 * depends on keys that are not here (SUNIONSTORE from an outer key), it is refused with a sentence: the copy would differ
 * from the source silently. */
#ifndef HACTL_IMPORT_FILTER_H
#define HACTL_IMPORT_FILTER_H

#include "hactl/import/key_places.h"
#include "server/base/buf.h"

enum { FILTER_RENAMES = 32, FILTER_PATTERNS = 16, FILTER_DB_MAX = 1 << 20 };

struct filter {
    int only_db; /* --db N, -1: all */
    struct filter_rename {
        int from, to;
    } rename[FILTER_RENAMES];
    int renames;
    struct bytes pattern
        [FILTER_PATTERNS]; /* --keys; a key that any of them fits is taken. The caller's memory */
    int patterns;
    bool merge; /* the target holds keys of its own: FLUSHDB and the like may not be passed on */
};

void filter_init(struct filter *f);
/* "3=0" of --rename-db. False: why. */
bool filter_add_rename(struct filter *f, const char *word, char *why, size_t why_size);
bool filter_is_plain(const struct filter *f); /* everything passes as it is */
/* Two databases of the source come together in this one of the target. */
bool filter_joins(const struct filter *f, int to);

/* Where a database goes; -1: it is not taken. */
int filter_db(const struct filter *f, int db);
/* Whether keys of that name are taken, wherever they are. */
bool filter_name(const struct filter *f, struct bytes key);
/* Both: the target's database, or -1. */
int filter_key(const struct filter *f, int db, struct bytes key);

/* ---- commands ---- */

enum filter_verdict {
    FILTER_PASS,   /* out: what to send, which may be less than, or other than, what came */
    FILTER_DROP,   /* nothing of it is taken, or it changes no data */
    FILTER_REFUSED /* why */
};
struct filter_command {
    int db;
    int argc;
    const struct bytes *argv; /* of what came in, or of `words` */
    char why[280];
    /* inside */
    struct bytes *words;
    int room;
    char digits[2][24];
};
void filter_command_free(struct filter_command *out);
/* places: of the target's commands; NULL only when the filter has no patterns. */
enum filter_verdict filter_command(const struct filter *f, struct key_places *places, int db,
                                   int argc, const struct bytes *argv, struct filter_command *out);

#endif
