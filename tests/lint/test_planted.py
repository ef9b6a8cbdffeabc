#!/usr/bin/env python3
"""The checks find what is planted: each fault alone in a small tree turns its check to not ok."""

import os
import shutil
import subprocess
import sys
import tempfile

import lint

HERE = os.path.dirname(os.path.abspath(__file__))
CONTRACT = "/* larder: x\n * Purpose Owner Threads Memory Limits Errors */\n"
LATER = "TO" + "DO"


def header(path, body):
    guard = "LARDER_" + path.replace("src/", "").replace("/", "_").replace(".", "_").upper()
    return f"{CONTRACT}#ifndef {guard}\n#define {guard}\n{body}\n#endif\n"


def source(body):
    return "/* larder: x */\n" + body


# check, what it says, file, content
PLANTED = [
    ("layers", "includes point", "src/base/a.c", source('#include "src/store/b.h"\n')),
    ("layers", "includes point", "src/proto/a.c", source('#include "src/store/b.h"\n')),
    ("layers", "includes point", "tests/unit/io/test_a.c", source('#include "src/store/b.h"\n')),
    ("layers", "paths from the root", "src/base/a.c", source('#include "b.h"\n')),
    ("layers", "leads back", "src/store/b.h", header("src/store/b.h", '#include "src/store/b.h"')),
    ("layers", "liburing", "src/server/a.c", source("#include <liburing.h>\n")),
    ("layers", "hwloc", "src/server/a.h", header("src/server/a.h", "#include <hwloc.h>")),
    ("layers", "xxHash", "src/server/a.c", source("#include <xxhash.h>\n")),
    ("layers", "libmd", "src/client/a.h", header("src/client/a.h", "#include <md5.h>")),
    ("headers", "alone with gcc", "src/base/a.h", header("src/base/a.h", "size_t a;")),
    ("headers", "guard", "src/base/a.h", CONTRACT + "#pragma once\n"),
    ("headers", "contract", "src/base/a.h", header("src/base/a.h", "").replace("Owner", "")),
    ("sizes", "files have", "src/base/a.c", source("\n" * 600)),
    ("sizes", "functions have", "src/base/a.c", source("int f(void) {\n" + ";\n" * 69 + "}\n")),
    ("sizes", "parameters", "src/base/a.c",
     source("int f(int a, int b, int c, int d, int e, int g) {\n    return a;\n}\n")),
    ("sizes", "nests", "src/base/a.c",
     source("void f(int a) {\n" + "if (a) {\n" * 4 + "}\n" * 4 + "}\n")),
    ("style", "trailing", "src/base/a.c", source("int a; \n")),
    ("style", "tabs", "src/base/a.c", source("\tint a;\n")),
    ("style", "columns", "src/base/a.c", source("/*" + "x" * 100 + "*/\n")),
    ("style", "newline", "src/base/a.c", source("int a;")),
    ("style", "open with", "src/base/a.c", "int a;\n"),
    ("style", "layout", "src/base/a.c", source("int f(void)\n{\n}\n")),
    ("style", "later", "src/base/a.c", source(f"/* {LATER} */\n")),
    ("style", "path of a machine", "docs/a.md", "see /" + "home/me/x\n"),
    ("style", "executed", "scripts/a", "#!/bin/sh\n"),
    ("docs", "links", "docs/a.md", "[a](b.md)\n"),
]


def run(check, top):
    environment = dict(os.environ, TOP_SRCDIR=top, TOP_BUILDDIR=top, LARDER="")
    done = subprocess.run([sys.executable, os.path.join(HERE, f"test_{check}.py")],
                          env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def write(top, path, content):
    at = os.path.join(top, path)
    os.makedirs(os.path.dirname(at), exist_ok=True)
    with open(at, "w", encoding="utf-8") as file:
        file.write(content)


def problems():
    for check, says, path, content in PLANTED:
        if check == "sizes" and not shutil.which("ctags") and "files" not in says:
            continue
        with tempfile.TemporaryDirectory() as top:
            write(top, "src/store/b.h", header("src/store/b.h", "int b;"))
            write(top, "src/server/topology.c", source(
                "#include <hwloc.h>\n#include <xxhash.h>\n"))
            clean = run(check, top)
            write(top, path, content)
            planted = run(check, top)
        for state, out in (("ok", clean), ("not ok", planted)):
            if not any(line.startswith(state + " ") and says in line for line in
                       out.splitlines()):
                yield f"{check}: \"{says}\" is not {state} with {path}"


report = lint.Report()
report.check("each check finds what is planted, and nothing in a clean tree", problems())
report.end()
