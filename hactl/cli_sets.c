/* The sets of both nodes as one list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/cli_backup.h"
#include "hactl/had_conf.h"
#include "server/base/buf.h"

/* ---- a set as fields ---- */

static void put_set(struct fields *f, size_t i, const struct stored_set *s) {
    const struct backup_set *b = &s->set;
    char crc[12];
    snprintf(crc, sizeof crc, "%08x", b->crc);
    fields_add_text(f, b->id, "sets.%zu.id", i);
    fields_add_number(f, b->instance, "sets.%zu.instance", i);
    fields_add_true(f, s->readable, "sets.%zu.readable", i);
    fields_add_number(f, s->verdict, "sets.%zu.verdict", i);
    fields_add_number(f, s->verified_us, "sets.%zu.verified_us", i);
    fields_add_text(f, s->why, "sets.%zu.why", i);
    if (!s->readable) return;
    fields_add_text(f, b->name, "sets.%zu.name", i);
    fields_add_text(f, (const char[]){b->node, 0}, "sets.%zu.node", i);
    fields_add_text(f, b->made_by, "sets.%zu.made_by", i);
    fields_add_number(f, b->begin_us, "sets.%zu.begin_us", i);
    fields_add_number(f, b->end_us, "sets.%zu.end_us", i);
    fields_add_text(f, b->replid, "sets.%zu.replid", i);
    fields_add_number(f, (int64_t)b->offset, "sets.%zu.offset", i);
    fields_add_number(f, (int64_t)b->keys, "sets.%zu.keys", i);
    fields_add_number(f, (int64_t)b->raw_bytes, "sets.%zu.raw_bytes", i);
    fields_add_number(f, (int64_t)b->bytes, "sets.%zu.bytes", i);
    fields_add_text(f, crc, "sets.%zu.crc", i);
    fields_add_text(f, b->redis_version, "sets.%zu.redis_version", i);
    fields_add_text(f, b->duet_version, "sets.%zu.duet_version", i);
}

static void copy_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from);
}

/* False when there is no set of that number. */
static bool get_set(const struct fields *f, size_t i, struct stored_set *s) {
    struct backup_set *b = &s->set;
    memset(s, 0, sizeof *s);
    copy_text(b->id, sizeof b->id, fields_text(f, "", "sets.%zu.id", i));
    if (!backup_id_valid(b->id, &b->instance)) return false;
    s->readable = fields_true(f, "sets.%zu.readable", i);
    s->verdict = (enum set_verdict)fields_number(f, 0, "sets.%zu.verdict", i);
    s->verified_us = fields_number(f, 0, "sets.%zu.verified_us", i);
    copy_text(s->why, sizeof s->why, fields_text(f, "", "sets.%zu.why", i));
    copy_text(b->name, sizeof b->name, fields_text(f, "", "sets.%zu.name", i));
    b->node = *fields_text(f, "-", "sets.%zu.node", i);
    copy_text(b->made_by, sizeof b->made_by, fields_text(f, "?", "sets.%zu.made_by", i));
    b->begin_us = fields_number(f, 0, "sets.%zu.begin_us", i);
    b->end_us = fields_number(f, 0, "sets.%zu.end_us", i);
    copy_text(b->replid, sizeof b->replid, fields_text(f, "", "sets.%zu.replid", i));
    b->offset = (uint64_t)fields_number(f, 0, "sets.%zu.offset", i);
    b->keys = (uint64_t)fields_number(f, 0, "sets.%zu.keys", i);
    b->raw_bytes = (uint64_t)fields_number(f, 0, "sets.%zu.raw_bytes", i);
    b->bytes = (uint64_t)fields_number(f, 0, "sets.%zu.bytes", i);
    b->crc = (uint32_t)strtoul(fields_text(f, "0", "sets.%zu.crc", i), NULL, 16);
    copy_text(b->redis_version, sizeof b->redis_version,
              fields_text(f, "", "sets.%zu.redis_version", i));
    copy_text(b->duet_version, sizeof b->duet_version,
              fields_text(f, "", "sets.%zu.duet_version", i));
    return true;
}

int cli_backup_rows(struct cli *c) {
    struct stored_set *list;
    struct fields f = {0};
    struct buf out = BUF_INIT;
    size_t count = sets_list(c->root, c->argc ? atoi(c->argv[0]) : -1, &list);
    for (size_t i = 0; i < count; i++) put_set(&f, i, &list[i]);
    fields_lines(&f, &out);
    if (buf_len(&out)) fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    fields_free(&f);
    free(list);
    return CLI_OK;
}

/* ---- both nodes' ---- */

static struct known_set *row_of(struct known_sets *k, const struct stored_set *s) {
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->list[i].s.set.id, s->set.id) == 0) return &k->list[i];
    k->list = xrealloc(k->list, (k->count + 1) * sizeof *k->list);
    struct known_set *row = &k->list[k->count++];
    memset(row, 0, sizeof *row);
    row->s = *s;
    return row;
}

static void add(struct known_sets *k, unsigned node, const struct stored_set *s) {
    struct known_set *row = row_of(k, s);
    row->on[node] = true;
    row->verdict[node] = s->verdict;
    row->verified_us[node] = s->verified_us;
    snprintf(row->why[node], sizeof row->why[node], "%.119s", s->why);
    if (s->readable && !row->s.readable) row->s = *s;
}

static bool gather(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return buf_len((struct buf *)arg) < 16 << 20;
}

static void add_peers(const struct cli *c, int instance, struct known_sets *k) {
    char number[12], backup[] = "backup", rows[] = "rows", *words[] = {backup, rows, number};
    struct buf lines = BUF_INIT;
    struct fields f = {0};
    struct stored_set s;
    const struct cli_peer_io io = {.in = -1, .out = gather, .arg = &lines, .quiet = true};
    snprintf(number, sizeof number, "%d", instance);
    k->peer_reached = cli_peer_run(c, words, instance < 0 ? 2 : 3, &io) == CLI_OK;
    if (k->peer_reached && buf_len(&lines)) fields_read(&f, buf_head(&lines), buf_len(&lines));
    for (size_t i = 0; get_set(&f, i, &s); i++) add(k, !k->here, &s);
    fields_free(&f);
    buf_free(&lines);
}

static int by_time(const void *a, const void *b) {
    const struct backup_set *x = &((const struct known_set *)a)->s.set,
                            *y = &((const struct known_set *)b)->s.set;
    if (x->instance != y->instance) return x->instance < y->instance ? -1 : 1;
    return strcmp(x->id, y->id);
}

bool known_sets_get(const struct cli *c, int instance, bool local, struct known_sets *out) {
    struct had_conf conf;
    struct conf_error err;
    struct stored_set *list;
    char path[512];
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!had_conf_read(&conf, path, &err)) {
        fprintf(stderr, "hactl: %s\n", err.text);
        return false;
    }
    out->here = conf.setup.node;
    size_t count = sets_list(c->root, instance, &list);
    for (size_t i = 0; i < count; i++) add(out, out->here, &list[i]);
    free(list);
    if (!local) add_peers(c, instance, out);
    if (out->count) qsort(out->list, out->count, sizeof *out->list, by_time);
    return true;
}

void known_sets_free(struct known_sets *k) {
    free(k->list);
    memset(k, 0, sizeof *k);
}

const struct known_set *known_set_named(const struct known_sets *k, const char *id) {
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->list[i].s.set.id, id) == 0) return &k->list[i];
    return NULL;
}
