/* Lua scripts, the one public header of server/script (floor 3): an interpreter with Redis's sandbox, the
 * scripts that it has compiled, and one run of one of them. Commands are run by floor 4, through
 * struct script_host; nothing here knows clients, time or the stream.
 *
 * One interpreter, one run at a time, all on the executor. A script is known by its text (EVAL) and by its
 * SHA-1 (EVALSHA) until script_reset. */
#ifndef DUET_SCRIPT_SCRIPT_H
#define DUET_SCRIPT_SCRIPT_H

#include "server/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct script;

/* What a script says of itself in its first line: `#!lua flags=...`. */
enum script_flags {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_CROSS_SLOT = 1 << 4,
    SCRIPT_COMPAT = 1 << 5 /* it has no such line: each command is judged when it is called */
};

enum { SCRIPT_SHA_CHARS = 40, SCRIPT_REPL_LOG = 1, SCRIPT_REPL_SLAVES = 2 };

/* Handed down once. The words are good for the call only. */
struct script_host {
    /* Runs one command and appends its reply to out, RESP of that version. False: it was refused, and error
     * holds why: "-CODE text", or text alone for "ERR text". */
    bool (*call)(int argc, const struct bytes *argv, int resp, struct buf *out, struct buf *error);
    /* redis.acl_check_cmd: 1 may, 0 may not, -1 there is no such command. */
    int (*may_call)(int argc, const struct bytes *argv);
    /* redis.set_repl: SCRIPT_REPL_ bits, for the commands from here on. */
    void (*set_repl)(int where);
    /* The reply holds an error of the script's own, which nobody has counted: its text, code first. */
    void (*new_error)(const char *text, size_t len);
    /* Every hundred thousand instructions or so. NULL: go on; else the text with which the script ends. */
    const char *(*tick)(void);
};

void script_init(const struct script_host *host);

/* Forgets all scripts and begins with a new interpreter. later, when given, is called with what is to be
 * freed and how, if that would take a while; another thread may do it. */
void script_reset(void (*later)(void *arg, void *dead, void (*free_fn)(void *dead)), void *arg);

/* ---- Scripts: owned by the cache, good until script_reset. ---------------------------------------------- */

const struct script *script_by_sha(struct bytes sha);   /* NULL: not known; letters are folded */
const struct script *script_by_body(struct bytes body); /* the same */
/* Compiles it unless it is known. NULL: error holds the reason, without its code. */
const struct script *script_load(struct bytes body, struct buf *error);
const char *script_sha(const struct script *s); /* lower case */
unsigned script_flags(const struct script *s);
/* The flags of a text that may not be known; false when its first line makes no sense (error may be NULL). */
bool script_body_flags(struct bytes body, unsigned *flags, struct buf *error);

/* ---- Running -------------------------------------------------------------------------------------------- */

struct script_run {
    const struct script *script;
    const struct bytes *keys, *args;
    int key_count, arg_count;
    int resp; /* of the reply: 2 or 3 */
    /* Results: errors in the reply (it may hold several): those that were counted where they arose, in a command that
     * the script called, and new ones. */
    int old_errors, new_errors;
};
/* Appends one reply to out. */
void script_run(struct script_run *run, struct buf *out);

/* ---- Figures -------------------------------------------------------------------------------------------- */

size_t script_vm_bytes(void);    /* used_memory_vm_eval, used_memory_lua */
size_t script_cache_bytes(void); /* used_memory_scripts_eval */
size_t script_count(void);
/* A step of collecting garbage, when there is some to speak of; true while there is more. About 0.1 ms. */
bool script_collect(void);

#endif
