/* The steps of a change on this node. duet.conf is edited whole or not at all, and the text before is kept until the
 * next step, so that this one can be undone. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/backup_conf.h"
#include "hactl/cli_instance.h"
#include "hactl/cli_server.h"
#include "hactl/had_conf.h"
#include "server/base/clock.h"
#include "server/base/conf_edit.h"
#include "server/base/file.h"
#include "server/base/num.h"

#define CONF_LIMIT   (1 << 20)
#define INPUT_LIMIT  60000
#define ANSWER_MS    5000
#define LOCK_STEP_US 20000

/* ---- duet.conf -------------------------------------------------------------------------------- */

/* One step at a time on a node; the lock goes with the process. */
bool instance_lock_within(const struct cli *c, uint64_t limit_ms) {
    uint64_t end = clock_boot_ms() + limit_ms;
    int fd = open(instance_path(c, "run/instance.lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (clock_boot_ms() >= end) {
            instance_complain(c, "another change of duet.conf is under way; try again");
            close(fd);
            return false;
        }
        usleep(LOCK_STEP_US);
    }
    if (fd < 0) instance_complain(c, "run/instance.lock cannot be opened; is the node running?");
    return fd >= 0;
}

bool instance_lock(const struct cli *c) {
    return instance_lock_within(c, 0);
}

/* `duet config put`: checked by all who read it, kept in the state partition, then put into its place. */
static bool keep(const struct cli *c, const struct buf *text) {
    const char *fresh = instance_path(c, "etc/duet.conf.new");
    const char *argv[] = {"config",  "put",
                          "--state", instance_path(c, "state"),
                          "--to",    instance_path(c, "etc/duet.conf"),
                          fresh,     NULL};
    int status = -1;
    if (!file_replace(fresh, buf_head(text), buf_len(text), 0600)) {
        instance_complain(c, "%s: %s", fresh, strerror(errno));
        return false;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    unlink(fresh);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool tell(const struct cli *c, const char *daemon, const char *request) {
    struct cli_answer a;
    if (cli_ask_daemon(c, daemon, request, ANSWER_MS, &a) != CLI_OK) return false;
    bool ok = a.ok;
    if (!ok) instance_complain(c, "%s", a.sentence);
    cli_answer_free(&a);
    return ok;
}

/* had first: a server that leaves must not count any more when it ends. */
bool instance_reload(const struct cli *c) {
    return tell(c, "had", "reload") && tell(c, "node", "reload");
}

/* From here to there nothing but a crash interrupts: the file and the daemons belong together. */
static void undisturbed(bool on) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGPIPE);
    sigprocmask(on ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

bool instance_put_live(const struct cli *c, const struct buf *fresh, const struct buf *old) {
    undisturbed(true);
    bool good =
        file_replace(instance_path(c, "run/duet.conf.before"), buf_head(old), buf_len(old), 0600);
    if (!good) instance_complain(c, "run/duet.conf.before: %s", strerror(errno));
    good = good && keep(c, fresh);
    if (good && !instance_reload(c)) {
        good = false;
        if (!keep(c, old) || !instance_reload(c))
            instance_complain(c,
                              "and the configuration before cannot be put back: look at its log");
    }
    undisturbed(false);
    return good;
}

bool instance_read_conf(const struct cli *c, struct buf *text, struct had_conf *conf) {
    struct conf parsed;
    struct conf_error err;
    bool good = false;
    if (!file_read_all(instance_path(c, "etc/duet.conf"), text, CONF_LIMIT)) {
        instance_complain(c, "etc/duet.conf: %s", strerror(errno));
        return false;
    }
    if (conf_parse(&parsed, instance_path(c, "etc/duet.conf"), buf_head(text), buf_len(text), true,
                   &err)) {
        good = had_conf_take(conf, &parsed, &err);
        conf_free(&parsed);
    }
    if (!good) instance_complain(c, "%s", err.text);
    return good;
}

/* What a step does to the text. */
struct edit {
    const char *verb; /* create, set, drop, take */
    char number[8];
    const char *directive; /* set */
    struct buf input;      /* create, take: lines; set: the value, empty: none */
};

static bool edit_create(struct buf *text, const struct edit *e, const struct had_conf *conf,
                        struct conf_error *err) {
    struct buf sections = BUF_INIT;
    bool good = conf_edit_take(text, "instance", &sections, err);
    /* A file without [instance] means instance 0: that has to be said from now on. */
    if (good && buf_len(&sections) == 0) {
        char port[32];
        snprintf(port, sizeof port, "port %u\n", conf->instances[0].port);
        conf_edit_add(text, "instance", "0", port);
    }
    struct buf input = e->input;
    if (good) conf_edit_add(text, "instance", e->number, buf_cstr(&input));
    buf_free(&sections);
    return good;
}

static bool edit_take(struct buf *text, const struct edit *e, const struct had_conf *conf,
                      struct conf_error *err) {
    for (int i = 0; i < conf->instance_count; i++) {
        char number[8];
        snprintf(number, sizeof number, "%d", conf->instances[i].number);
        if (!conf_edit_drop(text, "instance", number, err)) return false;
    }
    buf_add_str(text, "\n");
    buf_add(text, buf_head(&e->input), buf_len(&e->input));
    return true;
}

static bool edit_text(struct buf *text, struct edit *e, const struct had_conf *conf,
                      struct conf_error *err) {
    if (strcmp(e->verb, "create") == 0) return edit_create(text, e, conf, err);
    if (strcmp(e->verb, "drop") == 0) return conf_edit_drop(text, "instance", e->number, err);
    if (strcmp(e->verb, "take") == 0) return edit_take(text, e, conf, err);
    const char *value = buf_len(&e->input) ? buf_cstr(&e->input) : NULL;
    return conf_edit_set(text, "instance", e->number, e->directive, value, err);
}

/* ---- what a running server takes at once ------------------------------------------------------- */

static const char *said(const struct conf *conf, const char *number, const char *directive) {
    const char *found = NULL;
    for (size_t i = 0; i < conf->count; i++) {
        const struct conf_line *l = &conf->lines[i];
        if (l->argc == 2 && !strcmp(l->section, "instance") && !strcmp(l->section_arg, number) &&
            !strcmp(l->argv[0], directive))
            found = l->argv[1];
    }
    return found;
}

/* The steward reads the file each time; its server does not hear of it. */
static bool for_steward(const char *directive) {
    return !strcmp(directive, BACKUP_SCHEDULE_WORD) || !strcmp(directive, BACKUP_RETENTION_WORD);
}

/* The server of the instance has the directive as duet.conf says it now. */
static bool live(const struct cli *c, const char *number, const char *directive) {
    struct conf conf;
    struct conf_error err;
    struct buf answer = BUF_INIT;
    if (for_steward(directive)) return true;
    if (!conf_read(&conf, instance_path(c, "etc/duet.conf"), true, &err))
        return instance_complain(c, "%s", err.text) == CLI_OK;
    const char *value = said(&conf, number, directive);
    bool password = strcmp(directive, "password") == 0;
    if (!value || (password && !strcmp(value, "none"))) value = password ? "" : "0";
    const char *argv[] = {"CONFIG", "SET",        password ? "requirepass" : "maxmemory",
                          value,    "masterauth", value};
    bool good = cli_server_ask(c->root, atoi(number), &answer, password ? 6 : 4, argv);
    if (!good) instance_complain(c, "%s", buf_cstr(&answer));
    buf_free(&answer);
    conf_free(&conf);
    return good;
}

/* What was taken over from the other node may be other values of instances that run here. A server that has only just been
 * started has read them itself. */
static void live_all(const struct cli *c) {
    struct had_conf conf;
    struct conf_error err;
    char number[16];
    if (!had_conf_read(&conf, instance_path(c, "etc/duet.conf"), &err)) return;
    for (int i = 0; i < conf.instance_count; i++) {
        struct buf answer = BUF_INIT;
        static const char *const ping[] = {"PING"};
        snprintf(number, sizeof number, "%d", conf.instances[i].number);
        if (cli_server_ask(c->root, conf.instances[i].number, &answer, 1, ping)) {
            live(c, number, "memory");
            live(c, number, "password");
        }
        buf_free(&answer);
    }
}

/* ---- steps ------------------------------------------------------------------------------------ */

static bool changed_meanwhile(const struct cli *c, const struct had_conf *conf, int64_t expect) {
    if (conf->changes == expect) return false;
    instance_complain(c, "the instances were changed meanwhile; nothing was done, try again");
    return true;
}

/* Edits, keeps, tells. next: the number of changes behind it. */
static bool step(const struct cli *c, struct edit *e, int64_t expect, int64_t next) {
    struct had_conf conf;
    struct conf_error err;
    struct buf text = BUF_INIT, old = BUF_INIT;
    char digits[24];
    bool good = instance_lock(c) && instance_read_conf(c, &text, &conf) &&
                !changed_meanwhile(c, &conf, expect);
    if (good) {
        buf_add(&old, buf_head(&text), buf_len(&text));
        snprintf(digits, sizeof digits, "%lld", (long long)next);
        good = edit_text(&text, e, &conf, &err) &&
               conf_edit_set(&text, "pair", "", "changes", digits, &err);
        if (!good) instance_complain(c, "%s", err.text);
    }
    good = good && instance_put_live(c, &text, &old);
    if (good && !strcmp(e->verb, "take")) live_all(c);
    if (good && e->directive && !live(c, e->number, e->directive)) {
        good = false;
        instance_put_live(c, &old, &text);
        live(c, e->number, e->directive);
    }
    buf_free(&text);
    buf_free(&old);
    return good;
}

/* undo EXPECT [N DIRECTIVE] */
static int undo(const struct cli *c, int64_t expect, const char *number, const char *directive) {
    struct had_conf conf;
    struct buf text = BUF_INIT, before = BUF_INIT;
    bool good = instance_lock(c) && instance_read_conf(c, &text, &conf) &&
                !changed_meanwhile(c, &conf, expect);
    if (good && !file_read_all(instance_path(c, "run/duet.conf.before"), &before, CONF_LIMIT)) {
        instance_complain(c, "run/duet.conf.before: %s", strerror(errno));
        good = false;
    }
    good = good && instance_put_live(c, &before, &text);
    if (good && directive) good = live(c, number, directive);
    buf_free(&text);
    buf_free(&before);
    return good ? CLI_OK : CLI_NO;
}

static int sections(const struct cli *c) {
    struct had_conf conf;
    struct conf_error err;
    struct buf text = BUF_INIT, out = BUF_INIT;
    bool good = instance_read_conf(c, &text, &conf);
    if (good && !conf_edit_take(&text, "instance", &out, &err))
        good = instance_complain(c, "%s", err.text) == CLI_OK;
    if (good) fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&text);
    buf_free(&out);
    return good ? CLI_OK : CLI_NO;
}

/* ---- the words -------------------------------------------------------------------------------- */

/* create|drop N EXPECT, set N DIRECTIVE EXPECT, take EXPECT NEXT; with input on standard input. */
static int run_step(const struct cli *c, char **a, int n) {
    struct edit e = {.verb = a[0]};
    int64_t number = 0, expect, next;
    bool take = !strcmp(a[0], "take"), set = !strcmp(a[0], "set");
    if (n != (set ? 4 : 3) || !num_parse_range(a[n - 1], 0, INT64_MAX, &next)) return CLI_USAGE;
    if (!num_parse_range(a[1], 0, take ? INT64_MAX : INSTANCE_NUMBERS - 1, &number))
        return CLI_USAGE;
    expect = take ? number : next;
    if (!take) next = expect + 1;
    snprintf(e.number, sizeof e.number, "%lld", take ? 0LL : (long long)number);
    if (set) e.directive = a[2];
    if (set && strcmp(a[2], "memory") && strcmp(a[2], "password") && !for_steward(a[2]))
        return CLI_USAGE;
    bool good = !strcmp(a[0], "drop") || instance_read_all(STDIN_FILENO, &e.input, INPUT_LIMIT);
    if (!good)
        instance_complain(c, "the input cannot be read");
    else
        good = step(c, &e, expect, next);
    buf_free(&e.input);
    return good ? CLI_OK : CLI_NO;
}

int cli_instance_local(struct cli *c) {
    char **a = c->argv + 1;
    int n = c->argc - 1;
    int64_t number = 0, other = 0;
    const char *verb = n ? a[0] : "";
    if (n == 1 && !strcmp(verb, "state")) return cli_instance_state(c);
    if (n == 1 && !strcmp(verb, "sections")) return sections(c);
    if (n == 1 && !strcmp(verb, "reload"))
        return instance_lock(c) && instance_reload(c) ? CLI_OK : CLI_NO;
    if (n > 1 && !strcmp(verb, "check")) return cli_instance_check(c);
    if (n > 2 && (!strcmp(verb, "create") || !strcmp(verb, "set") || !strcmp(verb, "drop") ||
                  !strcmp(verb, "take")))
        return run_step(c, a, n);
    if (n < 2 || !num_parse_range(a[1], 0, INT64_MAX, &number)) return CLI_USAGE;
    if ((n == 2 || n == 4) && !strcmp(verb, "undo"))
        return undo(c, number, n == 4 ? a[2] : NULL, n == 4 ? a[3] : NULL);
    if (number >= INSTANCE_NUMBERS) return CLI_USAGE;
    if (n == 2 && !strcmp(verb, "trash")) return instance_trash(c, (int)number);
    if (n == 3 && !strcmp(verb, "seed") && !c->from_peer)
        return instance_seed(c, (int)number, a[2]);
    if (n == 4 && !strcmp(verb, "wait") && num_parse_range(a[2], 0, 600000, &other))
        return instance_wait(c, (int)number, other, a[3]);
    return CLI_USAGE;
}
