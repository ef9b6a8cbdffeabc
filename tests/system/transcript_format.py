"""Reads transcripts (tests/transcripts/README.md describes the format) and matches replies."""



class FormatError(Exception):
    """A transcript that breaks the format; the text names file and line."""


# Kinds of item a line is made of.
LITERAL, NUMBER, CAPTURE, VALUE, REST, NOW, SKIP, ANY = range(8)

MISMATCH = -1
MORE = -2


class Step:
    """One action of a case: what is done, on which connection, from which line of the file."""

    def __init__(self, verb, conn, line_number):
        self.verb = verb            # send expect close eof hangup sleep
        self.conn = conn
        self.line_number = line_number
        self.lines = []             # send, expect: lists of items
        self.peer_lines = None      # expect: memcached's reply where it differs
        self.seconds = 0.0          # sleep


class Case:
    """A named sequence of steps that starts with no connection open."""

    def __init__(self, path, name):
        self.path = path
        self.name = name
        self.options = []
        self.fresh = False
        self.no_cut = None
        self.differs = None
        self.steps = []


def _parse_brace(text, where):
    """The item that a {...} stands for."""
    if text.startswith('"'):
        end = text.rfind('"')
        tail = text[end + 1:]
        if end == 0 or (tail and not tail.startswith("*")):
            raise FormatError("%s: bad repetition {%s}" % (where, text))
        body = text[1:end].replace('\\"', '"')
        times = int(tail[1:]) if tail else 1
        return LITERAL, _repeat(body, times, where)
    if text == "num":
        return NUMBER, None
    if text == "rest":
        return REST, None
    if text.startswith("any*"):
        return ANY, int(text[4:])
    if text.startswith("num:"):
        return CAPTURE, text[4:]
    if text.startswith("="):
        return VALUE, text[1:]
    if text.startswith("now"):
        return NOW, int(text[3:] or "0")
    raise FormatError("%s: unknown item {%s}" % (where, text))


def _repeat(body, times, where):
    parts = [unescape(part, where) for part in body.split("\\#")]
    if len(parts) == 1:
        return parts[0] * times
    return b"".join((b"%d" % number).join(parts) for number in range(times))


def unescape(text, where):
    """Backslash escapes of one literal, as bytes."""
    out = bytearray()
    at = 0
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", "{": b"{", "s": b" "}
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode("utf-8")
            at += 1
        elif text[at + 1:at + 2] == "x":
            out.append(int(text[at + 2:at + 4], 16))
            at += 4
        elif text[at + 1:at + 2] in simple:
            out += simple[text[at + 1]]
            at += 2
        else:
            raise FormatError("%s: unknown escape in %r" % (where, text))
    return bytes(out)


def parse_line(text, where):
    """The items of one line, its end included unless it says `\\c`."""
    items = []
    literal = ""
    at = 0
    line_end = b"\r\n"
    while at < len(text):
        if text.startswith("\\c", at) and at + 2 == len(text):
            line_end = b""
            at += 2
        elif text[at] == "\\":
            literal += text[at:at + 2]
            at += 2
        elif text[at] == "{":
            end = text.find("}", at)
            if end < 0:
                raise FormatError("%s: { without }" % where)
            if literal:
                items.append((LITERAL, unescape(literal, where)))
                literal = ""
            items.append(_parse_brace(text[at + 1:end], where))
            at = end + 1
        else:
            literal += text[at]
            at += 1
    tail = unescape(literal, where) + line_end
    if tail:
        items.append((LITERAL, tail))
    return items


class _Reader:
    """Parser state: the case being read and the step that further lines join."""

    def __init__(self, path):
        self.path = path
        self.cases = []
        self.case = None
        self.options = []
        self.where = path

    def fail(self, why):
        raise FormatError("%s: %s" % (self.where, why))

    def step(self, verb, conn, number, join):
        steps = self.case.steps if self.case else self.fail("a line before the first @case")
        last = steps[-1] if steps else None
        if join and last and last.verb == verb and last.conn == conn:
            return last
        steps.append(Step(verb, conn, number))
        return steps[-1]

    def directive(self, text, number):
        word, _, rest = text[1:].partition(" ")
        rest = rest.strip()
        if word == "case":
            self.case = Case(self.path, rest)
            self.case.options = list(self.options)
            self.cases.append(self.case)
        elif word == "options":
            if self.case and self.case.steps:
                self.fail("@options after the first step")
            if self.case:
                self.case.options = rest.split()
            else:
                self.options = rest.split()
        elif word == "fresh":
            self.case.fresh = True
        elif word == "nocut":
            self.case.no_cut = rest or "as written"
        elif word == "differs":
            self.case.differs = rest or "as written"
        elif word in ("close", "eof", "hangup"):
            self.step(word, rest or "c1", number, False)
        elif word == "sleep":
            self.step("sleep", "", number, False).seconds = float(rest)
        else:
            self.fail("unknown directive @" + word)

    def line(self, text, number):
        self.where = "%s:%d" % (self.path, number)
        if not text or text[0] == "#":
            return
        if text[0] == "@":
            self.directive(text, number)
            return
        conn = "c1"
        if text[0] == "c" and text[1:2].isdigit():
            conn, text = text[:2], text[2:]
        mark, body = text[0], text[1:]
        if body.startswith(" "):
            body = body[1:]
        if mark == ">":
            self.step("send", conn, number, True).lines.append(parse_line(body, self.where))
        elif mark in "<~":
            step = self.step("expect", conn, number, True)
            if step.peer_lines is not None:
                step = self.step("expect", conn, number, False)
            step.lines.append(([(SKIP, None)] if mark == "~" else []) +
                              parse_line(body, self.where))
        elif mark == "!":
            step = self.step("expect", conn, number, True)
            step.peer_lines = step.peer_lines or []
            if body != "-":
                step.peer_lines.append(parse_line(body, self.where))
        else:
            self.fail("unknown mark %r" % mark)


def read_cases(path):
    """All cases of one file, in order."""
    reader = _Reader(path)
    with open(path, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            reader.line(line.rstrip("\n"), number)
    return reader.cases


def render(lines, captures, now):
    """The bytes that the lines of a send stand for; now: the server's unix time."""
    out = bytearray()
    for items in lines:
        for kind, value in items:
            if kind == LITERAL:
                out += value
            elif kind == VALUE:
                out += captures.get(value, b"0")
            elif kind == NOW:
                out += b"%d" % (now + value)
            else:
                raise FormatError("a pattern cannot be sent")
    return bytes(out)


def _match_digits(buffer, at):
    end = at
    while end < len(buffer) and 0x30 <= buffer[end] <= 0x39:
        end += 1
    if end == len(buffer):
        return MORE
    return end if end > at else MISMATCH


def _match_item(item, buffer, at, captures):
    kind, value = item
    if kind in (NUMBER, CAPTURE):
        end = _match_digits(buffer, at)
        if end > 0 and kind == CAPTURE:
            captures[value] = bytes(buffer[at:end])
        return end
    if kind == ANY:
        return at + value if len(buffer) >= at + value else MORE
    if kind == REST:
        end = buffer.find(b"\n", at)
        if end < 0:
            return MORE
        return end - 1 if end > at and buffer[end - 1] == 0x0D else end
    text = captures.get(value, b"") if kind == VALUE else value
    have = buffer[at:at + len(text)]
    if have == text:
        return at + len(text)
    return MORE if text.startswith(bytes(have)) else MISMATCH


def match_line(items, buffer, captures):
    """Where the line ends in the buffer, or MORE, or MISMATCH."""
    if items[0][0] == SKIP:
        return _match_skipping(items[1:], buffer, captures)
    return _match_from(0, items, buffer, captures)


def _match_skipping(items, buffer, captures):
    """As match_line, but whole lines that do not match are passed over."""
    at = 0
    while True:
        end = _match_from(at, items, buffer, captures)
        if end != MISMATCH:
            return end
        at = buffer.find(b"\n", at) + 1
        if at == 0:
            return MORE


def _match_from(at, items, buffer, captures):
    for item in items:
        at = _match_item(item, buffer, at, captures)
        if at < 0:
            return at
    return at


def show_line(items, captures):
    """One expected line for a report."""
    out = ""
    for kind, value in items:
        if kind == LITERAL:
            out += show_bytes(value)
        elif kind == VALUE:
            out += show_bytes(captures.get(value, b"?"))
        else:
            out += {SKIP: "~ ", NUMBER: "{num}", CAPTURE: "{num:%s}" % value, REST: "{rest}",
                    ANY: "{any*%s}" % value}[kind]
    return out


def show_bytes(data, limit=160):
    data = bytes(data)
    tail = "" if len(data) <= limit else " ... (%d bytes)" % len(data)
    return repr(data[:limit])[2:-1] + tail
