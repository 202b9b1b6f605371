/* hactl tail replay, on the node that has the tail: looks at the master's keys, asks, has it played there. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hactl/cli_control.h"
#include "hactl/cli_tail.h"

#define ASK_MS 5000

enum { WORDS = 12 };

static bool collect(void *arg, const void *p, size_t n) {
    buf_add(arg, p, n);
    return true;
}

/* Is the master here, or there? -1 after a complaint. */
static int master_is_here(const struct cli *c) {
    struct cli_answer a;
    if (cli_ask(c, "status", ASK_MS, &a) != CLI_OK) return -1;
    bool here = fields_true(&a.fields, "node.serving");
    bool there = strcmp(fields_text(&a.fields, "", "peer.state"), "master") == 0;
    cli_answer_free(&a);
    if (here || there) return here;
    fprintf(stderr, "hactl: no node of the pair is master now: `hactl status` says why; replay it "
                    "when one serves\n");
    return -1;
}

/* Runs `hactl --root ROOT WORDS` here, with the file as its standard input. */
static int run_here(const struct cli *c, char *const *words, int count, int in, struct buf *out) {
    char *argv[WORDS + 4] = {(char[]){"hactl"}, (char[]){"--root"}, xstrdup(c->root)};
    int pipes[2], status = -1;
    for (int i = 0; i < count; i++) argv[3 + i] = words[i];
    fflush(stdout);
    if (pipe(pipes) != 0) return CLI_NO;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in, STDIN_FILENO);
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    close(pipes[1]);
    for (ssize_t n = 1; pid > 0 && n > 0;) {
        n = read(pipes[0], buf_room(out, 4096), 4096);
        if (n > 0) buf_added(out, (size_t)n);
    }
    close(pipes[0]);
    free(argv[2]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return CLI_NO;
    return WEXITSTATUS(status);
}

/* A step on the master; what it says becomes fields. */
static int play(const struct cli *c, const struct tail_found *t, bool here, const char *step,
                struct fields *said) {
    char *path = tail_path(c->root, t, "resp"), number[16], id[TAIL_ID_CHARS];
    static char only_missing[] = "--only-missing", force[] = "--force", keys[] = "--keys";
    char *words[WORDS];
    struct buf out = BUF_INIT;
    int n = 0, fd = open(path, O_RDONLY | O_CLOEXEC), status = CLI_NO;
    snprintf(number, sizeof number, "%u", t->instance);
    snprintf(id, sizeof id, "%s", t->report.id);
    words[n++] = (char[]){"tail"};
    words[n++] = (char[]){"play"};
    words[n++] = (char *)(uintptr_t)step;
    words[n++] = id;
    words[n++] = (char[]){"--instance"};
    words[n++] = number;
    if (c->only_missing) words[n++] = only_missing;
    if (c->force) words[n++] = force;
    if (c->keys) words[n++] = keys;
    if (c->keys) words[n++] = (char *)(uintptr_t)c->keys;
    struct cli_peer_io io = {.in = fd, .out = collect, .arg = &out};
    if (fd < 0)
        fprintf(stderr, "hactl: %s cannot be read\n", path);
    else
        status = here ? run_here(c, words, n, fd, &out) : cli_peer_run(c, words, n, &io);
    if (status == CLI_OK && buf_len(&out)) fields_read(said, buf_head(&out), buf_len(&out));
    if (fd >= 0) close(fd);
    buf_free(&out);
    free(path);
    return status;
}

static long long number(const struct fields *f, const char *name) {
    return (long long)fields_number(f, 0, "%s", name);
}

static void say_look(const struct cli *c, const struct tail_found *t, const struct fields *f) {
    printf("Tail %s: %lld commands to %lld keys; %lld of these keys are on the master now%s\n",
           t->report.id, number(f, "commands"), number(f, "keys"), number(f, "keys_there"),
           number(f, "keys_there") == 0 ? "."
           : c->only_missing            ? ", and are left as they are:"
                                        : " and would be changed:");
    for (int i = 0; *fields_text(f, "", "there.%d", i); i++)
        printf("  %s\n", fields_text(f, "", "there.%d", i));
    if (number(f, "keys_there") > 20) printf("  ... and %lld more\n", number(f, "keys_there") - 20);
    if (number(f, "without_keys"))
        printf("%lld commands have no keys (FLUSHALL and the like): %s.\n",
               number(f, "without_keys"),
               c->force && !c->keys && !c->only_missing ? "THEY ARE PLAYED TOO, by --force"
                                                        : "they are left out");
    if (c->keys) printf("Of the commands, those with a key like %s are played.\n", c->keys);
}

static void say_played(const struct cli *c, struct fields *f) {
    if (c->json) {
        struct buf out = BUF_INIT;
        fields_json(f, &out);
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
        buf_free(&out);
        return;
    }
    printf("%lld commands were played", number(f, "played"));
    if (number(f, "played_before"))
        printf(" (an earlier attempt had come to number %lld)", number(f, "played_before"));
    printf(", %lld left out, %lld failed on the master.\n", number(f, "left_out"),
           number(f, "failed"));
    for (int i = 0; *fields_text(f, "", "failures.%d", i); i++)
        printf("  %s\n", fields_text(f, "", "failures.%d", i));
    if (!fields_true(f, "safe"))
        printf("The other node does not have all of it yet: see hactl status.\n");
}

static void note_done(const struct cli *c, const struct tail_found *t, const struct fields *f) {
    char text[160], when[32];
    time_t now = time(NULL);
    struct tm tm;
    struct control_answer a;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", gmtime_r(&now, &tm));
    snprintf(text, sizeof text, "replayed at %s UTC: %lld commands, %lld left out, %lld failed",
             when, number(f, "played") + number(f, "played_before"), number(f, "left_out"),
             number(f, "failed"));
    const char *words[] = {"TAILS", "DONE", t->report.id, text};
    if (control_ask(c->root, t->instance, &a, 4, words) != CONTROL_OK)
        fprintf(stderr, "hactl: it is played, and that could not be noted: %s\n", a.text);
    control_answer_free(&a);
}

int cli_tail_replay(struct cli *c, const struct tail_found *t) {
    struct fields look = {0}, said = {0};
    char sentence[64];
    if (t->whole) {
        fprintf(stderr,
                "hactl: %s is a whole log, not a tail: `hactl tail show %s` says how to "
                "look into it\n",
                t->report.id, t->report.id);
        return CLI_NO;
    }
    int here = master_is_here(c);
    if (here < 0) return CLI_NO;
    int status = play(c, t, here, "look", &look);
    if (status != CLI_OK) goto end;
    if (c->json && c->dry_run)
        say_played(c, &look);
    else if (!c->json)
        say_look(c, t, &look);
    if (c->dry_run) goto end;
    snprintf(sentence, sizeof sentence, "replay %s", t->report.id);
    if (!cli_confirmed(c, sentence)) {
        status = cli_not_confirmed(sentence);
        goto end;
    }
    /* Written down once: a second attempt finds keys that the first one made. */
    if (c->only_missing && !fields_number(&look, 0, "begun"))
        status = play(c, t, here, "mark", &said);
    fields_free(&said);
    memset(&said, 0, sizeof said);
    if (status == CLI_OK) status = play(c, t, here, "apply", &said);
    if (status == CLI_OK) {
        if (!c->keys) note_done(c, t, &said); /* with --keys there may be more to do */
        say_played(c, &said);
    } else {
        fprintf(stderr, "hactl: the replay has not come to its end: call it again, it goes on "
                        "where it was\n");
    }
end:
    fields_free(&look);
    fields_free(&said);
    return status;
}
