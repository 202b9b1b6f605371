# sources: musl linux-source-6.12
# musl as a static libc with its gcc wrapper, and the headers of the pinned kernel beside it: bin/musl-gcc
# finds both by itself.
unpack_deb() { # only what headers_install reads
    mkdir -p "$2"
    dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
        tar -xJ -C "$2" --strip-components=1 --wildcards --no-wildcards-match-slash \
            '*/Makefile' '*/Kconfig' '*/scripts' '*/include' '*/arch/x86' '*/arch/Kconfig' '*/tools/include' '*/Kbuild'
}

mkdir musl && cd musl
"$SRC"/musl/configure --prefix="$PREFIX" --syslibdir="$PREFIX/lib" --disable-shared \
    CC="$CC" CFLAGS="$CFLAGS -fno-pie -fstack-protector-strong"
make -j"$JOBS"
make DESTDIR="$OUT/root" install
mv "$OUT/root$PREFIX"/* "$OUT"
rm -r "$OUT/root"

cd "$SRC"/linux-source-6.12
make -s ARCH=x86 headers_install INSTALL_HDR_PATH="$OUT/kernel"
for d in linux asm asm-generic mtd rdma misc; do mv "$OUT/kernel/include/$d" "$OUT/include/"; done
rm -r "$OUT/kernel"
find "$OUT/include" -name '.*' -type f -delete
