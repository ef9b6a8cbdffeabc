#!/usr/bin/env python3
"""Drives the server with clients of other languages: php-memcached, Cache::Memcached::Fast,
gomemcache, and from npm memjs (binary) and memcached (ASCII).

Each program of clients/ does a client's ordinary work against one port and says `ok NAME` or
`not ok NAME`. Like test_clients.py this runs where nothing but the loopback can be reached.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile

import harness
from test_clients import enter_namespace

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.path.join(HERE, "clients")
MODULES = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build-npm", "node_modules")
GO_PATH = "/usr/share/gocode"
LIMIT_S = 100


def succeeds(*command):
    return bool(shutil.which(command[0])) and subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def php(mode):
    if succeeds("php", "-r", 'exit(class_exists("Memcached") ? 0 : 1);'):
        return lambda port: ["php", os.path.join(CLIENTS, "client.php"), port, mode]
    return None


def perl():
    if succeeds("perl", "-MCache::Memcached::Fast", "-e", "1"):
        return lambda port: ["perl", os.path.join(CLIENTS, "fast.pl"), port]
    return None


def go(folder):
    """gomemcache's program, built with Debian's library and nothing from a network."""
    if not shutil.which("go") or not os.path.isdir(GO_PATH + "/src/github.com/bradfitz"):
        return None
    program = os.path.join(folder, "gomemcache")
    env = dict(os.environ, GO111MODULE="off", GOPATH=GO_PATH, GOFLAGS="", CGO_ENABLED="0",
               GOCACHE=os.path.join(folder, "cache"))
    done = subprocess.run(["go", "build", "-o", program, os.path.join(CLIENTS, "gomemcache.go")],
                          env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if done.returncode != 0:
        raise harness.ServerError("go build: " + done.stderr)
    return lambda port: [program, port]


def node(module, program):
    if shutil.which("node") and os.path.isdir(os.path.join(MODULES, module)):
        return lambda port: ["node", os.path.join(CLIENTS, program), port]
    return None


def run_client(tap, name, command, peer):
    """One client against a server of its own, which must end well."""
    server = harness.Server(binary=peer, peer=bool(peer))
    try:
        done = subprocess.run(command(str(server.port)), capture_output=True, text=True,
                              timeout=LIMIT_S, check=False, env=dict(os.environ, NODE_PATH=MODULES))
        told = re.findall(r"^(ok|not ok) (.*)$", done.stdout, re.M)
        for word, what in told:
            tap.check(word == "ok", name + " " + what, server.log())
        tap.check(done.returncode == 0 and len(told) >= 12, name + " ends well",
                  "exit code %d\n%s" % (done.returncode, done.stdout[-500:] + done.stderr[-2000:]))
        if peer:
            server.kill()
        server.stop()
    except (harness.ServerError, subprocess.TimeoutExpired) as error:
        server.kill()
        tap.fail(name + " ends well", error)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only clients whose name contains this")
    args = parser.parse_args()
    enter_namespace()
    tap = harness.Tap()
    with tempfile.TemporaryDirectory(prefix="larder-go-") as folder:
        clients = (("php-memcached", lambda: php("ascii")),
                   ("php-memcached (binary)", lambda: php("binary")),
                   ("Cache::Memcached::Fast", perl),
                   ("gomemcache", lambda: go(folder)),
                   ("memjs", lambda: node("memjs", "memjs.js")),
                   ("memcached of npm", lambda: node("memcached", "memcached.js")))
        for name, find in clients:
            if args.only not in name:
                continue
            command = find()
            if command:
                run_client(tap, name, command, args.peer)
            else:
                tap.skip(name, "not installed (scripts/deps test)")
    return tap.finish()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except harness.ServerError as failure:
        harness.die(str(failure))
