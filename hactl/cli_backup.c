/* hactl backup: the table of its verbs, and `backup now`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/cli_backup.h"
#include "server/base/buf.h"

#define ANSWER_MS 5000

/* ---- small things ---- */

bool backup_root(const struct cli *c, char out[SETS_PATH]) {
    char *full = realpath(*c->root ? c->root : "/", NULL);
    bool fits = full && strlen(full) < SETS_PATH - 100;
    if (fits)
        snprintf(out, SETS_PATH, "%s", strcmp(full, "/") == 0 ? "" : full);
    else
        fprintf(stderr, "hactl: %s: %s\n", c->root, full ? "too long a path" : strerror(errno));
    free(full);
    return fits;
}

/* Its place in the status by number or name; -1: none. */
static int place_of(const struct fields *f, const char *word) {
    for (int i = 0; *fields_text(f, "", "instances.%d.port", i); i++)
        if (strcmp(fields_text(f, "", "instances.%d.number", i), word) == 0 ||
            (*word && strcmp(fields_text(f, "", "instances.%d.name", i), word) == 0))
            return i;
    return -1;
}

static void list_instances(const struct fields *f) {
    for (int i = 0; *fields_text(f, "", "instances.%d.port", i); i++) {
        const char *name = fields_text(f, "", "instances.%d.name", i);
        fprintf(stderr, "%s%s%s%s", i ? ", " : "", fields_text(f, "", "instances.%d.number", i),
                *name ? " " : "", name);
    }
    fprintf(stderr, "\n");
}

bool backup_instance(const struct cli *c, const char *word, unsigned *instance) {
    struct cli_answer a;
    if (cli_ask(c, "status", ANSWER_MS, &a) != CLI_OK) return false;
    bool one = !*fields_text(&a.fields, "", "instances.1.port");
    int place = word ? place_of(&a.fields, word) : one ? 0 : -1;
    if (place >= 0) *instance = (unsigned)fields_number(&a.fields, 0, "instances.%d.number", place);
    if (place < 0 && word) fprintf(stderr, "hactl: there is no instance '%s'; there are: ", word);
    if (place < 0 && !word) fprintf(stderr, "hactl: say which instance; there are: ");
    if (place < 0) list_instances(&a.fields);
    cli_answer_free(&a);
    return place >= 0;
}

/* ---- now ---- */

static int all_instances(const struct cli *c, unsigned numbers[64], int *count) {
    struct cli_answer a;
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    for (*count = 0; *count < 64 && *fields_text(&a.fields, "", "instances.%d.port", *count);
         (*count)++)
        numbers[*count] = (unsigned)fields_number(&a.fields, 0, "instances.%d.number", *count);
    cli_answer_free(&a);
    return CLI_OK;
}

int cli_backup_now(struct cli *c) {
    unsigned instance = 0, numbers[64];
    struct buf ids = BUF_INIT;
    char id[48] = "";
    const char *name = c->name ? c->name : "-", *made_by = c->made_by ? c->made_by : "operator";
    if (strcmp(name, "-") != 0 && !backup_name_valid(name)) {
        fprintf(stderr,
                "hactl: a set's name has 1 to 60 printable characters and no space at its ends\n");
        return CLI_USAGE;
    }
    if (!backup_made_by_valid(made_by)) {
        fprintf(stderr, "hactl: a set is made by operator, schedule or rollback, not by '%s'\n",
                made_by);
        return CLI_USAGE;
    }
    if (c->argc && !backup_instance(c, c->argv[0], &instance)) return CLI_USAGE;
    int count = 1, status = c->argc ? CLI_OK : all_instances(c, numbers, &count);
    if (c->argc) numbers[0] = instance;
    for (int i = 0; i < count && status == CLI_OK; i++) {
        status = backup_make_set(c, numbers[i], name, made_by, id);
        if (status == CLI_OK && !c->json) printf("%s\n", id);
        if (status == CLI_OK) buf_printf(&ids, "%s\"%s\"", i ? ", " : "", id);
    }
    if (status == CLI_OK && c->json && count == 1) printf("{\"id\": %s}\n", buf_cstr(&ids));
    if (status == CLI_OK && c->json && count > 1) printf("{\"ids\": [%s]}\n", buf_cstr(&ids));
    buf_free(&ids);
    return status;
}

/* ---- the verbs ---- */

static const struct {
    const char *name, *args;
    int min, max;
    int (*run)(struct cli *c);
    const char *help; /* NULL: for hactl itself, on the other node */
} verbs[] = {
    {"now", "[INSTANCE] [--name TEXT]", 0, 1, cli_backup_now,
     "makes a set of one or all, on the slave where it is in sync, and copies it to the other "
     "node"},
    {"list", "[INSTANCE]", 0, 1, cli_backup_list, "the sets of both nodes"},
    {"show", "SET", 1, 1, cli_backup_show, "all that is known of one"},
    {"verify", "SET|all", 1, 1, cli_backup_verify,
     "compares each byte with the checksum, on both nodes"},
    {"delete", "SET", 1, 1, cli_backup_delete, "on both nodes; asks first (--yes does not)"},
    {"export", "SET [FILE|-|--usb]", 1, 2, cli_backup_export,
     "writes it as a tar archive: ssh NODE backup export SET > FILE"},
    {"export", "--rdb SET [FILE|-|--usb]", 1, 2, cli_backup_export,
     "its data as an RDB file that Redis 7.0 loads; --rdb-version 7 or 6: Redis 3.2, 2.8"},
    {"import", "[FILE|-|--usb]", 0, 1, cli_backup_import,
     "takes such an archive in, checked whole"},
    {"schedule", "[INSTANCE daily HH:MM|every 6h|off]", 0, 3, cli_backup_schedule,
     "when sets are made by themselves (UTC)"},
    {"retention", "[INSTANCE sets N|days N]", 0, 3, cli_backup_retention,
     "which sets are kept; named ones always, the last good one too"},
    {"make", "", 3, 3, cli_backup_make, NULL},
    {"tick", "", 0, 0, cli_backup_tick, NULL},
    {"rows", "", 0, 1, cli_backup_rows, NULL},
    {"fetch", "", 1, 1, cli_backup_fetch, NULL},
};

void cli_backup_help(void) {
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (verbs[i].help)
            printf("  backup %-8s %-26s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
    printf("\n--local: of this node alone. --device DEV: the stick's partition, where there are "
           "many.\n");
}

int cli_backup(struct cli *c) {
    const char *name = c->argv[0];
    c->argc--, c->argv++;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) != 0) continue;
        if (c->argc >= verbs[i].min && c->argc <= verbs[i].max) return verbs[i].run(c);
        fprintf(stderr, "usage: hactl backup %s %s\n", name, verbs[i].args);
        return CLI_USAGE;
    }
    fprintf(stderr, "hactl: backup has no verb '%s'; `hactl help backup` lists them\n", name);
    return CLI_USAGE;
}
