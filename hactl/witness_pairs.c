#include "hactl/witness_pairs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/base/buf.h"
#include "server/base/num.h"

static bool set_pair(void *target, const struct conf *c, const struct conf_line *l,
                     struct conf_error *err) {
    struct witness_pairs *out = target;
    uint8_t key[WITNESS_KEY];
    int64_t number;
    if (!num_parse_range(l->argv[1], 1, 65535, &number))
        return conf_complain(c, l, err, "a pair's number is 1 to 65535, not '%s'", l->argv[1]);
    if (!num_from_hex(l->argv[2], strlen(l->argv[2]), key, sizeof key))
        return conf_complain(c, l, err,
                             "the key must be 64 hexadecimal digits; `duet witness key` makes one");
    const struct witness_pair *old = out->by_number[number];
    if (old && memcmp(old->key, key, sizeof key) == 0) return true;
    if (old)
        return conf_complain(
            c, l, err,
            "pair %lld stands here already with another key: two pairs cannot have "
            "one number; give one of them another [pair] id",
            (long long)number);
    if (out->count >= WITNESS_PAIRS_LIMIT)
        return conf_complain(c, l, err,
                             "more than %d pairs; let another witness serve some of them",
                             WITNESS_PAIRS_LIMIT);
    struct witness_pair *made = xcalloc(1, sizeof *made);
    made->number = (uint16_t)number;
    memcpy(made->key, key, sizeof key);
    snprintf(made->name, sizeof made->name, "%s", l->argc > 3 ? l->argv[3] : "");
    out->by_number[number] = made;
    out->count++;
    return true;
}

bool witness_listen_read(const char *text, char host[64], uint16_t *port) {
    const char *colon = strrchr(text, ':');
    int64_t number;
    if (!colon || !num_parse_range(colon + 1, 1, 65535, &number)) return false;
    size_t len = (size_t)(colon - text);
    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= 64) return false;
    memcpy(host, text, len);
    host[len] = 0;
    *port = (uint16_t)number;
    return true;
}

static bool set_listen(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    struct witness_pairs *out = target;
    if (witness_listen_read(l->argv[1], out->host, &out->port)) return true;
    return conf_complain(c, l, err, "'%s' is not ADDRESS:PORT", l->argv[1]);
}

static const struct conf_row rows[] = {
    {"pair", 2, 3, set_pair, "pair NUMBER KEY [NAME]: a pair that this witness serves"},
    {0},
};

static const struct conf_row node_rows[] = {
    {"pair", 2, 3, set_pair, "pair NUMBER KEY [NAME]: another pair, whose witness this node is"},
    {"listen", 1, 1, set_listen,
     "listen ADDRESS:PORT: UDP; an address of this node alone, not the VIP"},
    {0},
};

static bool read_file(struct witness_pairs *out, const char *path, bool node,
                      struct conf_error *err) {
    struct conf c;
    if (!conf_read(&c, path, node, err)) return false;
    bool good = conf_apply(&c, node ? "witness" : "", NULL, node ? node_rows : rows, out, err);
    conf_free(&c);
    return good;
}

static int ends_in_pairs(const struct dirent *e) {
    size_t len = strlen(e->d_name);
    return len > 6 && e->d_name[0] != '.' && strcmp(e->d_name + len - 6, ".pairs") == 0;
}

static bool read_dir(struct witness_pairs *out, const char *dir, struct conf_error *err) {
    struct dirent **list = NULL;
    int n = scandir(dir, &list, ends_in_pairs, alphasort);
    bool good = n >= 0;
    if (!good) snprintf(err->text, sizeof err->text, "%.300s: %m", dir);
    for (int i = 0; i < n; i++) {
        char path[768];
        snprintf(path, sizeof path, "%.480s/%s", dir, list[i]->d_name);
        good = good && read_file(out, path, false, err);
        free(list[i]);
    }
    free(list);
    return good;
}

bool witness_pairs_read(struct witness_pairs *out, const char *path, struct conf_error *err) {
    struct stat st;
    *out = (struct witness_pairs){.by_number = xcalloc(65536, sizeof(struct witness_pair *))};
    bool dir = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    bool good = dir ? read_dir(out, path, err) : read_file(out, path, false, err);
    if (good && out->count == 0) {
        snprintf(err->text, sizeof err->text,
                 "%.300s: no pair stands there; a line is `pair NUMBER KEY`%s", path,
                 dir ? ", in files whose names end in .pairs" : "");
        good = false;
    }
    if (!good) witness_pairs_free(out);
    return good;
}

bool witness_pairs_read_node(struct witness_pairs *out, const char *path, struct conf_error *err) {
    *out = (struct witness_pairs){.by_number = xcalloc(65536, sizeof(struct witness_pair *))};
    bool good = read_file(out, path, true, err);
    if (!good) witness_pairs_free(out);
    return good;
}

void witness_pairs_free(struct witness_pairs *p) {
    for (int i = 0; p->by_number && i < 65536; i++) free(p->by_number[i]);
    free(p->by_number);
    memset(p, 0, sizeof *p);
}

void witness_pairs_replace(struct witness_pairs *p, struct witness_pairs *fresh) {
    for (int i = 0; i < 65536; i++) {
        struct witness_pair *old = p->by_number[i], *new = fresh->by_number[i];
        if (!old || !new || memcmp(old->key, new->key, sizeof new->key) != 0) continue;
        memcpy(old->name, new->name, sizeof old->name);
        fresh->by_number[i] = old;
        p->by_number[i] = new;
    }
    struct witness_pairs gone = *p;
    *p = *fresh;
    *fresh = gone;
    witness_pairs_free(fresh);
}
