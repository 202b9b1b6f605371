/* hactl metrics: what there is to measure on this node, gathered from had, the servers and the disk. The steward serves the
 * same text over HTTP (steward_metrics.c). */
#include "hactl/cli_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build/version.h"
#include "hactl/cli.h"
#include "hactl/cli_backup.h"
#include "hactl/cli_control.h"
#include "hactl/had_conf.h"
#include "hactl/cli_metrics_text.h"
#include "server/base/buf.h"
#include "server/base/clock.h"

#define ANSWER_MS 2000

/* "name:value" lines, those with a number. */
static void take_info(const struct buf *text, struct fields *out) {
    const char *p = buf_head(text), *end = p + buf_len(text);
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *stop = nl ? nl : end, *colon = memchr(p, ':', (size_t)(stop - p));
        char name[64], digits[32];
        if (colon && colon - p < 60) {
            snprintf(name, sizeof name, "%.*s", (int)(colon - p), p);
            snprintf(digits, sizeof digits, "%.*s", (int)strcspn(colon + 1, "\r\n"), colon + 1);
            if (*digits >= '0' && *digits <= '9') fields_add_text(out, digits, "%s", name);
        }
        p = stop + 1;
    }
}

static int64_t backup_age_s(const char *root, int number) {
    struct stored_set *list;
    int64_t newest = 0;
    size_t count = sets_list(root, number, &list);
    for (size_t i = 0; i < count; i++)
        if (list[i].readable && list[i].set.begin_us > newest) newest = list[i].set.begin_us;
    free(list);
    return newest ? (clock_wall_us() - newest) / 1000000 : -1;
}

static void gather_instances(const struct cli *c, struct metrics_input *in) {
    static struct had_conf conf;
    struct conf_error err;
    char path[512];
    snprintf(path, sizeof path, "%s/etc/duet.conf", c->root);
    if (!had_conf_read(&conf, path, &err)) return;
    for (int i = 0; i < conf.instance_count && i < METRICS_INSTANCES; i++) {
        const char *const words[] = {"STATUS"};
        struct control_answer a;
        struct buf info = BUF_INIT;
        int number = conf.instances[i].number;
        in->instance[i].number = number;
        if (control_ask(c->root, (unsigned)number, &a, 1, words) == CONTROL_OK) {
            in->instance[i].duet = a.fields;
            memset(&a.fields, 0, sizeof a.fields);
            if (control_info(c->root, (unsigned)number, &info))
                take_info(&info, &in->instance[i].info);
        }
        control_answer_free(&a);
        buf_free(&info);
        in->instance[i].backup_age_s = backup_age_s(c->root, number);
        in->instances = i + 1;
    }
}

static void gather_machine(const struct cli *c, struct metrics_input *in) {
    struct statvfs st;
    char path[512];
    snprintf(path, sizeof path, "%s/data", c->root);
    in->uptime_s = (int64_t)(clock_boot_ms() / 1000);
    in->watchdog = access("/dev/watchdog", F_OK) == 0;
    if (statvfs(path, &st) != 0) return;
    in->data_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    in->data_free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
}

void metrics_gather(const struct cli *c, struct buf *out) {
    static struct metrics_input in; /* large */
    struct cli_answer a;
    struct cli quiet = *c;
    memset(&in, 0, sizeof in);
    quiet.quiet = true;
    in.version = DUET_VERSION;
    if (cli_ask(&quiet, "status", ANSWER_MS, &a) == CLI_OK) {
        in.had = a.fields;
        memset(&a.fields, 0, sizeof a.fields);
        cli_answer_free(&a);
    }
    gather_instances(c, &in);
    gather_machine(c, &in);
    metrics_text(&in, out);
    fields_free(&in.had);
    for (int i = 0; i < in.instances; i++) {
        fields_free(&in.instance[i].duet);
        fields_free(&in.instance[i].info);
    }
}

int cli_metrics(struct cli *c) {
    struct buf out = BUF_INIT;
    if (c->json) {
        fprintf(stderr, "hactl: metrics are Prometheus's text; hactl status --json is JSON\n");
        return CLI_USAGE;
    }
    metrics_gather(c, &out);
    fwrite(buf_head(&out), 1, buf_len(&out), stdout);
    buf_free(&out);
    return CLI_OK;
}
