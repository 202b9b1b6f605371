/* Going back: the data of a backup set, or of the log's own base, and what the kept log holds behind it up to a moment,
 * become the data.
 *
 *     verify, copy   a thread makes the log of the new data in DIR/rollback/log (prepare.h); clients are served
 *     wait           until world.ready says so: no slave streams any more
 *     load           the data is emptied and loaded from there, in steps; then the two directories change places and the
 *                    log as it was moves to DIR/tails/rollback-TIME/log
 *
 * Until the last renames the log on disk is the old one: a crash before them starts with the old data, one behind them
 * with the new, and what stands in DIR/rollback or between is put right when the directory is opened next. */
#ifndef DUET_PERSIST_ROLLBACK_H
#define DUET_PERSIST_ROLLBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct persist;

enum rollback_state { ROLLBACK_IDLE, ROLLBACK_RUNNING, ROLLBACK_DONE, ROLLBACK_FAILED };
enum rollback_stage { ROLLBACK_VERIFY, ROLLBACK_COPY, ROLLBACK_WAIT, ROLLBACK_LOAD };

/* What the data's users must do; on the loop's thread. */
struct rollback_world {
    void *arg;
    /* Everything is prepared: may the data go now? Asked some times a second from then on, given up after 10 s. */
    bool (*ready)(void *arg);
    /* The data is about to be emptied: no client may see it from now on, nothing is appended until the end. */
    void (*begin)(void *arg);
    /* The end, also of one that did not come to `begin`. ok: the data, and persist_loaded, are the new ones; else the old
     * ones. */
    void (*end)(void *arg, bool ok);
};

struct rollback_status {
    enum rollback_state state;
    enum rollback_stage stage;
    const char *set; /* "": the log's own base */
    uint64_t until_us;
    double progress; /* of the stage, 0.0 to 1.0 */
    /* of the new data, when done */
    uint64_t keys, offset, wall_us;
    char replid[41];
    const char *tail; /* the log as it was; "" */
    const char *reason;
};

/* set: a set's directory or archive, NULL: the log's own base. until_us 0: the set alone. log_dir: another log of this
 * instance's to read the blocks from, one that an earlier rollback put aside; NULL: the one in use. False: err. */
bool rollback_start(struct persist *p, const char *set, uint64_t until_us, const char *log_dir,
                    const struct rollback_world *world, char *err, size_t err_size);
void rollback_status(const struct persist *p, struct rollback_status *s);

#endif
