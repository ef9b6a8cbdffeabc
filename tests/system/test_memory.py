#!/usr/bin/env python3
"""Memory as an operator sees it: -m, cache_memlimit, -L, -k, and a system that refuses."""

import argparse
import os
import resource

import harness
from harness import Server, instrumented, wait_until, want

MIB = 1 << 20
BATCH = 200
NOISE = bytes(range(256)) * 1200


def fill(client, prefix, count, size_of):
    """Stores `count` values; every one must be taken."""
    for first in range(0, count, BATCH):
        lines = []
        for number in range(first, min(first + BATCH, count)):
            size = size_of(number)
            lines.append(b"set %s%d 0 0 %d\r\n%s\r\n" % (prefix, number, size, NOISE[:size]))
        client.send(b"".join(lines))
        for _ in lines:
            line = client.line()
            want(line == b"STORED", "%s%d.. : %s" % (prefix.decode(), first, line))


def fixed_bytes(client):
    """What the server says that it holds beside -m, and its connections' memory."""
    told = client.stats(b"larder")
    return int(told["memory_fixed_bytes"]) + int(told["memory_connections_bytes"])


def resident_memory_stays_within_m_while_sizes_shift(server, peer):
    client = server.client()
    shapes = (lambda number: 100, lambda number: 1000, lambda number: 37 * number % 5000,
              lambda number: 20, lambda number: 200000 if number % 50 == 0 else 300)
    most = 0
    for turn, shape in enumerate(shapes):
        size = sum(shape(number) for number in range(500)) / 500 + 60
        fill(client, b"shape%d-" % turn, min(200000, int(1.5 * 32 * MIB / size)), shape)
        resident = server.resident_bytes()
        most = max(most, resident)
        allowed = 32 * MIB * 1.03 + fixed_bytes(client)
        want(instrumented(server.binary) or resident <= allowed,
             "shape %d: %d resident, %d allowed" % (turn, resident, allowed))
    return "%.1f MiB at most, %.1f beside -m" % (most / MIB, fixed_bytes(client) / MIB)


def a_lowered_limit_returns_memory_and_a_raised_one_takes_it(server, peer):
    client = server.client()
    fill(client, b"first", 40000, lambda number: 2000)
    before = server.resident_bytes()
    want(client.ask(b"cache_memlimit 16") == b"OK", "cache_memlimit 16")
    told = client.stats(b"larder")
    page_bytes = int(told["store_page_bytes"])

    def returned():
        pages = int(client.stats(b"larder")["store_pages_total"])
        return pages * page_bytes <= 18 * MIB

    want(wait_until(returned), "memory stays: %s" % client.stats(b"larder"))
    want(instrumented(server.binary) or before - server.resident_bytes() > 40 * MIB,
         "%d before, %d after" % (before, server.resident_bytes()))
    want(client.ask(b"cache_memlimit 64") == b"OK", "cache_memlimit 64")
    fill(client, b"second", 40000, lambda number: 2000)
    items = int(client.stats()["curr_items"])
    want(items > 28000, "%d items" % items)


def huge_pages_that_are_not_there_are_done_without(server, peer):
    client = server.client()
    fill(client, b"key", 30000, lambda number: 2000)
    if client.stats(b"larder")["store_huge_bytes"] == "0":
        want(wait_until(lambda: "-L: 0 MiB in reserved huge pages" in server.log()), server.log())


def locked_memory_is_used_returned_and_used_again(server, peer):
    a_lowered_limit_returns_memory_and_a_raised_one_takes_it(server, peer)


def where_memory_is_refused_items_make_room(server, peer):
    """A second server, which the system gives less than its -m."""
    if instrumented(server.binary):
        return "not under a sanitizer, which needs memory itself"
    client = server.client()
    beside = int(client.stats(b"larder")["memory_fixed_bytes"])
    limit = beside + 96 * MIB
    small = Server(["-m", "256", "-t", "2"], binary=server.binary,
                   limits={resource.RLIMIT_DATA: limit})
    try:
        other = small.client()
        fill(other, b"key", 100000, lambda number: 2000)
        stats = other.stats()
        want(int(stats["evictions"]) > 20000, "%s evictions" % stats["evictions"])
        want(wait_until(lambda: "the system has no memory to fill -m" in small.log()),
             small.log())
    finally:
        small.stop()
    return None


def a_budget_beyond_the_machine_is_lowered_and_said(server, peer):
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    large = Server(["-m", str(machine // MIB + 1000), "-t", "1"], binary=server.binary)
    try:
        want("does not fit" in large.log(), large.log())
        limit = int(large.client().stats()["limit_maxbytes"])
        want(limit < machine, "%d of %d" % (limit, machine))
    finally:
        large.stop()


TESTS = (
    (resident_memory_stays_within_m_while_sizes_shift, ["-m", "32", "-t", "2"]),
    (a_lowered_limit_returns_memory_and_a_raised_one_takes_it, ["-m", "64", "-t", "2"]),
    (huge_pages_that_are_not_there_are_done_without, ["-m", "64", "-t", "2", "-L"]),
    (locked_memory_is_used_returned_and_used_again, ["-m", "64", "-t", "2", "-k"]),
    (where_memory_is_refused_items_make_room, ["-m", "64", "-t", "2"]),
    (a_budget_beyond_the_machine_is_lowered_and_said, ["-m", "64", "-t", "1"]),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
