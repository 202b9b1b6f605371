# sources: libev
"$SRC"/libev/configure --host="$CONFIGURE_HOST" --disable-shared --enable-static
make -j"$JOBS" libev.la
install -D -m 644 .libs/libev.a "$OUT/lib/libev.a"
install -D -m 644 "$SRC"/libev/ev.h "$OUT/include/ev.h"
