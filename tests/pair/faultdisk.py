#!/usr/bin/python3
"""A disk that fails when told to: a FUSE file system over a folder. faultdisk.py FOLDER MOUNTPOINT

A line on standard input says what it is from now on, and is answered by the same line:
    good        everything works
    eio         writing and syncing fail with EIO
    unsynced    syncing alone fails with EIO
    full        what needs room fails with ENOSPC
    readonly    what changes something fails with EROFS
    hang        nothing that changes something, or syncs, is answered: until another line comes
    slow S      a sync takes S seconds
What fails or hangs stands in the table CHANGES; reading always works. Disk, below, starts it as a process."""

import errno
import os
import subprocess
import sys
import threading
import time

CHANGES = {"write", "truncate", "create", "mkdir", "mknod", "rename", "unlink", "rmdir", "link", "symlink", "chmod", "chown", "utimens", "fsync", "fsyncdir"}
SYNCS = {"fsync", "fsyncdir"}
ROOM = {"write", "create", "mkdir", "mknod", "link", "symlink"}
FAILS = {"eio": (CHANGES, errno.EIO), "unsynced": (SYNCS, errno.EIO), "full": (ROOM, errno.ENOSPC),
         "readonly": (CHANGES - SYNCS, errno.EROFS)}


class Mood:
    def __init__(self):
        self.word, self.slow_s, self.wakes = "good", 0.0, threading.Condition()

    def become(self, line):
        with self.wakes:
            words = line.split()
            self.word, self.slow_s = words[0], float(words[1]) if len(words) > 1 else 0.0
            self.wakes.notify_all()

    def meet(self, op):
        """Waits or fails as the disk is now."""
        with self.wakes:
            if op in CHANGES:
                self.wakes.wait_for(lambda: self.word != "hang")
            word, slow_s = self.word, self.slow_s
        if word == "slow" and op in SYNCS:
            time.sleep(slow_s)  # that is the disk's nature here
        if word in FAILS and op in FAILS[word][0]:
            import fusepy
            raise fusepy.FuseOSError(FAILS[word][1])


def serve(folder, mountpoint):
    import fusepy
    mood = Mood()

    class Files(fusepy.Operations):
        def __call__(self, op, path, *args):
            if op not in ("init", "destroy"):
                mood.meet(op)
            return super().__call__(op, folder + path if path else path, *args)

        def getattr(self, path, fh=None):
            st = os.lstat(path)
            return {k: getattr(st, k) for k in ("st_atime", "st_ctime", "st_mtime", "st_gid", "st_mode", "st_nlink", "st_size", "st_uid", "st_blocks")}

        def statfs(self, path):
            st = os.statvfs(path)
            found = {k: getattr(st, k) for k in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")}
            if mood.word == "full":
                found["f_bavail"] = found["f_bfree"] = 0
            return found

        def readdir(self, path, fh):
            return [".", ".."] + os.listdir(path)

        access = getxattr = listxattr = None
        chmod, chown, readlink, rmdir, mkdir, unlink = os.chmod, os.lchown, os.readlink, os.rmdir, os.mkdir, os.unlink

        def rename(self, old, new):
            return os.rename(old, folder + new)

        def link(self, target, source):
            return os.link(folder + source, target)

        def symlink(self, target, source):
            return os.symlink(source, target)

        def utimens(self, path, times=None):
            return os.utime(path, times)

        def open(self, path, flags):
            return os.open(path, flags & ~os.O_APPEND)

        def create(self, path, mode, fi=None):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

        def read(self, path, size, offset, fh):
            return os.pread(fh, size, offset)

        def write(self, path, data, offset, fh):
            return os.pwrite(fh, data, offset)

        def truncate(self, path, length, fh=None):
            os.truncate(path, length)

        def fsync(self, path, datasync, fh):
            return 0  # what it holds lives as long as this process

        def fsyncdir(self, path, datasync, fh):
            return 0

        def flush(self, path, fh):
            return 0

        def release(self, path, fh):
            return os.close(fh)

    def listen():
        for line in sys.stdin:
            mood.become(line)
            print(line.strip(), flush=True)
        subprocess.run(["umount", "-l", mountpoint])
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    fusepy.FUSE(Files(), mountpoint, foreground=True, raw_fi=False, fsname="faultdisk", big_writes=True, attr_timeout=0, entry_timeout=0)


class Disk:
    """The folder at `path` is on a disk of its own from now on; what it holds stays in it."""

    def __init__(self, path):
        self.path, self.behind = path, path + ".disk"
        os.makedirs(path, exist_ok=True)
        os.rename(path, self.behind)
        os.makedirs(path)
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.abspath(__file__), self.behind, path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 20
        while not os.path.ismount(path):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the disk at %s does not come up" % path)
            time.sleep(0.02)

    def is_now(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip() == line

    def end(self):
        """The disk is gone: what waits for it fails."""
        self.process.kill()
        self.process.wait()
        subprocess.run(["umount", "-l", self.path], capture_output=True)


if __name__ == "__main__":
    serve(os.path.realpath(sys.argv[1]), sys.argv[2])
