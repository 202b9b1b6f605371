/* What the source is asked, on a connection of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/import/answer.h"
#include "hactl/import/source_inside.h"

/* The value of "name:value" in INFO's text; "" when it is not there. */
static void info_value(const char *info, const char *name, char *out, size_t size) {
    size_t n = strlen(name);
    *out = '\0';
    for (const char *p = info; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        if (strncmp(p, name, n) != 0 || p[n] != ':') continue;
        snprintf(out, size, "%.*s", (int)strcspn(p + n + 1, "\r\n"), p + n + 1);
        return;
    }
}

static void add_name(char *list, size_t size, const char *name, size_t len) {
    size_t n = strlen(list);
    if (n + 4 < size) snprintf(list + n, size - n, "%s%.*s", n ? ", " : "", (int)len, name);
}

static void take_keyspace(struct source_facts *f, const char *info) {
    const char *p = strstr(info, "# Keyspace");
    while (p && (p = strstr(p, "\ndb"))) {
        unsigned db;
        unsigned long long keys;
        char text[60];
        p++;
        if (sscanf(p, "db%u:keys=%llu", &db, &keys) != 2) continue;
        f->keys += keys;
        snprintf(text, sizeof text, "db%u %llu keys", db, keys);
        add_name(f->keyspace, sizeof f->keyspace, text, strlen(text));
    }
}

static void take_info(struct source_facts *f, const char *info) {
    char word[40];
    info_value(info, "valkey_version", word, sizeof word);
    if (*word)
        snprintf(f->version, sizeof f->version, "valkey %.30s", word);
    else
        info_value(info, "redis_version", f->version, sizeof f->version);
    info_value(info, "run_id", f->run_id, sizeof f->run_id);
    info_value(info, "redis_mode", f->mode, sizeof f->mode);
    info_value(info, "role", f->role, sizeof f->role);
    info_value(info, "used_memory", word, sizeof word);
    f->used_memory = strtoull(word, NULL, 10);
    take_keyspace(f, info);
}

/* The names in a list of maps (as flat arrays): the element behind `field`. */
static void take_names(struct dial *d, size_t used, const char *field, char *list, size_t size) {
    const char *at = buf_head(&d->in), *end = at + used;
    bool next = false;
    while (at < end) {
        struct answer_item i = answer_next(&at, end);
        if (next && i.type != '*') add_name(list, size, i.text.p, i.text.len);
        next = i.type != '*' && bytes_is(i.text, field);
    }
}

/* An error (an old server, no permission) tells nothing. */
static bool ask_names(struct source *s, const char *a, const char *field, char *list, size_t size) {
    const char *words[2] = {a, "LIST"};
    size_t used;
    if (!dial_ask(&s->ask, &used, SOURCE_ANSWER_MS, 2, words)) return false;
    if (*buf_head(&s->ask.in) == '*') take_names(&s->ask, used, field, list, size);
    buf_eat(&s->ask.in, used);
    return true;
}

static enum source_end judge(struct source *s) {
    const struct source_facts *f = &s->facts;
    if (strcmp(f->mode, "sentinel") == 0)
        return source_say(
            s, SOURCE_REFUSED,
            "that is a Sentinel, which holds no data: name the master that it watches "
            "(SENTINEL GET-MASTER-ADDR-BY-NAME tells)");
    if (strcmp(f->mode, "cluster") == 0)
        return source_say(s, SOURCE_REFUSED,
                          "that is a node of a Redis Cluster, which holds a part of the data only; "
                          "a cluster cannot be followed as one source");
    return SOURCE_OK;
}

enum source_end source_ask(struct source *s) {
    const char *info[1] = {"INFO"};
    struct buf text = BUF_INIT;
    memset(&s->facts, 0, sizeof s->facts);
    enum source_end end = source_login(s, &s->ask);
    if (end != SOURCE_OK) return end;
    switch (dial_ask_text(&s->ask, &text, SOURCE_ANSWER_MS, 1, info)) {
    case DIAL_LOST: end = source_say(s, SOURCE_LOST, "the source: %s", s->ask.why); break;
    case DIAL_ERROR:
        end = source_refusal(s, "INFO", (struct bytes){buf_head(&text), buf_len(&text)});
        break;
    case DIAL_TEXT:
        take_info(&s->facts, buf_cstr(&text));
        end = judge(s);
        break;
    }
    buf_free(&text);
    if (end != SOURCE_OK) return end;
    if (!ask_names(s, "MODULE", "name", s->facts.modules, sizeof s->facts.modules) ||
        !ask_names(s, "FUNCTION", "library_name", s->facts.functions, sizeof s->facts.functions))
        return source_say(s, SOURCE_LOST, "the source: %s", s->ask.why);
    return SOURCE_OK;
}

bool source_end_offset(struct source *s, uint64_t *offset) {
    const char *info[2] = {"INFO", "replication"};
    struct buf text = BUF_INIT;
    char word[40] = "";
    if (!s->ask.stream) {
        dial_close(&s->ask);
        if (source_login(s, &s->ask) != SOURCE_OK) return false;
    }
    if (dial_ask_text(&s->ask, &text, SOURCE_ANSWER_MS, 2, info) == DIAL_TEXT)
        info_value(buf_cstr(&text), "master_repl_offset", word, sizeof word);
    buf_free(&text);
    *offset = strtoull(word, NULL, 10);
    return *word != '\0';
}
