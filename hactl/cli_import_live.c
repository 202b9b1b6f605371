/* hactl import redis://...: see cli_import_live.h. The same verbs serve an export. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_control.h"
#include "hactl/cli_import_live.h"
#include "server/base/clock.h"
#include "server/base/num.h"
#include "server/base/rand.h"

enum { CUT_MS = 10000, STOP_MS = 30000, TOKEN_CHARS = 16 };
#define LAG_LIMIT_BYTES (1 << 20) /* more than that is not cut over in a moment */

void cli_import_live_help(void) {
    printf(
        "\nredis://[[user]:password@]host[:port][/db] (rediss:// by TLS, with --cacert FILE or "
        "--insecure) is a running Redis\n"
        "2.8 to 7.2 or Valkey. hactl attaches to it as a slave, receives its data, says what "
        "cannot be taken, copies, and\n"
        "follows its changes until `hactl import cutover`; the source is only read. Until then "
        "clients read the instance\n"
        "and cannot write. The process that does it goes on when this one ends; it goes on after "
        "a restart, too.\n"
        "Better than in the address, the password stands in the variable " IMPORT_PASSWORD_VARIABLE
        ", or is asked for with\n"
        "--password -. Until the end it is kept in ROOT/data/import, in a file for root alone.\n\n"
        "  import status [--json]   how far it is: percent, rate, time left; then the lag in bytes "
        "and seconds\n"
        "  import cutover           stop the source's writers first. Waits until nothing is "
        "behind, "
        "then clients may write.\n"
        "                           --wait: for as long as it takes; --force: without what has not "
        "arrived\n"
        "  import abort             what was copied stays, clients may write\n"
        "  import resume            after an error; --skip-unsupported goes on without what was "
        "refused\n"
        "  --background             returns at once\n");
}

/* ---- passwords ---- */

static bool ask_password(char *out, size_t size) {
    struct termios shown, hidden;
    bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) fprintf(stderr, "Password of the other server: ");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    if (terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    bool good = fgets(out, (int)size, stdin) != NULL;
    if (terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    if (terminal) fprintf(stderr, "\n");
    if (good) out[strcspn(out, "\r\n")] = '\0';
    return good;
}

bool import_password(const struct cli *c, struct url *u) {
    const char *given = getenv(IMPORT_PASSWORD_VARIABLE);
    if (*u->password) return true;
    if (given && *given) {
        snprintf(u->password, sizeof u->password, "%s", given);
        return true;
    }
    if (!c->password) return true;
    if (strcmp(c->password, "-") == 0 && ask_password(u->password, sizeof u->password)) return true;
    fprintf(stderr, "hactl: --password - asks for it (or reads a line); a password among the words "
                    "could be read by everybody\n");
    return false;
}

/* ---- beginning ---- */

/* The options that say what is taken. */
static bool take_words(const struct cli *c, struct job *j) {
    static const char *const names[] = {"--db", "--rename-db", "--keys"};
    for (int i = 0; i + 1 < c->raw_count; i++)
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            if (strcmp(c->raw[i], names[n]) != 0) continue;
            if (j->word_count + 2 > JOB_WORDS) return false;
            j->words[j->word_count++] = xstrdup(c->raw[i]);
            j->words[j->word_count++] = xstrdup(c->raw[i + 1]);
        }
    return true;
}

/* What the import is, in a line; also what `resume` on another node begins with. */
static void describe(struct job *j, const struct url *other) {
    struct buf text = BUF_INIT;
    char url[400];
    url_text(other, url, sizeof url);
    buf_add_str(&text, url);
    for (int i = 0; i < j->word_count; i++) buf_printf(&text, " %s", j->words[i]);
    snprintf(j->info, sizeof j->info, "%s", buf_cstr(&text));
    for (char *p = j->info; *p; p++)
        if (*p < ' ' || *p > '~') *p = '?';
    buf_free(&text);
}

bool import_job_begin(const struct cli *c, struct job *j, const struct url *other) {
    rand_hex(j->token, TOKEN_CHARS);
    j->replace = c->replace;
    j->merge = c->merge;
    j->skip_unsupported = c->skip_unsupported;
    j->force = c->force;
    j->insecure = c->insecure;
    j->wanted = true;
    if (c->cacert && *c->cacert) {
        char *full = realpath(c->cacert, NULL);
        snprintf(j->cacert, sizeof j->cacert, "%s", full ? full : c->cacert);
        free(full);
    }
    if (!take_words(c, j)) {
        fprintf(stderr, "hactl: too many --keys and --rename-db\n");
        return false;
    }
    describe(j, other);
    return true;
}

/* Starts its worker and shows how far it comes. */
int import_job_run(const struct cli *c, const struct job *j) {
    char path[JOB_PATH + 20];
    if (job_runs(j->dir)) {
        fprintf(stderr, "hactl: it is under way already: `hactl %s status`\n",
                c->exporting ? "export" : "import");
        return CLI_NO;
    }
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", j->dir,
                 (const char *const[]){"order", "progress", "inventory"}[i]);
        unlink(path);
    }
    if (!job_write(j) || !job_start(c, j)) return CLI_NO;
    if (c->background) return CLI_OK;
    return import_watch(c, j->dir, isatty(STDERR_FILENO) && !c->json ? PHASES : PHASE_FOLLOW, 0);
}

/* The instance is there, is master here, and no other import is under way. */
static bool look_first(const struct cli *c, unsigned *instance) {
    struct import_target it;
    struct import_state s;
    if (!import_target_open(c, &it)) return false;
    bool ok = import_state(&it, &s);
    *instance = it.instance;
    if (ok && *s.token) {
        fprintf(
            stderr,
            "hactl: an import is under way in %s already (%s): `hactl import status`, resume or "
            "abort\n",
            it.name, s.info);
        ok = false;
    } else if (ok && it.keys && !c->replace && !c->merge) {
        fprintf(stderr,
                "hactl: %s holds %llu keys: with --replace they go once the copy is checked, with "
                "--merge they stay\n",
                it.name, (unsigned long long)it.keys);
        ok = false;
    }
    import_target_close(&it);
    return ok;
}

static int begin(struct cli *c) {
    struct job j = {.export = false};
    struct filter filter;
    char why[300];
    int status = CLI_NO;
    bool good = url_read(&j.source, c->argv[0], why, sizeof why);
    if (!good || (c->replace && c->merge)) {
        fprintf(stderr, "hactl: %s\n", good ? "--replace and --merge exclude one another" : why);
        return CLI_USAGE;
    }
    if (!import_filter(c, &filter) || !import_password(c, &j.source)) return CLI_USAGE;
    if (look_first(c, &j.instance) && job_dir(c, j.instance, false, true, j.dir) &&
        import_job_begin(c, &j, &j.source))
        status = import_job_run(c, &j);
    job_free(&j);
    return status;
}

/* ---- while it is under way ---- */

bool import_which(const struct cli *c, unsigned *instance, char dir[JOB_PATH]) {
    int64_t n;
    if (c->instance && num_parse_range(c->instance, 0, 999, &n))
        *instance = (unsigned)n;
    else if (!backup_instance(c, c->instance, instance))
        return false;
    return job_dir(c, *instance, c->exporting, false, dir);
}

static int cutover(const struct cli *c, const char *dir) {
    struct fields f;
    bool there = job_progress(dir, &f);
    const char *phase = fields_text(&f, "", "phase");
    bool follows = there && job_runs(dir) &&
                   (strcmp(phase, "follow") == 0 || (strcmp(phase, "wait") == 0 && c->force));
    int64_t lag = fields_number(&f, 0, "lag_bytes");
    if (!follows)
        fprintf(stderr, "hactl: there is nothing to cut over: %s\n",
                there ? fields_text(&f, "", "text") : "none is under way on this node");
    fields_free(&f);
    if (!follows) return CLI_NO;
    if (lag > LAG_LIMIT_BYTES && !c->force && !c->wait) {
        fprintf(stderr,
                "hactl: it is %s behind: --wait waits until nothing is, --force cuts over without "
                "it\n",
                size_text((uint64_t)lag));
        return CLI_NO;
    }
    if (!job_order(dir, c->force ? "cutover force" : "cutover")) return CLI_NO;
    int timeout = c->timeout_ms ? (int)c->timeout_ms : c->wait ? 0 : CUT_MS;
    int status = import_watch(c, dir, PHASES, timeout);
    if (status != CLI_UNKNOWN) return status;
    job_no_order(dir);
    status = import_watch(c, dir, PHASES, 500); /* it may just have been done */
    if (status != CLI_UNKNOWN) return status;
    fprintf(stderr, "hactl: it was not cut over: the source is still written to. Stop its writers; "
                    "--wait waits longer, --force does not wait for what is on its way\n");
    return CLI_NO;
}

/* Without a worker: by the server itself. */
static int abort_here(const struct cli *c, const char *dir, unsigned instance) {
    struct control_answer a;
    struct job j;
    if (job_read(&j, dir)) {
        j.wanted = j.begun = false;
        *j.source.password = *j.to_password = '\0';
        job_write(&j);
    }
    job_free(&j);
    if (c->exporting) return CLI_OK;
    enum control_result r =
        control_ask(c->root, instance, &a, 2, (const char *const[]){"IMPORT", "ABORT"});
    if (r == CONTROL_OK)
        printf("given up: what was copied stays in instance %u, and clients may write\n", instance);
    else
        fprintf(stderr, "hactl: %s\n", a.text);
    control_answer_free(&a);
    return r == CONTROL_OK ? CLI_OK : CLI_NO;
}

static int abort_it(const struct cli *c, const char *dir, unsigned instance) {
    if (!job_runs(dir)) return abort_here(c, dir, instance);
    if (!job_order(dir, "abort")) return CLI_NO;
    int status = import_watch(c, dir, PHASES, STOP_MS);
    if (status == CLI_UNKNOWN) fprintf(stderr, "hactl: it has not ended yet; ask again\n");
    return status;
}

/* A job from what the data itself knows of it: it was begun on the other node. */
static bool adopt(const struct cli *c, struct job *j, const char *dir, unsigned instance) {
    struct control_answer a;
    char why[300], *rest = NULL;
    bool ok = control_ask(c->root, instance, &a, 2, (const char *const[]){"IMPORT", "STATUS"}) ==
                  CONTROL_OK &&
              strcmp(fields_text(&a.fields, "none", "state"), "none") != 0;
    memset(j, 0, sizeof *j);
    snprintf(j->info, sizeof j->info, "%s", fields_text(&a.fields, "", "info"));
    snprintf(j->token, sizeof j->token, "%s", fields_text(&a.fields, "", "token"));
    control_answer_free(&a);
    char *line = xstrdup(j->info), *word = strtok_r(line, " ", &rest);
    ok = ok && word && url_read(&j->source, word, why, sizeof why) &&
         job_dir(c, instance, false, true, j->dir);
    while (ok && (word = strtok_r(NULL, " ", &rest)) && j->word_count < JOB_WORDS)
        j->words[j->word_count++] = xstrdup(word);
    free(line);
    j->instance = instance;
    j->insecure = c->insecure;
    j->begun = true;
    snprintf(j->dir, sizeof j->dir, "%s", dir);
    return ok;
}

static int resume(const struct cli *c, const char *dir, unsigned instance) {
    struct job j;
    bool known = job_read(&j, dir) && (j.begun || j.wanted);
    if (!known) {
        job_free(&j);
        known = !c->exporting && adopt(c, &j, dir, instance);
    }
    int status = CLI_NO;
    if (!known) {
        fprintf(stderr, "hactl: there is nothing to resume for instance %u\n", instance);
    } else if (import_password(c, &j.source)) {
        j.wanted = true;
        if (c->skip_unsupported) j.skip_unsupported = true;
        if (c->force) j.force = true;
        status = import_job_run(c, &j);
    }
    job_free(&j);
    return status;
}

int import_verb(struct cli *c) {
    char dir[JOB_PATH];
    unsigned instance = 0;
    const char *verb = c->argv[0];
    if (strcmp(verb, "run") == 0) return import_run(c);
    if (strcmp(verb, "tick") == 0) return cli_import_tick(c);
    if (strcmp(verb, "adopt") == 0) return import_adopt(c);
    if (!import_which(c, &instance, dir)) return CLI_NO;
    if (strcmp(verb, "status") == 0) return import_status(c, dir, instance);
    if (strcmp(verb, "cutover") == 0) return cutover(c, dir);
    if (strcmp(verb, "abort") == 0) return abort_it(c, dir, instance);
    if (strcmp(verb, "resume") == 0) return resume(c, dir, instance);
    fprintf(stderr, "hactl: there is no such thing to do: '%s'\n", verb);
    return CLI_USAGE;
}

bool import_is_verb(const char *word) {
    static const char *const verbs[] = {"status", "cutover", "abort", "resume",
                                        "run",    "tick",    "adopt"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(word, verbs[i]) == 0) return true;
    return false;
}

int cli_import_live(struct cli *c) {
    return url_is(c->argv[0]) ? begin(c) : import_verb(c);
}
