#!/usr/bin/env python3
# larder: the command line of larderctl
"""larderctl as a shell uses it: output, exit codes, messages, help, manual."""

import errno
import os
import pty
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from harness import Tap  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LARDERCTL = os.path.join(os.environ.get("TOP_BUILDDIR") or os.path.join(TOP, "build"), "larderctl")
LIMIT_S = 30
FIVE = "10.0.1.1,10.0.1.2,10.0.1.3,10.0.1.4,10.0.1.5"


def ctl(*arguments, stdin=b"", out=subprocess.PIPE, **env):
    done = subprocess.run([LARDERCTL, *arguments], input=stdin, stdout=out, stderr=subprocess.PIPE,
                          timeout=LIMIT_S, check=False, env=dict(os.environ, **env))
    return done.returncode, done.stdout, done.stderr.decode()


def on_terminal(*arguments, **env):
    """What the program writes to a terminal of 100 columns."""
    master, slave = pty.openpty()
    os.set_inheritable(slave, True)
    subprocess.run(["stty", "cols", "100", "rows", "50"], stdin=slave, check=True)
    environment = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", **env)
    environment = {name: value for name, value in environment.items() if value is not None}
    process = subprocess.Popen([LARDERCTL, *arguments], stdin=slave, stdout=slave, stderr=slave,
                               env=environment)
    os.close(slave)
    text = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # the other end is closed
                raise
            break
        if not data:
            break
        text += data
    os.close(master)
    return process.wait(timeout=LIMIT_S), text


def check_map(tap):
    code, out, err = ctl("map", "--servers", FIVE, "foo", "bar", "a", "0")
    rows = b"".join(b"%s\t%d\t10.0.1.%d:11211\n" % (key, at, at + 1) for key, at in
                    ((b"foo", 2), (b"bar", 4), (b"a", 2), (b"0", 2)))
    tap.check((code, out, err) == (0, rows, ""), "map prints key, index and server",
              (code, out, err))
    other = ctl("map", "--servers", FIVE, "--ring=ketama-weighted",
                stdin=b"foo\nbar\r\n\na\n0")
    tap.check(other == (0, rows, ""),
              "map reads keys from standard input, with either end of line", other)
    code, out, err = ctl("map", "-s", "[::1]:5/2,/run/s.sock,h", "-r", "jump", *"abcdefgh")
    places = {(row.split(b"\t")[1], row.split(b"\t")[2]) for row in out.splitlines()}
    tap.check(code == 0 and places == {(b"0", b"[::1]:5"), (b"1", b"/run/s.sock"),
                                       (b"2", b"h:11211")},
              "map writes brackets, paths and ports", out)
    code, out, err = ctl("map", "-s", "a,b", "--", "--servers")
    tap.check(code == 0 and out.startswith(b"--servers\t"), "a key may look like an option", err)
    raw = bytes(set(range(256)) - {9, 10, 13})[:250]
    code, out, err = ctl("map", "-s", "a,b", stdin=raw + b"\n")
    tap.check(code == 0 and out.split(b"\t")[0] == raw, "a key may hold any byte", err)
    many = b"".join(b"key:%d\n" % i for i in range(100000))
    code, out, err = ctl("map", "-s", FIVE, stdin=many)
    tap.check(code == 0 and [row.split(b"\t")[0] for row in out.splitlines()] ==
              many.splitlines(), "no key is lost of 100,000", err)


def check_map_failures(tap):
    code, out, err = ctl("map", "-s", "a,b", stdin=b"x" * 250 + b"\n" + b"y" * 251 + b"\nz\n")
    tap.check(code == 65 and out.count(b"\n") == 1 and
              err == "larderctl map: line 2: a key has at most 250 bytes\n",
              "a key of 251 bytes ends map with 65 and its line", (code, err))
    code, out, err = ctl("map", "-s", "a,b", stdin=b"x" * 10000000)
    tap.check(code == 65 and out == b"", "a line without end is refused early", (code, err))
    code, out, err = ctl("map", "-s", "a,b", "")
    tap.check(code == 65 and "at least one byte" in err, "an empty argument is no key", err)
    with open("/dev/full", "wb") as full:
        code, _, err = ctl("map", "-s", "a,b", "k", out=full)
        tap.check(code == 74 and "No space left" in err, "a full disk ends map with 74",
                  (code, err))
        code, _, err = ctl("map", "-s", "a,b", stdin=b"k\n", out=full)
        tap.check(code == 74 and "No space left" in err, "also when keys are read", (code, err))
    code, out, err = ctl("map", "-s", "a,b/2", "-r", "modula", "k")
    tap.check(code == 0 and "modula does not look at weights" in err,
              "weights without effect are warned of", err)


def check_conversation(tap):
    """A key's answer comes before the next key, so that a script can ask as it goes."""
    with subprocess.Popen([LARDERCTL, "map", "-s", FIVE], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        answers = []
        for key in (b"foo", b"bar"):
            process.stdin.write(key + b"\n")
            process.stdin.flush()
            answers.append(process.stdout.readline())
        process.stdin.close()
        code = process.wait(timeout=LIMIT_S)
    tap.check(code == 0 and answers == [b"foo\t2\t10.0.1.3:11211\n", b"bar\t4\t10.0.1.5:11211\n"],
              "map answers each line before it waits for the next", answers)


def check_usage(tap):
    cases = (
        ((), 'Usage: larderctl COMMAND'),
        (("nonsense",), 'larderctl: there is no command "nonsense"'),
        (("help", "nonsense"), 'there is no command "nonsense"'),
        (("map",), "larderctl map: --servers=LIST is missing"),
        (("map", "--server"), "a value is missing: --server"),
        (("map", "-s"), "a value is missing: -s"),
        (("map", "-x"), "there is no such option: -x"),
        (("map", "--add", "x"), "there is no such option: --add"),
        (("map", "-s", "a", "-r", "ketma"), '--ring: there is no such ring, see --help: "ketma"'),
        (("map", "-s", "a,b:0"), '--servers: a port is a number from 1 to 65535: "b:0"'),
        (("map", "-s", "a,,b"), '--servers: there is no host: ""'),
        (("ring", "-s", "a", "x"), "larderctl ring: this is no option: x"),
        (("ring", "-s", "a", "-n", "0"), '--sample: it is a number from 1 to 10000000: "0"'),
        (("ring", "-s", "a", "-p", "no"), '--picture: it is auto, always or never: "no"'),
        (("ring", "-s", "a,b", "--remove", "c"), "--remove: not in the list: c:11211"),
        (("ring", "-s", "a,b", "--remove", "a,b"), "the change leaves no server"),
    )
    for arguments, text in cases:
        code, _, err = ctl(*arguments)
        tap.check(code == 64 and text in err, "larderctl %s is refused with 64" %
                  " ".join(arguments), (code, err))


def check_ring(tap):
    code, out, err = ctl("ring", "-s", FIVE, "--add", "10.0.1.6", "--remove", "10.0.1.2")
    text = out.decode()
    rows = re.findall(r"^ +(\d) +10\.0\.1\.(\d):11211 +1 +([\d.]+) % +([\d.]+) +([\d.]+) %  #+$",
                      text, re.M)
    tap.check(code == 0 and len(rows) == 5 and abs(sum(float(r[2]) for r in rows) - 100) < .05,
              "ring prints each server's share, and they are all", text + err)
    tap.check(text.startswith("ketama-weighted, 5 servers, 800 points\n") and
              "\033" not in text and text.isascii(), "in a pipe it is plain text", text)
    variation = float(re.search(r"variation ([\d.]+) %", text).group(1))
    removing = float(re.search(r"removing a server moves ([\d.]+) %", text).group(1))
    adding = re.search(r"adding one like the last moves ([\d.]+) % .* need ([\d.]+) %", text)
    change = re.search(r"this change moves ([\d.]+) % .* need ([\d.]+) %", text)
    tap.check(2 < variation < 9 and 19 < removing < 21, "its figures are a ketama ring's", text)
    tap.check(14 < float(adding.group(1)) < 19 and adding.group(2) == "16.67",
              "adding one to five moves about a sixth", text)
    tap.check(change.group(2) == "20.00" and 17 < float(change.group(1)) < 35,
              "a change of the list is weighed", text)
    code, out, err = ctl("ring", "-s", "h/3,i", "-r", "rendezvous")
    tap.check(b"75.00 %   1.00" in out and b"25.00 %   1.00" in out, "weights are shares", out)
    code, out, err = ctl("ring", "-s", "alone")
    tap.check(code == 0 and b"100.00 %   1.00         -" in out, "one server has everything", out)
    many = ",".join("10.1.%d.%d" % (i // 200, i % 200 + 1) for i in range(300))
    code, out, err = ctl("ring", "-s", many, "-n", "1000")
    tap.check(code == 0 and len(out.splitlines()) == 306, "a large fleet is a ring", err)


def check_picture(tap):
    code, out = on_terminal("ring", "-s", FIVE, NO_COLOR=None)
    tap.check(code == 0 and b"\033[38;5;" in out and "\u2580".encode() in out,
              "on a terminal the ring is drawn", out[:200])
    plain = re.sub(rb"\033\[[0-9;]*m", b"", out).decode()
    tap.check(max(map(len, plain.splitlines())) <= 100, "the picture keeps within the terminal",
              plain)
    tap.check(b"\033" not in on_terminal("ring", "-s", FIVE, NO_COLOR="1")[1],
              "not where NO_COLOR is set")
    tap.check(b"\033" not in on_terminal("ring", "-s", FIVE, "-p", "never", NO_COLOR=None)[1],
              "not when never is said")
    tap.check(b"\033" in ctl("ring", "-s", FIVE, "-p", "always")[1], "in a pipe when always is")


def check_help(tap):
    code, text, err = ctl("--help")
    commands = re.findall(r"^  ([a-z]+) ", text.decode(), re.M)
    tap.check(code == 0 and "map" in commands and "ring" in commands and err == "" and
              ctl("help") == ctl("-h") == (code, text, err), "help names the commands", text)
    code, manual, _ = ctl("--help-man")
    manual = manual.decode().replace("\\-", "-")
    tap.check(code == 0 and manual.startswith(".TH LARDERCTL 1"), "there is a manual", manual[:80])
    for command in commands:
        code, text, err = ctl(command, "--help")
        words = re.findall(r"^  -\w, --(\w+)", text.decode(), re.M)
        tap.check(code == 0 and err == "" and words and ctl("help", command)[1] == text and
                  all(len(line) <= 80 for line in text.decode().splitlines()),
                  "%s has help of 80 columns" % command, text)
        tap.check(".SS %s " % command in manual and all('"--%s' % word in manual or
                                                       "--" + word in manual for word in words),
                  "%s and its options are in the manual" % command, words)
    rings = re.findall(r"^  ([a-z0-9-]+) ", ctl("map", "--help")[1].decode().split("Rings:")[1]
                       .split("\nExample:")[0], re.M)
    for ring in rings:
        tap.check(".B %s\n" % ring in manual and ctl("map", "-r", ring, "-s", "a,b", "k")[0] == 0,
                  "the ring %s works and is in the manual" % ring)
    tap.check(len(rings) == 9 and ctl("--version")[1].startswith(b"larderctl "),
              "it tells its version", rings)


def main():
    tap = Tap()
    if not os.access(LARDERCTL, os.X_OK):
        tap.skip("larderctl keeps its word", "no larderctl here")
        return tap.finish()
    check_map(tap)
    check_map_failures(tap)
    check_conversation(tap)
    check_usage(tap)
    check_ring(tap)
    check_picture(tap)
    check_help(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
