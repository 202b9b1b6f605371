/* See edition.h. */
#include "server/edition.h"

#include "server/base/buf.h"
#include "server/cmd/keyspec.h"
#include "server/cmd/table.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>

enum { POLICY_VOLATILE_LRU = 0, POLICY_NOEVICTION = 7 }; /* as config_table.c numbers them */

bool edition_allows(const char **err) {
    static char text[200];
    const struct edition *e = command_edition();
    const struct config *c = &server.config;
    int policy = c->maxmemory_policy;
    if (e->only_volatile_lru && policy != POLICY_VOLATILE_LRU && policy != POLICY_NOEVICTION) {
        snprintf(text, sizeof text,
                 "edition %s evicts by volatile-lru or not at all: maxmemory-policy must be "
                 "volatile-lru or noeviction",
                 e->name);
        *err = text;
        return false;
    }
    if (!e->timeout_s || (c->timeout_s && c->timeout_s <= e->timeout_s)) return true;
    snprintf(text, sizeof text,
             "edition %s closes idle connections after %lld s: timeout may be "
             "less, not more, and not 0",
             e->name, (long long)e->timeout_s);
    *err = text;
    return false;
}

bool edition_start(const char **err) {
    const struct edition *e = edition_named(config_word("edition"));
    command_set_edition(e);
    server.edition = e->bit;
    if (e->timeout_s && !server.config.timeout_s) server.config.timeout_s = e->timeout_s;
    return edition_allows(err);
}

/* --- words --- */

bool edition_limits_words(void) {
    const struct edition *e = command_edition();
    return e->string_limit_bytes || e->word_limit_bytes || e->key_limit_bytes;
}

static bool key_is_too_long(const struct command *cmd, int argc, const struct bytes *argv,
                            uint64_t limit) {
    enum { SOME = 16 };
    struct key_place some[SOME], *places = some;
    bool found = false;
    int n = command_key_places(cmd, argc, argv, some, SOME);
    if (n > SOME) {
        places = xmalloc((size_t)n * sizeof *places);
        command_key_places(cmd, argc, argv, places, n);
    }
    for (int i = 0; i < n; i++) found = found || argv[places[i].at].len > limit;
    if (places != some) free(places);
    return found;
}

/* The value of a string comes as a word of one of these groups' commands. */
static bool makes_strings(const struct command *cmd) {
    return cmd->group == GROUP_STRING || cmd->group == GROUP_BITMAP;
}

const char *edition_refusal(const struct command *cmd, int argc, const struct bytes *argv) {
    static char text[100];
    const struct edition *e = command_edition();
    uint64_t limit = e->word_limit_bytes;
    if (!(cmd->flags & CMD_WRITE)) return NULL;
    if (e->key_limit_bytes && key_is_too_long(cmd, argc, argv, e->key_limit_bytes)) {
        snprintf(text, sizeof text, "ERR a key is longer than the %llu bytes allowed",
                 (unsigned long long)e->key_limit_bytes);
        return text;
    }
    if (makes_strings(cmd) && e->string_limit_bytes) limit = e->string_limit_bytes;
    if (!limit) return NULL;
    for (int i = 1; i < argc; i++) {
        if (argv[i].len <= limit) continue;
        snprintf(text, sizeof text, "ERR a value is longer than the %llu bytes allowed",
                 (unsigned long long)limit);
        return text;
    }
    return NULL;
}

/* --- clients --- */

bool edition_slave_is_read(void) {
    enum { BY_EDITION, YES };
    int said = server.config.slave_reads;
    return said == BY_EDITION ? command_edition()->slave_is_read : said == YES;
}

int edition_databases(void) {
    int there = store_databases(server.store), most = command_edition()->databases;
    return most && most < there ? most : there;
}

/* Without `instance-id` any id will do: the password is what protects. The password alone is right too, for the links of
 * slaves, which know nothing of ids. */
struct bytes edition_password(struct bytes given) {
    const char *id = server.config.instance_id;
    const char *colon = given.len ? memchr(given.p, ':', given.len) : NULL;
    if (!command_edition()->auth_takes_instance_id || !colon) return given;
    struct bytes before = {given.p, (size_t)(colon - given.p)};
    if (*id && !bytes_equal(before, (struct bytes){id, strlen(id)})) return given;
    return (struct bytes){colon + 1, given.len - before.len - 1};
}
