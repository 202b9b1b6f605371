/* link: hactl/cli_fields.c hactl/cli_status.c server/base/buf.c server/base/log.c
   server/base/num.c server/base/clock.c */
/* hactl's reading of had's reports: fields, JSON, the status screen. */
#include "hactl/cli.h"
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
               "paths.crossover.heard true\npaths.crossover.both_ways true\n"
               "paths.service.heard true\npaths.service.both_ways false\nalarm_count 0\n");
    ok(strstr(s, "This node serves, the other one follows in sync.") != NULL, "a well pair");
    ok(strstr(s, "crossover both ways, service HEARD ONLY") != NULL, "each path by name");
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

static void checks_are_named(void) {
    struct buf out = BUF_INIT;
    take("vip.holder \"a\"\ntakeover.on true\nalarm_count 0\n");
    is_int(cli_check_list(&fields, &out), 0, "nothing is wrong");
    take("vip.holder \"\"\ntakeover.on false\ntakeover.why \"one path\"\n"
         "alarms.0.name \"solo\"\nalarms.0.text \"alone\"\n");
    is_int(cli_check_list(&fields, &out), 3, "three things are wrong");
    is_str(buf_cstr(&out),
           "nobody-serves: no node serves as master\ntakeover-off: one path\nsolo: alone\n",
           "each with its name");
    buf_free(&out);
}

int main(void) {
    fields_are_read();
    json_is_nested();
    the_screen_says_how_things_are();
    checks_are_named();
    fields_free(&fields);
    return done();
}
