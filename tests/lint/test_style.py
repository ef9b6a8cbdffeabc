#!/usr/bin/env python3
"""What every file looks like: white space, width, first line, nothing left for later."""

import os
import re
import shutil
import subprocess

import lint

COLUMNS_MAX = 100
TEXT = (".c", ".h", ".def", ".py", ".sh", ".mk", ".ac", ".am", ".m4", ".md", ".txt", ".service")
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# where somebody once built it is nobody else's business
PLACE = re.compile(r"(?<![\w.$}/-])/(home|root|work|workspace|builds|Users)/\w")


def texts():
    for name in lint.files():
        with open(os.path.join(lint.TOP, name), "rb") as file:
            shebang = file.read(2) == b"#!"
        if (name.endswith(TEXT) or shebang) and not name.startswith(lint_data()):
            yield name


def lint_data():
    return ("tests/fuzz/corpus/", "bench/results/")


def makefile(name):
    return name.endswith((".mk", ".am"))


def each_line(wrong):
    return [f"{name}:{number}: {line.strip()[:80]}" for name in texts()
            for number, line in lint.lines(name) if wrong(name, line)]


def tab(name, line):
    return "\t" in line and not (makefile(name) and "\t" not in line.lstrip("\t"))


def too_wide(name, line):
    # a table or an address in a page cannot be broken
    return len(line) > COLUMNS_MAX and not name.endswith(".md") and "://" not in line


def first_lines():
    for name in lint.code(".c", ".h", ".def"):
        if not lint.read(name).startswith("/* larder: "):
            yield f"{name}: does not open with /* larder: ..."


def ends():
    for name in texts():
        text = lint.read(name)
        if text and (not text.endswith("\n") or text.endswith("\n\n") or "\r" in text):
            yield f"{name}: ends without one newline, or has carriage returns"


def layout():
    """The few rules of layout that a formatter is not needed for."""
    rules = [
        (re.compile(r"^\s*(if|for|while|switch)\("), "a blank follows a keyword"),
        (re.compile(r"^\s*(if|for|while|switch)\b.*\)\{"), "a blank stands before a brace"),
        (re.compile(r"^\s*\}\s*$\n^\s*else\b", re.M), "else stands beside its brace"),
        (re.compile(r"^(?!\s*(#|\*|/\*)).*[^:\"']//"), "comments are /* */"),
        (re.compile(r"^[a-z][\w \*]*\([^;{]*\)\n\{", re.M), "a function's brace ends its line"),
        (re.compile(r"^( {4})* {1,3}(if|for|while|return|switch|break|continue)\b"),
         "code is indented by four"),
        (re.compile(r"^\s*typedef\s+(struct|union|enum)\b[^(]*$"), "no typedef of a struct"),
    ]
    for name in lint.code(".c", ".h"):
        text = re.sub(r'"(\\.|[^"\\\n])*"', '""', lint.read(name))
        for number, line in enumerate(text.splitlines(), 1):
            for rule, what in rules:
                if not rule.flags & re.M and rule.search(line):
                    yield f"{name}:{number}: {what}"
        for rule, what in rules:
            if rule.flags & re.M:
                for found in rule.finditer(text):
                    yield f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {what}"


def shell_problems():
    names = [n for n in texts() if lint.read(n).startswith(("#!/bin/sh", "#!/bin/bash"))]
    done = subprocess.run(["shellcheck", "-S", "warning", "-f", "gcc", *names], cwd=lint.TOP,
                          capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def not_executable():
    for name in lint.files():
        if lint.read(name).startswith("#!") and not os.access(
                os.path.join(lint.TOP, name), os.X_OK):
            yield f"{name}: has #! but cannot be executed"


report = lint.Report()
report.check("no trailing white space", each_line(lambda name, line: line != line.rstrip()))
report.check("no tabs but in make's rules", each_line(tab))
report.check(f"lines have at most {COLUMNS_MAX} columns", each_line(too_wide))
report.check("files end with one newline", ends())
report.check("C files open with what they are", first_lines())
report.check("layout follows the house", layout())
report.check("nothing is left for later", each_line(lambda name, line: LATER.search(line)))
report.check("no path of a machine that built it", each_line(
    lambda name, line: PLACE.search(line)))
report.check("scripts can be executed", not_executable())
if shutil.which("shellcheck"):
    report.check("shell scripts pass shellcheck", shell_problems())
else:
    report.skip("shell scripts pass shellcheck", "no shellcheck here")
report.end()
