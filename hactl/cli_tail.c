/* hactl tail: what a demoted master had and its new master lacks. See cli_tail.h. */
#include "hactl/cli_tail.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli_control.h"
#include "hactl/tail_source.h"
#include "server/base/file.h"

enum { SHOW_KEYS = 20, ARGUMENT_CHARS = 64 };

void cli_tail_help(void) {
    printf("\nA node that was master and comes back as slave may hold writes that the present "
           "master lacks (at\nlevel async, or after a split). Before they give way they are put "
           "aside as a tail.\n\n"
           "  tail list               this node's tails, oldest first, and logs that were kept "
           "whole because\n"
           "                          they could not be told apart (--peer: the other node's)\n"
           "  tail show ID            where it comes from, how many writes, which keys; "
           "--commands: all of them\n"
           "  tail replay ID          plays it on the present master, in order; says first how "
           "many of its keys\n"
           "                          are there by now, and asks. It may be interrupted and called "
           "again: nothing\n"
           "                          is played twice\n"
           "      --dry-run           only says it\n"
           "      --only-missing      only commands whose keys are all absent from the master\n"
           "      --keys PATTERN      only commands with a key that fits\n"
           "      --force             also commands without keys, such as FLUSHALL, which else "
           "are left out\n"
           "  tail discard ID         removes it; asks\n"
           "  --instance N            when several instances have a tail of that name\n"
           "  --confirm 'replay ID'   or 'discard ID': the typed confirmation, for scripts\n");
}

static const char *when(int64_t ms, char out[32]) {
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    if (!ms) return "?";
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", gmtime_r(&s, &tm));
    return out;
}

static void print_json(struct fields *f) {
    struct buf out = BUF_INIT;
    fields_json(f, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    fields_free(f);
}

static void add_fields(struct fields *f, const struct tail_found *t, const char *at) {
    const struct tail_report *r = &t->report;
    fields_add_text(f, r->id, "%sid", at);
    fields_add_text(f, t->whole ? "log" : "tail", "%skind", at);
    fields_add_number(f, t->instance, "%sinstance", at);
    fields_add_number(f, r->saved_ms, "%ssaved_ms", at);
    fields_add_text(f, t->done, "%sdone", at);
    if (t->whole) return;
    fields_add_number(f, (int64_t)r->writes, "%swrites", at);
    fields_add_number(f, (int64_t)r->keys, "%skeys", at);
    fields_add_true(f, !r->keys_at_least, "%skeys_exact", at);
    fields_add_number(f, (int64_t)r->bytes, "%sbytes", at);
    fields_add_text(f, r->line, "%sline", at);
    fields_add_number(f, (int64_t)r->from, "%sfrom", at);
    fields_add_number(f, (int64_t)r->to, "%sto", at);
    fields_add_number(f, (int64_t)(r->epoch >> 8), "%sepoch", at);
    fields_add_number(f, r->first_ms, "%sfirst_ms", at);
    fields_add_number(f, r->last_ms, "%slast_ms", at);
    fields_add_text(f, r->why, "%swhy", at);
}

/* ---- list ---- */

static int list(struct cli *c) {
    size_t n;
    struct tail_found *all = tails_find(c->root, &n);
    struct fields json = {0};
    char time[32], at[40];
    for (size_t i = 0; c->json && i < n; i++) {
        snprintf(at, sizeof at, "tails.%zu.", i);
        add_fields(&json, &all[i], at);
    }
    if (c->json) {
        fields_add_number(&json, (int64_t)n, "count");
        print_json(&json);
    } else if (!n) {
        printf("No tails: nothing that this node had was lost to its master.\n");
    }
    for (size_t i = 0; !c->json && i < n; i++) {
        const struct tail_report *r = &all[i].report;
        const char *done = *all[i].done ? all[i].done : "nobody has dealt with it";
        if (all[i].whole)
            printf("%-24s instance %u  %s  a whole log, not told apart\n", r->id, all[i].instance,
                   when(r->saved_ms, time));
        else
            printf("%-24s instance %u  %s  %llu writes, %s%llu keys; %s\n", r->id, all[i].instance,
                   when(r->saved_ms, time), (unsigned long long)r->writes,
                   r->keys_at_least ? "at least " : "", (unsigned long long)r->keys, done);
    }
    free(all);
    return CLI_OK;
}

/* ---- show ---- */

static void print_argument(struct bytes b) {
    for (size_t i = 0; i < b.len && i < ARGUMENT_CHARS; i++) {
        unsigned char ch = (unsigned char)b.p[i];
        if (ch > ' ' && ch < 0x7f && ch != '\\')
            putchar(ch);
        else
            printf("\\x%02x", ch);
    }
    if (b.len > ARGUMENT_CHARS) printf("... (%zu bytes)", b.len);
}

static int show_commands(const char *path) {
    struct tail_source s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "hactl: %s: cannot be read\n", path);
        return CLI_NO;
    }
    tail_source_open(&s, fd);
    while (tail_source_next(&s)) {
        printf("%d", s.db);
        for (size_t i = 0; i < s.args.count; i++) {
            putchar(' ');
            print_argument(s.args.v[i]);
        }
        putchar('\n');
    }
    bool ok = !s.trouble;
    if (!ok) fprintf(stderr, "hactl: %s: %s\n", path, s.trouble);
    tail_source_close(&s);
    close(fd);
    return ok ? CLI_OK : CLI_NO;
}

static void show_keys(const struct cli *c, const struct tail_found *t, struct fields *json) {
    char *path = tail_path(c->root, t, "txt");
    struct buf text = BUF_INIT;
    struct tail_report r;
    struct tail_key k;
    struct bytes keys;
    int n = 0;
    if (file_read_all(path, &text, 4u << 20) &&
        tail_report_get((struct bytes){buf_head(&text), buf_len(&text)}, &r, &keys))
        for (; tail_report_next(&keys, &k); n++) {
            char *key = xasprintf("%.*s", (int)k.key.len, k.key.p);
            if (json) {
                fields_add_number(json, k.db, "sample.%d.db", n);
                fields_add_text(json, key, "sample.%d.key", n);
            } else if (n < SHOW_KEYS) {
                printf("  database %d  %.*s  %s\n", k.db, (int)k.command.len, k.command.p, key);
            }
            free(key);
        }
    if (!json && n > SHOW_KEYS) printf("  ... %d more stand in %s\n", n - SHOW_KEYS, path);
    buf_free(&text);
    free(path);
}

static void show_whole(const struct cli *c, const struct tail_found *t) {
    char *path = tail_path(c->root, t, ""), time[32];
    printf("%s: instance %u, kept %s\nThe log as it was before another node's data took its "
           "place: it could not be told apart, or was\nof another history. `duet server --dir %s` "
           "loads it; `hactl tail discard` removes it.\n",
           t->report.id, t->instance, when(t->report.saved_ms, time), path);
    free(path);
}

static int show(struct cli *c, const struct tail_found *t) {
    const struct tail_report *r = &t->report;
    struct fields json = {0};
    char a[32], b[32], s[32];
    if (c->commands && !t->whole) {
        char *path = tail_path(c->root, t, "resp");
        int status = show_commands(path);
        free(path);
        return status;
    }
    if (c->json) {
        add_fields(&json, t, "");
        if (!t->whole) show_keys(c, t, &json);
        print_json(&json);
        return CLI_OK;
    }
    if (t->whole) {
        show_whole(c, t);
        return CLI_OK;
    }
    printf("Tail %s of instance %u, saved %s: %s.\n"
           "%llu writes to %s%llu keys (%llu bytes), made between %s and %s UTC, offsets %llu to "
           "%llu of line %.8s.\n"
           "Why: %s (epoch %llu).\n",
           r->id, t->instance, when(r->saved_ms, s),
           *t->done ? t->done : "nobody has dealt with it", (unsigned long long)r->writes,
           r->keys_at_least ? "at least " : "", (unsigned long long)r->keys,
           (unsigned long long)r->bytes, when(r->first_ms, a), when(r->last_ms, b),
           (unsigned long long)r->from, (unsigned long long)r->to, r->line, r->why,
           (unsigned long long)(r->epoch >> 8));
    show_keys(c, t, NULL);
    printf("All of it: hactl tail show %s --commands. What a replay would change: hactl tail "
           "replay %s --dry-run\n",
           r->id, r->id);
    return CLI_OK;
}

/* ---- discard ---- */

static int discard(struct cli *c, const struct tail_found *t) {
    char sentence[64];
    const char *words[] = {"TAILS", "DISCARD", t->report.id};
    struct control_answer a;
    snprintf(sentence, sizeof sentence, "discard %s", t->report.id);
    if (!c->json && !t->whole)
        printf("%llu writes that no other node has will be gone for good%s%s.\n",
               (unsigned long long)t->report.writes, *t->done ? "; " : "", t->done);
    if (!cli_confirmed(c, sentence)) return cli_not_confirmed(sentence);
    enum control_result r = control_ask(c->root, t->instance, &a, 3, words);
    if (r != CONTROL_OK) fprintf(stderr, "hactl: %s\n", a.text);
    control_answer_free(&a);
    if (c->json)
        printf("{\"ok\": %s}\n", r == CONTROL_OK ? "true" : "false");
    else if (r == CONTROL_OK)
        printf("%s is gone.\n", t->report.id);
    return r == CONTROL_OK ? CLI_OK : CLI_NO;
}

int cli_tail(struct cli *c) {
    static const struct {
        const char *name;
        int (*run)(struct cli *c, const struct tail_found *t);
    } verbs[] = {{"show", show}, {"replay", cli_tail_replay}, {"discard", discard}};
    struct tail_found t;
    const char *what = c->argv[0];
    if (strcmp(what, "list") == 0 && c->argc == 1) return list(c);
    if (strcmp(what, "play") == 0 && c->argc == 3) return cli_tail_play(c);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(what, verbs[i].name) != 0 || c->argc != 2) continue;
        return tail_named(c, c->argv[1], &t) ? verbs[i].run(c, &t) : CLI_NO;
    }
    fprintf(stderr, "hactl: tail takes list, show ID, replay ID or discard ID; `hactl help tail` "
                    "explains them\n");
    return CLI_USAGE;
}
