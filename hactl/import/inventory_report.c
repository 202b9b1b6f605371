/* The inventory as people read it, and as programs do. */
#include <stdio.h>

#include "hactl/import/inventory.h"

static const char *size_of(uint64_t bytes) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    static char texts[4][24];
    static unsigned next;
    char *out = texts[next++ % 4];
    double v = (double)bytes;
    int u = 0;
    while (v >= 1000 && u < 4) v /= 1000, u++;
    snprintf(out, sizeof texts[0], u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return out;
}

#define LLU(v) ((unsigned long long)(v))

static void kinds_text(const struct inventory *v, struct buf *out) {
    for (int i = 0; i < RDB_KIND_COUNT; i++) {
        if (!v->kind[i].keys) continue;
        char name[24];
        bool many = v->kind[i].keys != 1;
        snprintf(name, sizeof name, "%s%s", rdb_kind_name((enum rdb_kind)i),
                 !many                ? ""
                 : i == RDB_KIND_HASH ? "es"
                                      : "s");
        buf_printf(out, "  %-12s %12llu  %10s\n", name, LLU(v->kind[i].keys),
                   size_of(v->kind[i].bytes));
    }
}

static void dbs_text(const struct inventory *v, struct buf *out) {
    for (size_t i = 0; i < v->db_count; i++) {
        const struct inventory_db *d = &v->dbs[i];
        char name[40];
        if (v->db_count == 1 && d->db == 0 && d->to == 0) return;
        if (d->to == d->db)
            snprintf(name, sizeof name, "database %d", d->db);
        else
            snprintf(name, sizeof name, "database %d as %d", d->db, d->to);
        buf_printf(out, "  %-16s %8llu  %10s\n", name, LLU(d->n.keys), size_of(d->n.bytes));
    }
}

static void refusals_text(const struct inventory *v, struct buf *out) {
    if (v->refusal_count) buf_add_str(out, "cannot be taken:\n");
    for (size_t i = 0; i < v->refusal_count; i++) {
        const struct inventory_refusal *r = &v->refusals[i];
        buf_printf(out, "  %llu  %s", LLU(r->count), r->what);
        for (int j = 0; j < r->examples; j++)
            buf_printf(out, "%s\"%s\"", j ? ", " : ": ", r->example[j]);
        buf_printf(out, "%s\n", r->count > (uint64_t)r->examples && r->examples ? " ..." : "");
    }
}

void inventory_text(const struct inventory *v, const struct inventory_target *t, struct buf *out) {
    buf_printf(out, "source: %s%s", v->source_version[0] ? v->source_version : "",
               v->rdb_version ? "" : "commands only");
    if (v->rdb_version)
        buf_printf(out, "%sRDB version %d", v->source_version[0] ? ", " : "", v->rdb_version);
    buf_printf(out, "\n%llu keys, %s", LLU(v->keys), size_of(v->bytes));
    if (v->expiring) buf_printf(out, ", %llu with an expiry", LLU(v->expiring));
    buf_add_str(out, "\n");
    kinds_text(v, out);
    dbs_text(v, out);
    if (v->biggest_bytes)
        buf_printf(out, "the biggest is \"%s\", %s\n", v->biggest, size_of(v->biggest_bytes));
    if (v->commands) buf_printf(out, "%llu commands follow\n", LLU(v->commands));
    if (v->expired) buf_printf(out, "%llu keys have expired and are left out\n", LLU(v->expired));
    if (v->left_out)
        buf_printf(out, "%llu keys are left out by --db or --keys\n", LLU(v->left_out));
    refusals_text(v, out);
    buf_printf(out, "memory: about %s", size_of(v->memory_bytes));
    if (t && t->memory_limit_bytes)
        buf_printf(out, " of %s%s", size_of(t->memory_limit_bytes),
                   inventory_lacks(v, t) ? ": it does not fit" : "");
    if (t && !t->memory_goes && t->memory_used_bytes)
        buf_printf(out, " (%s are in use)", size_of(t->memory_used_bytes));
    buf_add_str(out, "\n");
}

void inventory_json_string(struct buf *out, const char *s) {
    buf_add_str(out, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_printf(out, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            buf_printf(out, "\\u%04x", (unsigned char)*s);
        else
            buf_add(out, s, 1);
    }
    buf_add_str(out, "\"");
}

static void refusals_json(const struct inventory *v, struct buf *out) {
    buf_add_str(out, "\"refused\":[");
    for (size_t i = 0; i < v->refusal_count; i++) {
        const struct inventory_refusal *r = &v->refusals[i];
        buf_printf(out, "%s{\"what\":", i ? "," : "");
        inventory_json_string(out, r->what);
        buf_printf(out, ",\"count\":%llu,\"examples\":[", LLU(r->count));
        for (int j = 0; j < r->examples; j++) {
            if (j) buf_add_str(out, ",");
            inventory_json_string(out, r->example[j]);
        }
        buf_add_str(out, "]}");
    }
    buf_add_str(out, "]");
}

void inventory_json(const struct inventory *v, const struct inventory_target *t, struct buf *out) {
    buf_add_str(out, "\"source\":");
    inventory_json_string(out, v->source_version);
    buf_printf(out,
               ",\"rdb_version\":%d,\"keys\":%llu,\"bytes\":%llu,\"expiring\":%llu,"
               "\"expired\":%llu,\"left_out\":%llu,\"commands\":%llu,\"memory_bytes\":%llu,",
               v->rdb_version, LLU(v->keys), LLU(v->bytes), LLU(v->expiring), LLU(v->expired),
               LLU(v->left_out), LLU(v->commands), LLU(v->memory_bytes));
    if (t) buf_printf(out, "\"memory_lacks\":%llu,", LLU(inventory_lacks(v, t)));
    buf_add_str(out, "\"kinds\":{");
    for (int i = 0, any = 0; i < RDB_KIND_COUNT; i++)
        if (v->kind[i].keys)
            buf_printf(out, "%s\"%s\":{\"keys\":%llu,\"bytes\":%llu}", any++ ? "," : "",
                       rdb_kind_name((enum rdb_kind)i), LLU(v->kind[i].keys),
                       LLU(v->kind[i].bytes));
    buf_add_str(out, "},\"databases\":[");
    for (size_t i = 0; i < v->db_count; i++)
        buf_printf(out, "%s{\"from\":%d,\"to\":%d,\"keys\":%llu,\"bytes\":%llu}", i ? "," : "",
                   v->dbs[i].db, v->dbs[i].to, LLU(v->dbs[i].n.keys), LLU(v->dbs[i].n.bytes));
    buf_add_str(out, "],");
    refusals_json(v, out);
}
