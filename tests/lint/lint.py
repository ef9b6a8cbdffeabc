"""What the checks of tests/lint share: which files there are, and how a result is reported."""

import os
import subprocess
import sys

TOP = os.environ.get("TOP_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CODE_DIRS = ("src", "slab", "io", "bench", "tests")
SKIPPED_DIRS = {".git", "build-aux", "autom4te.cache", "__pycache__", "corpus", "results"}


def files():
    """Every file of the source tree, relative to its top: what git knows or would add."""
    try:
        out = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], cwd=TOP, capture_output=True, check=True).stdout
        if os.path.exists(os.path.join(TOP, ".git")):
            names = {n for n in os.fsdecode(out).split("\0") if n}
            return sorted(n for n in names if os.path.isfile(os.path.join(TOP, n)))
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for root, dirs, names in os.walk(TOP):
        dirs[:] = [d for d in dirs if d not in SKIPPED_DIRS and not d.startswith("build")]
        found += [os.path.relpath(os.path.join(root, n), TOP) for n in names]
    return sorted(found)


def code(*suffixes):
    """C files (or those with these suffixes) of the code directories."""
    suffixes = suffixes or (".c", ".h", ".def")
    return [f for f in files() if f.endswith(suffixes) and f.split("/")[0] in CODE_DIRS]


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def lines(name):
    """(number, line) of a file, from 1."""
    return enumerate(read(name).splitlines(), 1)


class Report:
    """Counts checks and prints them; a check passes when its list of problems is empty."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, problems):
        self.count += 1
        problems = list(problems)
        if problems:
            self.failed += 1
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in problems[:100]:
            print(f"#   {problem}")

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}")

    def end(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)
