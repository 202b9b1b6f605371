/* HINCRBY and HINCRBYFLOAT. */
#include <math.h>

#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/cmd/longdouble.h"
#include "server/store/hash.h"

/* What the change owes, behind the reply. */
static void tell(struct call *c, const char *event) {
    call_changed(c, c->argv[1]);
    call_notify(c, NOTIFY_HASH, event, c->argv[1]);
}

void cmd_hincrby(struct call *c) {
    struct entry *e;
    struct digits d;
    struct bytes old;
    int64_t by, v = 0;
    if (!arg_int(c, 3, &by) || !hash_for_writing(c, &e)) return;
    if (e && hash_get(e, c->argv[2], &old, &d) && !num_parse_i64(old.p, old.len, &v)) {
        reply_error(c, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(v, by, &v)) {
        reply_error(c, "ERR increment or decrement would overflow");
        return;
    }
    struct bytes sum = {d.text, num_format_i64(d.text, v)};
    hash_set(c->store, c->db, hash_or_new(c, e), c->argv[2], sum);
    reply_int(c, v);
    tell(c, "hincrby");
}

void cmd_hincrbyfloat(struct call *c) {
    struct entry *e;
    struct digits d;
    struct bytes old;
    long double by, v = 0;
    if (!long_double_parse(c->argv[3], &by)) {
        reply_error(c, ERR_NOT_FLOAT);
        return;
    }
    if (isinf(by)) {
        reply_error(c, "ERR value is NaN or Infinity");
        return;
    }
    if (!hash_for_writing(c, &e)) return;
    if (e && hash_get(e, c->argv[2], &old, &d) && !long_double_parse(old, &v)) {
        reply_error(c, "ERR hash value is not a float");
        return;
    }
    v += by;
    if (isnan(v) || isinf(v)) {
        reply_error(c, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[LONG_DOUBLE_CHARS];
    struct bytes sum = {text, long_double_format(text, v)};
    struct bytes words[] = {BYTES("HSET"), c->argv[1], c->argv[2], sum};
    hash_set(c->store, c->db, hash_or_new(c, e), c->argv[2], sum);
    reply_bulk(c, sum);
    tell(c, "hincrbyfloat");
    call_propagate_as(c, 4, words);
}
