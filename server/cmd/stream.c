/* XADD, XDEL, XTRIM, XSETID: what changes the entries of a stream. What is propagated is exact: the id that was chosen,
 * and in the place of an approximate trim the one that leaves what is left here. */
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/num.h"
#include "server/cmd/families.h"
#include "server/cmd/streams.h"

/* ---- What is propagated ---------------------------------------------------------------------- */

enum { FEW_WORDS = 32 };

/* The call's words with the given ones in the place of their own (NULL words stay). */
struct exact {
    struct bytes id;   /* XADD's */
    struct bytes trim; /* behind "=" instead of "~" */
};

static void propagate_exactly(struct call *c, const struct stream_words *w, const struct exact *x) {
    struct bytes few[FEW_WORDS], *words = few;
    if (c->argc > FEW_WORDS) words = xmalloc((size_t)c->argc * sizeof *words);
    for (int i = 0; i < c->argc; i++) words[i] = c->argv[i];
    if (x->id.p) words[w->id_at] = x->id;
    if (x->trim.p) {
        words[w->trim_at - 1] = BYTES("=");
        words[w->trim_at] = x->trim;
    }
    call_propagate_as(c, c->argc, words);
    if (words != few) free(words);
}

/* What is left after an approximate trim, in the option's own terms. */
static struct bytes trimmed_to(const struct entry *e, const struct xstream_trim *how,
                               char *digits) {
    if (how->by_id) return streams_id_text(digits, xstream_first_kept(e));
    return (struct bytes){digits, num_format_u64(digits, xstream_len(e))};
}

/* ---- XADD ------------------------------------------------------------------------------------ */

/* The id of the new entry; e is NULL when the stream is still to be made. False after the error. */
static bool choose_id(struct call *c, const struct entry *e, const struct stream_words *w,
                      struct xid *id) {
    struct xid last = e ? xstream_facts(e).last_id : XID_MIN;
    bool above = true;
    if (!xid_cmp(last, XID_MAX)) {
        reply_error(c, "ERR The stream has exhausted the last possible ID, unable to add more "
                       "items");
        return false;
    }
    if (!w->id_given) {
        *id = (struct xid){(uint64_t)c->now_ms, 0};
        if (e) above = xstream_auto_id(e, c->now_ms, id);
    } else {
        *id = w->id;
        if (!w->seq_given && last.ms == id->ms) {
            above = last.seq != UINT64_MAX;
            id->seq = last.seq + 1;
        }
    }
    if (above && xid_cmp(*id, last) > 0) return true;
    reply_error(c, "ERR The ID specified in XADD is equal or smaller than the target stream top "
                   "item");
    return false;
}

static struct entry *new_stream(struct call *c, struct bytes key) {
    struct entry *e = xstream_new(c->store, c->db, key, NO_EXPIRY);
    store_touch(c->store, e, c->now_ms);
    return e;
}

static void trim_added(struct call *c, struct entry *e, const struct stream_words *w,
                       struct exact *x, char *digits) {
    if (!w->trims) return;
    if (xstream_trim(c->store, c->db, e, &w->how))
        call_notify(c, NOTIFY_STREAM, "xtrim", c->argv[1]);
    if (w->how.approx) x->trim = trimmed_to(e, &w->how, digits);
}

static void added(struct call *c, struct entry *e, const struct stream_words *w, struct xid id) {
    char id_digits[STREAM_ID_CHARS], trim_digits[STREAM_ID_CHARS];
    struct bytes key = c->argv[1], text = streams_id_text(id_digits, id);
    struct exact x = {{NULL, 0}, {NULL, 0}};
    reply_bulk(c, text);
    call_changed(c, key);
    call_notify(c, NOTIFY_STREAM, "xadd", key);
    trim_added(c, e, w, &x, trim_digits);
    if (!w->id_given || !w->seq_given) x.id = text;
    if (x.id.p || x.trim.p) propagate_exactly(c, w, &x);
    call_ready(c, c->db, key, e);
}

void cmd_xadd(struct call *c) {
    struct stream_words w;
    struct xid id;
    struct bytes key = c->argv[1];
    if (!streams_add_words(c, &w)) return;
    int first = w.id_at + 1, count = c->argc - first;
    if (count < 2 || count % 2) {
        reply_wrong_arity(c, c->command);
        return;
    }
    if (w.id_given && w.seq_given && xid_zero(w.id)) {
        reply_error(c, "ERR The ID specified in XADD must be greater than 0-0");
        return;
    }
    struct entry *e = call_write(c, key);
    bool existed = e != NULL;
    if (!call_is_kind(c, e, KIND_STREAM)) return;
    if (!existed && w.no_mkstream) {
        reply_null(c);
        return;
    }
    if (!choose_id(c, e, &w, &id)) return;
    if (!existed) e = new_stream(c, key);
    if (xstream_add(c->store, c->db, e, id, c->argv + first, (size_t)count / 2)) {
        if (!existed) call_created(c, c->db, key, e);
        added(c, e, &w, id);
        return;
    }
    if (!existed) store_delete(c->store, c->db, e);
    reply_error(c, "ERR Elements are too large to be stored");
}

/* ---- XDEL, XTRIM, XSETID --------------------------------------------------------------------- */

void cmd_xdel(struct call *c) {
    struct entry *e = call_write(c, c->argv[1]);
    uint64_t deleted = 0;
    if (!call_is_kind(c, e, KIND_STREAM)) return;
    if (!e) {
        reply_int(c, 0);
        return;
    }
    struct xid *ids = arg_stream_ids(c, 2);
    if (!ids) return;
    for (int i = 0; i < c->argc - 2; i++) deleted += xstream_delete(c->store, c->db, e, ids[i]);
    free(ids);
    if (deleted) {
        call_changed(c, c->argv[1]);
        call_notify(c, NOTIFY_STREAM, "xdel", c->argv[1]);
        c->dirty += deleted - 1;
    }
    reply_int(c, (int64_t)deleted);
}

void cmd_xtrim(struct call *c) {
    struct stream_words w;
    char digits[STREAM_ID_CHARS];
    if (!streams_trim_words(c, &w)) return;
    struct entry *e = call_write(c, c->argv[1]);
    if (!call_is_kind(c, e, KIND_STREAM)) return;
    uint64_t deleted = e ? xstream_trim(c->store, c->db, e, &w.how) : 0;
    if (deleted) {
        call_notify(c, NOTIFY_STREAM, "xtrim", c->argv[1]);
        if (w.how.approx) {
            struct exact x = {{NULL, 0}, trimmed_to(e, &w.how, digits)};
            propagate_exactly(c, &w, &x);
        }
        call_changed(c, c->argv[1]);
        c->dirty += deleted - 1;
    }
    reply_int(c, (int64_t)deleted);
}

struct setid_words {
    struct xid id, max_deleted;
    int64_t entries_added; /* -1: not given */
};

static bool setid_words(struct call *c, struct setid_words *w) {
    *w = (struct setid_words){.entries_added = -1};
    if (!arg_stream_id(c, 2, &w->id)) return false;
    for (int i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && bytes_is(c->argv[i], "entriesadded")) {
            if (!arg_int(c, i + 1, &w->entries_added)) return false;
            if (w->entries_added >= 0) continue;
            reply_error(c, "ERR entries_added must be positive");
        } else if (more && bytes_is(c->argv[i], "maxdeletedid")) {
            if (!arg_stream_id(c, i + 1, &w->max_deleted)) return false;
            if (xid_cmp(w->id, w->max_deleted) >= 0) continue;
            reply_error(c, "ERR The ID specified in XSETID is smaller than the provided "
                           "max_deleted_entry_id");
        } else {
            reply_error(c, ERR_SYNTAX);
        }
        return false;
    }
    return true;
}

static bool setid_fits(struct call *c, const struct entry *e, const struct setid_words *w) {
    struct xid last;
    if (!xstream_last_entry(e, &last)) return true;
    if (xid_cmp(w->id, last) < 0)
        reply_error(c, "ERR The ID specified in XSETID is smaller than the target stream top item");
    else if (w->entries_added != -1 && xstream_len(e) > (uint64_t)w->entries_added)
        reply_error(c, "ERR The entries_added specified in XSETID is smaller than the target "
                       "stream length");
    else
        return true;
    return false;
}

void cmd_xsetid(struct call *c) {
    struct setid_words w;
    if (!setid_words(c, &w)) return;
    struct entry *e = call_write(c, c->argv[1]);
    if (!e) {
        reply_error(c, ERR_NO_KEY);
        return;
    }
    if (!call_is_kind(c, e, KIND_STREAM) || !setid_fits(c, e, &w)) return;
    struct xstream_facts f = xstream_facts(e);
    f.last_id = w.id;
    if (w.entries_added != -1) f.entries_added = (uint64_t)w.entries_added;
    if (!xid_zero(w.max_deleted)) f.max_deleted_id = w.max_deleted;
    xstream_set_facts(c->store, c->db, e, &f);
    reply_ok(c);
    c->dirty++;
    call_notify(c, NOTIFY_STREAM, "xsetid", c->argv[1]);
}
