#include "server/persist/dirs.h"

#include "server/base/buf.h"
#include "server/base/file.h"
#include "server/base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_rollback(const struct dirent *e) {
    return strncmp(e->d_name, "rollback-", 9) == 0;
}

static int is_log(const struct dirent *e) {
    return strncmp(e->d_name, "log-", 4) == 0;
}

static void trim(const char *dir, int (*which)(const struct dirent *e)) {
    struct dirent **names;
    int n = scandir(dir, &names, which, alphasort); /* both kinds have the time in their names */
    for (int i = 0; i < n; i++) {
        if (i < n - TAILS_KEPT) {
            char *path = xasprintf("%s/%s", dir, names[i]->d_name);
            file_tree_remove(path);
            log_notice("persistence: %s was removed: %d later ones are kept", path, TAILS_KEPT);
            free(path);
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
}

void tails_trim(const char *tails_dir) {
    trim(tails_dir, is_rollback);
    trim(tails_dir, is_log);
}
