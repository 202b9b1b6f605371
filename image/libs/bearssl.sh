# sources: bearssl
cp -r "$SRC"/bearssl/. .
make -j"$JOBS" lib CC="$CC" LD="$CC" AR="$AR" CFLAGS="-W -Wall $CFLAGS" build/libbearssl.a
install -D -m 644 build/libbearssl.a "$OUT/lib/libbearssl.a"
install -d "$OUT/include"
install -m 644 inc/*.h "$OUT/include"
