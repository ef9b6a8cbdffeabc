#!/usr/bin/env python3
"""What a user can set is in the manual; what the pages point to exists."""

import os
import re
import subprocess

import lint


def text_of(*arguments):
    done = subprocess.run([os.environ["LARDER"], *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20, check=False)
    return done.stdout if done.returncode == 0 else ""


def options(help_text):
    """Long options, and words of -o, that --help lists."""
    return sorted(set(re.findall(r"--([a-z][a-z0-9-]+)", help_text)) - {"help-man"})


def missing_from(manual, names):
    plain = manual.replace("\\-", "-").replace("\\", "")
    return [f"{name}: not in the manual" for name in names if name not in plain]


def settings():
    """(name, row) of each option and word of -o in settings.def."""
    path = "src/server/settings.def"
    if not os.path.exists(os.path.join(lint.TOP, path)):
        return []
    rows = re.findall(r"^(?:SUB)?OPTION\(.*?(?=^\S|\Z)", lint.read(path), re.M | re.S)
    named = [(re.search(r'\.name = "([^"]+)"', row), row) for row in rows]
    return [(found.group(1), row) for found, row in named if found]


def missing_differences():
    """What is refused or without effect must be told where deviations are listed."""
    page = lint.read("docs/differences.md")
    return [f"{name}: not in docs/differences.md" for name, row in settings()
            if re.search(r"\b(NO_EFFECT|REFUSED)\b", row) and name not in page]


def broken_links():
    for name in [n for n in lint.files() if n.endswith(".md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", lint.read(name)):
            at = os.path.join(lint.TOP, os.path.dirname(name), target)
            if not os.path.exists(at):
                yield f"{name}: points to {target}, which is not there"


report = lint.Report()
manual_text = text_of("--help-man") if os.path.exists(os.environ.get("LARDER", "")) else ""
if manual_text.startswith("."):
    report.check("every option is in the manual", missing_from(
        manual_text, options(text_of("--help"))))
    report.check("every setting is in the manual", missing_from(
        manual_text, [name for name, _ in settings() if name != "help-man"]))
else:
    report.skip("every option is in the manual", "the server prints no manual")
if os.path.exists(os.path.join(lint.TOP, "docs/differences.md")):
    report.check("options without effect are listed as differences", missing_differences())
report.check("links between pages lead somewhere", broken_links())
report.end()
