"""Finds or fetches what the virtual machine needs: qemu, busybox and a Debian kernel.

What is installed is used; the rest is downloaded with apt-get by package name and unpacked, not
installed, into a cache folder (build-manycore/ in the source tree), where it stays. Nothing here
asks for root. Whatever is missing is a reason to skip, never a failure.
"""

import glob
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

QEMU = "qemu-system-x86_64"
KERNEL_PACKAGE = "linux-image-amd64"
FETCH_LIMIT_S = 300
XZ_MAGIC = b"\xfd7zXZ\x00"


class Unavailable(Exception):
    """Something is not to be had here; the text says what."""


def output_of(argv, cwd=None, env=None):
    """What a command prints; Unavailable when it cannot run or fails."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True,
                              timeout=FETCH_LIMIT_S, cwd=cwd,
                              env=dict(env or os.environ, LC_ALL="C"))
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable("%s: %s" % (" ".join(argv[:2]), error)) from None
    return done.stdout


def fetch(names, folder):
    """Downloads packages into a folder; returns the files."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable("no apt-get or dpkg-deb here")
    output_of(["apt-get", "download", "-q"] + names, cwd=folder)
    return sorted(glob.glob(os.path.join(folder, "*.deb")))


def missing_packages(name):
    """The package and what of its dependencies is not installed, as apt-get would install them."""
    plan = output_of(["apt-get", "install", "-s", "-q", "--no-install-recommends", name])
    found = re.findall(r"^Inst (\S+)", plan.decode(), re.MULTILINE)
    if not found:
        raise Unavailable("apt-get offers no " + name)
    return found


def unpack(name, root):
    """Unpacks a package and what it needs under root, all or nothing."""
    parent = os.path.dirname(root)
    with tempfile.TemporaryDirectory(dir=parent) as work:
        debs = os.path.join(work, "debs")
        files = os.path.join(work, "files")
        os.mkdir(debs)
        for deb in fetch(missing_packages(name), debs):
            output_of(["dpkg-deb", "-x", deb, files])
        os.rename(files, root)


class Qemu:
    """The emulator: its program, environment and first arguments."""

    def __init__(self, cache):
        self.program = shutil.which(QEMU)
        self.env = dict(os.environ)
        self.arguments = []
        firmware = ["/usr/share/qemu", "/usr/share/seabios"]
        if not self.program:
            root = os.path.join(cache, "qemu")
            if not os.path.isdir(root):
                unpack("qemu-system-x86", root)
            self.program = os.path.join(root, "usr/bin", QEMU)
            firmware = [root + path for path in firmware]
            libraries = [os.path.join(root, at) for at in ("usr/lib/x86_64-linux-gnu",
                                                           "lib/x86_64-linux-gnu")]
            self.env["LD_LIBRARY_PATH"] = ":".join(libraries)
            for path in firmware:
                self.arguments += ["-L", path]
        quick = os.path.join(firmware[0], "qboot.rom")
        self.quick_bios = quick if os.path.exists(quick) else None
        self.version = output_of([self.program, "--version"], env=self.env).decode().split("\n")[0]


def busybox(cache):
    """Path of a statically linked busybox."""
    installed = shutil.which("busybox")
    if installed:
        with open(installed, "rb") as file:
            if b"ld-linux" not in file.read(4096):
                return installed
    root = os.path.join(cache, "busybox")
    if not os.path.isdir(root):
        unpack("busybox-static", root)
    return os.path.join(root, "bin/busybox")


def kernel_package():
    """The package of the distribution's current kernel, such as linux-image-6.1.0-56-amd64."""
    answer = output_of(["apt-cache", "depends", KERNEL_PACKAGE]).decode()
    found = re.search(r"Depends: (linux-image-\d\S+)", answer)
    if not found:
        raise Unavailable("apt-cache knows no " + KERNEL_PACKAGE)
    return found.group(1)


def image_of(deb):
    """The compressed kernel inside a package; the modules behind it are not read."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive:
                for member in archive:
                    if "/boot/vmlinuz-" in member.name:
                        return archive.extractfile(member).read()
        except tarfile.TarError as error:
            raise Unavailable("%s: %s" % (os.path.basename(deb), error)) from None
        finally:
            unpacking.kill()
    raise Unavailable("no kernel in " + os.path.basename(deb))


def uncompressed(image):
    """The ELF file inside a bzImage compressed with xz, which boots faster; else the image."""
    at = image.find(XZ_MAGIC)
    while at >= 0:
        try:
            elf = lzma.LZMADecompressor().decompress(image[at:])
            if elf.startswith(b"\x7fELF"):
                return elf
        except lzma.LZMAError:
            pass
        at = image.find(XZ_MAGIC, at + 1)
    return image


def kernel(cache):
    """Path of a kernel to boot: $LARDER_TEST_KERNEL, or the distribution's."""
    named = os.environ.get("LARDER_TEST_KERNEL")
    if named:
        return named
    package = kernel_package()
    path = os.path.join(cache, package)
    if not os.path.exists(path):
        with tempfile.TemporaryDirectory(dir=cache) as work:
            image = uncompressed(image_of(fetch([package], work)[0]))
            with open(os.path.join(work, "kernel"), "wb") as file:
                file.write(image)
            os.rename(os.path.join(work, "kernel"), path)
    return path


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
