/* hactl instance create. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "hactl/cli_instance.h"
#include "server/base/conf.h"
#include "server/base/edition.h"
#include "server/base/num.h"

#define SYNC_MS "10000" /* how long it waits for the first copy */
#define UP_MS   "15000"

/* The lowest number that neither node uses, nor has data of. */
static int free_number(const struct instance_pair *p) {
    for (int n = 0; n < INSTANCE_NUMBERS; n++) {
        char word[8];
        bool used = false;
        snprintf(word, sizeof word, "%d", n);
        for (int node = 0; node < 2; node++) {
            const struct fields *f = &p->node[node];
            used |= instance_find(f, word) >= 0;
            for (int i = 0; *fields_text(f, "", "data.%d.number", i); i++)
                used |= fields_number(f, -1, "data.%d.number", i) == n;
        }
        if (!used) return n;
    }
    return -1;
}

static bool good_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    if (isalpha((unsigned char)*name) && !name[len] && len <= 31) return true;
    fprintf(stderr,
            "hactl: '%s' is neither a number from 0 to 63 nor a name (a letter, then letters, "
            "digits, '-', '_' and '.', at most 31)\n",
            name);
    return false;
}

struct wanted {
    int number;
    char digits[16];
    const char *name; /* "" none */
    int64_t port;
    uint64_t memory;
    struct buf lines;
};

static bool add_password(const struct cli *c, struct buf *lines) {
    struct buf password = BUF_INIT;
    bool good = instance_password(c->password ? c->password : "none", &password);
    if (good) {
        buf_add_str(lines, "password ");
        conf_quote(lines, buf_head(&password), buf_len(&password));
        buf_add_str(lines, "\n");
    }
    buf_free(&password);
    return good;
}

/* The words of the command line as lines of a section; what is wrong with them is said before any node is asked. */
static bool want(const struct cli *c, struct wanted *w) {
    int64_t n;
    memset(w, 0, sizeof *w);
    w->number = num_parse_range(c->argv[1], 0, INSTANCE_NUMBERS - 1, &n) ? (int)n : -1;
    w->name = w->number >= 0 ? (c->name ? c->name : "") : c->argv[1];
    if (*w->name && !good_name(w->name)) return false;
    if (!c->port || !c->memory) {
        fprintf(stderr, "hactl: an instance needs --port P and --memory SIZE\n");
        return false;
    }
    if (!num_parse_range(c->port, 1, 65535, &w->port)) {
        fprintf(stderr, "hactl: '%s' is no port; write a number from 1 to 65535\n", c->port);
        return false;
    }
    if (!instance_size(c->memory, &w->memory)) return false;
    if (c->edition && !edition_named(c->edition)) {
        fprintf(stderr,
                "hactl: there is no edition '%s'; there are open, master-slave, ckv and "
                "cluster\n",
                c->edition);
        return false;
    }
    const struct edition *e = c->edition ? edition_named(c->edition) : NULL;
    if (e && e->memory_max_bytes &&
        (w->memory < e->memory_min_bytes || w->memory > e->memory_max_bytes)) {
        fprintf(stderr, "hactl: an instance of edition %s has from %s to %s of memory, not %s\n",
                e->name, instance_size_text(e->memory_min_bytes),
                instance_size_text(e->memory_max_bytes), instance_size_text(w->memory));
        return false;
    }
    const char *d = c->durability ? c->durability : "pair";
    if (strcmp(d, "async") && strcmp(d, "pair") && strcmp(d, "disk")) {
        fprintf(stderr, "hactl: '%s' is no durability; write async, pair or disk\n", d);
        return false;
    }
    if (*w->name) buf_printf(&w->lines, "name %s\n", w->name);
    buf_printf(&w->lines, "port %d\nmemory %s\n", (int)w->port, c->memory);
    if (c->edition) buf_printf(&w->lines, "edition %s\n", c->edition);
    if (c->durability) buf_printf(&w->lines, "durability %s\n", d);
    return add_password(c, &w->lines);
}

static int check_create(struct instance_change *ch, struct wanted *w) {
    char memory[24], port[8];
    if (w->number < 0) w->number = free_number(&ch->pair);
    if (w->number < 0) {
        fprintf(stderr, "hactl: all numbers from 0 to 63 are taken\n");
        return CLI_NO;
    }
    snprintf(w->digits, sizeof w->digits, "%d", w->number);
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)w->memory);
    snprintf(port, sizeof port, "%d", (int)w->port);
    const char *words[] = {"check", "create", w->digits, port, memory, *w->name ? w->name : "-"};
    if (ch->c->from_dir && ch->pair.master != ch->pair.here) {
        fprintf(stderr, "hactl: a prepared folder becomes an instance on the node that serves; "
                        "that is the other one\n");
        return CLI_NO;
    }
    return instance_ask_both(ch, 6, words);
}

/* What its servers left where it was made. */
static void trash_new(struct instance_change *ch, const struct wanted *w) {
    const char *words[] = {"trash", w->digits};
    for (unsigned node = 0; node < 2; node++)
        if (ch->done >> node & 1) instance_on(ch, node, NULL, 2, words);
}

/* Its servers answer on both nodes, or it is undone. */
static int wait_up(struct instance_change *ch, const struct wanted *w) {
    for (unsigned node = 0; node < 2; node++) {
        bool serves = node == ch->pair.master && fields_true(&ch->pair.node[node], "node.serving");
        const char *words[] = {"wait", w->digits, UP_MS, serves ? "serves" : "up"};
        if (!(ch->done >> node & 1) || instance_on(ch, node, NULL, 4, words) == CLI_OK) continue;
        fprintf(stderr, "hactl: instance %d does not run on node %c; it is taken back\n", w->number,
                'a' + (int)node);
        instance_undo(ch, NULL, NULL);
        trash_new(ch, w);
        return CLI_NO;
    }
    return CLI_OK;
}

static int create(struct instance_change *ch, struct wanted *w) {
    const char *seed[] = {"seed", w->digits, ch->c->from_dir};
    const char *words[] = {"create", w->digits};
    const char *wait[] = {"wait", w->digits, SYNC_MS, "counts"};
    int status = check_create(ch, w);
    if (status == CLI_OK && ch->c->from_dir) status = instance_on(ch, ch->pair.here, NULL, 3, seed);
    if (status != CLI_OK) return status;
    status = instance_make(ch, false, &w->lines, 2, words);
    if (status != CLI_OK) trash_new(ch, w);
    if (status == CLI_OK) status = wait_up(ch, w);
    if (status != CLI_OK) return status;
    bool both = ch->done == 3;
    bool synced = both && instance_on(ch, ch->pair.master, NULL, 4, wait) == CLI_OK;
    if (ch->c->json)
        printf("{\"ok\": true, \"number\": %d, \"in_sync\": %s}\n", w->number,
               synced ? "true" : "false");
    else
        printf("instance %d%s%s serves at port %d%s\n", w->number, *w->name ? " " : "", w->name,
               (int)w->port,
               synced ? ", in sync"
               : both ? "; its first copy is under way: hactl instance list"
                      : ", on this node alone");
    return CLI_OK;
}

int cli_instance_create(struct cli *c) {
    struct instance_change ch;
    struct wanted w;
    int status = want(c, &w) ? instance_begin(c, &ch) : CLI_USAGE;
    if (status == CLI_OK) {
        status = instance_pair_fit(c, &ch.pair) ? create(&ch, &w) : CLI_NO;
        instance_pair_free(&ch.pair);
    }
    buf_free(&w.lines);
    return status;
}
