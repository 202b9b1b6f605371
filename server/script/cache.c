/* See script.h: scripts by their SHA-1 and by their text. EVAL finds its script by the text itself: to hash
 * that for a table costs a tenth of a SHA-1. */
#include "server/script/inside.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/conf.h"
#include "server/base/hash.h"
#include "server/base/hmac.h"
#include "server/base/num.h"

static struct map *by_sha, *by_body;
static size_t bytes;
static const struct script *last; /* the one that was found by its SHA-1 last */

static void make_maps(void) {
    by_sha = map_new(false);
    by_body = map_new(false);
}

void cache_reset(void) {
    last = NULL;
    bytes = 0;
    if (!by_sha) return;
    map_free(by_sha, free);
    map_free(by_body, NULL);
    by_sha = by_body = NULL;
}

const struct script *script_by_sha(struct bytes sha) {
    char low[SCRIPT_SHA_CHARS];
    if (sha.len != SCRIPT_SHA_CHARS || !by_sha) return NULL;
    if (last && !memcmp(last->sha, sha.p, SCRIPT_SHA_CHARS)) return last;
    for (int i = 0; i < SCRIPT_SHA_CHARS; i++) low[i] = (char)tolower((unsigned char)sha.p[i]);
    const struct script *s = map_get(by_sha, low, sizeof low);
    if (s) last = s;
    return s;
}

const struct script *script_by_body(struct bytes body) {
    return by_body ? map_get(by_body, body.p, body.len) : NULL;
}

const char *script_sha(const struct script *s) {
    return s->sha;
}

unsigned script_flags(const struct script *s) {
    return s->flags;
}

/* ---- the first line ------------------------------------------------------------------------------------- */

static void say(struct buf *error, const char *text, struct bytes word) {
    if (!error) return;
    buf_add_str(error, text);
    buf_add(error, word.p, word.len);
}

static bool flag_by_name(struct bytes name, unsigned *flags) {
    static const struct {
        const char *name;
        unsigned flag;
    } known[] = {{"no-writes", SCRIPT_NO_WRITES},
                 {"allow-oom", SCRIPT_ALLOW_OOM},
                 {"allow-stale", SCRIPT_ALLOW_STALE},
                 {"no-cluster", SCRIPT_NO_CLUSTER},
                 {"allow-cross-slot-keys", SCRIPT_CROSS_SLOT}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].name) != name.len || memcmp(known[i].name, name.p, name.len)) continue;
        *flags |= known[i].flag;
        return true;
    }
    return false;
}

/* "flags=a,b"; an empty list has one empty name, unless nothing at all stands there. */
static bool take_flags(struct bytes list, unsigned *flags, struct buf *error) {
    while (list.len) {
        const char *comma = memchr(list.p, ',', list.len);
        struct bytes name = {list.p, comma ? (size_t)(comma - list.p) : list.len};
        if (!flag_by_name(name, flags)) {
            say(error, "Unexpected flag in script shebang: ", name);
            return false;
        }
        if (!comma) return true;
        list.p = comma + 1;
        list.len -= name.len + 1;
        if (list.len) continue;
        say(error, "Unexpected flag in script shebang: ", BYTES(""));
        return false;
    }
    return true;
}

static bool take_option(struct bytes word, unsigned *flags, struct buf *error) {
    if (word.len < 6 || memcmp(word.p, "flags=", 6)) {
        say(error, "Unknown lua shebang option: ", word);
        return false;
    }
    return take_flags((struct bytes){word.p + 6, word.len - 6}, flags, error);
}

/* Words may be quoted as in redis.conf. */
static bool take_words(struct bytes line, unsigned *flags, struct buf *error) {
    char **words;
    size_t *lens;
    int n = conf_split(line.p, line.len, &words, &lens);
    if (n <= 0) {
        say(error, "Invalid engine in script shebang", BYTES(""));
        return false;
    }
    bool good = !strcmp(words[0], "#!lua");
    if (!good)
        say(error,
            "Unexpected engine in script shebang: ", (struct bytes){words[0], strlen(words[0])});
    for (int i = 1; good && i < n; i++)
        good = take_option((struct bytes){words[i], lens[i]}, flags, error);
    conf_words_free(words, lens, n);
    return good;
}

static bool first_line(struct bytes body, unsigned *flags, size_t *len, struct buf *error) {
    *flags = SCRIPT_COMPAT;
    *len = 0;
    if (body.len < 2 || memcmp(body.p, "#!", 2)) return true;
    const char *end = memchr(body.p, '\n', strnlen(body.p, body.len));
    if (!end) {
        say(error, "Invalid script shebang", BYTES(""));
        return false;
    }
    *flags = 0;
    *len = (size_t)(end - body.p);
    return take_words((struct bytes){body.p, *len}, flags, error);
}

bool script_body_flags(struct bytes body, unsigned *flags, struct buf *error) {
    size_t len;
    return first_line(body, flags, &len, error);
}

/* ---- loading -------------------------------------------------------------------------------------------- */

/* Its text behind the first line, whose end is left, so that line numbers stay. */
static bool compile(lua_State *L, struct bytes body, size_t skip, struct buf *error) {
    if (!luaL_loadbuffer(L, body.p + skip, body.len - skip, "@user_script")) return true;
    buf_add_str(error, "Error compiling script (new function): ");
    buf_add_str(error, lua_tostring(L, -1));
    lua_pop(L, 1);
    return false;
}

const struct script *script_load(struct bytes body, struct buf *error) {
    uint8_t digest[20];
    unsigned flags;
    size_t skip;
    struct bytes text = {body.len ? body.p : "", body.len};
    const struct script *known = script_by_body(text);
    if (known) return known;
    if (!first_line(text, &flags, &skip, error) || !compile(engine.lua, text, skip, error))
        return NULL;
    if (!by_sha) make_maps();
    struct script *s = xcalloc(1, sizeof *s);
    s->ref = luaL_ref(engine.lua, LUA_REGISTRYINDEX);
    s->flags = flags;
    s->body_bytes = body.len;
    sha1(text.p, text.len, digest);
    num_to_hex(s->sha, digest, sizeof digest);
    map_put(by_sha, s->sha, SCRIPT_SHA_CHARS, s);
    map_put(by_body, text.p, text.len, s);
    bytes += sizeof *s + body.len + 2 * SCRIPT_SHA_CHARS;
    return s;
}

size_t script_cache_bytes(void) {
    return bytes;
}

size_t script_count(void) {
    return by_sha ? map_count(by_sha) : 0;
}
