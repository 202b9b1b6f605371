#include "hactl/import/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a key and an element cost beside their bytes (DESIGN.md 11), generously. */
enum { KEY_COST = 32, FIELD_COST = 24, MEMBER_COST = 20, SCORED_COST = 32, PIECE_COST = 64 };

void inventory_init(struct inventory *v) {
    memset(v, 0, sizeof *v);
}

void inventory_free(struct inventory *v) {
    free(v->dbs);
    free(v->refusals);
    inventory_init(v);
}

void inventory_name(char *out, size_t size, struct bytes name) {
    size_t n = 0, i = 0;
    for (; i < name.len && n + 8 < size; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= ' ' && c < 0x7f && c != '\\')
            out[n++] = (char)c;
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
    }
    snprintf(out + n, size - n, "%s", i < name.len ? "..." : "");
}

static uint64_t memory_of(const struct rdb_keys *k) {
    uint64_t each = 0;
    switch (k->type) {
    case RDB_HASH: each = FIELD_COST; break;
    case RDB_SET: each = MEMBER_COST; break;
    case RDB_ZSET:
    case RDB_ZSET_2: each = SCORED_COST; break;
    case RDB_LIST: each = 4; break;
    default: each = k->value.items > 1 ? PIECE_COST : 0;
    }
    return KEY_COST + k->key.len + k->value.plain + each * k->value.items +
           (k->expire_ms >= 0 ? 8 : 0);
}

/* ---- what cannot be taken ---- */

static bool module_refusal(const struct rdb_keys *k, char *out, size_t size) {
    char name[RDB_MODULE_NAME + 1];
    if (k->type != RDB_MODULE && k->type != RDB_MODULE_2) return false;
    rdb_module_name(k->value.module, name);
    snprintf(out, size, "values of the module type %s", name);
    return true;
}

static const char *edition_refusal(const struct edition *e, const struct rdb_keys *k, int to) {
    static char why[160];
    why[0] = 0;
    if (e->key_limit_bytes && k->key.len > e->key_limit_bytes)
        snprintf(why, sizeof why, "keys of more than %llu bytes (edition %s)",
                 (unsigned long long)e->key_limit_bytes, e->name);
    else if (e->string_limit_bytes && k->type == RDB_STRING &&
             k->value.plain > e->string_limit_bytes)
        snprintf(why, sizeof why, "strings of more than %llu bytes (edition %s)",
                 (unsigned long long)e->string_limit_bytes, e->name);
    else if (e->word_limit_bytes && k->type <= RDB_ZSET_2 && k->value.longest > e->word_limit_bytes)
        snprintf(why, sizeof why, "values with words of more than %llu bytes (edition %s)",
                 (unsigned long long)e->word_limit_bytes, e->name);
    else if (e->bit != EDITION_OPEN && rdb_kind_of(k->type) == RDB_KIND_STREAM)
        snprintf(why, sizeof why, "streams (edition %s)", e->name);
    else if (e->databases && to >= e->databases)
        snprintf(why, sizeof why, "databases above %d (edition %s)", e->databases - 1, e->name);
    return why[0] ? why : NULL;
}

const char *inventory_refuses(const struct inventory_target *t, const struct rdb_keys *k, int to) {
    static char why[160];
    if (module_refusal(k, why, sizeof why)) return why;
    if (!rdb_type_taken(k->type)) {
        snprintf(why, sizeof why, "values of the kind %s", rdb_type_name(k->type));
        return why;
    }
    if (t && t->databases && to >= t->databases) {
        snprintf(why, sizeof why, "databases above %d, which the target does not have",
                 t->databases - 1);
        return why;
    }
    return t && t->edition ? edition_refusal(t->edition, k, to) : NULL;
}

void inventory_refuse(struct inventory *v, const char *what, struct bytes example, uint64_t bytes,
                      bool section) {
    size_t i = 0;
    while (i < v->refusal_count && strcmp(v->refusals[i].what, what) != 0) i++;
    if (i == v->refusal_count) {
        v->refusals = xrealloc(v->refusals, (i + 1) * sizeof *v->refusals);
        v->refusals[v->refusal_count++] = (struct inventory_refusal){.section = section};
        snprintf(v->refusals[i].what, sizeof v->refusals[i].what, "%s", what);
    }
    struct inventory_refusal *r = &v->refusals[i];
    r->count++;
    r->bytes += bytes;
    if (r->examples < INVENTORY_EXAMPLES && example.len)
        inventory_name(r->example[r->examples++], INVENTORY_NAME, example);
}

uint64_t inventory_refused(const struct inventory *v) {
    uint64_t n = 0;
    for (size_t i = 0; i < v->refusal_count; i++) n += v->refusals[i].count;
    return n;
}

/* ---- being told ---- */

static struct inventory_db *db_of(struct inventory *v, int db, int to) {
    for (size_t i = v->db_count; i-- > 0;)
        if (v->dbs[i].db == db) return &v->dbs[i];
    v->dbs = xrealloc(v->dbs, (v->db_count + 1) * sizeof *v->dbs);
    v->dbs[v->db_count] = (struct inventory_db){.db = db, .to = to};
    return &v->dbs[v->db_count++];
}

static void count(struct inventory_count *c, uint64_t bytes) {
    c->keys++;
    c->bytes += bytes;
}

bool inventory_key(struct inventory *v, const struct inventory_target *t, const struct rdb_keys *k,
                   int to, int64_t now_ms) {
    uint64_t bytes = k->total - k->at;
    if (to < 0) {
        v->left_out++;
        return false;
    }
    const char *why = inventory_refuses(t, k, to);
    if (why) {
        inventory_refuse(v, why, k->key, bytes, false);
        return false;
    }
    if (k->expire_ms >= 0 && k->expire_ms <= now_ms) {
        v->expired++;
        return false;
    }
    v->keys++;
    v->bytes += bytes;
    v->expiring += k->expire_ms >= 0;
    v->memory_bytes += memory_of(k);
    count(&v->kind[rdb_kind_of(k->type)], bytes);
    count(&db_of(v, k->db, to)->n, bytes);
    if (bytes > v->biggest_bytes) {
        v->biggest_bytes = bytes;
        inventory_name(v->biggest, sizeof v->biggest, k->key);
    }
    return true;
}

/* "#!lua name=mylib": the library's name. */
static struct bytes library_of(struct bytes code) {
    const char *nl = memchr(code.p, '\n', code.len);
    struct bytes line = {code.p, nl ? (size_t)(nl - code.p) : code.len};
    const char *name = memmem(line.p, line.len, "name=", 5);
    if (!name) return (struct bytes){code.p, line.len < 40 ? line.len : 40};
    struct bytes lib = {name + 5, (size_t)(line.p + line.len - name - 5)};
    for (size_t i = 0; i < lib.len; i++)
        if (lib.p[i] == ' ' || lib.p[i] == '\r') lib.len = i;
    return lib;
}

void inventory_other(struct inventory *v, struct bytes name, struct bytes text) {
    char what[100];
    if (bytes_is(name, "function")) {
        inventory_refuse(v, "libraries of functions", library_of(text), text.len, true);
        return;
    }
    if (bytes_is(name, "slot import"))
        snprintf(what, sizeof what, "notes about slots of a cluster");
    else
        snprintf(what, sizeof what, "data that the %.*s keeps for itself",
                 (int)(name.len < 60 ? name.len : 60), name.p);
    inventory_refuse(v, what, (struct bytes){"", 0}, 0, true);
}

void inventory_aux(struct inventory *v, struct bytes name, struct bytes text) {
    bool redis = bytes_is(name, "redis-ver"), valkey = bytes_is(name, "valkey-ver");
    int n = (int)(text.len < 20 ? text.len : 20);
    if (redis || valkey)
        snprintf(v->source_version, sizeof v->source_version, "%s %.*s", redis ? "Redis" : "Valkey",
                 n, text.p);
}

uint64_t inventory_lacks(const struct inventory *v, const struct inventory_target *t) {
    uint64_t used = t->memory_goes ? 0 : t->memory_used_bytes, need = v->memory_bytes + used;
    return t->memory_limit_bytes && need > t->memory_limit_bytes ? need - t->memory_limit_bytes : 0;
}
