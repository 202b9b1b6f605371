/* Rule 7: nothing vanishes. Before a node gives up writes that its new master does not have, they are put aside as a tail
 * (proto/tail_report.h): from log or memory, a piece each turn of the loop, fsynced before the resynchronisation goes on. The
 * work outlives the connection that asked for it. Inside server/repl only. */
#ifndef DUET_REPL_TAIL_H
#define DUET_REPL_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct repl;

enum tail_state {
    TAIL_SAVED,  /* on disk, or there is none */
    TAIL_SAVING, /* link_tail_done is called when it is over: ask again then */
    TAIL_FAILED  /* err says why: it cannot be told apart. What is here must be kept whole */
};
/* The writes behind `from`, up to the stream's end. */
enum tail_state tail_save(struct repl *r, uint64_t from, char *err, size_t err_size);
/* Gives up what is under way: the role changed, or the server ends. Nothing of it is left. */
void tail_cancel(struct repl *r);
/* The same fork is saved anew when it comes again: the stream goes on from here. */
void tail_forget(struct repl *r);
bool tail_saving(const struct repl *r);

/* tail_dir.c: looks what stands in tails/ and nobody has dealt with; into r->tails. Trims what is too much. */
void tail_look(struct repl *r);

#endif
