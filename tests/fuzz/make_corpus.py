#!/usr/bin/env python3
"""Writes the seeds of fuzz_ascii, fuzz_meta and fuzz_binary from the transcripts: one file a case,
options and cuts in turn.

Usage: tests/fuzz/make_corpus.py [DIRECTORY] (tests/fuzz/corpus). Seeds are in the repository; run
this when transcripts were added."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
import transcript_format  # noqa: E402

SEED_BYTES_MAX = 1500
PORTIONS = (0, 1, 7, 64)


def seed(case, number):
    """The bytes of a case: options, portion, then every send with the mark of its connection."""
    stream = bytearray([number % 8, PORTIONS[number % len(PORTIONS)]])
    for step in case.steps:
        if step.verb != "send":
            continue
        conn = int(str(step.conn).lstrip("c") or 1) - 1
        stream += b"\xff" + bytes([conn % 3])
        captures = {}
        for line in step.lines:
            for kind, value in line:
                if kind == transcript_format.LITERAL:
                    stream += value
                else:
                    stream += b"%d" % captures.setdefault(value, 1)
    return bytes(stream)


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")
    transcripts = os.path.join(HERE, "..", "transcripts")
    number = 0
    for name in sorted(os.listdir(transcripts)):
        if not name.endswith(".txt"):
            continue
        target = name[:-4] if name[:-4] in ("meta", "binary") else "ascii"
        os.makedirs(os.path.join(out, target), exist_ok=True)
        cases = transcript_format.read_cases(os.path.join(transcripts, name))
        for index, case in enumerate(cases):
            data = seed(case, number)
            number += 1
            if 10 < len(data) <= SEED_BYTES_MAX:
                with open(os.path.join(out, target, "%s-%02d" % (name[:-4], index)), "wb") as seeds:
                    seeds.write(data)


if __name__ == "__main__":
    main()
