/* How far an import or an export is. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/cli_backup.h"
#include "hactl/cli_import_live.h"
#include "server/base/clock.h"
#include "server/base/file.h"

enum { LOOK_MS = 100, START_MS = 5000, BAR = 24, LINE_EACH_MS = 10000 };

static volatile sig_atomic_t interrupted;

static void on_signal(int sig) {
    (void)sig;
    interrupted = 1;
}

static enum phase phase_of(const struct fields *f) {
    const char *name = fields_text(f, "", "phase");
    for (int i = 0; i < PHASES; i++)
        if (strcmp(name, phase_names[i]) == 0) return (enum phase)i;
    return PHASE_CONNECT;
}

static bool is_over(enum phase p) {
    return p == PHASE_DONE || p == PHASE_ENDED || p == PHASE_FAILED;
}

/* "copying [####....] 42 %, 12 MB of 30 MB, 3.1 MB/s, 6 s left" */
static void line_of(const struct fields *f, char *out, size_t size) {
    char bar[BAR + 1];
    uint64_t done = (uint64_t)fields_number(f, 0, "done_bytes");
    uint64_t all = (uint64_t)fields_number(f, 0, "all_bytes");
    int64_t percent = fields_number(f, 0, "percent"), left = fields_number(f, 0, "left_s");
    if (phase_of(f) == PHASE_FOLLOW) {
        snprintf(out, size, "following%s: %s behind (%.1f s); %lld commands taken",
                 fields_true(f, "copied_anew") ? " (copied anew)" : "",
                 size_text((uint64_t)fields_number(f, 0, "lag_bytes")),
                 (double)fields_number(f, 0, "lag_ms") / 1000,
                 (long long)fields_number(f, 0, "commands"));
        return;
    }
    if (!all) {
        snprintf(out, size, "%s%s%s", fields_text(f, "", "text"), done ? ", " : "",
                 done ? size_text(done) : "");
        return;
    }
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(percent * BAR / 100));
    bar[BAR] = '\0';
    snprintf(out, size, "%s [%s] %lld %%, %s of %s, %s/s%s%s", fields_text(f, "", "phase"), bar,
             (long long)percent, size_text(done), size_text(all),
             size_text((uint64_t)fields_number(f, 0, "bytes_a_second")), left ? ", left " : "",
             left ? span_text(left * 1000000) : "");
}

static void show(const struct fields *f, bool terminal, uint64_t *said_ms, enum phase *said) {
    char line[400];
    uint64_t now = clock_boot_ms();
    bool news = phase_of(f) != *said;
    if (!terminal && !news && now - *said_ms < LINE_EACH_MS) return;
    *said_ms = now;
    *said = phase_of(f);
    line_of(f, line, sizeof line);
    fprintf(stderr, terminal ? "\r%s\033[K" : "%s\n", line);
}

static void print_inventory(const char *dir, FILE *to) {
    struct buf text = BUF_INIT;
    char path[JOB_PATH + 20];
    snprintf(path, sizeof path, "%s/inventory", dir);
    if (file_read_all(path, &text, 1 << 20)) fwrite(buf_head(&text), 1, buf_len(&text), to);
    buf_free(&text);
}

static int say_end(const struct cli *c, const char *dir, const struct fields *f) {
    const char *text = fields_text(f, "", "text");
    bool failed = phase_of(f) == PHASE_FAILED;
    if (failed) print_inventory(dir, stderr);
    if (failed)
        fprintf(stderr, "hactl: %s\n", text);
    else if (!c->json)
        printf("%s\n", text);
    return failed ? CLI_NO : CLI_OK;
}

static int watch(const struct cli *c, const char *dir, enum phase until, uint64_t end_ms) {
    bool terminal = isatty(STDERR_FILENO) && !c->json;
    uint64_t said_ms = 0, gone_ms = 0;
    enum phase said = PHASES;
    for (;; usleep(LOOK_MS * 1000)) {
        struct fields f;
        bool there = job_progress(dir, &f), runs = job_runs(dir);
        enum phase p = phase_of(&f);
        if (there && is_over(p) && !runs) {
            if (terminal) fprintf(stderr, "\r\033[K");
            int status = say_end(c, dir, &f);
            fields_free(&f);
            return status;
        }
        if (there && !is_over(p) && !c->json) show(&f, terminal, &said_ms, &said);
        fields_free(&f);
        if (there && p == until) return CLI_OK;
        if (interrupted) {
            fprintf(stderr, "\nIt goes on by itself; `hactl import status` shows how far it is\n");
            return CLI_OK;
        }
        if (clock_boot_ms() > end_ms) return CLI_UNKNOWN;
        if (runs) gone_ms = 0;
        if (!runs && !gone_ms) gone_ms = clock_boot_ms();
        if (!runs && clock_boot_ms() - gone_ms > START_MS) {
            fprintf(stderr,
                    "hactl: its process has ended; %s/log may tell why. `hactl import "
                    "resume` goes on\n",
                    dir);
            return CLI_NO;
        }
    }
}

int import_watch(const struct cli *c, const char *dir, enum phase until, int timeout_ms) {
    struct sigaction ours = {.sa_handler = on_signal}, old;
    interrupted = 0;
    sigaction(SIGINT, &ours, &old);
    int status =
        watch(c, dir, until, timeout_ms ? clock_boot_ms() + (uint64_t)timeout_ms : UINT64_MAX);
    sigaction(SIGINT, &old, NULL);
    return status;
}

int import_status(const struct cli *c, const char *dir, unsigned instance) {
    struct fields f;
    char line[400];
    if (!job_progress(dir, &f)) {
        fields_free(&f);
        fprintf(stderr, "hactl: no %s of instance %u was begun on this node\n",
                c->exporting ? "export" : "import", instance);
        return CLI_NO;
    }
    bool runs = job_runs(dir), over = is_over(phase_of(&f));
    fields_add_true(&f, runs, "running");
    if (c->json) {
        struct buf out = BUF_INIT;
        fields_json(&f, &out);
        fwrite(buf_head(&out), 1, buf_len(&out), stdout);
        buf_free(&out);
    } else {
        line_of(&f, line, sizeof line);
        printf("%s of %s into instance %u\n", c->exporting ? "export" : "import",
               fields_text(&f, "", "info"), instance);
        printf("%s\n", over ? fields_text(&f, "", "text") : line);
        if (!runs && !over) printf("its process does not run; `hactl import resume` goes on\n");
    }
    fields_free(&f);
    return CLI_OK;
}
