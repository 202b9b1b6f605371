/* hactl history and hactl events: what happened, from the files on the data partition (they outlive had and the machine)
 * and from had's memory; both nodes' by time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli.h"
#include "hactl/event.h"
#include "hactl/moment.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define ANSWER_MS   5000
#define FILE_LIMIT  (8 << 20)
#define COUNT       40 /* events shown when no number is given */
#define COUNT_LIMIT 100000
#define RING        256 /* had keeps so many */
#define FOLLOW_US   200000

struct listed {
    struct event e;
    char *line;
};

struct list {
    struct listed *at;
    size_t count, room;
};

/* ---- gathering ---- */

static void add_line(struct list *l, const char *line, size_t len) {
    struct event e;
    if (!event_read(line, len, &e)) return; /* torn */
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 256;
        l->at = xrealloc(l->at, l->room * sizeof *l->at);
    }
    l->at[l->count++] = (struct listed){e, strndup(line, len)};
}

static void add_lines(struct list *l, const char *p, size_t len) {
    for (const char *end = p + len, *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p)));
         p = nl + 1)
        add_line(l, p, (size_t)(nl - p));
}

static void list_free(struct list *l) {
    for (size_t i = 0; i < l->count; i++) free(l->at[i].line);
    free(l->at);
}

static void add_files(const struct cli *c, struct list *l) {
    static const char *const names[] = {"data/log/events.log.1", "data/log/events.log",
                                        "run/log/events.log.1", "run/log/events.log"};
    char path[600];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct buf text = BUF_INIT;
        snprintf(path, sizeof path, "%s/%s", c->root, names[i]);
        if (file_read_all(path, &text, FILE_LIMIT)) add_lines(l, buf_head(&text), buf_len(&text));
        buf_free(&text);
    }
}

/* What had has in memory, after that number. False: had does not answer. */
static bool add_memory(const struct cli *c, uint64_t after, struct list *l, bool quiet) {
    struct cli_answer a;
    char request[80], path[600];
    snprintf(path, sizeof path, "%s/run/had.sock", c->root);
    if (quiet && !file_exists(path)) return false;
    snprintf(request, sizeof request, "events %d %llu", RING, (unsigned long long)after);
    if (cli_ask(c, request, ANSWER_MS, &a) != CLI_OK) return false;
    const char *line;
    for (int i = 0; a.ok && *(line = fields_text(&a.fields, "", "lines.%d", i)); i++)
        add_line(l, line, strlen(line));
    cli_answer_free(&a);
    return true;
}

static bool take_bytes(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return true;
}

static bool add_peer(const struct cli *c, struct list *l) {
    struct buf out = BUF_INIT;
    char words[3][32] = {"history", "", "--lines"};
    char *const list[] = {words[0], words[1], words[2], NULL};
    struct cli_peer_io io = {.in = -1, .out = take_bytes, .arg = &out, .quiet = true};
    snprintf(words[1], sizeof words[1], "%d", COUNT_LIMIT);
    bool good = cli_peer_run(c, list, 3, &io) == CLI_OK;
    add_lines(l, buf_head(&out), buf_len(&out));
    buf_free(&out);
    return good;
}

bool history_last(const struct cli *c, int kind, struct event *out) {
    struct list l = {0};
    bool found = false;
    add_files(c, &l);
    for (size_t i = 0; i < l.count; i++) {
        if ((int)l.at[i].e.kind != kind || (found && l.at[i].e.number < out->number)) continue;
        *out = l.at[i].e;
        found = true;
    }
    list_free(&l);
    return found;
}

/* ---- order ---- */

/* One node's by their numbers' order within the same time, two nodes' by their clocks. */
static int by_time(const void *a, const void *b) {
    const struct event *x = &((const struct listed *)a)->e, *y = &((const struct listed *)b)->e;
    if (x->node == y->node && x->number != y->number) return x->number < y->number ? -1 : 1;
    if (x->wall_ms != y->wall_ms) return x->wall_ms < y->wall_ms ? -1 : 1;
    return x->node - y->node;
}

static int by_number(const void *a, const void *b) {
    const struct event *x = &((const struct listed *)a)->e, *y = &((const struct listed *)b)->e;
    if (x->node != y->node) return x->node - y->node;
    return (x->number > y->number) - (x->number < y->number);
}

/* Merges two runs, each in the order of its numbers, by time. */
static void merge(struct list *l, size_t from) {
    struct listed *out = xcalloc(l->count + 1, sizeof *out);
    for (size_t i = 0, j = from, n = 0; n < l->count; n++)
        out[n] = j == l->count || (i < from && by_time(&l->at[i], &l->at[j]) <= 0) ? l->at[i++]
                                                                                   : l->at[j++];
    free(l->at);
    l->at = out;
    l->room = l->count + 1;
}

/* In the order of their numbers, each once; two nodes' merged by time. */
static void put_in_order(struct list *l) {
    size_t n = 0, second = 0;
    if (l->count) qsort(l->at, l->count, sizeof *l->at, by_number);
    for (size_t i = 0; i < l->count; i++) {
        bool again = n && l->at[n - 1].e.number == l->at[i].e.number &&
                     l->at[n - 1].e.node == l->at[i].e.node;
        if (again)
            free(l->at[i].line);
        else
            l->at[n++] = l->at[i];
    }
    l->count = n;
    while (second < n && l->at[second].e.node == l->at[0].e.node) second++;
    if (second < n) merge(l, second);
}

/* ---- printing ---- */

static void print_line(const struct cli *c, const struct listed *one, bool both) {
    const struct event *e = &one->e;
    time_t s = (time_t)(e->wall_ms / 1000);
    char when[32];
    struct tm tm;
    if (c->json || c->lines) {
        printf("%s\n", one->line);
        return;
    }
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", gmtime_r(&s, &tm));
    printf("%s.%03d %s%s%-13s %s\n", when, (int)(e->wall_ms % 1000),
           both ? (char[2]){e->node, 0} : "", both ? " " : "", event_kind_name(e->kind), e->text);
}

static void print_list(const struct cli *c, const struct list *l, size_t count, int64_t since_ms,
                       bool both) {
    size_t first = l->count > count ? l->count - count : 0;
    while (first < l->count && l->at[first].e.wall_ms < since_ms) first++;
    if (c->json) printf("{\"events\": [\n");
    for (size_t i = first; i < l->count; i++) {
        if (c->json && i > first) printf(",");
        print_line(c, &l->at[i], both);
    }
    if (c->json) printf("]}\n");
}

/* ---- the verbs ---- */

static int options(const struct cli *c, int64_t *count, int64_t *since_ms) {
    int64_t us = 0;
    *count = c->since ? COUNT_LIMIT : COUNT;
    if (c->argc && !num_parse_range(c->argv[0], 1, COUNT_LIMIT, count)) {
        fprintf(stderr, "hactl: history wants a number of events from 1 to %d, not '%s'\n",
                COUNT_LIMIT, c->argv[0]);
        return CLI_USAGE;
    }
    if (c->since && !moment_parse(c->since, clock_wall_us(), &us)) {
        fprintf(
            stderr,
            "hactl: --since wants a time (UTC), as '2026-11-21 18:00', '18:00' or '10m ago', not "
            "'%s'\n",
            c->since);
        return CLI_USAGE;
    }
    *since_ms = us / 1000;
    return CLI_OK;
}

int cli_history(struct cli *c) {
    struct list l = {0};
    int64_t count, since_ms;
    int status = options(c, &count, &since_ms);
    if (status != CLI_OK) return status;
    add_files(c, &l);
    bool asked = add_memory(c, 0, &l, true);
    if (c->both && !add_peer(c, &l)) {
        fprintf(stderr, "hactl: the other node cannot be reached: these are this node's events\n");
        status = CLI_NO_PEER;
    }
    put_in_order(&l);
    if (!asked && !l.count) {
        list_free(&l);
        fprintf(stderr, "hactl: had is not running below '%s/', and it has no events yet\n",
                c->root);
        return CLI_NO_HAD;
    }
    if (!asked && !c->json && !c->lines)
        fprintf(stderr, "hactl: had is not running: these events are from the data partition\n");
    print_list(c, &l, (size_t)count, since_ms, c->both);
    list_free(&l);
    return status;
}

/* Those newer than *after; had may come and go, and a new had's memory begins with its start: what lies between stands in
 * the files. */
static void follow_once(const struct cli *c, uint64_t *after, bool *told) {
    struct list l = {0};
    bool asked = add_memory(c, *after, &l, true);
    if (!asked && !*told) fprintf(stderr, "hactl: had does not answer; waiting for it\n");
    *told = !asked;
    put_in_order(&l);
    if (!asked || (l.count && l.at[0].e.number > *after + 1)) add_files(c, &l);
    put_in_order(&l);
    for (size_t i = 0; i < l.count; i++) {
        if (l.at[i].e.number <= *after) continue;
        print_line(c, &l.at[i], false);
        *after = l.at[i].e.number;
    }
    fflush(stdout);
    list_free(&l);
}

int cli_events(struct cli *c) {
    struct list l = {0};
    int64_t count, since_ms;
    uint64_t after = 0;
    bool told = false;
    if (!c->follow) return cli_history(c);
    int status = options(c, &count, &since_ms);
    if (status != CLI_OK) return status;
    if (!c->argc && !c->since) count = 10;
    add_files(c, &l);
    add_memory(c, 0, &l, true);
    put_in_order(&l);
    size_t first = l.count > (size_t)count ? l.count - (size_t)count : 0;
    for (size_t i = 0; i < l.count; i++) {
        if (i >= first && l.at[i].e.wall_ms >= since_ms) print_line(c, &l.at[i], false);
        after = l.at[i].e.number;
    }
    fflush(stdout);
    list_free(&l);
    for (;;) {
        usleep(FOLLOW_US);
        follow_once(c, &after, &told);
        if (ferror(stdout)) return CLI_OK; /* nobody reads any more */
    }
}
