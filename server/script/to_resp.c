/* A script's value as a reply. Numbers lose their fraction, arrays end at the first nil, tables with a field
 * of a known name stand for what Lua has no type for. Depth is bounded by Lua's own stack. */
#include "server/script/inside.h"

#include <string.h>

#include "server/proto/resp.h"

static void put(lua_State *L, struct buf *out, int script_resp, struct script_run *run);

static void put_line(struct buf *out, char kind, const char *text, size_t n) {
    char *to = buf_room(out, n + 3);
    to[0] = kind;
    for (size_t i = 0; i < n; i++) to[1 + i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    to[n + 1] = '\r';
    to[n + 2] = '\n';
    buf_added(out, n + 3);
}

void to_resp_error(struct buf *out, const char *text) {
    size_t n = strlen(text);
    if (text[0] == '-')
        put_line(out, '-', text + 1, n - 1);
    else
        resp_errorf(out, "ERR %s", text);
}

/* Pushes the field when it is of this type; the value of the table stays below it. */
static bool field(lua_State *L, const char *name, int type) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (lua_type(L, -1) == type) return true;
    lua_pop(L, 1);
    return false;
}

void count_new_error(struct script_run *run, const char *text, size_t len) {
    run->new_errors++;
    engine.host->new_error(text, len);
}

void count_error(lua_State *L, struct script_run *run, const char *text, size_t len) {
    lua_getfield(L, -1, "ignore_error_stats_update");
    bool old = lua_isboolean(L, -1) && lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (old)
        run->old_errors++;
    else
        count_new_error(run, text, len);
}

/* {err = text}: line ends behind the text are dropped, others become spaces. */
static void put_error(lua_State *L, struct buf *out, struct script_run *run) {
    const char *text = lua_tostring(L, -1);
    size_t n = strlen(text);
    while (n && (text[n - 1] == '\r' || text[n - 1] == '\n')) n--;
    put_line(out, '-', text, n);
    lua_insert(L, -2); /* the text stays while the table is asked */
    count_error(L, run, text, n);
    lua_insert(L, -2);
    lua_pop(L, 1);
}

static bool put_verbatim(lua_State *L, struct buf *out, int resp) {
    bool done = false;
    if (field(L, "format", LUA_TSTRING)) {
        lua_pushliteral(L, "string");
        lua_rawget(L, -3);
        if (lua_type(L, -1) == LUA_TSTRING) {
            size_t len;
            char kind[4] = "   ";
            const char *text = lua_tolstring(L, -1, &len), *format = lua_tostring(L, -2);
            for (int i = 0; i < 3 && format[i]; i++) kind[i] = format[i];
            resp_verbatim(out, resp, kind, text, len);
            done = true;
        }
        lua_pop(L, 2);
    }
    return done;
}

static size_t count_pairs(lua_State *L) {
    size_t n = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        n++;
    }
    return n;
}

/* The inner table of {map = ...} or {set = ...} is on top. */
static void put_pairs(lua_State *L, struct buf *out, int script_resp, struct script_run *run,
                      bool set) {
    size_t n = count_pairs(L);
    if (set)
        resp_set(out, run->resp, n);
    else
        resp_map(out, run->resp, n);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (set) lua_pop(L, 1);
        lua_pushvalue(L, set ? -1 : -2);
        put(L, out, script_resp, run);
        if (!set) put(L, out, script_resp, run);
    }
}

/* A table that stands for something else; false: it is an array. */
static bool put_special(lua_State *L, struct buf *out, int script_resp, struct script_run *run) {
    if (field(L, "err", LUA_TSTRING)) {
        put_error(L, out, run);
        return true;
    }
    if (field(L, "ok", LUA_TSTRING)) {
        const char *text = lua_tostring(L, -1);
        put_line(out, '+', text, strlen(text));
    } else if (field(L, "double", LUA_TNUMBER)) {
        resp_double(out, run->resp, lua_tonumber(L, -1));
    } else if (field(L, "big_number", LUA_TSTRING)) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        if (run->resp == 2) {
            resp_bulk(out, text, len);
            char *at = buf_head(out) + buf_len(out) - len - 2;
            for (size_t i = 0; i < len; i++)
                if (at[i] == '\r' || at[i] == '\n') at[i] = ' ';
        } else {
            put_line(out, '(', text, len);
        }
    } else if (field(L, "verbatim_string", LUA_TTABLE)) {
        bool done = put_verbatim(L, out, run->resp);
        lua_pop(L, 1);
        if (done) return true;
        if (field(L, "map", LUA_TTABLE))
            put_pairs(L, out, script_resp, run, false);
        else if (field(L, "set", LUA_TTABLE))
            put_pairs(L, out, script_resp, run, true);
        else
            return false;
    } else if (field(L, "map", LUA_TTABLE)) {
        put_pairs(L, out, script_resp, run, false);
    } else if (field(L, "set", LUA_TTABLE)) {
        put_pairs(L, out, script_resp, run, true);
    } else {
        return false;
    }
    lua_pop(L, 1);
    return true;
}

static void put_array(lua_State *L, struct buf *out, int script_resp, struct script_run *run) {
    size_t n = 0;
    for (;; n++) {
        lua_rawgeti(L, -1, (int)n + 1);
        bool end = lua_isnil(L, -1);
        lua_pop(L, 1);
        if (end) break;
    }
    resp_array(out, n);
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, (int)i);
        put(L, out, script_resp, run);
    }
}

/* Appends the value on top and pops it. */
static void put(lua_State *L, struct buf *out, int script_resp, struct script_run *run) {
    if (!lua_checkstack(L, 4)) {
        to_resp_error(out, "reached lua stack limit");
        count_new_error(run, "ERR ", 4);
        lua_pop(L, 1);
        return;
    }
    switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        resp_bulk(out, text, len);
        break;
    }
    case LUA_TBOOLEAN:
        if (script_resp == 3)
            resp_bool(out, run->resp, lua_toboolean(L, -1));
        else if (lua_toboolean(L, -1))
            resp_int(out, 1);
        else
            resp_null(out, run->resp);
        break;
    case LUA_TNUMBER: resp_int(out, whole_number(lua_tonumber(L, -1))); break;
    case LUA_TTABLE:
        if (!put_special(L, out, script_resp, run)) put_array(L, out, script_resp, run);
        break;
    default: resp_null(out, run->resp);
    }
    lua_pop(L, 1);
}

void to_resp(lua_State *L, struct buf *out, int script_resp, struct script_run *run) {
    put(L, out, script_resp, run);
}
