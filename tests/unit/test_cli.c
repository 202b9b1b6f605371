/* link: hactl/cli_fields.c hactl/cli_status.c hactl/cli_verdict.c server/base/buf.c server/base/log.c
   server/base/num.c server/base/clock.c */
/* hactl's reading of had's reports: fields, JSON, the status screen. */
#include "hactl/cli.h"
#include "hactl/cli_verdict.h"
#include "server/base/buf.h"
#include "tests/unit/tap.h"

static struct fields fields;

static bool take(const char *lines) {
    fields_free(&fields);
    return fields_read(&fields, lines, strlen(lines));
}

static void fields_are_read(void) {
    ok(take("a.b 12\na.c \"say \\\"hi\\\" \\\\ there\"\na.d true\na.e \"\"\n"), "lines are read");
    is_int(fields_number(&fields, -1, "a.%s", "b"), 12, "a number");
    is_str(fields_text(&fields, "?", "a.c"), "say \"hi\" \\ there", "text without its escapes");
    ok(fields_true(&fields, "a.d") && !fields_true(&fields, "a.b"), "truth");
    is_str(fields_text(&fields, "?", "a.e"), "", "empty text");
    is_str(fields_text(&fields, "?", "a.f"), "?", "what is not there");
    is_int(fields_number(&fields, -1, "a.c"), -1, "text is no number");
    ok(!take("a.b"), "a line that does not end is refused");
    ok(!take("a.b \"x\n"), "text that does not end is refused");
    ok(!take(" x\n") && !take("x\n"), "a line without name or value is refused");
}

static const char *json(const char *lines) {
    static struct buf out = BUF_INIT;
    take(lines);
    buf_clear(&out);
    fields_json(&fields, &out);
    char *text = buf_cstr(&out), *to = text;
    for (char *p = text; *p; p++) /* layout aside */
        if (*p != '\n' && *p != ' ') *to++ = *p;
    *to = 0;
    return text;
}

static void json_is_nested(void) {
    is_str(json(""), "{}", "no fields, an empty object");
    is_str(json("a 1\nb \"x\"\n"), "{\"a\":1,\"b\":\"x\"}", "plain fields");
    is_str(json("n.a 1\nn.b 2\nm true\n"), "{\"n\":{\"a\":1,\"b\":2},\"m\":true}", "an object");
    is_str(json("l.0.a 1\nl.0.b 2\nl.1.a 3\nz 4\n"),
           "{\"l\":[{\"a\":1,\"b\":2},{\"a\":3}],\"z\":4}", "a list of objects");
    is_str(json("p.x.a 1\np.y.a 2\n"), "{\"p\":{\"x\":{\"a\":1},\"y\":{\"a\":2}}}", "two levels");
    is_str(json("q \"a\\\"b\\\\\"\n"), "{\"q\":\"a\\\"b\\\\\"}", "text is escaped");
}

static const char *screen(const char *lines) {
    static struct buf out = BUF_INIT;
    take(lines);
    buf_clear(&out);
    cli_status_screen(&fields, &out);
    return buf_cstr(&out);
}

#define PEER "peer.heard true\npeer.age_ms 40\npeer.letter \"b\"\n"

static void the_screen_says_how_things_are(void) {
    const char *s =
        screen("node.name \"duet-a\"\nnode.letter \"a\"\nnode.state \"master\"\n"
               "node.serving true\nnode.server_up true\nsync.in_sync true\n" PEER
               "peer.state \"slave\"\npeer.healthy true\ntakeover.on true\nvip.holder \"a\"\n"
               "paths.crossover.heard true\npaths.crossover.both_ways true\npaths.crossover.state "
               "\"both ways\"\n"
               "paths.service.heard true\npaths.service.state \"mute\"\n"
               "paths.service.received 300\npaths.service.lost 100\npaths_both_ways 1\n"
               "paths.serial.heard false\npaths.serial.state \"deaf\"\nalarm_count 0\n");
    ok(strstr(s, "This node serves, the other one follows in sync.") != NULL, "a well pair");
    ok(strstr(s, "1 of 3 work both ways: crossover both ways, service MUTE (") &&
           strstr(s, "serial DEAF ("),
       "how many paths work, and each by name");
    ok(strstr(s, "service: 300 heard, 100 lost (25.0 %)") != NULL, "what a path loses");
    ok(strstr(s, "automatic, on") && strstr(s, "No alarms."), "takeover, alarms");
    ok(strstr(s, "gateway DOWN") == NULL, "a path that is not there is not shown");
    s = screen("node.state \"boot\"\nnode.serving false\nnode.waiting_for \"the other node\"\n"
               "peer.heard false\npeer.letter \"b\"\nvip.holder \"\"\ntakeover.on false\n"
               "takeover.why \"the other node is not heard\"\nalarm_count 1\n"
               "alarms.0.name \"waiting\"\nalarms.0.since_ms 0\nalarms.0.text \"do this\"\n");
    ok(strstr(s, "NOBODY SERVES") && strstr(s, "It waits for: the other node"), "nobody serves");
    ok(strstr(s, "on NO node") && strstr(s, "OFF: the other node is not heard"), "what is missing");
    ok(strstr(s, "1 ALARM ") && strstr(s, "1970-01-01 00:00:00  waiting: do this"), "the alarm");
    s = screen("node.state \"master\"\nnode.serving true\nsync.in_sync false\npeer.heard false\n");
    ok(strstr(s, "serves ALONE") != NULL, "a lone master");
}

static int reasons_in(const char *lines, struct reasons *r) {
    memset(r, 0, sizeof *r);
    take(lines);
    reasons_of_report(r, &fields);
    return r->count;
}

static void the_screen_lists_addresses(void) {
    const char *s = screen(
        PEER "vip.address \"10.0.0.1\"\nvip.holder \"a\"\n"
             "vips.0.address \"10.0.0.1\"\nvips.0.kind \"write\"\nvips.0.foreign \"\"\n"
             "vips.1.address \"fd00::1\"\nvips.1.kind \"write\"\nvips.1.foreign "
             "\"02:00:00:00:00:09\"\n"
             "vips.2.address \"10.0.0.2\"\nvips.2.kind \"read\"\nvips.2.held false\n"
             "references.0.address \"10.0.0.9\"\nreferences.0.gateway true\nreferences.0.age_ms "
             "9000\n"
             "references.1.address \"10.0.0.8\"\nreferences.1.gateway "
             "false\nreferences.1.age_ms 40\n");
    ok(strstr(s, "fd00::1; for reads 10.0.0.2, not here\n") != NULL,
       "further VIPs, the one for reads");
    ok(strstr(s, "gateway 10.0.0.9 DOES NOT ANSWER, reference 10.0.0.8\n") != NULL,
       "who is asked, and who answers");
    ok(strstr(s, "VIP fd00::1: another machine has it too, its link address: 02:00") != NULL,
       "a duplicate");
    s = screen(PEER "vips.0.address \"10.0.0.1\"\nvips.0.kind \"write\"\n"
                    "references.0.address \"10.0.0.9\"\nreferences.0.gateway true\n");
    ok(!strstr(s, "asked") && !strstr(s, "for reads"), "nothing of it for one VIP and a gateway");
}

static void reasons_are_named(void) {
    struct reasons r;
    is_int(reasons_in("node.state \"master\"\nvip.holder \"a\"\ntakeover.on true\nalarm_count 0\n",
                      &r),
           0, "nothing is wrong");
    is_int(
        reasons_in(
            "node.state \"boot\"\nvip.holder \"\"\ntakeover.on false\ntakeover.why \"one path\"\n"
            "alarms.0.name \"backup-failed\"\nalarms.0.text \"no set\"\n"
            "alarms.1.name \"solo\"\nalarms.1.text \"alone\"\nalarms.1.since_ms 5\n",
            &r),
        4, "four things are wrong");
    is_str(r.list[0].id, "nobody-serves", "the worst first");
    is_str(r.list[1].id, "solo", "then by importance");
    ok(r.list[1].since_ms == 5 && strcmp(r.list[1].text, "alone") == 0, "since when, and what");
    is_str(r.list[2].text, "one path", "why takeover is off");
    ok(!r.list[3].blocks && r.blocking == 3, "a backup that failed keeps nobody from failing over");
    is_int(reasons_in("", &r), 1, "no report");
    is_str(r.list[0].id, "had-down", "is had that does not run");
    for (int i = 0; i < 100; i++) reasons_add(&r, "many", true, 0, "%d", i);
    is_int(r.count, REASON_LIMIT, "they are bounded");
    int advised = 0;
    static const char *const ids[] = {"had-down",     "waiting",      "solo",        "server",
                                      "path-down",    "gateway-lost", "vip-foreign", "maintenance",
                                      "data-differs", "disk-low"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) advised += *reason_advice(ids[i]) != 0;
    is_int(advised, 10, "and each says what to do");
}

#define GOOD                                                                                       \
    "node.name \"duet-a\"\nnode.letter \"a\"\nnode.state \"master\"\nnode.serving true\n"          \
    "sync.in_sync true\ntakeover.on true\nvip.holder \"a\"\n" PEER "peer.state \"slave\"\n"

static void the_verdict(void) {
    struct verdict v;
    take(GOOD "alarm_count 0\n");
    verdict_of(&fields, &v);
    ok(strcmp(v.serving, "here") == 0 && v.safe && strcmp(v.todo, "nothing") == 0, "all is well");
    ok(strncmp(screen(GOOD "alarm_count 0\n"), "duet-a, node a: SERVING, SAFE. Nothing to do.\n",
               46) == 0,
       "and the first line says so");
    const char *s =
        screen(GOOD "alarm_count 1\nalarms.0.name \"disk-low\"\nalarms.0.text \"full\"\n");
    ok(strncmp(s, "duet-a, node a: SERVING, SAFE. To do: make room", 47) == 0,
       "safe, with something to do");
    s = screen("node.state \"master\"\nnode.serving true\nvip.holder \"a\"\ntakeover.on false\n"
               "takeover.why \"the other node is not heard\"\nalarm_count 1\n"
               "alarms.0.name \"solo\"\nalarms.0.text \"no slave\"\n");
    ok(strstr(s, "SERVING, NOT SAFE: no slave. DO: bring the") == strchr(s, ':') + 2,
       "not safe: why, and what to do");
    fields_free(&fields);
    take(GOOD);
    verdict_fields(&fields);
    ok(fields_true(&fields, "verdict.safe"), "--json has it too");
}

static void the_screen_fits(void) {
    struct buf lines = BUF_INIT;
    buf_add_str(&lines,
                GOOD "paths.crossover.heard true\npaths.service.heard true\nalarm_count 12\n");
    for (int i = 0; i < 12; i++)
        buf_printf(&lines,
                   "alarms.%d.name \"path-down\"\nalarms.%d.since_ms 0\nalarms.%d.text \"a long "
                   "text that goes on "
                   "and on until it does not fit into one line of a screen any more\"\n",
                   i, i, i);
    const char *s = screen(buf_cstr(&lines));
    int n = 0, widest = 0, width = 0;
    for (; *s; s++) {
        width = *s == '\n' ? 0 : width + 1;
        n += *s == '\n';
        if (width > widest) widest = width;
    }
    ok(n <= 24, "a screen with many alarms has 24 lines at most");
    ok(widest <= 80, "none wider than 80");
    ok(strstr(screen(buf_cstr(&lines)), "more: hactl check") != NULL, "and says where the rest is");
    buf_free(&lines);
}

int main(void) {
    fields_are_read();
    json_is_nested();
    the_screen_says_how_things_are();
    the_screen_lists_addresses();
    reasons_are_named();
    the_verdict();
    the_screen_fits();
    fields_free(&fields);
    return done();
}
