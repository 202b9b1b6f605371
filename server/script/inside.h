/* What the files of server/script share. */
#ifndef DUET_SCRIPT_INSIDE_H
#define DUET_SCRIPT_INSIDE_H

#include "server/base/buf.h"
#include "server/script/script.h"

#include <lauxlib.h>
#include <lua.h>

struct script {
    char sha[SCRIPT_SHA_CHARS + 1];
    unsigned flags;
    int ref; /* of the compiled function, in the registry */
    size_t body_bytes;
};

struct engine {
    lua_State *lua;
    const struct script_host *host;
    int handler_ref;         /* the error handler, in the registry */
    bool grown;              /* a script ran since script_collect last found nothing to do */
    bool running;            /* inside script_run: redis.call and its like may be used */
    int resp;                /* of replies to redis.call: redis.setresp */
    size_t bytes_after_full; /* of the interpreter when its last whole collection ended */
};
extern struct engine engine;

/* engine.c */
lua_State *engine_new_state(int *handler_ref);
/* Pushes {err = ...}. "-CODE text" gives "CODE text", anything else "ERR ...". */
void engine_push_error(lua_State *L, const char *text);

/* cache.c */
void cache_reset(void);

/* api.c: the `redis` table, pcall and math.random as scripts see them. */
void api_register(lua_State *L);

/* from_resp.c: pushes one reply that stands at p; returns what is behind it. */
const char *from_resp(lua_State *L, const char *p, int resp);
/* to_resp.c: appends the value on top as a reply and pops it. script_resp: what redis.setresp said. Counts
 * run's errors. */
struct script_run;
void to_resp(lua_State *L, struct buf *out, int script_resp, struct script_run *run);
/* An error of that text (code first) is in the reply; its table is on top. */
void count_error(lua_State *L, struct script_run *run, const char *text, size_t len);
void count_new_error(struct script_run *run, const char *text, size_t len);
/* The text of an error, "-" first; CR and LF become spaces. */
void to_resp_error(struct buf *out, const char *text);

/* A number without its fraction; what does not fit becomes the smallest one, as x86 converts it. */
static inline int64_t whole_number(lua_Number n) {
    return n >= -9223372036854775808.0 && n < 9223372036854775808.0 ? (int64_t)n : INT64_MIN;
}
static inline int small_number(lua_Number n) {
    return n > -2147483649.0 && n < 2147483648.0 ? (int)n : INT32_MIN;
}

/* The array part that Lua's own growth arrives at for n elements: so `#` of an array with holes that a script
 * makes later is what it is in Redis. */
static inline int array_size(size_t n) {
    size_t size = 1;
    if (!n) return 0;
    while (size < n) size *= 2;
    return size > 1 << 26 ? 0 : (int)size;
}

#endif
