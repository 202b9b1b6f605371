/* hactl import: which kind, and what both share: the filter, the target, what forbids it. */
#include "hactl/cli_import.h"
#include "hactl/cli_import_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_fields.h"
#include "hactl/import/answer.h"
#include "server/base/clock.h"
#include "server/base/num.h"

#define SETTLE_MS 30000

void cli_import_help(void) {
    printf("\n"
           "FILE is an RDB file of Redis 2.x to 7.2 or Valkey, an append-only file (with an RDB "
           "part in front or\n"
           "without), an append directory of Redis 7 or its manifest, or one file of these "
           "compressed by zstd; - is\n"
           "standard input. It is read through and checked first; then it is said what is in it "
           "and what cannot be\n"
           "taken; only then the instance is touched. Interrupted, the same line goes on where it "
           "was.\n\n"
           "  --instance N         the instance, when there are several (number or name)\n"
           "  --to HOST:PORT       a server instead of an instance, with --password TEXT\n"
           "  --usb, --device DEV  FILE is on a USB stick\n"
           "  --db N               only that database of the source\n"
           "  --rename-db FROM=TO  a database gets another number; may come several times\n"
           "  --keys PATTERN       only keys that it fits, as KEYS has it; may come several times\n"
           "  --replace            what the instance holds goes, once the source is known to be "
           "good\n"
           "  --merge              what the instance holds stays, but for keys of the same name\n"
           "  --skip-unsupported   what cannot be taken is left out (the list says what it is)\n"
           "  --truncate           an append-only file whose end is torn: without that end\n"
           "  --dry-run            says what would be done, and does nothing\n"
           "  --force              although it may not fit into the instance's memory\n");
    cli_import_live_help();
}

int cli_import(struct cli *c) {
    if (c->argc && (url_is(c->argv[0]) || import_is_verb(c->argv[0]))) return cli_import_live(c);
    return cli_import_file(c);
}

/* ---- the filter ---- */

bool import_filter(const struct cli *c, struct filter *f) {
    char why[200];
    int64_t db;
    filter_init(f);
    f->merge = c->merge;
    if (c->db && !num_parse_range(c->db, 0, FILTER_DB_MAX, &db)) {
        fprintf(stderr, "hactl: --db is the number of a database, not '%s'\n", c->db);
        return false;
    }
    if (c->db) f->only_db = (int)db;
    for (int i = 0; i + 1 < c->raw_count; i++) {
        const char *value = c->raw[i + 1];
        if (strcmp(c->raw[i], "--rename-db") == 0 &&
            !filter_add_rename(f, value, why, sizeof why)) {
            fprintf(stderr, "hactl: %s\n", why);
            return false;
        }
        if (strcmp(c->raw[i], "--keys") != 0) continue;
        if (f->patterns == FILTER_PATTERNS) {
            fprintf(stderr, "hactl: --keys may come %d times\n", FILTER_PATTERNS);
            return false;
        }
        f->pattern[f->patterns++] = (struct bytes){value, strlen(value)};
    }
    return true;
}

/* ---- the target ---- */

/* NAME:VALUE of INFO's answer, as a number. */
static uint64_t info_number(const struct buf *info, const char *name) {
    size_t n = strlen(name);
    uint64_t v = 0;
    const char *p = buf_len(info) ? memmem(buf_head(info), buf_len(info), name, n) : NULL;
    const char *end = p ? memchr(p, '\r', (size_t)(buf_head(info) + buf_len(info) - p)) : NULL;
    if (end) num_parse_u64(p + n, (size_t)(end - p) - n, &v);
    return v;
}

/* The keys=N of all databases. */
static uint64_t keys_of(struct buf *info) {
    uint64_t all = 0;
    for (const char *p = buf_cstr(info); (p = strstr(p, "keys=")); p += 5)
        all += strtoull(p + 5, NULL, 10);
    return all;
}

static bool config_word(struct target *t, const char *name, char *out, size_t size) {
    const struct bytes words[] = {BYTES("CONFIG"), BYTES("GET"), {name, strlen(name)}};
    struct bytes reply;
    *out = 0;
    if (!target_ask(t, &reply, 3, words)) return false;
    const char *at = reply.p, *end = reply.p + reply.len;
    struct answer_item all = answer_next(&at, end);
    if (all.type != '*' || all.number != 2) return true;
    answer_pass(&at, end);
    struct answer_item v = answer_item(at, (size_t)(end - at));
    snprintf(out, size, "%.*s", (int)v.text.len, v.text.p);
    return true;
}

static bool look_at_target(struct import_target *it) {
    struct buf memory = BUF_INIT, keyspace = BUF_INIT;
    struct bytes reply;
    char word[64];
    bool well = target_ask_words(it->t, &memory, 2, (const char *const[]){"INFO", "memory"}) &&
                target_ask_words(it->t, &keyspace, 2, (const char *const[]){"INFO", "keyspace"});
    if (well) {
        it->limits.memory_limit_bytes = info_number(&memory, "\nmaxmemory:");
        it->limits.memory_used_bytes = info_number(&memory, "used_memory:");
        it->keys = keys_of(&keyspace);
    } else {
        fprintf(stderr, "hactl: %s: %s\n", it->name,
                buf_len(&memory) ? buf_cstr(&memory) : target_why(it->t));
    }
    buf_free(&memory);
    buf_free(&keyspace);
    if (!well || !config_word(it->t, "databases", word, sizeof word)) return false;
    it->limits.databases = atoi(word);
    if (!config_word(it->t, "edition", word, sizeof word)) return false;
    it->limits.edition = edition_named(word);
    if (!target_ask(it->t, &reply, 1, &BYTES("COMMAND"))) return false;
    if (*reply.p == '*') key_places_take(&it->places, reply.p, reply.len);
    return true;
}

/* HOST:PORT, [ADDRESS]:PORT. */
static bool take_address(const char *word, char *host, size_t size, uint16_t *port) {
    const char *colon = strrchr(word, ':');
    int64_t n;
    if (!colon || colon == word || !num_parse_range(colon + 1, 1, 65535, &n)) return false;
    size_t len = (size_t)(colon - word);
    if (*word == '[' && len > 2 && colon[-1] == ']') word++, len -= 2;
    snprintf(host, size, "%.*s", (int)len, word);
    *port = (uint16_t)n;
    return true;
}

static bool name_instance(const struct cli *c, struct import_target *it) {
    int64_t n;
    if (c->instance && num_parse_range(c->instance, 0, 999, &n))
        it->instance = (unsigned)n;
    else if (!backup_instance(c, c->instance, &it->instance))
        return false;
    snprintf(it->name, sizeof it->name, "instance %u", it->instance);
    return it->control = true;
}

/* Only a master takes writes. */
static bool is_master(struct import_target *it) {
    const struct bytes words[] = {BYTES("ROLE")};
    struct bytes reply;
    if (!target_ask(it->t, &reply, 1, words)) return false;
    const char *at = reply.p, *end = reply.p + reply.len;
    struct answer_item all = answer_next(&at, end);
    if (all.type != '*' || all.number < 1) return true; /* an edition without it */
    struct answer_item role = answer_item(at, (size_t)(end - at));
    if (bytes_is(role.text, "master")) return true;
    fprintf(stderr,
            "hactl: %s is no master here: it takes no writes; import on the node that is (or "
            "hactl status)\n",
            it->name);
    return false;
}

bool import_target_open(const struct cli *c, struct import_target *it) {
    char why[300], path[600], host[256];
    struct target_options o = {.host = host, .password = c->to ? c->password : NULL};
    memset(it, 0, sizeof *it);
    if (c->to) {
        if (!take_address(c->to, host, sizeof host, &o.port)) {
            fprintf(stderr, "hactl: --to is HOST:PORT, not '%s'\n", c->to);
            return false;
        }
        snprintf(it->name, sizeof it->name, "%.260s:%u", host, o.port);
    } else {
        if (!name_instance(c, it)) return false;
        snprintf(path, sizeof path, "%s/run/control-%u.sock", c->root, it->instance);
        o.unix_path = path;
    }
    it->t = target_open(&o, why, sizeof why);
    if (!it->t) {
        fprintf(stderr, "hactl: %s cannot be reached: %s\n", it->name, why);
        return false;
    }
    if (is_master(it) && look_at_target(it)) return true;
    if (*target_why(it->t)) fprintf(stderr, "hactl: %s: %s\n", it->name, target_why(it->t));
    import_target_close(it);
    return false;
}

void import_target_close(struct import_target *it) {
    target_close(it->t);
    key_places_free(&it->places);
    it->t = NULL;
}

/* ---- DUET IMPORT ---- */

bool import_state(struct import_target *it, struct import_state *s) {
    const struct bytes words[] = {BYTES("DUET"), BYTES("IMPORT"), BYTES("STATUS")};
    const struct {
        const char *name;
        char *to;
        size_t size;
    } texts[] = {{"state", s->state, sizeof s->state},
                 {"token", s->token, sizeof s->token},
                 {"id", s->id, sizeof s->id},
                 {"info", s->info, sizeof s->info}};
    struct bytes reply;
    memset(s, 0, sizeof *s);
    if (!it->control) return true;
    if (!target_ask(it->t, &reply, 3, words)) return false;
    const char *at = reply.p, *end = reply.p + reply.len;
    struct answer_item all = answer_next(&at, end);
    s->known = all.type == '*';
    for (int64_t i = 0; s->known && i + 1 < all.number; i += 2) {
        struct answer_item name = answer_next(&at, end), v = answer_next(&at, end);
        uint64_t n = 0;
        num_parse_u64(v.text.p, v.text.len, &n);
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++)
            if (bytes_is(name.text, texts[j].name))
                snprintf(texts[j].to, texts[j].size, "%.*s", (int)v.text.len, v.text.p);
        if (bytes_is(name.text, "offset")) s->offset = n;
        if (bytes_is(name.text, "db")) s->db = (int)n;
    }
    return true;
}

/* ---- may it be ---- */

static bool no(const char *what) {
    fprintf(stderr, "hactl: %s\n", what);
    return false;
}

bool import_allowed(const struct cli *c, const struct import_target *it,
                    const struct inventory *v) {
    uint64_t lacks = inventory_lacks(v, &it->limits);
    bool well = true;
    if (v->refusal_count && !c->skip_unsupported)
        well = no("some of it cannot be taken (the list above); with --skip-unsupported all the "
                  "rest is taken");
    if (lacks && !c->force) {
        fprintf(stderr,
                "hactl: it does not fit into the memory of %s: about %s are missing; `hactl "
                "instance resize` gives it more, --force imports all the same\n",
                it->name, size_text(lacks));
        well = false;
    }
    return well;
}

uint64_t import_complaints(const struct import_target *it) {
    const struct target_error *e;
    size_t n = target_errors(it->t, &e);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "hactl: %s: \"%s\" was refused: %s (%llu times)\n", it->name, e[i].key,
                e[i].what, (unsigned long long)e[i].count);
    return target_counts(it->t)->failed;
}

static uint64_t status_number(struct import_target *it, const char *name) {
    const struct bytes words[] = {BYTES("DUET"), BYTES("STATUS")};
    struct bytes reply;
    uint64_t v = 0;
    if (!target_ask(it->t, &reply, 2, words)) return 0;
    const char *at = reply.p, *end = reply.p + reply.len;
    struct answer_item all = answer_next(&at, end);
    for (int64_t i = 0; all.type == '*' && i + 1 < all.number; i += 2) {
        struct answer_item key = answer_next(&at, end), value = answer_next(&at, end);
        if (bytes_is(key.text, name)) num_parse_u64(value.text.p, value.text.len, &v);
    }
    return v;
}

void import_settle(struct import_target *it) {
    if (!it->control || !status_number(it, "insync_link")) return;
    uint64_t offset = status_number(it, "offset"), end = clock_boot_ms() + SETTLE_MS;
    while (status_number(it, "acked") < offset && status_number(it, "insync_link") &&
           clock_boot_ms() < end && !*target_why(it->t))
        usleep(20000);
}
