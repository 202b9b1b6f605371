/* The inside of `hactl instance`: what its files share.
 *
 *     cli_instance.c        the table of verbs, and the short ones
 *     cli_instance_create.c, cli_instance_delete.c
 *     cli_instance_change.c a change: checked on both nodes, made on both, undone when the second fails
 *     cli_instance_show.c   list and show
 *     cli_instance_pair.c   running a step here or on the other node; what both report
 *     cli_instance_state.c  what this node reports              (`instance local state`)
 *     cli_instance_check.c  what speaks against a change here   (`instance local check`)
 *     cli_instance_local.c  the steps on this node              (`instance local create|set|drop|...`)
 *     cli_instance_data.c   its servers and their folders       (`instance local wait|trash|seed`)
 *     cli_instance_input.c  sizes and passwords
 *
 * A step on a node: duet.conf is edited, kept in the state partition by `duet config put`, then had and the supervisor
 * read their instances anew (ROOT/run/had.sock, node.sock). [pair] changes counts the steps, so that two nodes that
 * have not made the same ones know which of them is behind: had raises an alarm, and the steward has the one that is
 * behind take the sections of the other (`instance tick`). */
#ifndef HACTL_CLI_INSTANCE_H
#define HACTL_CLI_INSTANCE_H

#include "hactl/cli.h"
#include "server/base/buf.h"

#define INSTANCE_NUMBERS 64

/* ---- both nodes ---- */

struct instance_pair {
    struct fields node[2]; /* what each reports: 0 a, 1 b */
    bool reached[2];
    unsigned here;   /* 0 a, 1 b */
    unsigned master; /* the one that serves; the other one is changed before it, or after it */
};

/* Both nodes' reports. CLI_OK (the other node may be out of reach), or an exit status after a complaint. */
int instance_pair_get(const struct cli *c, struct instance_pair *p);
void instance_pair_free(struct instance_pair *p);
/* May a change be made: both reached (or --force), the same number of changes behind both. */
bool instance_pair_fit(const struct cli *c, const struct instance_pair *p);
/* Runs `hactl instance local WORDS` on that node with input (NULL: none) as its standard input; what it says goes to out
 * (NULL: to standard output), complaints to standard error. Its exit status. */
int instance_pair_run(const struct cli *c, const struct instance_pair *p, unsigned node,
                      const struct buf *input, struct buf *out, int count,
                      const char *const *words);

/* The index of the instance that a word names (number or name) in a node's report; -1: none. */
int instance_find(const struct fields *f, const char *word);
/* The same here, or on the other node when only that one has it; -1 after a complaint that lists those there are. */
int instance_named(const struct instance_pair *p, const char *word, unsigned *node);

/* ---- a change of both (cli_instance_change.c) ---- */

struct instance_change {
    const struct cli *c;
    struct instance_pair pair;
    int64_t changes; /* behind both before this one */
    unsigned done;   /* a bit for each node on which it was made */
};

/* Asks both nodes. CLI_OK, or an exit status after a complaint. To be ended by instance_pair_free(&ch->pair). */
int instance_begin(const struct cli *c, struct instance_change *ch);
/* The same for the instance that the verb's first word names: its place in the report of *node, the master's where that
 * has it. May a change be made is asked, too. */
int instance_begin_with(const struct cli *c, struct instance_change *ch, unsigned *node, int *at);
/* `hactl instance local WORDS` on a node, or as a question on each one that is reached until one says no. */
int instance_on(struct instance_change *ch, unsigned node, const struct buf *input, int count,
                const char *const *words);
int instance_ask_both(struct instance_change *ch, int count, const char *const *words);
/* Makes the change on both; on the first failure what was made is undone. words: of the step; its last one, how many
 * changes must lie behind the node, is added here. */
int instance_make(struct instance_change *ch, bool master_first, const struct buf *input, int count,
                  const char *const *words);
/* Undoes it where it was made; number and directive: what a running server has to take back, or NULL. */
void instance_undo(struct instance_change *ch, const char *number, const char *directive);
/* The outcome for people, or {"ok": true}. */
void instance_say_done(const struct cli *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- what an operator gives (cli_instance_input.c): false after a complaint ---- */

bool instance_size(const char *word, uint64_t *bytes);
/* source: "-" standard input (a terminal is asked twice), "none", or a file. */
bool instance_password(const char *source, struct buf *out);

/* ---- the verbs ---- */

int cli_instance_list(struct cli *c);
int cli_instance_show(struct cli *c);
int cli_instance_create(struct cli *c);
int cli_instance_delete(struct cli *c);

/* ---- duet.conf of this node (cli_instance_local.c); false after a complaint ---- */

struct had_conf;
/* One change at a time on a node; the lock goes with the process. */
bool instance_lock(const struct cli *c);
bool instance_lock_within(const struct cli *c, uint64_t limit_ms);
bool instance_read_conf(const struct cli *c, struct buf *text, struct had_conf *conf);
/* Puts fresh into the place of old: checked, kept in the state partition, told to had and the supervisor; when one of them
 * refuses it, old stands again. */
bool instance_put_live(const struct cli *c, const struct buf *fresh, const struct buf *old);
/* had and the supervisor read it anew. */
bool instance_reload(const struct cli *c);

/* ---- this node ---- */

int cli_instance_state(struct cli *c);
int cli_instance_check(struct cli *c);
/* The words behind `instance local`. */
int cli_instance_local(struct cli *c);
/* wait N MS up|serves|counts: until its server answers, is master, counts with the others. What keeps it from the first two
 * is said, with the last lines of its log. */
int instance_wait(const struct cli *c, int number, int64_t limit_ms, const char *what);
/* trash N: once its server has ended, the folder of an instance that is no more goes to data/trash; what has lain there
 * for a day is removed. */
int instance_trash(const struct cli *c, int number);
/* seed N DIR: a data directory that was prepared becomes the instance's. */
int instance_seed(const struct cli *c, int number, const char *dir);
/* "ROOT/sub"; in a ring of four. */
const char *instance_path(const struct cli *c, const char *sub);
/* "hactl: node b: sentence" on standard error; answers CLI_NO. */
int instance_complain(const struct cli *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Memory of this machine. */
uint64_t instance_machine_bytes(void);
/* Whether data/instance-N is there. */
bool instance_has_data(const struct cli *c, int number);
/* Everything from a descriptor until its end. */
bool instance_read_all(int fd, struct buf *out, size_t limit_bytes);

/* "1.5 GB" for people; in a ring of four. */
const char *instance_size_text(uint64_t bytes);

#endif
