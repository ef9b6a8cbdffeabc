"""How the replies of a differential stream are framed and made comparable, a class a protocol.

A wire knows its marker (a request whose reply ends what came before), cuts a reply there, and
normalises it: CAS uniques become `#N` in order of first appearance, the version `VERSION`. Times
to live are multiples of 1000 seconds in every stream, so a remaining time is rounded up to one and
the second in which a server looked does not show; nor does the time since the last access.
"""

import re
import struct

import streams

CLOSED = b"<closed>"
TTL_STEP_S = 1000
TTL_MAX_S = 2**31
EXPLICIT_CAS = {b"0", b"5", b"77", b"18446744073709551615"}
CAS = re.compile(rb"^(VALUE [^ ]+ \d+ \d+) (\d+)$")
META_HEADS = {b"VA": 2, b"HD": 1, b"EN": 1, b"NF": 1, b"NS": 1, b"EX": 1}


STORE = re.compile(rb" *ms ")
PLAIN_STORE = re.compile(rb"ms [^ \n]{1,250} \d{1,9}(?: (?:[bkqsc]|O[^ \n]{0,31}|[TN]-?\d{1,9}|"
                         rb"F\d{1,9}|M[EAPRS]))*\r\n.*", re.S)
FETCHED = re.compile(rb" *(?:me |mg [^\n]* h)")


class Names:
    """CAS uniques of one server, named in order of first appearance."""

    def __init__(self):
        self.last = b"1"
        self.known = {}

    def name(self, unique):
        self.last = unique
        return self.known.setdefault(unique, b"#%d" % len(self.known))

    def clear(self):
        self.known.clear()


def without_padding(data):
    """A number without the spaces that a longer one left behind; its line end stays."""
    bare = data[:-2].rstrip(b" ")
    return bare + b"\r\n" if bare.isdigit() else data


class TextWire:
    """Classic and meta commands: lines, and values of an announced length."""

    MARKER = b"version\r\nincr marker x\r\nincr marker x\r\nversion\r\n"
    MARKED = re.compile(rb"(?:VERSION [^\n]*|ERROR\r)\n"
                        rb"(?:CLIENT_ERROR invalid numeric delta argument\r\n){2}"
                        rb"VERSION [^\n]*\n$")
    HELLO = b""

    @staticmethod
    def split(data):
        return streams.split_units(data)

    @staticmethod
    def completed(unit):
        return streams.completed(unit)

    @staticmethod
    def with_cas(data, unique):
        return data.replace(b"@CAS@", unique)

    @staticmethod
    def must_be_alone(unit):
        """Whether the replies of a unit depend on what it is pipelined with."""
        # Whether memcached rewrites a number where it stands, and so keeps it fetched, depends on
        # who else holds the item.
        fetched = FETCHED.match(unit) and any(b" " + key in unit for key in streams.NUMBER_KEYS)
        store = STORE.match(unit) and not PLAIN_STORE.fullmatch(unit)
        return (fetched or store or b"@CAS@" in unit or b"quit" in unit or b"HTTP" in unit or
                any(len(part) > 1000 + streams.data_size(part)
                    for part in streams.split_units(unit)))

    @staticmethod
    def leaves_traces(unit, reply):
        """Whether memcached gives the next item that the connection stores a unique of old."""
        return STORE.match(unit) and reply.startswith(b"CLIENT_ERROR")

    @staticmethod
    def emptying(sent):
        """Units that remove every key of the streams, and what mistakes made a key of."""
        words = set(streams.KEYS + streams.ODD_KEYS)
        for data in sent:
            for unit in streams.split_units(data):
                line = unit.split(b"\n", 1)[0].rstrip(b"\r")
                words.update(word for word in line.split(b" ") if 0 < len(word) <= 250)
        return [b"delete %s noreply\r\n" % word for word in sorted(words)] + \
               [b"md %s b q\r\n" % key for key in streams.BASE64_KEYS]

    def end(self, buffer):
        """Where the marker's reply begins; None: it has not come."""
        found = self.MARKED.search(buffer)
        return found.start() if found else None

    def _flag(self, flag, names):
        letter, token = flag[:1], flag[1:]
        if letter == b"c" and token.isdigit():
            name = names.name(token)
            return flag if token in EXPLICIT_CAS else b"c" + name
        if letter == b"t" and token.isdigit():
            if int(token) > TTL_MAX_S:  # memcached's below zero, larder's t0
                return b"t0"
            return b"t%d" % (-(-int(token) // TTL_STEP_S) * TTL_STEP_S)
        return b"l" if letter == b"l" else flag

    def _debug_word(self, word, names):
        """A word of `me`; what memory looks like is each server's own."""
        name, _, value = word.partition(b"=")
        if name == b"cas":
            return b"cas=" + self._flag(b"c" + value, names)
        if name == b"exp" and value.isdigit():
            return b"exp=" + self._flag(b"t" + value, names)
        return name if name in (b"la", b"cls", b"size") else word

    def _line(self, line, names):
        found = CAS.match(line)
        words = line.split(b" ")
        if found:
            return found.group(1) + b" " + names.name(found.group(2))
        if words[0] in META_HEADS:
            skip = META_HEADS[words[0]]
            return b" ".join(words[:skip] + [self._flag(word, names) for word in words[skip:]])
        if words[0] == b"ME":
            return b" ".join(words[:2] + [self._debug_word(word, names) for word in words[2:]])
        return b"VERSION" if line.startswith(b"VERSION ") else line

    @staticmethod
    def _value(line):
        """The word of a line that says how much data follows; None: none does."""
        words = line.split(b" ")
        at = {b"VALUE": 3, b"VA": 1}.get(words[0])
        return at if at and at < len(words) and words[at].isdigit() else None

    def normal(self, raw, names):
        out = bytearray()
        at = 0
        while at < len(raw):
            end = raw.find(b"\r\n", at) + 2
            if end < 2:
                break
            line = raw[at:end - 2]
            at = end
            data = b""
            where = self._value(line)
            if where:
                words = line.split(b" ")
                size = int(words[where]) + 2
                data = without_padding(raw[at:at + size])
                at += size
                words[where] = b"%d" % (len(data) - 2)
                line = b" ".join(words)
            out += self._line(line, names) + b"\r\n" + data
        return bytes(out + raw[at:])


HEADER = struct.Struct(">BBHBBHIIQ")
MARK = 0xfeedface
CAS_MARK = b"@-CAS--@"
QUIT, NOOP, VERSION, QUITQ = 0x07, 0x0a, 0x0b, 0x17


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0):
    body = extras + key + value
    return HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque, cas) + body


def packet_bytes(data, at=0):
    """How long the packet is that starts there."""
    return 24 + struct.unpack_from(">I", data, at + 8)[0]


class BinaryWire:
    """Packets; a noop with an opaque of its own is the marker."""

    MARKER = packet(NOOP, opaque=MARK)
    HELLO = MARKER  # so that the first packet of a stream cannot choose another protocol

    @staticmethod
    def split(data):
        units = []
        at = 0
        while at < len(data):
            whole = len(data) - at >= 24 and data[at] == 0x80
            stop = at + packet_bytes(data, at) if whole else len(data)
            units.append(data[at:stop])
            at = stop
        return units

    @staticmethod
    def completed(unit):
        if len(unit) < 24 or unit[0] != 0x80:
            return unit
        missing = packet_bytes(unit) - len(unit)
        return unit + b"\0" * missing if missing < 2000 else unit  # an absurd body closes at once

    @staticmethod
    def with_cas(data, unique):
        return data.replace(CAS_MARK, struct.pack(">Q", int(unique)))

    @staticmethod
    def must_be_alone(unit):
        return CAS_MARK in unit or unit[1:2] in (b"\x07", b"\x17")

    @staticmethod
    def leaves_traces(unit, reply):
        return False

    def emptying(self, sent):
        keys = set(streams.KEYS + streams.ODD_KEYS)
        for data in sent:
            for unit in self.split(data):
                if len(unit) > 24:
                    fields = HEADER.unpack_from(unit)
                    keys.add(unit[24 + fields[3]:24 + fields[3] + fields[2]])
        return [packet(0x14, key) for key in sorted(keys) if 0 < len(key) <= 250]

    def end(self, buffer):
        at = 0
        while len(buffer) - at >= 24:
            if struct.unpack_from(">I", buffer, at + 12)[0] == MARK:
                return at
            at += packet_bytes(buffer, at)
        return None

    def normal(self, raw, names):
        closed = raw.endswith(CLOSED)
        raw = raw[:-len(CLOSED)] if closed else raw
        out = bytearray()
        at = 0
        while len(raw) - at >= 24 and raw[at] == 0x81 and len(raw) - at >= packet_bytes(raw, at):
            fields = HEADER.unpack_from(raw, at)
            body = raw[at + 24:at + packet_bytes(raw, at)]
            at += packet_bytes(raw, at)
            if fields[1] == VERSION and fields[5] == 0:
                body = b"VERSION"
            extras, key = body[:fields[3]], body[fields[3]:fields[3] + fields[2]]
            value = without_padding(body[fields[3] + fields[2]:] + b"\r\n")
            name = names.name(b"%d" % fields[8]) if fields[8] else b"0"
            out += b"%02x status %02x extras %s opaque %x cas %s: %s %s" % (
                fields[1], fields[5], extras.hex().encode(), fields[7], name, key, value)
        return bytes(out + (CLOSED if closed else raw[at:]))  # half a packet is none
