/* The change of the pair's secret as a whole: what stands on both nodes, and the next step from there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "hactl/cli_key.h"
#include "hactl/had_conf.h"
#include "server/base/clock.h"
#include "server/base/rand.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define HEX_CHARS (2 * PAIR_SECRET_BYTES)
#define DAY_S     86400

static const char usage[] =
    "usage: hactl key show      age and fingerprint of the pair's secret on both nodes, never "
    "itself\n"
    "       hactl key rotate    a new secret on both nodes, while they serve\n"
    "The new secret is agreed upon by X25519 over the authenticated channel. Heartbeats, the "
    "channel "
    "and\n"
    "the servers' links take it without a gap; a node that dies meanwhile is waited for, and the "
    "rest "
    "is\n"
    "done when it is back. A node that lost its disk gets the secret from the other one's "
    "duet.conf.\n";

/* ---- the other node ---- */

static bool keep(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return true;
}

/* `hactl key local WORD [ARG]` there. Its exit status. */
static int there(const struct cli *c, bool quiet, const char *word, const char *arg,
                 const char *input, struct buf *out) {
    char *words[] = {(char[]){"key"}, (char[]){"local"}, xstrdup(word), arg ? xstrdup(arg) : NULL};
    int ends[2] = {-1, -1};
    struct cli_peer_io io = {.in = -1, .out = out ? keep : NULL, .arg = out, .quiet = quiet};
    if (input && pipe2(ends, O_CLOEXEC) == 0 && file_write_all(ends[1], input, strlen(input)))
        io.in = ends[0];
    if (ends[1] >= 0) close(ends[1]);
    int status = cli_peer_run(c, words, arg ? 4 : 3, &io);
    if (ends[0] >= 0) close(ends[0]);
    free(words[2]);
    free(words[3]);
    return status;
}

static int state_there(const struct cli *c, bool quiet, struct key_state *s) {
    struct buf out = BUF_INIT;
    int status = there(c, quiet, "state", NULL, NULL, &out);
    if (status == CLI_OK && !key_state_parse(buf_cstr(&out), s)) {
        fprintf(stderr, "hactl: the other node's report of its secret makes no sense\n");
        status = CLI_NO;
    }
    buf_free(&out);
    return status;
}

/* ---- steps of both ---- */

/* Both nodes come to a next secret, the other one first. */
static int agree(const struct cli *c) {
    struct buf out = BUF_INIT, text = BUF_INIT;
    static struct had_conf conf;
    uint8_t hidden[PAIR_SECRET_BYTES], shown[PAIR_SECRET_BYTES], second[PAIR_SECRET_BYTES];
    uint8_t next[PAIR_SECRET_BYTES];
    char digits[HEX_CHARS + 1];
    pair_key_share(hidden, shown);
    num_to_hex(digits, shown, sizeof shown);
    int status = instance_read_conf(c, &text, &conf) ? CLI_OK : CLI_NO;
    if (status == CLI_OK) status = there(c, false, "meet", NULL, digits, &out);
    key_stage("next-there");
    if (status == CLI_OK &&
        (buf_len(&out) < HEX_CHARS ||
         !num_from_hex(buf_head(&out), HEX_CHARS, second, sizeof second) ||
         !pair_key_agree(conf.secrets.now, hidden, shown, second, true, next))) {
        fprintf(stderr, "hactl: the other node's share of the secret is damaged\n");
        status = CLI_NO;
    }
    if (status == CLI_OK && !key_put_next(c, next)) status = CLI_NO;
    key_stage("next-here");
    memset(hidden, 0, sizeof hidden);
    memset(next, 0, sizeof next);
    buf_free(&out);
    buf_free(&text);
    return status;
}

static bool same(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* Do the two still believe each other, by what stands on their disks? */
static bool fit(const struct key_state *mine, const struct key_state *its) {
    return same(mine->now, its->now) ||
           (same(mine->now, its->other) && same(mine->other, its->now)) ||
           (its->phase == KEY_PLAIN && same(mine->other, its->now)) ||
           (mine->phase == KEY_PLAIN && same(its->other, mine->now));
}

/* One step from where both stand. *done: nothing is left to do here. This node's lock is held. */
static int advance(const struct cli *c, const struct key_state *mine, const struct key_state *its,
                   bool *done) {
    int status = CLI_OK;
    *done = false;
    if (!fit(mine, its)) {
        fprintf(stderr,
                "hactl: the secrets of the two nodes do not go together: this one has %s "
                "and %s, the other one %s and %s; copy [pair] secret from one to the other\n",
                mine->now, mine->other, its->now, its->other);
        return CLI_NO;
    }
    if (mine->phase == KEY_NEXT && its->phase == KEY_PLAIN && same(its->now, mine->now))
        return key_drop(c) ? CLI_OK : CLI_NO; /* the other one never had it */
    if (mine->phase == KEY_NEXT && its->phase == KEY_NEXT && !same(mine->other, its->other))
        return key_drop(c) ? CLI_OK : CLI_NO; /* two that led at once, and both died */
    if (mine->phase == KEY_NEXT) {
        if (its->phase == KEY_NEXT) status = there(c, false, "switch", mine->other, NULL, NULL);
        key_stage("switched-there");
        if (status == CLI_OK && !key_switch(c, mine->other)) status = CLI_NO;
        key_stage("switched-here");
        return status;
    }
    if (mine->phase == KEY_SWITCHED && its->phase == KEY_NEXT)
        return there(c, false, "switch", mine->now, NULL, NULL);
    if (mine->phase == KEY_SWITCHED) {
        status = there(c, false, "apply", NULL, NULL, NULL);
        if (status == CLI_OK && !(key_apply(c) && key_retire(c))) status = CLI_NO;
        key_stage("retired-here");
        return status;
    }
    *done = its->phase != KEY_SWITCHED; /* the other one gives its old secret up itself */
    if (!*done) usleep(200000);
    return CLI_OK;
}

/* From where both stand to the end. */
static int go_on(const struct cli *c, bool quiet, int steps) {
    struct key_state mine, its;
    bool done = false;
    int status = CLI_OK;
    for (int i = 0; i < steps && status == CLI_OK && !done; i++) {
        if (!key_state_get(c, &mine)) return CLI_NO;
        status = state_there(c, quiet, &its);
        if (status == CLI_OK) status = advance(c, &mine, &its, &done);
    }
    return status;
}

/* ---- the verbs ---- */

static void print_one(const char *who, const struct key_state *s) {
    static const char *const phases[] = {"", ", the next one is agreed upon",
                                         ", the former one is still believed"};
    char when[64] = "made when the pair was set up, or put into duet.conf by hand";
    time_t t = (time_t)s->since_s;
    struct tm tm;
    if (s->since_s) strftime(when, sizeof when, "made %Y-%m-%d %H:%M:%S UTC", gmtime_r(&t, &tm));
    printf("%s: fingerprint %s, %s", who, s->now, when);
    if (s->since_s)
        printf(" (%lld days ago)", (long long)((clock_wall_ms() / 1000 - s->since_s) / DAY_S));
    printf("%s\n", phases[s->phase]);
}

static void print_json(const char *who, const struct key_state *s, bool last) {
    static const char *const phases[] = {"plain", "next", "switched"};
    printf("\"%s\": {\"fingerprint\": \"%s\", \"other\": \"%s\", \"since_s\": %lld, "
           "\"phase\": \"%s\"}%s",
           who, s->now, s->other, s->since_s, phases[s->phase], last ? "" : ", ");
}

static int show(const struct cli *c) {
    struct key_state mine, its;
    if (!key_state_get(c, &mine)) return CLI_NO;
    bool reached = state_there(c, true, &its) == CLI_OK;
    if (c->json) {
        printf("{");
        print_json("here", &mine, !reached);
        if (reached) print_json("there", &its, true);
        printf("}\n");
        return CLI_OK;
    }
    print_one("this node", &mine);
    if (reached)
        print_one("the other node", &its);
    else
        printf("the other node: not reached\n");
    return CLI_OK;
}

static int rotate(const struct cli *c) {
    struct key_state mine, its;
    if (!instance_lock_within(c, KEY_LOCK_MS)) return CLI_NO;
    int status = go_on(c, false, 8); /* an earlier change is ended first */
    if (status == CLI_OK && !key_state_get(c, &mine)) status = CLI_NO;
    if (status == CLI_OK) status = state_there(c, false, &its);
    if (status == CLI_OK && mine.phase != KEY_PLAIN) status = CLI_NO;
    if (status == CLI_OK) status = agree(c);
    if (status == CLI_OK) status = go_on(c, false, 8);
    if (status != CLI_OK) {
        fprintf(stderr,
                "hactl: the change of the secret is not done; the nodes go on believing each "
                "other, and what was begun is ended or taken back by itself: see `hactl key "
                "show`\n");
        return status;
    }
    /* The other node retires its old secret by itself when it is not asked to: within seconds. */
    char *words[] = {(char[]){"key"}, (char[]){"tick"}};
    struct cli_peer_io io = {.in = -1, .quiet = true};
    key_stage("before-the-end");
    (void)cli_peer_run(c, words, 2, &io);
    return show(c);
}

/* By the steward of each node, and by who has rotated. Nothing to do is the usual case. */
static int tick(const struct cli *c) {
    enum { TICK_SPREAD_MS = 2000 };
    struct key_state mine;
    if (!key_state_get(c, &mine)) return CLI_NO;
    if (mine.phase == KEY_PLAIN) return CLI_OK;
    /* Both nodes' stewards may look in the same moment: each would hold its own lock and be refused the other's, for ever. */
    uint16_t chance;
    rand_bytes(&chance, sizeof chance);
    usleep(chance % TICK_SPREAD_MS * 1000u);
    if (!instance_lock(c)) return CLI_OK;
    return go_on(c, true, 4);
}

int cli_key(struct cli *c) {
    const char *verb = c->argv[0];
    if (strcmp(verb, "local") == 0) return cli_key_local(c);
    if (strcmp(verb, "tick") == 0) return tick(c);
    if (c->argc == 1 && strcmp(verb, "show") == 0) return show(c);
    if (c->argc == 1 && strcmp(verb, "rotate") == 0) return rotate(c);
    fputs(usage, strcmp(verb, "help") == 0 ? stdout : stderr);
    return strcmp(verb, "help") == 0 ? CLI_OK : CLI_USAGE;
}
