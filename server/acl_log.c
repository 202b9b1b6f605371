/* See acl_log.h. What is like one of the newest entries and came within a minute of it is counted there. */
#include "server/acl_log.h"

#include "server/base/buf.h"
#include "server/client.h"
#include "server/dispatch.h"
#include "server/server.h"

#include <stdlib.h>

enum { MOST = 128, LOOK_AT = 10, SAME_MS = 60000, NAME_LIMIT = 128 };

struct refusal {
    int64_t count, when_ms;
    bool in_multi;
    char *word, *user; /* the command's name as it was sent, and the user's */
    char *client;      /* its line of CLIENT LIST */
};

static struct refusal *entries[MOST]; /* the newest first */
static size_t entry_count;

static void entry_free(struct refusal *e) {
    free(e->word);
    free(e->user);
    free(e->client);
    free(e);
}

static char *text_of(struct bytes word) {
    size_t n = word.len < NAME_LIMIT ? word.len : NAME_LIMIT;
    char *text = xmalloc(n + 1);
    memcpy(text, word.p, n);
    text[n] = '\0';
    return text;
}

static char *describe(const struct client *client) {
    struct buf line = BUF_INIT;
    client_describe(client, &line);
    size_t n = buf_len(&line) ? buf_len(&line) - 1 : 0; /* without its newline */
    char *text = xmalloc(n + 1);
    memcpy(text, buf_cstr(&line), n);
    text[n] = '\0';
    buf_free(&line);
    return text;
}

static bool are_alike(const struct refusal *a, const struct refusal *b) {
    return a->in_multi == b->in_multi && b->when_ms - a->when_ms <= SAME_MS &&
           !strcmp(a->word, b->word) && !strcmp(a->user, b->user);
}

void acl_log_refused(const struct call *c, struct bytes user) {
    struct refusal *e = xcalloc(1, sizeof *e);
    e->count = 1;
    e->when_ms = c->now_ms;
    e->in_multi = multi_active(c->client) || c->flags & CALL_IN_EXEC;
    e->word = text_of(c->argv[0]);
    e->user = text_of(user);
    e->client = describe(c->client);
    size_t at = 0;
    while (at < entry_count && at < LOOK_AT && !are_alike(entries[at], e)) at++;
    if (at < entry_count && at < LOOK_AT) {
        e->count += entries[at]->count;
        entry_free(entries[at]);
    } else {
        if (entry_count == MOST) entry_free(entries[--entry_count]);
        at = entry_count++;
    }
    memmove(entries + 1, entries, at * sizeof *entries);
    entries[0] = e;
}

void acl_log_reply(struct call *c, size_t count) {
    if (count > entry_count) count = entry_count;
    reply_array(c, count);
    for (size_t i = 0; i < count; i++) {
        const struct refusal *e = entries[i];
        reply_map(c, 7);
        reply_bulk_str(c, "count");
        reply_int(c, e->count);
        reply_bulk_str(c, "reason");
        reply_bulk_str(c, "auth");
        reply_bulk_str(c, "context");
        reply_bulk_str(c, e->in_multi ? "multi" : "toplevel");
        reply_bulk_str(c, "object");
        reply_bulk_str(c, e->word);
        reply_bulk_str(c, "username");
        reply_bulk_str(c, e->user);
        reply_bulk_str(c, "age-seconds");
        reply_double(c, (double)(c->now_ms - e->when_ms) / 1000);
        reply_bulk_str(c, "client-info");
        reply_bulk_str(c, e->client);
    }
}

void acl_log_reset(void) {
    while (entry_count) entry_free(entries[--entry_count]);
}
