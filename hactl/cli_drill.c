/* hactl drill: a real fault on a living pair, announced, foretold, struck, measured, and compared with what was foretold.
 * Refused when check says that the pair could not fail over. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli.h"
#include "hactl/cli_drill.h"
#include "hactl/cli_verdict.h"
#include "hactl/cli_watch.h"
#include "hactl/cli_whatif.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/num.h"

#define CUT_MS     4000
#define OUTCOME_MS 20000
#define HEAL_MS    60000
#define ANSWER_MS  5000

/* on: the node that is struck. */
enum on { MASTER, SLAVE, OPERATOR };

static const struct drill {
    const char *name;
    enum on on;
    const char *strike, *fault, *help;
} drills[] = {
    {"server-master", MASTER, "server", "server-master", "the master's server is killed"},
    {"server-slave", SLAVE, "server", "server-slave", "the slave's server is killed"},
    {"had-master", MASTER, "had", "had-master", "the master's had is killed"},
    {"had-slave", SLAVE, "had", "had-slave", "the slave's had is killed"},
    {"crossover", SLAVE, "crossover", "crossover", "nothing passes the crossover for 4 s"},
    {"service-master", MASTER, "service", "service-master",
     "nothing passes the master's service port for 4 s"},
    {"service-slave", SLAVE, "service", "service-slave",
     "nothing passes the slave's service port for 4 s"},
    {"switchover", OPERATOR, "switchover", "switchover", "a planned switchover, and back"},
};
#define DRILLS (sizeof drills / sizeof *drills)

/* ---- on either node ---- */

static bool drop_bytes(void *arg, const void *p, size_t n) {
    (void)arg, (void)p, (void)n;
    return true;
}

/* `hactl WORDS` on that node; here is this one. */
static int run_on(const struct cli *c, bool there, const char *what) {
    char words[4][24] = {"drill", "strike", "", ""};
    char *list[] = {words[0], words[1], words[2], words[3], NULL};
    struct cli_peer_io io = {.in = -1, .out = drop_bytes};
    if (!there) return drill_strike(c, what, CUT_MS);
    snprintf(words[2], sizeof words[2], "%s", what);
    snprintf(words[3], sizeof words[3], "%d", CUT_MS);
    return cli_peer_run(c, list, 4, &io);
}

static int switchover_on(const struct cli *c, bool there) {
    char word[] = "switchover", *list[] = {word, NULL};
    struct cli_peer_io io = {.in = -1, .out = drop_bytes};
    struct cli_answer a;
    if (there) return cli_peer_run(c, list, 1, &io);
    int status = cli_ask(c, "switchover 2000", 2000 + ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    if (!a.ok) fprintf(stderr, "hactl: %s\n", a.sentence);
    status = a.ok ? CLI_OK : CLI_NO;
    cli_answer_free(&a);
    return status;
}

/* ---- what is seen ---- */

struct sight {
    int serves; /* 0 a, 1 b, -1 nobody, or not known */
    int64_t epoch;
};

static void look(const struct cli *c, struct sight *s) {
    struct cli_answer a;
    struct cli quiet = *c;
    *s = (struct sight){-1, 0};
    quiet.quiet = true;
    if (cli_ask(&quiet, "status", ANSWER_MS, &a) != CLI_OK) return;
    const char *holder = fields_text(&a.fields, "", "vip.holder");
    int64_t mine = fields_number(&a.fields, 0, "node.epoch");
    int64_t theirs = fields_number(&a.fields, 0, "peer.epoch");
    if (*holder) s->serves = *holder == 'b';
    s->epoch = mine > theirs ? mine : theirs;
    cli_answer_free(&a);
}

/* Until what was foretold is so, or the limit. */
static bool came(const struct cli *c, const struct foreseen *o, const struct sight *before,
                 struct sight *after) {
    uint64_t end = clock_boot_ms() + OUTCOME_MS;
    for (;;) {
        look(c, after);
        bool moved = after->epoch > before->epoch || after->serves != before->serves;
        if (after->serves == o->after && moved == o->moved) return true;
        if (clock_boot_ms() > end) return false;
        usleep(50000);
    }
}

static bool healed(const struct cli *c, int64_t *took_ms) {
    uint64_t begun = clock_boot_ms();
    struct cli quiet = *c;
    struct reasons r;
    quiet.quiet = true;
    do {
        bool good = check_reasons(&quiet, &r) == CLI_OK && r.blocking == 0;
        *took_ms = (int64_t)(clock_boot_ms() - begun);
        if (good) return true;
        usleep(200000);
    } while (*took_ms < HEAL_MS);
    return false;
}

/* ---- the report ---- */

struct outcome {
    struct foreseen foretold;
    char sentence[512];
    struct sight before, after;
    struct probed probe;
    bool as_foretold, healed;
    int64_t heal_ms;
};

static void tell_had(const struct cli *c, const char *name, const char *what, const char *more) {
    struct cli_answer a;
    struct cli quiet = *c;
    char request[256];
    quiet.quiet = true;
    snprintf(request, sizeof request, "drill \"%s %s: %s\"", name, what, more);
    if (cli_ask(&quiet, request, ANSWER_MS, &a) == CLI_OK) cli_answer_free(&a);
}

static void say(const struct drill *d, const struct outcome *o) {
    printf("Drill %s: %s.\n", d->name, d->help);
    printf("  foretold: %s.\n", o->sentence);
    printf("  seen:     node %s %s; ",
           o->after.serves < 0 ? "?"
           : o->after.serves   ? "b"
                               : "a",
           o->after.serves < 0                   ? "nobody serves"
           : o->after.serves != o->before.serves ? "took over"
                                                 : "went on serving");
    if (o->probe.gap_ms >= 0)
        printf("%lld ms without an acknowledged write, %llu writes failed, %llu did not.\n",
               (long long)o->probe.gap_ms, (unsigned long long)o->probe.failed,
               (unsigned long long)o->probe.acked);
    else
        printf("the gap was not measured (%s).\n", o->probe.why);
    printf("  %s\n", o->as_foretold ? "It came as foretold." : "IT DID NOT COME AS FORETOLD.");
    if (o->healed)
        printf("  The pair was whole again after %lld ms.\n", (long long)o->heal_ms);
    else
        printf("  THE PAIR IS NOT WHOLE AGAIN after %lld s: hactl check\n",
               (long long)o->heal_ms / 1000);
}

static void say_json(const struct drill *d, const struct outcome *o) {
    struct fields f = {0};
    struct buf out = BUF_INIT;
    const char *serves = o->after.serves < 0 ? "" : o->after.serves ? "b" : "a";
    fields_add_text(&f, d->name, "drill");
    foreseen_fields(&o->foretold, "foretold", &f);
    fields_add_text(&f, serves, "seen.serves_after");
    fields_add_true(&f, o->after.epoch > o->before.epoch, "seen.moved");
    fields_add_number(&f, o->probe.gap_ms, "seen.gap_ms");
    fields_add_number(&f, (int64_t)o->probe.acked, "seen.writes");
    fields_add_number(&f, (int64_t)o->probe.failed, "seen.failed");
    fields_add_true(&f, o->as_foretold, "as_foretold");
    fields_add_true(&f, o->healed, "healed");
    fields_add_number(&f, o->heal_ms, "heal_ms");
    fields_json(&f, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    fields_free(&f);
}

/* ---- the drill ---- */

static int refuse(const struct reasons *r) {
    fprintf(stderr, "hactl: no drill: the pair could not fail over now, so a fault would be a real "
                    "one; nothing was done:\n");
    for (int i = 0; i < r->count; i++)
        if (r->list[i].blocks) fprintf(stderr, "  %s: %s\n", r->list[i].id, r->list[i].text);
    return CLI_NO;
}

static int strike(const struct cli *c, const struct drill *d, const struct foresee_start *s,
                  struct outcome *o) {
    struct probe *p = probe_start(c);
    struct cli_answer a;
    bool is_b = cli_ask(c, "status", ANSWER_MS, &a) == CLI_OK &&
                *fields_text(&a.fields, "a", "node.letter") == 'b';
    cli_answer_free(&a);
    int master = whatif_master(s), target = d->on == SLAVE ? !master : master;
    bool there = target != (int)is_b;
    look(c, &o->before);
    if (p) probe_wait(p, 20, 3000);
    int status = d->on == OPERATOR ? switchover_on(c, there) : run_on(c, there, d->strike);
    if (status == CLI_OK) {
        o->as_foretold = came(c, &o->foretold, &o->before, &o->after);
        if (p) probe_wait(p, 50, OUTCOME_MS);
        o->healed = healed(c, &o->heal_ms);
    }
    if (status == CLI_OK && d->on == OPERATOR && o->healed) {
        status = switchover_on(c, !there);
        o->healed = status == CLI_OK && healed(c, &o->heal_ms);
    }
    probe_end(p, &o->probe);
    return status;
}

static int run_drill(const struct cli *c, const struct drill *d) {
    static struct foresee_start s;
    static struct outcome o;
    struct reasons r;
    struct fault f;
    const char *doubt;
    char sentence[48];
    int status = check_reasons(c, &r);
    if (status != CLI_OK) return status;
    if (r.blocking) return refuse(&r);
    status = whatif_start(c, &s, &doubt);
    if (status != CLI_OK) return status;
    if (*doubt || whatif_master(&s) < 0 || !fault_named(d->fault, whatif_master(&s), &f)) {
        fprintf(stderr, "hactl: no drill: %s; nothing was done\n",
                *doubt ? doubt : "nobody serves");
        return CLI_NO;
    }
    foresee(&s, &f, &o.foretold);
    foreseen_text(&o.foretold, &f, o.sentence, sizeof o.sentence);
    snprintf(sentence, sizeof sentence, "drill %s", d->name);
    if (!c->json)
        printf("A real fault: %s. Foretold: %s.\nMeanwhile a client writes the key duet:drill, "
               "which lives 5 s, into the first instance.\n",
               d->help, o.sentence);
    fflush(stdout);
    if (!cli_confirmed(c, sentence)) return cli_not_confirmed(sentence);
    tell_had(c, d->name, "begins", d->help);
    status = strike(c, d, &s, &o);
    tell_had(c, d->name, "ends",
             status != CLI_OK ? "it was not done"
             : o.as_foretold  ? "it came as foretold"
                              : "it did not come as foretold");
    if (status != CLI_OK) return status;
    if (c->json)
        say_json(d, &o);
    else
        say(d, &o);
    return o.as_foretold && o.healed ? CLI_OK : CLI_NO;
}

static int list(const struct cli *c) {
    if (c->json) printf("{\"drills\": [");
    for (size_t i = 0; i < DRILLS; i++)
        if (c->json)
            printf("%s{\"name\": \"%s\", \"what\": \"%s\"}", i ? ", " : "", drills[i].name,
                   drills[i].help);
        else
            printf("  %-15s %s\n", drills[i].name, drills[i].help);
    if (c->json) printf("]}\n");
    return CLI_OK;
}

int cli_drill(struct cli *c) {
    int64_t ms;
    if (c->argc == 0 || (c->argc == 1 && strcmp(c->argv[0], "list") == 0)) return list(c);
    if (c->argc == 3 && c->from_peer && strcmp(c->argv[0], "strike") == 0 &&
        num_parse_range(c->argv[2], 0, 60000, &ms))
        return drill_strike(c, c->argv[1], ms);
    for (size_t i = 0; c->argc == 1 && i < DRILLS; i++)
        if (strcmp(drills[i].name, c->argv[0]) == 0) return run_drill(c, &drills[i]);
    fprintf(stderr, "hactl: there is no drill '%s'; `hactl drill list` lists them\n", c->argv[0]);
    return CLI_USAGE;
}
