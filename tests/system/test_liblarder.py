#!/usr/bin/env python3
"""liblarder against the servers that ship: larder and memcached, meta and classic."""

import os
import shutil
import subprocess
import sys
import tempfile

import harness
import liblarder

TAP = harness.Tap()


def check_storing(library, name):
    do = library.do
    TAP.check(do("set a hello flags=7").result == "stored" and do("get a").value == "hello" and
              do("get a").number("flags") == 7, name + ": a value comes back with its flags")
    TAP.check(do("get nope").result == "miss", name + ": what is not there is a miss")
    TAP.check(do("add a x").result == "not stored" and do("add b 10").result == "stored" and
              do("replace nope x").result == "not stored" and
              do("replace a hello").result == "stored", name + ": add and replace look first")
    do("append a world")
    do("prepend a oh")
    TAP.check(do("get a").value == "ohhelloworld", name + ": append and prepend join")
    cas = do("get a").number("cas")
    TAP.check(do("cas a one cas=%d" % cas).result == "stored" and
              do("cas a two cas=%d" % cas).result == "exists" and
              do("cas nope x cas=1").result == "not found" and do("get a").value == "one",
              name + ": cas stores only over what was seen")
    TAP.check(do("delete a").result == "deleted" and do("delete a").result == "not found",
              name + ": delete tells whether it was there")


def check_numbers(library, name):
    do = library.do
    do("set n 10")
    TAP.check(do("incr n 5").number("number") == 15 and do("decr n 100").number("number") == 0,
              name + ": numbers go up, and down to 0")
    do("set t text")
    TAP.check(do("incr none 1").result == "not found" and
              do("incr t 1").result == "not a number", name + ": only numbers are counted")
    TAP.check(do("incr made 1 initial=41").number("number") == 41 and
              do("incr made 1 initial=41").number("number") == 42,
              name + ": a number begins with its initial value")


def check_times(library, name, meta):
    do = library.do
    do("set t v ttl=1000")
    first = do("get t").number("ttl")
    do("touch t 0")
    TAP.check(do("touch t ttl=500").result == "touched" and
              do("touch none ttl=5").result == "not found", name + ": touch tells if it was there")
    TAP.check(do("get t touch=300").value == "v", name + ": get and touch gives the value")
    if meta:
        left = do("get t").number("ttl")
        TAP.check(900 < first <= 1000 and 200 < left <= 300, name + ": items tell their TTL",
                  "%s %s" % (first, left))
    do("set far v ttl=4000000")
    TAP.check(do("get far").result == "hit", name + ": a TTL of more than 30 days is no date")


def check_sizes(library, name):
    do = library.do
    sizes = [0, 1, 1023, 16383, 16384, 70000, 900000]
    good = all(do("set s%d *%d" % (n, n)).result == "stored" and
               do("get s%d" % n).value in ("*%d" % n, "", "a" if n == 1 else None)
               for n in sizes)
    TAP.check(good, name + ": values of all sizes come back whole")
    TAP.check(do("set huge *3000000").result == "too large" and do("noop a").result == "done",
              name + ": what is too large is refused, and the connection lives")
    TAP.check(do("get " + "k" * 250).result == "miss" and
              do("get " + "k" * 251).result == "bad argument", name + ": keys have 250 bytes")


def check_many(library, name, count):
    library.do("mset k %d" % count)
    many = library.do("mget k %d" % (count + 50))
    TAP.check((many.number("hits"), many.number("misses"), many.number("wrong")) == (count, 50, 0),
              name + ": many keys at once", many)


def check_meta(library, name):
    do = library.do
    won = do("get v vivify=30")
    lost = do("get v vivify=30")
    TAP.check((won.result, won.number("marks") & 1, lost.result, lost.number("marks") & 4) ==
              ("miss", 1, "miss", 4), name + ": one caller wins a miss", (won, lost))
    do("set v x")
    do("delete v invalidate ttl=30")
    stale = do("get v")
    TAP.check(stale.result == "stale" and stale.value == "x" and stale.number("marks") & 3 == 3,
              name + ": an item that was marked is stale", stale)


def check_server(server, name, protocol, meta):
    address = server.unix_path or "127.0.0.1:%d" % server.port
    library = liblarder.Library([address], protocol=protocol, request_ms=20000)
    check_storing(library, name)
    check_numbers(library, name)
    check_times(library, name, meta)
    check_sizes(library, name)
    check_many(library, name, 500)
    if meta:
        check_meta(library, name)
    lines = library.do("command stats")
    TAP.check(lines.result == "done" and any(line.startswith("STAT pid") for line in lines.lines),
              name + ": statistics come line by line")
    TAP.check(library.do("command nonsense").result == "failed" and
              library.open_sockets() == 1 and library.do("get none").result == "miss",
              name + ": one connection has served all")
    TAP.check(library.close(), name + ": the handle ends well")


def check_library():
    """The files that are installed: what they show, and that they can be built with."""
    build = os.path.dirname(os.path.dirname(os.path.dirname(liblarder.driver_path())))
    top = os.environ.get("TOP_SRCDIR") or os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    for name, options in (("liblarder.so", ["-D"]), ("liblarder.a", ["-g"])):
        path = os.path.join(build, name)
        what = name + " shows names with larder_ only"
        if not shutil.which("nm") or not os.path.exists(path):
            TAP.skip(what, "no nm, or not built")
            continue
        out = subprocess.run(["nm", "--defined-only", *options, path], capture_output=True,
                             text=True, check=True).stdout
        words = [line.split() for line in out.splitlines()]
        names = [w[-1].split("@")[0] for w in words if len(w) == 3]
        shown = [n for n in names if not n.startswith(("larder_", "LARDER_", "__asan", "__odr",
                                                       "__ubsan", "__tsan"))]
        TAP.check("larder_create" in names and not shown, what, shown)
    header = os.path.join(top, "src", "client", "larder.h")
    for compiler, standard in (("gcc", "c99"), ("g++", "c++98"), ("clang", "c99"),
                               ("clang++", "c++11")):
        what = "larder.h is %s for %s" % (standard, compiler)
        if not shutil.which(compiler):
            TAP.skip(what, "it is not here")
            continue
        language = "c++" if "+" in standard else "c"
        done = subprocess.run([compiler, "-std=" + standard, "-Wall", "-Wextra", "-Wpedantic",
                               "-Werror", "-Wno-long-long", "-fsyntax-only", "-x", language,
                               header], capture_output=True, text=True, check=False)
        TAP.check(done.returncode == 0, what, done.stderr)


def check_example(server):
    build = os.path.dirname(os.path.dirname(os.path.dirname(liblarder.driver_path())))
    outs = [subprocess.run([os.path.join(build, "docs", "examples", "counter"),
                            "127.0.0.1:%d" % server.port], capture_output=True, text=True,
                           check=False).stdout for _ in range(2)]
    TAP.check(outs == ["Visit %d.\nThis page was made at visit 1.\n" % n for n in (1, 2)],
              "the worked example works", outs)


def make_certificates(place):
    """An authority, another, and a certificate of the first for 127.0.0.1."""
    def openssl(*words):
        subprocess.run(("openssl",) + words, check=True, capture_output=True, cwd=place)
    for name in ("root", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", "/CN=" + name, "-keyout", name + ".key", "-out",
                name + ".pem")
    for name, subject in (("server", "IP:127.0.0.1"), ("stranger", "DNS:elsewhere")):
        with open(os.path.join(place, "names"), "w", encoding="ascii") as names:
            names.write("subjectAltName=" + subject)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "root.pem", "-CAkey", "root.key",
                "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", name + ".pem")


def check_tls(place):
    def server(certificate, *more):
        return harness.Server(["-Z", "-o", ",".join((
            "ssl_chain_cert=%s/%s.pem" % (place, certificate),
            "ssl_key=%s/%s.key" % (place, certificate)) + more)])

    def ask(port, **options):
        library = liblarder.Library(["127.0.0.1:%d" % port], tls="on", request_ms=20000,
                                    **options)
        answer = library.do("get k")
        library.close()
        return answer

    right = server("server")
    library = liblarder.Library(["127.0.0.1:%d" % right.port], tls="on", request_ms=20000,
                                tls_ca=place + "/root.pem")
    check_sizes(library, "TLS")
    check_many(library, "TLS", 500)
    TAP.check(library.open_sockets() == 1 and library.close(), "TLS: one connection served all")
    answer = ask(right.port, tls_ca=place + "/other.pem")
    TAP.check(answer.result == "failed" and "certificate" in answer.why,
              "TLS: a server of another authority is not asked", answer)
    TAP.check(ask(right.port, tls_ca=place + "/other.pem", tls_verify="none").result == "miss",
              "TLS: unless nothing is verified")
    wrong = server("stranger")
    answer = ask(wrong.port, tls_ca=place + "/root.pem")
    TAP.check(answer.result == "failed" and "mismatch" in answer.why,
              "TLS: nor one with another name", answer)
    TAP.check(ask(wrong.port, tls_ca=place + "/root.pem", tls_verify="chain").result == "miss",
              "TLS: unless only the chain is verified")
    wrong.stop()
    right.stop()
    mutual = server("server", "ssl_verify_mode=3", "ssl_ca_cert=%s/root.pem" % place)
    TAP.check(ask(mutual.port, tls_ca=place + "/root.pem").result == "failed" and
              ask(mutual.port, tls_ca=place + "/root.pem", tls_key=place + "/stranger.key",
                  tls_certificate=place + "/stranger.pem").result == "miss",
              "TLS: a client shows its certificate where one is wanted")
    mutual.stop()


def main():
    check_library()
    for protocol, meta in (("auto", True), ("classic", False)):
        server = harness.Server()
        check_example(server)
        check_server(server, "larder, " + protocol, protocol, meta)
        server.stop()
    server = harness.Server(unix=True)
    check_server(server, "larder, unix socket", "auto", True)
    server.stop()
    place = tempfile.mkdtemp(prefix="larder-test-")
    try:
        make_certificates(place)
        check_tls(place)
    except (OSError, subprocess.CalledProcessError, harness.ServerError) as error:
        TAP.skip("TLS", "not built in, or no openssl: %s" % error)
    finally:
        shutil.rmtree(place)
    if shutil.which("memcached"):
        server = harness.Server(binary=shutil.which("memcached"), peer=True)
        check_server(server, "memcached", "auto", True)
        server.stop()
    else:
        TAP.skip("memcached", "it is not installed")
    return TAP.finish()


sys.exit(main())
