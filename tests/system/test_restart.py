#!/usr/bin/env python3
"""-e: items over a restart; a clean start with one line that says why wherever that cannot be."""

import argparse
import os
import signal
import subprocess
import tempfile
import threading

import harness
from harness import Server, get_value, set_value, want

CLEAN = "starting with a clean cache: "


def memory_dir():
    """Where files lie in memory, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class File:
    """A memory file's name, and servers on it one after the other."""

    def __init__(self, server, *options, place=None):
        self.dir = tempfile.mkdtemp(prefix="larder-test-", dir=place or memory_dir())
        self.path = os.path.join(self.dir, "items")
        self.binary = server.binary
        self.options = options
        self.server = None

    def start(self, *options):
        self.server = Server(["-e", self.path] + list(options or self.options),
                             binary=self.binary)
        return self.server.client()

    def stop(self, sig=signal.SIGUSR1):
        """The server's log."""
        self.server.process.send_signal(sig)
        self.server.wait()
        log = self.server.log()
        self.server.stop()
        return log

    def restart(self, *options):
        log = self.stop()
        want("lost" not in log, log)
        client = self.start(*options)
        want(CLEAN not in self.server.log(), self.server.log())
        return client

    def remove(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        os.rmdir(self.dir)


def with_file(test, options=("-m", "64")):
    """A test that gets a file besides; the file is gone afterwards."""
    def run(server, peer):
        file = File(server, *options)
        try:
            return test(server, peer, file)
        finally:
            if file.server and file.server.alive():
                file.server.kill()
                file.server.stop()
            file.remove()
    run.__name__ = test.__name__
    return run


def value_of(key, size):
    return (b"%s:%d;" % (key, size) * (size // (len(key) + 3) + 1))[:size]


def kept(client, key):
    """What gets tells: flags, token and value; None: a miss."""
    client.send(b"gets " + key + b"\r\n")
    head = client.line()
    if head == b"END":
        return None
    _, _, flags, size, token = head.split(b" ")
    value = client.take(int(size) + 2)[:-2]
    want(client.line() == b"END", "no END")
    return flags, token, value


def ttl(client, key):
    """The seconds it has left; None: it is gone."""
    answer = client.ask(b"mg " + key + b" t")
    return int(answer[4:]) if answer.startswith(b"HD t") else None


def items_of_all_kinds_come_back_as_they_were(_server, _peer, file):
    first = file.start("-m", "64", "-t", "3")

    def write(number):
        client = file.server.client()
        for i in range(400):
            key = b"k%d-%d" % (number, i)
            size = (0, 10, 300, 3000, 20000)[i % 5]
            stored = set_value(client, key, value_of(key, size), b"%d" % (i % 3 * 1000))
            if stored != b"STORED":
                wrong.append((key, stored))
        client.close()

    wrong = []
    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want(not wrong, wrong[:3])
    want(set_value(first, b"large", value_of(b"large", 1000000)) == b"STORED", "large")
    want(first.ask(b"ms token 2 E4711 T0\r\nab").startswith(b"HD"), "token")
    want(first.ask(b"ms a2V5IHg= 1 b\r\nz") == b"HD", "binary key")
    want(set_value(first, b"number", b"41") == b"STORED", "number")
    want(first.ask(b"delete k0-1") == b"DELETED", "delete")
    keys = [b"k%d-%d" % (n, i) for n in range(3) for i in range(400)]
    keys += [b"large", b"token", b"number"]
    before = {key: kept(first, key) for key in keys}
    items = first.stats()["curr_items"]
    again = file.restart("-m", "64", "-t", "2")
    after = {key: kept(again, key) for key in keys}
    differ = [key for key in keys if before[key] != after[key]]
    want(not differ, "%d differ: %s" % (len(differ), differ[:5]))
    want(before[b"k0-1"] is None and before[b"token"][1] == b"4711", "what was stored")
    want(again.ask(b"mg a2V5IHg= b k v") == b"VA 1 ka2V5IHg= b", "binary key")
    want(again.line() == b"z", "its value")
    want(again.stats()["curr_items"] == items, "items")
    want(again.ask(b"incr number 1") == b"42", "incr")
    token = int(before[b"number"][1])
    want(int(kept(again, b"number")[1]) > token, "tokens go on")
    want(again.stats(b"settings")["memory_file"] == file.path, "stats settings")


def time_goes_on_while_it_is_down(_server, _peer, file):
    client = file.start("-m", "64", "-o", "debugtime")
    client.ask(b"debugtime p")
    for key, seconds in ((b"short", 30), (b"long", 5000), (b"never", 0)):
        client.send(b"set %s 0 %d 1\r\nx\r\n" % (key, seconds))
        want(client.line() == b"STORED", "set")
    client.ask(b"debugtime 100")
    uptime = int(client.stats()["uptime"])
    want(ttl(client, b"long") == 4900 and ttl(client, b"short") is None, "before")
    client = file.restart()
    left = ttl(client, b"long")
    want(4900 - 600 < left <= 4900, "%s seconds left" % left)
    want(ttl(client, b"short") is None and ttl(client, b"never") == -1, "after")
    want(int(client.stats()["uptime"]) >= uptime, "uptime goes on, as memcached's")


def a_pending_flush_is_kept(_server, _peer, file):
    client = file.start("-m", "64", "-o", "debugtime")
    want(set_value(client, b"a", b"1") == b"STORED", "set")
    want(client.ask(b"flush_all 1000") == b"OK", "flush_all")
    client = file.restart("-m", "64", "-o", "debugtime")
    want(get_value(client, b"a") == b"1", "too early")
    client.ask(b"debugtime 1001")
    want(harness.wait_until(lambda: get_value(client, b"a") is None), "not flushed")


def a_killed_server_leaves_nothing(_server, _peer, file):
    for sig, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 0)):
        client = file.start()
        want(set_value(client, b"a", b"1") == b"STORED", "set")
        client = file.restart()
        want(get_value(client, b"a") == b"1", "kept")
        file.server.killed = sig == signal.SIGKILL
        file.server.process.send_signal(sig)
        want(file.server.wait() == code, "exit code")
        file.server.stop()
        client = file.start()
        log = file.server.log()
        want(CLEAN + "the server that used it was not stopped gracefully" in log, log)
        want(len(log.splitlines()) == 1, log)
        want(get_value(client, b"a") is None, "not clean")
        file.stop()


def options_that_do_not_suit_make_a_clean_start(_server, _peer, file):
    for options, why in ((["-m", "64", "-o", "partitions=2"], "-o partitions is not"),
                         (["-m", "64", "-C"], "-C is not"),
                         (["-m", "20"], "-m is less"), (["-m", "300"], "-m is more"),
                         (["-m", "64", "-I", "10m"], "-I is too large"),
                         (["-m", "64", "-I", "512k"], "-I is less"),
                         (["-m", "64", "-o", "restart_verify"],
                          "it was saved without -o restart_verify")):
        client = file.start("-m", "64")
        want(set_value(client, b"a", b"1") == b"STORED", "set")
        file.stop()
        client = file.start(*options)
        log = file.server.log()
        want(CLEAN + why in log, log)
        want(get_value(client, b"a") is None, "not clean")
        file.stop(signal.SIGTERM)


def other_options_may_change(_server, _peer, file):
    client = file.start("-m", "64", "-o", "restart_verify")
    want(set_value(client, b"a", b"1") == b"STORED", "set")
    for options in (["-m", "128", "-o", "restart_verify"], ["-m", "64"], ["-m", "64", "-t", "7"],
                    ["-m", "64", "-M"], ["-m", "40"], ["-m", "64", "-I", "2m"]):
        client = file.restart(*options)
        want(get_value(client, b"a") == b"1", options)


def shutdown_graceful_saves(_server, _peer, file):
    client = file.start("-m", "64", "-A")
    want(set_value(client, b"a", b"1") == b"STORED", "set")
    client.send(b"shutdown graceful\r\n")
    want(file.server.wait() == 0, "exit code")
    file.server.stop()
    client = file.start()
    want(get_value(client, b"a") == b"1", file.server.log())
    want(b"shutdown not enabled" in client.ask(b"shutdown graceful"), "without -A")


def a_start_that_fails_loses_nothing(server, _peer, file):
    client = file.start()
    want(set_value(client, b"a", b"1") == b"STORED", "set")
    file.stop()
    argv = [server.binary, "-e", file.path, "-m", "64", "-l", "127.0.0.1", "-p",
            str(server.port)] + (["-u", "root"] if os.geteuid() == 0 else [])
    done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
    want(done.returncode == 71, done.stderr)
    client = file.start()
    want(get_value(client, b"a") == b"1", file.server.log())


def one_server_a_file(server, _peer, file):
    client = file.start()
    want(set_value(client, b"a", b"1") == b"STORED", "set")
    argv = [server.binary, "-e", file.path, "-p", "0"]
    argv += ["-u", "root"] if os.geteuid() == 0 else []
    done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
    want(done.returncode == 71 and b"another process uses it" in done.stderr, done.stderr)
    want(get_value(client, b"a") == b"1", "the first one is disturbed")


def a_file_that_cannot_be_had_ends_it(server, _peer):
    for path, why in (("/", b"Is a directory"), ("/nonexistent/x", b"No such file"),
                      ("/dev/null", b"not a regular file")):
        argv = [server.binary, "-e", path, "-p", "0"]
        argv += ["-u", "root"] if os.geteuid() == 0 else []
        done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
        want(done.returncode == 71 and why in done.stderr, done.stderr)


def a_disk_is_warned_of(server, _peer):
    kind = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()],
                          capture_output=True, check=True).stdout.strip()
    file = File(server, "-m", "64", place=tempfile.gettempdir())
    client = file.start()
    warned = "it is on a disk" in file.server.log()
    want(set_value(client, b"a", b"1") == b"STORED", "set")
    file.stop()
    client = file.start()
    want(get_value(client, b"a") == b"1", file.server.log())
    file.stop()
    file.remove()
    want(warned == (kind not in (b"tmpfs", b"ramfs", b"hugetlbfs")), kind)


def a_damaged_file_is_never_served(_server, _peer, file):
    client = file.start()
    want(set_value(client, b"a", b"x" * 5000) == b"STORED", "set")
    file.stop()
    size = os.path.getsize(file.path)
    with open(file.path, "rb") as saved:
        data = saved.read()
    damages = [data[:at] for at in (100, size // 2, size - 1)]
    damages += [data[:at] + bytes([data[at] ^ 4]) + data[at + 1:] for at in (3, 60, size - 9)]
    damages += [b"", b"foreign" * 1000]
    for damage in damages:
        with open(file.path, "wb") as broken:
            broken.write(damage)
        client = file.start()
        want(not damage or CLEAN in file.server.log(), file.server.log())
        want(get_value(client, b"a") is None, "it was served")
        want(set_value(client, b"a", b"1") == b"STORED", "set")
        file.stop(signal.SIGTERM)


TESTS = (
    (with_file(items_of_all_kinds_come_back_as_they_were), []),
    (with_file(time_goes_on_while_it_is_down), []),
    (with_file(a_pending_flush_is_kept), []),
    (with_file(a_killed_server_leaves_nothing), []),
    (with_file(options_that_do_not_suit_make_a_clean_start), []),
    (with_file(other_options_may_change), []),
    (with_file(shutdown_graceful_saves), []),
    (with_file(a_start_that_fails_loses_nothing), []),
    (with_file(one_server_a_file), []),
    (a_file_that_cannot_be_had_ends_it, []),
    (a_disk_is_warned_of, []),
    (with_file(a_damaged_file_is_never_served), []),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="not of use here: memcached's file has another format")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
