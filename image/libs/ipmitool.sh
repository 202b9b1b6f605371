# sources: ipmitool
# needs: bearssl
# bin/ipmitool, for the fence: power of the peer's machine over RMCP+ (lanplus), and the own board controller through
# /dev/ipmi0 (open). Of its commands only power, mc, lan and raw are kept; its cryptography is BearSSL's, which
# the product has already, in place of OpenSSL's. There is no configure in Debian's source without autotools, so
# what it would find out stands here.
cp -r "$SRC"/ipmitool/. .
cat >config.h <<'C'
#define HAVE_PATHS_H 1
#define HAVE_SYS_IOCTL_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_BYTESWAP_H 1
#define HAVE_ARPA_INET_H 1
#define HAVE_FCNTL_H 1
#define HAVE_NETDB_H 1
#define HAVE_NETINET_IN_H 1
#define HAVE_SYS_SOCKET_H 1
#define HAVE_TERMIOS_H 1
#define HAVE_PRAGMA_PACK 1
#define HAVE_OPENIPMI_H 1
#define HAVE_CRYPTO_SHA256 1
#define ENABLE_ALL_OPTIONS 1
#define IPMI_INTF_LANPLUS 1
#define IPMI_INTF_OPEN 1
#define DEFAULT_INTF "lanplus"
#define IANADIR "/etc"
#define IANAUSERDIR ".local"
#define PATH_SEPARATOR "/"
#define VERSION "1.8.19"
#define PACKAGE "ipmitool"
C
cat >src/plugins/lanplus/lanplus_crypt_impl.c <<'C'
#include <assert.h>
#include <bearssl.h>
#include <string.h>
#include <sys/random.h>
#include "ipmitool/ipmi_constants.h"
#include "lanplus.h"
#include "lanplus_crypt_impl.h"

int lanplus_seed_prng(uint32_t bytes) {
    (void)bytes; /* the kernel's generator needs none */
    return 0;
}

int lanplus_rand(uint8_t *out, uint32_t len) {
    return getrandom(out, len, 0) != (ssize_t)len;
}

static const br_hash_class *hash_of(uint8_t mac) {
    switch (mac) {
    case IPMI_AUTH_RAKP_HMAC_SHA1: return &br_sha1_vtable; /* also IPMI_INTEGRITY_HMAC_SHA1_96 */
    case IPMI_AUTH_RAKP_HMAC_MD5: return &br_md5_vtable;   /* also IPMI_INTEGRITY_HMAC_MD5_128 */
    case IPMI_AUTH_RAKP_HMAC_SHA256:
    case IPMI_INTEGRITY_HMAC_SHA256_128: return &br_sha256_vtable;
    default: return NULL;
    }
}

uint8_t *lanplus_HMAC(uint8_t mac, const void *key, int key_len, const uint8_t *d, int n, uint8_t *md,
                      uint32_t *md_len) {
    const br_hash_class *hash = hash_of(mac);
    br_hmac_key_context kc;
    br_hmac_context c;
    assert(hash);
    br_hmac_key_init(&kc, hash, key, (size_t)key_len);
    br_hmac_init(&c, &kc, 0);
    br_hmac_update(&c, d, (size_t)n);
    *md_len = (uint32_t)br_hmac_out(&c, md);
    return md;
}

void lanplus_encrypt_aes_cbc_128(const uint8_t *iv, const uint8_t *key, const uint8_t *in, uint32_t len,
                                 uint8_t *out, uint32_t *written) {
    br_aes_ct64_cbcenc_keys k;
    uint8_t chain[16];
    assert(len % 16 == 0);
    memcpy(chain, iv, 16);
    memmove(out, in, len);
    br_aes_ct64_cbcenc_init(&k, key, 16);
    br_aes_ct64_cbcenc_run(&k, chain, out, len);
    *written = len;
}

void lanplus_decrypt_aes_cbc_128(const uint8_t *iv, const uint8_t *key, const uint8_t *in, uint32_t len,
                                 uint8_t *out, uint32_t *written) {
    br_aes_ct64_cbcdec_keys k;
    uint8_t chain[16];
    assert(len % 16 == 0);
    memcpy(chain, iv, 16);
    memmove(out, in, len);
    br_aes_ct64_cbcdec_init(&k, key, 16);
    br_aes_ct64_cbcdec_run(&k, chain, out, len);
    *written = len;
}
C
sed -i '/openssl\/rand.h/d' src/plugins/lanplus/lanplus.c
# What is usual is not worth a line.
sed -i 's/lperror(LOG_ERR, "IANA PEN registry open failed")/(void)0/' lib/ipmi_strings.c
sed -i 's/lprintf(LOG_NOTICE, "Get HPM.x/lprintf(LOG_DEBUG, "Get HPM.x/' lib/hpm2.c
# The table of commands: what the fence and the check need.
sed -i -E '/^struct ipmi_cmd ipmitool_cmd_list/,/^\};/{/_main,/{/"(raw|lan|chassis|power|mc|exec)"/!d}}' src/ipmitool.c
grep -q '"power"' src/ipmitool.c
for f in lib/*.c src/ipmitool.c src/ipmishell.c src/plugins/ipmi_intf.c src/plugins/lanplus/*.c src/plugins/open/*.c; do
    echo "$f"
done | grep -v ipmievd | xargs -P "$JOBS" -I{} sh -c \
    '$CC $CFLAGS -Os -w -DHAVE_CONFIG_H -D_GNU_SOURCE -I. -Iinclude -isystem "$NEED_bearssl/include" -c -o "$(echo {} | tr / _).o" {}'
$CC $LDFLAGS -Wl,--gc-sections -s -o ipmitool ./*.o "$NEED_bearssl/lib/libbearssl.a" -lm
install -D -m 755 ipmitool "$OUT/bin/ipmitool"
