/* What a script may ask of the server: the table `redis`, and math.random with Redis's own sequence. Names,
 * arguments and errors are Redis's. */
#include "server/script/inside.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/base/hmac.h"
#include "server/base/log.h"
#include "server/base/num.h"

#define VERSION     "7.0.15"
#define VERSION_NUM 0x0007000f

enum { NUMBER_CHARS = 32, ARGS_KEPT = 4096, REPLY_KEPT_BYTES = 64 * 1024 };

/* Raises {err = text}. */
static int raise(lua_State *L, const char *text) {
    engine_push_error(L, text);
    return lua_error(L);
}

static int wrong_place(lua_State *L, const char *what) {
    char text[100];
    snprintf(text, sizeof text, "%s can only be called inside a script invocation", what);
    return raise(L, text);
}

/* ---- redis.call and its like ---------------------------------------------------------------------------- */

static struct {
    struct bytes *v;
    int cap;
    struct buf numbers; /* the texts of those arguments that are numbers */
    struct buf reply, error;
} args;

/* As %.17g. Whole numbers, which nearly all are, by the short way. */
static size_t format_number(char *to, lua_Number n) {
    if (n == floor(n) && fabs(n) < 1e15 && !(n == 0 && signbit(n)))
        return num_format_i64(to, (int64_t)n);
    return (size_t)snprintf(to, NUMBER_CHARS, "%.17g", n);
}

/* The words of a call, good while the arguments stand on the stack. False: one is neither string nor number. */
static bool take_args(lua_State *L, int argc) {
    if (argc > args.cap) {
        args.cap = argc < 16 ? 16 : argc * 2;
        args.v = xrealloc(args.v, (size_t)args.cap * sizeof *args.v);
    }
    buf_clear(&args.numbers);
    for (int i = 0; i < argc; i++) {
        int type = lua_type(L, i + 1);
        if (type == LUA_TSTRING) {
            args.v[i].p = lua_tolstring(L, i + 1, &args.v[i].len);
        } else if (type == LUA_TNUMBER) {
            char *to = buf_room(&args.numbers, NUMBER_CHARS);
            args.v[i] = (struct bytes){NULL, format_number(to, lua_tonumber(L, i + 1))};
            buf_added(&args.numbers, args.v[i].len);
        } else {
            return false;
        }
    }
    const char *text = buf_head(&args.numbers);
    for (int i = 0; i < argc && buf_len(&args.numbers); i++) {
        if (args.v[i].p) continue;
        args.v[i].p = text;
        text += args.v[i].len;
    }
    return true;
}

/* Pushes an error and returns false when the arguments are no command. */
static bool command_args(lua_State *L, int argc) {
    if (!argc) {
        engine_push_error(L, "Please specify at least one argument for this redis lib call");
        return false;
    }
    if (take_args(L, argc)) return true;
    lua_settop(L, 0);
    engine_push_error(L, "Lua redis lib command arguments must be strings or integers");
    return false;
}

static void push_refusal(lua_State *L) {
    engine_push_error(L, buf_cstr(&args.error));
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
}

/* The words live on the stack until the command is done. */
static int call(lua_State *L, bool raises) {
    int argc = lua_gettop(L);
    bool failed = true;
    if (!engine.running) return wrong_place(L, "redis.call/pcall");
    if (!command_args(L, argc)) return raises ? lua_error(L) : 1;
    buf_clear(&args.reply);
    buf_clear(&args.error);
    bool ran = engine.host->call(argc, args.v, engine.resp, &args.reply, &args.error);
    lua_settop(L, 0);
    if (ran) {
        const char *reply = buf_cstr(&args.reply);
        failed = *reply == '-';
        from_resp(L, reply, engine.resp);
    } else {
        push_refusal(L);
    }
    buf_clear(&args.reply);
    buf_trim(&args.reply, REPLY_KEPT_BYTES);
    return raises && failed ? lua_error(L) : 1;
}

static int api_call(lua_State *L) {
    return call(L, true);
}

static int api_pcall(lua_State *L) {
    return call(L, false);
}

static int api_acl_check_cmd(lua_State *L) {
    if (!engine.running) return wrong_place(L, "redis.acl_check_cmd");
    int argc = lua_gettop(L);
    if (!command_args(L, argc)) return lua_error(L);
    int may = engine.host->may_call(argc, args.v);
    lua_settop(L, 0);
    if (may < 0) return raise(L, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, may);
    return 1;
}

/* The global pcall: an error's table is shown as its text, as before Redis 7 made tables of errors. */
static int plain_pcall(lua_State *L) {
    int argc = lua_gettop(L);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    /* Without a function there is nothing to call but the place of the result. */
    if (!argc) {
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "attempt to call a boolean value");
        lua_remove(L, 1);
        return 2;
    }
    if (!lua_pcall(L, argc - 1, LUA_MULTRET, 0)) return lua_gettop(L);
    lua_remove(L, 1);
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "err");
        if (lua_isstring(L, -1)) lua_replace(L, -2);
    }
    lua_pushboolean(L, 0);
    lua_insert(L, 1);
    return lua_gettop(L);
}

/* ---- the rest of `redis` -------------------------------------------------------------------------------- */

static int api_sha1hex(lua_State *L) {
    uint8_t digest[20];
    char hex[SCRIPT_SHA_CHARS + 1];
    size_t len;
    if (lua_gettop(L) != 1) return raise(L, "wrong number of arguments");
    const char *text = lua_tolstring(L, 1, &len);
    sha1(text ? text : "", text ? len : 0, digest);
    num_to_hex(hex, digest, sizeof digest);
    lua_pushlstring(L, hex, SCRIPT_SHA_CHARS);
    return 1;
}

static bool one_string(lua_State *L) {
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING) return true;
    engine_push_error(L, "wrong number or type of arguments");
    return false;
}

static int api_error_reply(lua_State *L) {
    if (!one_string(L)) return 1;
    const char *text = lua_tostring(L, 1);
    if (text[0] != '-') text = lua_pushfstring(L, "-%s", text);
    engine_push_error(L, text);
    return 1;
}

static int api_status_reply(lua_State *L) {
    if (!one_string(L)) return 1;
    lua_newtable(L);
    lua_pushliteral(L, "ok");
    lua_pushvalue(L, 1);
    lua_rawset(L, -3);
    return 1;
}

static int api_log(lua_State *L) {
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    int argc = lua_gettop(L);
    if (argc < 2) return raise(L, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1)) return raise(L, "First argument must be a number (log level).");
    int level = small_number(lua_tonumber(L, 1));
    if (level < 0 || level > 3) return raise(L, "Invalid debug level.");
    struct buf text = BUF_INIT;
    for (int i = 2; i <= argc; i++) {
        size_t len;
        const char *word = lua_tolstring(L, i, &len);
        if (!word) continue;
        if (i > 2) buf_add(&text, " ", 1);
        buf_add(&text, word, len);
    }
    log_line(levels[level], "%s", buf_cstr(&text));
    buf_free(&text);
    return 0;
}

static int api_setresp(lua_State *L) {
    if (!engine.running) return wrong_place(L, "redis.setresp");
    if (lua_gettop(L) != 1) return raise(L, "redis.setresp() requires one argument.");
    int resp = small_number(lua_tonumber(L, 1));
    if (resp != 2 && resp != 3) return raise(L, "RESP version must be 2 or 3.");
    engine.resp = resp;
    return 0;
}

static int api_set_repl(lua_State *L) {
    if (!engine.running) return wrong_place(L, "redis.set_repl");
    if (lua_gettop(L) != 1) return raise(L, "redis.set_repl() requires two arguments.");
    int where = small_number(lua_tonumber(L, 1));
    if (where & ~(SCRIPT_REPL_LOG | SCRIPT_REPL_SLAVES))
        return raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                        "REPL_NONE.");
    engine.host->set_repl(where);
    return 0;
}

static int api_replicate_commands(lua_State *L) {
    lua_pushboolean(L, 1); /* effects are what is replicated, always */
    return 1;
}

/* There is no debugger to stop. */
static int api_breakpoint(lua_State *L) {
    lua_pushboolean(L, 0);
    return 1;
}

static int api_debug(lua_State *L) {
    (void)L;
    return 0;
}

/* ---- math.random ---------------------------------------------------------------------------------------- */

/* The 48-bit linear congruential generator of drand48, whose sequence Redis promises for a seed; not reset
 * between scripts. */
static uint64_t random_state = 0x1234abcd330eULL;

static int32_t next_random(void) {
    random_state = (random_state * 0x5deece66dULL + 0xb) & 0xffffffffffffULL;
    return (int32_t)(random_state >> 17);
}

static int api_random(lua_State *L) {
    if (!engine.running)
        return luaL_error(L, "math.random can only be called inside a script invocation");
    lua_Number r = (lua_Number)(next_random() % INT32_MAX) / (lua_Number)INT32_MAX;
    int low = 1, high;
    switch (lua_gettop(L)) {
    case 0: lua_pushnumber(L, r); return 1;
    case 1:
        high = luaL_checkint(L, 1);
        luaL_argcheck(L, 1 <= high, 1, "interval is empty");
        lua_pushnumber(L, floor(r * high) + 1);
        return 1;
    case 2:
        low = luaL_checkint(L, 1);
        high = luaL_checkint(L, 2);
        luaL_argcheck(L, low <= high, 2, "interval is empty");
        /* the width is an int in Redis, and goes round as one */
        lua_pushnumber(L, floor(r * (int)((unsigned)high - (unsigned)low + 1)) + low);
        return 1;
    default: return luaL_error(L, "wrong number of arguments");
    }
}

static int api_randomseed(lua_State *L) {
    if (!engine.running)
        return luaL_error(L, "math.randomseed can only be called inside a script invocation");
    random_state = (uint64_t)(uint32_t)luaL_checkint(L, 1) << 16 | 0x330e;
    return 0;
}

/* ---- registration --------------------------------------------------------------------------------------- */

void api_register(lua_State *L) {
    static const luaL_Reg functions[] = {{"call", api_call},
                                         {"pcall", api_pcall},
                                         {"log", api_log},
                                         {"setresp", api_setresp},
                                         {"sha1hex", api_sha1hex},
                                         {"error_reply", api_error_reply},
                                         {"status_reply", api_status_reply},
                                         {"set_repl", api_set_repl},
                                         {"acl_check_cmd", api_acl_check_cmd},
                                         {"breakpoint", api_breakpoint},
                                         {"debug", api_debug},
                                         {"replicate_commands", api_replicate_commands}};
    static const struct {
        const char *name;
        int value;
    } numbers[] = {{"LOG_DEBUG", 0},  {"LOG_VERBOSE", 1},
                   {"LOG_NOTICE", 2}, {"LOG_WARNING", 3},
                   {"REPL_NONE", 0},  {"REPL_AOF", 1},
                   {"REPL_SLAVE", 2}, {"REPL_REPLICA", 2},
                   {"REPL_ALL", 3},   {"REDIS_VERSION_NUM", VERSION_NUM}};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        lua_pushcfunction(L, functions[i].func);
        lua_setfield(L, -2, functions[i].name);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        lua_pushnumber(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushliteral(L, VERSION);
    lua_setfield(L, -2, "REDIS_VERSION");
    lua_setglobal(L, "redis");
    lua_pushcfunction(L, plain_pcall);
    lua_setglobal(L, "pcall");
    lua_getglobal(L, "math");
    lua_pushcfunction(L, api_random);
    lua_setfield(L, -2, "random");
    lua_pushcfunction(L, api_randomseed);
    lua_setfield(L, -2, "randomseed");
    lua_pop(L, 1);
}
