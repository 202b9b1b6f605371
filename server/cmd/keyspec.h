/* Which of a command's words are keys, and what it does to them: told once, here, for COMMAND, for COMMAND GETKEYS, for the
 * columns first/last/step of the command table (which follow from it), and for whoever asks command_keys.
 *
 * A specification says where the keys begin (at a position, or behind a keyword) and how many there are (up to a last word,
 * or a count that the words give). What that cannot say exactly has a way of its own (enum key_way): then the words decide. */
#ifndef DUET_CMD_KEYSPEC_H
#define DUET_CMD_KEYSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;
struct command;

enum key_flags {
    KEY_RO = 1 << 0, /* what happens to the entry: read, read and written, overwritten, removed */
    KEY_RW = 1 << 1,
    KEY_OW = 1 << 2,
    KEY_RM = 1 << 3,
    KEY_ACCESS = 1 << 4, /* what happens to its value */
    KEY_UPDATE = 1 << 5,
    KEY_INSERT = 1 << 6,
    KEY_DELETE = 1 << 7,
    KEY_NOT_KEY = 1 << 8,    /* looks like one (a shard channel) */
    KEY_INCOMPLETE = 1 << 9, /* there may be more */
    KEY_VARIABLE = 1 << 10   /* flags depend on the words */
};

enum key_begin { KEY_BEGIN_NONE, KEY_BEGIN_UNKNOWN, KEY_BEGIN_AT, KEY_BEGIN_BEHIND };

struct key_spec {
    uint16_t flags; /* KEY_... */
    uint8_t begin;  /* enum key_begin; NONE ends a row's list */
    int8_t
        at; /* AT: the first key's position, or the count's. BEHIND: where the search begins, negative from the end */
    int8_t last,
        step; /* the last key from the first, negative from the end; step 0: a count stands at the position */
    int8_t limit;        /* of the rest only one part in so many is keys; 0, 1: all */
    const char *keyword; /* of BEHIND */
    const char *note;    /* NULL: none */
};

enum key_way {
    KEYS_BY_SPEC,
    KEYS_COUNTED, /* by specification, and when that fails by the count alone, as loosely as atoi reads it */
    KEYS_SORT,
    KEYS_SORT_RO,
    KEYS_MIGRATE,
    KEYS_GEORADIUS,
    KEYS_XREAD,
    KEYS_SET,
    KEYS_BITFIELD
};

enum { KEY_SPECS_MAX = 3 };
struct key_row {
    const char *name; /* the command's */
    enum key_way way;
    struct key_spec specs[KEY_SPECS_MAX];
};
extern const struct key_row key_rows[];
extern const size_t key_row_count;

/* NULL: the command has no keys. */
const struct key_row *key_row_of(const char *command_name);
/* first, last and step as COMMAND shows them (0 0 0: none), true when they do not tell all (movablekeys). */
bool key_row_range(const struct key_row *row, int *first, int *last, int *step);

struct key_place {
    int at;         /* position among the words */
    uint16_t flags; /* KEY_..., 0 when nothing is known */
};
/* Keys among the words, at most max are stored; returns how many there are. 0: none, or the words make no sense. The number of
 * words must fit the command. */
int command_key_places(const struct command *cmd, int argc, const struct bytes *argv,
                       struct key_place *places, int max);

#endif
