# sources: chrony
# sbin/chronyd and bin/chronyc, without what needs further libraries.
cp -r "$SRC"/chrony/. .
./configure --prefix=/usr --sysconfdir=/etc/chrony --localstatedir=/run --chronyrundir=/run/chrony \
    --without-editline --without-nettle --without-nss --without-tomcrypt --without-gnutls \
    --without-libcap --without-seccomp --disable-nts --disable-sechash --with-ntp-era=1700000000
make -j"$JOBS" chronyd chronyc
install -D -s -m 755 chronyd "$OUT/sbin/chronyd"
install -D -s -m 755 chronyc "$OUT/bin/chronyc"
