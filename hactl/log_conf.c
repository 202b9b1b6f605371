#include "hactl/log_conf.h"

#include <stdio.h>
#include <string.h>

#include "hactl/event_syslog.h"
#include "server/base/num.h"

#define FACILITY_DAEMON 3

static bool set_syslog(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    struct event_out_conf *o = target;
    if (o->syslog_count == SYSLOG_LIMIT)
        return conf_complain(c, l, err, "events go to at most %d receivers", SYSLOG_LIMIT);
    if (!place_parse(l->argv[1], SYSLOG_PORT, &o->syslog[o->syslog_count]))
        return conf_complain(c, l, err,
                             "'%s' is no address, or address and port, as 192.0.2.1:514 or "
                             "[2001:db8::1]:514; names are not resolved",
                             l->argv[1]);
    o->syslog_count++;
    return true;
}

static bool set_facility(void *target, const struct conf *c, const struct conf_line *l,
                         struct conf_error *err) {
    struct event_out_conf *o = target;
    o->facility = event_facility_named(l->argv[1]);
    if (o->facility >= 0) return true;
    return conf_complain(
        c, l, err, "'%s' is no facility of syslog; daemon and local0 to local7 are", l->argv[1]);
}

bool log_conf_read(const struct conf *c, struct event_out_conf *out, struct conf_error *err) {
    static const struct conf_row rows[] = {
        {"syslog", 1, 1, set_syslog, "syslog ADDRESS[:PORT]: events go there too"},
        {"facility", 1, 1, set_facility, "facility NAME: of messages to syslog"},
        {0},
    };
    memset(out, 0, sizeof *out);
    out->facility = FACILITY_DAEMON;
    return conf_apply(c, "log", NULL, rows, out, err);
}

struct listening {
    const char *service;
    struct place *out;
};

static bool set_listen(void *target, const struct conf *c, const struct conf_line *l,
                       struct conf_error *err) {
    struct listening *t = target;
    char text[PLACE_CHARS];
    int64_t port;
    bool alone = num_parse_range(l->argv[1], 1, 65535, &port);
    bool six = strchr(t->service, ':') != NULL;
    snprintf(text, sizeof text, six ? "[%s]:%s" : "%s:%s", t->service, l->argv[1]);
    if (place_parse(alone ? text : l->argv[1], 0, t->out)) return true;
    return conf_complain(c, l, err, "'%s' is neither PORT nor ADDRESS:PORT", l->argv[1]);
}

bool metrics_conf_read(const struct conf *c, const char *service, struct place *out,
                       struct conf_error *err) {
    static const struct conf_row rows[] = {
        {"listen", 1, 1, set_listen, "listen [ADDRESS:]PORT: metrics over HTTP"},
        {0},
    };
    struct listening t = {service, out};
    memset(out, 0, sizeof *out);
    return conf_apply(c, "metrics", NULL, rows, &t, err);
}
