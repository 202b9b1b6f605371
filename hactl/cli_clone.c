/* hactl clone: a new instance with the data of a set, or of a moment. Made on the master: a directory is seeded beside the
 * data by `duet restore`, then `hactl instance create` takes it; the slave gets its first copy. The source is only read. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hactl/moment.h"
#include "hactl/rollback_plan.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/conf.h"
#include "server/base/file.h"

#define ANSWER_MS  5000
#define WORDS      24
#define OPEN_FILES 16

/* ---- children: this binary under another name ---- */

struct child {
    pid_t pid;
    int in; /* -1: this process's own */
};

/* quiet: its standard output is nobody's. */
static bool start(struct child *ch, const char *const *argv, bool with_in, bool quiet) {
    int in[2] = {-1, -1};
    *ch = (struct child){.in = -1};
    if (with_in && pipe2(in, O_CLOEXEC) != 0) return false;
    fflush(NULL);
    ch->pid = fork();
    if (ch->pid == 0) {
        if (with_in) dup2(in[0], 0);
        if (quiet) dup2(open("/dev/null", O_WRONLY), 1);
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (with_in) close(in[0]);
    ch->in = in[1];
    return ch->pid > 0;
}

static int end(struct child *ch) {
    int status = 0;
    if (ch->in >= 0) close(ch->in);
    while (waitpid(ch->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_UNKNOWN;
}

/* ---- the directory ---- */

static struct stat owner;

static int give_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return lchown(path, owner.st_uid, owner.st_gid);
}

/* To whom the source's data belong. */
static bool give_all(const char *dir, const char *like) {
    return stat(like, &owner) == 0 &&
           (geteuid() != 0 || nftw(dir, give_one, OPEN_FILES, FTW_PHYS) == 0);
}

static int seed(const char *root, const struct rollback_plan *p, const char *dir) {
    char set[SETS_PATH], log[SETS_PATH], source[SETS_PATH], until[24];
    const char *argv[WORDS] = {"restore", "--to", dir};
    struct child ch;
    int n = 3;
    sets_path(set, root, p->instance, p->set.id);
    snprintf(source, sizeof source, "%.400s/data/instance-%u", root, p->instance);
    if (*p->log)
        snprintf(log, sizeof log, "%s", p->log);
    else
        snprintf(log, sizeof log, "%.480s/log", source);
    snprintf(until, sizeof until, "%lld", (long long)p->until_us);
    if (p->with_set) argv[n++] = set;
    if (p->until_us) argv[n++] = "--log", argv[n++] = log, argv[n++] = "--until", argv[n++] = until;
    if (!start(&ch, argv, false, true)) {
        fprintf(stderr, "hactl: no process for the clone: %s\n", strerror(errno));
        return CLI_NO;
    }
    int status = end(&ch); /* it shows how far it is, and says what is wrong, itself */
    if (status == 0 && !give_all(dir, source)) {
        fprintf(stderr, "hactl: %s cannot be given to the server: %s\n", dir, strerror(errno));
        status = CLI_NO;
    }
    return status == 0 ? CLI_OK : CLI_NO;
}

/* ---- the instance ---- */

/* What the source's section says; "" when it does not. The new one is as the source unless an option says otherwise. */
static void said_of(const struct cli *c, unsigned instance, const char *directive, char *out,
                    size_t size) {
    struct conf conf;
    struct conf_error err;
    char path[512], number[12];
    *out = 0;
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    snprintf(number, sizeof number, "%u", instance);
    if (!conf_read(&conf, path, true, &err)) return;
    for (size_t i = 0; i < conf.count; i++) {
        const struct conf_line *l = &conf.lines[i];
        if (l->argc == 2 && !strcmp(l->section, "instance") && !strcmp(l->section_arg, number) &&
            !strcmp(l->argv[0], directive))
            snprintf(out, size, "%s", l->argv[1]);
    }
    conf_free(&conf);
}

static void option(const char **argv, int *n, const char *name, const char *given,
                   const char *source) {
    if (!given && !*source) return;
    argv[(*n)++] = name;
    argv[(*n)++] = given ? given : source;
}

/* Without --password the new one has the source's, by a pipe: it is nobody else's to read. */
static int create(const struct cli *c, unsigned source, const char *dir) {
    char memory[64], edition[64], durability[64], password[600];
    const char *argv[WORDS] = {"hactl",    "--root", *c->root ? c->root : "/",
                               "instance", "create", c->argv[1],
                               "--port",   c->port,  "--from-dir",
                               dir};
    struct child ch;
    int n = 10;
    said_of(c, source, "memory", memory, sizeof memory);
    said_of(c, source, "edition", edition, sizeof edition);
    said_of(c, source, "durability", durability, sizeof durability);
    said_of(c, source, "password", password, sizeof password);
    bool inherit = !c->password && *password && strcmp(password, "none") != 0;
    option(argv, &n, "--memory", c->memory, *memory ? memory : "256mb");
    option(argv, &n, "--edition", c->edition, edition);
    option(argv, &n, "--durability", c->durability, durability);
    option(argv, &n, "--name", c->name, "");
    option(argv, &n, "--password", c->password, inherit ? "-" : "");
    if (c->json) argv[n++] = "--json";
    if (!start(&ch, argv, inherit, false)) {
        fprintf(stderr, "hactl: no process for the new instance: %s\n", strerror(errno));
        return CLI_NO;
    }
    if (inherit &&
        (!file_write_all(ch.in, password, strlen(password)) || !file_write_all(ch.in, "\n", 1)))
        fprintf(stderr, "hactl: the password was not taken\n");
    return end(&ch);
}

/* ---- the verb ---- */

static int clone_here(const struct cli *c, unsigned source, const char *to) {
    struct rollback_plan plan;
    struct stored_set s;
    char root[SETS_PATH], dir[SETS_PATH];
    if (!backup_root(c, root) || !rollback_plan_make(c, source, to, &plan)) return CLI_NO;
    if (plan.with_set && !plan.set_here) {
        if (sets_find(c->root, plan.set.id, &s))
            sets_delete(c->root, plan.set.id); /* a damaged copy */
        int status = backup_fetch(c, plan.set.id);
        if (status != CLI_OK) return status;
    }
    if (!c->json)
        printf("The data of instance %u at %s UTC becomes instance %s.\n", source,
               wall_text(plan.state_us), c->argv[1]);
    snprintf(dir, sizeof dir, "%.480s/data/clone-%d", root, (int)getpid());
    int status = seed(root, &plan, dir);
    if (status == CLI_OK) status = create(c, source, dir);
    file_tree_remove(dir); /* it is another's by now, or was not wanted */
    if (status != CLI_OK) fprintf(stderr, "hactl: there is no clone; nothing else was changed\n");
    return status;
}

/* On the other node, which is the master. */
static int clone_there(const struct cli *c, const char *to) {
    char *words[CLI_RAW_LIMIT];
    const struct cli_peer_io io = {.in = c->password && strcmp(c->password, "-") == 0 ? STDIN_FILENO
                                                                                      : -1};
    int n = 0;
    for (int i = 0; i < c->raw_count && n < CLI_RAW_LIMIT; i++)
        words[n++] = xstrdup(strcmp(c->raw[i], c->argv[0]) == 0 ? to : c->raw[i]);
    fflush(stdout);
    int status = cli_peer_run(c, words, n, &io);
    while (n > 0) free(words[--n]);
    return status;
}

/* "10m ago" is ten minutes before it was typed, wherever it is worked out. */
static const char *settled_moment(const char *to, char out[32]) {
    int64_t us;
    if (backup_id_valid(to, NULL) || !moment_parse(to, clock_wall_us(), &us)) return to;
    snprintf(out, 32, "%lld.%06lld", (long long)us / 1000000, (long long)us % 1000000);
    return out;
}

int cli_clone(struct cli *c) {
    struct cli_answer a;
    char moment[32];
    unsigned source;
    const char *to = settled_moment(c->argv[0], moment);
    if (!c->port) {
        fprintf(stderr, "usage: hactl clone SET|TIME NEW-INSTANCE --port N [--from INSTANCE] "
                        "[--memory SIZE]\n");
        return CLI_USAGE;
    }
    bool set = backup_id_valid(to, &source);
    if (!set && !backup_instance(c, c->from, &source)) return CLI_USAGE;
    int status = cli_ask(c, "status", ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    bool here = fields_true(&a.fields, "node.serving") &&
                strcmp(fields_text(&a.fields, "", "node.state"), "master") == 0;
    bool there = fields_true(&a.fields, "peer.heard") &&
                 strcmp(fields_text(&a.fields, "", "peer.state"), "master") == 0;
    cli_answer_free(&a);
    if (here) return clone_here(c, source, to);
    if (there && !c->from_peer) return clone_there(c, to);
    fprintf(stderr, "hactl: no clone: there is no master to make it on\n");
    return CLI_NO;
}
