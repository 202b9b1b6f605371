/* The steps of a change of the pair's secret on this node. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_instance.h"
#include "hactl/cli_key.h"
#include "hactl/cli_server.h"
#include "hactl/had_conf.h"
#include "server/base/clock.h"
#include "server/base/conf_edit.h"
#include "server/base/num.h"

#define HEX_CHARS (2 * PAIR_SECRET_BYTES)

void key_stage(const char *name) {
    const char *dies = getenv("DUET_KEY_DIES");
    if (dies && strcmp(dies, name) == 0) raise(SIGKILL);
}

/* ---- duet.conf ---- */

struct edit {
    struct buf text, old;
    struct had_conf conf;
    struct conf_error err;
    bool good;
};

static void begin(const struct cli *c, struct edit *e) {
    e->text = e->old = (struct buf)BUF_INIT;
    e->good = instance_read_conf(c, &e->text, &e->conf);
    if (e->good) buf_add(&e->old, buf_head(&e->text), buf_len(&e->text));
}

/* value NULL: the directive is not said any more. */
static void say(struct edit *e, const char *directive, const uint8_t *value) {
    char digits[HEX_CHARS + 1];
    if (value) num_to_hex(digits, value, PAIR_SECRET_BYTES);
    e->good =
        e->good && conf_edit_set(&e->text, "pair", "", directive, value ? digits : NULL, &e->err);
}

static void say_when(struct edit *e) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)(clock_wall_ms() / 1000));
    e->good = e->good && conf_edit_set(&e->text, "pair", "", "secret-since", digits, &e->err);
}

static bool end(const struct cli *c, struct edit *e) {
    if (!e->good && *e->err.text) instance_complain(c, "%s", e->err.text);
    bool good = e->good && instance_put_live(c, &e->text, &e->old) && key_apply(c);
    memset(&e->conf.secrets, 0, sizeof e->conf.secrets);
    buf_free(&e->text);
    buf_free(&e->old);
    return good;
}

/* ---- what runs ---- */

static bool apply_to(const struct cli *c, const struct had_secrets *s, int number) {
    char now[HEX_CHARS + 1], also[HEX_CHARS + 1] = "";
    uint8_t key[PAIR_SECRET_BYTES];
    struct buf answer = BUF_INIT;
    pair_key_of_instance(s->now, number, key);
    num_to_hex(now, key, sizeof key);
    pair_key_of_instance(s->has_next ? s->next : s->old, number, key);
    if (s->has_next || s->has_old) num_to_hex(also, key, sizeof key);
    const char *const argv[] = {"CONFIG", "SET", "pair-key", now, "pair-key-also", also};
    bool good = cli_server_ask(c->root, number, &answer, 6, argv);
    if (!good) instance_complain(c, "%s", buf_cstr(&answer));
    buf_free(&answer);
    return good;
}

bool key_apply(const struct cli *c) {
    struct buf text = BUF_INIT;
    static struct had_conf conf;
    bool good = instance_read_conf(c, &text, &conf) && instance_reload(c);
    for (int i = 0; good && i < conf.instance_count; i++)
        good = apply_to(c, &conf.secrets, conf.instances[i].number);
    buf_free(&text);
    return good;
}

/* ---- steps ---- */

bool key_state_get(const struct cli *c, struct key_state *s) {
    struct buf text = BUF_INIT;
    static struct had_conf conf;
    const struct had_secrets *k = &conf.secrets;
    bool good = instance_read_conf(c, &text, &conf);
    buf_free(&text);
    if (!good) return false;
    s->phase = k->has_next ? KEY_NEXT : k->has_old ? KEY_SWITCHED : KEY_PLAIN;
    s->since_s = k->since_s;
    pair_key_fingerprint(k->now, s->now);
    memcpy(s->other, "-", 2);
    if (s->phase != KEY_PLAIN) pair_key_fingerprint(k->has_next ? k->next : k->old, s->other);
    return true;
}

bool key_state_parse(const char *text, struct key_state *s) {
    int phase;
    if (sscanf(text, "%d %16s %16s %lld", &phase, s->now, s->other, &s->since_s) != 4) return false;
    s->phase = (enum key_phase)phase;
    return phase >= KEY_PLAIN && phase <= KEY_SWITCHED;
}

bool key_put_next(const struct cli *c, const uint8_t next[PAIR_SECRET_BYTES]) {
    struct edit e = {.good = false};
    begin(c, &e);
    if (e.good && e.conf.secrets.has_old) {
        instance_complain(c, "a change of the secret is being ended; try again in a moment");
        e.good = false;
    }
    say(&e, "secret-next", next);
    return end(c, &e);
}

bool key_switch(const struct cli *c, const char *fingerprint) {
    struct edit e = {.good = false};
    char own[PAIR_FINGERPRINT_CHARS + 1] = "";
    begin(c, &e);
    const struct had_secrets *k = &e.conf.secrets;
    if (e.good) pair_key_fingerprint(k->has_next ? k->next : k->now, own);
    if (e.good && strcmp(own, fingerprint) != 0) {
        instance_complain(c, "this node does not have the next secret that it should switch to");
        e.good = false;
    }
    if (e.good && k->has_next) {
        say(&e, "secret-old", k->now);
        say(&e, "secret", k->next);
        say(&e, "secret-next", NULL);
        say_when(&e);
    }
    return end(c, &e);
}

static bool forget(const struct cli *c, const char *directive) {
    struct edit e = {.good = false};
    begin(c, &e);
    say(&e, directive, NULL);
    return end(c, &e);
}

bool key_retire(const struct cli *c) {
    return forget(c, "secret-old");
}

bool key_drop(const struct cli *c) {
    return forget(c, "secret-next");
}

/* ---- what the other node asks for ---- */

/* Its share on standard input, ours on standard output; the secret that follows is on our disk before we answer. */
static bool meet(const struct cli *c) {
    struct buf in = BUF_INIT, text = BUF_INIT;
    static struct had_conf conf;
    uint8_t first[PAIR_SECRET_BYTES], hidden[PAIR_SECRET_BYTES], shown[PAIR_SECRET_BYTES];
    uint8_t next[PAIR_SECRET_BYTES];
    char digits[HEX_CHARS + 1];
    bool good = instance_read_all(STDIN_FILENO, &in, 4096) && buf_len(&in) >= HEX_CHARS &&
                num_from_hex(buf_head(&in), HEX_CHARS, first, sizeof first);
    if (!good) instance_complain(c, "the other node's share of the secret is damaged");
    pair_key_share(hidden, shown);
    good = good && instance_read_conf(c, &text, &conf) &&
           pair_key_agree(conf.secrets.now, hidden, first, shown, false, next) &&
           key_put_next(c, next);
    num_to_hex(digits, shown, sizeof shown);
    if (good) printf("%s\n", digits);
    memset(hidden, 0, sizeof hidden);
    memset(next, 0, sizeof next);
    buf_free(&in);
    buf_free(&text);
    return good;
}

static int show_state(const struct cli *c) {
    struct key_state s;
    if (!key_state_get(c, &s)) return CLI_NO;
    printf("%d %s %s %lld\n", s.phase, s.now, s.other, s.since_s);
    return CLI_OK;
}

int cli_key_local(struct cli *c) {
    const char *verb = c->argc > 1 ? c->argv[1] : "";
    bool good;
    if (strcmp(verb, "state") == 0) return show_state(c);
    if (!instance_lock_within(c, KEY_LOCK_MS)) return CLI_NO;
    if (strcmp(verb, "meet") == 0)
        good = meet(c);
    else if (strcmp(verb, "switch") == 0 && c->argc == 3)
        good = key_switch(c, c->argv[2]);
    else if (strcmp(verb, "apply") == 0)
        good = key_apply(c);
    else
        return CLI_USAGE;
    return good ? CLI_OK : CLI_NO;
}
