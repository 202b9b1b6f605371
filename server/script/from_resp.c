/* A command's reply as a script sees it. The replies are this server's own, so their form is not doubted; they
 * nest a few levels, whatever the data.
 *
 *   RESP2                      RESP3 besides (after redis.setresp(3))
 *   +text    {ok = text}       %   {map = {...}}      ,  {double = n}      =  {verbatim_string = {format, string}}
 *   -text    {err = text}      ~   {set = {m = true}} #  true or false     (  {big_number = text}
 *   :n       a number          _   nil
 *   $text    a string; $-1, *-1 false
 *   *n       a table */
#include "server/script/inside.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"

static int64_t number(const char **p) {
    bool negative = **p == '-';
    uint64_t n = 0;
    if (negative) ++*p;
    while (**p >= '0' && **p <= '9') n = n * 10 + (uint64_t)(*(*p)++ - '0');
    *p += 2;
    return (int64_t)(negative ? -n : n);
}

/* A line's text: to the first CR. */
static const char *line(const char **p, size_t *len) {
    const char *from = *p;
    const char *end = strchr(from, '\r');
    must(end, "a reply's line ends");
    *len = (size_t)(end - from);
    *p = end + 2;
    return from;
}

static void push_field(lua_State *L, const char *name, const char *text, size_t len) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, name);
    lua_pushlstring(L, text, len);
    lua_rawset(L, -3);
}

static void push_error_line(lua_State *L, const char **p) {
    size_t len;
    const char *text = line(p, &len);
    struct buf b = BUF_INIT;
    buf_add(&b, "-", 1);
    buf_add(&b, text, len);
    engine_push_error(L, buf_cstr(&b));
    buf_free(&b);
    lua_pushliteral(L, "ignore_error_stats_update"); /* the command has counted it */
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
}

static const char *push_bulk(lua_State *L, const char *p) {
    int64_t len = number(&p);
    if (len < 0) {
        lua_pushboolean(L, 0);
        return p;
    }
    lua_pushlstring(L, p, (size_t)len);
    return p + len + 2;
}

static const char *push_array(lua_State *L, const char *p, int resp) {
    int64_t n = number(&p);
    if (n < 0) {
        lua_pushboolean(L, 0);
        return p;
    }
    if (resp == 2) {
        lua_createtable(L, array_size((size_t)n), 0);
        for (int64_t i = 1; i <= n; i++) {
            p = from_resp(L, p, resp);
            lua_rawseti(L, -2, (int)i);
        }
        return p;
    }
    lua_newtable(L); /* it may get holes: it grows as Redis's does */
    for (int64_t i = 1; i <= n; i++) {
        lua_pushnumber(L, (lua_Number)i);
        p = from_resp(L, p, resp);
        lua_rawset(L, -3);
    }
    return p;
}

static const char *push_map(lua_State *L, const char *p, int resp, bool set) {
    int64_t n = number(&p);
    lua_newtable(L);
    lua_pushstring(L, set ? "set" : "map");
    lua_newtable(L);
    for (int64_t i = 0; i < n; i++) {
        p = from_resp(L, p, resp);
        if (set)
            lua_pushboolean(L, 1);
        else
            p = from_resp(L, p, resp);
        lua_settable(L, -3);
    }
    lua_rawset(L, -3);
    return p;
}

static const char *push_verbatim(lua_State *L, const char *p) {
    size_t len = (size_t)number(&p);
    lua_newtable(L);
    lua_pushliteral(L, "verbatim_string");
    lua_newtable(L);
    lua_pushliteral(L, "string");
    lua_pushlstring(L, p + 4, len - 4);
    lua_rawset(L, -3);
    lua_pushliteral(L, "format");
    lua_pushlstring(L, p, 3);
    lua_rawset(L, -3);
    lua_rawset(L, -3);
    return p + len + 2;
}

/* An attribute is not shown to scripts. */
static const char *skip_attribute(lua_State *L, const char *p, int resp) {
    for (int64_t n = 2 * number(&p); n > 0; n--) {
        p = from_resp(L, p, resp);
        lua_pop(L, 1);
    }
    return from_resp(L, p, resp);
}

static void push_double(lua_State *L, const char *text) {
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "double");
    lua_pushnumber(L, strtod(text, NULL));
    lua_rawset(L, -3);
}

const char *from_resp(lua_State *L, const char *p, int resp) {
    size_t len;
    const char *text;
    if (!lua_checkstack(L, 6)) luaL_error(L, "reached lua stack limit");
    switch (*p++) {
    case ':': lua_pushnumber(L, (lua_Number)number(&p)); return p;
    case '$': return push_bulk(L, p);
    case '*':
    case '>': return push_array(L, p, resp);
    case '+':
        text = line(&p, &len);
        push_field(L, "ok", text, len);
        return p;
    case '-': push_error_line(L, &p); return p;
    case '%': return push_map(L, p, resp, false);
    case '~': return push_map(L, p, resp, true);
    case '|': return skip_attribute(L, p, resp);
    case '=': return push_verbatim(L, p);
    case '_': lua_pushnil(L); return p + 2;
    case '#': lua_pushboolean(L, *p == 't'); return p + 3;
    case ',': push_double(L, line(&p, &len)); return p;
    case '(':
        text = line(&p, &len);
        push_field(L, "big_number", text, len);
        return p;
    default: bug("a reply begins with '%c'", p[-1]);
    }
}
