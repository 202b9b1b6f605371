/* link: hactl/import/url.c server/base/num.c server/base/decimal.c */
#include "hactl/import/url.h"
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

static void reads(const char *word, const char *want) {
    struct url u;
    char why[300], got[700], text[400];
    if (url_read(&u, word, why, sizeof why)) {
        url_text(&u, text, sizeof text);
        snprintf(got, sizeof got, "%s|%s|%s", text, u.user, u.password);
    } else {
        snprintf(got, sizeof got, "no");
        ok(strstr(why, "redis://") && !strstr(why, "secret"),
           "the complaint tells the form, and no password");
    }
    ok(strcmp(got, want) == 0, "%s -> %s (expected %s)", word, got, want);
}

static void hides(const char *word, const char *want) {
    char text[200];
    snprintf(text, sizeof text, "%s", word);
    url_hide_password(text);
    ok(strcmp(text, want) == 0, "%s is shown as %s", word, text);
}

int main(void) {
    reads("redis://h", "redis://h:6379||");
    reads("redis://h:7000/3", "redis://h:7000/3||");
    reads("REDISS://h", "rediss://h:6379||");
    reads("redis://:secret@h", "redis://h:6379||secret");
    reads("redis://secret@h", "redis://h:6379||secret");
    reads("redis://bob:se%40c%2Fret@h:1/0", "redis://bob@h:1/0|bob|se@c/ret");
    reads("redis://bob:se@cr/et@h", "redis://bob@h:6379|bob|se@cr/et");
    reads("redis://[2001:db8::1]:7000", "redis://[2001:db8::1]:7000||");
    reads("redis://[2001:db8::1]", "redis://[2001:db8::1]:6379||");
    reads("redis://", "no");
    reads("redis://:secret@", "no");
    reads("redis://h:0", "no");
    reads("redis://h:65536", "no");
    reads("redis://h/x", "no");
    reads("redis://:secret%4@h", "no");
    reads("redis://:secret%00@h", "no");
    reads("redis://[::1:7", "no");
    reads("http://h", "no");
    ok(url_is("redis://x") && url_is("rediss://") && !url_is("redis.rdb") && !url_is("-"),
       "addresses are told from files");
    hides("redis://:secret@h:1", "redis://:******@h:1");
    hides("redis://bob:s@c@h", "redis://bob:***@h");
    hides("redis://secret@h", "redis://******@h");
    hides("redis://h", "redis://h");
    hides("dump.rdb", "dump.rdb");
    return done();
}
