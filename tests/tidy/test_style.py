#!/usr/bin/python3
"""Formatting, length of files, scripts that parse, and what may not stand in a tracked file."""

import ast
import os
import re
import subprocess
import sys

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")]
import tap
import tree

LINES_MAX = 800

# Written in pieces, so that this file does not name them.
REGISTRIES = [r"\b[a-z0-9-]+\.debian\.org", r"\bregistry\.npm", r"\bpypi\.org", r"\bpythonhosted\.org", r"\bcrates\.io", r"\bproxy\.golang"]
COMMON_PLACES = {"/", "/root", "/home", "/tmp", "/usr", "/usr/src", "/var", "/var/tmp", "/opt", "/srv", "/mnt", "/src", "/build", "/data", "/etc"}


def formatted():
    """clang-format has nothing to change"""  # version 14 is Debian 12's; another one has other tastes
    sources = [f for f in tree.files(".c", ".h")]
    done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", "--ferror-limit=3"] + sources, cwd=tree.TOP, capture_output=True, text=True)
    tap.ok(done.returncode == 0, "clang-format has nothing to change in %d files (else: clang-format-14 -i FILE)" % len(sources))
    if done.returncode:
        for f in sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.M))):
            tap.say("not formatted: " + f)


def short():
    """no source is longer than 800 lines"""
    for f in tree.files(".c", ".h", ".py", ".sh", ".mk"):
        count = tree.read(f).count("\n")
        if count > LINES_MAX:
            tap.ok(False, "%s has %d lines, at most %d: which two nouns does it hold?" % (f, count, LINES_MAX))
    tap.ok(True, "files were measured")


def scripts_parse():
    """every script parses"""
    for f in tree.scripts("bash"):
        done = subprocess.run(["bash", "-n", os.path.join(tree.TOP, f)], capture_output=True, text=True)
        tap.ok(done.returncode == 0, "bash parses " + f) or tap.say(done.stderr)
    for f in tree.scripts("python"):
        try:
            ast.parse(tree.read(f), f)
            tap.ok(True, "python parses " + f)
        except SyntaxError as e:
            tap.ok(False, "python parses %s: %s" % (f, e))


def linked():
    """every C test is a program or a part of one"""
    tests = [f for f in tree.files(".c") if re.match(r"tests/(unit/test|sim/sim|fuzz/fuzz)_", f)]
    comments = {f: re.match(r"/\* link:(.*?)\*/", tree.read(f), re.S) for f in tests}
    named = {word.strip() for m in comments.values() if m for word in m[1].replace("*", " ").split()}
    lost = [f for f in tests if not comments[f] and not (f in named and f.startswith("tests/sim/"))]
    tap.equal(lost, [], "every C test begins with its link list, or is part of a simulation that does")
    tap.equal([f for f in sorted(named) if not os.path.exists(os.path.join(tree.TOP, f))], [], "every file that a link list names is there")


def machine_hosts():
    """Hosts of this machine's package mirrors."""
    hosts = set()
    for root in ("/etc/apt/sources.list", "/etc/apt/sources.list.d"):
        paths = [root] if os.path.isfile(root) else [os.path.join(root, f) for f in os.listdir(root)] if os.path.isdir(root) else []
        for path in paths:
            hosts |= set(re.findall(r"https?://([a-z0-9.-]+\.[a-z]{2,})", open(path, errors="replace").read()))
    return hosts


def workplaces():
    """Where this checkout lives: paths that mean nothing elsewhere."""
    done = subprocess.run(["git", "-C", tree.TOP, "rev-parse", "--path-format=absolute", "--git-common-dir"], capture_output=True, text=True)
    tops = {tree.TOP} | ({os.path.dirname(done.stdout.strip())} if done.returncode == 0 else set())
    places = tops | {os.path.dirname(t) for t in tops}
    return {p for p in places if p not in COMMON_PLACES}


def leaks(texts, hosts, places):
    patterns = [re.escape(h) for h in hosts] + REGISTRIES + [r"(?<![\w$}./*-])%s/" % re.escape(p) for p in places]
    wanted = re.compile("|".join(patterns))
    return ["%s:%d: names %s" % (path, number, m[0]) for path, text in texts.items()
            for number, line in enumerate(text.splitlines(), 1) for m in [wanted.search(line)] if m]


def portable():
    """no tracked file names a registry's host or a path of this machine"""
    host = "deb." + "debian" + ".org"
    tap.equal(len(leaks({"a": "x\nhttp://%s/debian\n/here/we/are/x\n" % host}, set(), {"/here/we"})), 2, "the check finds what it looks for")
    tap.equal(leaks({"a": "$HOME/here/we/x\n../here/we/y\n"}, set(), {"/here/we"}), [], "the check leaves relative paths alone")
    found = leaks({f: tree.read(f) for f in tree.files()}, machine_hosts(), workplaces())
    for line in found:
        tap.ok(False, line)
    tap.ok(not found, "no tracked file names a registry's host or a path of this machine")


tap.main(formatted, short, scripts_parse, linked, portable)
