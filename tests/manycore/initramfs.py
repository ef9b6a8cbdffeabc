"""Writes an initial file system for Linux: busybox, programs with their libraries, scripts.

Format: Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc"): a header of
"070701" and 13 numbers of 8 hexadecimal digits, the name, the contents, each padded to 4 bytes.
"""

import gzip
import os
import re
import stat
import subprocess

EMPTY_FOLDERS = ("dev", "proc", "sys", "tmp", "run", "root")
PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"


def libraries_of(program):
    """Absolute paths of the libraries that a program loads, its loader included."""
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    answer = subprocess.run(["ldd", program], capture_output=True, check=False, env=env)
    return re.findall(r"(?:=> |^\s*)(/\S+) \(0x", answer.stdout.decode(), re.MULTILINE)


class Initramfs:
    """Collects files; paths inside have no leading slash."""

    def __init__(self):
        self.entries = {}

    def folder(self, path):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:count]), (stat.S_IFDIR | 0o755, b""))

    def add(self, path, data, mode=0o644):
        if "/" in path:
            self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def copy(self, path, source, mode=0o755):
        with open(source, "rb") as file:
            self.add(path, file.read(), mode)

    def program(self, path, source):
        """A program, and the libraries that it needs at the paths where they are here."""
        self.copy(path, source)
        for library in libraries_of(source):
            self.copy(library.lstrip("/"), library)

    def busybox(self, source):
        self.copy("bin/busybox", source)
        listed = subprocess.run([source, "--list"], capture_output=True, check=True)
        for name in listed.stdout.decode().split():
            if name != "busybox":
                self.link("bin/" + name, "busybox")

    def base(self):
        for folder in EMPTY_FOLDERS:
            self.folder(folder)
        self.add("etc/passwd", PASSWD)
        self.add("etc/hosts", b"127.0.0.1 localhost\n")

    def write(self, path):
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", 1, raw, 0) as out:
            for number, name in enumerate(sorted(self.entries), 1):
                mode, data = self.entries[name]
                out.write(self._record(number, name, mode, data))
            out.write(self._record(0, "TRAILER!!!", 0, b""))

    @staticmethod
    def _record(number, name, mode, data):
        links = 2 if stat.S_ISDIR(mode) else 1
        numbers = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % value for value in numbers)
        head += name.encode() + b"\0"
        return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
