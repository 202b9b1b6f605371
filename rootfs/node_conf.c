#include "rootfs/node_conf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hactl/backup_conf.h"
#include "hactl/channel.h"
#include "server/base/num.h"

#define DEFAULT_PORT 6379

/* ---- [node] ---- */

static bool set_name(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    struct node_conf *n = target;
    const char *name = l->argv[1];
    bool good = *name && *name != '-' && strlen(name) <= NODE_NAME_LIMIT;
    for (const char *p = name; *p; p++) {
        good &= isalnum((unsigned char)*p) || *p == '-' || *p == '.';
    }
    if (!good) {
        return conf_complain(c, l, err,
                             "'%s' cannot be a host name; take letters, digits and '-', at most %d",
                             name, NODE_NAME_LIMIT);
    }
    snprintf(n->name, sizeof n->name, "%s", name);
    return true;
}

static bool set_letter(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    struct node_conf *n = target;
    if (strcmp(l->argv[1], "a") != 0 && strcmp(l->argv[1], "b") != 0) {
        return conf_complain(c, l, err, "'%s' is no node of a pair; write 'node a' or 'node b'",
                             l->argv[1]);
    }
    n->letter = l->argv[1][0];
    return true;
}

static const struct conf_row node_rows[] = {
    {"name", 1, 1, set_name, "name NAME"},
    {"node", 1, 1, set_letter, "node a|b"},
    {NULL, 0, 0, NULL, NULL},
};

/* ---- [access] ---- */

static bool set_key(void *target, const struct conf *c, const struct conf_line *l,
                    struct conf_error *err) {
    struct node_conf *n = target;
    struct buf text = BUF_INIT;
    bool known = strncmp(l->argv[1], "ssh-", 4) == 0 || strncmp(l->argv[1], "ecdsa-", 6) == 0 ||
                 strncmp(l->argv[1], "sk-", 3) == 0;
    if (!known || strlen(l->argv[2]) < 32) {
        return conf_complain(c, l, err,
                             "this is not a public key; write ssh-key and the line of a .pub file, "
                             "like ssh-ed25519 AAAA... name");
    }
    if (n->ssh_key_count == NODE_SSH_KEYS) {
        return conf_complain(c, l, err, "there are more than %d keys; remove one", NODE_SSH_KEYS);
    }
    for (int i = 1; i < l->argc; i++) buf_printf(&text, "%s%s", i > 1 ? " " : "", l->argv[i]);
    n->ssh_keys[n->ssh_key_count++] = xstrdup(buf_cstr(&text));
    buf_free(&text);
    return true;
}

static bool set_console_password(void *target, const struct conf *c, const struct conf_line *l,
                                 struct conf_error *err) {
    struct node_conf *n = target;
    (void)c, (void)err;
    free(n->console_password);
    n->console_password = strcmp(l->argv[1], "none") == 0 ? NULL : xstrdup(l->argv[1]);
    return true;
}

static bool set_console(void *target, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    static const int64_t speeds[] = {9600, 19200, 38400, 57600, 115200};
    struct node_conf *n = target;
    int64_t baud = 115200;
    bool known = l->argc < 3;
    if (l->argc == 3 && num_parse_range(l->argv[2], 1, 4000000, &baud)) {
        for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) known |= speeds[i] == baud;
    }
    if (strncmp(l->argv[1], "tty", 3) != 0 || strlen(l->argv[1]) >= sizeof n->console_tty ||
        strchr(l->argv[1], '/') || !known) {
        return conf_complain(c, l, err,
                             "this is no serial console; write one like 'console ttyS0 115200' "
                             "(9600, 19200, 38400, 57600 or 115200)");
    }
    snprintf(n->console_tty, sizeof n->console_tty, "%s", l->argv[1]);
    n->console_baud = (int)baud;
    return true;
}

static const struct conf_row access_rows[] = {
    {"ssh-key", 2, -1, set_key, "ssh-key TYPE BASE64 [COMMENT]"},
    {"console-password", 1, 1, set_console_password, "console-password none|TEXT"},
    {"console", 1, 2, set_console, "console ttyS0 [115200]"},
    {NULL, 0, 0, NULL, NULL},
};

/* ---- [instance N] ---- */

/* What the node decides for its servers, and an instance cannot. */
static const char *const ours[] = {"dir",     "pair-lease", "control",   "daemonize",
                                   "pidfile", "logfile",    "replicaof", "slaveof",
                                   "include", "masterauth", "pair-key",  "pair-key-also"};

static struct node_instance *instance_of(struct node_conf *n, const char *arg) {
    int64_t number = 0;
    num_parse_range(arg, 0, 63, &number); /* conf.c has checked it */
    for (size_t i = 0; i < n->instance_count; i++) {
        if (n->instances[i].number == number) return &n->instances[i];
    }
    struct node_instance *one = &n->instances[n->instance_count++];
    *one = (struct node_instance){.number = (int)number, .port = DEFAULT_PORT};
    return one;
}

static void to_line(struct node_instance *i, int number) {
    while (i->lines < number - 1) {
        buf_add_str(&i->directives, "\n");
        i->lines++;
    }
    i->lines++;
}

static void directive(struct node_instance *i, const struct conf_line *l, const char *name,
                      const char *value) {
    to_line(i, l->number);
    buf_printf(&i->directives, "%s ", name);
    conf_quote(&i->directives, value, strlen(value));
    buf_add_str(&i->directives, "\n");
}

static bool one_word(const struct conf *c, const struct conf_line *l, struct conf_error *err) {
    return l->argc == 2 ||
           conf_complain(c, l, err, "'%s' takes one word and has %d", l->argv[0], l->argc - 1);
}

static bool set_port(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    int64_t port;
    if (!one_word(c, l, err)) return false;
    if (!num_parse_range(l->argv[1], 1, 65535, &port)) {
        return conf_complain(c, l, err, "'%s' is no port; write a number from 1 to 65535",
                             l->argv[1]);
    }
    if (port == CHANNEL_PORT) {
        return conf_complain(
            c, l, err, "port %d is the two nodes' own (hactl --peer); take another", CHANNEL_PORT);
    }
    i->port = (uint16_t)port;
    return true;
}

/* Of memory and edition the one that comes last complains. */
static bool memory_fits(const struct node_instance *i, const struct conf *c,
                        const struct conf_line *l, struct conf_error *err) {
    const struct edition *e = i->edition;
    if (!e || !e->memory_max_bytes || !i->memory_bytes) return true;
    if (i->memory_bytes >= e->memory_min_bytes && i->memory_bytes <= e->memory_max_bytes)
        return true;
    return conf_complain(c, l, err,
                         "instance %d has %llu MB of memory, and edition %s has from %llu to %llu; "
                         "change memory or edition",
                         i->number, (unsigned long long)(i->memory_bytes >> 20), e->name,
                         (unsigned long long)(e->memory_min_bytes >> 20),
                         (unsigned long long)(e->memory_max_bytes >> 20));
}

static bool set_memory(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    uint64_t bytes;
    if (!one_word(c, l, err)) return false;
    if (!num_parse_bytes(l->argv[1], &bytes) || bytes < (1 << 20)) {
        return conf_complain(c, l, err, "'%s' is no memory size; write one like 256mb or 4gb",
                             l->argv[1]);
    }
    i->memory_bytes = bytes;
    directive(i, l, "maxmemory", l->argv[1]);
    return memory_fits(i, c, l, err);
}

static bool set_edition(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                        struct conf_error *err) {
    if (!one_word(c, l, err)) return false;
    i->edition = edition_named(l->argv[1]);
    if (!i->edition) {
        return conf_complain(
            c, l, err, "'%s' is no edition; write open, master-slave, ckv or cluster", l->argv[1]);
    }
    directive(i, l, "edition", l->argv[1]);
    return memory_fits(i, c, l, err);
}

static bool set_password(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                         struct conf_error *err) {
    if (!one_word(c, l, err)) return false;
    if (strcmp(l->argv[1], "none") == 0) return true;
    directive(i, l, "requirepass", l->argv[1]);
    free(i->password);
    i->password = xstrdup(l->argv[1]);
    return true;
}

static bool set_durability(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                           struct conf_error *err) {
    if (!one_word(c, l, err)) return false;
    if (strcmp(l->argv[1], "async") != 0 && strcmp(l->argv[1], "pair") != 0 &&
        strcmp(l->argv[1], "disk") != 0) {
        return conf_complain(c, l, err, "'%s' is no durability; write async, pair or disk",
                             l->argv[1]);
    }
    directive(i, l, "durability", l->argv[1]);
    return true;
}

static bool set_instance_name(struct node_instance *i, const struct conf *c,
                              const struct conf_line *l, struct conf_error *err) {
    const char *name = l->argc > 1 ? l->argv[1] : "";
    bool good = isalpha((unsigned char)*name) && strlen(name) <= NODE_INSTANCE_NAME;
    if (!one_word(c, l, err)) return false;
    for (const char *p = name; *p; p++)
        good &= isalnum((unsigned char)*p) || *p == '-' || *p == '_' || *p == '.';
    if (!good)
        return conf_complain(c, l, err,
                             "'%s' cannot be an instance's name; take a letter, then letters, "
                             "digits, '-', '_' and '.', at most %d",
                             name, NODE_INSTANCE_NAME);
    snprintf(i->name, sizeof i->name, "%s", name);
    return true;
}

/* For the steward; the server does not hear of it. */
static bool set_backup(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    static struct backup_conf scratch;
    bool is_ours;
    (void)i;
    return backup_conf_line(&scratch, c, l, &is_ours, err);
}

static const struct {
    const char *name;
    bool (*set)(struct node_instance *i, const struct conf *c, const struct conf_line *l,
                struct conf_error *err);
} instance_rows[] = {
    {"port", set_port},
    {"memory", set_memory},
    {"password", set_password},
    {"durability", set_durability},
    {"edition", set_edition},
    {"name", set_instance_name},
    {BACKUP_SCHEDULE_WORD, set_backup},
    {BACKUP_RETENTION_WORD, set_backup},
};

static bool instance_line(struct node_conf *n, const struct conf *c, const struct conf_line *l,
                          struct conf_error *err) {
    struct node_instance *i = instance_of(n, l->section_arg);
    for (size_t k = 0; k < sizeof instance_rows / sizeof instance_rows[0]; k++) {
        if (strcmp(l->argv[0], instance_rows[k].name) == 0) {
            return instance_rows[k].set(i, c, l, err);
        }
    }
    for (size_t k = 0; k < sizeof ours / sizeof ours[0]; k++) {
        if (strcmp(l->argv[0], ours[k]) == 0) {
            return conf_complain(c, l, err, "'%s' is set by the node itself; remove the line",
                                 l->argv[0]);
        }
    }
    i->appendonly |= strcasecmp(l->argv[0], "appendonly") == 0;
    i->save |= strcasecmp(l->argv[0], "save") == 0;
    i->protected_mode |= strcasecmp(l->argv[0], "protected-mode") == 0;
    to_line(i, l->number);
    for (int k = 0; k < l->argc; k++) {
        if (k > 0) buf_add_str(&i->directives, " ");
        conf_quote(&i->directives, l->argv[k], l->lens[k]);
    }
    buf_add_str(&i->directives, "\n");
    return true;
}

static void read_secret(struct node_conf *n, const struct conf *c) {
    for (size_t i = 0; i < c->count; i++) {
        const struct conf_line *l = &c->lines[i];
        if (strcmp(l->section, "pair") != 0 || l->argc != 2) continue;
        const char *word = l->argv[0], *digits = l->argv[1];
        if (strcmp(word, "secret") == 0)
            n->has_secret = num_from_hex(digits, strlen(digits), n->secret, sizeof n->secret);
        if (strcmp(word, "secret-next") == 0 || strcmp(word, "secret-old") == 0)
            n->has_also = num_from_hex(digits, strlen(digits), n->also, sizeof n->also);
    }
}

static bool read_instances(struct node_conf *n, const struct conf *c, struct conf_error *err) {
    for (size_t i = 0; i < c->count; i++) {
        const struct conf_line *l = &c->lines[i];
        if (strcmp(l->section, "instance") != 0) continue;
        if (l->argc == 0)
            instance_of(n, l->section_arg);
        else if (!instance_line(n, c, l, err))
            return false;
    }
    if (n->instance_count == 0) instance_of(n, "0");
    for (size_t i = 0; i < n->instance_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (*n->instances[i].name && !strcmp(n->instances[i].name, n->instances[k].name)) {
                snprintf(err->text, sizeof err->text,
                         "%s: instances %d and %d have the same name %s; give one of them another",
                         c->path, n->instances[k].number, n->instances[i].number,
                         n->instances[i].name);
                return false;
            }
            if (n->instances[i].port != n->instances[k].port) continue;
            snprintf(err->text, sizeof err->text,
                     "%s: instances %d and %d have the same port %d; give one of them another",
                     c->path, n->instances[k].number, n->instances[i].number, n->instances[i].port);
            return false;
        }
    }
    return true;
}

/* What holds unless the section says otherwise, behind the section's own lines. */
static void add_defaults(struct node_instance *i) {
    struct buf *d = &i->directives;
    if (!i->appendonly) buf_add_str(d, "appendonly yes\n");
    if (!i->save) buf_add_str(d, "save \"\"\n");
    if (!i->protected_mode) buf_add_str(d, "protected-mode no\n");
    if (!i->password) return;
    buf_add_str(d, "masterauth "); /* the peer asks for the same */
    conf_quote(d, i->password, strlen(i->password));
    buf_add_str(d, "\n");
}

bool node_conf_read(const struct conf *c, struct node_conf *out, struct conf_error *err) {
    memset(out, 0, sizeof *out);
    snprintf(out->console_tty, sizeof out->console_tty, "ttyS0");
    out->console_baud = 115200;
    bool fine = conf_apply(c, "node", NULL, node_rows, out, err) &&
                conf_apply(c, "access", NULL, access_rows, out, err) && read_instances(out, c, err);
    if (fine && !out->letter) {
        snprintf(err->text, sizeof err->text, "%s: [node] needs 'node a' or 'node b'", c->path);
        fine = false;
    }
    if (!fine) {
        node_conf_free(out);
        return false;
    }
    read_secret(out, c);
    for (size_t i = 0; i < c->count; i++)
        out->witness |= c->lines[i].argc > 0 && strcmp(c->lines[i].section, "witness") == 0;
    for (size_t i = 0; i < out->instance_count; i++) add_defaults(&out->instances[i]);
    if (!*out->name) snprintf(out->name, sizeof out->name, "duet-%c", out->letter);
    return true;
}

void node_conf_free(struct node_conf *n) {
    for (size_t i = 0; i < n->instance_count; i++) {
        buf_free(&n->instances[i].directives);
        free(n->instances[i].password);
    }
    for (size_t i = 0; i < n->ssh_key_count; i++) free(n->ssh_keys[i]);
    free(n->console_password);
    memset(n, 0, sizeof *n);
}
