# sources: redis
# Lua 5.1 as Redis carries it, with cjson, cmsgpack, bit and struct in the same archive, and Debian's
# patches to it applied. Built in place: cjson includes a header of its surroundings.
cd "$SRC"/redis/deps/lua/src
make -j"$JOBS" a CC="$CC" AR="$AR rcu" RANLIB="$RANLIB" \
    CFLAGS="$CFLAGS -Wall -DLUA_ANSI -DENABLE_CJSON_GLOBAL -DREDIS_STATIC= -DLUA_USE_MKSTEMP"
install -D -m 644 liblua.a "$OUT/lib/liblua.a"
install -d "$OUT/include"
install -m 644 lua.h luaconf.h lualib.h lauxlib.h "$OUT/include"
