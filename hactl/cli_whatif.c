/* hactl explain and hactl whatif: what would happen now. The daemons' decision cores are copied from both nodes and run
 * forward (foresee.h); nothing is asked of had but the copy. */
#include "hactl/cli_whatif.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/cli.h"
#include "server/base/buf.h"
#include "server/base/num.h"

#define ANSWER_MS 5000

static bool take_bytes(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return true;
}

static bool drop_bytes(void *arg, const void *p, size_t n) {
    (void)arg, (void)p, (void)n;
    return true;
}

/* ---- getting the cores ---- */

/* The copy of had_report_core: all but the queue of actions, which is empty between two steps. */
static bool take_core(struct foresee_start *s, const struct fields *f, int *node) {
    enum { HEAD = offsetof(struct ha_fsm, queue), TAIL = offsetof(struct ha_fsm, queue_head) };
    const char *hex = fields_text(f, "", "core.bytes");
    struct ha_fsm core = {0};
    size_t want = HEAD + sizeof core - TAIL;
    bool fits = fields_number(f, 0, "core.size") == (int64_t)sizeof core && strlen(hex) == 2 * want;
    if (!fits) return false;
    if (!num_from_hex(hex, 2 * (size_t)HEAD, (uint8_t *)&core, HEAD)) return false;
    if (!num_from_hex(hex + 2 * (size_t)HEAD, 2 * (sizeof core - TAIL), (uint8_t *)&core + TAIL,
                      sizeof core - TAIL))
        return false;
    *node = core.setup.node & 1;
    s->core[*node] = core;
    s->now[*node] = fields_number(f, 0, "core.now_ns");
    s->there[*node] = true;
    if (core.state == HA_MASTER) {
        s->async = fields_true(f, "core.async");
        s->lag_bytes = (uint64_t)fields_number(f, 0, "core.lag_bytes");
    }
    return true;
}

/* "" or why the other one's could not be had. */
static const char *get_peer(const struct cli *c, struct foresee_start *s) {
    struct buf text = BUF_INIT;
    struct fields there = {0};
    char words[1][16] = {"core"};
    char *const list[] = {words[0], NULL};
    struct cli_peer_io io = {
        .in = -1, .out = take_bytes, .err = drop_bytes, .arg = &text, .quiet = true};
    const char *why = "";
    int node;
    if (cli_peer_run(c, list, 1, &io) != CLI_OK ||
        !fields_read(&there, buf_head(&text), buf_len(&text)))
        why = "the other node cannot be asked; its side is made up from its heartbeats";
    else if (!take_core(s, &there, &node))
        why = "the other node's had is of another version; its side is made up from its heartbeats";
    fields_free(&there);
    buf_free(&text);
    return why;
}

int whatif_start(const struct cli *c, struct foresee_start *s, const char **doubt) {
    struct cli_answer a;
    int node = 0;
    memset(s, 0, sizeof *s);
    int status = cli_ask(c, "core", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    bool good = a.ok && take_core(s, &a.fields, &node);
    cli_answer_free(&a);
    if (!good) {
        fprintf(stderr, "hactl: had is of another version than hactl: nothing can be foretold\n");
        return CLI_NO;
    }
    *doubt = get_peer(c, s);
    if (**doubt) foresee_make_up(s, node);
    return CLI_OK;
}

int whatif_master(const struct foresee_start *s) {
    for (int i = 0; i < 2; i++)
        if (s->there[i] && s->core[i].state == HA_MASTER) return i;
    return -1;
}

/* ---- saying it ---- */

static const char *letter(int node) {
    return node < 0 ? "" : node ? "b" : "a";
}

void foreseen_fields(const struct foreseen *o, const char *prefix, struct fields *out) {
    fields_add_text(out, letter(o->before), "%s.serves_before", prefix);
    fields_add_text(out, letter(o->after), "%s.serves_after", prefix);
    fields_add_true(out, o->moved, "%s.moved", prefix);
    fields_add_number(out, o->gap_min_ms, "%s.gap_min_ms", prefix);
    fields_add_number(out, o->gap_max_ms, "%s.gap_max_ms", prefix);
    fields_add_number(out, (int64_t)o->lost_bytes, "%s.lost_bytes", prefix);
    fields_add_true(out, o->unsynced, "%s.unsynced_lost", prefix);
    fields_add_true(out, o->alone, "%s.alone_after", prefix);
    fields_add_true(out, o->takeover, "%s.takeover_after", prefix);
    fields_add_true(out, o->certain, "%s.certain", prefix);
    fields_add_true(out, o->two_writers, "%s.two_writers", prefix);
    fields_add_text(out, o->why, "%s.waits_for", prefix);
}

static void say_one(const struct cli *c, const struct foresee_start *s, const struct fault *f,
                    int n, struct fields *json) {
    struct foreseen o;
    char fault[128], outcome[512], prefix[32];
    foresee(s, f, &o);
    fault_text(f, s, fault, sizeof fault);
    foreseen_text(&o, f, outcome, sizeof outcome);
    if (!c->json) {
        printf("%-12s If %s: %s.\n", fault_id(f), fault, outcome);
        return;
    }
    snprintf(prefix, sizeof prefix, "explain.%d", n);
    fields_add_text(json, fault_id(f), "%s.id", prefix);
    fields_add_text(json, fault, "%s.fault", prefix);
    fields_add_text(json, outcome, "%s.outcome", prefix);
    foreseen_fields(&o, prefix, json);
}

static void print_json(struct fields *json, const char *doubt) {
    struct buf out = BUF_INIT;
    fields_add_text(json, doubt, "doubt");
    fields_json(json, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    fields_free(json);
}

int cli_explain(struct cli *c) {
    static struct foresee_start s;
    struct fields json = {0};
    const char *doubt;
    int status = whatif_start(c, &s, &doubt);
    if (status != CLI_OK) return status;
    if (*doubt && !c->json) printf("(%s)\n", doubt);
    for (int i = 0, n = 0; fault_at(i); i++) {
        const struct fault *f = fault_at(i);
        if (fault_has_node(f) && !s.there[f->node]) continue; /* it is off already */
        say_one(c, &s, f, n++, &json);
    }
    if (c->json) print_json(&json, doubt);
    return CLI_OK;
}

int cli_whatif(struct cli *c) {
    static struct foresee_start s;
    struct fields json = {0};
    struct fault f;
    const char *doubt;
    int status = whatif_start(c, &s, &doubt);
    if (status != CLI_OK) return status;
    if (!fault_named(c->argv[0], whatif_master(&s), &f)) {
        fprintf(stderr, "hactl: there is no fault '%s'; there are:", c->argv[0]);
        for (int i = 0; fault_at(i); i++) fprintf(stderr, " %s", fault_id(fault_at(i)));
        fprintf(stderr, ", and -master or -slave for the letter\n");
        return CLI_USAGE;
    }
    if (*doubt && !c->json) printf("(%s)\n", doubt);
    say_one(c, &s, &f, 0, &json);
    if (c->json) print_json(&json, doubt);
    return CLI_OK;
}

/* Inside: this node's core as lines, for the other one. */
int cli_core(struct cli *c) {
    struct cli_answer a;
    struct buf out = BUF_INIT;
    int status = cli_ask(c, "core", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    fields_lines(&a.fields, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    cli_answer_free(&a);
    return CLI_OK;
}
