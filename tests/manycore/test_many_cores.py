#!/usr/bin/python3
"""larder on many cores and on Debian's kernel, in a virtual machine.

    tests/manycore/test_many_cores.py [small|large] [--multi] [--keep]

small: 2 nodes, 8 processors with SMT; large: 4 nodes, 64 processors. --multi runs one thread a
processor instead of one for all (slow where there are few). --keep leaves the machine's output in
build-manycore/. SKIP where qemu, busybox or the kernel's package are not to be had.
"""

import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(TOP, "tests", "system")]

# pylint: disable=wrong-import-position
import checks  # noqa: E402
import initramfs  # noqa: E402
import machine  # noqa: E402
import packages  # noqa: E402
from harness import Tap, die  # noqa: E402

# by shape: connections, keys, operations, limit in seconds, the part that a cpuset allows, and
# test programs (the long ones ping and pong between threads, which is slow without real ones)
QUICK = ["unit/io/test_create", "unit/io/test_listen", "unit/io/test_streams"]
LONG = ["unit/io/test_flow", "unit/io/test_crowds", "stress/test_store"]
PLANS = {
    "small": (16, 1000, 2000, 240, "5-7", "1", QUICK),
    "large": (64, 2000, 6400, 1500, "36-39,50-53", "2-3", QUICK + LONG),
}


def plan_text(shape, seconds_max):
    connections, keys, operations, _, far_cpus, far_nodes, _ = PLANS[shape.name]
    values = {"CPUS": shape.cpus, "CORES": shape.physical, "CONNECTIONS": connections,
              "KEYS": keys, "OPERATIONS": operations, "FAR_CPUS": far_cpus,
              "FAR_NODES": far_nodes, "EXIT_PORT": machine.EXIT_PORT,
              "TEST_SECONDS_MAX": seconds_max}
    return "".join("%s='%s'\n" % item for item in values.items()).encode()


def make_initrd(path, shape, build, shell):
    image = initramfs.Initramfs()
    image.base()
    image.busybox(shell)
    image.program("usr/bin/larder", os.environ.get("LARDER") or os.path.join(build, "larder"))
    image.program("usr/bin/larder-load", os.path.join(build, "bench/larder-load"))
    for number, name in enumerate(PLANS[shape.name][6]):
        path_inside = "tests/%02d-%s" % (number, os.path.basename(name))
        image.program(path_inside, os.path.join(build, "tests", name))
    image.add("plan", plan_text(shape, PLANS[shape.name][3] // 5))
    image.copy("init", os.path.join(HERE, "guest.sh"))
    image.write(path)


def judge(tap, shape, code, output):
    connections, _, operations, limit_s, far_cpus, far_nodes, _ = PLANS[shape.name]
    if code != machine.PASSED or "@@ done" not in output:
        ended = "cut off after %d s" % limit_s if code is None else "qemu ended with %d" % code
        tap.fail("%s: the machine runs to its end" % shape.name, ended + "\n" + output[-4000:])
    else:
        tap.ok("%s: the machine runs to its end" % shape.name)
    sections = checks.sections_of(output)
    if "topology-auto" not in sections:
        return
    all_checks = checks.Checks(tap, shape, sections, far_cpus, far_nodes)
    all_checks.topology()
    for back_end in ("uring", "epoll"):
        all_checks.serve(back_end, connections, operations)
    for name in ("place", "place-large-pages"):
        all_checks.placed(name, range(shape.nodes))
    all_checks.far()
    all_checks.programs()
    all_checks.durations()


def run(tap, shape, accel, keep):
    build = os.environ.get("TOP_BUILDDIR") or os.path.join(TOP, "build")
    if not os.path.exists(os.path.join(build, "bench/larder-load")):
        die("nothing built in %s: scripts/build all check-programs" % build)
    cache = os.path.join(TOP, "build-manycore")
    os.makedirs(cache, exist_ok=True)
    try:
        qemu = packages.Qemu(cache)
        shell = packages.busybox(cache)
        kernel = packages.kernel(cache)
    except (packages.Unavailable, OSError) as missing:
        tap.skip("%s: a machine with %d processors" % (shape.name, shape.cpus), str(missing))
        return
    initrd = os.path.join(cache, "initrd-%s-%d" % (shape.name, os.getpid()))
    try:
        make_initrd(initrd, shape, build, shell)
        tap.note("%s, %s, %d processors on %d nodes" % (qemu.version, os.path.basename(kernel),
                                                        shape.cpus, shape.nodes))
        began = time.monotonic()
        code, output = machine.boot(qemu, machine.command(qemu, shape, kernel, initrd, accel),
                                    PLANS[shape.name][3])
        tap.note("%.1f s" % (time.monotonic() - began))
    finally:
        if os.path.exists(initrd):
            os.unlink(initrd)
    if keep:
        with open(os.path.join(cache, "output-" + shape.name), "w", encoding="latin-1") as file:
            file.write(output)
    judge(tap, shape, code, output)


def main():
    # so that what this has started and written does not outlive it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    tap = Tap()
    names = [name for name in sys.argv[1:] if not name.startswith("--")] or ["small"]
    for name in names:
        run(tap, machine.SHAPES[name], "multi" if "--multi" in sys.argv else "single",
            "--keep" in sys.argv)
    return tap.finish()


sys.exit(main())
