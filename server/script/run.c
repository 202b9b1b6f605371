/* See script.h: one run of a script, from its arguments to its reply. */
#include "server/script/inside.h"

#include <stdio.h>

#include "server/base/log.h"

enum { HOOK_INSTRUCTIONS = 100000, STEP_EVERY_RUNS = 50, STEP_KB = 50 };

/* A script that is to end is asked at every line from then on, so that no pcall of its own keeps it going. */
static void on_count(lua_State *L, lua_Debug *at) {
    (void)at;
    const char *why = engine.host->tick();
    if (!why) return;
    lua_sethook(L, on_count, LUA_MASKLINE, 0);
    engine_push_error(L, why);
    lua_error(L);
}

static void set_global(lua_State *L, const char *name, int count, const struct bytes *words) {
    lua_createtable(L, array_size((size_t)count), 0);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(L, words[i].len ? words[i].p : "", words[i].len);
        lua_rawseti(L, -2, i + 1);
    }
    lua_enablereadonlytable(L, LUA_GLOBALSINDEX, 0);
    lua_setglobal(L, name);
    lua_enablereadonlytable(L, LUA_GLOBALSINDEX, 1);
}

static bool add_field(lua_State *L, const char *name, struct buf *text) {
    lua_getfield(L, -1, name);
    bool there = lua_isstring(L, -1);
    if (there) buf_add_str(text, lua_tostring(L, -1));
    lua_pop(L, 1);
    return there;
}

/* The error on top, with the place where it arose. */
static void put_raised(lua_State *L, struct script_run *run, struct buf *out) {
    static struct buf text, source, line;
    buf_clear(&text);
    buf_clear(&source);
    buf_clear(&line);
    if (!lua_istable(L, -1)) {
        const char *why = lua_isstring(L, -1) ? lua_tostring(L, -1) : "execution failure";
        count_new_error(run, "ERR ", 4);
        buf_printf(&text, "-ERR Error running script %s, %.100s", run->script->sha, why);
        to_resp_error(out, buf_cstr(&text));
        return;
    }
    buf_add_str(&text, "-");
    if (!add_field(L, "err", &text)) buf_add_str(&text, "ERR unknown error");
    bool has_source = add_field(L, "source", &source), has_line = add_field(L, "line", &line);
    if (has_source && has_line)
        buf_printf(&text, " script: %s, on %s:%s.", run->script->sha, buf_cstr(&source),
                   buf_cstr(&line));
    count_error(L, run, buf_head(&text) + 1, buf_len(&text) - 1);
    to_resp_error(out, buf_cstr(&text));
}

/* A little collecting now and then, so that Lua has no reason to do much of it inside a script. */
static void collect_a_little(lua_State *L) {
    static int runs;
    if (++runs < STEP_EVERY_RUNS) return;
    runs = 0;
    lua_gc(L, LUA_GCSTEP, STEP_KB);
}

void script_run(struct script_run *run, struct buf *out) {
    lua_State *L = engine.lua;
    must(!engine.running, "one script runs at a time");
    engine.running = true;
    engine.resp = 2;
    run->old_errors = run->new_errors = 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, engine.handler_ref);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->ref);
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    set_global(L, "KEYS", run->key_count, run->keys);
    set_global(L, "ARGV", run->arg_count, run->args);
    int raised = lua_pcall(L, 0, 1, -2);
    if (raised) {
        put_raised(L, run, out);
        lua_pop(L, 1);
    } else {
        to_resp(L, out, engine.resp, run);
    }
    lua_sethook(L, NULL, 0, 0);
    lua_pop(L, 1);
    engine.running = false;
    engine.grown = true;
    collect_a_little(L);
}
