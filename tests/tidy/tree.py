"""The files that tests/tidy looks at: what git tracks, or everything but build/ where there is no git."""

import os
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(*endings):
    """Paths from the top, of files with one of these endings (of all without any)."""
    done = subprocess.run(["git", "-C", TOP, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True)
    if done.returncode == 0:
        found = [f for f in done.stdout.split("\0") if f]
    else:
        found = [os.path.relpath(os.path.join(d, f), TOP) for d, _, fs in os.walk(TOP) for f in fs]
        found = [f for f in found if not f.startswith("build/") and "__pycache__" not in f]
    return sorted(f for f in set(found) if (not endings or f.endswith(endings)) and os.path.isfile(os.path.join(TOP, f)))


def read(path):
    with open(os.path.join(TOP, path), errors="replace") as f:
        return f.read()


def scripts(language):
    """Files of a language (bash or python), by ending or by their first line."""
    ending = {"bash": (".sh", ".debs"), "python": (".py",)}[language]
    return [f for f in files() if f.endswith(ending) or ("." not in os.path.basename(f) and language in read(f).partition("\n")[0]
                                                          and read(f).startswith("#!"))]
