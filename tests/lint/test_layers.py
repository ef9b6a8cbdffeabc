#!/usr/bin/env python3
"""Dependencies point down only: who may include whom, and that no include leads back to itself."""

import os
import re

import lint

# each directory and the directories it may include from, besides itself
LAYERS = {
    "src/base": [],
    "slab": ["src/base"],
    "src/store": ["slab", "src/base"],
    "src/proto": ["src/base"],
    "src/engine": ["src/store", "src/proto", "src/base"],
    "io": ["src/base"],
    "src/repl": ["src/store", "src/proto", "src/base"],
    "src/client": ["src/proto", "src/base"],
    "src/server": ["src/engine", "src/repl", "src/store", "src/proto", "slab", "io", "src/base"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def layer_of(path):
    for layer in LAYERS:
        if path.startswith(layer + "/"):
            return layer
    return None


def includes(name):
    for number, line in lint.lines(name):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1), found.group(2)


def allowed(layer, target):
    return target == layer or target in LAYERS[layer]


def below(layer):
    """A layer with everything it can reach: what its unit tests may include."""
    reached = {layer}
    for lower in LAYERS[layer]:
        reached |= below(lower)
    return reached


def wrong_includes():
    for name in lint.code():
        layer = layer_of(name)
        unit = re.match(r"tests/unit/([^/]+)/", name)
        for number, quote, path in includes(name):
            target = layer_of(path)
            if quote == "<" or not target:
                continue
            if layer and not allowed(layer, target):
                yield f"{name}:{number}: {layer} must not include {path}"
            if unit:
                tested = next(la for la in LAYERS if la.split("/")[-1] == unit.group(1))
                if target not in below(tested):
                    yield f"{name}:{number}: a test of {tested} must not include {path}"


def unknown_includes():
    """A quoted include is written from the root of the tree."""
    for name in lint.code():
        for number, quote, path in includes(name):
            if quote == '"' and path != "config.h" and not os.path.exists(
                    os.path.join(lint.TOP, path)):
                yield f"{name}:{number}: {path} is not a path from the root of the tree"


def cycles():
    graph = {n: [p for _, q, p in includes(n) if q == '"' and p.endswith((".h", ".def"))]
             for n in lint.code()}
    done, path, found = set(), [], []

    def visit(name):
        if name in path:
            found.append(" -> ".join(path[path.index(name):] + [name]))
            return
        if name in done:
            return
        path.append(name)
        for target in graph.get(name, []):
            visit(target)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)
    return found


def layer_cycles():
    """The table above must not lead back either."""
    return [f"{layer} reaches itself" for layer, lower in LAYERS.items()
            if any(layer in below(other) for other in lower)]


def users_of(header):
    return [n for n in lint.code() for _, _, p in includes(n) if re.fullmatch(header, p)]


def shipped(names):
    return [n for n in names if not n.startswith(("tests/", "bench/"))]


def uring_outside_io():
    call = re.compile(r"\bio_uring_[a-z_]+\s*\(")
    for name in lint.code(".c", ".h"):
        if name.startswith("io/") or not name.startswith(("src/", "slab/")):
            continue
        for number, line in lint.lines(name):
            if call.search(line) or "liburing.h" in line:
                yield f"{name}:{number}: liburing is named in io/ only"


def one_file(header, suffix):
    names = shipped(users_of(header))
    if len(set(names)) > 1:
        return [f"{header} is included by {', '.join(sorted(set(names)))}"]
    return [f"{n}: not a {suffix} file" for n in names if not n.endswith(suffix)]


report = lint.Report()
report.check("includes point to the same layer or one below", wrong_includes())
report.check("quoted includes are paths from the root", unknown_includes())
report.check("no include leads back to itself", cycles())
report.check("the table of layers has no cycle", layer_cycles())
report.check("liburing is named in io only", uring_outside_io())
report.check("hwloc is named in one C file", one_file(r"hwloc(/.*)?\.h", ".c"))
report.check("xxHash is named in one file", one_file(r"xxhash\.h|xxh3\.h", (".c", ".h")))
report.check("libmd is named in one C file", one_file(r"md5\.h", ".c"))
report.end()
