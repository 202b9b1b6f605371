/* The child's half of supervise: between fork and exec. */
#ifndef DUET_ROOTFS_SPAWN_H
#define DUET_ROOTFS_SPAWN_H

#include <sys/types.h>

struct child_spec;

/* Forks and executes; output (stdout and stderr) goes to out_fd, or to the spec's terminal. The child dies when
 * this process dies. -1 with errno when there is no fork; what fails later is said on the child's output and it exits
 * with 127. pid_path, when not NULL, is written by the child: whoever reads it finds a child that is tied to this process. */
pid_t spawn_child(const struct child_spec *spec, int out_fd, const char *pid_path);

#endif
