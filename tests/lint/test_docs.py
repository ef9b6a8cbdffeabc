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
    """Names of the settings: the first string of each row of settings.def."""
    path = "src/server/settings.def"
    if not os.path.exists(os.path.join(lint.TOP, path)):
        return []
    rows = re.findall(r"^[A-Z_]*(?:OPTION|SETTING|SUBOPTION)[A-Z_]*\((.*)$", lint.read(path), re.M)
    names = [re.search(r'"([a-z][a-z0-9_-]*)"', row) for row in rows]
    return sorted({found.group(1) for found in names if found})


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
    report.check("every setting is in the manual", missing_from(manual_text, settings()))
else:
    report.skip("every option is in the manual", "the server prints no manual")
report.check("links between pages lead somewhere", broken_links())
report.end()
