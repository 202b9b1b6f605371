# sources: libzstd
# bin/zstd for backups, lib/libzstd.a with zstd.h.
cd "$SRC"/libzstd
make -j"$JOBS" -C lib libzstd.a CC="$CC" AR="$AR" CFLAGS="$CFLAGS" ZSTD_LEGACY_SUPPORT=0
make -j"$JOBS" -C programs zstd-release CC="$CC" AR="$AR" CFLAGS="$CFLAGS" LDFLAGS="$LDFLAGS" \
    HAVE_ZLIB=0 HAVE_LZMA=0 HAVE_LZ4=0 ZSTD_LEGACY_SUPPORT=0
install -D -s -m 755 programs/zstd "$OUT/bin/zstd"
install -D -m 644 lib/libzstd.a "$OUT/lib/libzstd.a"
install -D -m 644 lib/zstd.h "$OUT/include/zstd.h"
install -m 644 lib/zdict.h lib/zstd_errors.h "$OUT/include"
