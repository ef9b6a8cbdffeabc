#!/usr/bin/python3
"""Drives the server with Debian's clients: pymemcache, pylibmc (ASCII, binary) and memccapable.

They dial out, so the script runs itself again in a network namespace of its own where only the
loopback exists. Debian's python3 is named in the first line because the modules are Debian's.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

import harness

INSIDE = "LARDER_TEST_IN_NAMESPACE"


def enter_namespace():
    """Starts this script again where nothing but the loopback can be reached, if that works."""
    if os.environ.get(INSIDE) or not shutil.which("unshare") or not shutil.which("ip"):
        return
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-r", "-n"]
    if subprocess.run(unshare + ["true"], stderr=subprocess.DEVNULL, check=False).returncode:
        return
    command = unshare + ["sh", "-c", 'ip link set lo up && exec "$0" "$@"', sys.executable]
    os.environ[INSIDE] = "1"
    os.execvp(command[0], command + sys.argv)


def test_pymemcache(tap, port):
    try:
        from pymemcache.client.base import Client, PooledClient
        from pymemcache.exceptions import MemcacheClientError, MemcacheServerError
    except ImportError as missing:
        tap.skip("pymemcache", str(missing))
        return
    client = Client(("127.0.0.1", port), timeout=10, default_noreply=False)
    tap.check(client.version() == b"1.6.45", "pymemcache reads the version")
    tap.check(client.set("a", b"x") and client.get("a") == b"x", "pymemcache sets and gets")
    tap.check(client.get("missing") is None, "pymemcache misses")
    tap.check(client.add("a", b"y") is False and client.add("b", b"y") is True,
              "pymemcache adds what is not there")
    tap.check(client.replace("nothing", b"y") is False, "pymemcache replaces what is there")
    tap.check(client.append("a", b"z") and client.prepend("a", b"w") and
              client.get("a") == b"wxz", "pymemcache appends and prepends")
    many = {"m%d" % n: b"v%d" % n for n in range(300)}
    tap.check(client.set_many(many) == [] and client.get_many(list(many)) == many,
              "pymemcache sets and gets many")
    value, token = client.gets("a")
    tap.check(client.cas("a", b"new", token) is True and client.cas("a", b"old", token) is False
              and client.cas("nothing", b"x", token) is None and value == b"wxz",
              "pymemcache compares and swaps")
    client.set("n", b"10")
    tap.check(client.incr("n", 5) == 15 and client.decr("n", 20) == 0 and
              client.incr("nothing", 1) is None, "pymemcache counts")
    tap.check(client.touch("a", 100) and not client.touch("nothing", 100), "pymemcache touches")
    if hasattr(client, "gat"):
        tap.check(client.gat("a", 50) == b"new", "pymemcache gets and touches")
    tap.check(client.delete("a") and not client.delete("a"), "pymemcache deletes")
    large = os.urandom(1000000)
    tap.check(client.set("large", large) and client.get("large") == large,
              "pymemcache stores a large value")
    try:
        client.set("large", b"x" * 2000000)
        tap.fail("pymemcache learns that a value is too large")
    except (MemcacheServerError, MemcacheClientError) as error:
        tap.check(b"too large" in error.args[0] if error.args else False,
                  "pymemcache learns that a value is too large", repr(error))
    tap.check(client.get("m1") == b"v1", "pymemcache goes on after an error")
    words = Client(("127.0.0.1", port), timeout=10, allow_unicode_keys=True)
    tap.check(words.set("schlüssel-ключ-鍵", b"x", noreply=False) and
              words.get("schlüssel-ключ-鍵") == b"x", "pymemcache uses unicode keys")
    for number in range(200):
        words.set("q%d" % number, b"%d" % number, noreply=True)
    tap.check(words.get("q199") == b"199", "pymemcache sets without waiting")
    pool = PooledClient(("127.0.0.1", port), max_pool_size=4, timeout=10)
    tap.check(pool.set("p", b"x", noreply=False) and pool.get("p") == b"x", "pymemcache pools")
    stats = client.stats()
    tap.check(b"curr_items" in stats and stats[b"pointer_size"] == 64, "pymemcache reads stats")
    tap.check(client.flush_all() and client.get("m1") is None, "pymemcache flushes")
    client.quit()
    for each in (words, pool):
        each.close()


def pylibmc_replaces(pylibmc, client):
    """Whether a missing key can be replaced; the binary protocol's answer is raised."""
    try:
        return client.replace("nothing", "x")
    except pylibmc.NotFound:
        return False


def test_pylibmc(tap, port, binary=False):
    try:
        import pylibmc
    except ImportError as missing:
        tap.skip("pylibmc", str(missing))
        return
    name = "pylibmc (binary)" if binary else "pylibmc"
    client = pylibmc.Client(["127.0.0.1:%d" % port], binary=binary,
                            behaviors={"cas": True, "tcp_nodelay": True})
    tap.check(client.set("a", "text") and client.get("a") == "text", name + " sets and gets")
    tap.check(client.set("o", {"k": [1, 2.5, None]}) and client.get("o") == {"k": [1, 2.5, None]},
              name + " keeps its types in the flags")
    many = {"m%d" % n: n for n in range(300)}
    tap.check(client.set_multi(many) == [] and client.get_multi(list(many)) == many,
              name + " sets and gets many")
    value, token = client.gets("a")
    tap.check(value == "text" and client.cas("a", "new", token) and
              not client.cas("a", "old", token), name + " compares and swaps")
    client.set("n", 10)
    tap.check(client.incr("n", 5) == 15 and client.decr("n", 100) == 0, name + " counts")
    try:
        client.incr("nothing")
        tap.fail(name + " learns that a key is missing")
    except pylibmc.NotFound:
        tap.ok(name + " learns that a key is missing")
    tap.check(client.add("a", "x") is False and not pylibmc_replaces(pylibmc, client),
              name + " adds and replaces")
    client.set("s", b"mid")
    tap.check(client.append("s", b">") and client.prepend("s", b"<") and
              client.get("s") == b"<mid>", name + " appends and prepends")
    tap.check(client.touch("a", 100), name + " touches")
    large = os.urandom(900000)
    tap.check(client.set("large", large) and client.get("large") == large,
              name + " stores a large value")
    tap.check(client.set("packed", b"x" * 3000000, min_compress_len=1000) and
              client.get("packed") == b"x" * 3000000, name + " stores what it compressed")
    tap.check(client.set("schlüssel", 1) and client.get("schlüssel") == 1,
              name + " uses unicode keys")
    tap.check(client.delete("a") and not client.delete("a"), name + " deletes")
    stats = client.get_stats()
    tap.check(len(stats) == 1 and int(stats[0][1]["curr_items"]) > 300, name + " reads stats",
              repr(stats)[:300])
    tap.check(client.flush_all() and client.get("m1") is None, name + " flushes")
    if binary:
        return  # libmemcached's binary buffering fails with memcached, too
    pipelined = pylibmc.Client(["127.0.0.1:%d" % port], binary=binary,
                               behaviors={"no_block": True, "buffer_requests": True,
                                          "_noreply": True})
    for number in range(1000):
        pipelined.set("b%d" % number, number)
    tap.check(pipelined.get("b999") == 999, name + " sets a thousand keys without waiting")


def test_pylibmc_binary(tap, port):
    test_pylibmc(tap, port, binary=True)


def test_memccapable(tap, port, peer):
    """libmemcached's check of a server, both protocols."""
    if not shutil.which("memccapable"):
        tap.skip("memccapable", "libmemcached-tools is not installed")
        return
    done = subprocess.run(["memccapable", "-h", "127.0.0.1", "-p", str(port), "-t", "5"],
                          capture_output=True, text=True, timeout=120, check=False)
    if peer:
        told = re.findall(r"All tests passed|\d+ of \d+ tests failed", done.stdout + done.stderr)
        tap.note("memccapable: %s" % told)
        return
    names = re.findall(r"(?:ascii|binary) [a-z ]*[a-z]", done.stdout)
    tap.check(done.returncode == 0 and "All tests passed" in done.stdout and len(names) >= 54,
              "memccapable is content with %d checks" % len(names), done.stdout + done.stderr)


def test_nc(tap, port):
    """The line that every page about memcached shows first."""
    if not shutil.which("nc"):
        tap.skip("nc", "not installed")
        return
    done = subprocess.run(["nc", "-N", "127.0.0.1", str(port)], capture_output=True, timeout=20,
                          input=b"set a 0 0 1\r\nx\r\nget a\r\n", check=False)
    tap.check(done.stdout == b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n", "printf | nc is answered",
              repr(done.stdout))


def test_tools(tap, server, port):
    """libmemcached's command line tools."""
    if not shutil.which("memccat") or not shutil.which("memcstat"):
        tap.skip("memcstat and memccat", "libmemcached-tools is not installed")
        return
    client = server.client()
    client.send(b"set a 0 0 5\r\nhello\r\n")
    client.line()
    client.close()
    where = "--servers=127.0.0.1:%d" % port
    cat = subprocess.run(["memccat", where, "a"], capture_output=True, timeout=20, check=False)
    tap.check(b"hello" in cat.stdout, "memccat prints a value", repr(cat.stdout + cat.stderr))
    stat = subprocess.run(["memcstat", where], capture_output=True, timeout=20, check=False)
    tap.check(b"curr_items: 1" in stat.stdout, "memcstat prints the statistics",
              repr(stat.stdout + stat.stderr)[:400])
    ping = subprocess.run(["memcping", where], capture_output=True, timeout=20, check=False)
    tap.check(ping.returncode == 0, "memcping finds the server", repr(ping.stdout + ping.stderr))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    args = parser.parse_args()
    enter_namespace()
    tap = harness.Tap()
    server = harness.Server(binary=args.peer, peer=bool(args.peer))
    for test in (test_pymemcache, test_pylibmc, test_pylibmc_binary):
        try:
            test(tap, server.port)
        except Exception as error:  # a client may raise anything
            tap.fail("%s ends" % test.__name__, repr(error))
    test_memccapable(tap, server.port, args.peer)
    test_nc(tap, server.port)
    test_tools(tap, server, server.port)
    try:
        server.stop()
        tap.ok("the server ends with exit code 0")
    except harness.ServerError as error:
        tap.fail("the server ends with exit code 0", error)
    return tap.finish()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except harness.ServerError as failure:
        harness.die(str(failure))
