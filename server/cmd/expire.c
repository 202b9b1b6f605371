/* Times to live: EXPIRE and its forms, TTL and its forms, PERSIST. */
#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/cmd/table.h"
#include "server/store/string.h"

enum expire_if { IF_NX = 1, IF_XX = 2, IF_GT = 4, IF_LT = 8 };

bool call_is_past(const struct call *c, int64_t when_ms) {
    return when_ms <= c->now_ms &&
           !(c->flags & (CALL_LOADING | CALL_FROM_MASTER | CALL_ON_SLAVE | CALL_HOLD_EXPIRY));
}

static bool parse_conditions(struct call *c, unsigned *conditions) {
    static const struct {
        const char *word;
        unsigned bit;
    } words[] = {{"nx", IF_NX}, {"xx", IF_XX}, {"gt", IF_GT}, {"lt", IF_LT}};
    *conditions = 0;
    for (int i = 3; i < c->argc; i++) {
        size_t k = 0;
        while (k < 4 && !bytes_is(c->argv[i], words[k].word)) k++;
        if (k == 4) {
            reply_errorf(c, "ERR Unsupported option %.*s",
                         (int)strnlen(c->argv[i].p, c->argv[i].len), c->argv[i].p);
            return false;
        }
        *conditions |= words[k].bit;
    }
    if (*conditions & IF_NX && *conditions & (IF_XX | IF_GT | IF_LT)) {
        reply_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (*conditions & IF_GT && *conditions & IF_LT) {
        reply_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A key without a stamp lives for ever: no new one is greater, every one is less. */
static bool conditions_hold(unsigned conditions, int64_t current, int64_t when) {
    bool timed = current != NO_EXPIRY;
    if (conditions & IF_NX && timed) return false;
    if (conditions & IF_XX && !timed) return false;
    if (conditions & IF_GT && (!timed || when <= current)) return false;
    if (conditions & IF_LT && timed && when >= current) return false;
    return true;
}

/* Reads the time in words of unit_ms, counted from base_ms, as a stamp. */
static bool parse_when(struct call *c, int64_t base_ms, int64_t unit_ms, int64_t *when) {
    if (!arg_int(c, 2, when)) return false;
    if (!__builtin_mul_overflow(*when, unit_ms, when) &&
        !__builtin_add_overflow(*when, base_ms, when))
        return true;
    reply_errorf(c, "ERR invalid expire time in '%s' command", c->command->name);
    return false;
}

static void expire_at(struct call *c, int64_t base_ms, int64_t unit_ms) {
    struct bytes key = c->argv[1];
    unsigned conditions;
    int64_t when;
    if (!parse_conditions(c, &conditions) || !parse_when(c, base_ms, unit_ms, &when)) return;
    struct entry *e = call_write(c, key);
    if (!e || !conditions_hold(conditions, entry_expiry(e), when)) {
        reply_int(c, 0);
        return;
    }
    struct digits d;
    struct bytes words[] = {BYTES("PEXPIREAT"), key, {d.text, num_format_i64(d.text, when)}};
    if (call_is_past(c, when)) {
        words[0] = BYTES("DEL");
        call_delete(c, c->db, key, e);
        call_propagate_as(c, 2, words);
        reply_int(c, 1);
    } else {
        store_set_expiry(c->store, c->db, e, when < 0 ? 0 : when);
        reply_int(c, 1);
        call_changed(c, key);
        call_notify(c, NOTIFY_GENERIC, "expire", key);
        call_propagate_as(c, 3, words);
    }
}

void cmd_expire(struct call *c) {
    expire_at(c, c->now_ms, 1000);
}

void cmd_pexpire(struct call *c) {
    expire_at(c, c->now_ms, 1);
}

void cmd_expireat(struct call *c) {
    expire_at(c, 0, 1000);
}

void cmd_pexpireat(struct call *c) {
    expire_at(c, 0, 1);
}

void cmd_persist(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    if (!e || entry_expiry(e) == NO_EXPIRY) {
        reply_int(c, 0);
        return;
    }
    store_set_expiry(c->store, c->db, e, NO_EXPIRY);
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_GENERIC, "persist", c->argv[1]);
    reply_int(c, 1);
}

/* ---- Asking --------------------------------------------------------------------------------- */

/* Rounded as seconds are. */
static int64_t in_steps(int64_t ms, int64_t step_ms) {
    return step_ms > 1 ? (ms + step_ms / 2) / step_ms * step_ms : ms;
}

/* -2: no such key, -1: it lives for ever. */
static void reply_ttl(struct call *c, bool in_ms, bool date) {
    struct entry *e = call_peek(c, c->argv[1]);
    int64_t expiry = e ? entry_expiry(e) : NO_EXPIRY;
    if (expiry == NO_EXPIRY) {
        reply_int(c, e ? -1 : -2);
        return;
    }
    int64_t v = date ? expiry : expiry - c->now_ms;
    if (v < 0) v = 0;
    if (in_ms && !date)
        v = in_steps(v, c->flags & CALL_CONTROL ? 1 : command_edition()->ttl_step_ms);
    reply_int(c, in_ms ? v : (v + 500) / 1000);
}

void cmd_ttl(struct call *c) {
    reply_ttl(c, false, false);
}

void cmd_pttl(struct call *c) {
    reply_ttl(c, true, false);
}

void cmd_expiretime(struct call *c) {
    reply_ttl(c, false, true);
}

void cmd_pexpiretime(struct call *c) {
    reply_ttl(c, true, true);
}
