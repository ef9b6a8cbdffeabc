#!/usr/bin/env python3
"""The server has no mutable globals: nothing of its own stands in a writable section."""

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
if not shutil.which("objdump") or not os.path.exists(server):
    report.skip("no mutable globals", "no objdump, or no server")
elif b"__asan_init" in open(server, "rb").read() or b"__tsan_init" in open(server, "rb").read():
    report.skip("no mutable globals", "a sanitizer has its own")
else:
    report.check("no mutable globals", mutable(server))
report.end()
