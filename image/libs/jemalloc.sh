# sources: jemalloc
# Quantum of 8 bytes: a small key and its value share one allocation, and 16 would waste half of that.
"$SRC"/jemalloc/configure --host="$CONFIGURE_HOST" --disable-shared --enable-static --disable-cxx \
    --disable-libdl --disable-prof --with-lg-quantum=3 --with-lg-page=12 --with-version=5.3.0-0-g0
make -j"$JOBS" build_lib_static
install -D -m 644 lib/libjemalloc.a "$OUT/lib/libjemalloc.a"
install -D -m 644 include/jemalloc/jemalloc.h "$OUT/include/jemalloc/jemalloc.h"
