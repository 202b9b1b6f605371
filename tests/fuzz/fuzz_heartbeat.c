/* link: hactl/heartbeat.c server/base/hmac.c */
/* A datagram of any bytes, and the same bytes correctly signed: no field may lead astray, and what is believed comes back
 * as it was when it is written again. */
#include <stdlib.h>
#include <string.h>

#include "hactl/heartbeat.h"
#include "server/base/hmac.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[HEARTBEAT_KEY] = "fuzz";

static void judge(const struct heartbeat *hb) {
    static struct heartbeat_window w;
    for (int p = 0; p < HA_PATHS; p++)
        if (heartbeat_judge(&w, hb, (enum ha_path)p, hb->echo_life, hb->echo_seq, 16) ==
                HEARTBEAT_OK &&
            w.life != hb->life)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct heartbeat hb;
    if (heartbeat_decode(data, size, key, 1, 0, &hb) == HEARTBEAT_OK) judge(&hb);
    heartbeat_label(data, size);
    uint8_t wire[HEARTBEAT_BYTES] = "DuHB\000\001\000\001", again[HEARTBEAT_BYTES];
    wire[4] = HEARTBEAT_VERSION;
    size_t fields = HEARTBEAT_BYTES - HMAC_BYTES - 8;
    memcpy(wire + 8, data, size < fields ? size : fields);
    hmac_sha256(key, HEARTBEAT_KEY, wire, HEARTBEAT_BYTES - HMAC_BYTES,
                wire + HEARTBEAT_BYTES - HMAC_BYTES);
    if (heartbeat_decode(wire, sizeof wire, key, 1, 0, &hb) != HEARTBEAT_OK) return 0;
    judge(&hb);
    heartbeat_encode(&hb, key, again);
    if (memcmp(wire, again, sizeof wire) != 0) abort();
    return 0;
}
