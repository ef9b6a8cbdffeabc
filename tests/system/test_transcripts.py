#!/usr/bin/env python3
"""Runs tests/transcripts/*.txt over sockets.

Every case runs whole, cut in two at every byte (as many places as the time allows, spread
evenly), byte by byte where it is short, and whole over a unix socket. A cut waits until the
server has read the first part. The clock of our server stands and moves by @sleep only, so that
no reply depends on how long a run takes. `--peer BINARY` runs memcached instead, whose clock runs,
and expects its replies.
"""

import argparse
import fnmatch
import glob
import math
import os
import select
import socket
import threading
import time

import harness
import transcript_format as fmt

BYTEWISE_MAX = 400
CLOCK_START_S = 1767225600


class Mismatch(Exception):
    """The server did something other than the transcript says."""


class Conn:
    """One connection of a running case."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray()
        self.ended = False

    def receive(self):
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.buffer += data
        self.ended = not data

    def send(self, data):
        """Sends all of it, reading meanwhile so that neither side blocks the other."""
        view = memoryview(data)
        while view:
            reads = [] if self.ended else [self.sock]
            ready, writable, _ = select.select(reads, [self.sock], [], harness.REPLY_LIMIT_S)
            if not ready and not writable:
                raise Mismatch("the server reads no more; %d bytes are left" % len(view))
            if ready:
                self.receive()
            if writable:
                try:
                    view = view[self.sock.send(view, socket.MSG_DONTWAIT):]
                except BlockingIOError:
                    pass
                except ConnectionError:
                    return

    def drop(self):
        """Closes with a reset, which leaves no port in TIME_WAIT."""
        harness.Client(self.sock).reset()


class Run:
    """One run of one case: `places` are the offsets of the sent bytes where a send is cut."""

    def __init__(self, server, case, unread, places=(), kept=None):
        self.server = server
        self.case = case
        self.unread = unread
        self.places = places
        self.conns = kept if kept is not None else {}
        self.captures = {}
        self.sent = 0
        self.started = set()
        self.now = int(time.time()) if server.peer else CLOCK_START_S

    def conn(self, name):
        self.started.add(name)
        if name not in self.conns:
            self.conns[name] = Conn(self.server.connect())
        return self.conns[name]

    def _send(self, step):
        data = fmt.render(step.lines, self.captures, self.now)
        conn = self.conn(step.conn)
        start = 0
        for place in self.places:
            cut = place - self.sent
            if start < cut < len(data):
                conn.send(data[start:cut])
                self.unread.wait_read(conn.sock)
                start = cut
        conn.send(data[start:])
        self.sent += len(data)

    def _expect(self, step):
        conn = self.conn(step.conn)
        lines = step.lines
        if self.server.peer and step.peer_lines is not None:
            lines = step.peer_lines
        for number, items in enumerate(lines, 1):
            while True:
                end = fmt.match_line(items, conn.buffer, self.captures)
                if end != fmt.MORE or conn.ended:
                    break
                try:
                    conn.receive()
                except socket.timeout:
                    break
            if end < 0:
                raise Mismatch("line %d, reply line %d\nexpected %s\ngot      %s%s" % (
                    step.line_number, number, fmt.show_line(items, self.captures),
                    fmt.show_bytes(conn.buffer), " and the end" if conn.ended else ""))
            del conn.buffer[:end]

    def _close(self, step):
        conn = self.conn(step.conn)
        while not conn.ended:
            conn.receive()
        if conn.buffer:
            raise Mismatch("line %d: before the close came %s" % (
                step.line_number, fmt.show_bytes(conn.buffer)))
        conn.sock.close()
        del self.conns[step.conn]

    def _step(self, step):
        if step.verb == "send":
            self._send(step)
        elif step.verb == "expect":
            self._expect(step)
        elif step.verb == "close":
            self._close(step)
        elif step.verb == "eof":
            self.conn(step.conn).sock.shutdown(socket.SHUT_WR)
        elif step.verb == "hangup":
            self.conn(step.conn).sock.close()
            del self.conns[step.conn]
        else:
            self._sleep(step.seconds)

    def _sleep(self, seconds):
        if self.server.peer:
            time.sleep(seconds)
            return
        control = self.server.client()
        moved = control.ask(b"debugtime %d" % math.ceil(seconds))
        control.close()
        if moved != b"OK":
            raise Mismatch("the clock does not move")
        self.now += math.ceil(seconds)

    def _settle(self):
        """Every connection left must be between two commands and owe nothing."""
        for name in sorted(self.started & set(self.conns)):
            conn = self.conns[name]
            conn.send(b"version\r\n")
            while b"\n" not in conn.buffer and not conn.ended:
                conn.receive()
            if not conn.buffer.startswith(b"VERSION ") or conn.buffer.count(b"\n") != 1:
                raise Mismatch("at the end of the case %s still sent %s%s" % (
                    name, fmt.show_bytes(conn.buffer), " and the end" if conn.ended else ""))
            conn.buffer.clear()

    def go(self):
        good = False
        try:
            for step in self.case.steps:
                self._step(step)
            self._settle()
            good = True
        except (OSError, harness.ServerError) as error:
            raise Mismatch("line %d: %r" % (self.case.steps[0].line_number, error)) from error
        finally:
            if not good:
                drop_all(self.conns)


def end_server(server, quick=False):
    """Stops a server of our own and wants exit code 0; memcached takes a second for that."""
    if quick or server.peer:
        server.kill()
    server.stop()


def drop_all(conns):
    for conn in conns.values():
        conn.drop()
    conns.clear()


USERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../transcripts/auth.users")


class Runner:
    """Keeps one server per set of options and runs cases on it."""

    def __init__(self, args, tap):
        self.args = args
        self.tap = tap
        self.unread = harness.Unread()
        self.server = None
        self.key = None
        self.control = None
        self.cuts = 0

    def start(self, case, unix=False):
        options = [USERS if word == "USERS" else word for word in case.options]
        if not self.args.peer:
            options += ["-o", "debugtime,stopped_clock=%d" % CLOCK_START_S]
        return harness.Server(options, binary=self.args.peer, peer=bool(self.args.peer), unix=unix)

    def retire(self):
        server, self.server = self.server, None
        if self.control:
            self.control.close()
            self.control = None
        if server:
            server.stop()

    def shared(self, case, unix):
        """A running server with the case's options and nothing in it."""
        key = (tuple(case.options), unix)
        if self.server and (self.key != key or not self.server.alive()):
            self.retire()
        if not self.server:
            self.server = self.start(case, unix)
            self.key = key
        if not self.control:
            self.control = self.server.client()
        if self.control.ask(b"flush_all") != b"OK":
            raise Mismatch("flush_all between two runs failed; the case needs @fresh")
        return self.server

    def once(self, case, places=(), kept=None, unix=False):
        if not case.fresh:
            Run(self.shared(case, unix), case, self.unread, places, kept).go()
            return
        server = self.start(case, unix)
        conns = {}
        try:
            Run(server, case, self.unread, places, conns).go()
        finally:
            drop_all(conns)
            end_server(server, quick=places)

    def test(self, case, label, action):
        name = "%s: %s (%s)" % (os.path.basename(case.path)[:-4], case.name, label)
        try:
            action()
        except (Mismatch, harness.ServerError, OSError) as error:
            self.tap.fail(name, "%s\n%s" % (case.path, error))
            if self.control:
                self.control.close()
                self.control = None
            return False
        self.tap.ok(name)
        return True

    def sent_bytes(self, case):
        captures = {}
        return sum(len(fmt.render(step.lines, captures, CLOCK_START_S)) for step in case.steps
                   if step.verb == "send")

    def cut(self, case, size, seconds):
        """Cuts at every place, or at as many as the time allows."""
        limit = 4 if case.fresh else 1000
        stride = max(1, -(-(size - 1) // limit))
        end = time.monotonic() + seconds
        kept = {}
        place = 1 + (size // 7) % stride
        places = []
        while place < size:
            places.append(place)
            place += stride
        # Halves first, then the places between them: stopping early leaves an even spread.
        order = [p for part in range(8) for p in places[bit_reversed(part)::8]]
        done = 0
        try:
            for at in order:
                if time.monotonic() > end and done >= 8:
                    break
                try:
                    self.once(case, (at,), kept)
                except Mismatch as error:
                    raise Mismatch("cut after byte %d of %d: %s" % (at, size, error)) from error
                done += 1
        finally:
            drop_all(kept)
            self.cuts += done

    def run_case(self, case, seconds):
        whole = self.test(case, "whole", lambda: self.once_clean(case, ()))
        if not whole:
            return
        size = self.sent_bytes(case)
        if not case.no_cut and size > 1:
            self.test(case, "cut", lambda: self.cut(case, size, seconds))
            if size <= BYTEWISE_MAX and not case.fresh:
                self.test(case, "byte by byte", lambda: self.once_clean(case, range(1, size)))

    def once_clean(self, case, places, unix=False):
        conns = {}
        try:
            self.once(case, places, conns, unix)
        finally:
            drop_all(conns)


def bit_reversed(part):
    return (part & 1) << 2 | (part & 2) | (part & 4) >> 2


def run_sleepers(args, tap, cases):
    """Cases that let time pass run side by side, each on its own server."""
    results = {}

    def one(case):
        quiet = Runner(args, tap)
        try:
            server = quiet.start(case)
            conns = {}
            try:
                Run(server, case, quiet.unread, (), conns).go()
            finally:
                drop_all(conns)
                end_server(server)
            results[case] = None
        except (Mismatch, harness.ServerError, OSError) as error:
            results[case] = error

    threads = [threading.Thread(target=one, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for case in cases:
        name = "%s: %s (whole)" % (os.path.basename(case.path)[:-4], case.name)
        error = results.get(case, "did not end")
        tap.check(error is None, name, "%s\n%s" % (case.path, error))


def arguments():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*",
                        default=sorted(glob.glob(os.path.join(here, "../transcripts/*.txt"))))
    parser.add_argument("--peer", help="run this memcached and expect memcached's replies")
    parser.add_argument("--only", default="*", help="pattern that the case's name must match")
    parser.add_argument("--seconds", type=float, default=harness.random_seconds(20),
                        help="time for all cuts together (0: none)")
    parser.add_argument("--no-unix", action="store_true", help="skip the unix socket runs")
    return parser.parse_args()


def main():
    args = arguments()
    tap = harness.Tap()
    cases = [case for path in args.files for case in fmt.read_cases(os.path.normpath(path))
             if fnmatch.fnmatch(case.name, args.only)]
    if args.peer:
        for case in cases:
            if case.differs:
                tap.skip("%s" % case.name, "larder differs: " + case.differs)
        cases = [case for case in cases if not case.differs]
    sleepers = [case for case in cases if any(step.verb == "sleep" for step in case.steps)]
    cases = [case for case in cases if case not in sleepers]
    cases.sort(key=lambda case: case.options)
    runner = Runner(args, tap)
    end = time.monotonic() + args.seconds
    for number, case in enumerate(cases):
        if args.seconds == 0:
            case.no_cut = "no time was given"
        share = max(0.0, end - time.monotonic()) / (len(cases) - number)
        runner.run_case(case, 3 * share)
    if not args.no_unix:
        for case in cases:
            if not case.fresh:
                runner.test(case, "unix socket", lambda c=case: runner.once_clean(c, (), True))
    try:
        runner.retire()
        tap.ok("the server ends with exit code 0")
    except harness.ServerError as error:
        tap.fail("the server ends with exit code 0", error)
    run_sleepers(args, tap, sleepers)
    tap.note("%d cases, %d cut runs" % (len(cases) + len(sleepers), runner.cuts))
    return tap.finish()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (harness.ServerError, fmt.FormatError) as failure:
        harness.die(str(failure))
