/* link: hactl/http_get.c server/base/buf.c server/base/log.c server/base/clock.c */
/* Any bytes as a request: a verdict that more bytes do not change, a path that is one. */
#include <stdlib.h>
#include <string.h>

#include "hactl/http_get.h"
#include "server/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = xmemdup(data, size + !size), path[HTTP_PATH_LIMIT], again[HTTP_PATH_LIMIT];
    int status = http_request(copy, size, path);
    if (status == 200 && (path[0] != '/' || strlen(path) >= HTTP_PATH_LIMIT)) abort();
    if (status != 200 && path[0]) abort();
    if (size > HTTP_HEAD_LIMIT && status == 0) abort();
    for (size_t n = 0; n < size && size < 256; n++) {
        int sooner = http_request(copy, n, again);
        if (sooner && (sooner != status || strcmp(path, again) != 0)) abort();
    }
    free(copy);
    return 0;
}
