/* Sections of RDB files that are no data of keys: what modules and clusters keep there. They are passed over, and said by
 * name. */
#include "server/proto/rdb_cut.h"

#include <stdio.h>

#include "server/proto/rdb_codes.h"

void rdb_module_name(uint64_t id, char name[RDB_MODULE_NAME + 1]) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    id >>= 10; /* the lowest bits are the version of its format */
    for (int i = RDB_MODULE_NAME - 1; i >= 0; i--, id >>= 6) name[i] = letters[id & 63];
    name[RDB_MODULE_NAME] = '\0';
}

/* False: there is no such part. */
static bool pass_module_part(struct cut *c, uint64_t part) {
    switch (part) {
    case RDB_PART_SINT:
    case RDB_PART_UINT: rdb_take_len(c, NULL); return true;
    case RDB_PART_FLOAT: rdb_take(c, 4); return true;
    case RDB_PART_DOUBLE: rdb_take(c, 8); return true;
    case RDB_PART_STRING: rdb_take_string(c, &c->r->scratch[1]); return true;
    default: return false;
    }
}

bool rdb_pass_module_aux(struct cut *c) {
    struct rdb_reader *r = c->r;
    char name[RDB_MODULE_NAME + 1];
    rdb_module_name(rdb_take_len(c, NULL), name);
    for (int i = 0; i < 2; i++)
        rdb_take_len(c, NULL); /* a number of the kind, and when it was written */
    for (uint64_t part; (part = rdb_take_len(c, NULL)) != RDB_PART_END && !rdb_stopped(c);)
        if (!pass_module_part(c, part)) return false;
    if (rdb_stopped(c)) return true;
    char *to = rdb_room(c, &r->scratch[0], sizeof "module " + RDB_MODULE_NAME);
    r->a = (struct bytes){to, (size_t)sprintf(to, "module %s", name)};
    return true;
}

void rdb_pass_slot_info(struct cut *c) {
    for (int i = 0; i < 3; i++) rdb_take_len(c, NULL);
}

void rdb_pass_slot_import(struct cut *c) {
    rdb_take_string(c, &c->r->scratch[0]);
    uint64_t ranges = rdb_take_len(c, NULL);
    for (uint64_t i = 0; i < 2 * ranges && !rdb_stopped(c); i++) rdb_take_len(c, NULL);
}
