#!/usr/bin/env python3
"""Files, functions, parameters and nesting stay within what one can hold in the head."""

import json
import os
import re
import shutil
import subprocess

import lint

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5
NESTING_MAX = 3
# blocks that nest; a brace after anything else is an initialiser or the function's own
CONTROL = re.compile(r"\b(if|for|while|switch|do|else)\b")


def long_files():
    names = lint.code(".c", ".h", ".def", ".py", ".sh")
    for name in names:
        count = lint.read(name).count("\n")
        if count > FILE_LINES_MAX:
            yield f"{name}: {count} lines, at most {FILE_LINES_MAX}"


def functions():
    """Every function: path, name, first and last line, signature."""
    names = [os.path.join(lint.TOP, n) for n in lint.code(".c", ".h")]
    out = subprocess.run(
        ["ctags", "--output-format=json", "--fields=+neS", "--c-kinds=f", "--languages=C",
         "--langmap=C:.c.h", "-f", "-", *names],
        capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield (os.path.relpath(tag["path"], lint.TOP), tag["name"], tag["line"], tag["end"],
                   tag.get("signature", ""))


def stripped(text):
    """The text without comments, strings and character constants, line numbers kept."""
    def blank(found):
        kept = re.sub(r"[^\n]", " ", found.group(0))
        return kept
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(\\.|[^"\\\n])*"|\'(\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def nesting(body):
    """The deepest nesting of control blocks; `else if` counts as its `if`, a label's block not."""
    depth, deepest, stack, since = 0, 0, [], 0
    for at, char in enumerate(body):
        if char == "{":
            before = body[since:at].rstrip()
            control = bool(CONTROL.search(before)) and before.endswith((")", "else", "do"))
            stack.append(control)
            depth += control
            deepest = max(deepest, depth)
            since = at + 1
        elif char == "}":
            depth -= stack.pop() if stack else 0
            since = at + 1
        elif char == ";" and body.count("(", since, at) == body.count(")", since, at):
            since = at + 1
    return deepest


def parameter_count(signature):
    inner = signature.strip()[1:-1].strip()
    if inner in ("", "void"):
        return 0
    count, depth = 1, 0
    for char in inner:
        depth += (char in "([") - (char in ")]")
        count += char == "," and depth == 0
    return count


def check(report):
    found = list(functions())
    report.check(
        f"functions have at most {FUNCTION_LINES_MAX} lines",
        (f"{path}:{first}: {name} has {last - first + 1} lines"
         for path, name, first, last, _ in found if last - first + 1 > FUNCTION_LINES_MAX))
    report.check(
        f"functions take at most {PARAMETERS_MAX} parameters",
        (f"{path}:{first}: {name} takes {parameter_count(signature)}"
         for path, name, first, _, signature in found
         if parameter_count(signature) > PARAMETERS_MAX))
    texts = {path: stripped(lint.read(path)).split("\n") for path, *_ in found}
    deep = []
    for path, name, first, last, _ in found:
        depth = nesting("\n".join(texts[path][first - 1:last]))
        if depth > NESTING_MAX:
            deep.append(f"{path}:{first}: {name} nests {depth} deep")
    report.check(f"control nests at most {NESTING_MAX} deep", deep)


REPORT = lint.Report()
REPORT.check(f"files have at most {FILE_LINES_MAX} lines", long_files())
if shutil.which("ctags"):
    check(REPORT)
else:
    REPORT.skip("sizes of functions", "no universal-ctags here")
REPORT.end()
