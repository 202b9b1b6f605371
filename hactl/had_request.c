/* What hactl asks had: a table of requests. A new request is a row and a function. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hactl/had.h"
#include "server/base/buf.h"
#include "server/base/num.h"

struct request {
    struct had *had;
    uint32_t id;
    int argc;
    char **argv;
    struct buf *sentence, *fields;
};

struct row {
    const char *name;
    int min, max; /* words after the name */
    enum request_verdict (*fn)(struct request *r);
};

static enum request_verdict refuse(struct request *r, const char *why) {
    buf_add_str(r->sentence, why);
    return REQUEST_NO;
}

/* An operator's command goes through the decision core, which answers it. */
static enum request_verdict command(struct request *r, enum ha_command what, uint32_t timeout_ms) {
    struct ha_event ev = {.kind = HA_EV_OPERATOR,
                          .op = {.command = what, .id = r->id, .timeout_ms = timeout_ms}};
    had_event(r->had, EVENT_OPERATOR, "command of the operator: %s", ha_command_name(what));
    had_core_command(r->had, &ev);
    return REQUEST_LATER;
}

static enum request_verdict on_status(struct request *r) {
    had_report_status(r->had, r->fields);
    return REQUEST_YES;
}

static enum request_verdict on_core(struct request *r) {
    had_report_core(r->had, r->fields);
    return REQUEST_YES;
}

/* events COUNT AFTER: at most so many of the newest, of those with a higher number. */
static enum request_verdict on_events(struct request *r) {
    int64_t n, after = 0;
    if (!num_parse_range(r->argv[1], 1, HAD_EVENTS, &n) ||
        (r->argc > 2 && !num_parse_range(r->argv[2], 0, INT64_MAX, &after)))
        return refuse(r,
                      "events wants a number of events from 1 to 256, and the number after which");
    had_report_events(r->had, (uint64_t)after, (uint64_t)n, r->fields);
    return REQUEST_YES;
}

/* What is served here and the other node does not have complete would not be served there. */
static int not_counting(const struct had *h) {
    for (int i = 0; i < instance_set_count(h->servers); i++) {
        const struct instance *one = instance_set_at(h->servers, i);
        const struct instance_status *s = instance_status(one);
        if (*instance_set_waits(h->servers, i) && s && s->server.role == HA_SERVER_MASTER)
            return instance_conf_of(one)->number;
    }
    return -1;
}

/* Only the instances are taken anew: all else is fixed at start. */
static enum request_verdict on_reload(struct request *r) {
    struct conf_error err;
    char why[512];
    struct had_conf *fresh = xcalloc(1, sizeof *fresh);
    bool good = had_conf_read(fresh, r->had->conf.path, &err);
    if (!good) buf_add_str(r->sentence, err.text);
    if (good && !had_core_take(r->had, fresh, why, sizeof why)) {
        good = false;
        buf_add_str(r->sentence, why);
    }
    free(fresh);
    if (!good) return REQUEST_NO;
    buf_printf(r->sentence, "%d instances", r->had->conf.instance_count);
    had_event(r->had, EVENT_OPERATOR, "the instances were read anew");
    return REQUEST_YES;
}

static enum request_verdict on_switchover(struct request *r) {
    int64_t ms = 0;
    int joins = not_counting(r->had);
    if (joins >= 0 && r->had->fsm.state == HA_MASTER) {
        buf_printf(r->sentence,
                   "no switchover: instance %d is not in sync yet, and would not be served there; "
                   "wait, or delete it; nothing was changed",
                   joins);
        return REQUEST_NO;
    }
    if (r->argc > 1 && !num_parse_range(r->argv[1], 1, 600000, &ms))
        return refuse(r, "the timeout must be 1 to 600000 ms");
    return command(r, HA_CMD_SWITCHOVER, (uint32_t)ms);
}

static enum request_verdict on_maintenance(struct request *r) {
    if (strcmp(r->argv[1], "on") == 0) return command(r, HA_CMD_MAINTENANCE_ON, 0);
    if (strcmp(r->argv[1], "off") == 0) return command(r, HA_CMD_MAINTENANCE_OFF, 0);
    return refuse(r, "maintenance is 'on' or 'off'");
}

static enum request_verdict on_promote(struct request *r) {
    return command(r, HA_CMD_FORCE, 0);
}
static enum request_verdict on_resume(struct request *r) {
    return command(r, HA_CMD_RESUME, 0);
}
static enum request_verdict on_unbench(struct request *r) {
    return command(r, HA_CMD_UNBENCH, 0);
}

/* notice ID on|off TEXT: an alarm that others look for. */
static enum request_verdict on_notice(struct request *r) {
    bool on = strcmp(r->argv[2], "on") == 0;
    if (!on && strcmp(r->argv[2], "off") != 0) return refuse(r, "a notice is 'on' or 'off'");
    if (!had_notice(r->had, r->argv[1], on, r->argv[3])) return refuse(r, "too many notices");
    return REQUEST_YES;
}

/* drill TEXT: what a drill does is an event. */
static enum request_verdict on_drill(struct request *r) {
    had_event(r->had, EVENT_DRILL, "%s", r->argv[1]);
    return REQUEST_YES;
}

static const struct row rows[] = {
    {"status", 0, 0, on_status},
    {"events", 1, 2, on_events},
    {"core", 0, 0, on_core},
    {"switchover", 0, 1, on_switchover},
    {"maintenance", 1, 1, on_maintenance},
    {"promote-force", 0, 0, on_promote},
    {"resume", 0, 0, on_resume},
    {"unbench", 0, 0, on_unbench},
    {"reload", 0, 0, on_reload},
    {"notice", 3, 3, on_notice},
    {"drill", 1, 1, on_drill},
};

enum request_verdict had_on_request(void *arg, uint32_t id, int argc, char **argv,
                                    struct buf *sentence, struct buf *fields) {
    struct request r = {arg, id, argc, argv, sentence, fields};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, argv[0]) != 0) continue;
        if (argc - 1 < rows[i].min || argc - 1 > rows[i].max)
            return refuse(&r, "wrong number of words in the request");
        return rows[i].fn(&r);
    }
    buf_printf(sentence,
               "had does not know the request '%s'; hactl and had are of different versions?",
               argv[0]);
    return REQUEST_NO;
}
