/* See latency.h. */
#include "server/latency.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/cmd/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    SAMPLES = 160,
    EVENTS_MAX = 32,
    GRAPH_COLUMNS = 80,
    GRAPH_ROWS = 4,
    HISTOGRAM_FIRST_NS = 1024
};

/* --- histograms --- */

void latency_make(struct command_stats *stats) {
    stats->histogram = xcalloc(1, sizeof *stats->histogram);
}

void latency_reset_histograms(void) {
    for (int i = 0; i < command_count(); i++) {
        free(server.command_stats[i].histogram);
        server.command_stats[i].histogram = NULL;
    }
}

void latency_info(struct buf *out) {
    const struct config *c = &server.config;
    char name[64];
    for (int i = 0; i < command_count(); i++) {
        const struct histogram *h = server.command_stats[i].histogram;
        if (!h) continue;
        buf_printf(out, "latency_percentiles_usec_%s:", command_by_id(i)->name);
        for (int k = 0; k < c->percentile_count; k++) {
            config_percentile_name(c->percentiles[k], name, sizeof name);
            buf_printf(out, "%sp%s=%.3f", k ? "," : "", name,
                       (double)histogram_percentile(h, c->percentiles[k]) / 1000);
        }
        buf_add_str(out, "\r\n");
    }
}

/* Powers of two of ns, told in us, up to the one that has seen all. */
static void reply_histogram(struct call *c, const struct command *cmd, const struct histogram *h) {
    struct buf body = BUF_INIT;
    uint64_t before = 0;
    size_t n = 0;
    for (uint64_t ns = HISTOGRAM_FIRST_NS; before < h->total; ns *= 2) {
        uint64_t below = ns < HISTOGRAM_MAX_NS ? histogram_below(h, ns) : h->total;
        if (below > before) {
            resp_int(&body, (int64_t)((ns + ns / 128 - 1) / 1000));
            resp_int(&body, (int64_t)below);
            n++;
        }
        before = below;
    }
    reply_bulk_str(c, cmd->name);
    reply_map(c, 2);
    reply_bulk_str(c, "calls");
    reply_int(c, (int64_t)h->total);
    reply_bulk_str(c, "histogram_usec");
    reply_map(c, n);
    if (n) resp_raw(c->out, buf_head(&body), buf_len(&body));
    buf_free(&body);
}

static size_t histogram_of(struct call *c, const struct command *cmd) {
    const struct histogram *h = server.command_stats[cmd->id].histogram;
    if (h) reply_histogram(c, cmd, h);
    return h != NULL;
}

static void latency_histogram(struct call *c) {
    struct buf body = BUF_INIT, *out = c->out;
    size_t n = 0;
    c->out = &body;
    for (int i = 0; c->argc == 2 && i < command_count(); i++)
        n += histogram_of(c, command_by_id(i));
    for (int k = 2; k < c->argc; k++) {
        const struct command *cmd = command_named(c->argv[k], server.edition);
        if (!cmd) continue;
        n += histogram_of(c, cmd);
        for (int i = 0; cmd->has_subcommands && i < command_count(); i++)
            if (command_by_id(i)->parent == command_by_id(cmd->id))
                n += histogram_of(c, command_by_id(i));
    }
    c->out = out;
    reply_map(c, n);
    if (n) resp_raw(c->out, buf_head(&body), buf_len(&body));
    buf_free(&body);
}

/* --- events --- */

/* The newest samples of an event, one a second. */
static struct event {
    const char *name;
    struct {
        int64_t wall_s;
        uint64_t ms;
    } samples[SAMPLES];
    int next; /* where the next one goes */
    uint64_t max_ms;
} * events[EVENTS_MAX];
static size_t event_count;

static struct event *find_event(const char *name, size_t len) {
    for (size_t i = 0; i < event_count; i++)
        if (strlen(events[i]->name) == len && !memcmp(events[i]->name, name, len)) return events[i];
    return NULL;
}

void latency_event(const char *name, uint64_t ns) {
    uint64_t ms = ns / NS_PER_MS;
    if (!server.config.latency_threshold_ms || ms < (uint64_t)server.config.latency_threshold_ms)
        return;
    struct event *e = find_event(name, strlen(name));
    if (!e) {
        if (event_count == EVENTS_MAX) return;
        e = events[event_count++] = xcalloc(1, sizeof *e);
        e->name = name;
    }
    int64_t now_s = clock_wall_ms() / 1000;
    int last = (e->next + SAMPLES - 1) % SAMPLES;
    if (ms > e->max_ms) e->max_ms = ms;
    if (e->samples[last].wall_s == now_s) {
        if (ms > e->samples[last].ms) e->samples[last].ms = ms;
        return;
    }
    e->samples[e->next].wall_s = now_s;
    e->samples[e->next].ms = ms;
    e->next = (e->next + 1) % SAMPLES;
}

void latency_command(const struct command *cmd, uint64_t ns) {
    latency_event(cmd->flags & CMD_FAST ? "fast-command" : "command", ns);
}

static size_t reset_events(const struct bytes *name) {
    size_t kept = 0, n = event_count;
    for (size_t i = 0; i < n; i++) {
        if (name && !bytes_is(*name, events[i]->name))
            events[kept++] = events[i];
        else
            free(events[i]);
    }
    event_count = kept;
    return n - kept;
}

/* The samples of an event from the oldest on; stops when fn returns false. */
#define EACH_SAMPLE(e, i)                                                                          \
    for (int k_ = 0, i = (e)->next; k_ < SAMPLES; k_++, i = (i + 1) % SAMPLES)                     \
        if ((e)->samples[i].wall_s)

static void latency_latest(struct call *c) {
    reply_array(c, event_count);
    for (size_t k = 0; k < event_count; k++) {
        const struct event *e = events[k];
        int last = (e->next + SAMPLES - 1) % SAMPLES;
        reply_array(c, 4);
        reply_bulk_str(c, e->name);
        reply_int(c, e->samples[last].wall_s);
        reply_int(c, (int64_t)e->samples[last].ms);
        reply_int(c, (int64_t)e->max_ms);
    }
}

static void latency_history(struct call *c) {
    const struct event *e = find_event(c->argv[2].p, c->argv[2].len);
    size_t mark = resp_array_later(c->out), n = 0;
    if (e) EACH_SAMPLE(e, i) {
            reply_array(c, 2);
            reply_int(c, e->samples[i].wall_s);
            reply_int(c, (int64_t)e->samples[i].ms);
            n++;
        }
    resp_array_count(c->out, mark, n);
}

static void latency_reset(struct call *c) {
    size_t n = 0;
    if (c->argc == 2) n = reset_events(NULL);
    for (int i = 2; i < c->argc; i++) n += reset_events(&c->argv[i]);
    reply_int(c, (int64_t)n);
}

/* --- GRAPH --- */

struct column {
    uint64_t ms;
    char label[32]; /* how long ago, told downwards */
};

static size_t columns_of(const struct event *e, struct column *out, uint64_t *min, uint64_t *max) {
    int64_t now_s = clock_wall_ms() / 1000;
    size_t n = 0;
    EACH_SAMPLE(e, i) {
        long long ago = now_s - e->samples[i].wall_s;
        struct column *col = &out[n++];
        col->ms = e->samples[i].ms;
        if (n == 1 || col->ms < *min) *min = col->ms;
        if (n == 1 || col->ms > *max) *max = col->ms;
        if (ago < 60)
            snprintf(col->label, sizeof col->label, "%llds", ago);
        else if (ago < 3600)
            snprintf(col->label, sizeof col->label, "%lldm", ago / 60);
        else if (ago < 86400)
            snprintf(col->label, sizeof col->label, "%lldh", ago / 3600);
        else
            snprintf(col->label, sizeof col->label, "%lldd", ago / 86400);
    }
    return n;
}

/* What stands in one place of the picture: each row shows three steps. */
static char picture(const struct column *col, int row, uint64_t min, uint64_t max) {
    static const char steps[] = "_o#";
    int all = GRAPH_ROWS * 3;
    double span = max > min ? (double)(max - min) : 1;
    int step = (int)((double)(col->ms - min) * all / span);
    int here = (step < all ? step : all - 1) - (GRAPH_ROWS - row - 1) * 3;
    return here < 0 ? ' ' : here < 3 ? steps[here] : '|';
}

static void draw(struct buf *out, const struct column *cols, size_t n, uint64_t min, uint64_t max) {
    size_t longest = 0;
    for (int row = 0; row < GRAPH_ROWS; row++) {
        for (size_t i = 0; i < n; i++) buf_printf(out, "%c", picture(&cols[i], row, min, max));
        buf_add_str(out, "\n");
    }
    buf_printf(out, "%*s\n", (int)n, "");
    for (size_t i = 0; i < n; i++)
        if (strlen(cols[i].label) > longest) longest = strlen(cols[i].label);
    for (size_t at = 0; at < longest; at++) {
        for (size_t i = 0; i < n; i++)
            buf_printf(out, "%c", at < strlen(cols[i].label) ? cols[i].label[at] : ' ');
        buf_add_str(out, "\n");
    }
}

static void latency_graph(struct call *c) {
    const struct event *e = find_event(c->argv[2].p, c->argv[2].len);
    struct column cols[SAMPLES];
    struct buf text = BUF_INIT;
    uint64_t min = 0, max = 0;
    if (!e) {
        reply_errorf(c, "ERR No samples available for event '%.*s'", (int)c->argv[2].len,
                     c->argv[2].p);
        return;
    }
    size_t n = columns_of(e, cols, &min, &max);
    buf_printf(&text, "%s - high %llu ms, low %llu ms (all time high %llu ms)\n", e->name,
               (unsigned long long)max, (unsigned long long)min, (unsigned long long)e->max_ms);
    for (int i = 0; i < GRAPH_COLUMNS; i++) buf_add_str(&text, "-");
    buf_add_str(&text, "\n");
    for (size_t i = 0; i < n; i += GRAPH_COLUMNS) {
        if (i) buf_add_str(&text, "\n");
        draw(&text, cols + i, n - i < GRAPH_COLUMNS ? n - i : GRAPH_COLUMNS, min, max);
    }
    resp_verbatim(c->out, c->resp, "txt", buf_head(&text), buf_len(&text));
    buf_free(&text);
}

/* --- DOCTOR --- */

struct figures {
    uint64_t n, min, max, mean, spread; /* spread: mean absolute deviation */
    int64_t period_s;
};

static struct figures figures_of(const struct event *e) {
    struct figures f = {0};
    uint64_t sum = 0, off = 0;
    int64_t oldest = 0;
    EACH_SAMPLE(e, i) {
        uint64_t ms = e->samples[i].ms;
        if (!f.n++ || ms < f.min) f.min = ms;
        if (ms > f.max) f.max = ms;
        if (!oldest) oldest = e->samples[i].wall_s;
        sum += ms;
    }
    if (!f.n) return f;
    f.mean = sum / f.n;
    f.period_s = clock_wall_ms() / 1000 - oldest;
    if (f.period_s <= 0) f.period_s = 1;
    EACH_SAMPLE(e, i) {
        uint64_t ms = e->samples[i].ms;
        off += ms > f.mean ? ms - f.mean : f.mean - ms;
    }
    f.spread = off / f.n;
    return f;
}

/* What to do about each kind of event. */
static const char *advice(const char *event) {
    static const struct {
        const char *event, *what;
    } known[] = {
        {"command", "SLOWLOG GET shows which commands took long, with their words; fewer elements "
                    "at once, or SCAN instead of KEYS, is what helps."},
        {"fast-command", "commands that are always short took long: the machine gave the server no "
                         "processor. Look at what else runs there, and at its memory."},
        {"expire-cycle", "very many keys expire at the same moment: spread their stamps."},
        {"eviction-cycle", "the memory limit is reached and values are big: see maxmemory and "
                           "maxmemory-policy."},
        {"active-defrag-cycle", "moving memory together takes long: active-defrag-cycle-max bounds "
                                "it."},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i].event, event)) return known[i].what;
    return "see the server's log of that time.";
}

static void latency_doctor(struct call *c) {
    struct buf text = BUF_INIT;
    if (!server.config.latency_threshold_ms && !event_count) {
        buf_add_str(&text, "Latency monitoring is off: CONFIG SET latency-monitor-threshold "
                           "<milliseconds> switches it on.\n");
    } else if (!event_count) {
        buf_printf(&text, "Nothing took %lld ms or longer since monitoring was switched on.\n",
                   (long long)server.config.latency_threshold_ms);
    }
    for (size_t i = 0; i < event_count; i++) {
        struct figures f = figures_of(events[i]);
        buf_printf(&text,
                   "%zu. %s: %llu latency spikes (average %llums, mean deviation %llums, period "
                   "%.2f sec). Worst all time event %llums.\n   - %s\n",
                   i + 1, events[i]->name, (unsigned long long)f.n, (unsigned long long)f.mean,
                   (unsigned long long)f.spread, (double)f.period_s / (double)f.n,
                   (unsigned long long)events[i]->max_ms, advice(events[i]->name));
    }
    resp_verbatim(c->out, c->resp, "txt", buf_head(&text), buf_len(&text));
    buf_free(&text);
}

static void latency_help(struct call *c) {
    static const char *const lines[] = {"DOCTOR",
                                        "    What took long, and what to do about it.",
                                        "GRAPH <event>",
                                        "    An event's spikes, drawn.",
                                        "HISTOGRAM [<command> ...]",
                                        "    How many calls took how long, by command.",
                                        "HISTORY <event>",
                                        "    When an event took long, and how long.",
                                        "LATEST",
                                        "    The newest spike of each event.",
                                        "RESET [<event> ...]",
                                        "    Forget spikes.",
                                        NULL};
    reply_help(c, lines);
}

void register_latency_commands(void) {
    command_set_function("latency|doctor", latency_doctor);
    command_set_function("latency|graph", latency_graph);
    command_set_function("latency|help", latency_help);
    command_set_function("latency|histogram", latency_histogram);
    command_set_function("latency|history", latency_history);
    command_set_function("latency|latest", latency_latest);
    command_set_function("latency|reset", latency_reset);
}
