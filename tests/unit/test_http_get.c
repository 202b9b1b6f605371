/* link: hactl/http_get.c hactl/cli_metrics_text.c hactl/cli_fields.c hactl/ha_names.c hactl/heartbeat.c server/base/hmac.c server/base/buf.c server/base/num.c
   server/base/log.c server/base/clock.c */
/* Requests for metrics, and what is answered. */
#include "hactl/http_get.h"
#include "hactl/cli_metrics_text.h"
#include "server/base/buf.h"
#include "tests/unit/tap.h"

static char path[HTTP_PATH_LIMIT];

static int status_of(const char *text) {
    return http_request(text, strlen(text), path);
}

static void requests(void) {
    is_int(status_of("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "a request");
    is_str(path, "/metrics", "its path");
    is_int(status_of("GET /metrics?a=b HTTP/1.0\r\n\r\n"), 200, "HTTP/1.0, with a query");
    is_str(path, "/metrics", "which is left out");
    static const struct {
        int status;
        const char *text, *what;
    } rows[] = {
        {0, "", "nothing yet"},
        {0, "GET /metrics HTTP/1.1\r\nHost: x\r\n", "half a head"},
        {400, "GET /metrics HTTP/1.1\n\r\n\r\n", "a line that ends with LF alone"},
        {400, "GET  /metrics HTTP/1.1\r\n\r\n", "two spaces"},
        {400, "GET metrics HTTP/1.1\r\n\r\n", "no path"},
        {400, "GET /metrics\r\n\r\n", "no version"},
        {400, "\r\n\r\n", "an empty line"},
        {400, "GET /metrics HTTP/1.1\r\n: x\r\n\r\n", "a header without a name"},
        {400, "GET /metrics HTTP/1.1\r\nA b: x\r\n\r\n", "a name with a space"},
        {400, "GET /metrics HTTP/1.1\r\nA: \001\r\n\r\n", "a control in a header"},
        {505, "GET /metrics HTTP/3.0\r\n\r\n", "another version"},
        {405, "DELETE /metrics HTTP/1.1\r\n\r\n", "another method"},
        {400, "G@T /metrics HTTP/1.1\r\n\r\n", "no method at all"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        is_int(status_of(rows[i].text), rows[i].status, rows[i].what);
    static char many[HTTP_HEAD_LIMIT + 1];
    memset(many, 'x', sizeof many);
    is_int(http_request(many, HTTP_HEAD_LIMIT - 1, path), 0, "a long head may still end");
    is_int(http_request(many, HTTP_HEAD_LIMIT, path), 431, "one at the limit does not");
}

static void answers(void) {
    struct buf out = BUF_INIT;
    http_answer(&out, 405, "text/plain", "no", 2);
    is_str(buf_cstr(&out),
           "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
           "Allow: GET\r\nConnection: close\r\n\r\nno",
           "a whole answer");
    buf_free(&out);
}

static void metrics_of_a_report(void) {
    static struct metrics_input in;
    static const char lines[] =
        "node.letter \"a\"\nnode.name \"du\\\"et\"\nnode.state \"master\"\n"
        "node.serving true\nnode.lease_ms 350\npeer.age_ms -1\nalarms.0.name \"solo\"\n"
        "paths.crossover.heard true\n";
    struct buf out = BUF_INIT;
    in.version = "1";
    metrics_text(&in, &out);
    ok(strstr(buf_cstr(&out), "duet_up 0\n") && !strstr(buf_cstr(&out), "duet_serving"),
       "had is down");
    buf_clear(&out);
    ok(fields_read(&in.had, lines, sizeof lines - 1), "a report");
    in.instances = 1;
    in.instance[0].backup_age_s = -1;
    metrics_text(&in, &out);
    const char *s = buf_cstr(&out);
    ok(strstr(s, "# TYPE duet_serving gauge\nduet_serving 1\n") != NULL, "a truth");
    ok(strstr(s, "duet_lease_seconds 0.350\n") != NULL, "milliseconds as seconds");
    ok(strstr(s, "duet_peer_age_seconds") == NULL, "never is no number");
    ok(strstr(s, "name=\"du\\\"et\"") != NULL, "labels are escaped");
    ok(strstr(s, "duet_alarm{alarm=\"solo\"} 1\n") && strstr(s, "duet_alarm{alarm=\"fsync\"} 0\n"),
       "alarms");
    ok(strstr(s, "duet_path_heard{path=\"crossover\"} 1\n") != NULL, "a path");
    ok(strstr(s, "duet_instance_up{instance=\"0\"} 0\n") != NULL, "an instance that is down");
    fields_free(&in.had);
    buf_free(&out);
}

int main(void) {
    requests();
    answers();
    metrics_of_a_report();
    return done();
}
