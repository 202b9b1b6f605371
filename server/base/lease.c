/* See lease.h. */
#include "server/base/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct lease_page *lease_open(const char *path) {
    struct lease_page *p = MAP_FAILED;
    int saved, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
    if (fd < 0) return NULL;
    struct stat st;
    /* Growing never shrinks: both sides may do it at once, and a fresh page is all zeros, "none".
     */
    if (fstat(fd, &st) == 0 && ((size_t)st.st_size >= sizeof *p || ftruncate(fd, sizeof *p) == 0))
        p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    saved = errno;
    close(fd);
    errno = saved;
    if (p == MAP_FAILED) return NULL;
    if (p->magic != 0 && p->magic != LEASE_MAGIC) {
        munmap(p, sizeof *p);
        errno = EINVAL;
        return NULL;
    }
    p->magic = LEASE_MAGIC;
    return p;
}

void lease_close(struct lease_page *p) {
    if (p) munmap(p, sizeof *p);
}
