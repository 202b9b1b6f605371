/* BZPOPMIN, BZPOPMAX, BZMPOP: as list_block.c does it. */
#include "server/cmd/families.h"
#include "server/cmd/zsets.h"

static void pop(struct call *c, bool max) {
    struct zpop p = {.max = max, .count = 1, .named = true};
    struct block b = {.kind = KIND_ZSET, .first_key = 1, .keys = c->argc - 2};
    struct entry *e;
    int at;
    if (!arg_timeout(c, c->argc - 1, &b.timeout_ms)) return;
    if (!zsets_first(c, b.first_key, b.keys, &at, &e)) return;
    if (at) {
        zsets_pop(c, c->argv[at], e, &p);
        zsets_propagate_pop(c, c->argv[at], max, 0);
    } else if (!call_block(c, &b)) {
        reply_null_array(c);
    }
}

void cmd_bzpopmin(struct call *c) {
    pop(c, false);
}

void cmd_bzpopmax(struct call *c) {
    pop(c, true);
}

void cmd_bzmpop(struct call *c) {
    struct zpop p;
    struct entry *e;
    int64_t keys;
    int at;
    if (!arg_zmpop(c, 2, &keys, &p)) return;
    struct block b = {.kind = KIND_ZSET, .first_key = 3, .keys = (int)keys, .count_at = 2};
    if (!arg_timeout(c, 1, &b.timeout_ms)) return;
    if (!zsets_first(c, b.first_key, b.keys, &at, &e)) return;
    if (at)
        zsets_propagate_pop(c, c->argv[at], p.max, zsets_pop(c, c->argv[at], e, &p));
    else if (!call_block(c, &b))
        reply_null_array(c);
}
