#!/usr/bin/env python3
"""What once broke a cache server: a test a class of weakness, where no other test has one.

tests/README.md says which test covers which class.
"""

import argparse
import os
import random
import re
import socket
import struct

import harness
from harness import get_value, set_value, wait_until, want

COMMANDS = (b"get", b"gets", b"gat", b"gats", b"set", b"add", b"cas", b"append", b"delete", b"incr",
            b"touch", b"mg", b"ms", b"md", b"ma", b"me", b"mn", b"flush_all", b"verbosity",
            b"version", b"stats", b"stats items", b"stats slabs", b"stats sizes", b"stats detail",
            b"stats cachedump", b"stats conns", b"cache_memlimit", b"lru", b"lru tune", b"lru mode",
            b"lru temp_ttl", b"lru_crawler", b"lru_crawler sleep", b"lru_crawler tocrawl",
            b"lru_crawler crawl", b"slabs", b"slabs reassign", b"slabs automove", b"shutdown",
            b"watch", b"refresh_certs", b"quit", b"debugtime", b"extstore", b"misbehave")
WORDS = (b"", b"0", b"-1", b"1", b"63", b"64", b"255", b"256", b"2147483647", b"2147483648",
         b"4294967295", b"4294967296", b"9223372036854775808", b"18446744073709551616", b"1e9",
         b"nan", b"0x10", b"%n%s", b"\xff" * 8, b"\0", b"a" * 1500, b"noreply", b"all", b"hash",
         b"1,2,999999999999", b",", b"=", b"tune", b"on", b"k")
SEED = 20190511


def commands_survive_any_arguments(server, peer):
    """Every command with 0 to 7 words of every kind: the server lives and answers the next."""
    rng = random.Random(SEED)
    for command in COMMANDS:
        for count in range(8):
            for _ in range(6):
                client = server.client()
                words = [command] + [rng.choice(WORDS) for _ in range(count)]
                client.send(b" ".join(words) + b"\r\n" + b"x" * rng.choice((0, 1, 64)) + b"\r\n")
                client.sock.shutdown(socket.SHUT_WR)
                try:
                    client.rest()
                except ConnectionError:
                    pass
                client.close()
        want(server.alive(), "%r ended it" % command)
    client = server.client()
    client.ask(b"cache_memlimit 64")
    want(set_value(client, b"a", b"x") == b"STORED", "nothing is stored any more")
    want(get_value(client, b"a") == b"x", "nothing is found any more")


def unix_addresses_of_any_length_are_shown(server, peer):
    """The address of a unix client may be unnamed, or fill its structure without a zero byte."""
    local = harness.Server([], binary=server.binary, peer=peer, unix=True)
    clients = []
    try:
        for length in (0, 20, 107, 108):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(harness.REPLY_LIMIT_S)
            if length > 0:
                sock.bind((b"\0%d" % local.pid).ljust(length, b"a"))
            sock.connect(local.unix_path)
            clients.append(harness.Client(sock))
        for client in clients:  # served, and so to be seen
            want(client.ask(b"version").startswith(b"VERSION"), "no version")
        conns = clients[0].stats(b"conns")
        want(len([key for key in conns if key.endswith(":state")]) >= 4, "conns shows %s" % conns)
        want(peer or all(value.startswith("unix:") for key, value in conns.items()
                 if key.endswith(":addr")), "conns shows %s" % conns)
        watcher = clients[1]
        want(watcher.ask(b"watch connevents") == b"OK", "watch is refused")
    finally:
        for client in clients:
            client.close()
        if peer:
            local.kill()
        local.stop()


def flush_is_refused_in_every_protocol(server, peer):
    client = server.client()
    want(set_value(client, b"a", b"x") == b"STORED", "not stored")
    want(client.ask(b"flush_all") == b"CLIENT_ERROR flush_all not allowed", "ASCII flushes")
    for opcode in (0x08, 0x18):
        for extras in (b"", b"\0\0\0\0"):
            binary = server.client()
            binary.send(struct.pack(">BBHBBHIIQ", 0x80, opcode, 0, len(extras), 0, 0, len(extras),
                                    1, 0) + extras)
            status = struct.unpack(">BBHBBHIIQ", binary.take(24))[5]
            want(status == 0x20, "opcode %#x answered %#x" % (opcode, status))
            binary.close()
    want(get_value(client, b"a") == b"x", "the item is gone")


def a_hundred_thousand_readers_of_one_value_hold_it_no_longer_than_they_live(server, peer):
    """More readers than a 16-bit count has room for, who never read; then all of them are gone."""
    client = server.client(limit_s=60)
    old, new = b"o" * 20000, b"n" * 20000
    want(set_value(client, b"big", old) == b"STORED", "not stored")
    readers = [server.client(receive_bytes=4096, limit_s=60) for _ in range(50)]
    for reader in readers:
        reader.sock.settimeout(0.05)
        try:
            reader.send(b"get big\r\n" * 2000)
        except OSError:
            pass  # it has stopped reading: that is one way to bound it
    want(get_value(client, b"big") == old, "the value changed")
    want(set_value(client, b"big", new) == b"STORED", "not replaced")
    want(get_value(client, b"big") == new, "the old value came back")
    first = readers[0]
    first.sock.settimeout(60)
    want(first.line() == b"VALUE big 0 20000" and first.take(20002) == old + b"\r\n",
         "the first reader's value is spoiled")
    for reader in readers:
        reader.reset()
    want(wait_until(lambda: int(client.stats()["curr_connections"]) <= 2, 60), "readers stay")
    want(client.ask(b"delete big") == b"DELETED", "not deleted")
    want(get_value(client, b"big") is None, "it is still there")


def no_udp_socket_is_open(server, peer):
    """Whatever the option says, nothing can be reflected."""
    inodes = set()
    for name in os.listdir("/proc/%d/fd" % server.pid):
        try:
            inodes.update(re.findall(r"socket:\[(\d+)\]",
                                     os.readlink("/proc/%d/fd/%s" % (server.pid, name))))
        except OSError:
            continue
    for table in ("udp", "udp6"):
        with open("/proc/%d/net/%s" % (server.pid, table), encoding="ascii") as sockets:
            for line in list(sockets)[1:]:
                want(peer or line.split()[9] not in inodes, "a UDP socket is open: " + line)


def dumps_and_watchers_may_hang_up_at_any_time(server, peer):
    client = server.client()
    for first in range(0, 40000, 1000):
        client.send(b"".join(b"set key%d 0 0 1 noreply\r\nx\r\n" % number
                             for number in range(first, first + 1000)))
    want(client.ask(b"version").startswith(b"VERSION"), "not stored")
    for command in (b"lru_crawler metadump all", b"lru_crawler metadump hash",
                    b"lru_crawler mgdump hash", b"stats cachedump 1 0", b"watch"):
        for lines in (0, 1, 30):
            victim = server.client(receive_bytes=4096)
            victim.send(command + b"\r\n")
            for _ in range(lines if command != b"watch" else 1):
                victim.line()
            want(get_value(client, b"key1") == b"x", "another client is not served")
            victim.reset() if lines % 2 else victim.close()
    want(wait_until(lambda: int(client.stats()["curr_connections"]) <= 2, 60), "connections stay")
    client.send(b"get key39999\r\n")
    while client.line() != b"END":
        pass


def what_is_logged_is_no_format(server, peer):
    """-vv shows keys and lines as they are, however long, and never reads them as formats."""
    client = server.client()
    for key in (b"%n%n%n%n", b"%s" * 60, b"%1000000d", b"\x1b[2J", b"\xff" * 250):
        client.send(b"get " + key + b"\r\n")
        want(client.line() == b"END", "%r was not answered" % key)
        want(set_value(client, key, b"%n%s") == b"STORED", "%r was not stored" % key)
    client.send(b"%n%s" * 400 + b"\r\n")
    want(client.line() == b"ERROR", "no error")
    want(wait_until(lambda: "%n%n%n%n" in server.log()), "the log is %r" % server.log()[:500])


TESTS = (
    (commands_survive_any_arguments, ["-m", "64"]),
    (unix_addresses_of_any_length_are_shown, []),
    (flush_is_refused_in_every_protocol, ["-F"]),
    (a_hundred_thousand_readers_of_one_value_hold_it_no_longer_than_they_live, ["-m", "256"]),
    (no_udp_socket_is_open, []),
    (no_udp_socket_is_open, ["-U", "0"]),
    (dumps_and_watchers_may_hang_up_at_any_time, ["-m", "128"]),
    (what_is_logged_is_no_format, ["-vv"]),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
