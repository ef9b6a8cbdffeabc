#!/usr/bin/env python3
"""larder_get_or_compute: how often an origin is asked, and how long anybody waits."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile

import harness
import liblarder

TAP = harness.Tap()
LONG = "request_ms=100000 connect_ms=100000 origin_lock_s=600 origin_wait_ms=100000"
HELD_MS_MAX = 60000  # far above what is stated, for machines that are loaded
FOLDER = tempfile.TemporaryDirectory()


def herd_path():
    return os.path.join(os.path.dirname(liblarder.driver_path()), "liblarder_herd")


class Herd:
    """A process with many callers."""

    def __init__(self, server, key, log, *words, options=LONG):
        argv = [herd_path(), "servers=%s %s" % (server, options), key, log, *words]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def begin(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self):
        line = self.process.stdout.readline().decode()
        return {name: int(number) for name, number in
                (word.split("=") for word in line.split())}

    def run(self):
        self.begin()
        return self.end()

    def close(self):
        self.process.stdin.close()
        good = self.process.wait(timeout=liblarder.ANSWER_LIMIT_S) == 0
        self.process.stdout.close()
        TAP.check(good, "the callers end well")


def log_of(key):
    return os.path.join(FOLDER.name, key)


def computations(key):
    return os.path.getsize(log_of(key)) if os.path.exists(log_of(key)) else 0


def total(reports, name):
    return sum(report.get(name, 0) for report in reports)


def check_misses(server, name, extra, threads):
    herds = [Herd(server, "miss", log_of("miss"), "threads=%d" % threads, "cost_ms=200",
                  options=LONG + extra) for _ in range(4)]
    for herd in herds:
        herd.begin()
    reports = [herd.end() for herd in herds]
    TAP.check(computations("miss") == 1 and total(reports, "hit") == 4 * threads and
              total(reports, "wrong") == 0,
              "%s: %d misses of 4 processes cost one computation" % (name, 4 * threads), reports)
    again = [herd.run() for herd in herds]
    TAP.check(computations("miss") == 1 and total(again, "hit") == 4 * threads and
              total(again, "computed") == 0, name + ": what was computed is stored", again)
    for herd in herds:
        herd.close()


def check_stale(server, name):
    herds = [Herd(server, "old", log_of("old"), "threads=50", "cost_ms=200") for _ in range(2)]
    herds[0].run()
    library = liblarder.Library([server], request_ms=100000)
    library.do("delete old invalidate ttl=1000")
    for herd in herds:
        herd.begin()
    reports = [herd.end() for herd in herds]
    TAP.check(computations("old") == 2 and total(reports, "wrong") == 0 and
              total(reports, "hit") + total(reports, "stale") == 100,
              name + ": while one computes anew, others get the old value", reports)
    library.do("delete old invalidate ttl=1000")
    failing = Herd(server, "old", log_of("old"), "threads=20", "fail",
                   options=LONG + " origin_backoff_ms=600000")
    report = failing.run()
    TAP.check(computations("old") == 3 and report.get("stale") == 20,
              name + ": an origin that fails leaves the old value, and is left alone", report)
    library.do("delete old")
    report = failing.run()
    TAP.check(computations("old") == 3 and report.get("failed") == 20,
              name + ": it is left alone for its back-off", report)
    for herd in herds + [failing]:
        herd.close()
    library.close()


def check_due(server, name, extra):
    herd = Herd(server, "due", log_of("due"), "threads=1", "ttl=1",
                options=LONG + " origin_jitter=0 origin_stale_s=1000" + extra)
    first = herd.run()
    harness.wait_until(lambda: herd.run().get("wrong") == 0 and computations("due") >= 3)
    TAP.check(first.get("computed") == 1, name + ": a value that is due is computed anew", first)
    herd.close()


def check_early(server, name, extra):
    options = LONG + extra + " origin_early="
    herd = Herd(server, "early", log_of("early"), "threads=1", "ttl=400", "cost_ms=20",
                options=options + "0")
    first = herd.run()
    for _ in range(100):
        herd.run()
    never = computations("early")
    herd.close()
    # a cost of 20 ms times 10,000 is half the TTL: one read of seven computes
    herd = Herd(server, "early", log_of("early"), "threads=1", "rounds=200", "ttl=400",
                "cost_ms=20", options=options + "1000000 origin_jitter=0")
    report = herd.run()
    TAP.check(never == 1 and computations("early") > 1 and report.get("hit") == 200 and
              report["wrong"] == 0,
              name + ": a costly value is computed before it is due", (first, report))
    herd.close()


def check_dead_origin(server, name, extra):
    options = LONG + extra + " origin_backoff_ms=600000"
    herds = [Herd(server, "dead", log_of("dead"), "threads=100", "cost_ms=100", "fail",
                  options=options) for _ in range(2)]
    for herd in herds:
        herd.begin()
    reports = [herd.end() for herd in herds]
    TAP.check(computations("dead") == 1 and total(reports, "failed") == 200,
              name + ": an origin that fails is asked once in its back-off, by all processes",
              reports)
    for herd in herds:
        herd.close()
    options = LONG.replace("wait_ms=100000", "wait_ms=100") + extra
    herd = Herd(server, "hung", log_of("hung"), "threads=50", "cost_ms=1500", options=options)
    herd.begin()
    harness.wait_until(lambda: computations("hung") == 1)
    other = Herd(server, "hung", log_of("hung"), "threads=50", "cost_ms=0", options=options)
    held = other.run()
    report = herd.end()
    TAP.check(computations("hung") == 1 and report["wrong"] == 0 and held["wrong"] == 0 and
              held.get("timed_out", 0) + held.get("hit", 0) == 50 and
              held["ms_max"] < HELD_MS_MAX,
              name + ": an origin that hangs holds others for no longer than stated",
              (report, held))
    herd.close()
    other.close()


def check_late(server, name):
    library = liblarder.Library([server], request_ms=100000)
    library.do("get late vivify=600")  # somebody wins, and is never heard of again
    herd = Herd(server, "late", log_of("late"), "threads=20", "cost_ms=100",
                options=LONG.replace("wait_ms=100000", "wait_ms=200") + " origin_late=compute")
    report = herd.run()
    TAP.check(computations("late") >= 1 and report["at_once"] == 1 and report.get("hit", 0) >= 1,
              name + ": who is told to may compute what another process does not", report)
    TAP.check(library.do("get late").result == "hit", name + ": and it is stored then")
    herd.close()
    library.close()


def check_bound(server, name):
    herd = Herd(server, "many", log_of("many"), "threads=30", "keys=30", "cost_ms=20",
                options=LONG + " origin_computes=2")
    report = herd.run()
    TAP.check(computations("many") == 30 and report.get("hit") == 30 and report["at_once"] <= 2,
              name + ": no more computations at a time than allowed", report)
    herd.close()


def check_server(server, name, extra, meta):
    address = "127.0.0.1:%d" % server.port
    check_misses(address, name, extra, 250 if name == "larder" else 50)
    check_due(address, name, extra)
    check_dead_origin(address, name, extra)
    if meta:
        check_early(address, name, extra)
        check_stale(address, name)
        check_late(address, name)
        check_bound(address, name)
    server.stop()
    for log in os.listdir(FOLDER.name):
        os.unlink(log_of(log))


def check_without_server():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = "127.0.0.1:%d" % sock.getsockname()[1]
    herd = Herd(address, "alone", log_of("alone"), "threads=20", "cost_ms=100")
    report = herd.run()
    TAP.check(report.get("hit") == 20 and report["wrong"] == 0 and report["at_once"] == 1,
              "without a server values are computed, one caller at a time", report)
    herd.close()
    herd = Herd(address, "gone", log_of("gone"), "threads=20", "rounds=5", "fail",
                options=LONG + " origin_backoff_ms=600000")
    report = herd.run()
    TAP.check(report.get("failed") == 100 and computations("gone") == 1,
              "without a server an origin that fails is left alone as well", report)
    herd.close()


def main():
    check_server(harness.Server(["-c", "4096"]), "larder", "", True)
    check_server(harness.Server(["-c", "4096"]), "larder, classic", " protocol=classic", False)
    if shutil.which("memcached"):
        check_server(harness.Server(["-c", "4096"], binary=shutil.which("memcached"), peer=True),
                     "memcached", "", True)
    else:
        TAP.skip("memcached", "it is not installed")
    check_without_server()
    return TAP.finish()


sys.exit(main())
