#!/usr/bin/env python3
"""Sends the same commands to Debian's memcached and to larder and compares the replies.

The commands are what the transcripts send and seeded streams of random ones in the classic, the
meta and the binary protocol: valid, slightly wrong, cut and pipelined. Replies are compared modulo
CAS uniques, the version and the second of the clock; what differs on purpose stands in
differences.py.
"""

import argparse
import glob
import os
import random
import subprocess
import time

import differences
import harness
import streams
import streams_binary
import streams_meta
import transcript_format as fmt
import wires

HISTORY_MAX = 200
REDUCED_MAX = 3
TAIL_UNITS = 3
REPLY_LIMIT_S = 20
DUMP_LIMIT_S = 4  # 1.6.18 does not go on after a dump
OPTION_SETS = ([], ["-C"], ["-I", "2m"])
PROTOCOLS = {
    "classic": (wires.TextWire, streams.Generator, differences.TABLE),
    "meta": (wires.TextWire, streams_meta.MetaGenerator,
             differences.META_TABLE + differences.TABLE),
    "binary": (wires.BinaryWire, streams_binary.BinaryGenerator, differences.BINARY_TABLE),
}


class Side:
    """One of the two servers, with one connection that is opened anew when it was closed."""

    def __init__(self, binary, options, column, wire):
        self.server = harness.Server(options, binary=binary, peer=column != 2)
        self.column = column
        self.wire = wire
        self.client = None
        self.names = wires.Names()

    def connection(self):
        if self.client is None:
            self.client = self.server.client(limit_s=DUMP_LIMIT_S if self.column == 0
                                             else REPLY_LIMIT_S)
            if self.wire.HELLO:
                self.client.send(self.wire.HELLO)
                self.client.take(len(self.wire.HELLO))
        return self.client

    def send(self, parts, unread):
        client = self.connection()
        try:
            for part in parts[:-1]:
                client.send(part)
                unread.wait_read(client.sock)
            client.send(parts[-1])
        except ConnectionError:
            pass

    def _received(self):
        """Everything up to the marker's replies; None when the connection ended before."""
        client = self.client
        try:
            while self.wire.end(client.buffer) is None:
                if not client.fill():
                    return None
        except ConnectionError:
            return None
        except TimeoutError:
            client.buffer += b"<nothing more>"
            return None
        return client.take(self.wire.end(client.buffer))

    def reply(self):
        """All replies before the marker's, normalised."""
        raw = self._received()
        ended = raw is None
        if ended:
            raw = bytes(self.client.buffer) + wires.CLOSED
            self.client.close()
            self.client = None
        else:
            self.client.buffer.clear()
        return self.wire.normal(raw, self.names)

    def stop(self):
        if self.client:
            self.client.close()
        if self.server.peer:
            self.server.kill()
        self.server.stop()


def differ(peer, other):
    """Whether replies differ. What a server has not sent yet when it hangs up may be lost."""
    closed = wires.CLOSED
    if peer.endswith(closed) and other.endswith(closed):
        peer, other = peer[:-len(closed)], other[:-len(closed)]
        return not peer.startswith(other) and not other.startswith(peer)
    return peer != other


class Pair:
    """Both sides, and what was found."""

    def __init__(self, args, options, wire, table):
        self.unread = harness.Unread()
        self.wire = wire
        self.sides = [Side(binary, options, column_of(binary), wire)
                      for binary in (args.peer, args.other)]
        self.columns = [side.column for side in self.sides]
        self.rows = [row for row in table if row.differs(*self.columns)]
        self.found = []
        self.unrepeated = []
        self.history = []
        self.sent = []  # since the stores were emptied
        self.explained = 0

    def known(self, unit):
        return any(row.when.fullmatch(unit) for row in self.rows)

    def ask(self, units, cuts=()):
        """Sends the units in one stream and returns both replies."""
        data = b"".join(units)
        self.sent += units
        replies = []
        for side in self.sides:
            whole = self.wire.with_cas(data, side.names.last) + self.wire.MARKER
            places = [0] + sorted(cut % len(whole) for cut in cuts) + [len(whole)]
            parts = [whole[a:b] for a, b in zip(places, places[1:]) if a < b]
            side.send(parts, self.unread)
            replies.append(side.reply())
        return replies

    def step(self, data):
        """Each unit of the data by itself; a difference must stand in the table."""
        for unit in self.wire.split(data):
            unit = self.wire.completed(unit)
            replies = self.ask([unit])
            self.history.append((unit, ()))
            if replies[0] == replies[1]:
                if self.known(unit) or self.wire.leaves_traces(unit, replies[0]):
                    self.level()  # silent, perhaps, but not the same
                continue
            row = self.row_for(unit, replies)
            if row:
                row.seen += 1
                self.explained += 1
                self.level()
            else:
                self.suspect(unit, replies)
        if len(self.history) > HISTORY_MAX:
            self.level()

    def row_for(self, unit, replies):
        for row in self.rows:
            if row.when.fullmatch(unit) and row.explains(*self.columns, replies):
                return row
        return None

    def stream(self, units, cuts):
        data = b"".join(units)
        replies = self.ask([data], cuts)
        self.history.append((data, cuts))
        if differ(*replies):
            self.suspect(data, replies)
        elif replies[0] != replies[1] or len(self.history) > HISTORY_MAX:
            self.level()

    def suspect(self, data, replies):
        """A difference counts when the same commands show it again: memcached itself has races
        (whether a shorter number is padded depends on who else holds the item)."""
        history = list(self.history)
        if self.replayed(history) is None:
            self.unrepeated.append((data, replies))
        elif len(self.found) < REDUCED_MAX:
            history = self.reduced(history)
            units = [(unit, ()) for data, _ in history for unit in self.wire.split(data)]
            if len(history) < len(units) and self.replayed_at_once(units):
                history = self.reduced(units, self.replayed_at_once)
                again = self.replayed_at_once(history)
            else:
                again = self.replayed(history)
            self.found.append((b"".join(data for data, _ in history), again or replies))
        else:
            self.found.append((data, replies))
        self.level()

    def replayed(self, history):
        """The last replies of the history on empty stores when they differ, else None."""
        self.level()
        last = [self.ask([data], cuts) for data, cuts in history][-1]
        return last if differ(*last) else None

    def replayed_at_once(self, history):
        """The same with everything in one stream."""
        self.level()
        replies = self.ask([data for data, _ in history])
        return replies if differ(*replies) else None

    def reduced(self, history, replayed=None):
        """The history without what the difference does not need; tries a bounded number.

        The end stays, because it may use a unique that it looked up itself."""
        replayed = replayed or self.replayed
        tries = 300
        span = max(1, len(history) // 2)
        while span >= 1 and tries > 0:
            at = 0
            while at < len(history) - TAIL_UNITS and tries > 0:
                shorter = history[:at] + history[min(at + span, len(history) - TAIL_UNITS):]
                tries -= 1
                if replayed(shorter):
                    history = shorter
                else:
                    at += span
            span //= 2
        return history

    def level(self):
        """Makes both stores equal again after a difference."""
        self.history.clear()
        for side in self.sides:
            side.names.clear()
            if side.client:
                side.client.close()
                side.client = None
        units = self.wire.emptying(self.sent)
        self.ask(units)
        self.sent.clear()

    def stop(self):
        for side in self.sides:
            side.stop()


def column_of(binary):
    """Which column of the table a server is."""
    if not os.path.exists(binary):
        raise harness.ServerError("no server at " + binary)
    told = subprocess.run([binary, "-V"], capture_output=True, text=True, check=False).stdout
    for column, name in enumerate(differences.SERVERS[:2]):
        if told.strip() == "memcached " + name:
            return column
    return 2


def transcript_units():
    """The sent sides of the transcripts that run without options on one connection."""
    here = os.path.dirname(os.path.abspath(__file__))
    now = int(time.time())
    for path in sorted(glob.glob(os.path.join(here, "../transcripts/*.txt"))):
        for case in fmt.read_cases(path):
            plain = all(step.conn == "c1" and step.verb in ("send", "expect", "close")
                        for step in case.steps)
            name = os.path.basename(path)
            if plain and not case.options and not name.startswith(("stats", "meta", "binary")):
                captures = {}
                data = b"".join(fmt.render(step.lines, captures, now) for step in case.steps
                                if step.verb == "send")
                yield case, streams.split_units(data)


def show(unit, replies, names):
    same = len(os.path.commonprefix(replies))
    start = replies[0].rfind(b"\n", 0, same - 40 if same > 40 else 0) + 1
    replies = [reply[start:] for reply in replies]
    return "sent     %s\n%-8s %s\n%-8s %s" % (
        fmt.show_bytes(unit, 300), names[0], fmt.show_bytes(replies[0], 300), names[1],
        fmt.show_bytes(replies[1], 300))


def report(tap, pair, name, count):
    names = [differences.SERVERS[column] for column in pair.columns]
    why = "\n".join(show(unit, replies, names) for unit, replies in pair.found[:8])
    tap.check(not pair.found, "%s (%d, %d known differences)" % (name, count, pair.explained),
              "%d differences\n%s" % (len(pair.found), why))
    for unit, replies in pair.unrepeated[:3]:
        tap.note("seen once and not again:\n" + show(unit, replies, names))
    pair.unrepeated.clear()
    pair.found.clear()
    pair.explained = 0


def run_transcripts(tap, pair):
    count = 0
    for _, units in transcript_units():
        for unit in units:
            if len(unit) < 20000 or b"HTTP" not in unit:
                pair.step(unit)
                count += 1
        pair.level()
    report(tap, pair, "the transcripts' commands are answered alike", count)


def run_protocol(tap, args, protocol, rng):
    wire, generator, table = PROTOCOLS[protocol]
    for options in OPTION_SETS:
        tap.note(" ".join([protocol] + options))
        pair = Pair(args, options, wire(), table)
        try:
            if protocol == "classic" and not options:
                run_transcripts(tap, pair)
            # 1.6.18 sees a minus sign that stands behind a number above 2^63.
            maker = generator(rng, huge=pair.columns[0] > 0, uniques="-C" not in options)
            run_random(tap, pair, protocol, maker, args.seconds / len(OPTION_SETS))
        finally:
            pair.stop()


def run_random(tap, pair, protocol, maker, seconds):
    rng = maker.rng
    end = time.monotonic() + seconds / 2
    count = 0
    while time.monotonic() < end:
        for _ in range(50):
            pair.step(maker.unit())
            count += 1
        if len(pair.found) > 20:
            break
    report(tap, pair, "random %s commands one by one are answered alike" % protocol, count)
    end = time.monotonic() + seconds / 2
    count = 0
    while time.monotonic() < end and len(pair.found) <= 20:
        units = [maker.unit() for _ in range(rng.randrange(2, 60))]
        units = [unit for unit in units if clean(pair, unit)]
        cuts = [rng.getrandbits(30) for _ in range(rng.randrange(6))]
        if units:
            pair.stream(units, cuts)
            count += len(units)
    report(tap, pair, "random %s commands in cut streams are answered alike" % protocol, count)


def clean(pair, unit):
    """Whether the replies of a unit do not depend on what it is pipelined with."""
    return not pair.wire.must_be_alone(unit) and not any(map(pair.known, pair.wire.split(unit)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="/usr/bin/memcached",
                        help="the memcached to compare with")
    parser.add_argument("--other", default=harness.default_binary(), help="instead of larder")
    parser.add_argument("--protocol", default=",".join(PROTOCOLS))
    parser.add_argument("--seconds", type=float, default=harness.random_seconds(20),
                        help="how long each protocol is tried")
    parser.add_argument("--seed", type=int, default=harness.random_seed())
    return parser.parse_args()


def why_not(args):
    """Why there is nothing to compare here, or None."""
    if not os.path.exists(args.peer):
        return "no " + args.peer
    back_end = os.environ.get("LARDER_TEST_IO")
    other = "uring" if harness.instrumented(args.other) else "epoll"
    return "a plain build does it over io_uring, a sanitized one over epoll" \
        if back_end == other else None


def main():
    args = arguments()
    tap = harness.Tap()
    tap.note("seed %d" % args.seed)
    why = why_not(args)
    if why:
        tap.skip("replies are compared with memcached", why)
        return tap.finish()
    rng = random.Random(args.seed)
    for protocol in args.protocol.split(","):
        run_protocol(tap, args, protocol, rng)
    for row in differences.TABLE + differences.META_TABLE + differences.BINARY_TABLE:
        if row.seen:
            tap.note("known, %d times: %s" % (row.seen, row.reason))
    return tap.finish()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except harness.ServerError as failure:
        harness.die(str(failure))
