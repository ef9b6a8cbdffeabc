#!/usr/bin/env python3
"""Large values: uploads that stall or stop, slow readers, and changes while memory is short."""

import argparse
import hashlib

import harness
from harness import get_value, set_value, want

MIB = 1 << 20
STALLED = 64


def noise(number, size):
    """Bytes that tell the number, without a period that chunks could share."""
    block = hashlib.sha256(b"%d" % number).digest() * 32 + b"-"
    return (block * (size // len(block) + 1))[:size]


def small_items_are_served(client, why):
    for number in range(200):
        data = noise(number, 500)
        want(set_value(client, b"small%d" % number, data) == b"STORED", why)
    want(get_value(client, b"small199") == noise(199, 500), why)


def stalled_uploads_leave_room_for_everybody_else(server, peer):
    """64 announce 900 KB each against -m 64, send most of it, and stop."""
    stalled = []
    for number in range(STALLED):
        upload = server.client()
        upload.send(b"set stalled%d 0 0 900000\r\n%s" % (number, noise(number, 850000)))
        stalled.append(upload)
        if number % 16 == 15:
            small_items_are_served(server.client(), "beside %d stalled uploads" % (number + 1))
    client = server.client()
    want(set_value(client, b"large", noise(7, 900000)) == b"STORED", "a large value beside them")
    want(get_value(client, b"large") == noise(7, 900000), "the large value")
    stored = 0
    for number, upload in enumerate(stalled):
        upload.send(noise(number, 900000)[850000:] + b"\r\n")
        line = upload.line()
        stored += line == b"STORED"
        want(line in (b"STORED", b"SERVER_ERROR Out of memory during read",
                      b"SERVER_ERROR out of memory storing object"), line)
        if line == b"STORED" and number % 8 == 0:
            value = get_value(client, b"stalled%d" % number)
            want(value in (None, noise(number, 900000)), "stalled%d is torn" % number)
        upload.close()
    small_items_are_served(client, "afterwards")
    return "%d of %d were stored" % (stored, STALLED)


def an_upload_that_stops_half_way_changes_nothing(server, peer):
    client = server.client()
    want(set_value(client, b"key", noise(1, 700000)) == b"STORED", "set")
    for _ in range(20):
        other = server.client()
        other.send(b"set key 0 0 1000000\r\n" + noise(2, 500000))
        other.reset()
    want(get_value(client, b"key") == noise(1, 700000), "the old value is gone or torn")
    used = [int(client.stats(b"larder")["store_uncommitted_bytes"])]
    want(harness.wait_until(lambda: int(client.stats(b"larder")["store_uncommitted_bytes"]) == 0),
         "%d bytes stay uncommitted" % used[0])


def slow_readers_see_one_value_each_while_it_is_overwritten(server, peer):
    """Eight readers with small windows take what they asked for, whatever comes after."""
    writer = server.client()
    readers = []
    size = 900000
    for turn in range(8):
        want(set_value(writer, b"key", noise(turn, size)) == b"STORED", "set %d" % turn)
        reader = server.client(receive_bytes=4096)
        reader.send(b"get key\r\n")
        reader.fill()
        readers.append(reader)
    for turn in range(8, 40):
        want(set_value(writer, b"key", noise(turn, size)) == b"STORED", "set %d" % turn)
    for turn, reader in enumerate(readers):
        want(reader.line().startswith(b"VALUE key 0 %d" % size), "reader %d" % turn)
        data = reader.take(size)
        want(data == noise(turn, size), "reader %d got another or a torn value" % turn)
        reader.close()
    want(get_value(writer, b"key") == noise(39, size), "the last value")


def large_values_grow_and_are_replaced_while_memory_is_short(server, peer):
    """Append, prepend and replace up to tens of MiB in a store that is full all the while."""
    client = server.client()
    held = b""
    for turn in range(60):
        for number in range(200):
            want(set_value(client, b"fill%d-%d" % (turn, number), noise(number, 3000)) == b"STORED",
                 "filling")
        piece = noise(turn, 500000)
        command = (b"append", b"prepend", b"append")[turn % 3]
        client.send(b"%s grown 0 0 %d\r\n%s\r\n" % (command, len(piece), piece))
        line = client.line()
        if line == b"NOT_STORED":
            want(set_value(client, b"grown", piece) == b"STORED", "set grown")
            held = piece
        else:
            want(line == b"STORED", line)
            held = piece + held if command == b"prepend" else held + piece
        if turn % 10 == 9:
            value = get_value(client, b"grown")
            want(value in (None, held), "grown is torn")
            client.send(b"replace grown 0 0 10\r\n0123456789\r\n")
            want(client.line() in (b"STORED", b"NOT_STORED"), "replace")
            held = b"0123456789"
    whole = noise(5, 30 * MIB)
    want(set_value(client, b"whole", whole) == b"STORED", "30 MiB at once")
    want(get_value(client, b"whole") == whole, "30 MiB at once")


def slow_readers_see_what_they_asked_for_while_it_grows(server, peer):
    """Appends go behind what eight readers have on loan, then it is overwritten and deleted."""
    writer = server.client()
    readers = []
    held = noise(1, 600000)
    want(set_value(writer, b"key", held) == b"STORED", "set")
    for turn in range(8):
        for number in range(20):
            piece = noise(number, 100 if number % 4 else 7000)
            writer.send(b"append key 0 0 %d\r\n%s\r\n" % (len(piece), piece))
            want(writer.line() == b"STORED", "append")
            held += piece
        reader = server.client(receive_bytes=4096)
        reader.send(b"get key\r\n")
        reader.fill()
        readers.append((reader, held))
    want(get_value(writer, b"key") == held, "the value after all appends")
    want(set_value(writer, b"key", noise(2, 900000)) == b"STORED", "overwrite")
    writer.send(b"delete key\r\n")
    want(writer.line() == b"DELETED", "delete")
    small_items_are_served(writer, "beside slow readers")
    for turn, (reader, value) in enumerate(readers):
        want(reader.line() == b"VALUE key 0 %d" % len(value), "reader %d" % turn)
        want(reader.take(len(value)) == value, "reader %d got another or a torn value" % turn)
        reader.close()


def a_value_of_a_quarter_of_memory_is_stored_joined_and_replaced(server, peer):
    """In a full cache, whose items give way to the value and to its copies."""
    client = server.client()
    for number in range(2000):
        want(set_value(client, b"fill%d" % number, noise(number, 200000)) == b"STORED", "filling")
    held = noise(11, 90 * MIB)
    want(set_value(client, b"huge", held) == b"STORED", "90 MiB")
    for command, piece in ((b"append", noise(1, 3 * MIB)), (b"append", noise(2, 100)),
                           (b"prepend", noise(3, 2 * MIB)), (b"append", noise(4, 70000))):
        client.send(b"%s huge 0 0 %d\r\n" % (command, len(piece)) + piece + b"\r\n")
        want(client.line() == b"STORED", command.decode())
        held = piece + held if command == b"prepend" else held + piece
    want(get_value(client, b"huge") == held, "the value that was joined")
    held = noise(12, 70 * MIB)
    client.send(b"replace huge 0 0 %d\r\n" % len(held) + held + b"\r\n")
    want(client.line() == b"STORED", "replace")
    want(get_value(client, b"huge") == held, "the value that was replaced")
    want(set_value(client, b"huge", bytes(200 * MIB)) == b"SERVER_ERROR object too large for cache",
         "as large as an item may be, without its key")
    small_items_are_served(server.client(), "afterwards")


TESTS = (
    (stalled_uploads_leave_room_for_everybody_else, ["-m", "64", "-t", "2"]),
    (an_upload_that_stops_half_way_changes_nothing, ["-m", "64", "-t", "2"]),
    (slow_readers_see_one_value_each_while_it_is_overwritten, ["-m", "64", "-t", "2"]),
    (slow_readers_see_what_they_asked_for_while_it_grows, ["-m", "64", "-t", "2"]),
    (large_values_grow_and_are_replaced_while_memory_is_short,
     ["-m", "128", "-I", "32m", "-t", "2"]),
    (a_value_of_a_quarter_of_memory_is_stored_joined_and_replaced,
     ["-m", "400", "-I", "200m", "-t", "2"]),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
