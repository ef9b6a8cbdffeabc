#!/usr/bin/env python3
"""Each header compiles alone with both compilers, has its guard and opens with its contract."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import lint

CONTRACT = ("Purpose", "Owner", "Threads", "Memory", "Limits", "Errors")
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-DLARDER_URING=1", "-DLARDER_TSAN=0", "-Wall", "-Wextra",
         "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wundef", "-Werror", "-fsyntax-only"]
BUILD = os.environ.get("TOP_BUILDDIR", lint.TOP)


def headers():
    return lint.code(".h")


def compile_alone(compiler, header):
    # included twice: the guard must work as well
    source = f'#include "{header}"\n#include "{header}"\nextern int larder_unused;\n'
    done = subprocess.run(
        [compiler, *FLAGS, "-I", lint.TOP, "-I", BUILD, "-x", "c", "-"], input=source,
        capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return f"{header}: " + " | ".join(done.stderr.strip().splitlines()[:3])


def not_alone(compiler):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [p for p in pool.map(lambda h: compile_alone(compiler, h), headers()) if p]


def wrong_guards():
    for name in headers():
        guard = "LARDER_" + re.sub(r"[/.]", "_", re.sub(r"^src/", "", name)).upper()
        text = lint.read(name)
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            yield f"{name}: guard {guard} is missing"


def without_contract():
    for name in headers():
        if name.startswith(("tests/", "bench/")):
            continue
        opening = lint.read(name).split("*/")[0]
        missing = [w for w in CONTRACT if not re.search(rf"\b{w}\b", opening)]
        if missing:
            yield f"{name}: its opening comment lacks {', '.join(missing)}"


report = lint.Report()
for cc in ("gcc", "clang"):
    if shutil.which(cc):
        report.check(f"each header compiles alone with {cc}", not_alone(cc))
    else:
        report.skip(f"each header compiles alone with {cc}", f"no {cc} here")
report.check("each header has its guard", wrong_guards())
report.check("each header opens with its contract", without_contract())
report.end()
