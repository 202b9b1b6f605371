/* hactl backup list, show, verify, delete: what both nodes hold. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

static const char *const letters[] = {"a", "b"};

/* ---- as fields, for JSON ---- */

static const char *verdict_word(enum set_verdict v) {
    return v == SET_GOOD ? "good" : v == SET_DAMAGED ? "damaged" : "unchecked";
}

static void put_fields(struct fields *f, size_t i, const struct known_set *k) {
    const struct backup_set *b = &k->s.set;
    fields_add_text(f, b->id, "sets.%zu.id", i);
    fields_add_number(f, b->instance, "sets.%zu.instance", i);
    if (k->s.readable) {
        char crc[12];
        snprintf(crc, sizeof crc, "%08x", b->crc);
        fields_add_text(f, b->name, "sets.%zu.name", i);
        fields_add_text(f, b->made_by, "sets.%zu.made_by", i);
        fields_add_text(f, (const char[]){b->node, 0}, "sets.%zu.made_on", i);
        fields_add_text(f, wall_text(b->begin_us), "sets.%zu.time", i);
        fields_add_number(f, b->begin_us, "sets.%zu.begin_us", i);
        fields_add_number(f, b->end_us, "sets.%zu.end_us", i);
        fields_add_number(f, (clock_wall_us() - b->begin_us) / 1000000, "sets.%zu.age_s", i);
        fields_add_number(f, (int64_t)b->keys, "sets.%zu.keys", i);
        fields_add_number(f, (int64_t)b->bytes, "sets.%zu.bytes", i);
        fields_add_number(f, (int64_t)b->raw_bytes, "sets.%zu.raw_bytes", i);
        fields_add_text(f, b->replid, "sets.%zu.replid", i);
        fields_add_number(f, (int64_t)b->offset, "sets.%zu.offset", i);
        fields_add_text(f, crc, "sets.%zu.crc32c", i);
        fields_add_text(f, b->redis_version, "sets.%zu.redis_version", i);
        fields_add_text(f, b->duet_version, "sets.%zu.duet_version", i);
    }
    for (int n = 0; n < 2; n++) {
        if (!k->on[n]) continue;
        fields_add_text(f, verdict_word(k->verdict[n]), "sets.%zu.on.%s.state", i, letters[n]);
        fields_add_number(f, k->verified_us[n], "sets.%zu.on.%s.verified_us", i, letters[n]);
        if (k->verdict[n] == SET_DAMAGED)
            fields_add_text(f, k->why[n], "sets.%zu.on.%s.why", i, letters[n]);
    }
}

static void print_json(const struct known_sets *sets, const char *id) {
    struct fields f = {0};
    struct buf out = BUF_INIT;
    size_t n = 0;
    fields_add_true(&f, sets->peer_reached, "peer_reached");
    for (size_t i = 0; i < sets->count; i++)
        if (!id || strcmp(sets->list[i].s.set.id, id) == 0) put_fields(&f, n++, &sets->list[i]);
    fields_add_number(&f, (int64_t)n, "count");
    fields_json(&f, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    fields_free(&f);
}

/* ---- as a table ---- */

/* "a b", and behind a node what is known of its copy. */
static const char *where(const struct known_set *k, char out[48]) {
    out[0] = 0;
    for (int n = 0; n < 2; n++)
        if (k->on[n])
            snprintf(out + strlen(out), 48 - strlen(out), "%s%s%s", *out ? " " : "", letters[n],
                     k->verdict[n] == SET_DAMAGED ? "!"
                     : k->verdict[n] == SET_GOOD  ? "+"
                                                  : "");
    return out;
}

static void print_row(const struct known_set *k, int64_t now_us) {
    const struct backup_set *b = &k->s.set;
    char at[48];
    if (!k->s.readable) {
        printf("%-24s %-6s DAMAGED: %s\n", b->id, where(k, at), k->s.why);
        return;
    }
    printf("%-24s %-6s %8s %12llu %9s  %-9s %s\n", b->id, where(k, at),
           span_text(now_us - b->begin_us), (unsigned long long)b->keys, size_text(b->bytes),
           b->made_by, b->name);
}

static void not_reached(const struct cli *c, const struct known_sets *sets) {
    if (!c->local && !sets->peer_reached)
        fprintf(stderr,
                "hactl: the other node cannot be reached: only this node's sets are known\n");
}

int cli_backup_list(struct cli *c) {
    struct known_sets sets;
    unsigned instance = 0;
    if (c->argc && !backup_instance(c, c->argv[0], &instance)) return CLI_USAGE;
    if (!known_sets_get(c, c->argc ? (int)instance : -1, c->local, &sets)) return CLI_NO;
    not_reached(c, &sets);
    if (c->json) {
        print_json(&sets, NULL);
    } else if (sets.count == 0) {
        printf("There are no backup sets. `hactl backup now` makes one.\n");
    } else {
        printf("%-24s %-6s %8s %12s %9s  %-9s %s\n", "SET", "NODES", "AGE", "KEYS", "SIZE",
               "MADE BY", "NAME");
        for (size_t i = 0; i < sets.count; i++) print_row(&sets.list[i], clock_wall_us());
        printf("(+ its bytes were compared with their checksum, ! it is damaged there; hactl "
               "backup verify)\n");
    }
    known_sets_free(&sets);
    return CLI_OK;
}

/* ---- one ---- */

static int no_such_set(const struct known_sets *sets, const char *id) {
    fprintf(stderr, "hactl: there is no set '%s'", id);
    if (!sets->peer_reached) fprintf(stderr, " on this node, and the other one cannot be reached");
    for (size_t i = 0; i < sets->count; i++)
        fprintf(stderr, "%s%s", i ? ", " : "; there are: ", sets->list[i].s.set.id);
    fprintf(stderr, sets->count ? "\n" : "; there is none at all\n");
    return CLI_USAGE;
}

static void print_set(const struct known_set *k) {
    const struct backup_set *b = &k->s.set;
    printf("set         %s%s%s\ninstance    %u\n", b->id, *b->name ? "   " : "", b->name,
           b->instance);
    if (k->s.readable) {
        printf("data of     %s UTC, %s ago\n", wall_text(b->begin_us),
               span_text(clock_wall_us() - b->begin_us));
        printf("made by     %s on node %c in %s\n", b->made_by, b->node,
               span_text(b->end_us - b->begin_us));
        printf("keys        %llu\nsize        %s (%s without compression)\n",
               (unsigned long long)b->keys, size_text(b->bytes), size_text(b->raw_bytes));
        printf("stream      %s offset %llu\nchecksum    %08x (crc32c)\n", b->replid,
               (unsigned long long)b->offset, b->crc);
        printf("versions    Duet %s, Redis %s\n", b->duet_version, b->redis_version);
    }
    for (int n = 0; n < 2; n++) {
        if (!k->on[n]) continue;
        if (k->verdict[n] == SET_DAMAGED)
            printf("on node %s   DAMAGED: %s\n", letters[n], k->why[n]);
        else if (k->verdict[n] == SET_GOOD)
            printf("on node %s   verified %s UTC\n", letters[n], wall_text(k->verified_us[n]));
        else
            printf("on node %s   not verified yet\n", letters[n]);
    }
}

int cli_backup_show(struct cli *c) {
    struct known_sets sets;
    if (!known_sets_get(c, -1, c->local, &sets)) return CLI_NO;
    const struct known_set *k = known_set_named(&sets, c->argv[0]);
    int status = CLI_OK;
    if (!k)
        status = no_such_set(&sets, c->argv[0]);
    else if (c->json)
        print_json(&sets, c->argv[0]);
    else
        print_set(k);
    known_sets_free(&sets);
    return status;
}

/* ---- verify ---- */

static bool verify_here(const struct cli *c, unsigned node, const char *id) {
    struct stored_set s;
    struct progress p;
    char what[64];
    snprintf(what, sizeof what, "verifying %s", id);
    progress_begin(&p, c, what, "");
    p.relay = false; /* what the other node waits for are sentences */
    p.silent |= c->from_peer;
    bool good = sets_verify(c->root, id, &s, progress_bytes, &p);
    progress_end(&p);
    if (good)
        printf("%s on node %s: good, %s\n", id, letters[node], size_text(s.set.bytes));
    else
        printf("%s on node %s: DAMAGED: %s\n", id, letters[node], s.why);
    return good;
}

static int verify_there(const struct cli *c, const char *id) {
    char *words[] = {(char[]){"backup"}, (char[]){"verify"}, xstrdup(id), (char[]){"--local"}};
    const struct cli_peer_io io = {.in = -1};
    fflush(stdout);
    int status = cli_peer_run(c, words, 4, &io);
    free(words[2]);
    return status;
}

int cli_backup_verify(struct cli *c) {
    struct known_sets sets;
    bool all = strcmp(c->argv[0], "all") == 0;
    int status = CLI_OK, bad = 0, there;
    if (!known_sets_get(c, -1, c->local, &sets)) return CLI_NO;
    if (!all && !known_set_named(&sets, c->argv[0])) status = no_such_set(&sets, c->argv[0]);
    for (size_t i = 0; i < sets.count && status == CLI_OK; i++) {
        const struct known_set *k = &sets.list[i];
        if (!all && strcmp(k->s.set.id, c->argv[0]) != 0) continue;
        if (k->on[sets.here]) bad += !verify_here(c, sets.here, k->s.set.id);
        if (!k->on[!sets.here]) continue;
        there = verify_there(c, k->s.set.id);
        bad += there == CLI_NO;
        if (there > CLI_NO) status = there;
    }
    if (all && sets.count == 0) printf("There are no backup sets.\n");
    known_sets_free(&sets);
    return status == CLI_OK && bad ? CLI_NO : status;
}

/* ---- delete ---- */

static bool sure(const struct cli *c, const char *id) {
    char line[128];
    if (c->yes) return true;
    if (isatty(STDIN_FILENO)) {
        printf("The set %s is deleted on both nodes. Type its name to go on: ", id);
        fflush(stdout);
        if (fgets(line, sizeof line, stdin)) {
            line[strcspn(line, "\r\n")] = 0;
            if (strcmp(line, id) == 0) return true;
        }
    }
    fprintf(stderr, "hactl: not confirmed, nothing was deleted; without a terminal use --yes\n");
    return false;
}

static int delete_there(const struct cli *c, const char *id) {
    char *words[] = {(char[]){"backup"}, (char[]){"delete"}, xstrdup(id), (char[]){"--local"},
                     (char[]){"--yes"}};
    const struct cli_peer_io io = {.in = -1};
    fflush(stdout);
    int status = cli_peer_run(c, words, 5, &io);
    free(words[2]);
    return status;
}

int cli_backup_delete(struct cli *c) {
    struct known_sets sets;
    const char *id = c->argv[0];
    if (!known_sets_get(c, -1, c->local, &sets)) return CLI_NO;
    const struct known_set *k = known_set_named(&sets, id);
    int status = k ? CLI_OK : no_such_set(&sets, id);
    if (k && !sure(c, id)) status = CLI_NO;
    if (k && status == CLI_OK && !c->local && !sets.peer_reached) {
        fprintf(stderr, "hactl: the other node cannot be reached, and a copy there would come "
                        "back; nothing was deleted "
                        "(--local deletes it here all the same)\n");
        status = CLI_NO_PEER;
    }
    if (status == CLI_OK && k->on[!sets.here]) status = delete_there(c, id);
    if (status == CLI_OK && k->on[sets.here]) {
        if (sets_delete(c->root, id))
            printf("%s was deleted on node %s\n", id, letters[sets.here]);
        else
            fprintf(stderr, "hactl: %s cannot be deleted: %s\n", id, strerror(errno));
    }
    known_sets_free(&sets);
    return status;
}
