# sources: smartmontools
# sbin/smartctl. It is C++, and Debian has no C++ library for musl, so this one program is static with
# glibc instead; it resolves no names and loads nothing at run time.
env -u CC "$SRC"/smartmontools/configure --without-libcap-ng --without-libsystemd --without-selinux \
    --without-nvme-devicescan --with-drivedbdir=no --without-update-smart-drivedb --without-gnupg \
    CC=gcc CXX=g++ CFLAGS="$CFLAGS" CXXFLAGS="$CFLAGS" LDFLAGS="-static"
make -j"$JOBS" smartctl
install -D -s -m 755 smartctl "$OUT/sbin/smartctl"
