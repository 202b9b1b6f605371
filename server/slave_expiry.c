/* See slave_expiry.h. */
#include "server/slave_expiry.h"

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/cmd/table.h"
#include "server/server.h"

#include <string.h>

enum { LOOK_A_CYCLE = 256 };

static struct map *names; /* what is read: the database's number as an int, then the key */
static size_t cursor;

/* The commands that give a time to live, or carry one to another key. Others leave a key's time as it is, which may be the
 * master's. */
static bool gives_time(const struct command *cmd) {
    static const char *const list[] = {"set",     "setex",    "psetex",    "getex",   "expire",
                                       "pexpire", "expireat", "pexpireat", "restore", "copy",
                                       "rename",  "renamenx", "move"};
    for (size_t i = 0; cmd && i < sizeof list / sizeof list[0]; i++)
        if (!strcmp(cmd->name, list[i])) return true;
    return false;
}

void slave_expiry_note(const struct call *c, int db, struct bytes key) {
    static struct buf name;
    if (!gives_time(c->command)) return;
    const struct entry *e = store_find(c->store, db, key);
    if (!e || entry_expiry(e) == NO_EXPIRY) return;
    if (!names) names = map_new(false);
    buf_clear(&name);
    buf_add(&name, &db, sizeof db);
    buf_add(&name, key.p, key.len);
    map_put(names, buf_head(&name), buf_len(&name), names);
}

void slave_expiry_forget(void) {
    map_free(names, NULL);
    names = NULL;
    cursor = 0;
}

size_t slave_expiry_count(void) {
    return names ? map_count(names) : 0;
}

/* Whether the name at the cursor is done with: *e is what is due now, or NULL when nothing that expires is left there. */
static bool is_done(const char *name, size_t len, int64_t now_ms, int *db, struct entry **e) {
    memcpy(db, name, sizeof *db);
    *e = store_find(server.store, *db, (struct bytes){name + sizeof *db, len - sizeof *db});
    if (*e && entry_expiry(*e) == NO_EXPIRY) *e = NULL;
    return !*e || expiry_is_past(entry_expiry(*e), now_ms);
}

bool slave_expiry_cycle(int64_t now_ms, void (*due)(void *arg, int db, struct entry *e)) {
    static struct buf done;
    const char *name;
    size_t len, ended = 0;
    void *value;
    for (int looked = 0; looked < LOOK_A_CYCLE && slave_expiry_count(); looked++) {
        struct entry *e;
        int db;
        if (!map_next(names, &cursor, &name, &len, &value)) {
            cursor = 0;
            return false;
        }
        if (!is_done(name, len, now_ms, &db, &e)) continue;
        buf_clear(&done);
        buf_add(&done, name, len);
        map_take(names, buf_head(&done), buf_len(&done));
        if (e) due(NULL, db, e);
        ended++;
    }
    return ended > LOOK_A_CYCLE / 2;
}
