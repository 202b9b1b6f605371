#include "hactl/event.h"

#include <stdio.h>
#include <string.h>

#include "hactl/report.h"
#include "server/base/buf.h"
#include "server/base/num.h"

static const struct {
    const char *name;
    enum event_severity severity;
} kinds[EVENT_KINDS] = {
    [EVENT_NOTE] = {"note", EVENT_INFO},
    [EVENT_HAD_STARTED] = {"had.started", EVENT_NOTICE},
    [EVENT_HAD_ENDED] = {"had.ended", EVENT_NOTICE},
    [EVENT_ROLE] = {"role.changed", EVENT_NOTICE},
    [EVENT_TAKEOVER] = {"takeover", EVENT_WARNING},
    [EVENT_HANDOVER] = {"handover", EVENT_NOTICE},
    [EVENT_LEASE_LOST] = {"lease.lost", EVENT_WARNING},
    [EVENT_SYNC_IN] = {"sync.in", EVENT_NOTICE},
    [EVENT_SYNC_LOST] = {"sync.lost", EVENT_WARNING},
    [EVENT_PEER_HEARD] = {"peer.heard", EVENT_NOTICE},
    [EVENT_PEER_SILENT] = {"peer.silent", EVENT_WARNING},
    [EVENT_PATH_UP] = {"path.up", EVENT_NOTICE},
    [EVENT_PATH_DOWN] = {"path.down", EVENT_WARNING},
    [EVENT_GATEWAY_UP] = {"gateway.up", EVENT_NOTICE},
    [EVENT_GATEWAY_DOWN] = {"gateway.down", EVENT_WARNING},
    [EVENT_VIP_TAKEN] = {"vip.taken", EVENT_NOTICE},
    [EVENT_VIP_DROPPED] = {"vip.dropped", EVENT_NOTICE},
    [EVENT_VIP_FOREIGN] = {"vip.foreign", EVENT_ERROR},
    [EVENT_SERVER_UP] = {"server.up", EVENT_NOTICE},
    [EVENT_SERVER_DIED] = {"server.died", EVENT_ERROR},
    [EVENT_TAIL_SAVED] = {"tail.saved", EVENT_WARNING},
    [EVENT_ALARM_BEGIN] = {"alarm.begin", EVENT_WARNING},
    [EVENT_ALARM_END] = {"alarm.end", EVENT_NOTICE},
    [EVENT_OPERATOR] = {"operator", EVENT_NOTICE},
    [EVENT_CLIENTS] = {"clients", EVENT_INFO},
    [EVENT_ARBITER] = {"arbiter", EVENT_NOTICE},
    [EVENT_SECURITY] = {"security", EVENT_WARNING},
    [EVENT_DRILL] = {"drill", EVENT_NOTICE},
    [EVENT_EVENTS_LOST] = {"events.lost", EVENT_WARNING},
};

const char *event_kind_name(enum event_kind k) {
    return kinds[k].name;
}

enum event_kind event_kind_named(const char *name, size_t len) {
    int k = 0;
    while (k < EVENT_KINDS && (strlen(kinds[k].name) != len || memcmp(kinds[k].name, name, len)))
        k++;
    return (enum event_kind)k;
}

enum event_severity event_severity_of(enum event_kind k) {
    return kinds[k].severity;
}

const char *event_severity_name(enum event_severity s) {
    static const char *const names[] = {"info", "notice", "warning", "error"};
    return names[s];
}

/* ---- writing ---- */

static void add_field(struct event *e, const char *name, const struct buf *value) {
    size_t used = strlen(e->fields);
    if (used + strlen(name) + buf_len(value) + 5 > sizeof e->fields) return;
    snprintf(e->fields + used, sizeof e->fields - used, "%s\"%s\":%.*s", used ? "," : "", name,
             (int)buf_len(value), buf_head(value));
}

void event_field_text(struct event *e, const char *name, const char *value) {
    struct buf quoted = BUF_INIT;
    put_quoted(&quoted, value);
    add_field(e, name, &quoted);
    buf_free(&quoted);
}

void event_field_number(struct event *e, const char *name, int64_t value) {
    struct buf digits = BUF_INIT;
    buf_printf(&digits, "%lld", (long long)value);
    add_field(e, name, &digits);
    buf_free(&digits);
}

void event_line(const struct event *e, struct buf *out) {
    const char by[2] = {e->epoch_by, 0};
    buf_printf(out,
               "{\"number\":%llu,\"at_ms\":%lld,\"boot_ms\":%lld,\"node\":\"%c\",\"kind\":\"%s\","
               "\"severity\":\"%s\",\"epoch\":%llu,\"epoch_by\":\"%s\",\"text\":",
               (unsigned long long)e->number, (long long)e->wall_ms, (long long)e->boot_ms, e->node,
               kinds[e->kind].name, event_severity_name(kinds[e->kind].severity),
               (unsigned long long)e->epoch, by);
    put_quoted(out, e->text);
    buf_printf(out, ",\"fields\":{%s}}", e->fields);
}

/* ---- reading ---- */

/* A cursor over one line; once bad it stays bad. */
struct reading {
    const char *p, *end;
    bool bad;
};

static void expect(struct reading *r, const char *text) {
    size_t n = strlen(text);
    if (r->bad || (size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
        r->bad = true;
    else
        r->p += n;
}

static int64_t read_number(struct reading *r) {
    const char *from = r->p;
    int64_t n = 0;
    while (!r->bad && r->p < r->end && (*r->p == '-' || (*r->p >= '0' && *r->p <= '9'))) r->p++;
    if (!r->bad && !num_parse_i64(from, (size_t)(r->p - from), &n)) r->bad = true;
    return n;
}

/* A string without its quotes and escapes (put_quoted knows two). */
static void read_string(struct reading *r, char *out, size_t size) {
    size_t n = 0;
    expect(r, "\"");
    while (!r->bad && r->p < r->end && *r->p != '"') {
        if (*r->p == '\\' && ++r->p == r->end) break;
        if ((unsigned char)*r->p < ' ') r->bad = true;
        if (n + 1 < size) out[n++] = *r->p;
        r->p++;
    }
    out[n] = 0;
    expect(r, "\"");
}

static char read_letter(struct reading *r) {
    char word[8];
    read_string(r, word, sizeof word);
    return word[0] && !word[1] ? word[0] : 0;
}

/* Members as they stand, up to the brace that ends them. */
static void read_fields(struct reading *r, char *out, size_t size) {
    const char *from = r->p;
    bool quoted = false;
    expect(r, "{");
    for (; !r->bad && r->p < r->end && (quoted || *r->p != '}'); r->p++) {
        if (quoted && *r->p == '\\' && r->p + 1 < r->end)
            r->p++;
        else if (*r->p == '"')
            quoted = !quoted;
        if ((unsigned char)*r->p < ' ' || (!quoted && (*r->p == '{' || *r->p == '[')))
            r->bad = true;
    }
    size_t n = r->bad ? 0 : (size_t)(r->p - from) - 1;
    if (n >= size) r->bad = true;
    snprintf(out, size, "%.*s", r->bad ? 0 : (int)n, from + 1);
    expect(r, "}");
}

bool event_read(const char *line, size_t len, struct event *out) {
    struct reading r = {line, line + len, false};
    char kind[32], severity[16];
    memset(out, 0, sizeof *out);
    expect(&r, "{\"number\":");
    out->number = (uint64_t)read_number(&r);
    expect(&r, ",\"at_ms\":");
    out->wall_ms = read_number(&r);
    expect(&r, ",\"boot_ms\":");
    out->boot_ms = read_number(&r);
    expect(&r, ",\"node\":");
    out->node = read_letter(&r);
    expect(&r, ",\"kind\":");
    read_string(&r, kind, sizeof kind);
    expect(&r, ",\"severity\":");
    read_string(&r, severity, sizeof severity);
    expect(&r, ",\"epoch\":");
    out->epoch = (uint64_t)read_number(&r);
    expect(&r, ",\"epoch_by\":");
    out->epoch_by = read_letter(&r);
    expect(&r, ",\"text\":");
    read_string(&r, out->text, sizeof out->text);
    expect(&r, ",\"fields\":");
    read_fields(&r, out->fields, sizeof out->fields);
    expect(&r, "}");
    out->kind = event_kind_named(kind, strlen(kind));
    if (out->kind == EVENT_KINDS) out->kind = EVENT_NOTE;
    return !r.bad && r.p == r.end && out->number > 0 && (out->node == 'a' || out->node == 'b');
}
