#!/usr/bin/env python3
"""Dumps, watch and statistics as programs use them: complete, in form, and nobody waits."""

import argparse
import os
import re
import shutil
import struct
import subprocess
import threading
import time
import urllib.parse

import harness
from harness import Failed, loose, set_value, wait_until, want

TOOLS = ("/usr/share/memcached/scripts/memcached-tool", shutil.which("memcached-tool") or "")
HEAD = rb"^ts=\d+\.\d+ gid=\d+ "


def store_many(client, prefix, count, value=b"v"):
    for first in range(0, count, 1000):
        client.send(b"".join(b"set %s%d 0 0 %d noreply\r\n%s\r\n" % (prefix, i, len(value), value)
                             for i in range(first, min(count, first + 1000))))
    want(client.ask(b"version").startswith(b"VERSION"), "the sets were not taken")


def dump(client, command, end):
    lines = []
    want(client.ask(command) == b"OK", "no OK before the dump")
    while True:
        line = client.line()
        if line == end or client.ended:
            return lines
        lines.append(line)


def dump_is_complete_while_others_write(server, peer):
    """What is there throughout is shown exactly once, in both forms."""
    client, writer = server.client(), server.client()
    store_many(client, b"stays", 50000)
    stop = threading.Event()

    def write():
        round_number = 0
        while not stop.is_set():
            store_many(writer, b"comes%d_" % round_number, 2000)
            round_number += 1
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for command, end, pattern in ((b"lru_crawler metadump all", b"END", rb"key=(stays\d+) "),
                                      (b"lru_crawler mgdump hash", b"EN", rb"mg (stays\d+)$")):
            keys = [match.group(1) for match in
                    (re.match(pattern, line) for line in dump(client, command, end)) if match]
            want(len(keys) == len(set(keys)), "a key was shown twice")
            want(len(keys) == 50000, "%d of 50000 keys were shown" % len(keys))
    finally:
        stop.set()
        thread.join()
    want(client.ask(b"version").startswith(b"VERSION"), "the connection is of no use afterwards")


def dump_to_a_client_that_does_not_read_costs_little(server, peer):
    """The dump waits for its client; the others don't."""
    client = server.client()
    store_many(client, b"x" * 100, 100000)
    before = server.resident_bytes()
    slow = server.client()
    slow.send(b"lru_crawler metadump all\r\n")
    others = server.client()
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        want(others.ask(b"version").startswith(b"VERSION"), "another client is not served")
    grown = server.resident_bytes() - before
    want(loose(server) or grown < 16 << 20, "%d bytes are held for the dump" % grown)
    want(slow.line() == b"OK", "no OK before the dump")
    count = 0
    while slow.line() != b"END":
        count += 1
    want(count == 100000, "%d of 100000 items were shown" % count)


def dump_line_has_memcacheds_form(server, peer):
    client = server.client()
    client.send(b"set a%/\xc3\xa4 7 100 3\r\nabc\r\n")
    want(client.line() == b"STORED", "the set failed")
    client.send(b"ms Ymlu 2 b\r\nhi\r\n")
    want(client.line() == b"HD", "the meta set failed")
    lines = sorted(dump(client, b"lru_crawler metadump all", b"END"))
    want(len(lines) == 2, "not two items")
    want(re.match(rb"^key=a%25%2F%C3%A4 exp=\d{10} la=\d{10} cas=\d+ fetch=no cls=\d+ size=\d+ "
                  rb"flags=7 $", lines[0]), "the line is %r" % lines[0])
    want(lines[1].startswith(b"key=bin exp=-1 "), "the line is %r" % lines[1])
    lines = sorted(dump(client, b"lru_crawler mgdump all", b"EN"))
    want(lines == [b"mg Ymlu b", b"mg a%/\xc3\xa4"], "the lines are %r" % lines)


def watch(server, streams=b""):
    watcher = server.client()
    want(watcher.ask((b"watch " + streams).strip()) == b"OK", "watch is not taken")
    return watcher


def expect(watcher, pattern):
    line = watcher.line()
    want(re.match(HEAD + pattern + rb"$", line), "%r is not %r" % (line, pattern))
    return line


def connection_number(client):
    """The cfd of the client's own connection, from `stats conns`."""
    for key, value in client.stats(b"conns").items():
        if value == "conn_parse_cmd":
            return key.split(":")[0].encode()
    raise Failed("stats conns does not show the connection that asks")


def watch_shows_fetches_and_mutations(server, peer):
    client = server.client()
    number = connection_number(client)
    watcher = watch(server, b"fetchers mutations")
    want(set_value(client, b"a%", b"abc"), "the set failed")
    expect(watcher, rb"type=item_get key=a%25 status=not_found clsid=0 cfd=" + number + rb" size=0")
    expect(watcher, rb"type=item_store key=a%25 status=stored cmd=set ttl=0 clsid=[1-9]\d* cfd=" +
           number + rb" size=3")
    client.ask(b"get a%")
    client.line(), client.line()
    expect(watcher, rb"type=item_get key=a%25 status=found clsid=[1-9]\d* cfd=" + number +
           rb" size=3")
    client.send(b"add a% 0 100 4\r\nabcd\r\n")
    want(client.line() == b"NOT_STORED", "the add was taken")
    expect(watcher, rb"type=item_get key=a%25 status=found .*")
    expect(watcher, rb"type=item_store key=a%25 status=not_stored cmd=add ttl=100 clsid=\d+ cfd=" +
           number + rb" size=4")
    client.send(b"cas no 0 0 1 5\r\nx\r\n")
    want(client.line() == b"NOT_FOUND", "the cas was taken")
    expect(watcher, rb"type=item_get key=no status=not_found .*")
    expect(watcher, rb"type=item_store key=no status=not_found cmd=cas ttl=0 .*")
    client.send(b"ms a% 5\r\nabcde\r\n")
    want(client.line() == b"HD", "the meta set failed")
    expect(watcher, rb"type=item_get key=a%25 status=found .*")
    expect(watcher, rb"type=item_store key=a%25 status=stored .* size=5")


def watch_shows_large_values(server, peer):
    client = server.client()
    watcher = watch(server, b"mutations")
    want(set_value(client, b"big", b"x" * 300000), "the set failed")
    expect(watcher, rb"type=item_store key=big status=stored cmd=set ttl=0 .* size=300000")
    client.send(b"set huge 0 0 1100000\r\n" + b"x" * 1100000 + b"\r\n")
    want(client.line().startswith(b"SERVER_ERROR object too large"), "it was stored")
    expect(watcher, rb"type=item_store key=huge status=too_large cmd=set .*")


def watch_shows_deletions(server, peer):
    client = server.client()
    watcher = watch(server, b"deletions")
    client.ask(b"delete nothing")
    for command, answer, word in ((b"delete k", b"DELETED", b"delete"), (b"md k", b"HD", b"md")):
        set_value(client, b"k", b"abcd")
        want(client.ask(command) == answer, "the delete failed")
        expect(watcher, rb"type=deleted key=k cmd=" + word + rb" clsid=[1-9]\d* size=4")


def watch_shows_evictions(server, peer):
    client = server.client()
    store_many(client, b"old", 3000, b"x" * 5000)
    watcher = watch(server, b"evictions")
    store_many(client, b"new", 300, b"x" * 5000)
    line = expect(watcher, rb"type=eviction key=(old|new)\d+ fetch=no ttl=-1 la=\d+ clsid=[1-9]\d* "
                           rb"size=5000")
    return line.decode()


def watch_shows_connections(server, peer):
    watcher = watch(server, b"connevents")
    client = server.client()
    port = client.sock.getsockname()[1]
    number = connection_number(client)
    tail = rb"rip=127\.0\.0\.1 rport=%d transport=tcp" % port
    expect(watcher, rb"type=conn_new " + tail + rb" cfd=" + number)
    client.send(b"quit\r\n")
    client.rest()
    expect(watcher, rb"type=conn_close " + tail + rb" reason=normal cfd=" + number)
    client = server.client()
    expect(watcher, rb"type=conn_new .*")
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.rest()
    expect(watcher, rb"type=conn_close .* reason=error cfd=\d+")


def a_slow_watcher_is_told_what_it_missed(server, peer):
    """It slows nobody, and its memory is bounded."""
    watcher = server.connect(receive_bytes=4096)
    watcher = harness.Client(watcher)
    want(watcher.ask(b"watch") == b"OK", "watch is not taken")
    client = server.client()
    before = server.resident_bytes()
    key = b"k" * 200
    for _ in range(200):
        client.send((b"get " + key + b"\r\n") * 500)
        for _ in range(500):
            want(client.line() == b"END", "a get was not answered")
    grown = server.resident_bytes() - before
    want(loose(server) or grown < 16 << 20, "a slow watcher costs %d bytes" % grown)
    stats = client.stats()
    want(stats["log_watchers"] == "1", "the watcher is not counted")
    asked = time.monotonic()
    while time.monotonic() - asked < 60:
        client.ask(b"get a")
        if watcher.line().startswith(b"skipped="):
            expect(watcher, rb"type=item_get .*")
            return
    raise Failed("nobody was told of skipped lines")


def twenty_watchers_are_the_limit(server, peer):
    watchers = [watch(server) for _ in range(20)]
    client = server.client()
    want(client.ask(b"watch") == b"WATCHER_TOO_MANY log watcher limit reached", "21 watch")
    for watcher in watchers:
        watcher.close()
    want(wait_until(lambda: client.stats()["log_watchers"] == "0"), "watchers are not let go")
    want(client.ask(b"watch") == b"OK", "there is no room again")


def what_the_exporter_reads_is_there(server, peer):
    """Three words a line, no colons where none belong, and what it can't do without."""
    client = server.client()
    for size in (1, 100, 1000, 10000, 500000):
        set_value(client, b"k%d" % size, b"x" * size)
    general = client.stats()
    for key in ("cmd_set", "cas_hits", "cas_misses", "cas_badval"):
        want(key in general, key + " is missing")
    want(not [key for key in general if ":" in key], "a colon in a key of stats")
    for key in ("rusage_user", "rusage_system"):
        want(re.match(r"^\d+\.\d{6}$", general[key]), "%s is %s" % (key, general[key]))
    slabs, items = client.stats(b"slabs"), client.stats(b"items")
    classes = {key.split(":")[0] for key in slabs if ":" in key}
    want(classes and all(1 <= int(number) <= 63 for number in classes), "classes %s" % classes)
    for number in classes:
        for key in ("cmd_set", "cas_hits", "cas_badval", "chunk_size", "total_pages"):
            want("%s:%s" % (number, key) in slabs, "%s:%s is missing" % (number, key))
    want("total_malloced" in slabs and "active_slabs" in slabs, "the sums of slabs are missing")
    want(items and all(re.match(r"^items:\d+:\w+$", key) for key in items), "items in other form")
    want({key.split(":")[1] for key in items} <= classes, "items of a class that slabs lacks")
    settings = client.stats(b"settings")
    for key in ("lru_crawler", "lru_maintainer_thread"):
        want(settings[key] in ("yes", "no"), "%s is %s" % (key, settings[key]))


SLAB_COUNTS = {b"get_hits": (3, 2), b"cmd_set": (5, 1), b"delete_hits": (1, 1),
               b"incr_hits": (2, 0), b"decr_hits": (1, 0), b"cas_hits": (1, 0),
               b"cas_badval": (1, 0), b"touch_hits": (2, 1)}


def slabs_counts_by_class(server, peer):
    """Each hit and each storage attempt counts for the class of the item, and goes at a reset."""
    client = server.client()
    large = b"x" * 30000
    client.send(b"set n 0 0 1\r\n5\r\nadd n 0 0 1\r\n6\r\nset big 0 0 30000\r\n" + large +
                b"\r\nget n big\r\nmg n v\r\nmg big\r\nincr n 1\r\nma n\r\ndecr n 1\r\n"
                b"gets n\r\n")
    while not (line := client.line()).startswith(b"VALUE n 0 1 "):
        want(line is not None and not line.startswith(b"ERROR"), "the commands failed")
    unique = line.split()[-1]
    client.send(b"cas n 0 0 1 1%s\r\n7\r\ncas n 0 0 1 %s\r\n7\r\ncas no 0 0 1 1\r\n7\r\n"
                b"touch n 0\r\ngat 0 n\r\ntouch big 0\r\ndelete n\r\ndelete big\r\n"
                b"get n big\r\n" % (unique, unique))
    while client.line() != b"NOT_FOUND":
        pass
    while client.line() != b"DELETED":
        pass
    want(client.line() == b"DELETED" and client.line() == b"END", "the items are not gone")
    slabs = client.stats(b"slabs")
    for name, wanted in SLAB_COUNTS.items():
        seen = sorted(int(value) for key, value in slabs.items()
                      if key.endswith(":" + name.decode()) and value != "0")
        want(seen == sorted(count for count in wanted if count), "%s: %s" % (name, seen))
    client.ask(b"stats reset")
    slabs = client.stats(b"slabs")
    want(not [key for key, value in slabs.items()
              if key.split(":")[-1].encode() in SLAB_COUNTS and value != "0"], "not reset")


def slabs_reassign_gives_a_page_back(server, peer):
    client = server.client()
    store_many(client, b"page", 30000, b"x" * 100)
    pages = {key.split(":")[0]: int(value) for key, value in client.stats(b"slabs").items()
             if key.endswith(":total_pages")}
    source = max(pages, key=pages.get)
    want(client.ask(b"slabs reassign %s 0" % source.encode()) == b"OK", "it is not taken")
    want(wait_until(lambda: client.stats()["slab_reassign_running"] == "0" and
                    int(client.stats(b"slabs")[source + ":total_pages"]) < pages[source]),
         "no page has gone")
    want(int(client.stats()["slabs_moved"]) >= 1, "no page was counted")
    want(client.ask(b"slabs reassign 60 0").startswith((b"NOSPARE", b"BADCLASS")), "class 60")


def packet(opcode, key=b"", extras=b"", value=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0,
                       len(extras) + len(key) + len(value), 7, 0) + extras + key + value


def binary_detail_is_one_value(server, peer):
    client = server.client()
    client.ask(b"stats detail on")
    client.ask(b"get a:b")
    set_value(client, b"a:c", b"x")
    other = server.client()
    other.send(packet(0x10, b"detail dump"))
    header = struct.unpack(">BBHBBHIIQ", other.take(24))
    want(header[2:6] == (8, 0, 0, 0), "the header is %r" % (header,))
    text = other.take(header[6])
    want(text == b"detailedPREFIX a get 1 hit 0 set 1 del 0\r\nEND\r\n", "the dump is %r" % text)
    want(other.take(24)[:12] == b"\x81\x10" + bytes(10), "no end behind it")


VV_WANTED = (rb"<(\d+) Read binary protocol data:\n<\1    0x80 0x01 0x00 0x03\n"
             rb"<\1    0x08 0x00 0x00 0x00\n<\1    0x00 0x00 0x00 0x0e\n(<\1    .*\n){3}"
             rb"<\1 SET foo.*\n", rb">(\d+) Writing bin response:\n>\1   0x81 0x01 0x00 0x00\n",
             rb"<(\d+) GET foo\n>\1 Writing bin response:\n>\1   0x81 0x00 0x00 0x00\n"
             rb">\1   0x04 0x00 0x00 0x00\n",
             rb">(\d+) Writing an error: Unknown command\n", rb"<(\d+) mg foo v\n",
             rb"<(\d+) ms foo 2\n", rb"<(\d+) mn\n>\1 MN\n")


def vv_shows_requests_of_all_protocols(server, peer):
    client = server.client()
    for request in (packet(1, b"foo", bytes(8), b"val"), packet(0, b"foo"), packet(0xaa)):
        client.send(request)
        client.take(struct.unpack(">I", client.take(24)[8:12])[0])
    client = server.client()
    client.send(b"ms foo 2\r\nhi\r\nmg foo v\r\n")
    want([client.line() for _ in range(3)] == [b"HD", b"VA 2", b"hi"], "the replies")
    want(client.ask(b"mn") == b"MN", "no MN")
    with open(server.log_path, "rb") as file:
        log = file.read()
    for wanted in VV_WANTED:
        want(re.search(wanted, log), "%r is not in %r" % (wanted, log))


def vvv_shows_what_connections_do(server, peer):
    client = server.client()
    client.send(b"set big 0 0 100000\r\n" + b"x" * 50000)

    def logged(pattern):
        with open(server.log_path, "rb") as file:
            return re.search(pattern, file.read())
    want(wait_until(lambda: logged(rb"\d+: going from conn_\w+ to conn_nread\n")), "no conn_nread")
    client.send(b"x" * 50000 + b"\r\n")
    want(client.line() == b"STORED", "the set failed")
    client.close()
    want(wait_until(lambda: logged(rb"\d+: going from conn_\w+ to conn_closing\n")), "no closing")


def binary_stats_are_packets(server, peer):
    """Whatever is asked for: nothing comes as lines."""
    for key, statuses in ((b"", {0}), (b"items", {0}), (b"settings", {0}), (b"conns", {1}),
                          (b"cachedump 1 1", {1}), (b"detail dump", {0}), (b"detail on", {0}),
                          (b"nothing", {1})):
        client = server.client()
        client.send(struct.pack(">BBHBBHIIQ", 0x80, 0x10, len(key), 0, 0, 0, len(key), 7, 0) + key)
        while True:
            magic, opcode, key_bytes, _, _, status, body, opaque, _ = struct.unpack(
                ">BBHBBHIIQ", client.take(24))
            want((magic, opcode, opaque) == (0x81, 0x10, 7), "%r: no packet of it" % key)
            want(status in statuses, "%r: status %d" % (key, status))
            client.take(body)
            if key_bytes == 0:
                break
        client.send(struct.pack(">BBHBBHIIQ", 0x80, 0x0a, 0, 0, 0, 0, 0, 8, 0))
        want(client.take(24)[:2] == b"\x81\x0a", "%r: no noop behind it" % key)
        client.close()


def memcached_tool_works(server, peer):
    tool = next((path for path in TOOLS if path and os.path.exists(path)), None)
    if tool is None or shutil.which("perl") is None:
        return "memcached-tool is not installed"
    client = server.client()
    store_many(client, b"key", 100, b"x" * 50)
    where = "127.0.0.1:%d" % server.port

    def run(*words):
        done = subprocess.run(["perl", tool, where, *words], capture_output=True, timeout=30,
                              check=False)
        want(done.returncode == 0, "%s: %s" % (words, done.stderr.decode()))
        return done.stdout.decode()
    want(re.search(r"^\s+\d+\s+\d+B\s+\d+s\s+\d+\s+100\s", run("display"), re.M),
         "display shows %s" % run("display"))
    want(re.search(r"curr_items\s+100", run("stats")), "stats has no curr_items")
    want(re.search(r"maxconns\s+\d+", run("settings")), "settings has no maxconns")
    want("disabled" in run("sizes"), "sizes says nothing of being disabled")
    want(run("dump").count("add key") == 100, "dump shows other items")
    keys = {urllib.parse.unquote(match) for match in re.findall(r"key=(\S+)", run("keys"))}
    want(len(keys) == 100, "keys shows %d" % len(keys))
    return None


def a_crawl_frees_what_has_expired(server, peer):
    """At once, also where a page holds few such items among many others."""
    client = server.client()
    store_many(client, b"stays", 5000)
    for i in range(5):
        client.send(b"set goes%d 0 1 1\r\nx\r\n" % i)
        want(client.line() == b"STORED", "the set failed")
    want(client.ask(b"debugtime 3") == b"OK", "the clock does not move")
    want(client.ask(b"lru_crawler crawl all") == b"OK", "no crawl")
    want(wait_until(lambda: client.stats()["curr_items"] == "5000"), "expired items stay")
    want(int(client.stats()["crawler_items_checked"]) >= 5, "nobody has looked at them")


TESTS = (
    (dump_is_complete_while_others_write, ["-m", "256"]),
    (dump_to_a_client_that_does_not_read_costs_little, ["-m", "256"]),
    (dump_line_has_memcacheds_form, []),
    (watch_shows_fetches_and_mutations, []),
    (watch_shows_large_values, []),
    (watch_shows_deletions, []),
    (watch_shows_evictions, ["-m", "8"]),
    (watch_shows_connections, []),
    (a_slow_watcher_is_told_what_it_missed, ["-o", "watcher_logbuf_size=8"]),
    (twenty_watchers_are_the_limit, []),
    (what_the_exporter_reads_is_there, []),
    (slabs_reassign_gives_a_page_back, []),
    (slabs_counts_by_class, ["-m", "1024"]),
    (binary_stats_are_packets, []),
    (binary_detail_is_one_value, []),
    (vv_shows_requests_of_all_protocols, ["-vv"]),
    (vvv_shows_what_connections_do, ["-vvv"]),
    (memcached_tool_works, []),
    (a_crawl_frees_what_has_expired, ["-o", "debugtime"]),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
