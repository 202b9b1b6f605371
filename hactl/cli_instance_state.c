/* What a node says of its instances: its configuration, had's view and each server's own, as fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "hactl/sets.h"
#include "hactl/cli_server.h"
#include "hactl/had_conf.h"
#include "server/base/crc32c.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define ANSWER_MS 3000

uint64_t instance_machine_bytes(void) {
    struct sysinfo s;
    return sysinfo(&s) == 0 ? (uint64_t)s.totalram * s.mem_unit : UINT64_MAX;
}

bool instance_has_data(const struct cli *c, int number) {
    char path[600];
    snprintf(path, sizeof path, "%s/data/instance-%d", c->root, number);
    return file_exists(path);
}

/* The last word of a directive in [instance N]; other when it is not said. */
static const char *said(const struct conf *conf, int number, const char *directive,
                        const char *other) {
    const char *found = other;
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_line *l = &conf->lines[i];
        int64_t n;
        if (l->argc != 2 || strcmp(l->section, "instance") != 0) continue;
        if (!num_parse_range(l->section_arg, 0, INSTANCE_NUMBERS - 1, &n) || n != number) continue;
        if (strcmp(l->argv[0], directive) == 0) found = l->argv[1];
    }
    return found;
}

/* "name:value" of INFO as a number. */
static uint64_t info_number(const char *info, const char *name) {
    char want[64];
    uint64_t n = 0;
    snprintf(want, sizeof want, "\n%s:", name);
    const char *at = strstr(info, want);
    if (!at) return 0;
    at += strlen(want);
    num_parse_u64(at, strspn(at, "0123456789"), &n);
    return n;
}

static void report_server(const struct cli *c, int number, int at, struct fields *out) {
    static const char *const info[] = {"INFO", "memory"};
    static const char *const policy[] = {"CONFIG", "GET", "maxmemory-policy"};
    struct buf answer = BUF_INIT;
    if (cli_server_ask(c->root, number, &answer, 2, info)) {
        const char *said_info = buf_cstr(&answer);
        fields_add_number(out, (int64_t)info_number(said_info, "used_memory"), "instances.%d.used",
                          at);
        fields_add_number(out, (int64_t)info_number(said_info, "maxmemory"),
                          "instances.%d.maxmemory", at);
    }
    buf_clear(&answer);
    if (cli_server_ask(c->root, number, &answer, 3, policy)) {
        char *value = strchr(buf_cstr(&answer), '\n');
        if (value) value[1 + strcspn(value + 1, "\r\n")] = 0;
        if (value) fields_add_text(out, value + 1, "instances.%d.policy", at);
    }
    buf_free(&answer);
}

/* What had knows of it. */
static void report_had(const struct fields *had, int number, int at, struct fields *out) {
    int i = 0;
    while (*fields_text(had, "", "instances.%d.number", i) &&
           fields_number(had, -1, "instances.%d.number", i) != number)
        i++;
    bool known = *fields_text(had, "", "instances.%d.number", i) != 0;
    bool up = fields_true(had, "instances.%d.up", i);
    bool counts = up && fields_true(had, "instances.%d.counts", i);
    fields_add_true(out, up, "instances.%d.up", at);
    fields_add_true(out, counts, "instances.%d.counts", at);
    fields_add_true(out, counts && fields_true(had, "node.in_sync"), "instances.%d.in_sync", at);
    fields_add_text(out, up ? fields_text(had, "", "instances.%d.role", i) : "",
                    "instances.%d.role", at);
    fields_add_number(out, fields_number(had, 0, "instances.%d.keys", i), "instances.%d.keys", at);
    fields_add_number(out, fields_number(had, 0, "instances.%d.clients", i), "instances.%d.clients",
                      at);
    fields_add_text(out, fields_text(had, "", "instances.%d.waits_for", i),
                    "instances.%d.waits_for", at);
    fields_add_text(out,
                    known ? fields_text(had, "", "instances.%d.trouble", i)
                          : "it is configured, but had does not know it: hactl instance sync",
                    "instances.%d.trouble", at);
}

static void report_one(const struct cli *c, const struct conf *conf, const struct fields *had,
                       const struct instance_conf *one, int at, struct fields *out) {
    uint64_t limit = 0;
    int n = one->number;
    num_parse_bytes(said(conf, n, "memory", "0"), &limit);
    fields_add_number(out, n, "instances.%d.number", at);
    fields_add_text(out, one->name, "instances.%d.name", at);
    fields_add_number(out, one->port, "instances.%d.port", at);
    fields_add_number(out, (int64_t)limit, "instances.%d.limit", at);
    fields_add_text(out, said(conf, n, "edition", "open"), "instances.%d.edition", at);
    fields_add_text(out, said(conf, n, "durability", "pair"), "instances.%d.durability", at);
    fields_add_true(out, strcmp(said(conf, n, "password", "none"), "none") != 0,
                    "instances.%d.password", at);
    report_had(had, n, at, out);
    report_server(c, n, at, out);
}

/* What the sections say, whatever stands around it: two nodes that say the same have the same sum. */
static uint32_t sum_of(const struct conf *conf) {
    uint32_t crc = 0;
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_line *l = &conf->lines[i];
        if (strcmp(l->section, "instance") != 0 || l->argc == 0) continue;
        crc = crc32c(crc, l->section_arg, strlen(l->section_arg) + 1);
        for (int k = 0; k < l->argc; k++) crc = crc32c(crc, l->argv[k], l->lens[k] + 1);
    }
    return crc;
}

static void report_node(const struct had_conf *conf, const struct fields *had, struct fields *out) {
    fields_add_text(out, conf->setup.node ? "b" : "a", "node.letter");
    fields_add_text(out, conf->name, "node.name");
    fields_add_text(out, fields_text(had, "?", "node.state"), "node.state");
    fields_add_true(out, fields_true(had, "node.serving"), "node.serving");
    fields_add_number(out, (int64_t)instance_machine_bytes(), "node.memory");
    fields_add_number(out, conf->changes, "changes");
}

/* Backup sets of an instance that is no more: a new one with its number would take them for its own. */
static bool has_sets(const struct cli *c, int number) {
    struct stored_set *list;
    size_t count = sets_list(c->root, number, &list);
    free(list);
    return count > 0;
}

int cli_instance_state(struct cli *c) {
    struct had_conf conf;
    struct conf lines;
    struct conf_error err;
    struct cli_answer had = {0};
    struct buf out = BUF_INIT;
    struct fields f = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!conf_read(&lines, path, true, &err)) return instance_complain(c, "%s", err.text);
    if (!had_conf_take(&conf, &lines, &err)) {
        conf_free(&lines);
        return instance_complain(c, "%s", err.text);
    }
    int status = cli_ask(c, "status", ANSWER_MS, &had);
    if (status == CLI_OK) {
        report_node(&conf, &had.fields, &f);
        fields_add_number(&f, sum_of(&lines), "sum");
        for (int i = 0; i < conf.instance_count; i++)
            report_one(c, &lines, &had.fields, &conf.instances[i], i, &f);
        for (int i = 0, n = 0; i < INSTANCE_NUMBERS; i++)
            if (instance_has_data(c, i) || has_sets(c, i))
                fields_add_number(&f, i, "data.%d.number", n++);
        fields_lines(&f, &out);
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
        cli_answer_free(&had);
    }
    fields_free(&f);
    conf_free(&lines);
    buf_free(&out);
    return status;
}
