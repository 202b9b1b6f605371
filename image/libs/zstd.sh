# sources: libzstd
# One thread, no dictionaries, no old formats: what backup sets need.
cd "$SRC"/libzstd
make -j"$JOBS" -C lib libzstd.a CC="$CC" AR="$AR" CFLAGS="$CFLAGS" ZSTD_LEGACY_SUPPORT=0 \
    ZSTD_LIB_DICTBUILDER=0 ZSTD_LIB_DEPRECATED=0
install -D -m 644 lib/libzstd.a "$OUT/lib/libzstd.a"
install -D -m 644 lib/zstd.h "$OUT/include/zstd.h"
install -m 644 lib/zstd_errors.h "$OUT/include"
