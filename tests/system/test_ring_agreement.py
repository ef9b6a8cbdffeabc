#!/usr/bin/python3
# larder: other clients must put every key where larderctl map says
"""Clients set 2,000 keys each on five live servers; each server is asked which it has."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from harness import Server, Tap  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LARDERCTL = os.path.join(os.environ.get("TOP_BUILDDIR") or os.path.join(TOP, "build"), "larderctl")
MEMCACHED = "/usr/bin/memcached"
KEYS = 2000
LIMIT_S = 60
PHP = r"""
$m = new Memcached();
$m->setOption(Memcached::OPT_CONNECT_TIMEOUT, 5000);
$m->setOption(Memcached::OPT_LIBKETAMA_COMPATIBLE, $argv[1] === "ketama-weighted");
foreach (array_slice($argv, 2) as $server) {
    $at = explode("/", $server);
    $place = explode(":", $at[0]);
    $m->addServer($place[0], (int)$place[1], (int)$at[1]);
}
while (($key = fgets(STDIN)) !== false) {
    if (!$m->set(rtrim($key, "\n"), "v")) { fwrite(STDERR, $m->getResultMessage()); exit(1); }
}
"""
NUTCRACKER = """
larder:
  listen: 127.0.0.1:%d
  hash: md5
  distribution: ketama
  timeout: 5000
  auto_eject_hosts: false
  servers:
"""


class Fleet:
    """Servers of the other make, with weights."""

    def __init__(self, count=5, unix=False):
        self.servers = []
        self.weights = [1] * count
        self.unix = unix

    def __enter__(self):
        try:
            for _ in self.weights:
                self.servers.append(Server(binary=MEMCACHED, peer=True, unix=self.unix))
        except Exception:
            self.__exit__()
            raise
        return self

    def __exit__(self, *why):
        for server in self.servers:
            server.stop()

    def weigh(self, weights):
        self.weights = weights
        return self

    def places(self):
        """As HOST:PORT/WEIGHT, or PATH:/WEIGHT."""
        return ["%s:/%d" % (s.unix_path, w) if s.unix_path else "127.0.0.1:%d/%d" % (s.port, w)
                for s, w in zip(self.servers, self.weights)]

    def holders(self, keys):
        """Which servers have each key, by asking all of them."""
        found = {key: [] for key in keys}
        for index, server in enumerate(self.servers):
            client = server.client()
            for at in range(0, len(keys), 50):
                client.send(b"get " + b" ".join(keys[at:at + 50]) + b"\r\n")
                line = client.line()
                while line.startswith(b"VALUE "):
                    found[line.split()[1]].append(index)
                    client.line()
                    line = client.line()
            client.close()
        return found


def keys_of(prefix, count=KEYS, ascii_only=False):
    """Counters, long ones and UTF-8: a prefix keeps each client's apart."""
    keys = []
    for i in range(count):
        key = "%s:%d" % (prefix, i)
        if i % 4 == 1:
            key += ":" + "x" * (i % 200)
        elif i % 4 == 2 and not ascii_only:
            key += ":s\u00e9\u00f1or \u6771\u4eac".replace(" ", "_")
        keys.append(key.encode())
    return keys


def mapped(mode, places, keys):
    out = subprocess.run([LARDERCTL, "map", "--ring", mode, "--servers", ",".join(places)],
                         input=b"\n".join(keys) + b"\n", stdout=subprocess.PIPE, check=True,
                         timeout=LIMIT_S).stdout
    rows = [line.split(b"\t") for line in out.splitlines()]
    return {row[0]: int(row[1]) for row in rows}


def compare(tap, fleet, mode, name, keys):
    """Every key is on one server, the one that larderctl names."""
    expected = mapped(mode, fleet.places(), keys)
    found = fleet.holders(keys)
    wrong = [(key, expected[key], found[key]) for key in keys if found[key] != [expected[key]]]
    used = {index for indexes in found.values() for index in indexes}
    tap.check(not wrong and len(expected) == len(keys) and len(used) == len(fleet.servers),
              "%s puts %d keys of %d where %s says" % (name, len(keys) - len(wrong), len(keys),
                                                      mode),
              "\n".join(map(str, wrong[:5])))


def with_pylibmc(fleet, behaviors, keys):
    import pylibmc
    servers = [s.unix_path or "127.0.0.1:%d:%d" % (s.port, w)
               for s, w in zip(fleet.servers, fleet.weights)]
    client = pylibmc.Client(servers, behaviors=behaviors)
    for key in keys:
        client.set(key, b"v")


def with_pymemcache(fleet, keys):
    from pymemcache.client.hash import HashClient
    client = HashClient([("127.0.0.1", s.port) for s in fleet.servers])
    for key in keys:
        client.set(key.decode(), b"v")
    client.close()


def with_php(fleet, mode, keys):
    subprocess.run(["php", "-r", PHP, "--", mode, *fleet.places()], check=True, timeout=LIMIT_S,
                   input=b"\n".join(keys) + b"\n")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nutcracker_connect(process, port):
    end = time.monotonic() + LIMIT_S
    while process.poll() is None and time.monotonic() < end:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("nutcracker did not listen")


def with_nutcracker(fleet, keys):
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="larder-test-") as at:
        path = os.path.join(at, "nutcracker.yml")
        with open(path, "w", encoding="ascii") as file:
            file.write(NUTCRACKER % port)
            file.writelines("  - %s\n" % place.replace("/", ":") for place in fleet.places())
        process = subprocess.Popen(["nutcracker", "-c", path, "-a", "127.0.0.1",
                                    "-s", str(free_port())], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with nutcracker_connect(process, port) as link, link.makefile("rwb") as stream:
                for key in keys:
                    stream.write(b"set %s 0 0 1\r\nv\r\n" % key)
                    stream.flush()
                    assert stream.readline() == b"STORED\r\n"
        finally:
            process.terminate()
            process.wait()


def have(module):
    try:
        __import__(module)
        return True
    except ImportError:
        return False


def check_pylibmc(tap, fleet):
    if not have("pylibmc"):
        tap.skip("pylibmc agrees", "no python3-pylibmc here")
        return
    equal, heavy = [1] * 5, [1, 2, 4, 3, 7]
    cases = (
        ("ketama-weighted", {"ketama_weighted": 1}, equal),
        ("ketama-weighted", {"ketama_weighted": 1}, heavy),
        ("ketama", {"ketama": 1}, equal),
        ("ketama", {"ketama": 1}, heavy),
        ("ketama-md5", {"ketama": 1, "hash": "md5"}, equal),
        ("modula", {}, equal),
    )
    for number, (mode, behaviors, weights) in enumerate(cases):
        keys = keys_of("py%d" % number)
        with_pylibmc(fleet.weigh(weights), behaviors, keys)
        compare(tap, fleet, mode, "pylibmc (%s, weights %s)" % (behaviors, weights), keys)
    with Fleet(count=3, unix=True) as sockets:
        keys = keys_of("unix")
        with_pylibmc(sockets, {"ketama_weighted": 1}, keys)
        compare(tap, sockets, "ketama-weighted", "pylibmc over unix sockets", keys)


def check_pymemcache(tap, fleet):
    fleet.weigh([1] * 5)
    if have("pymemcache"):
        keys = keys_of("pm", ascii_only=True)
        with_pymemcache(fleet, keys)
        compare(tap, fleet, "rendezvous", "pymemcache HashClient", keys)
    else:
        tap.skip("pymemcache agrees", "no python3-pymemcache here")


def php_has_memcached():
    return bool(shutil.which("php")) and subprocess.run(
        ["php", "-r", 'exit(class_exists("Memcached") ? 0 : 1);'], check=False).returncode == 0


def check_php(tap, fleet):
    fleet.weigh([1] * 5)
    if php_has_memcached():
        for number, mode in enumerate(("ketama-weighted", "modula")):
            keys = keys_of("php%d" % number, ascii_only=True)
            with_php(fleet, mode, keys)
            compare(tap, fleet, mode, "php-memcached", keys)
        keys = keys_of("phpw", ascii_only=True)
        with_php(fleet.weigh([3, 1, 1, 2, 1]), "ketama-weighted", keys)
        compare(tap, fleet, "ketama-weighted", "php-memcached with weights", keys)
    else:
        tap.skip("php-memcached agrees", "no php8.2-memcached here")


def check_nutcracker(tap, fleet):
    if shutil.which("nutcracker"):
        for number, weights in enumerate(([1] * 5, [1, 2, 1, 5, 1])):
            keys = keys_of("nut%d" % number)
            with_nutcracker(fleet.weigh(weights), keys)
            compare(tap, fleet, "ketama-weighted", "nutcracker (weights %s)" % weights, keys)
    else:
        tap.skip("nutcracker agrees", "no nutcracker here")


def main():
    tap = Tap()
    if not os.path.exists(MEMCACHED) or not os.access(LARDERCTL, os.X_OK):
        tap.skip("other clients agree", "no memcached, or no larderctl")
        return tap.finish()
    with Fleet() as fleet:
        check_pylibmc(tap, fleet)
        check_pymemcache(tap, fleet)
        check_php(tap, fleet)
        check_nutcracker(tap, fleet)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
