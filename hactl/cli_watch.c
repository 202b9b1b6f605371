#include "hactl/cli_watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hactl/backup_conf.h"
#include "hactl/cli_backup.h"
#include "hactl/cli_control.h"
#include "hactl/had_conf.h"
#include "hactl/moment.h"
#include "hactl/report.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"

#define ANSWER_MS      5000
#define FILE_LIMIT     4096
#define CLOCK_EACH_MS  300000
#define CLOCK_LIMIT_MS 2000

/* ---- small files of fields ---- */

static bool read_fields(const struct cli *c, const char *name, struct fields *out) {
    char path[512];
    struct buf text = BUF_INIT;
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "%s/%s", c->root, name);
    bool good =
        file_read_all(path, &text, FILE_LIMIT) && fields_read(out, buf_head(&text), buf_len(&text));
    buf_free(&text);
    return good;
}

static bool keep_fields(const struct cli *c, const char *name, const struct fields *f) {
    char path[512];
    struct buf text = BUF_INIT;
    snprintf(path, sizeof path, "%s/%s", c->root, name);
    fields_lines(f, &text);
    bool good = file_replace(path, buf_head(&text), buf_len(&text), 0600);
    buf_free(&text);
    return good;
}

static int ask(const struct cli *c, const char *request, bool quiet) {
    struct cli_answer a;
    int status = cli_ask(c, request, ANSWER_MS, &a);
    if (status != CLI_OK) return status;
    if (!a.ok && !quiet) fprintf(stderr, "hactl: %s\n", a.sentence);
    if (a.ok && c->json && !quiet) printf("{\"ok\": true}\n");
    if (a.ok && !c->json && !quiet) printf("%s\n", a.sentence);
    status = a.ok ? CLI_OK : CLI_NO;
    cli_answer_free(&a);
    return status;
}

/* ---- maintenance ---- */

#define MAINTENANCE "data/maintenance"

void maintenance_fields(const struct cli *c, struct fields *f) {
    struct fields kept;
    if (fields_true(f, "node.maintenance") && read_fields(c, MAINTENANCE, &kept)) {
        fields_add_number(f, fields_number(&kept, 0, "until_ms"), "maintenance.until_ms");
        fields_add_text(f, fields_text(&kept, "", "reason"), "maintenance.reason");
        fields_free(&kept);
    }
}

static int maintenance_on(struct cli *c) {
    struct fields kept = {0};
    int64_t ms = c->for_span ? span_parse_ms(c->for_span) : 0;
    char reason[160] = "";
    if (c->for_span && !ms) {
        fprintf(stderr, "hactl: --for wants a time as 90s, 30m, 2h or 1d, not '%s'\n", c->for_span);
        return CLI_USAGE;
    }
    for (int i = 1; i < c->argc; i++)
        snprintf(reason + strlen(reason), sizeof reason - strlen(reason), "%s%s", i > 1 ? " " : "",
                 c->argv[i]);
    int status = ask(c, "maintenance on", false);
    if (status != CLI_OK) return status;
    fields_add_number(&kept, ms ? clock_wall_ms() + ms : 0, "until_ms");
    fields_add_text(&kept, reason, "reason");
    bool good = keep_fields(c, MAINTENANCE, &kept);
    fields_free(&kept);
    if (!good)
        fprintf(stderr, "hactl: maintenance is on, but its end and reason cannot be kept: %s%s\n",
                strerror(errno), ms ? "; it does not end by itself" : "");
    return good || !ms ? CLI_OK : CLI_NO;
}

static int maintenance_off(const struct cli *c, bool quiet) {
    char path[512];
    int status = ask(c, "maintenance off", quiet);
    snprintf(path, sizeof path, "%s/" MAINTENANCE, c->root);
    if (status == CLI_OK) unlink(path);
    return status;
}

int cli_maintenance(struct cli *c) {
    if (strcmp(c->argv[0], "on") == 0) return maintenance_on(c);
    if (strcmp(c->argv[0], "off") == 0) return maintenance_off(c, false);
    fprintf(stderr, "hactl: maintenance is 'on' or 'off', not '%s'\n", c->argv[0]);
    return CLI_USAGE;
}

/* The wall clock decides, as the operator meant it. */
static void maintenance_tick(const struct cli *c) {
    struct fields kept;
    if (!read_fields(c, MAINTENANCE, &kept)) return;
    int64_t until = fields_number(&kept, 0, "until_ms");
    if (until && clock_wall_ms() >= until && maintenance_off(c, true) == CLI_OK)
        log_notice("maintenance ends: its time is over");
    fields_free(&kept);
}

/* ---- comparisons ---- */

#define COMPARED "data/compared"

int64_t compare_age_ms(const struct cli *c) {
    struct fields kept;
    int64_t at = 0;
    if (read_fields(c, COMPARED, &kept)) at = fields_number(&kept, 0, "at_ms");
    fields_free(&kept);
    return at ? clock_wall_ms() - at : INT64_MAX;
}

void compare_keep(const struct cli *c, bool differs, const char *text) {
    struct fields kept = {0};
    fields_add_number(&kept, clock_wall_ms(), "at_ms");
    fields_add_true(&kept, differs, "differs");
    fields_add_text(&kept, text, "text");
    if (!keep_fields(c, COMPARED, &kept)) log_warning("%s: %s", COMPARED, strerror(errno));
    fields_free(&kept);
}

int64_t compare_every_ms(const struct cli *c) {
    static struct had_conf conf;
    struct conf_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    return had_conf_read(&conf, path, &err) ? conf.compare_every_ms : 0;
}

/* ---- the tick ---- */

static void notice(const struct cli *c, const char *id, bool on, const char *text) {
    struct buf request = BUF_INIT;
    buf_printf(&request, "notice %s %s ", id, on ? "on" : "off");
    put_quoted(&request, text);
    ask(c, buf_cstr(&request), true);
    buf_free(&request);
}

static void look_at_disks(const struct cli *c) {
    const char *const words[] = {"STATUS"};
    char text[160] = "the data partition has room";
    bool low = false;
    for (unsigned i = 0; i < BACKUP_INSTANCES; i++) {
        struct control_answer a;
        if (control_ask(c->root, i, &a, 1, words) == CONTROL_OK &&
            strcmp(fields_text(&a.fields, "0", "disk_low"), "0") != 0) {
            snprintf(text, sizeof text, "the data partition is nearly full: %lld MB are free",
                     (long long)(fields_number(&a.fields, 0, "disk_free_bytes") >> 20));
            low = true;
        }
        control_answer_free(&a);
    }
    notice(c, "disk-low", low, text);
}

static void look_at_backups(const struct cli *c) {
    char text[160] = "the backups that were due were made";
    bool failed = false;
    for (unsigned i = 0; i < BACKUP_INSTANCES && !failed; i++)
        if (backup_tick_failed_us(c, i)) {
            failed = true;
            snprintf(text, sizeof text, "the backup of instance %u that was due failed at %s", i,
                     wall_text(backup_tick_failed_us(c, i)));
        }
    notice(c, "backup-failed", failed, text);
}

static void look_at_data(struct cli *c) {
    struct fields kept;
    struct cli_answer a;
    int64_t every = compare_every_ms(c);
    if (every && compare_age_ms(c) > every && cli_ask(c, "status", ANSWER_MS, &a) == CLI_OK) {
        bool now = fields_true(&a.fields, "node.serving") && fields_true(&a.fields, "sync.in_sync");
        cli_answer_free(&a);
        c->argc = 0;
        if (now) cli_compare(c);
    }
    if (!read_fields(c, COMPARED, &kept)) return;
    notice(c, "data-differs", fields_true(&kept, "differs"), fields_text(&kept, "", "text"));
    fields_free(&kept);
}

static void look_at_clocks(const struct cli *c) {
    struct fields seen, there = {0};
    char text[160] = "the two nodes' clocks agree";
    int64_t boot = (int64_t)clock_boot_ms(), last = INT64_MIN / 2;
    if (read_fields(c, "run/clocks", &seen)) last = fields_number(&seen, last, "boot_ms");
    fields_free(&seen);
    if (last <= boot && boot - last < CLOCK_EACH_MS) return;
    int64_t before = clock_wall_ms();
    if (peer_report(c, &there)) {
        int64_t after = clock_wall_ms(), its = fields_number(&there, before, "node.wall_ms");
        int64_t off = its < before ? before - its : its > after ? its - after : 0;
        if (off > CLOCK_LIMIT_MS)
            snprintf(text, sizeof text, "the two nodes' clocks are %lld s apart",
                     (long long)off / 1000);
        notice(c, "clock-differs", off > CLOCK_LIMIT_MS, text);
    }
    fields_free(&there);
    memset(&seen, 0, sizeof seen);
    fields_add_number(&seen, boot, "boot_ms");
    keep_fields(c, "run/clocks", &seen);
    fields_free(&seen);
}

static void look_at_step(const struct cli *c) {
    char text[160] = "the clock is followed";
    int64_t step_ms = clock_step_ms(c);
    if (step_ms)
        snprintf(text, sizeof text,
                 "the clock has stepped by %lld s, and keys expire by the time "
                 "before it",
                 (long long)step_ms / 1000);
    notice(c, "clock-step", step_ms != 0, text);
}

int cli_watch(struct cli *c) {
    if (strcmp(c->argv[0], "tick") != 0) return CLI_USAGE;
    log_set_name("steward");
    c->json = true; /* no progress */
    maintenance_tick(c);
    look_at_disks(c);
    look_at_backups(c);
    look_at_clocks(c);
    look_at_step(c);
    look_at_data(c);
    return CLI_OK;
}
