/* link: */
/* The test library itself: what it counts as the same, and that the libraries for tests are there.
 */
#include "tests/unit/tap.h"

#include <bearssl.h>
#include <ev.h>
#include <lua.h>

int main(void) {
    is_str("a", "a", "equal strings are the same");
    is_str(NULL, NULL, "no string is the same as no string");
    is_mem("a\0b", 3, "a\0b", 3, "bytes behind a NUL count");
    is_int(INT64_MIN, INT64_MIN, "numbers of 64 bits fit");
    ok(tap_seed() != 0, "there is a seed");
    is_int(ev_version_major(), EV_VERSION_MAJOR, "libev and its header agree");
    is_int(br_sha256_SIZE, 32, "BearSSL's headers are there");
    is_int(LUA_VERSION_NUM, 501, "Lua's headers are there");
    return done();
}
