#!/usr/bin/env python3
"""larderctl's commands that talk to servers: items, statistics, health, dumps."""

import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import harness  # noqa: E402

TAP = harness.Tap()
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LARDERCTL = os.path.join(os.environ.get("TOP_BUILDDIR") or os.path.join(TOP, "build"), "larderctl")
LIMIT_S = 120
PATIENT = ("-o", "request_ms=60000", "-o", "connect_ms=60000")


def ctl(command, address, *arguments, stdin=b"", options=PATIENT):
    done = subprocess.run([LARDERCTL, command, "-s", address, *options, *arguments], input=stdin,
                          capture_output=True, timeout=LIMIT_S, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def address_of(server):
    return "127.0.0.1:%d" % server.port


def nobody():
    """An address where connections are refused."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return "127.0.0.1:%d" % sock.getsockname()[1]


def check_items(server, name):
    at = address_of(server)
    value = bytes(range(256)) * 300 + b"\n"
    TAP.check(ctl("set", at, "k", stdin=value) == (0, b"", "") and
              ctl("get", at, "k") == (0, value, ""), name + ": values pass as they are")
    TAP.check(ctl("set", at, "e", stdin=b"") == (0, b"", "") and ctl("get", at, "e") ==
              (0, b"", "") and ctl("get", at, "none") == (1, b"", ""),
              name + ": nothing is told from an empty value by the exit code")
    TAP.check(ctl("set", at, "-m", "add", "k", "x")[0] == 1 and
              ctl("set", at, "-m", "replace", "none", "x")[0] == 1 and
              ctl("set", at, "-m", "append", "e", "tail")[0] == 0 and
              ctl("get", at, "e")[1] == b"tail", name + ": set has memcached's modes")
    TAP.check(ctl("incr", at, "n") == (1, b"", "") and
              ctl("incr", at, "-i", "41", "n") == (0, b"41\n", "") and
              ctl("incr", at, "n") == (0, b"42\n", "") and
              ctl("incr", at, "--", "n", "-40") == (0, b"2\n", "") and
              ctl("incr", at, "k")[0] == 65, name + ": incr prints what comes out")
    TAP.check(ctl("touch", at, "-t", "100", "n") == (0, b"", "") and
              ctl("touch", at, "n", "none")[0] == 1, name + ": touch tells if one was not there")
    TAP.check(ctl("delete", at, "n", "e")[0] == 0 and ctl("delete", at, "n", "k")[0] == 1 and
              ctl("get", at, "k")[0] == 1, name + ": delete deletes all it is given")


def check_failures():
    gone = nobody()
    for command, words in (("get", ["k"]), ("set", ["k", "v"]), ("delete", ["k"]),
                           ("incr", ["k"]), ("touch", ["k"]), ("stats", []), ("dump", [])):
        code, out, err = ctl(command, gone, *words)
        TAP.check(code == 2 and out == b"" and err.startswith("larderctl %s: " % command) and
                  "refused" in err, command + " exits with 2 where no server is", (code, err))
    for command, words in (("get", []), ("get", ["a", "b"]), ("set", []), ("incr", ["a", "x"]),
                           ("get", ["-o", "nonsense=1", "a"]), ("get", ["-o", "x", "a"]),
                           ("dump", ["-x", "("]), ("load", ["-m", "append"]),
                           ("dump", ["-b", "5x"]), ("set", ["-t", "-5", "a", "b"])):
        code, _, err = ctl(command, gone, *words)
        TAP.check(code == 64 and err.startswith("larderctl %s: " % command),
                  "%s %s is refused with 64" % (command, " ".join(words)), (code, err))
    TAP.check(ctl("get", gone, "k" * 251)[0] == 65, "a key of 251 bytes is refused with 65")
    TAP.check(ctl("dump", gone + "," + gone)[0] == 64, "dump takes one server")


def check_fleet(servers):
    addresses = [address_of(server) for server in servers]
    gone = nobody()
    rows = ctl("stats", "+".join(addresses))[1].decode().splitlines()
    pids = {row.split("\t")[0]: int(row.split("\t")[2]) for row in rows if "\tpid\t" in row}
    TAP.check(set(pids) == set(addresses), "stats tells of all servers, replicas too", pids)
    code, out, err = ctl("stats", addresses[0], "settings")
    TAP.check(code == 0 and b"\tmaxbytes\t" in out, "stats takes a word", err)
    code, out, _ = ctl("ping", ",".join(addresses))
    TAP.check(code == 0 and sorted(row.split("\t")[:2] for row in out.decode().splitlines()) ==
              sorted([address, "up"] for address in addresses), "ping: all are up", out)
    code, out, _ = ctl("ping", ",".join([gone] + addresses))
    TAP.check(code == 1 and out.count(b"\tup\t") == len(addresses) and
              b"%s\tdown\t" % gone.encode() in out, "ping: one is not", out)
    TAP.check(ctl("ping", gone)[0] == 2, "ping: none is")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = "127.0.0.1:%d" % silent.getsockname()[1]
        code, out, _ = ctl("ping", name, options=("-o", "request_ms=100"))
        TAP.check(code == 2 and b"\tdown\t" in out, "ping: a silent server is down in time", out)


def fill(server, count):
    client = server.client()
    for i in range(count):
        client.send(b"set user:%d %d %d %d\r\n%s\r\n" %
                    (i, i, 5000 if i % 2 else 0, len(str(i)) + 2, b"\r\n%d" % i))
        client.line()
    client.send(b"ms AAEgCv8= 3 b\r\n\x00\r\n\r\nmg waits N100\r\n")
    client.line()
    client.line()
    client.close()


def check_dump(server, name, other):
    fill(server, 500)
    at, to = address_of(server), address_of(other)
    code, dump, err = ctl("dump", at)
    TAP.check((code, err) == (0, "") and dump.startswith(b"larder-dump 1\n") and
              dump.endswith(b"\nend 501\n"), name + ": a dump has all items", (code, err))
    TAP.check(ctl("load", to, stdin=dump) == (0, b"", ""), name + ": it can be loaded")
    client = other.client()
    right = 0
    for i in range(500):
        client.send(b"mg user:%d v f t\r\n" % i)
        words = client.line().split()
        ttl = int(words[3][1:])
        right += words[2] == b"f%d" % i and client.take(int(words[1]) + 2) == b"\r\n%d\r\n" % i \
            and (4000 < ttl <= 5001 if i % 2 else ttl == -1)
    client.send(b"mg AAEgCv8= b v\r\n")
    binary = client.line().startswith(b"VA 3") and client.take(5) == b"\x00\r\n\r\n"
    client.close()
    TAP.check(right == 500, name + ": values, flags and times to expire are those of before", right)
    TAP.check(binary, name + ": keys and values may hold any byte")
    some = ctl("dump", at, "--match", "user:1?")[1]
    TAP.check(some.count(b"\nitem 7 ") == 10 and some.endswith(b"\nend 10\n"),
              name + ": a pattern chooses keys", some)
    some = ctl("dump", at, "--regex", "^user:[0-9]$|:499", "-P", "always")
    TAP.check(some[1].endswith(b"\nend 11\n") and "100 %" in some[2],
              name + ": a regular expression as well, and progress is shown if asked for", some[2])
    begun = time.monotonic()
    ctl("dump", at, "--match", "user:1?", "--rate", "20")
    TAP.check(time.monotonic() - begun >= 0.45, name + ": a dump keeps to its rate")
    return dump


def check_load(server, dump):
    at = address_of(server)
    ctl("set", at, "user:7", "mine")
    TAP.check(ctl("load", at, "-m", "add", "-k", "user:7*", stdin=dump)[0] == 0 and
              ctl("get", at, "user:7")[1] == b"mine" and
              ctl("get", at, "user:77")[1] == b"\r\n77" and ctl("get", at, "user:8")[0] == 1,
              "load takes some keys, and with add leaves what is there")
    past = b"larder-dump 1\nitem 1 1 0 1000\nax\nitem 1 2 5 0\nbyz\nend 2\n"
    TAP.check(ctl("load", at, stdin=past)[0] == 0 and ctl("get", at, "a")[0] == 1 and
              ctl("get", at, "b")[1] == b"yz", "what has expired is not loaded")
    for text in (b"", b"hello\n", b"larder-dump 1\n", b"larder-dump 1\nitem 1 5 0 0\ncab",
                 b"larder-dump 1\nitem 1 1 0 0\ncx\n", b"larder-dump 1\nitem 1 1 0 0\ncx\nend 2\n",
                 b"larder-dump 1\nitem 0 1 0 0\nx\nend 1\n", b"larder-dump 1\nitem 1 9" * 99,
                 b"larder-dump 1\nitem 1 99999999999 0 0\n"):
        code, _, err = ctl("load", at, stdin=text)
        TAP.check(code == 65 and err.startswith("larderctl load: "),
                  "%r is no whole dump" % text[:50], (code, err))
    TAP.check(ctl("get", at, "c")[1] == b"x", "what a broken dump has is stored")
    TAP.check(ctl("load", nobody(), stdin=dump)[0] == 2, "load exits with 2 where no server is")


def main():
    if not os.access(LARDERCTL, os.X_OK):
        TAP.skip("larderctl keeps its word", "no larderctl here")
        return TAP.finish()
    first, second = harness.Server(), harness.Server()
    check_items(first, "larder")
    check_failures()
    check_fleet([first, second])
    dump = check_dump(first, "larder", second)
    second.stop()
    second = harness.Server()
    check_load(second, dump)
    if shutil.which("memcached"):
        peer = harness.Server(binary=shutil.which("memcached"), peer=True)
        check_items(peer, "memcached")
        check_dump(peer, "memcached", first)
        peer.stop()
    else:
        TAP.skip("memcached", "it is not installed")
    first.stop()
    second.stop()
    return TAP.finish()


if __name__ == "__main__":
    sys.exit(main())
