/* link: server/base/glob.c */
#include "server/base/glob.h"
#include "tests/unit/tap.h"

static bool match(const char *pattern, const char *text) {
    return glob_match((struct bytes){pattern, strlen(pattern)}, (struct bytes){text, strlen(text)},
                      false);
}

int main(void) {
    ok(!match("*", "") && !match("**", "") && match("*", "abc") && !match("", "a") && match("", ""),
       "empty and star");
    ok(match("a*c", "abbc") && !match("a*c", "abbd") && match("a**c*", "acd"), "stars inside");
    ok(match("h?llo", "hello") && !match("h?llo", "hllo"), "question mark");
    ok(match("h[ae]llo", "hallo") && !match("h[ae]llo", "hillo"), "a set");
    ok(match("h[^e]llo", "hallo") && !match("h[^e]llo", "hello"), "a negated set");
    ok(match("h[a-c]llo", "hbllo") && match("h[c-a]llo", "hbllo"), "a range, either way round");
    ok(match("\\*", "*") && !match("\\*", "x") && match("[\\]]", "]"), "escapes");
    ok(match("[abc", "a") && !match("[abc", "d"), "an unclosed set");
    ok(glob_match(BYTES("FOO*"), BYTES("foobar"), true), "letters folded when asked");
    char a[2000], p[400];
    memset(a, 'a', sizeof a);
    for (int i = 0; i < 400; i += 2) p[i] = '*', p[i + 1] = 'a';
    p[399] = 'b';
    ok(!glob_match((struct bytes){p, 400}, (struct bytes){a, 2000}, false),
       "many stars do not explode");
    return done();
}
