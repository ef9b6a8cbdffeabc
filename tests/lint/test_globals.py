#!/usr/bin/env python3
"""The programs have no mutable globals: nothing of their own stands in a writable section."""

import os
import re
import shutil
import subprocess

import lint

# what the compiler's start files and the C library put there
RUNTIME = re.compile(r"^(completed\.0|__\w+|_edata|_end|data_start|\.\w+"
                     r"|(stdin|stdout|stderr|environ|opt(arg|ind|err|opt)|program_invocation\w*)"
                     r"(@.*)?|_IO_stdin_used|\.bss|\.data)$")
WRITABLE = {".data", ".bss", ".tdata", ".tbss"}


def mutable(program):
    out = subprocess.run(["objdump", "-t", program], capture_output=True, text=True,
                         check=True).stdout
    for line in out.splitlines():
        found = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)$", line)
        if not found or found.group(2) not in WRITABLE or "d" in found.group(1):
            continue
        if not RUNTIME.match(found.group(4)) and int(found.group(3), 16):
            yield f"{found.group(4)} ({int(found.group(3), 16)} bytes in {found.group(2)})"


report = lint.Report()
server = os.environ.get("LARDER", "")
for program in (server, os.path.join(os.path.dirname(server), "larderctl")):
    name = "no mutable globals in " + (os.path.basename(program) or "larder")
    if not shutil.which("objdump") or not os.path.exists(program):
        report.skip(name, "no objdump, or not built")
    elif re.search(rb"__[at]san_init", open(program, "rb").read()):
        report.skip(name, "a sanitizer has its own")
    else:
        report.check(name, mutable(program))
report.end()
