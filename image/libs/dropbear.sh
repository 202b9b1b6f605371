# sources: dropbear
# The SSH daemon and the key generator as one program, dropbearmulti: bin/dropbear, bin/dropbearkey.
# Keys only: passwords are checked by nothing here (there is no crypt and no PAM in it), forwarding
# is left out, and so are the algorithms that need long primes.
cd "$SRC"/dropbear
cat >localoptions.h <<'END'
#define DROPBEAR_SVR_PASSWORD_AUTH 0
#define DROPBEAR_SVR_PAM_AUTH 0
#define DROPBEAR_SVR_PUBKEY_AUTH 1
#define DROPBEAR_SVR_REMOTETCPFWD 0
#define DROPBEAR_SVR_LOCALTCPFWD 0
#define DROPBEAR_SVR_AGENTFWD 0
#define DROPBEAR_X11FWD 0
#define DROPBEAR_DSS 0
#define DROPBEAR_SMALL_CODE 0
#define DO_MOTD 0
#define DO_HOST_LOOKUP 0
END
./configure --host="$CONFIGURE_HOST" --disable-zlib --disable-pam --disable-syslog --disable-lastlog \
    --disable-utmp --disable-utmpx --disable-wtmp --disable-wtmpx --disable-pututline --disable-pututxline \
    --enable-bundled-libtom --enable-static
make -j"$JOBS" PROGRAMS="dropbear dropbearkey" MULTI=1 STATIC=1
install -D -m 755 dropbearmulti "$OUT/bin/dropbearmulti"
strip "$OUT/bin/dropbearmulti"
ln -s dropbearmulti "$OUT/bin/dropbear"
ln -s dropbearmulti "$OUT/bin/dropbearkey"
