#!/usr/bin/env python3
"""Logging in with -Y and -S: what is let through, what is counted, reading the file again.

With `--peer BINARY` memcached is run instead; where larder promises more, memcached is let off.
"""

import argparse
import os
import shutil
import signal
import struct
import subprocess
import tempfile

import harness
from harness import get_value, set_value, wait_until, want

PLACE = tempfile.mkdtemp(prefix="larder-auth-")
USERS = os.path.join(PLACE, "users")
FIRST_USERS = "foo:bar\nsneaky:pass:with spaces\nlast:w\u00fcrd\n"
LOCKED = b"CLIENT_ERROR unauthenticated"
WRONG = b"CLIENT_ERROR authentication failure"


def write_users(text):
    """Replaces the file at once, as an administrator's tool would."""
    with open(USERS + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(USERS + ".new", USERS)


def login(client, token):
    client.send(b"set x 0 0 %d\r\n%s\r\n" % (len(token), token))
    return client.line()


def commands_wait_for_the_login(server, peer):
    client = server.client()
    for line in (b"version", b"get foo", b"stats", b"flush_all", b"set a 0 0 x", b"verbosity 1",
                 b"shutdown", b"refresh_certs"):
        told = client.ask(line)
        want(told == LOCKED, "%r answered %r" % (line, told))
    want(login(client, b"foo baz") == WRONG, "a wrong password")
    want(login(client, b"fo bar") == WRONG, "a wrong name")
    want(login(client, b"foobar") == b"CLIENT_ERROR bad authentication token format", "no space")
    want(login(client, b"foo bar") == b"STORED", "the right ones")
    want(set_value(client, b"a", b"1" * 100000) == b"STORED", "a large value")
    want(get_value(client, b"a") == b"1" * 100000, "the value")
    told = client.stats()
    want((told["auth_cmds"], told["auth_errors"]) == ("3", "2"), "counted %s %s" % (
        told["auth_cmds"], told["auth_errors"]))
    want(client.stats(b"settings")["auth_enabled_ascii"] == USERS, "settings")
    other = server.client()
    want(other.ask(b"get a") == LOCKED, "one login opens another connection")


def who_does_not_log_in_is_closed_after_a_minute(server, peer):
    if peer:
        return "memcached waits for ever"
    client, idle = server.client(), server.client()
    want(login(client, b"foo bar") == b"STORED", "no login")
    want(idle.ask(b"version") == LOCKED, "open")
    want(client.ask(b"debugtime 61") == b"OK", "no debugtime")
    want(idle.rest() == b"", "not closed")
    want(client.ask(b"version").startswith(b"VERSION"), "who has logged in was closed as well")
    return None


def users_may_have_spaces_and_colons_in_passwords(server, peer):
    for token in (b"foo bar", b"sneaky pass:with spaces", b"last w\xc3\xbcrd"):
        client = server.client()
        want(login(client, token) == b"STORED", token)
        want(client.ask(b"version").startswith(b"VERSION"), "not open")


def binary_requests_find_no_way_in(server, peer):
    client = server.client()
    for opcode in (0x0b, 0x10, 0x20, 0x21):
        client.send(b"\x80%c" % opcode + b"\0" * 22)
        want(client.ask(b"get foo") == LOCKED, "opcode %02x" % opcode)
    client.send(b"\x80" + b"\0" * 4096)
    want(client.rest() == b"", "bytes without an end")


def the_file_is_read_again_on_a_signal(server, peer):
    old = server.client()
    want(login(old, b"foo bar") == b"STORED", "before")
    write_users("foo:new\n")
    server.process.send_signal(signal.SIGHUP)
    want(wait_until(lambda: login(server.client(), b"foo new") == b"STORED"), "not read again")
    want(login(server.client(), b"foo bar") == WRONG, "the password before still opens")
    want(old.ask(b"version").startswith(b"VERSION"), "the connection before has to log in again")
    write_users("this is no file of users\n")
    server.process.send_signal(signal.SIGHUP)
    if not peer:
        want(wait_until(lambda: "malformed" in server.log()), "nothing was said: " + server.log())
    want(login(server.client(), b"foo new") == b"STORED", "a bad file did harm")
    os.unlink(USERS)
    server.process.send_signal(signal.SIGHUP)
    if not peer:
        want(wait_until(lambda: "Could not open authfile" in server.log()), "nothing was said")
    want(login(server.client(), b"foo new") == b"STORED", "a missing file did harm")
    want(server.alive(), "it ended")
    write_users(FIRST_USERS)


def files_without_users_keep_it_from_starting(server, peer):
    for text in (None, "nocolon\n", "foo:bar\n\n"):
        write_users(text or "")
        if text is None:
            os.unlink(USERS)
        for option in (["-Y", USERS],) if peer else (["-Y", USERS], ["-S"]):
            argv = [server.binary, "-p", "-1", "-l", "127.0.0.1", "-u", "root"] + option
            done = subprocess.run(argv, capture_output=True, timeout=20, check=False)
            said = done.stderr.decode("latin-1")
            want(done.returncode == 1 and "uthfile" in said, "%s %r: %d %s" % (
                option, text, done.returncode, said))


class Binary:
    """Packets of the binary protocol."""

    def __init__(self, server):
        self.client = server.client()

    def ask(self, opcode, key=b"", value=b"", extras=b""):
        """Status and body of the answer; None at the end of the stream."""
        body = extras + key + value
        self.client.send(struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0,
                                     len(body), 7, 0) + body)
        head = self.client.take(24)
        if len(head) < 24:
            return None
        status, size = struct.unpack(">6xHI12x", head)
        return status, self.client.take(size)

    def plain(self, token):
        return self.ask(0x21, b"PLAIN", token)


def sasl_lets_in_who_is_in_the_file(server, peer):
    client = Binary(server)
    want(client.ask(0x0b) == (0, b"1.6.45"), "version")
    want(client.ask(0x20) == (0, b"PLAIN"), "mechanisms")
    want(client.plain(b"\0foo\0baz") == (0x20, b"Auth failure."), "a wrong password")
    want(client.plain(b"\0foo\0bar") == (0, b"Authenticated"), "the right one")
    want(client.ask(0x01, b"k", b"v" * 100000, b"\0" * 8)[0] == 0, "set")
    want(client.ask(0x00, b"k")[1][4:] == b"v" * 100000, "get")
    other = Binary(server)
    want(other.ask(0x00, b"k") == (0x20, b"Auth failure."), "no login")
    try:
        want(other.ask(0x0b) is None, "not closed")
    except ConnectionError:
        pass
    write_users("foo:new\n")
    server.process.send_signal(signal.SIGHUP)
    want(wait_until(lambda: Binary(server).plain(b"\0foo\0new")[0] == 0), "not read again")
    want(Binary(server).plain(b"\0foo\0bar")[0] == 0x20, "the password before still opens")
    want(client.ask(0x0a)[0] == 0, "the connection before has to log in again")
    write_users(FIRST_USERS)


def a_client_library_logs_in_by_sasl(server, peer):
    try:
        import pylibmc
    except ImportError:
        return "no pylibmc here"
    if not pylibmc.support_sasl:
        return "pylibmc without SASL"
    address = ["127.0.0.1:%d" % server.port]
    client = pylibmc.Client(address, binary=True, username="foo", password="bar")
    want(client.set("p", "value") and client.get("p") == "value", "set and get")
    stranger = pylibmc.Client(address, binary=True, username="foo", password="no")
    try:
        got = stranger.get("p")
    except pylibmc.Error:
        got = None
    want(got is None, "a stranger got %r" % got)
    return None


TESTS = (
    (commands_wait_for_the_login, ["-Y", USERS]),
    (who_does_not_log_in_is_closed_after_a_minute, ["-Y", USERS, "-o", "debugtime"]),
    (users_may_have_spaces_and_colons_in_passwords, ["-Y", USERS]),
    (binary_requests_find_no_way_in, ["-Y", USERS]),
    (the_file_is_read_again_on_a_signal, ["-Y", USERS]),
    (sasl_lets_in_who_is_in_the_file, ["-S"]),
    (a_client_library_logs_in_by_sasl, ["-S"]),
    (files_without_users_keep_it_from_starting, []),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    write_users(FIRST_USERS)
    os.environ["MEMCACHED_SASL_PWDB"] = USERS
    try:
        return harness.run_tests(parser.parse_args(), TESTS)
    finally:
        shutil.rmtree(PLACE)


if __name__ == "__main__":
    raise SystemExit(main())
