/* The status screen: what a tired operator needs, most important first, in 24 lines of 80. Pure: fields to text.
 * Its first line says whether it serves, whether it is safe, and what to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hactl/cli.h"
#include "hactl/cli_verdict.h"
#include "server/base/buf.h"
#include "server/base/num.h"

static const char *const path_names[] = {"crossover", "service", "gateway", "serial"};
#define PATH_NAMES (sizeof path_names / sizeof *path_names)
#define WIDTH      80
#define HEIGHT     24
#define INSTANCES  3 /* shown, when there are more */

/* "now", "230 ms ago", "12 s ago", "3 h ago", "never". */
static const char *age_text(int64_t ms, char out[32]) {
    if (ms < 0)
        snprintf(out, 32, "never");
    else if (ms < 10000)
        snprintf(out, 32, "%lld ms ago", (long long)ms);
    else if (ms < 7200000)
        snprintf(out, 32, "%lld s ago", (long long)ms / 1000);
    else
        snprintf(out, 32, "%lld h ago", (long long)ms / 3600000);
    return out;
}

static void time_text(int64_t wall_ms, char out[32]) {
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

static bool is(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

/* The one sentence that says how things are. */
static void headline(const struct fields *f, struct buf *out) {
    const char *state = fields_text(f, "?", "node.state");
    bool heard = fields_true(f, "peer.heard");
    const char *peer = heard ? fields_text(f, "?", "peer.state") : "not heard";
    bool sync = fields_true(f, "sync.in_sync"), serving = fields_true(f, "node.serving");
    if (serving && sync && heard)
        buf_add_str(out, "This node serves, the other one follows in sync.");
    else if (serving && heard && is(peer, "slave"))
        buf_add_str(out, "This node serves; the other one follows but is not in sync yet.");
    else if (serving)
        buf_add_str(out, "This node serves ALONE: there is no slave in sync.");
    else if (is(peer, "master"))
        buf_printf(out, "The other node serves, this one follows%s.",
                   sync ? " in sync" : " but is not in sync yet");
    else
        buf_printf(out, "NOBODY SERVES, as far as this node knows: it is %s, the other one is %s.",
                   state, peer);
    buf_add_str(out, "\n");
    const char *waits = fields_text(f, "", "node.waiting_for");
    if (*waits) buf_printf(out, "It waits for: %s\n", waits);
}

static void row(struct buf *out, const char *name, const char *mine, const char *theirs) {
    buf_printf(out, "  %-10s%-28s%s\n", name, mine, theirs);
}

static void both_nodes(const struct fields *f, struct buf *out) {
    char mine[96], theirs[96], a[32], b[32];
    bool known = *fields_text(f, "", "peer.state") != 0;
    bool heard = fields_true(f, "peer.heard");
    snprintf(mine, sizeof mine, "node %s (this one)", fields_text(f, "?", "node.letter"));
    snprintf(theirs, sizeof theirs, "node %s", fields_text(f, "?", "peer.letter"));
    row(out, "", mine, theirs);
    row(out, "role", fields_text(f, "?", "node.state"),
        heard ? fields_text(f, "?", "peer.state") : "unknown");
    snprintf(mine, sizeof mine, "%lld", (long long)fields_number(f, 0, "node.epoch"));
    snprintf(theirs, sizeof theirs, "%lld", (long long)fields_number(f, 0, "peer.epoch"));
    row(out, "epoch", mine, known ? theirs : "unknown");
    snprintf(mine, sizeof mine, "offset %lld", (long long)fields_number(f, 0, "node.offset"));
    snprintf(theirs, sizeof theirs, "offset %lld", (long long)fields_number(f, 0, "peer.offset"));
    row(out, "data", mine, known ? theirs : "unknown");
    row(out, "server", fields_true(f, "node.server_up") ? "up" : "DOWN",
        !heard                           ? "unknown"
        : fields_true(f, "peer.healthy") ? "up"
                                         : "NOT WELL");
    row(out, "gateway", age_text(fields_number(f, -1, "gateway.age_ms"), a),
        known ? age_text(fields_number(f, -1, "peer.gateway_age_ms"), b) : "unknown");
    row(out, "heard", "-", age_text(fields_number(f, -1, "peer.age_ms"), b));
}

/* Words in lines of at most 80, the later ones indented. */
static void wrapped(struct buf *out, size_t indent, const char *text) {
    size_t column = 0, from = buf_len(out);
    while (from > 0 && buf_head(out)[from - 1] != '\n') from--, column++;
    while (*text) {
        size_t word = strcspn(text, " "), gap = strspn(text + word, " ");
        if (column + word > WIDTH && column > indent) {
            while (buf_len(out) && buf_head(out)[buf_len(out) - 1] == ' ') buf_take_back(out, 1);
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        buf_add(out, text, word);
        buf_add(out, " ", gap ? 1 : 0);
        column += word + (gap ? 1 : 0);
        text += word + gap;
    }
    buf_add_str(out, "\n");
}

static const char *path_word(const struct fields *f, const char *path) {
    const char *state = fields_text(f, "", "paths.%s.state", path);
    if (is(state, "both ways")) return "both ways";
    if (is(state, "mute")) return "MUTE (the other node does not hear this one)";
    if (is(state, "deaf")) return "DEAF (this node does not hear the other one)";
    return "DOWN";
}

/* Only where there is something to say. */
static void path_losses(const struct fields *f, struct buf *out) {
    char age[32];
    for (size_t p = 0; p < PATH_NAMES; p++) {
        const char *n = path_names[p];
        int64_t got = fields_number(f, 0, "paths.%s.received", n);
        int64_t lost = fields_number(f, 0, "paths.%s.lost", n);
        int64_t late = fields_number(f, 0, "paths.%s.late", n);
        int64_t refused = fields_number(f, 0, "paths.%s.refused", n);
        bool down = got && !fields_true(f, "paths.%s.heard", n);
        if (!lost && !late && !refused && !down) continue;
        buf_printf(out, "    %s: %lld heard, %lld lost (%.1f %%), %lld late, %lld refused", n,
                   (long long)got, (long long)lost,
                   got + lost ? 100.0 * (double)lost / (double)(got + lost) : 0.0, (long long)late,
                   (long long)refused);
        if (down)
            buf_printf(out, "; last %s", age_text(fields_number(f, -1, "paths.%s.age_ms", n), age));
        buf_add_str(out, "\n");
    }
}

/* Beside the first VIP: the others, who go with it, and the one for reads. */
static void more_vips(const struct fields *f, struct buf *out) {
    const char *sep = "";
    for (int i = 0; *fields_text(f, "", "vips.%d.address", i); i++) {
        const char *address = fields_text(f, "", "vips.%d.address", i);
        bool reads = strcmp(fields_text(f, "", "vips.%d.kind", i), "read") == 0;
        if (i == 0 && !reads) continue;
        if (!*sep) buf_printf(out, "  %-10s", "");
        buf_printf(out, "%s%s%s", sep, reads ? "for reads " : "", address);
        if (reads) buf_add_str(out, fields_true(f, "vips.%d.held", i) ? ", here" : ", not here");
        sep = "; ";
    }
    if (*sep) buf_add_str(out, "\n");
}

/* Who is asked about the outside, when that is more than a gateway. */
static void asked(const struct fields *f, struct buf *out) {
    const char *sep = "";
    bool gateway = fields_true(f, "references.0.gateway");
    if (!*fields_text(f, "", "references.%d.address", gateway ? 1 : 0)) return;
    buf_printf(out, "  %-10s", "asked");
    for (int i = 0; *fields_text(f, "", "references.%d.address", i); i++) {
        int64_t age = fields_number(f, -1, "references.%d.age_ms", i);
        buf_printf(out, "%s%s %s%s", sep, i == 0 && gateway ? "gateway" : "reference",
                   fields_text(f, "", "references.%d.address", i),
                   age >= 0 && age < 2000 ? "" : " DOES NOT ANSWER");
        sep = ", ";
    }
    buf_add_str(out, "\n");
}

static void paths(const struct fields *f, struct buf *out) {
    const char *sep = "";
    int all = 0, both = 0;
    for (size_t p = 0; p < PATH_NAMES; p++) {
        all += *fields_text(f, "", "paths.%s.heard", path_names[p]) != 0;
        both += fields_true(f, "paths.%s.both_ways", path_names[p]);
    }
    struct buf line = BUF_INIT;
    buf_printf(out, "  %-10s", "paths");
    buf_printf(&line, "%d of %d work both ways: ", both, all);
    for (size_t p = 0; p < PATH_NAMES; p++) {
        const char *n = path_names[p];
        if (!*fields_text(f, "", "paths.%s.heard", n)) continue;
        buf_printf(&line, "%s%s %s", sep, n, path_word(f, n));
        sep = ", ";
    }
    wrapped(out, 12, buf_cstr(&line));
    buf_free(&line);
    path_losses(f, out);
    const char *why = fields_text(f, "", "takeover.why");
    if (fields_true(f, "takeover.on"))
        buf_printf(out, "  %-10sautomatic, on\n", "takeover");
    else
        buf_printf(out, "  %-10sautomatic takeover is OFF: %s\n", "takeover", why);
    const char *holder = fields_text(f, "", "vip.holder");
    if (*holder)
        buf_printf(out, "  %-10s%s on node %s\n", "VIP", fields_text(f, "?", "vip.address"),
                   holder);
    else
        buf_printf(out, "  %-10s%s on NO node\n", "VIP", fields_text(f, "?", "vip.address"));
    more_vips(f, out);
    asked(f, out);
    int64_t lag = fields_number(f, 0, "sync.lag_bytes");
    buf_printf(out, "  %-10s%s, %lld bytes behind, %lld replies held\n", "slave",
               fields_true(f, "sync.in_sync") ? "in sync" : "NOT in sync", (long long)lag,
               (long long)fields_number(f, 0, "sync.held"));
}

static void arbiters(const struct fields *f, struct buf *out) {
    char age[32];
    const char *holder = fields_text(f, "", "witness.holder");
    if (fields_true(f, "witness.configured") && fields_true(f, "witness.answers"))
        buf_printf(out, "  %-10sanswers; %s%s\n", "witness",
                   *holder ? "the lease is held by node " : "nobody holds the lease yet", holder);
    else if (fields_true(f, "witness.configured"))
        buf_printf(out, "  %-10sdoes NOT answer\n", "witness");
    if (fields_true(f, "fence.configured"))
        buf_printf(out, "  %-10s%s (tested %s); the other node's power: %s\n", "fence",
                   fields_true(f, "fence.ready") ? "ready" : "NOT ready",
                   age_text(fields_number(f, -1, "fence.age_ms"), age),
                   fields_text(f, "unknown", "fence.peer_power"));
}

/* What a driver could not do just now, in its own words. */
static void troubles(const struct fields *f, struct buf *out) {
    const char *vip = fields_text(f, "", "vip.trouble");
    const char *gateway = fields_text(f, "", "gateway.trouble");
    if (*vip) buf_printf(out, "  VIP: %s\n", vip);
    for (int i = 0; *fields_text(f, "", "vips.%d.address", i); i++) {
        const char *other = fields_text(f, "", "vips.%d.foreign", i);
        if (*other)
            buf_printf(out, "  VIP %s: another machine has it too, its link address: %s\n",
                       fields_text(f, "", "vips.%d.address", i), other);
    }
    if (*gateway) buf_printf(out, "  gateway: %s\n", gateway);
    for (size_t p = 0; p < PATH_NAMES; p++) {
        const char *why = fields_text(f, "", "paths.%s.trouble", path_names[p]);
        if (*why) buf_printf(out, "  path %s: %s\n", path_names[p], why);
    }
}

static void instances(const struct fields *f, struct buf *out) {
    for (int i = 0; *fields_text(f, "", "instances.%d.port", i); i++) {
        const char *more = fields_text(f, "", "instances.%d.port", i + 1);
        if (i >= INSTANCES && *more) {
            buf_add_str(out, "  ... more: hactl instance list\n");
            break;
        }
        const char *name = fields_text(f, "", "instances.%d.name", i);
        const char *waits = fields_text(f, "", "instances.%d.waits_for", i);
        buf_printf(out, "  instance %lld%s%s: port %lld, ",
                   (long long)fields_number(f, 0, "instances.%d.number", i), *name ? " " : "", name,
                   (long long)fields_number(f, 0, "instances.%d.port", i));
        if (!fields_true(f, "instances.%d.up", i)) {
            buf_printf(out, "DOWN: %s\n", fields_text(f, "", "instances.%d.trouble", i));
            continue;
        }
        buf_printf(out, "%s, %lld keys, %lld clients%s\n",
                   fields_text(f, "?", "instances.%d.role", i),
                   (long long)fields_number(f, 0, "instances.%d.keys", i),
                   (long long)fields_number(f, 0, "instances.%d.clients", i),
                   fields_true(f, "instances.%d.loading", i) ? ", LOADING" : "");
        if (fields_number(f, -1, "instances.%d.lag_bytes", i) >= 0)
            buf_printf(out, "    its slave is %lld bytes, %.1f s behind\n",
                       (long long)fields_number(f, 0, "instances.%d.lag_bytes", i),
                       (double)fields_number(f, 0, "instances.%d.lag_ms", i) / 1000);
        if (*waits) buf_printf(out, "    NOT in sync with the others: %s\n", waits);
    }
}

static int lines_of(const struct buf *out) {
    int n = 0;
    for (size_t i = 0; i < buf_len(out); i++) n += buf_head(out)[i] == '\n';
    return n;
}

static void alarms(const struct fields *f, struct buf *out) {
    char when[32];
    int64_t n = fields_number(f, 0, "alarm_count");
    if (n == 0) {
        buf_add_str(out, "\nNo alarms.\n");
        return;
    }
    buf_printf(out, "\n%lld ALARM%s (times are UTC):\n", (long long)n, n > 1 ? "S" : "");
    for (int i = 0; i < n; i++) {
        const char *name = fields_text(f, "?", "alarms.%d.name", i);
        const char *todo = reason_advice(name);
        struct buf one = BUF_INIT;
        time_text(fields_number(f, 0, "alarms.%d.since_ms", i), when);
        buf_printf(&one, "! %s  %s: ", when, name);
        wrapped(&one, 4, fields_text(f, "?", "alarms.%d.text", i));
        if (*todo) buf_add_str(&one, "    do: ");
        if (*todo) wrapped(&one, 8, todo);
        bool fits = lines_of(out) + lines_of(&one) + (i + 1 < n) <= HEIGHT;
        if (fits) buf_add(out, buf_head(&one), buf_len(&one));
        buf_free(&one);
        if (fits) continue;
        buf_printf(out, "... and %lld more: hactl check lists all\n", (long long)n - i);
        return;
    }
}

/* "duet-a, node a: SERVING, SAFE. Nothing to do." */
static void first_line(const struct fields *f, struct buf *out) {
    static const struct {
        const char *serving, *text;
    } texts[] = {{"here", "SERVING"},
                 {"there", "THE OTHER NODE SERVES"},
                 {"nobody", "NOBODY SERVES"},
                 {"unknown", "NOT KNOWN"}};
    struct verdict v;
    const char *text = "";
    verdict_of(f, &v);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (is(v.serving, texts[i].serving)) text = texts[i].text;
    struct buf line = BUF_INIT;
    buf_printf(&line, "%s, node %s: %s", fields_text(f, "?", "node.name"),
               fields_text(f, "?", "node.letter"), text);
    bool serves = is(v.serving, "here") || is(v.serving, "there");
    if (v.safe)
        buf_printf(&line, ", SAFE. %s%s", is(v.todo, "nothing") ? "Nothing to do." : "To do: ",
                   is(v.todo, "nothing") ? "" : v.todo);
    else
        buf_printf(&line, "%s %s. DO: %s", serves ? ", NOT SAFE:" : ":", v.why, v.todo);
    wrapped(out, 4, buf_cstr(&line));
    buf_free(&line);
}

static void maintenance(const struct fields *f, struct buf *out) {
    char until[32];
    int64_t ms = fields_number(f, 0, "maintenance.until_ms");
    const char *reason = fields_text(f, "", "maintenance.reason");
    if (!fields_true(f, "node.maintenance") && !fields_true(f, "peer.maintenance")) return;
    time_text(ms, until);
    buf_printf(out, "*** MAINTENANCE %s%s%s%s%s: no automatic change of roles ***\n",
               fields_true(f, "node.maintenance") ? "here" : "at the other node",
               ms ? " until " : "", ms ? until : "", *reason ? ", " : "", reason);
}

void cli_status_screen(const struct fields *f, struct buf *out) {
    first_line(f, out);
    headline(f, out);
    maintenance(f, out);
    both_nodes(f, out);
    paths(f, out);
    arbiters(f, out);
    instances(f, out);
    troubles(f, out);
    alarms(f, out);
}
