"""Command streams of the ASCII protocol: cut into units, and classic ones made up from a seed.

A unit is one command line with the data that belongs to it. `split_units` follows the rule that a
storage command with a usable byte count owns bytes + 2, whatever else is wrong with its line.
"""

import re

STORAGE = (b"set", b"add", b"replace", b"append", b"prepend", b"cas")
BYTES_WORD = dict.fromkeys(STORAGE, 4)
BYTES_WORD[b"ms"] = 2
BYTES_MAX = 2147483645


def data_bytes(line):
    """How many bytes after the line belong to it."""
    words = [word for word in line.split(b" ") if word]
    at = BYTES_WORD.get(words[0]) if words else None
    if at is None or len(words) <= at:
        return 0
    if not re.fullmatch(rb"[0-9]{1,10}", words[at]) or int(words[at]) > BYTES_MAX:
        return 0
    return int(words[at]) + 2


def split_units(data):
    """The units of a byte string; the last one may lack bytes."""
    units = []
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            units.append(data[at:])
            break
        line = data[at:end]
        if line.endswith(b"\r"):
            line = line[:-1]
        stop = end + 1 + data_bytes(line)
        units.append(data[at:stop])
        at = stop
    return units


def owed_bytes(unit):
    """How many bytes the server still waits for after this unit; None: a line without end."""
    end = unit.find(b"\n")
    if end < 0:
        return None
    line = unit[:end - 1] if unit[end - 1:end] == b"\r" else unit[:end]
    return max(0, end + 1 + data_bytes(line) - len(unit))


def data_size(unit):
    """How much of the unit is data."""
    return len(unit) - unit.find(b"\n") - 1


def completed(unit):
    """The unit with what it owes, so that the next command is read as one."""
    owed = owed_bytes(unit)
    if owed is None:
        return unit + b"\r\n"
    if owed == 0:
        return unit
    return unit + (b"x" * (owed - 2) + b"\r\n")[-owed:]


# Only number keys are counted and only they are not appended to: whether memcached pads a shorter
# number with spaces depends on who else holds the item, so the padding is not compared.
NUMBER_KEYS = [b"n%d" % n for n in range(4)]
KEYS = [b"k%d" % n for n in range(5)] + NUMBER_KEYS
BASE64_KEYS = [b"Ymlu", b"YSBi", b"AAEC/w==", b"0LrQu9GO0Yc="]
ODD_KEYS = [b"K" * 250, b"\x01\xff\t", b"noreply", b"a\rb", b"0", b"-1", b"get", b"a", b"b"]


# What would expire while the test runs, at another moment on each server.
SHORT_LIVED = re.compile(rb" *(?:gats? +|touch +[^ ]+ +|(?:set|add|replace|append|prepend|cas) +"
                         rb"[^ ]+ +[^ ]+ +)\+?0*[1-9]\d{0,2}(?!\d)")


class Generator:
    """Makes units from a random.Random: mostly valid, some slightly wrong.

    No flush_all: for a second after it memcached is not sure what it flushed.
    """

    def __init__(self, rng, huge=True, uniques=True):
        self.rng = rng
        self.uniques = uniques
        self.largest = 2**64 - 1 if huge else 2**31
        self.keys = KEYS
        self.odd_keys = ODD_KEYS

    def key(self):
        roll = self.rng.random()
        if roll < 0.9:
            return self.rng.choice(self.keys)
        if roll < 0.985:
            return self.rng.choice(self.odd_keys)
        return b"L" * self.rng.choice((251, 252, 300, 1000))

    def number(self):
        return self.rng.choice((b"0", b"1", b"7", b"10", b"99", b"4294967295", b"4294967296",
                                b"18446744073709551615", b"18446744073709551616",
                                b"9223372036854775807", b"9223372036854775808", b"-1", b"+1",
                                b"-0", b"00", b"010", b"0x10", b"1x", b"x", b"1.5", b""))

    def exptime(self):
        return self.rng.choice((b"0",) * 6 + (b"1000", b"-1", b"2592000", b"2592001"))

    def value(self):
        roll = self.rng.random()
        if roll < 0.45:
            return b"%d" % self.rng.choice((0, 1, 9, 10, 99, 100, self.largest))
        if roll < 0.6:
            return self.rng.choice((b"", b" 12", b"12 ", b"-5", b"1x", b"0012", b"END",
                                    b"VALUE k0 0 1\r\nx\r\nEND", b"get k0\r\n", b"\0\0"))
        if roll < 0.95:
            return b"r" + bytes(self.rng.getrandbits(8) for _ in range(self.rng.randrange(60)))
        return bytes([self.rng.randrange(97, 123)]) * self.rng.choice((500, 2000, 9000, 70000))

    def storage(self):
        verb = self.rng.choice((b"set", b"set", b"set", b"set") + STORAGE)
        value = self.value()
        key = self.key()
        if key in NUMBER_KEYS and verb in (b"append", b"prepend"):
            verb = b"set"
        words = [verb, key, b"%d" % self.rng.choice((0, 0, 1, 42, 4294967295)),
                 self.exptime(), b"%d" % len(value)]
        if verb == b"cas":
            words.append(self.rng.choice((b"@CAS@", b"@CAS@", b"0", b"999999999999999",
                                          b"18446744073709551615")))
        if self.rng.random() < 0.15:
            words.append(b"noreply")
        return words, value + b"\r\n"

    def read(self):
        verb = self.rng.choice((b"get", b"get", b"gets", b"gat", b"gats"))
        words = [verb] + ([self.exptime()] if verb in (b"gat", b"gats") else [])
        return words + [self.key() for _ in range(self.rng.choice((1, 1, 1, 2, 5)))]

    def small(self):
        rng = self.rng
        noreply = [b"noreply"] if rng.random() < 0.15 else []
        roll = rng.random()
        if roll < 0.25:
            return [b"delete", self.key()] + noreply
        if roll < 0.7:
            delta = b"%d" % rng.choice((0, 1, 5, 91, self.largest))
            if rng.random() < 0.2:
                delta = rng.choice((b"x", b"1x", b"", b"0x10", b"18446744073709551616", b"010"))
            return [rng.choice((b"incr", b"decr")), rng.choice(NUMBER_KEYS), delta] + noreply
        if roll < 0.85:
            return [b"touch", self.key(), self.exptime()] + noreply
        if roll < 0.94:
            return [b"verbosity", rng.choice((b"0", b"x"))] + noreply
        return rng.choice(([b"version"], [b"foo"], [b"GET", b"k0"], [b"stats", b"foo"], [b"gets"],
                           [b"shutdown"], [b"cache_memlimit", b"1"], [b"version", b"x"]))

    def spoiled(self, words, data):
        """One small mistake."""
        rng = self.rng
        words = list(words)
        at = rng.randrange(len(words))
        kind = rng.randrange(9)
        if kind == 0:
            del words[at]
        elif kind == 1:
            words.insert(at, words[at])
        elif kind == 2:
            words[at] = self.number()
            if data and at == 4 and not words[at].isdigit():
                words[at] = b"x"  # 1.6.18 would take more for a byte count and wait
        elif kind == 3:
            words[0] = words[0].upper()
        elif kind == 4 and at != 1:
            words[at] += rng.choice((b"\t", b"\0", b"\r", b"x", b"\xff") if not data else (b"x",))
        elif kind == 5:
            words.append(rng.choice((b"noreply", b"0", b"x", b"1")))
        elif kind == 6 and data:
            data = data[:-2] + rng.choice((b"", b"\n", b"\r", b"x\r\n", b"xy\r\n", b"xyz\r\n"))
        elif kind == 7:
            words[at] += b" " * rng.randrange(1, 4)
        else:
            words.append(b"")
        return words, data

    def unit(self):
        roll = self.rng.random()
        data = b""
        if roll < 0.35:
            words, data = self.storage()
        elif roll < 0.7:
            words = self.read()
        else:
            words = self.small()
        if self.rng.random() < 0.2:
            words, data = self.spoiled(words, data)
        line_end = b"\n" if self.rng.random() < 0.05 else b"\r\n"
        unit = b" ".join(words) + line_end + data
        if self.rng.random() < 0.01:
            unit = bytes(self.rng.getrandbits(8) for _ in range(self.rng.randrange(30))) + b"\r\n"
            unit = b"~" + unit if unit[0] == 0x80 else unit
        return self.bounded(unit)

    def bounded(self, unit):
        """Without announcements that would swallow the rest of the run; ends in a line end."""
        parts = split_units(unit)
        for part in parts:
            if SHORT_LIVED.match(part):
                return b"version\r\n"
            owed = owed_bytes(part)
            counted = any(word in NUMBER_KEYS for word in part.split()[1:2])
            if owed is not None and owed > (4 if counted else 1500):
                return b"version\r\n"
        parts[-1] = completed(parts[-1])
        return b"".join(parts)
