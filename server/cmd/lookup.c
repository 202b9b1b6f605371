/* Finding commands in the table (table.c), by name, by id, with their subcommands; renaming them; the edition in force. */
#include "server/cmd/table.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/cmd/keyspec.h"

enum { SLOTS = 1024, MOST = 600, RENAMES = 64 };

/* The rows as they are now, and behind them what stands for a renamed one under its old name. */
static struct command table[MOST + RENAMES];
static int rows, shadows;

/* A name's first eight bytes as a number. letters has 0x20 in each byte that is one, so that
 * (sent ^ name) & ~letters is 0 where the two differ at most in case. */
static struct slot {
    uint64_t name, letters; /* zeros behind a shorter name's end */
    uint32_t len;
    uint32_t row;                            /* its number + 1; 0: free */
} slots[SLOTS] __attribute__((aligned(64))); /* linear probing */
static const char *slot_names[SLOTS];        /* in small letters */
static bool ready;

/* Where a name's search begins: its length, its first and its last bytes, folded. */
static inline unsigned name_slot(struct bytes name, uint64_t first) {
    const uint64_t fold = 0x2020202020202020ULL;
    uint64_t h = first | fold;
    if (name.len > 8) h ^= (bytes_load64(name.p + name.len - 8) | fold) * 3;
    return (unsigned)((h ^ name.len) * 0x9e3779b97f4a7c15ULL >> 54);
}

static inline __attribute__((always_inline)) struct command *row_find(struct bytes name) {
    uint64_t first = bytes_load_upto8(name.p, name.len);
    for (unsigned i = name_slot(name, first); slots[i].row; i = (i + 1) % SLOTS) {
        const struct slot *s = &slots[i];
        if (s->len != name.len || (first ^ s->name) & ~s->letters) continue;
        if (name.len <= 8 || bytes_is(name, slot_names[i])) return &table[s->row - 1];
    }
    return NULL;
}

/* What flags and group imply for the ACL categories. */
static uint32_t implied_acl(const struct command *row) {
    uint32_t acl = row->flags & CMD_FAST ? ACL_FAST : ACL_SLOW;
    if (row->flags & CMD_WRITE) acl |= ACL_WRITE;
    if (row->flags & CMD_READONLY && row->group != GROUP_SCRIPTING) acl |= ACL_READ;
    if (row->flags & CMD_ADMIN) acl |= ACL_ADMIN | ACL_DANGEROUS;
    if (row->flags & CMD_PUBSUB) acl |= ACL_PUBSUB;
    if (row->flags & CMD_BLOCKING) acl |= ACL_BLOCKING;
    return acl;
}

/* The name, in small letters, means that row from now on. False: it was there, the text is not kept. */
static bool slot_add(const char *text, int row) {
    struct bytes name = {text, strlen(text)};
    struct slot here = {.name = bytes_load_upto8(name.p, name.len)};
    here.len = (uint32_t)name.len;
    here.row = (uint32_t)row + 1;
    for (size_t k = 0; k < 8 && k < name.len; k++)
        if (name.p[k] >= 'a' && name.p[k] <= 'z') here.letters |= (uint64_t)0x20 << 8 * k;
    unsigned i = name_slot(name, here.name);
    while (slots[i].row && strcmp(slot_names[i], text) != 0) i = (i + 1) % SLOTS;
    bool is_new = !slots[i].row;
    slots[i] = here;
    if (is_new) slot_names[i] = text;
    return is_new;
}

static void row_register(int id) {
    struct command *row = &table[id];
    *row = command_rows[id];
    row->id = id;
    row->acl |= implied_acl(row);
    row->keys = key_row_of(row->name);
    if (row->keys && key_row_range(row->keys, &row->first, &row->last, &row->step))
        row->flags |= CMD_MOVABLE_KEYS;
    slot_add(row->name, id);
}

void command_table_init(void) {
    if (ready) return;
    ready = true;
    rows = command_row_count;
    must(rows <= MOST, "the table has room for all rows");
    for (int id = 0; id < rows; id++) row_register(id);
    for (int id = 0; id < rows; id++) {
        const char *name = table[id].name, *bar = strchr(name, '|');
        if (!bar) continue;
        struct command *parent = row_find((struct bytes){name, (size_t)(bar - name)});
        must(parent, "a subcommand's container has a row");
        table[id].parent = parent;
        parent->has_subcommands = true;
    }
}

void command_set_function(const char *name, command_fn *fn) {
    must(ready, "command_table_init comes first");
    struct command *row = row_find((struct bytes){name, strlen(name)});
    if (!row) bug("no row of the command table is named %s", name);
    row->fn = fn;
}

int command_count(void) {
    return rows;
}

const struct command *command_by_id(int id) {
    must(id >= 0 && id < rows, "the id is a row's");
    return &table[id];
}

bool command_exists(const struct command *cmd, unsigned edition) {
    if (edition && !(cmd->editions & edition)) return false;
    if (__builtin_expect(cmd->fn != NULL, 1)) return true;
    if (!cmd->has_subcommands) return false;
    for (int id = 0; id < rows; id++)
        if (table[id].parent && table[id].parent->id == cmd->id && table[id].fn) return true;
    return false;
}

const struct command *command_find(struct bytes name, unsigned edition) {
    const struct command *row = row_find(name);
    return row && !row->parent && command_exists(row, edition) ? row : NULL;
}

/* A container's subcommand; the container itself when the word names none, which *unknown tells. */
static __attribute__((noinline)) const struct command *
subcommand(const struct command *cmd, struct bytes word, unsigned edition, bool *unknown) {
    char full[64];
    size_t n = strlen(cmd->name);
    if (word.len < sizeof full - n - 1) {
        memcpy(full, cmd->name, n);
        full[n] = '|';
        memcpy(full + n + 1, word.p, word.len);
        const struct command *sub = row_find((struct bytes){full, n + 1 + word.len});
        if (sub && (sub->fn || cmd->fn) && (sub->editions & edition || !edition))
            return sub->fn ? sub : cmd; /* one function may serve the whole container */
    }
    *unknown = true;
    return cmd;
}

/* Not simply a command with a function: a container, or nothing that this edition has. */
static __attribute__((noinline)) const struct command *
resolve_slowly(const struct command *cmd, int argc, const struct bytes *argv, unsigned edition,
               bool *unknown_subcommand) {
    if (!cmd || cmd->parent || !command_exists(cmd, edition)) return NULL;
    if (!cmd->has_subcommands || argc < 2) return cmd;
    return subcommand(cmd, argv[1], edition, unknown_subcommand);
}

const struct command *command_resolve(int argc, const struct bytes *argv, unsigned edition,
                                      bool *unknown_subcommand) {
    *unknown_subcommand = false;
    const struct command *cmd = row_find(argv[0]);
    bool plain = cmd && cmd->fn && !cmd->parent && !cmd->has_subcommands &&
                 (cmd->editions & edition || !edition);
    return __builtin_expect(plain, 1)
               ? cmd
               : resolve_slowly(cmd, argc, argv, edition, unknown_subcommand);
}

const struct command *command_named(struct bytes name, unsigned edition) {
    const char *bar = memchr(name.p, '|', name.len);
    bool unknown = false;
    if (!bar) return command_find(name, edition);
    size_t n = (size_t)(bar - name.p);
    const struct command *cmd = command_find((struct bytes){name.p, n}, edition);
    if (!cmd || !cmd->has_subcommands) return NULL;
    cmd = subcommand(cmd, (struct bytes){bar + 1, name.len - n - 1}, edition, &unknown);
    return unknown ? NULL : cmd;
}

/* ---- rename-command -------------------------------------------------------------------------- */

/* The old name is still right where every edition's commands are: for what the log and a master's stream say, and had. */
static void keep_old_name(const struct command *row) {
    struct command *shadow = &table[rows + shadows];
    must(shadows < RENAMES, "commands are renamed that many times at most");
    *shadow = *row;
    shadow->editions = 0;
    slot_add(row->name, rows + shadows++);
}

static void slot_add_folded(const char *name, int row) {
    char *copy = xstrdup(name);
    for (char *p = copy; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p |= 0x20;
    if (!slot_add(copy, row)) free(copy);
}

enum command_rename command_rename(const char *old_name, const char *new_name) {
    struct command *row = row_find((struct bytes){old_name, strlen(old_name)});
    const struct command *there = row_find((struct bytes){new_name, strlen(new_name)});
    if (!row || row->parent || !row->editions || !command_exists(row, 0)) return RENAME_NO_SUCH;
    if (!*new_name) {
        row->editions = 0;
        return RENAME_DONE;
    }
    if (there && there->editions) return RENAME_EXISTS;
    if (shadows == RENAMES) return RENAME_TOO_MANY;
    keep_old_name(row);
    slot_add_folded(old_name, rows + shadows - 1); /* which may be a new one by now */
    slot_add_folded(new_name, row->id);
    return RENAME_DONE;
}

/* ---- The edition in force -------------------------------------------------------------------- */

static const struct edition *in_force;

const struct edition *command_edition(void) {
    return in_force ? in_force : edition_named("open");
}

void command_set_edition(const struct edition *e) {
    in_force = e;
}

const char *command_group_name(enum command_group g) {
    static const char *const names[] = {
        "string",    "generic",    "list",   "set",         "sorted-set", "hash",
        "stream",    "bitmap",     "geo",    "hyperloglog", "pubsub",     "transactions",
        "scripting", "connection", "server", "cluster",
    };
    return names[g];
}
