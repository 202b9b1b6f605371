/* DUMP and RESTORE: values as bytes that another server takes, Redis included. Whatever is given is looked at to the last
 * byte before it becomes a value (sanitize-dump-payload has nothing left to say). */
#include "server/base/log.h"
#include "server/base/num.h"
#include "server/cmd/call.h"
#include "server/cmd/families.h"
#include "server/persist/persist.h"
#include "server/store/string.h"

#include <stdlib.h>

static bool skip_checksum;

void restore_skip_checksum(bool skip) {
    skip_checksum = skip;
}

void cmd_dump(struct call *c) {
    struct entry *e = call_read(c, c->argv[1]);
    struct buf payload = BUF_INIT;
    if (!e) {
        reply_null(c);
        return;
    }
    persist_dump(&payload, e);
    reply_bulk(c, (struct bytes){buf_head(&payload), buf_len(&payload)});
    buf_free(&payload);
}

struct restore {
    bool replace, absolute;
    int64_t idle_s, freq; /* -1: not said */
    int64_t when_ms;      /* as given, then the stamp; 0: none */
};

static bool read_words(struct call *c, struct restore *r) {
    *r = (struct restore){.idle_s = -1, .freq = -1};
    for (int i = 4; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (bytes_is(c->argv[i], "replace")) {
            r->replace = true;
        } else if (bytes_is(c->argv[i], "absttl")) {
            r->absolute = true;
        } else if (bytes_is(c->argv[i], "idletime") && more && r->freq == -1) {
            if (!arg_int(c, ++i, &r->idle_s)) return false;
            if (r->idle_s < 0) {
                reply_error(c, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
        } else if (bytes_is(c->argv[i], "freq") && more && r->idle_s == -1) {
            if (!arg_int(c, ++i, &r->freq)) return false;
            if (r->freq < 0 || r->freq > 255) {
                reply_error(c, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Everything that can be wrong before the payload's value is looked at. */
static bool may_restore(struct call *c, struct restore *r) {
    if (!read_words(c, r)) return false;
    if (!r->replace && call_write(c, c->argv[1])) {
        reply_error(c, "BUSYKEY Target key name already exists.");
        return false;
    }
    if (!arg_int(c, 2, &r->when_ms)) return false;
    if (r->when_ms < 0) {
        reply_error(c, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    if (persist_payload_sound(c->argv[3], !skip_checksum)) return true;
    reply_error(c, "ERR DUMP payload version or checksum are wrong");
    return false;
}

/* The words that say the same at any time: a stamp instead of a time to live. */
static void propagate(struct call *c, const struct restore *r) {
    if (!r->when_ms || r->absolute) return;
    struct digits d;
    struct bytes *words = xmalloc(((size_t)c->argc + 1) * sizeof *words);
    memcpy(words, c->argv, (size_t)c->argc * sizeof *words);
    words[2] = (struct bytes){d.text, num_format_i64(d.text, r->when_ms)};
    words[c->argc] = BYTES("ABSTTL");
    call_propagate_as(c, c->argc + 1, words);
    free(words);
}

/* A value whose time is over already: it is as if it had been restored, and expired. */
static void restore_past(struct call *c, bool existed) {
    struct bytes key = c->argv[1], words[] = {BYTES("DEL"), key};
    struct entry *e = store_find(c->store, c->db, key);
    store_delete(c->store, c->db, e);
    if (existed) {
        call_changed(c, key);
        call_notify(c, NOTIFY_GENERIC, "del", key);
        call_propagate_as(c, 2, words);
    }
    reply_ok(c);
}

void cmd_restore(struct call *c) {
    struct restore r;
    struct bytes key = c->argv[1];
    if (!may_restore(c, &r)) return;
    bool existed = store_find(c->store, c->db, key) != NULL;
    char why[256];
    struct entry *e = persist_restore(c->store, c->db, key, c->argv[3], why, sizeof why);
    if (!e) {
        log_warning("RESTORE: a payload was refused. %s", why);
        reply_error(c, "ERR Bad data format");
        return;
    }
    bool timed = r.when_ms != 0;
    if (timed && !r.absolute) r.when_ms = (int64_t)((uint64_t)r.when_ms + (uint64_t)c->now_ms);
    if (timed && call_is_past(c, r.when_ms)) {
        restore_past(c, existed);
        return;
    }
    if (timed) e = store_set_expiry(c->store, c->db, e, r.when_ms < 0 ? 0 : r.when_ms);
    store_touch(c->store, e, c->now_ms);
    call_created(c, c->db, key, e);
    bool lfu = store_settings(c->store)->lfu;
    if (lfu && r.freq >= 0) entry_set_freq(e, (uint8_t)r.freq, c->now_ms);
    if (!lfu && r.idle_s >= 0)
        entry_set_idle(e, r.idle_s > UINT32_MAX ? UINT32_MAX : (uint32_t)r.idle_s, c->now_ms);
    call_changed(c, key);
    call_notify(c, NOTIFY_GENERIC, "restore", key);
    propagate(c, &r);
    reply_ok(c);
}
