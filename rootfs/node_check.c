/* The check of a whole duet.conf: contract in node_conf.h. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netcfg/netcfg.h"
#include "rootfs/node_conf.h"
#include "rootfs/supervise.h"

/* had and the witness judge their sections themselves, in processes of their own. What they say goes to standard error. */
static bool agrees(const char *applet, const char *option, const char *path) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        const char *argv[] = {applet, "--check", option, path, NULL};
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1); /* what is wrong goes to standard error */
        execv(supervisor_self(), (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool node_conf_check_file(const char *path, const char *applet) {
    struct conf c;
    struct conf_error err;
    struct node_conf node;
    struct netcfg_conf net;
    if (!conf_read(&c, path, true, &err)) {
        fprintf(stderr, "%s: %s\n", applet, err.text);
        return false;
    }
    bool fine = node_conf_read(&c, &node, &err);
    if (fine)
        node_conf_free(&node);
    else
        fprintf(stderr, "%s: %s\n", applet, err.text);
    if (!netcfg_read(&c, &net, &err)) {
        fprintf(stderr, "%s: %s\n", applet, err.text);
        fine = false;
    }
    conf_free(&c);
    return fine && agrees("had", "--config", path) && agrees("witness", "--node-conf", path);
}
