# sources: e2fsprogs
# sbin/mke2fs, sbin/e2fsck, sbin/resize2fs, sbin/tune2fs: make, check and grow the data partition.
"$SRC"/e2fsprogs/configure --host="$CONFIGURE_HOST" --disable-nls --disable-elf-shlibs --disable-debugfs \
    --disable-imager --disable-defrag --disable-uuidd --disable-fsck --disable-e2initrd-helper \
    --disable-tls --disable-fuse2fs --without-libarchive --with-crond-dir=no --with-udev-rules-dir=no \
    --with-systemd-unit-dir=no --sysconfdir=/etc
make -j"$JOBS" libs
make -j"$JOBS" -C misc mke2fs tune2fs
make -j"$JOBS" -C e2fsck e2fsck
make -j"$JOBS" -C resize resize2fs
install -d "$OUT/sbin"
install -s -m 755 misc/mke2fs misc/tune2fs e2fsck/e2fsck resize/resize2fs "$OUT/sbin"
