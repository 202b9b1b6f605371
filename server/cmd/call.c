/* See call.h: replies that have Redis's words, arguments, key lookups with lazy expiry, effects. */
#include "server/cmd/call.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/decimal.h"
#include "server/base/num.h"
#include "server/cmd/table.h"

/* ---- Replies -------------------------------------------------------------------------------- */

void (*call_error_replied)(const char *text, size_t len);

void reply_error(struct call *c, const char *text) {
    resp_error(c->out, text);
    if (call_error_replied) call_error_replied(text, strlen(text));
    c->failed = true;
}

void reply_errorf(struct call *c, const char *fmt, ...) {
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    resp_error_n(c->out, buf_head(&text), buf_len(&text));
    if (call_error_replied) call_error_replied(buf_head(&text), buf_len(&text));
    buf_free(&text);
    c->failed = true;
}

/* The bytes up to a NUL, at most max of them: what Redis's %.128s shows of a word. */
static int shown(struct bytes b, size_t max) {
    return (int)strnlen(b.p, b.len < max ? b.len : max);
}

void reply_unknown_command(struct call *c) {
    struct buf words = BUF_INIT;
    buf_add(&words, "", 0);
    for (int i = 1; i < c->argc && buf_len(&words) < 128; i++)
        buf_printf(&words, "'%.*s' ", shown(c->argv[i], 128 - buf_len(&words)), c->argv[i].p);
    reply_errorf(c, "ERR unknown command '%.*s', with args beginning with: %.*s",
                 shown(c->argv[0], 128), c->argv[0].p, (int)buf_len(&words),
                 buf_len(&words) ? buf_head(&words) : "");
    buf_free(&words);
}

static void upper(char *to, size_t size, const char *from) {
    size_t n = 0;
    for (; from[n] && n + 1 < size; n++) to[n] = (char)toupper((unsigned char)from[n]);
    to[n] = '\0';
}

/* The container's name is said as sent, in capitals: the command was not found, so it has no row. */
void reply_unknown_subcommand(struct call *c) {
    char sent[64], name[64];
    snprintf(sent, sizeof sent, "%.*s", shown(c->argv[0], sizeof sent - 1), c->argv[0].p);
    upper(name, sizeof name, sent);
    reply_errorf(c, "ERR unknown subcommand '%.*s'. Try %s HELP.", shown(c->argv[1], 128),
                 c->argv[1].p, name);
}

void reply_wrong_arity(struct call *c, const struct command *cmd) {
    reply_errorf(c, "ERR wrong number of arguments for '%s' command", cmd->name);
}

void reply_help(struct call *c, const char *const *lines) {
    char text[128], name[64];
    size_t n = 0;
    const struct command *cmd = c->command->parent ? c->command->parent : c->command;
    while (lines[n]) n++;
    upper(name, sizeof name, cmd->name);
    reply_array(c, n + 3);
    snprintf(text, sizeof text,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    reply_status(c, text);
    for (size_t i = 0; i < n; i++) reply_status(c, lines[i]);
    reply_status(c, "HELP");
    reply_status(c, "    Print this help.");
}

/* ---- Arguments ------------------------------------------------------------------------------ */

bool arg_int(struct call *c, int i, int64_t *v) {
    if (num_parse_i64(c->argv[i].p, c->argv[i].len, v)) return true;
    reply_error(c, ERR_NOT_INT);
    return false;
}

bool arg_int_range(struct call *c, int i, int64_t min, int64_t max, const char *error, int64_t *v) {
    if (!num_parse_i64(c->argv[i].p, c->argv[i].len, v)) {
        reply_error(c, error ? error : ERR_NOT_INT);
        return false;
    }
    if (*v >= min && *v <= max) return true;
    if (error)
        reply_error(c, error);
    else
        reply_errorf(c, "ERR value is out of range, value must between %lld and %lld",
                     (long long)min, (long long)max);
    return false;
}

/* The text of a number that ends with a NUL; long ones are copied elsewhere and released again. */
static bool parse_double(struct bytes b, double *v) {
    if (decimal_parse(b.p, b.len, v)) return true;
    char text[64], *end, *copy = b.len < sizeof text ? text : xmalloc(b.len + 1);
    memcpy(copy, b.p, b.len);
    copy[b.len] = '\0';
    errno = 0;
    *v = strtod(copy, &end);
    bool overflow = errno == ERANGE && (isinf(*v) || *v == 0);
    bool whole = end == copy + b.len && !overflow && !isnan(*v);
    if (copy != text) free(copy);
    return whole;
}

bool arg_double_or(struct call *c, int i, const char *error, double *v) {
    struct bytes b = c->argv[i];
    if (b.len && !isspace((unsigned char)b.p[0]) && parse_double(b, v)) return true;
    reply_error(c, error);
    return false;
}

bool arg_double(struct call *c, int i, double *v) {
    return arg_double_or(c, i, ERR_NOT_FLOAT, v);
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static void expire_now(struct call *c, int db, struct entry *e) {
    struct buf copy = BUF_INIT; /* the key lives in the entry */
    struct bytes key = entry_key(e);
    buf_add(&copy, key.p, key.len);
    key.p = key.len ? buf_head(&copy) : "";
    store_delete(c->store, db, e);
    call_propagate_del(c, db, key);
    c->flags |= CALL_EXPIRING;
    if (c->ops->changed) c->ops->changed(c, db, key);
    c->flags &= ~(unsigned)CALL_EXPIRING;
    call_notify_db(c, NOTIFY_EXPIRED, "expired", db, key);
    if (c->ops->expired) c->ops->expired(c);
    buf_free(&copy);
}

bool call_expire_if_needed(struct call *c, int db, struct entry *e) {
    if (__builtin_expect(!expiry_is_past(entry_expiry(e), c->now_ms), 1)) return false;
    if (c->flags & (CALL_FROM_MASTER | CALL_LOADING)) return false; /* its master decides */
    if (!(c->flags & (CALL_ON_SLAVE | CALL_HOLD_EXPIRY))) expire_now(c, db, e);
    return true;
}

/* The same for a command that writes: one that may do so on a slave makes room for what it puts there. */
static bool expire_for_write(struct call *c, int db, struct entry *e) {
    enum { KEEP = CALL_FROM_MASTER | CALL_LOADING | CALL_HOLD_EXPIRY };
    bool past = call_expire_if_needed(c, db, e);
    if (past && (c->flags & (KEEP | CALL_ON_SLAVE)) == CALL_ON_SLAVE && c->command &&
        c->command->flags & CMD_WRITE)
        expire_now(c, db, e);
    return past;
}

static inline struct entry *find(struct call *c, int db, struct bytes key) {
    uint64_t hash = key.p == c->hashed && key.p ? c->hash : store_hash(key);
    struct entry *e = store_find_hashed(c->store, db, key, hash);
    if (!e || __builtin_expect(entry_expiry(e) == NO_EXPIRY, 1)) return e;
    return call_expire_if_needed(c, db, e) ? NULL : e;
}

static inline struct entry *find_to_write(struct call *c, int db, struct bytes key) {
    uint64_t hash = key.p == c->hashed && key.p ? c->hash : store_hash(key);
    struct entry *e = store_find_hashed(c->store, db, key, hash);
    if (!e || __builtin_expect(entry_expiry(e) == NO_EXPIRY, 1)) return e;
    return expire_for_write(c, db, e) ? NULL : e;
}

void call_ask_keys(struct call *c, int i, int step) {
    uint64_t hash[CALL_ASK_KEYS];
    int n = 0;
    for (; n < CALL_ASK_KEYS && i < c->argc; i += step, n++) {
        hash[n] = store_hash(c->argv[i]);
        store_prefetch_bucket(c->store, c->db, hash[n]);
    }
    for (int k = 0; k < n; k++) store_prefetch_entry(c->store, c->db, hash[k]);
}

static inline struct entry *found(struct call *c, struct entry *e) {
    if (e && !(c->flags & CALL_NO_TOUCH)) store_touch(c->store, e, c->now_ms);
    return e;
}

struct entry *call_read_db(struct call *c, int db, struct bytes key) {
    struct entry *e = find(c, db, key);
    if (c->ops->looked_up) c->ops->looked_up(c, e != NULL);
    if (!e) call_notify_db(c, NOTIFY_MISS, "keymiss", db, key);
    return found(c, e);
}

struct entry *call_read(struct call *c, struct bytes key) {
    return call_read_db(c, c->db, key);
}

struct entry *call_write_db(struct call *c, int db, struct bytes key) {
    return found(c, find_to_write(c, db, key));
}

struct entry *call_write(struct call *c, struct bytes key) {
    return call_write_db(c, c->db, key);
}

struct entry *call_inspect(struct call *c, struct bytes key) {
    struct entry *e = find(c, c->db, key);
    if (c->ops->looked_up) c->ops->looked_up(c, e != NULL);
    return e;
}

struct entry *call_peek(struct call *c, struct bytes key) {
    struct entry *e = call_inspect(c, key);
    if (!e) call_notify(c, NOTIFY_MISS, "keymiss", key);
    return e;
}

bool call_is_kind(struct call *c, const struct entry *e, enum value_kind kind) {
    if (!e || entry_kind(e) == kind) return true;
    reply_error(c, ERR_WRONG_TYPE);
    return false;
}

struct entry *call_put(struct call *c, struct bytes key, struct bytes value, int64_t expiry_ms,
                       bool existed) {
    struct entry *e = store_put_string(c->store, c->db, key, value, expiry_ms);
    if (existed) return e; /* whoever found it has marked the access */
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, key, e);
    return e;
}

/* ---- Effects -------------------------------------------------------------------------------- */

void call_ready(struct call *c, int db, struct bytes key, const struct entry *e) {
    if (c->ops->ready) c->ops->ready(c, db, key, entry_kind(e));
}

void call_created(struct call *c, int db, struct bytes key, struct entry *e) {
    call_ready(c, db, key, e);
    if (c->store && store_settings(c->store)->lfu) entry_set_freq(e, LFU_OF_NEW, c->now_ms);
    call_notify_db(c, NOTIFY_NEW, "new", db, key);
}

void call_changed_db(struct call *c, int db, struct bytes key) {
    c->dirty++;
    if (c->ops->changed) c->ops->changed(c, db, key);
}

void call_changed(struct call *c, struct bytes key) {
    call_changed_db(c, c->db, key);
}

unsigned call_notify_classes = ~0u;

void call_notify_now(struct call *c, int notify_class, const char *event, int db,
                     struct bytes key) {
    if (c->ops->notify && !(c->flags & CALL_LOADING))
        c->ops->notify(c, notify_class, event, db, key);
}

static void propagate(struct call *c, int db, int argc, const struct bytes *argv) {
    if (c->ops->propagate && !(c->flags & CALL_LOADING)) c->ops->propagate(c, db, argc, argv);
}

void call_propagate_as(struct call *c, int argc, const struct bytes *argv) {
    c->propagated = true;
    if (argc) propagate(c, c->db, argc, argv);
}

void call_propagate_del(struct call *c, int db, struct bytes key) {
    struct bytes words[] = {BYTES("DEL"), key};
    propagate(c, db, 2, words);
}

void call_delete(struct call *c, int db, struct bytes key, struct entry *e) {
    store_delete(c->store, db, e);
    call_changed_db(c, db, key);
    call_notify_db(c, NOTIFY_GENERIC, "del", db, key);
}
