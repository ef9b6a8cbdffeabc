"""Packets of the binary protocol made up from a seed: mostly right, some slightly wrong.

Three things are left to the transcripts because memcached cannot be followed after them: an unknown
command with a body (it passes over the body twice), a key longer than the body (it waits for the
key), and a body between the largest item and 1 GiB.
"""

import struct

import streams
from streams import NUMBER_KEYS
from wires import CAS_MARK, HEADER, NOOP, packet, packet_bytes

GETS = (0x00, 0x09, 0x0c, 0x0d)
TOUCHES = (0x1c, 0x1d, 0x1e, 0x23, 0x24)
SETS = (0x01, 0x11, 0x01, 0x02, 0x12, 0x03, 0x13)
APPENDS = (0x0e, 0x19, 0x0f, 0x1a)
COUNTS = (0x05, 0x15, 0x06, 0x16)
DELETES = (0x04, 0x14)
KNOWN = set(GETS + TOUCHES + SETS + APPENDS + COUNTS + DELETES)
EXTRAS = {0x01: 8, 0x02: 8, 0x03: 8, 0x05: 20, 0x06: 20}
BODY_MAX = 1500
BODY_ABSURD = 1 << 30


class BinaryGenerator(streams.Generator):
    """Makes packets; a key is at most 250 bytes unless something is spoiled.

    Without uniques (-C) memcached forgets the condition of a packet that has one, so none does."""

    def __init__(self, rng, huge=True, uniques=True):
        super().__init__(rng, huge, uniques)
        # 1.6.18 waits for such a body
        self.absurd = (BODY_ABSURD + 1, 2**32 - 1, 2**31) if huge else ()

    def cas(self):
        roll = self.rng.random()
        if roll < 0.75 or not self.uniques:
            return 0
        if roll < 0.92:
            return None  # the last one seen
        return self.rng.choice((1, 5, 2**63, 2**64 - 1))

    def seconds(self):
        return self.rng.choice((0, 0, 0, 1000, 2592000, 2592001, 0xffffffff))

    def finished(self, opcode, key=b"", extras=b"", value=b""):
        cas = self.cas()
        made = packet(opcode, key, extras, value, self.rng.getrandbits(31), cas or 0)
        return made[:16] + CAS_MARK + made[24:] if cas is None else made

    def short_key(self):
        key = self.key()
        return key if len(key) <= 250 else b"k0"

    def plain_value(self):
        value = self.value()
        return value if len(value) < BODY_MAX else value[:BODY_MAX]

    def storing(self):
        flags = self.rng.choice((0, 0, 5, 0xdeadbeef))
        return self.finished(self.rng.choice(SETS), self.short_key(),
                             struct.pack(">II", flags, self.seconds()), self.value())

    def appending(self):
        key = self.short_key()
        if key in NUMBER_KEYS:
            key = b"k1"
        return self.finished(self.rng.choice(APPENDS), key, b"", self.plain_value())

    def counting(self):
        key = self.rng.choice(NUMBER_KEYS)
        delta = self.rng.choice((0, 1, 5, 91, self.largest))
        first = self.rng.choice((0, 10, 99, self.largest))
        seconds = self.rng.choice((0, 0, 1000, 0xffffffff))
        return self.finished(self.rng.choice(COUNTS), key,
                             struct.pack(">QQI", delta, first, seconds))

    def small(self):
        rng = self.rng
        roll = rng.random()
        if roll < 0.55:
            return self.finished(rng.choice(DELETES), self.short_key())
        if roll < 0.97:
            return self.finished(rng.choice((NOOP, NOOP, 0x0b, 0x20, 0x1b, 0x1f, 0x30, 0x3c, 0xff)))
        if roll < 0.985:
            return self.finished(0x10, rng.choice((b"nothing", b"reset")))
        return self.finished(rng.choice((0x07, 0x17)))

    def spoiled(self, made):
        """One small mistake in the header."""
        rng = self.rng
        fields = list(HEADER.unpack_from(made))
        kind = rng.randrange(8)
        if kind == 0:
            fields[1] = rng.choice(GETS + TOUCHES + SETS + COUNTS + DELETES)
        elif kind == 1:
            fields[2] = rng.choice((0, 1, fields[2] + 1, max(0, fields[2] - 1), 250, 251, 65535))
        elif kind == 2:
            fields[3] = rng.choice((0, 4, 8, 20, 255, fields[3] ^ 1))
        elif kind == 3:
            fields[6] = rng.choice((0, fields[6] + 1, max(0, fields[6] - 1), fields[6] + 30) +
                                   self.absurd)
        elif kind == 4:
            fields[4] = rng.randrange(256)
        elif kind == 5:
            fields[5] = rng.randrange(65536)
        elif kind == 6 and rng.random() < 0.3:
            fields[0] = rng.choice((0x81, 0, 0x67))
        elif self.uniques:
            fields[8] = rng.getrandbits(64)
        return HEADER.pack(*fields) + made[24:]

    def bounded(self, made):
        """Without a body that the server would wait for longer than the stream is."""
        if made[0] != 0x80:
            return made
        body = packet_bytes(made) - 24
        if body > BODY_ABSURD:
            return made
        if made[4] + struct.unpack_from(">H", made, 2)[0] > body:
            return packet(NOOP)
        missing = 24 + body - len(made)
        if missing < 0:
            return made[:24 + body]
        return made + b"\0" * missing if missing <= BODY_MAX else packet(NOOP)

    def unit(self):
        roll = self.rng.random()
        if roll < 0.3:
            made = self.storing()
        elif roll < 0.55:
            made = self.finished(self.rng.choice(GETS), self.short_key())
        elif roll < 0.65:
            made = self.finished(self.rng.choice(TOUCHES), self.short_key(),
                                 struct.pack(">I", self.seconds()))
        elif roll < 0.75:
            made = self.appending()
        elif roll < 0.9:
            made = self.counting()
        else:
            made = self.small()
        if made[1] in KNOWN and self.rng.random() < 0.1:
            made = self.spoiled(made)
        return self.bounded(made)
