"""Every difference between servers that the differential test knows: the one table.

A row is an input (a regular expression over one unit), what each server answers (regular
expressions over the normalised replies of that unit; None: anything) and the reason. Columns:
memcached 1.6.18, memcached 1.6.45, larder. Normalised: CAS uniques are `#N` in order of first
appearance, the version is `VERSION`, `<closed>` stands for the end of the connection.
"""

import re

SERVERS = ("1.6.18", "1.6.45", "larder")

BAD = rb"CLIENT_ERROR bad command line format\r\n"
BAD_OR_NOTHING = rb"(?:CLIENT_ERROR bad command line format\r\n)?"
ANY = rb".*"
WORD = rb"(?>(?:[^ \n\r]|\r(?!\n))+)"
MORE = rb"(?> +" + WORD + rb")"
END = rb" *\r?\n"
USAGE = rb"CLIENT_ERROR bad command line format.  Usage: delete <key> \[noreply\]\r\n"
DELTA = rb"(?:CLIENT_ERROR invalid numeric delta argument\r\n|)"
TOO_LONG = rb"CLIENT_ERROR opaque token too long\r\n"
BAD_PACKET = rb".*Invalid arguments\r\n<closed>"
BAD_PACKET_OR_HANGS_UP = rb".*<closed>"
VERBS = rb"(?:get|gets|gat|gats|set|add|replace|append|prepend|cas|incr|decr|touch|delete|" \
        rb"flush_all|verbosity|cache_memlimit|version|shutdown|stats)"
STORAGE = rb" *(?:set|add|replace|append|prepend|cas)"


class Row:
    def __init__(self, when, replies, reason):
        self.when = re.compile(when, re.S)
        self.replies = [reply if reply is None else re.compile(reply, re.S) for reply in replies]
        self.reason = reason
        self.seen = 0

    def differs(self, one, two):
        """Whether this row separates the two servers at all."""
        first, second = self.replies[one], self.replies[two]
        return first is None or second is None or first.pattern != second.pattern

    def explains(self, one, two, replies):
        return all(pattern is None or pattern.fullmatch(reply) for pattern, reply in
                   ((self.replies[one], replies[0]), (self.replies[two], replies[1])))


TABLE = [
    Row(rb" *(?:gets?|delete|verbosity)" + END +
        rb"| *(?:gats?|incr|decr|touch)" + MORE + rb"?" + END +
        rb"|" + STORAGE + MORE + rb"{0,3}" + END, (ANY, BAD, BAD),
        "too few words are a format error (section 20)"),
    Row(rb"(?:(?:incr|decr)" + MORE + rb"{3,}|touch" + MORE + rb"{3,}|flush_all" + MORE + rb"{2,}|"
        rb"(?:version|verbosity|cache_memlimit)" + MORE + rb"{2,})" + END, (ANY, None, None),
        "1.6.18 counts the words of a command and refuses more"),
    Row(rb"verbosity +(?!\d{1,9}" + END + rb")[^\n]*\n", (None, ANY, ANY),
        "1.6.18 takes a sign and numbers above 32 bits"),
    Row(rb"(?:set|add|replace|append|prepend)" + MORE + rb"{6,}" + END + rb".*|cas" + MORE +
        rb"{7,}" + END + rb".*", (None, ANY, ANY),
        "1.6.18 refuses further words of a storage command and reads the value as commands"),
    Row(rb"(?!" + VERBS + rb" )[^\n]*noreply" + END + rb".*", (rb"ERROR.*", ANY, ANY),
        "noreply silences unknown commands too"),
    Row(rb"(?:incr|decr) +" + WORD + rb" +[+-][^\n]*\n", (None, DELTA, DELTA),
        "a delta takes no sign"),
    Row(rb"(?:gats?|touch" + MORE + rb"|flush_all) +(?!-?\d{1,9}(?:" + END + rb"| ))[^\n]*\n",
        (None, ANY, ANY), "1.6.18 takes times with a sign or above 32 bits"),
    Row(rb"delete +[^ \n]{251,} [^\n]*\n", (USAGE, None, BAD + rb"|" + USAGE),
        "1.6.18 looks at the words before the length of the key"),
    Row(rb"cache_memlimit +(?:[+-]|\d{10,})[^\n]*\n", (None, None, None),
        "numbers with a sign or above 32 bits"),
    Row(rb"delete +noreply" + END, (rb"DELETED\r\n|NOT_FOUND\r\n", rb"", None),
        "1.6.45 takes the key noreply for the mark as well"),
    Row(rb"HTTP/[^ \n]*\n", (rb"<closed>", rb"ERROR\r\n", rb"ERROR\r\n"),
        "1.6.18 hangs up on HTTP/ as the only word"),
    Row(rb"[^\n]* [+-]?\d+[\t\r\v\f]+[^\n ]*[ \n].*|[^\n]* [\t\r\v\f][^\n]*\n.*",
        (None, ANY, ANY),
        "1.6.18 takes white space around a number"),
    Row(STORAGE + MORE + rb"{2} +\d+ +[+-][^\n]*\n.*", (None, ANY, ANY),
        "a byte count takes no sign"),
    Row(STORAGE + MORE + rb"{3}(?! +\d{1,9}(?:" + END + rb"| ))[^\n]*\n.*",
        (None, ANY, ANY), "1.6.18 takes byte counts above 32 bits, and is silent with noreply"),
    Row(STORAGE + rb" +" + WORD + rb"(?! +\d{1,19} +-?\d{1,18} +\d+(?:" + END + rb"| ))[^\n]*\n.*",
        (None, BAD_OR_NOTHING + ANY, BAD_OR_NOTHING + ANY),
        "1.6.18 does not swallow the value after bad flags or times (section 20)"),
    Row(rb"cas" + MORE + rb"{4}(?! +\d{1,19}(?:" + END + rb"| ))[^\n]*\n.*",
        (None, BAD_OR_NOTHING, BAD_OR_NOTHING),
        "1.6.18 does not swallow the value after a bad unique (section 20)"),
    Row(rb"[^\n]{0,2}\n", (rb"ERROR\r\n", BAD, BAD),
        "a line shorter than four bytes is a format error (section 20)"),
    Row(rb" +[^\n]*\n.*", (ANY, rb"(?:(?:ERROR|CLIENT_ERROR).*)?", ANY),
        "1.6.45 refuses leading spaces; larder takes them as 1.6.18 does (section 20)"),
    Row(rb" *delete" + MORE + rb"{2,}" + END,
        (USAGE, rb"(?:DELETED\r\n|NOT_FOUND\r\n|" + BAD + rb"|)", USAGE),
        "1.6.45 ignores further words of delete (section 20)"),
    Row(rb"shutdown" + MORE + rb"*" + END,
        (rb"ERROR: shutdown not enabled\r\n", rb"(?:SERVER_ERROR: shutdown not enabled\r\n)?",
         rb"(?:SERVER_ERROR: shutdown not enabled\r\n)?"),
        "1.6.18 says ERROR: shutdown not enabled (section 20)"),
    Row(rb"stats" + MORE + rb"*" + END, (None, None, None), "values of statistics differ"),
    Row(rb"slabs +automove +freeratio" + MORE + rb"*" + END, (ANY, None, None),
        "1.6.18 knows no freeratio (section 20)"),
    Row(rb"lru_crawler +crawl" + MORE + rb"*" + END,
        (rb"BUSY[^\n]*\r\n", rb"BUSY[^\n]*\r\n", rb"OK\r\n"),
        "memcached is busy while its crawler is at work; larder never is"),
    Row(rb"lru_crawler +(?:metadump|mgdump)" + MORE + rb"*" + END, (None, None, None),
        "a dump comes in the order of the hashes, classes are numbered otherwise; 1.6.18 begins "
        "it without OK and knows no mgdump (section 20)"),
    Row(rb"[^\n]*\0[^\n]*\n.*", (None, ANY, ANY), "1.6.18 ends a line at a zero byte"),
    Row(rb" *(?:incr|decr|ma) +[-+0-9x][^\n]*\n", (None, None, ANY),
        "larder takes no value of more than 255 bytes for a number; other keys are never as long"),
    Row(rb" *g(?:e|a)ts?" + MORE + rb"* +[^ \n]{251,}[^\n]*\n", (BAD, ANY, rb"(?:" + BAD + rb")"),
        "memcached drops earlier replies of the same read; 1.6.45 adds an empty line (section 18)"),
    Row(STORAGE + rb" +[^ \n]{251,} [^\n]*\n.*", (None, BAD_OR_NOTHING, BAD_OR_NOTHING),
        "1.6.18 does not swallow the value of an over-long key (section 20)"),
]

# Meta commands that 1.6.18 answers as the others do: flags that it knows, each once.
KEY = rb" +[^ \n]{1,250}"


def old_flags(name, pattern):
    """Flags of the pattern or opaques, none twice (`name` is the group that finds the second)."""
    return rb"(?: +(?!(?P<%s>[A-Za-z])[^ \n]*(?: [^\n]*)? +(?P=%s))(?:O[^ \n]{0,31}|%s))*" % (
        name, name, pattern) + END


OLD_META = rb" *(?:" + rb"|".join((
    rb"mg" + KEY + old_flags(b"get", rb"[bcfhklqstuv]|[TNR]-?\d{1,9}"),
    rb"ms" + KEY + rb" +\d{1,9}" +
    old_flags(b"set", rb"[bckqI]|T-?\d{1,9}|F\d{1,9}|C\d{1,19}|M[EAPRS]") + rb".*",
    rb"md" + KEY + old_flags(b"delete", rb"[kqI]|T-?\d{1,9}|C\d{1,19}"),
    rb"ma" + KEY + old_flags(b"count", rb"[cktv]|[NT]-?\d{1,9}|[DJ]\d{1,19}|M[ID+-]|C\d{1,19}"),
    rb"mn" + END)) + rb")"

META_TABLE = [
    Row(rb"(?!" + OLD_META + rb"$) *m[gsdaen].*", (None, ANY, rb"(?:.*)"),
        "1.6.18 knows no E, no C of mg, no s and N of ms, no x of md, answers ma q when it "
        "creates, has other words for what is wrong with flags and another me (section 20)"),
    Row(rb" *ma [^\n]* [ET][^\n]*\n", (None, None, ANY),
        "memcached loses the E and the T of ma when the number grows"),
    Row(rb" *m[gsda] (?=[^\n]* b)[^\n]* k[^\n]*\n.*", (None, None, ANY),
        "memcached forgets that a key is binary when mg N, ma N or md x made the item or it grew"),
    Row(rb" *m[ga] [^\n]* O[^ \n]{32,}[^\n]*\n", (None, None, TOO_LONG),
        "memcached does what it was told before it finds an opaque too long"),
    Row(rb" *me +" + WORD + rb" +b" + END, (None, None, None), "memcached overlooks b"),
    Row(rb" *me +" + WORD + rb" +[^\n]*\n", (None, BAD, ANY),
        "memcached looks at the first letters of the words behind the key of me"),
]

BINARY_TABLE = [
    Row(rb"\x80[\x10\x1c\x1d\x1e\x23\x24].*", (None, BAD_PACKET_OR_HANGS_UP, BAD_PACKET),
        "memcached reads bytes behind the key of stat, touch, gat as the next packet"),
]
