/* hactl instance list and show. */
#include <stdio.h>
#include <string.h>

#include "hactl/cli_instance.h"
#include "server/base/num.h"

const char *instance_size_text(uint64_t bytes) {
    static char ring[4][24];
    static unsigned next;
    char *out = ring[next++ % 4];
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1024 && u < 4) {
        v /= 1024;
        u++;
    }
    snprintf(out, 24, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
    return out;
}

/* One instance as both nodes know it: the master's numbers, else whoever has it. */
struct both {
    const struct fields *f;
    int at;
    bool on[2];
};

static bool next_of(const struct instance_pair *p, int number, struct both *out) {
    char word[16];
    snprintf(word, sizeof word, "%d", number);
    int found[2] = {-1, -1};
    for (int n = 0; n < 2; n++)
        if (p->reached[n]) found[n] = instance_find(&p->node[n], word);
    unsigned best = found[p->master] >= 0 ? p->master : !p->master;
    if (found[best] < 0) return false;
    *out =
        (struct both){.f = &p->node[best], .at = found[best], .on = {found[0] >= 0, found[1] >= 0}};
    return true;
}

/* Why it is not as it should be; "" all is well. */
static const char *wrong(const struct instance_pair *p, const struct both *b, char out[400]) {
    const char *trouble = fields_text(b->f, "", "instances.%d.trouble", b->at);
    const char *waits = fields_text(b->f, "", "instances.%d.waits_for", b->at);
    if (p->reached[0] && p->reached[1] && b->on[0] != b->on[1])
        snprintf(out, 400, "only on node %c: hactl instance sync", b->on[0] ? 'a' : 'b');
    else if (*trouble)
        snprintf(out, 400, "%s", trouble);
    else
        snprintf(out, 400, "%s", waits);
    return out;
}

static const char *sync_word(const struct both *b) {
    return fields_true(b->f, "instances.%d.in_sync", b->at) ? "yes" : "NO";
}

static void add_json(const struct instance_pair *p, const struct both *b, int n,
                     struct fields *to) {
    static const char *const texts[] = {"name", "edition", "durability", "role", "policy"};
    static const char *const numbers[] = {"number", "port", "used", "limit", "keys", "clients"};
    static const char *const truths[] = {"password", "up", "in_sync"};
    char why[400];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        fields_add_number(to, fields_number(b->f, 0, "instances.%d.%s", b->at, numbers[i]),
                          "instances.%d.%s", n, numbers[i]);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        fields_add_text(to, fields_text(b->f, "", "instances.%d.%s", b->at, texts[i]),
                        "instances.%d.%s", n, texts[i]);
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++)
        fields_add_true(to, fields_true(b->f, "instances.%d.%s", b->at, truths[i]),
                        "instances.%d.%s", n, truths[i]);
    fields_add_true(to, b->on[0], "instances.%d.on_a", n);
    fields_add_true(to, b->on[1], "instances.%d.on_b", n);
    fields_add_text(to, wrong(p, b, why), "instances.%d.trouble", n);
}

static void print_row(const struct instance_pair *p, const struct both *b) {
    char why[400], used[64];
    uint64_t limit = (uint64_t)fields_number(b->f, 0, "instances.%d.limit", b->at);
    snprintf(used, sizeof used, "%s / %s",
             instance_size_text((uint64_t)fields_number(b->f, 0, "instances.%d.used", b->at)),
             limit ? instance_size_text(limit) : "no limit");
    const char *name = fields_text(b->f, "", "instances.%d.name", b->at);
    printf("%-4s%-16s%-7s%-22s%-12s%-14s%-12s%-9s%s\n",
           fields_text(b->f, "?", "instances.%d.number", b->at), *name ? name : "-",
           fields_text(b->f, "?", "instances.%d.port", b->at), used,
           fields_text(b->f, "0", "instances.%d.keys", b->at),
           fields_text(b->f, "?", "instances.%d.edition", b->at),
           fields_text(b->f, "?", "instances.%d.durability", b->at), sync_word(b),
           fields_true(b->f, "instances.%d.up", b->at)
               ? fields_text(b->f, "?", "instances.%d.role", b->at)
               : "DOWN");
    if (*wrong(p, b, why)) printf("      ! %s\n", why);
}

static void print_json(const struct fields *f) {
    struct buf out = BUF_INIT;
    fields_json(f, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
}

int cli_instance_list(struct cli *c) {
    struct instance_pair p;
    struct fields json = {0};
    struct both b;
    int status = instance_pair_get(c, &p), n = 0;
    if (status != CLI_OK) return status;
    if (!c->json) {
        printf("Of node %c, which %s%s\n", 'a' + (int)p.master,
               fields_true(&p.node[p.master], "node.serving") ? "serves" : "does NOT serve",
               p.reached[!p.here] ? "" : "; the other node is not reached");
        printf("%-4s%-16s%-7s%-22s%-12s%-14s%-12s%-9s%s\n", "id", "name", "port", "memory", "keys",
               "edition", "durability", "in sync", "role");
    }
    for (int number = 0; number < INSTANCE_NUMBERS; number++) {
        if (!next_of(&p, number, &b)) continue;
        if (c->json)
            add_json(&p, &b, n++, &json);
        else
            print_row(&p, &b);
    }
    if (c->json) {
        fields_add_true(&json, p.reached[!p.here], "peer_reached");
        print_json(&json);
    }
    fields_free(&json);
    instance_pair_free(&p);
    return CLI_OK;
}

static void show(const struct instance_pair *p, const struct both *b) {
    char why[400];
    static const char *const rows[][2] = {
        {"number", "number"},         {"name", "name"}, {"port", "port"}, {"edition", "edition"},
        {"durability", "durability"}, {"role", "role"}, {"keys", "keys"}, {"clients", "clients"},
        {"policy", "when full"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-12s%s\n", rows[i][1],
               fields_text(b->f, "-", "instances.%d.%s", b->at, rows[i][0]));
    printf("%-12s%s of %s\n", "memory",
           instance_size_text((uint64_t)fields_number(b->f, 0, "instances.%d.used", b->at)),
           instance_size_text((uint64_t)fields_number(b->f, 0, "instances.%d.limit", b->at)));
    printf("%-12s%s\n", "password",
           fields_true(b->f, "instances.%d.password", b->at) ? "set" : "none");
    printf("%-12s%s\n", "in sync", sync_word(b));
    printf("%-12s%s%s%s\n", "on nodes", b->on[0] ? "a" : "", b->on[0] && b->on[1] ? " and " : "",
           b->on[1] ? "b" : "");
    if (*wrong(p, b, why)) printf("%-12s%s\n", "trouble", why);
}

int cli_instance_show(struct cli *c) {
    struct instance_pair p;
    struct fields json = {0};
    struct both b;
    unsigned node;
    int status = instance_pair_get(c, &p);
    if (status != CLI_OK) return status;
    int found = instance_named(&p, c->argv[1], &node);
    status = found < 0 ? CLI_NO : CLI_OK;
    if (status == CLI_OK &&
        next_of(&p, (int)fields_number(&p.node[node], 0, "instances.%d.number", found), &b)) {
        if (c->json) {
            add_json(&p, &b, 0, &json);
            print_json(&json);
        } else {
            show(&p, &b);
        }
    }
    fields_free(&json);
    instance_pair_free(&p);
    return status;
}
