"""Command streams of the meta protocol made up from a seed, with classic commands between them.

Keys come in three sorts that are never mixed up, because memcached's items remember more than
larder's: number keys are counted, never appended to, never made stale and never won before their
end (memcached loses these marks when a number grows); base64 keys are always sent with `b`. Times
to live are multiples of 1000 seconds, and no R lies near one, so that no reply depends on the
second.
"""

import re

import streams
from streams import BASE64_KEYS, NUMBER_KEYS

LAST_CAS = b"@CAS@"
CAS_TOKENS = (b"0", b"5", b"77", b"18446744073709551615")
SHORT_LIVED = re.compile(rb" *m.(?= )[^\n]* [TN]\+?0*[1-9]\d{0,2}(?:\D|$)")
NEAR_THE_END = re.compile(rb" *m.(?= )[^\n]* R\+?0*(?:99\d|1000)(?:\D|$)")
ANY_FLAGS = b"bcfhklqstuvxIOPLCEFDJMNRTSZ!{~\x01\xff"


class MetaGenerator(streams.Generator):
    """Makes units as streams.Generator does; `waiting` holds the rest of what belongs together."""

    def __init__(self, rng, huge=True, uniques=True):
        super().__init__(rng, huge, uniques)
        self.waiting = []

    def some(self, chances):
        """The flags that fall within their chances, in any order."""
        flags = [flag for flag, chance in chances if self.rng.random() < chance]
        self.rng.shuffle(flags)
        return flags

    def ttl(self):
        return self.rng.choice((b"0", b"-1", b"1000", b"50000", b"2592000", b"2592001"))

    def token(self, letter):
        """A flag with a token that it can take."""
        rng = self.rng
        if letter in b"TN":
            return letter + self.ttl()
        if letter == b"R":
            return b"R" + rng.choice((b"0", b"30", b"500", b"1500", b"60000", b"-1"))
        if letter in b"CE":
            return letter + rng.choice(CAS_TOKENS)
        if letter == b"O":
            return b"O" + rng.choice((b"", b"1", b"abc", b"x" * 31, b"x" * 32))
        if letter == b"F":
            return b"F" + rng.choice((b"0", b"5", b"4294967295", b"4294967296", b"x", b""))
        if letter in b"DJ":
            return letter + rng.choice((b"0", b"1", b"7", b"99", b"%d" % self.largest, b"x", b""))
        return letter

    def shared(self, key):
        """Flags that every command takes, and the key."""
        flags = self.some(((b"k", 0.3), (b"O", 0.3), (b"q", 0.15)))
        if key in BASE64_KEYS:
            flags.append(b"b")
        return flags

    def meta_key(self):
        return self.rng.choice(BASE64_KEYS) if self.rng.random() < 0.15 else self.key()

    def line(self, words, flags):
        self.rng.shuffle(flags)
        return words + [self.token(flag) if len(flag) == 1 else flag for flag in flags]

    def get(self):
        key = self.meta_key()
        flags = self.shared(key) + self.some((
            (b"v", 0.6), (b"t", 0.3), (b"f", 0.3), (b"c", 0.3), (b"h", 0.2), (b"l", 0.2),
            (b"u", 0.1), (b"T", 0.15), (b"N", 0.12), (b"C", 0.1), (b"E", 0.05)))
        if key not in NUMBER_KEYS:
            flags += self.some(((b"s", 0.3), (b"R", 0.2)))
        return self.line([b"mg", key], flags), b""

    def store(self):
        key = self.meta_key()
        value = b"%d" % self.rng.randrange(1000) if key in NUMBER_KEYS else self.value()
        flags = self.shared(key) + self.some((
            (b"c", 0.3), (b"s", 0.2), (b"C", 0.25), (b"E", 0.15), (b"F", 0.3), (b"T", 0.4),
            (b"N", 0.1)))
        modes = (b"ME", b"MR", b"MS")
        if key not in NUMBER_KEYS:
            flags += self.some(((b"I", 0.2),))
            modes += (b"MA", b"MP", b"MA", b"MP", b"MX", b"M", b"Ma")
        if self.rng.random() < 0.4:
            mode = self.rng.choice(modes)
            if mode[1:2] in (b"A", b"P") and not self.uniques:
                flags = [flag for flag in flags if flag != b"C"]  # memcached forgets it under -C
            flags.append(mode)
        return self.line([b"ms", key, b"%d" % len(value)], flags), value + b"\r\n"

    def delete(self):
        key = self.meta_key()
        flags = self.shared(key) + self.some(((b"C", 0.25), (b"T", 0.3), (b"E", 0.15)))
        if key not in NUMBER_KEYS:
            flags += self.some(((b"I", 0.5), (b"x", 0.15)))
        return self.line([b"md", key], flags), b""

    def count(self):
        key = self.rng.choice(NUMBER_KEYS)
        flags = self.shared(key) + self.some((
            (b"v", 0.6), (b"c", 0.2), (b"t", 0.3), (b"D", 0.5), (b"N", 0.3), (b"J", 0.3),
            (b"T", 0.2), (b"C", 0.15), (b"E", 0.1)))
        if self.rng.random() < 0.4:
            flags.append(self.rng.choice((b"MI", b"M+", b"MD", b"M-", b"Mi", b"Mincr", b"M",
                                          b"MX")))
        return self.line([b"ma", key], flags), b""

    def plain(self):
        return self.rng.choice(([b"mn"], [b"mn", b"x"], [b"mx", b"k0"], [b"mgg", b"k0"], [b"mg"],
                                [b"me", b"nothing"], [b"me", self.key()])), b""

    def compared(self):
        """Looks an item's unique up, perhaps changes the item, and then uses the unique.

        The item is made when it is not there: which of two keys has the lower unique is each
        server's own."""
        key = self.rng.choice(self.keys)
        units = [b"mg %s c N0\r\n" % key]
        if self.rng.random() < 0.4:
            units.append(b"set %s 0 0 1\r\n7\r\n" % key)
        mark = [b"I"] if key not in NUMBER_KEYS and self.rng.random() < 0.5 else []
        flags = [b"C" + LAST_CAS, b"c"] + mark + self.some(((b"T", 0.3), (b"E", 0.2)))
        words, data = self.rng.choice((([b"ms", key, b"2"], b"42\r\n"), ([b"md", key], b""),
                                       ([b"mg", key, b"v"], b"")))
        if key in NUMBER_KEYS and self.rng.random() < 0.5:
            words = [b"ma", key]
            data = b""
        units.append(self.joined(self.line(words, flags), data))
        units.append(b"mg %s v t f\r\n" % key)
        return units

    def meta_spoiled(self, words, data):
        """One small mistake."""
        rng = self.rng
        words = list(words)
        at = rng.randrange(len(words))
        kind = rng.randrange(10)
        if kind == 0:
            del words[at]
        elif kind == 1:
            words.insert(at, words[at])
        elif kind == 2:
            words[at] = self.number()
            if data and at == 2 and not words[at].isdigit():
                words[at] = b"x"  # memcached takes a sign before a zero
        elif kind == 3:
            letter = bytes([rng.choice(ANY_FLAGS)])
            words.append(letter + rng.choice((b"", b"0", b"x", b"-1", b"1x")))
        elif kind == 4:
            words.append(bytes([rng.randrange(33, 127)]))
        elif kind == 5:
            words[at] += rng.choice((b"x", b"\t", b"\0", b"=", b"0"))
        elif kind == 6 and data:
            data = data[:-2] + rng.choice((b"", b"\n", b"\r", b"x\r\n", b"xy\r\n"))
        elif kind == 7:
            words[at] += b" " * rng.randrange(1, 4)
        elif kind == 8:
            words += [b"P%d" % n for n in range(rng.choice((3, 17, 18, 19, 20, 25)))]
        else:
            words.append(rng.choice((b"b", b"O" + b"y" * 40, b"noreply", b"")))
        return words, data

    @staticmethod
    def joined(words, data):
        return b" ".join(words) + b"\r\n" + data

    def unit(self):
        if self.waiting:
            return self.waiting.pop(0)
        roll = self.rng.random()
        if roll < 0.2:
            return super().unit()
        if roll < 0.27:
            self.waiting = self.compared()
            return self.waiting.pop(0)
        maker = self.rng.choice((self.get, self.get, self.get, self.store, self.store, self.delete,
                                 self.count, self.plain))
        words, data = maker()
        if self.rng.random() < 0.15:
            words, data = self.meta_spoiled(words, data)
        unit = self.joined(words, data)
        if SHORT_LIVED.match(unit) or NEAR_THE_END.match(unit):
            return b"mn\r\n"
        return self.bounded(unit)
