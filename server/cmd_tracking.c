/* CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR. */
#include "server/server.h"

#include "server/base/num.h"
#include "server/client.h"
#include "server/tracking.h"

#include <stdlib.h>
#include <string.h>

struct request_words {
    struct client *target;
    int64_t target_id;
    unsigned flags;
    struct bytes *prefixes; /* malloc'ed */
    size_t count;
};

static bool read_target(struct call *c, struct bytes word, struct request_words *r) {
    if (r->target_id) {
        reply_error(c, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!num_parse_i64(word.p, word.len, &r->target_id)) {
        reply_error(c, ERR_NOT_INT);
        return false;
    }
    r->target = client_by_id((uint64_t)r->target_id);
    if (r->target) return true;
    reply_error(c, "ERR The client ID you want redirect to does not exist");
    return false;
}

static bool read_words(struct call *c, struct request_words *r) {
    static const struct {
        const char *word;
        unsigned flag;
    } options[] = {{"bcast", TRACKING_BCAST},
                   {"optin", TRACKING_OPTIN},
                   {"optout", TRACKING_OPTOUT},
                   {"noloop", TRACKING_NOLOOP}};
    for (int i = 3; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        size_t k = 0;
        while (k < 4 && !bytes_is(c->argv[i], options[k].word)) k++;
        if (k < 4) {
            r->flags |= options[k].flag;
        } else if (more && bytes_is(c->argv[i], "redirect")) {
            if (!read_target(c, c->argv[++i], r)) return false;
        } else if (more && bytes_is(c->argv[i], "prefix")) {
            r->prefixes[r->count++] = c->argv[++i];
        } else {
            reply_error(c, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

static bool overlap(struct bytes a, struct bytes b) {
    return !memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);
}

static void reply_overlap(struct call *c, struct bytes name, const char *with, struct bytes other) {
    reply_errorf(c,
                 "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                 "must not overlap.",
                 (int)strnlen(name.p, name.len), name.p, with, (int)strnlen(other.p, other.len),
                 other.p);
}

/* No two of the client's prefixes may mean the same key. (When the second and a later one of the new ones do, Redis replies
 * the error and then OK as well; here one request has one reply.) */
static bool check_prefixes(struct call *c, const struct request_words *r) {
    for (size_t i = 0; i < r->count; i++) {
        struct bytes old, name = r->prefixes[i];
        for (size_t k = 0; tracking_prefix(c->client, k, &old); k++) {
            if (!overlap(old, name)) continue;
            reply_overlap(c, name, "an existing", old);
            return false;
        }
        for (size_t k = i + 1; k < r->count; k++) {
            if (!overlap(name, r->prefixes[k])) continue;
            reply_overlap(c, name, "another provided", r->prefixes[k]);
            return false;
        }
    }
    return true;
}

static bool check_flags(struct call *c, const struct request_words *r) {
    unsigned now, f = r->flags;
    bool tracks = tracking_flags(c->client, &now);
    const char *error = NULL;
    if (!(f & TRACKING_BCAST) && r->count)
        error = "ERR PREFIX option requires BCAST mode to be enabled";
    else if (tracks && (now & TRACKING_BCAST) != (f & TRACKING_BCAST))
        error = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
                "and then re-enabling it with a different mode.";
    else if (f & TRACKING_BCAST && f & (TRACKING_OPTIN | TRACKING_OPTOUT))
        error = "ERR OPTIN and OPTOUT are not compatible with BCAST";
    else if (f & TRACKING_OPTIN && f & TRACKING_OPTOUT)
        error = "ERR You can't specify both OPTIN mode and OPTOUT mode";
    else if ((f & TRACKING_OPTIN && now & TRACKING_OPTOUT) ||
             (f & TRACKING_OPTOUT && now & TRACKING_OPTIN))
        error = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
                "and then re-enabling it with a different mode.";
    if (error) reply_error(c, error);
    return !error && (!(f & TRACKING_BCAST) || check_prefixes(c, r));
}

static void client_tracking(struct call *c) {
    struct request_words r = {.prefixes = xmalloc((size_t)c->argc * sizeof(struct bytes))};
    if (!read_words(c, &r)) {
        free(r.prefixes);
        return;
    }
    if (bytes_is(c->argv[2], "on")) {
        if (check_flags(c, &r)) {
            tracking_on(c->client, r.target, r.flags, r.prefixes, r.count);
            reply_ok(c);
        }
    } else if (bytes_is(c->argv[2], "off")) {
        tracking_off(c->client);
        reply_ok(c);
    } else {
        reply_error(c, ERR_SYNTAX);
    }
    free(r.prefixes);
}

static void client_caching(struct call *c) {
    unsigned flags;
    const char *error = NULL;
    bool yes = bytes_is(c->argv[2], "yes"), no = bytes_is(c->argv[2], "no");
    if (!tracking_flags(c->client, &flags))
        error = "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
                "OPTIN or OPTOUT mode enabled";
    else if (!yes && !no)
        error = ERR_SYNTAX;
    else if (yes && !(flags & TRACKING_OPTIN))
        error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    else if (no && !(flags & TRACKING_OPTOUT))
        error = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    if (error) {
        reply_error(c, error);
        return;
    }
    tracking_set_caching(c->client, true);
    reply_ok(c);
}

static void client_getredir(struct call *c) {
    reply_int(c, tracking_target(c->client));
}

static size_t flag_words(bool tracks, unsigned flags, const char **words) {
    size_t n = 0;
    words[n++] = tracks ? "on" : "off";
    if (flags & TRACKING_BCAST) words[n++] = "bcast";
    if (flags & TRACKING_OPTIN) words[n++] = "optin";
    if (flags & TRACKING_OPTIN && flags & TRACKING_CACHING) words[n++] = "caching-yes";
    if (flags & TRACKING_OPTOUT) words[n++] = "optout";
    if (flags & TRACKING_OPTOUT && flags & TRACKING_CACHING) words[n++] = "caching-no";
    if (flags & TRACKING_NOLOOP) words[n++] = "noloop";
    if (flags & TRACKING_BROKEN) words[n++] = "broken_redirect";
    return n;
}

static void client_trackinginfo(struct call *c) {
    const char *words[8];
    unsigned flags;
    struct bytes name;
    bool tracks = tracking_flags(c->client, &flags);
    size_t n = flag_words(tracks, flags, words), count = 0;
    reply_map(c, 3);
    reply_bulk_str(c, "flags");
    reply_set(c, n);
    for (size_t i = 0; i < n; i++) reply_bulk_str(c, words[i]);
    reply_bulk_str(c, "redirect");
    reply_int(c, tracking_target(c->client));
    reply_bulk_str(c, "prefixes");
    while (tracking_prefix(c->client, count, &name)) count++;
    reply_array(c, count);
    for (size_t i = 0; tracking_prefix(c->client, i, &name); i++) reply_bulk(c, name);
}

void register_tracking_commands(void) {
    command_set_function("client|tracking", client_tracking);
    command_set_function("client|caching", client_caching);
    command_set_function("client|getredir", client_getredir);
    command_set_function("client|trackinginfo", client_trackinginfo);
}
