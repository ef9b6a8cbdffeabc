#!/usr/bin/env python3
"""liblarder's near cache, copies of hot keys, large values and versions."""

import shutil
import sys

import harness
import liblarder

TAP = harness.Tap()
NEAR = 32


def open_library(servers, **options):
    return liblarder.Library(servers, request_ms=60000, connect_ms=60000, **options)


def check_near(server, name):
    near = open_library([server], near_bytes=1 << 20, near_ms=3600000, near_seen=2)
    other = open_library([server])
    other.do("set hot one flags=3")
    reads = [near.do("get hot") for _ in range(2000)]
    marks = [read.number("marks") for read in reads]
    first = marks.index(NEAR) if NEAR in marks else -1
    TAP.check(first >= 2 and all(r.value == "one" and r.number("flags") == 3 for r in reads),
              name + ": a key that is read often is answered near", first)
    other.do("set hot two")
    TAP.check(near.do("get hot").value == "one" and near.do("get hot nobump").value == "two",
              name + ": others' writes are not seen there for its time")
    near.do("mset ho 1")
    for _ in range(200):
        near.do("mget ho 1")
    other.do("delete ho0")
    many = near.do("mget ho 1")
    TAP.check((many.number("hits"), many.number("wrong")) == (1, 0),
              name + ": reads of many keys are answered near as well", many)
    near.do("append hot s")
    TAP.check(near.do("get hot").value == "twos", name + ": own writes are seen at once")
    near.do("delete hot")
    TAP.check(near.do("get hot").result == "miss", name + ": own deletes too")
    TAP.check(all(near.do("get cold%d" % i).number("marks") == 0 for i in range(20)),
              name + ": keys that are read once are not")
    TAP.check(near.close() and other.close(), name + ": the handles end well")


def check_since(server, name):
    library = open_library([server])
    library.do("set v one")
    first = library.do("get v").number("cas")
    old = library.do("get v since=%d" % first)
    library.do("set v two")
    second = library.do("get v").number("cas")
    new = library.do("get v since=%d" % first)
    ahead = library.do("get v since=%d" % (second + 1))
    TAP.check((old.value, new.value, ahead.result) == ("one", "two", "miss"),
              name + ": an item older than asked for is a miss", (old, new, ahead))
    TAP.check(library.close(), name + ": the handle ends well")


def check_copies(servers, name):
    library = open_library(servers)
    TAP.check(library.do("copies_set c 8 v").result == "stored" and
              all(library.do("copies_get c 8").value == "v" for _ in range(50)),
              name + ": any copy answers")
    places = {library.do("get c#%d" % i).result for i in range(8)}
    TAP.check(places == {"hit"} and library.do("get c#8").result == "miss",
              name + ": copies have keys of their own")
    TAP.check(library.do("copies_delete c 8").result == "deleted" and
              library.do("copies_get c 8").result == "miss" and
              library.do("copies_set c 33 v").result == "bad argument" and
              library.do("copies_get c 0").result == "bad argument" and
              library.do("copies_set %s 2 v" % ("k" * 248)).result == "bad argument",
              name + ": all are deleted, and there are bounds")
    TAP.check(library.close(), name + ": the handle ends well")


def check_large(servers, name):
    library = open_library(servers)
    sizes = [0, 28, 999999, 1000000, 1000001, 3500000]
    good = [library.do("large_set big *%d" % n).result == "stored" and
            library.do("large_get big").value in ("*%d" % n, "", "ahovcjqxelszgnubipwdkryfmt"
                                                  "ah" if n == 28 else None) for n in sizes]
    TAP.check(all(good), name + ": values above the server's limit come back", good)
    library.do("set big plain")
    TAP.check(library.do("large_get big").value == "plain", name + ": a plain value is one too")
    TAP.check(library.do("large_get none").result == "miss" and
              library.do("large_set %s *5" % ("k" * 223)).result == "bad argument",
              name + ": what is not there is a miss, and keys leave room for more")
    library.do("large_set big *3500000")
    TAP.check(library.do("large_delete big").result == "deleted" and
              library.do("large_get big").result == "miss", name + ": large values are deleted")
    TAP.check(library.close(), name + ": the handle ends well")


def check_lost_piece(server, name):
    library = open_library(["127.0.0.1:%d" % server.port], large_piece_bytes=1024)
    client = server.client()
    library.do("large_set big *10000")
    client.send(b"mg big v\r\n")
    manifest = client.take(int(client.line().split()[1]) + 2)
    generation = int.from_bytes(manifest[8:16], "little")
    client.send(b"delete big#%016x.3\r\n" % generation)
    deleted = client.line()
    lost = library.do("large_get big")
    TAP.check(deleted == b"DELETED" and lost.result == "miss" and manifest[:6] == b"larder",
              name + ": a value of which a piece is lost is a miss", (deleted, lost))
    before = int(client.stats()["curr_items"])
    library.do("large_set big *5000")
    after = int(client.stats()["curr_items"])
    TAP.check(before - after == 9 - 5, name + ": pieces of the value before are deleted",
              (before, after))
    client.close()
    TAP.check(library.close(), name + ": the handle ends well")


def check_race(servers, name):
    writer = open_library(servers, large_piece_bytes=2000)
    reader = open_library(servers, large_piece_bytes=2000)
    values = ["A" * 50000, "B" * 40000]
    writer.do("large_set race " + values[0])
    allowed = {"A*50000", "B*40000"}
    seen = []
    for _ in range(40):
        for value in values:
            writer.begin("large_set race " + value)
            seen += [reader.do("large_get race") for _ in range(2)]
            writer.end()
    wrong = [s for s in seen if s.result != "miss" and s.value not in allowed]
    TAP.check(not wrong and reader.do("large_get race").value == "B*40000",
              name + ": no reader sees pieces of two values", wrong[:2])
    TAP.check(writer.close() and reader.close(), name + ": the handles end well")


def check(binary, name, peer):
    servers = [harness.Server(binary=binary, peer=peer) for _ in range(2)]
    addresses = ["127.0.0.1:%d" % server.port for server in servers]
    check_near(addresses[0], name)
    check_since(addresses[0], name)
    check_copies(addresses, name)
    check_large(addresses, name)
    check_lost_piece(servers[0], name)
    check_race(addresses, name)
    for server in servers:
        server.stop()


def main():
    check(None, "larder", False)
    if shutil.which("memcached"):
        check(shutil.which("memcached"), "memcached", True)
    else:
        TAP.skip("memcached", "it is not installed")
    return TAP.finish()


sys.exit(main())
