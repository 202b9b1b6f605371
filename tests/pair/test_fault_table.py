"""The table of tests/pair/README.md and the tests agree: each fault has its row; what a row names exists; no test has a number that has no row."""

import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import tap  # noqa: E402

NUMBERS = [*range(1, 65), 68, *range(74, 83)]
WITHOUT = "not tested"


def rows():
    """{number: (tests, outcome)} of the table."""
    found = {}
    with open(os.path.join(HERE, "README.md")) as f:
        for line in f:
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if line.startswith("|") and cells[0].isdigit():
                found[int(cells[0])] = (cells[2], cells[3])
    return found


def functions():
    """{"test_x: fault_N_...": N} of tests/pair."""
    found = {}
    for path in glob.glob(os.path.join(HERE, "test_*.py")):
        with open(path) as f:
            for m in re.finditer(r"^def (fault_(\d+)\w*)\(", f.read(), re.M):
                found["%s: %s" % (os.path.basename(path)[:-3], m[1])] = int(m[2])
    return found


def the_table_and_the_tests_agree():
    """every fault has its row, and every test that a row names exists"""
    table, tests = rows(), functions()
    tap.equal([n for n in NUMBERS if n not in table], [], "each fault from 1 to 64, 68, and 74 to 82 has a row")
    named = {n: re.findall(r"`(test_\w+: fault_\w+)`", cell) for n, (cell, _) in table.items()}
    tap.equal([(n, t) for n, list_of in named.items() for t in list_of if tests.get(t) != n], [], "each test that a row names exists and has the row's number")
    tap.equal(sorted(t for t, n in tests.items() if n not in table), [], "no test has a number without a row")
    tap.equal([n for n in table if not named[n] and WITHOUT not in table[n][0] and "tests/" not in table[n][0]], [],
              "a row without a test in this folder says where it is tested, or why not")
    covered = {n for n in table if named[n]}
    tap.ok(len(covered) >= 60, "%d faults have a test on real processes" % len(covered))


if __name__ == "__main__":
    tap.main(the_table_and_the_tests_agree)
