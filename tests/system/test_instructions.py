#!/usr/bin/env python3
# larder: what a request may cost in instructions
"""bench/count against what the first table took, and the protocols against one another.

The figures hold for x86-64, gcc 12, -O2 and link time optimisation: elsewhere it is skipped, and
where valgrind is missing.
"""

import os
import platform
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from harness import Tap, default_binary, instrumented  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TOP_BUILDDIR") or os.path.join(TOP, "build")
KINDS = ("get", "set", "mg", "getq")
FIRST_TABLE = {"get": 820, "set": 1163}  # before the meta and the binary protocol came
OVER = 1.02
META_OVER_CLASSIC = 1.15
LIMIT_S = 250


def built_as_measured():
    """Why not, or None."""
    if platform.machine() != "x86_64":
        return "not an x86-64"
    with open(os.path.join(BUILD, "Makefile")) as file:
        lines = dict(line.split(" = ", 1) for line in file if " = " in line)
    flags = lines.get("LARDER_CFLAGS", "") + lines.get("CFLAGS", "")
    version = subprocess.run("%s --version" % lines.get("CC", "cc").strip(), shell=True,
                             capture_output=True, text=True).stdout
    if "Free Software" not in version or ") 12." not in version:
        return "not gcc 12"
    return None if "-flto" in flags and "-O2" in flags else "not -O2 with -flto"


def why_not():
    if not shutil.which("valgrind"):
        return "no valgrind here"
    if os.environ.get("LARDER_TEST_IO") == "epoll":
        return "the same with each back end"
    if not os.path.exists(os.path.join(BUILD, "bench", "instructions")):
        return "bench/instructions was not built"
    if instrumented(default_binary()):
        return "a sanitizer counts too"
    return built_as_measured()


def main():
    tap = Tap()
    why = why_not()
    if why:
        tap.skip("a request takes no more instructions than it did", why)
        return tap.finish()
    run = subprocess.run([os.path.join(TOP, "bench", "count"), "-C", BUILD] + list(KINDS),
                         capture_output=True, text=True, timeout=LIMIT_S)
    counts = {line.split()[0]: int(line.split()[1]) for line in run.stdout.splitlines()}
    tap.note("%s %s" % (counts, run.stderr))
    for kind, first in FIRST_TABLE.items():
        tap.check(counts[kind] <= first * OVER, "a %s takes no more than it did" % kind,
                  "%d instructions, once %d" % (counts[kind], first))
    tap.check(counts["mg"] <= counts["get"] * META_OVER_CLASSIC, "mg takes little more than get",
              counts)
    tap.check(counts["getq"] <= counts["get"], "getq takes no more than get", counts)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
