/* See script.h: the interpreter, its sandbox, its end. */
#include "server/script/inside.h"

#include <lualib.h>
#include <string.h>

#include "server/base/log.h"

/* More than this is freed elsewhere: taking a million objects apart is 30 ms. */
enum { BIG_STATE_BYTES = 512 * 1024, COLLECT_FROM_BYTES = 1 << 20, COLLECT_STEP_KB = 64 };

struct engine engine;

int luaopen_cjson(lua_State *L);
int luaopen_struct(lua_State *L);
int luaopen_cmsgpack(lua_State *L);
int luaopen_bit(lua_State *L);

static void open_libraries(lua_State *L) {
    static const struct {
        const char *name;
        lua_CFunction open;
    } libraries[] = {
        {"", luaopen_base},
        {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math},
        {LUA_DBLIBNAME, luaopen_debug},
        {"cjson", luaopen_cjson},
        {"struct", luaopen_struct},
        {"cmsgpack", luaopen_cmsgpack},
        {"bit", luaopen_bit},
    };
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        lua_pushcfunction(L, libraries[i].open);
        lua_pushstring(L, libraries[i].name);
        lua_call(L, 1, 0);
    }
}

/* What would reach files, other functions' globals, or finalizers. `debug` goes when the handler has it. */
static void remove_globals(lua_State *L) {
    static const char *const names[] = {"print",   "dofile",  "loadfile",
                                        "getfenv", "setfenv", "newproxy"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lua_pushnil(L);
        lua_setglobal(L, names[i]);
    }
}

/* Turns whatever was raised into a table and notes where: of a C function, who called it. Its lines are
 * counted: a script that raises what cannot be written to reads their numbers in the error's text. */
static const char handler_text[] = "local dbg = debug\n"
                                   "debug = nil\n"
                                   "function __redis__err__handler(err)\n"
                                   " local at = dbg.getinfo(2, 'nSl')\n"
                                   " if at and at.what == 'C' then\n"
                                   "  at = dbg.getinfo(3, 'nSl')\n"
                                   " end\n"
                                   " if type(err) ~= 'table' then\n"
                                   "  err = {err = 'ERR ' .. tostring(err)} end if at then\n"
                                   "  err['source'] = at.source\n"
                                   "  err['line'] = at.currentline\n"
                                   " end return err\n"
                                   "end\n";

static void define_handler(lua_State *L, int *ref) {
    int failed = luaL_loadbuffer(L, handler_text, sizeof handler_text - 1, "@err_handler_def") ||
                 lua_pcall(L, 0, 0, 0);
    must(!failed, "the error handler compiles");
    lua_getglobal(L, "__redis__err__handler");
    *ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static int no_such_global(lua_State *L) {
    if (lua_gettop(L) != 2) luaL_error(L, "Wrong number of arguments to luaProtectedTableError");
    if (!lua_isstring(L, -1) && !lua_isnumber(L, -1))
        luaL_error(L, "Second argument to luaProtectedTableError must be a string or number");
    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                      lua_tostring(L, -1));
}

/* The table on top and all that can be reached from it. */
static void protect(lua_State *L) {
    if (lua_isreadonlytable(L, -1)) return;
    lua_enablereadonlytable(L, -1, 1);
    lua_checkstack(L, 2);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_istable(L, -1)) protect(L);
        lua_pop(L, 1);
    }
    if (!lua_getmetatable(L, -1)) return;
    protect(L);
    lua_pop(L, 1);
}

static void protect_globals(lua_State *L) {
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    lua_newtable(L);
    lua_pushcfunction(L, no_such_global);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    protect(L);
    lua_pop(L, 1);
}

/* Strings have a metatable; the other plain types have none, and scripts cannot give them one. */
static void protect_strings(lua_State *L) {
    lua_pushliteral(L, "");
    if (lua_getmetatable(L, -1)) {
        protect(L);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

lua_State *engine_new_state(int *handler_ref) {
    lua_State *L = luaL_newstate();
    if (!L) bug("out of memory: no Lua interpreter");
    open_libraries(L);
    remove_globals(L);
    api_register(L);
    define_handler(L, handler_ref);
    protect_globals(L);
    protect_strings(L);
    return L;
}

void script_init(const struct script_host *host) {
    engine.host = host;
    engine.lua = engine_new_state(&engine.handler_ref);
    engine.resp = 2;
    engine.bytes_after_full = script_vm_bytes();
}

/* A collection that is under way must not meet finalizers that are run by the end. */
static void close_state(void *dead) {
    lua_gc(dead, LUA_GCCOLLECT, 0);
    lua_close(dead);
}

void script_reset(void (*later)(void *arg, void *dead, void (*free_fn)(void *dead)), void *arg) {
    must(!engine.running, "scripts are not forgotten while one runs");
    lua_State *dead = engine.lua;
    bool big = script_vm_bytes() > BIG_STATE_BYTES;
    cache_reset();
    script_init(engine.host);
    if (big && later)
        later(arg, dead, close_state);
    else
        close_state(dead);
}

/* Both ends are trimmed of line ends, as Redis does with what stands behind the code. */
static size_t trimmed(const char **text) {
    *text += strspn(*text, "\r\n");
    size_t n = strlen(*text);
    while (n && ((*text)[n - 1] == '\r' || (*text)[n - 1] == '\n')) n--;
    return n;
}

void engine_push_error(lua_State *L, const char *text) {
    const char *code = "ERR", *rest = text;
    size_t code_len = 3;
    if (text[0] == '-') {
        const char *space = strchr(text, ' ');
        rest = space ? space + 1 : text + 1;
        if (space) {
            code = text + 1;
            code_len = (size_t)(space - code);
        }
    }
    size_t n = trimmed(&rest);
    lua_newtable(L);
    lua_pushliteral(L, "err");
    lua_pushlstring(L, code, code_len);
    lua_pushliteral(L, " ");
    lua_pushlstring(L, rest, n);
    lua_concat(L, 3);
    lua_rawset(L, -3);
}

size_t script_vm_bytes(void) {
    return (size_t)lua_gc(engine.lua, LUA_GCCOUNT, 0) * 1024 +
           (size_t)lua_gc(engine.lua, LUA_GCCOUNTB, 0);
}

/* What scripts leave behind is collected while there is nothing else to do, not in the next one's time. */
bool script_collect(void) {
    if (!engine.grown || engine.running) return false;
    if (script_vm_bytes() < engine.bytes_after_full * 2 + COLLECT_FROM_BYTES) {
        engine.grown = false;
        return false;
    }
    if (!lua_gc(engine.lua, LUA_GCSTEP, COLLECT_STEP_KB)) return true;
    engine.bytes_after_full = script_vm_bytes();
    return false;
}
