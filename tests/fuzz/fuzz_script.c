/* link: server/script/engine.c server/script/cache.c server/script/run.c server/script/api.c server/script/from_resp.c server/script/to_resp.c server/proto/resp_write.c server/base/buf.c server/base/conf.c server/base/clock.c server/base/decimal.c server/base/hash.c server/base/hmac.c server/base/file.c server/base/log.c server/base/num.c */
/* Scripts, and what their libraries make of garbage. The first byte says what the rest is: a script, its
 * arguments, something to decode, or replies of commands. Whatever it was, the interpreter goes on, its globals
 * are what they were, and the next script is answered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/proto/resp.h"
#include "server/script/inside.h"

enum { MEMORY_MAX = 48 << 20, TICKS_MAX = 5, WORDS_MAX = 6 };

static size_t in_use;
static int ticks;
static struct bytes canned; /* what commands reply, when it is told */

/* Memory ends, as it would in a server some day. */
static void *limited(void *arg, void *p, size_t old_size, size_t size) {
    (void)arg;
    if (in_use - old_size + size > MEMORY_MAX && size > old_size) return NULL;
    in_use += size - old_size;
    if (size) return realloc(p, size);
    free(p);
    return NULL;
}

static bool call(int argc, const struct bytes *argv, int resp, struct buf *out, struct buf *error) {
    if (canned.p) {
        buf_add(out, canned.p, canned.len);
    } else if (argc % 5 == 0) {
        buf_add_str(error, argv[0].len % 2 ? "-CODE refused" : "refused");
        return false;
    } else {
        resp_map(out, resp, 1);
        resp_bulk(out, argv[argc - 1].p, argv[argc - 1].len);
        resp_double(out, resp, (double)argc);
    }
    return true;
}

static int may_call(int argc, const struct bytes *argv) {
    return argc % 3 - 1 + (argv[0].len > 100);
}

static void set_repl(int where) {
    must(where >= 0 && where <= 3, "only what it may be");
}

static void new_error(const char *text, size_t len) {
    must(len <= strlen(text), "a text");
}

static const char *tick(void) {
    return ++ticks > TICKS_MAX ? "it takes too long" : NULL;
}

static const struct script_host host = {call, may_call, set_repl, new_error, tick};

static struct script_run run(struct bytes body, int count, const struct bytes *args, int resp,
                             struct buf *out) {
    struct buf error = BUF_INIT;
    struct script_run r = {
        .script = script_load(body, &error), .args = args, .arg_count = count, .resp = resp};
    ticks = 0;
    buf_clear(out);
    if (r.script) script_run(&r, out);
    must(r.script || buf_len(&error), "what is not compiled is said to be wrong");
    must(!r.script || buf_len(out), "there is a reply");
    buf_free(&error);
    return r;
}

static void run_text(const char *text, int count, const struct bytes *args, int resp,
                     struct buf *out) {
    run((struct bytes){text, strlen(text)}, count, args, resp, out);
}

static void verify(struct buf *out) {
    canned.p = NULL;
    run_text("local n = 0 for k in pairs(_G) do n = n + 1 end "
             "return {n > 25, rawget(_G, 'x') == nil, pcall(rawset, _G, 'x', 1), #KEYS, "
             "type(redis.call)}",
             0, NULL, 2, out);
    static const char want[] = "*5\r\n:1\r\n:1\r\n$-1\r\n";
    must(buf_len(out) > sizeof want && !memcmp(buf_head(out), want, sizeof want - 1),
         "the sandbox is what it was");
}

static const char *const decoders[] = {
    "return cjson.decode(ARGV[1])",
    "return cjson.encode(cjson.decode(ARGV[1]))",
    "return {cmsgpack.unpack(ARGV[1])}",
    "return cmsgpack.pack(cmsgpack.unpack(ARGV[1]))",
    "return {cmsgpack.unpack_limit(ARGV[1], tonumber(ARGV[2]) or 3, tonumber(ARGV[3]) or 0)}",
    "return {struct.unpack(ARGV[1], ARGV[2])}",
    "return struct.pack(ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[2]), tonumber(ARGV[3]))",
    "return struct.size(ARGV[1])",
    "return {bit.tohex(tonumber(ARGV[1]) or 5, tonumber(ARGV[2]) or -8), "
    "bit.band(tonumber(ARGV[1]) or 0, 7)}",
    "return string.format(ARGV[1], ARGV[2], tonumber(ARGV[3]) or 1)",
    "return {ARGV[1]:find(ARGV[2])}",
    "return (ARGV[1]:gsub(ARGV[2], ARGV[3] or ''))",
    "return redis.call(unpack(ARGV))",
    "redis.setresp(3) return redis.pcall(unpack(ARGV))",
    "return redis.error_reply(ARGV[1])",
    "return {ok = ARGV[1]}",
    "return {err = ARGV[1], ARGV[2]}",
    "error(ARGV[1])",
    "return loadstring(ARGV[1])",
    "return {tonumber(ARGV[1]), {double = tonumber(ARGV[1]) or 0}, {big_number = ARGV[2] or ''}, "
    "{verbatim_string = {format = ARGV[1], string = ARGV[2]}}}",
};

/* Words between bytes of 0xff. */
static int split(const char *p, size_t n, struct bytes *words) {
    int count = 0;
    while (count < WORDS_MAX - 1) {
        const char *end = n ? memchr(p, 0xff, n) : NULL;
        if (!end) break;
        words[count++] = (struct bytes){p, (size_t)(end - p)};
        n -= (size_t)(end - p) + 1;
        p = end + 1;
    }
    words[count++] = (struct bytes){p, n};
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int runs;
    struct bytes words[WORDS_MAX];
    struct buf out = BUF_INIT;
    const size_t kinds = sizeof decoders / sizeof decoders[0];
    if (!size || size > 4096) return 0;
    if (runs++ == 0) {
        log_set_level(LOG_ERROR);
        script_init(&host);
    }
    in_use = script_vm_bytes();
    lua_setallocf(engine.lua, limited, NULL);
    const char *rest = (const char *)data + 1;
    size_t kind = data[0] % (kinds + 6);
    int resp = data[0] & 0x80 ? 3 : 2;
    if (kind < kinds)
        run_text(decoders[kind], split(rest, size - 1, words), words, resp, &out);
    else
        run((struct bytes){rest, size - 1}, 0, NULL, resp, &out);
    verify(&out);
    buf_free(&out);
    if (runs % 500 == 0) script_reset(NULL, NULL);
    return 0;
}
