/* The inside of `hactl tail play`: cli_tail_play.c talks with the server and looks, cli_tail_apply.c plays. */
#ifndef HACTL_CLI_TAIL_PLAY_H
#define HACTL_CLI_TAIL_PLAY_H

#include "hactl/cli_tail.h"
#include "hactl/reply.h"
#include "hactl/tail_source.h"

enum {
    TAIL_BATCH = 128,
    TAIL_BATCH_BYTES = 512 * 1024,
    TAIL_SHOWN = 20,
};

/* One command of the batch: where its request stands, and its keys (each with its database before it). */
struct tail_one {
    int db;
    size_t at, len, first_key, keys;
    bool wanted;
};

struct tail_play {
    const struct cli *c;
    const char *id;
    unsigned instance;
    int fd;
    struct buf out, in;
    size_t eaten; /* of in: the reply that was read last */
    struct tail_source from;
    struct tail_one batch[TAIL_BATCH];
    int count;
    struct buf requests;
    struct tail_play_key {
        char *p; /* "DB KEY" */
        size_t len, name_at;
    } * keys;
    size_t key_count, key_room;
    struct map *seen, *present;
    uint64_t done, present_count, played, skipped, keyless, failed;
    struct fields say;
    char marker[64], marked[72];
    char why[200];
};

/* False, and the first one stays: why it ends. */
bool tail_trouble(struct tail_play *p, const char *text, size_t len);
bool tail_say_trouble(struct tail_play *p, const char *text);
/* Requests gather in p->out until they are flushed. */
void tail_ask(struct tail_play *p, int argc, const char *const *argv);
void tail_ask_select(struct tail_play *p, int db);
bool tail_flush(struct tail_play *p);
/* The next reply, valid until the next call; of an array the elements follow at *rest (which may be NULL). */
bool tail_answer(struct tail_play *p, struct reply *r, const char **rest);
/* ... that must not be an error. */
bool tail_answer_good(struct tail_play *p, struct reply *r, const char **rest);

/* The next batch, and the keys of each command in it; count 0: that was all. */
bool tail_next_batch(struct tail_play *p);
/* Is the command to be played, by what the operator wants? */
bool tail_fits(const struct tail_play *p, const struct tail_one *o);

bool tail_apply(struct tail_play *p);

#endif
