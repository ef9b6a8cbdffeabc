#!/usr/bin/env python3
"""Sends the same commands to Debian's memcached and to larder and compares the replies.

The commands are what the transcripts send and a seeded stream of random ones: valid, slightly
wrong, cut and pipelined. Replies are compared modulo CAS uniques and the version; what differs
on purpose stands in differences.py.
"""

import argparse
import glob
import os
import random
import re
import subprocess
import time

import differences
import harness
import streams
import transcript_format as fmt

HISTORY_MAX = 200
REDUCED_MAX = 3
OPTION_SETS = ([], ["-C"], ["-I", "2m"])
MARKER = b"version\r\nincr marker x\r\nincr marker x\r\nversion\r\n"
MARKED = re.compile(rb"(?:VERSION [^\n]*|ERROR\r)\nCLIENT_ERROR invalid numeric delta argument\r\n"
                    rb"CLIENT_ERROR invalid numeric delta argument\r\nVERSION [^\n]*\n$")
CAS = re.compile(rb"^(VALUE [^ ]+ \d+ \d+) (\d+)$")


class Side:
    """One of the two servers, with one connection that is opened anew when it was closed."""

    def __init__(self, binary, options, column):
        self.server = harness.Server(options, binary=binary, peer=column != 2)
        self.column = column
        self.client = None
        self.cas = b"1"
        self.names = {}

    def connection(self):
        if self.client is None:
            self.client = self.server.client(limit_s=3)
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

    def _normal_line(self, line):
        found = CAS.match(line)
        if found:
            self.cas = found.group(2)
            name = self.names.setdefault(self.cas, b"#%d" % len(self.names))
            return found.group(1) + b" " + name
        return b"VERSION" if line.startswith(b"VERSION ") else line

    def _received(self):
        """Everything up to the marker's replies; None when the connection ended before."""
        client = self.client
        try:
            while not MARKED.search(client.buffer):
                if not client.fill():
                    return None
        except ConnectionError:
            return None
        except TimeoutError:
            client.buffer += b"<nothing more>"
            return None
        return client.take(MARKED.search(client.buffer).start())

    def reply(self):
        """All replies before the marker's, normalised."""
        raw = self._received()
        ended = raw is None
        if ended:
            raw = bytes(self.client.buffer) + b"<closed>"
            self.client.close()
            self.client = None
        else:
            self.client.buffer.clear()
        out = bytearray()
        at = 0
        while at < len(raw):
            end = raw.find(b"\r\n", at) + 2
            if end < 2:
                break
            line = raw[at:end - 2]
            at = end
            data = b""
            if line.startswith(b"VALUE ") and line.count(b" ") >= 3:
                size = int(line.split(b" ")[3]) + 2
                data = raw[at:at + size]
                at += size
                line, data = without_padding(line, data)
            out += self._normal_line(line) + b"\r\n" + data
        return bytes(out + raw[at:])

    def stop(self):
        if self.client:
            self.client.close()
        if self.server.peer:
            self.server.kill()
        self.server.stop()


def without_padding(line, data):
    """A number key's value without the spaces at its end."""
    words = line.split(b" ")
    if words[1] in streams.NUMBER_KEYS:
        data = data[:-2].rstrip(b" ") + b"\r\n"
        words[3] = b"%d" % (len(data) - 2)
    return b" ".join(words), data


class Pair:
    """Both sides, and what was found."""

    def __init__(self, args, options):
        self.unread = harness.Unread()
        self.sides = [Side(args.peer, options, column_of(args.peer)),
                      Side(args.other, options, column_of(args.other))]
        self.columns = [side.column for side in self.sides]
        self.rows = [row for row in differences.TABLE if row.differs(*self.columns)]
        self.found = []
        self.unrepeated = []
        self.history = []
        self.explained = 0

    def known(self, unit):
        return any(row.when.fullmatch(unit) for row in self.rows)

    def ask(self, units, cuts=()):
        """Sends the units in one stream and returns both replies."""
        data = b"".join(units)
        replies = []
        for side in self.sides:
            whole = data.replace(b"@CAS@", side.cas) + MARKER
            places = [0] + sorted(cut % len(whole) for cut in cuts) + [len(whole)]
            parts = [whole[a:b] for a, b in zip(places, places[1:]) if a < b]
            side.send(parts, self.unread)
            replies.append(side.reply())
        return replies

    def step(self, data):
        """Each unit of the data by itself; a difference must stand in the table."""
        for unit in streams.split_units(data):
            unit = streams.completed(unit)
            replies = self.ask([unit])
            self.history.append((unit, ()))
            if replies[0] == replies[1]:
                if self.known(unit):
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
        if replies[0] != replies[1]:
            self.suspect(data, replies)
        if len(self.history) > HISTORY_MAX:
            self.level()

    def suspect(self, data, replies):
        """A difference counts when the same commands show it again: memcached itself has races
        (whether a shorter number is padded depends on who else holds the item)."""
        history = list(self.history)
        if self.replayed(history) is None:
            self.unrepeated.append((data, replies))
        elif len(self.found) < REDUCED_MAX:
            history = self.reduced(history)
            again = self.replayed(history) or replies
            self.found.append((b"".join(data for data, _ in history), again))
        else:
            self.found.append((data, replies))
        self.level()

    def replayed(self, history):
        """The last replies of the history on empty stores when they differ, else None."""
        self.level()
        last = [self.ask([data], cuts) for data, cuts in history][-1]
        return last if last[0] != last[1] else None

    def reduced(self, history):
        """The history without what the difference does not need; tries a bounded number."""
        tries = 150
        span = max(1, len(history) // 2)
        while span >= 1 and tries > 0:
            at = 0
            while at < len(history) - 1 and tries > 0:
                shorter = history[:at] + history[min(at + span, len(history) - 1):]
                tries -= 1
                if self.replayed(shorter):
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
        self.ask([b"delete %s noreply\r\n" % key for key in streams.KEYS + streams.ODD_KEYS])

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


def run_random(tap, pair, maker, seconds):
    rng = maker.rng
    end = time.monotonic() + seconds / 2
    count = 0
    while time.monotonic() < end:
        for _ in range(50):
            pair.step(maker.unit())
            count += 1
        if len(pair.found) > 20:
            break
    report(tap, pair, "random commands one by one are answered alike", count)
    end = time.monotonic() + seconds / 2
    count = 0
    while time.monotonic() < end and len(pair.found) <= 20:
        units = [maker.unit() for _ in range(rng.randrange(2, 60))]
        units = [unit for unit in units if clean(pair, unit)]
        cuts = [rng.getrandbits(30) for _ in range(rng.randrange(6))]
        if units:
            pair.stream(units, cuts)
            count += len(units)
    report(tap, pair, "random commands in cut streams are answered alike", count)


def clean(pair, unit):
    """Whether the replies of a unit do not depend on what it is pipelined with."""
    if b"@CAS@" in unit or b"quit" in unit or b"HTTP" in unit:
        return False
    parts = streams.split_units(unit)
    return not any(pair.known(part) or len(part) > 1000 + streams.data_size(part) for part in parts)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", default="/usr/bin/memcached",
                        help="the memcached to compare with")
    parser.add_argument("--other", default=harness.default_binary(), help="instead of larder")
    parser.add_argument("--seconds", type=float, default=harness.random_seconds(20))
    parser.add_argument("--seed", type=int, default=harness.random_seed())
    return parser.parse_args()


def main():
    args = arguments()
    tap = harness.Tap()
    tap.note("seed %d" % args.seed)
    if not os.path.exists(args.peer):
        tap.skip("replies are compared with memcached", "no " + args.peer)
        return tap.finish()
    rng = random.Random(args.seed)
    for options in OPTION_SETS:
        if options:
            tap.note("options " + " ".join(options))
        pair = Pair(args, options)
        try:
            if not options:
                run_transcripts(tap, pair)
            # 1.6.18 sees a minus sign that stands behind a number above 2^63.
            maker = streams.Generator(rng, huge=pair.columns[0] > 0)
            run_random(tap, pair, maker, args.seconds / len(OPTION_SETS))
        finally:
            pair.stop()
    for row in differences.TABLE:
        if row.seen:
            tap.note("known, %d times: %s" % (row.seen, row.reason))
    return tap.finish()


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except harness.ServerError as failure:
        harness.die(str(failure))
