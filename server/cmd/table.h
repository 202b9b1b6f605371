/* The one list of commands: one row a command or subcommand, a legend over the columns in table.c.
 *
 * Commands about clients, configuration, INFO and replication are rows too; their functions live on
 * floor 4, which hands them down once at start by command_set_function. A row without a function is
 * a command that this server does not have: command_find does not see it. Recipe for a new command:
 * a row in table.c, a function in its family's file, its declaration in families.h. */
#ifndef DUET_CMD_TABLE_H
#define DUET_CMD_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"
#include "server/base/edition.h"

struct call;
struct key_row;
typedef void command_fn(struct call *c);

enum command_flags {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7, /* allowed while loading */
    CMD_STALE = 1 << 8,   /* allowed on a slave whose link is down */
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_ASKING = 1 << 11,
    CMD_FAST = 1 << 12,
    CMD_NO_AUTH = 1 << 13,
    CMD_MAY_REPLICATE = 1 << 14,
    CMD_NO_ASYNC_LOADING = 1 << 15,
    CMD_NO_MULTI = 1 << 16,
    CMD_MOVABLE_KEYS =
        1 << 17, /* first, last and step do not tell all: ask command_keys. From keyspec.h */
    CMD_ALLOW_BUSY = 1 << 18,
    CMD_HIDDEN = 1 << 19,           /* DUET: not in COMMAND, only on the control socket */
    CMD_WHOLE_KEYSPACE = 1 << 20,   /* reads keys that it does not name (KEYS, SCAN, DBSIZE) */
    CMD_NO_MANDATORY_KEYS = 1 << 21 /* its words may hold no key at all (EVAL) */
};

enum command_group {
    GROUP_STRING,
    GROUP_GENERIC,
    GROUP_LIST,
    GROUP_SET,
    GROUP_SORTED_SET,
    GROUP_HASH,
    GROUP_STREAM,
    GROUP_BITMAP,
    GROUP_GEO,
    GROUP_HYPERLOGLOG,
    GROUP_PUBSUB,
    GROUP_TRANSACTIONS,
    GROUP_SCRIPTING,
    GROUP_CONNECTION,
    GROUP_SERVER,
    GROUP_CLUSTER
};
const char *command_group_name(enum command_group g);

/* ACL categories that flags and group do not imply. */
enum acl_category {
    ACL_KEYSPACE = 1 << 0,
    ACL_READ = 1 << 1,
    ACL_WRITE = 1 << 2,
    ACL_SET = 1 << 3,
    ACL_SORTEDSET = 1 << 4,
    ACL_LIST = 1 << 5,
    ACL_HASH = 1 << 6,
    ACL_STRING = 1 << 7,
    ACL_BITMAP = 1 << 8,
    ACL_HYPERLOGLOG = 1 << 9,
    ACL_GEO = 1 << 10,
    ACL_STREAM = 1 << 11,
    ACL_PUBSUB = 1 << 12,
    ACL_ADMIN = 1 << 13,
    ACL_FAST = 1 << 14,
    ACL_SLOW = 1 << 15,
    ACL_BLOCKING = 1 << 16,
    ACL_DANGEROUS = 1 << 17,
    ACL_CONNECTION = 1 << 18,
    ACL_TRANSACTION = 1 << 19,
    ACL_SCRIPTING = 1 << 20
};

struct command {
    const char *name; /* lower case; a subcommand's is "client|list" */
    command_fn *fn;   /* NULL: not there (yet). Only command_set_function writes it */
    int arity;        /* words with the name; -n: at least n */
    uint32_t flags;   /* CMD_... */
    uint32_t acl;     /* ACL_... */
    uint8_t editions; /* EDITION_... bits that have it */
    enum command_group group;
    const char *since;
    const char *summary;
    /* Filled at start. */
    const struct command *parent; /* of a subcommand */
    const struct key_row *keys;   /* keyspec.h; NULL: no keys */
    int first, last,
        step; /* key positions, from keys; 0: none; last -1: the last word, -2: the one before */
    int id;   /* 0 .. command_count()-1, for statistics kept elsewhere */
    bool has_subcommands;
};

/* The table as it is written (table.c); the functions below know the one that is in use. */
extern const struct command command_rows[];
extern const int command_row_count;

/* Must be called once, before threads and before any other function here. */
void command_table_init(void);
/* Gives a row its function; name as in the row ("client|list"). bug() when there is no such row. */
void command_set_function(const char *name, command_fn *fn);

/* rename-command: clients find the command by the new name alone, or not at all when it is "". Where no edition binds (the log,
 * a master, the control socket) the old name is right too. Its own name and id stay. After all functions were given, before threads. */
enum command_rename { RENAME_DONE, RENAME_NO_SUCH, RENAME_EXISTS, RENAME_TOO_MANY };
enum command_rename command_rename(const char *old_name, const char *new_name);

int command_count(void);
/* By id; rows without a function are among them (fn is NULL). */
const struct command *command_by_id(int id);
/* Whether the row has a function (or a subcommand that has one) and is in the edition (0: any). COMMAND lists
 * these. */
bool command_exists(const struct command *cmd, unsigned edition);
/* The command of that name, letters folded, that has a function and is in the edition; NULL
 * otherwise. Takes no subcommands. edition 0: any. */
const struct command *command_find(struct bytes name, unsigned edition);
/* The row that argv means: a container's subcommand by argv[1]. Returns the container itself when
 * the subcommand is not known or missing and *unknown_subcommand is set to tell (floor 4 then
 * answers reply_wrong_arity for a missing one, reply_unknown_subcommand for a wrong one). */
const struct command *command_resolve(int argc, const struct bytes *argv, unsigned edition,
                                      bool *unknown_subcommand);
static inline bool command_arity_fits(const struct command *cmd, int argc) {
    return cmd->arity >= 0 ? argc == cmd->arity : argc >= -cmd->arity;
}
/* The same for a name as COMMAND INFO takes it: "get", "config|get". NULL: there is none. */
const struct command *command_named(struct bytes name, unsigned edition);
/* Positions of keys in argv (at most max are stored); returns how many there are, 0 too when the words
 * make no sense for the command. Their number must fit it. keyspec.h tells more. */
int command_keys(const struct command *cmd, int argc, const struct bytes *argv, int *positions,
                 int max);
/* The edition in force, for commands that it limits; open until it is set, which is once at start. */
const struct edition *command_edition(void);
void command_set_edition(const struct edition *e);

#endif
