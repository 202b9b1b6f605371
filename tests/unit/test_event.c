/* link: hactl/event.c hactl/report.c server/base/buf.c server/base/log.c server/base/num.c
   server/base/clock.c */
/* Events as lines: what is written is read again, and what is torn or strange is not. */
#include "hactl/event.h"
#include "server/base/buf.h"
#include "tests/unit/tap.h"

static struct event made(void) {
    struct event e = {.number = 12,
                      .wall_ms = 1763773200123,
                      .boot_ms = 81234,
                      .epoch = 3,
                      .epoch_by = 'a',
                      .node = 'b',
                      .kind = EVENT_ROLE};
    snprintf(e.text, sizeof e.text, "says \"hi\" and c:\\ {x}");
    event_field_text(&e, "from", "sla\"ve}");
    event_field_number(&e, "lag", -5);
    return e;
}

static void comes_back(void) {
    struct event e = made(), back;
    struct buf line = BUF_INIT;
    event_line(&e, &line);
    ok(event_read(buf_head(&line), buf_len(&line), &back), "a line that was written is read");
    ok(back.number == 12 && back.wall_ms == e.wall_ms && back.boot_ms == 81234 && back.epoch == 3,
       "its numbers");
    ok(back.node == 'b' && back.epoch_by == 'a' && back.kind == EVENT_ROLE, "who, whose, what");
    is_str(back.text, e.text, "its text");
    is_str(back.fields, e.fields, "its fields");
    int torn = 0;
    for (size_t n = 0; n < buf_len(&line); n++) torn += event_read(buf_head(&line), n, &back);
    is_int(torn, 0, "a torn line is none, wherever it was torn");
    buf_free(&line);
}

static void a_line_is_bounded(void) {
    struct event e = made();
    struct buf line = BUF_INIT;
    memset(e.text, '"', sizeof e.text - 1);
    for (int i = 0; i < 100; i++) event_field_text(&e, "name", "a\nvalue");
    ok(strlen(e.fields) < sizeof e.fields, "fields that do not fit are left out");
    event_line(&e, &line);
    ok(buf_len(&line) <= EVENT_LINE_LIMIT, "the longest line fits into one write to a pipe");
    ok(memchr(buf_head(&line), '\n', buf_len(&line)) == NULL, "and is one line");
    ok(event_read(buf_head(&line), buf_len(&line), &e), "and is read again");
    buf_free(&line);
}

static void kinds_have_names(void) {
    int good = 0;
    for (int k = 0; k < EVENT_KINDS; k++) {
        const char *name = event_kind_name((enum event_kind)k);
        good += name && event_kind_named(name, strlen(name)) == (enum event_kind)k;
    }
    is_int(good, EVENT_KINDS, "every kind has a name of its own");
    is_int(event_kind_named("none such", 9), EVENT_KINDS, "others are none");
    is_str(event_severity_name(event_severity_of(EVENT_ALARM_BEGIN)), "warning", "severity");
}

static void strange_lines(void) {
    static const char *const lines[] = {
        "",
        "{}",
        "{\"number\":1}",
        "nonsense",
        "{\"number\":0,\"at_ms\":1,\"boot_ms\":1,\"node\":\"a\",\"kind\":\"note\",\"severity\":"
        "\"info\",\"epoch\":1,\"epoch_by\":\"a\",\"text\":\"x\",\"fields\":{}}",
        "{\"number\":1,\"at_ms\":1,\"boot_ms\":1,\"node\":\"c\",\"kind\":\"note\",\"severity\":"
        "\"info\",\"epoch\":1,\"epoch_by\":\"a\",\"text\":\"x\",\"fields\":{}}",
        "{\"number\":1,\"at_ms\":1,\"boot_ms\":1,\"node\":\"a\",\"kind\":\"note\",\"severity\":"
        "\"info\",\"epoch\":1,\"epoch_by\":\"a\",\"text\":\"x\",\"fields\":{}} "};
    struct event e;
    int taken = 0;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        taken += event_read(lines[i], strlen(lines[i]), &e);
    is_int(taken, 0, "lines of others are not taken");
    const char *later =
        "{\"number\":1,\"at_ms\":1,\"boot_ms\":1,\"node\":\"a\",\"kind\":\"of.2030\",\"severity\":"
        "\"info\",\"epoch\":0,\"epoch_by\":\"\",\"text\":\"x\",\"fields\":{}}";
    ok(event_read(later, strlen(later), &e) && e.kind == EVENT_NOTE,
       "a kind of a later version is a note");
}

int main(void) {
    comes_back();
    a_line_is_bounded();
    kinds_have_names();
    strange_lines();
    return done();
}
