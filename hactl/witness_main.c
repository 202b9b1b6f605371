/* `duet witness`: the lease on a third machine, for pairs whose nodes may lose each other. Arguments, start, end,
 * and the two small verbs `key` and `status`. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hactl/cli_fields.h"
#include "hactl/witness_pairs.h"
#include "hactl/witness_serve.h"
#include "hactl/witness_wire.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/loop.h"
#include "server/base/num.h"
#include "server/base/rand.h"
#include "server/base/sock.h"

#define DEFAULT_STATE     "/var/lib/duet-witness"
#define DEFAULT_PAIRS     "/etc/duet-witness.pairs"
#define STATUS_TIMEOUT_MS 3000

int witness_main(int argc, char **argv);

static const char help_text[] =
    "usage: duet witness [--listen ADDRESS:PORT] [--state DIR] [--pairs FILE] [--check]\n"
    "       duet witness status [--state DIR] [--json]\n"
    "       duet witness key\n"
    "\n"
    "Keeps a lease for each of many pairs, on any third machine: of two nodes that do not hear "
    "each\n"
    "other, only the one that has its pair's lease serves.\n"
    "\n"
    "  --listen ADDRESS:PORT  UDP; * is every address of this machine (default: *:7810)\n"
    "  --state DIR            who holds the leases, kept over restarts (default: " DEFAULT_STATE
    ")\n"
    "  --pairs FILE           a line `pair NUMBER KEY [NAME]` for each pair, or a directory of "
    "files\n"
    "                         that end in .pairs (default: " DEFAULT_PAIRS ")\n"
    "  --node-conf FILE       a node's duet.conf in its place: lines `pair` and `listen "
    "ADDRESS:PORT` in\n"
    "                         [witness]; a node that has the section runs its witness by itself\n"
    "  --check                reads the pairs, says what is wrong, starts nothing\n"
    "  --json                 the status as JSON\n"
    "  --help                 this text\n"
    "\n"
    "`key` prints a new key of 64 hexadecimal digits. The same one stands in both nodes' "
    "duet.conf, in\n"
    "[ha]: witness ADDRESS PORT KEY. SIGHUP reads the pairs again, SIGTERM ends it. The state of a "
    "pair\n"
    "must not be removed while the pair is in trouble: it says who may serve.\n"
    "\n"
    "Exit status: 0 ended by a signal, or done; 1 it could not start, or no witness answers; 2 "
    "usage.\n";

struct words {
    struct witness_options options;
    char host[64];
    bool check, json;
};

static int usage(const char *what, const char *word) {
    fprintf(stderr, "witness: %s '%s'; `duet witness --help` lists the options\n", what, word);
    return 2;
}

/* 0, or the exit status plus one. */
static int read_words(struct words *w, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char **to = strcmp(argv[i], "--state") == 0       ? &w->options.state
                          : strcmp(argv[i], "--pairs") == 0     ? &w->options.pairs
                          : strcmp(argv[i], "--node-conf") == 0 ? &w->options.pairs
                                                                : NULL;
        bool listen = strcmp(argv[i], "--listen") == 0;
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help_text, stdout);
            return 1;
        } else if (strcmp(argv[i], "--json") == 0) {
            w->json = true;
        } else if (strcmp(argv[i], "--check") == 0) {
            w->check = true;
        } else if (!to && !listen) {
            return usage("there is no option", argv[i]) + 1;
        } else if (i + 1 == argc) {
            return usage("a value is missing after", argv[i]) + 1;
        } else if (to) {
            w->options.node |= strcmp(argv[i], "--node-conf") == 0;
            *to = argv[++i];
        } else if (!witness_listen_read(argv[++i], w->host, &w->options.port)) {
            return usage("--listen wants ADDRESS:PORT, not", argv[i]) + 1;
        }
    }
    if (strlen(w->options.state) < 200) return 0;
    return usage("the directory's name is too long:", w->options.state) + 1;
}

/* ---- key and status ---- */

static int make_key(void) {
    uint8_t key[WITNESS_KEY];
    char text[2 * WITNESS_KEY + 1];
    rand_bytes(key, sizeof key);
    num_to_hex(text, key, sizeof key);
    puts(text);
    return 0;
}

static void show_pair(const struct fields *f, int i) {
    int64_t renewed = fields_number(f, -1, "pairs.%d.renewed_ms", i);
    const char *name = fields_text(f, "", "pairs.%d.name", i);
    printf("pair %lld%s%s: ", (long long)fields_number(f, 0, "pairs.%d.number", i),
           *name ? " " : "", name);
    if (fields_true(f, "pairs.%d.damaged", i)) {
        puts("its state on this machine's disk is damaged; the log says what to do");
        return;
    }
    const char *holder = fields_text(f, "", "pairs.%d.holder", i);
    if (!*holder)
        printf("no master has been seen yet");
    else
        printf("node %s holds the lease, epoch %lld", holder,
               (long long)fields_number(f, 0, "pairs.%d.epoch", i));
    if (renewed >= 0) printf(", renewed %lld ms ago", (long long)renewed);
    for (const char *n = "ab"; *n; n++) {
        int64_t asked = fields_number(f, -1, "pairs.%d.%c.asked_ms", i, *n);
        if (asked < 0)
            printf("; %c never asked", *n);
        else
            printf("; %c asked %lld ms ago", *n, (long long)asked);
    }
    printf("; granted %lld, refused %lld, repeated %lld, forged %lld\n",
           (long long)fields_number(f, 0, "pairs.%d.granted", i),
           (long long)fields_number(f, 0, "pairs.%d.refused", i),
           (long long)fields_number(f, 0, "pairs.%d.repeated", i),
           (long long)fields_number(f, 0, "pairs.%d.forged", i));
}

static int no_witness(const char *path, const char *why) {
    fprintf(
        stderr,
        "witness: no witness answers at %s: %s; start it, or name its directory with --state DIR\n",
        path, why);
    return 1;
}

static int show_status(const struct words *w) {
    struct buf in = BUF_INIT, out = BUF_INIT;
    struct fields f = {0};
    char path[300];
    long n = 1;
    snprintf(path, sizeof path, "%s/witness.sock", w->options.state);
    int fd = sock_connect_unix(path, NULL);
    if (fd < 0) return no_witness(path, strerror(errno));
    if (!sock_send_all(fd, "status\n", 7, STATUS_TIMEOUT_MS)) n = -1;
    while (n > 0) {
        n = sock_recv_some(fd, buf_room(&in, 65536), 65536, STATUS_TIMEOUT_MS);
        if (n > 0) buf_added(&in, (size_t)n);
    }
    close(fd);
    const char *text = buf_cstr(&in), *lines = strchr(text, '\n');
    if (n < 0 || *text != '+' || !lines)
        return no_witness(path, n < 0 ? strerror(errno) : "its answer makes no sense");
    fields_read(&f, lines + 1, strlen(lines + 1));
    if (w->json) {
        fields_json(&f, &out);
        puts(buf_cstr(&out));
    } else {
        for (int i = 0; fields_number(&f, -1, "pairs.%d.number", i) >= 0; i++) show_pair(&f, i);
    }
    fields_free(&f);
    buf_free(&in);
    buf_free(&out);
    return 0;
}

/* ---- the process ---- */

static void on_end(struct loop *l, void *arg, int signo) {
    (void)arg;
    log_notice("told to end by signal %d", signo);
    loop_stop(l);
}

static void on_reload(struct loop *l, void *arg, int signo) {
    (void)l, (void)signo;
    witness_reload(arg);
}

static int serve(const struct words *w) {
    enum { BEFORE_OTHERS = -10 };
    struct witness_error err;
    /* A witness that waits for the processor misses the second in which it is asked. It may not be let; then it is not. */
    setpriority(PRIO_PROCESS, 0, BEFORE_OTHERS);
    struct loop *l = loop_new();
    struct witness *witness = witness_new(l, &w->options, &err);
    if (!witness) {
        log_error("the witness cannot start: %s", err.text);
        loop_free(l);
        return 1;
    }
    struct loop_signal *signals[] = {loop_signal_new(l, SIGTERM, on_end, NULL),
                                     loop_signal_new(l, SIGINT, on_end, NULL),
                                     loop_signal_new(l, SIGHUP, on_reload, witness)};
    loop_run(l);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) loop_signal_free(signals[i]);
    witness_free(witness);
    loop_free(l);
    return 0;
}

int witness_main(int argc, char **argv) {
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : "";
    struct words w = {
        .options = {.port = WITNESS_PORT, .state = DEFAULT_STATE, .pairs = DEFAULT_PAIRS},
        .host = "*"};
    w.options.host = w.host;
    bool key = strcmp(verb, "key") == 0, status = strcmp(verb, "status") == 0;
    if (*verb && !key && !status) return usage("there is no verb", verb);
    int ends = *verb ? read_words(&w, argc - 1, argv + 1) : read_words(&w, argc, argv);
    if (ends) return ends - 1;
    if (key) return make_key();
    if (status) return show_status(&w);
    log_set_name("witness");
    signal(SIGPIPE, SIG_IGN);
    return w.check ? witness_check(&w.options) : serve(&w);
}
