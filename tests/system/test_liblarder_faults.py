#!/usr/bin/env python3
"""liblarder and servers that are killed, stopped, cut off, slow or talk nonsense: every call ends
in time, no value is wrong, no connection is left behind.

Limits are generous: a call that waits as long as it may takes REQUEST_MS, one that fails over
FAILOVER_MS, and LIMIT_MS lies far from both on a slow machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import harness
import liblarder

TAP = harness.Tap()
REQUEST_MS = 90000
FAILOVER_MS = 500
PATIENCE_MS = 60000  # where nothing is to be silent
LIMIT_MS = 30000


def name_of(server):
    return "127.0.0.1:%d" % server.port


def again(server):
    """A server on the port of one that has ended."""
    return harness.Server(["-p", str(server.port)])


def until(what, limit_s=60.0):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.005)
    return False


def stop(server):
    """Stops the process, and waits until all its threads stand."""
    os.kill(server.pid, signal.SIGSTOP)
    tasks = "/proc/%d/task" % server.pid

    def stands(task):
        with open("%s/%s/stat" % (tasks, task), encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "T"
    until(lambda: all(stands(task) for task in os.listdir(tasks)))


def fill(servers, count):
    """Keys k0, k1, ... with their values, in each server."""
    for server in servers:
        library = liblarder.Library([name_of(server)], request_ms=REQUEST_MS)
        library.do("mset k %d" % count)
        library.close()


def forget(server):
    server.kill()
    server.stop()


# ---- one server -----------------------------------------------------------------------------


def one_is_killed():
    server = harness.Server()
    library = liblarder.Library([name_of(server)], request_ms=20000, backoff_ms=20,
                                backoff_ms_max=50)
    library.do("set k v")
    forget(server)
    gone = library.do("get k")
    TAP.check(gone.result == "failed" and "refused" in gone.why and gone.ms < LIMIT_MS,
              "a server that was killed: failed, and why", gone)
    TAP.check(library.do("incr k 1").result == "failed", "and so is what must not be done twice")
    server = again(server)
    TAP.check(until(lambda: library.do("set k w").result == "stored") and
              library.do("get k").value == "w", "when it is back it is used again")
    TAP.check(library.open_sockets() == 1 and library.close(), "no connection is left behind")
    server.stop()


def a_restart_is_not_seen_by_writes():
    server = harness.Server()
    library = liblarder.Library([name_of(server)], request_ms=REQUEST_MS)
    library.do("set n 1")
    server.stop()
    server = again(server)
    time.sleep(0.05)  # the connection has been idle for longer than it is trusted unseen
    answer = library.do("incr n 1 initial=7")
    TAP.check(answer.result == "stored" and answer.number("number") == 7,
              "a connection that ended while idle costs no operation", answer)
    library.close()
    server.stop()


def one_is_stopped():
    server = harness.Server()
    fill([server], 50)
    library = liblarder.Library([name_of(server)], request_ms=400, backoff_ms=20,
                                backoff_ms_max=50)
    until(lambda: library.do("get k1").result == "hit")
    stop(server)
    silent = library.do("get k1")
    TAP.check(silent.result in ("timed out", "failed") and silent.ms < LIMIT_MS,
              "a stopped server: timed out", silent)
    many = library.do("mget k 50")
    TAP.check(many.number("hits") == 0 and many.number("misses") == 0 and many.ms < LIMIT_MS,
              "and so is every key of many", many)
    os.kill(server.pid, signal.SIGCONT)
    TAP.check(until(lambda: library.do("get k1").result == "hit"), "it goes on when it goes on")
    wrong = []

    def all_come():
        many = library.do("mget k 50")
        if many.number("wrong"):
            wrong.append(many)
        return many.number("hits") == 50
    TAP.check(until(all_come) and not wrong, "replies that come too late are nobody's", wrong)
    TAP.check(library.open_sockets() == 1 and library.close(), "and no connection is left behind")
    server.stop()


# ---- nonsense -------------------------------------------------------------------------------


def opaque_of(line):
    found = re.search(rb" O(\d+)", line)
    return found.group(1) if found else b"0"


def meta_liar(reply):
    """Knows meta, and answers everything else with what `reply` makes of the opaque."""
    def answer(line):
        return b"MN\r\n" if line == b"mn" else reply(opaque_of(line))
    return liblarder.Liar(answer)


NONSENSE = {
    "bytes": lambda o: b"\x00\xff\x13\x37garbage\r\n",
    "a line without end": lambda o: b"x" * 70000,
    "another opaque": lambda o: b"VA 3 c1 f0 t-1 O%d\r\nbad\r\n" % (int(o) + 1),
    "no opaque": lambda o: b"VA 3 c1 f0 t-1\r\nbad\r\n",
    "another length": lambda o: b"VA 2 c1 f0 t-1 O%s\r\nbad\r\n" % o,
    "a length beyond belief": lambda o: b"VA 99999999999 c1 f0 t-1 O%s\r\nbad\r\n" % o,
    "a length that is none": lambda o: b"VA -3 c1 f0 t-1 O%s\r\nbad\r\n" % o,
    "a bare line feed": lambda o: b"VA 3 c1 f0 t-1 O%s\nbad\n" % o,
    "a reply to a store": lambda o: b"NS O%s\r\n" % o,
    "a classic reply": lambda o: b"VALUE k 0 3\r\nbad\r\nEND\r\n",
    "numbers too large": lambda o: b"VA 3 c99999999999999999999999 f0 t-1 O%s\r\nbad\r\n" % o,
    "nothing but an end": lambda o: None,
    "half a value": lambda o: b"VA 30 c1 f0 t-1 O%s\r\nbad" % o,
}


def nonsense_is_no_value():
    for name, reply in NONSENSE.items():
        liar = meta_liar(reply)
        library = liblarder.Library([liar.name], request_ms=1000, retries=1, retry_ms=1,
                                    backoff_ms=1, backoff_ms_max=2)
        answers = [library.do("get k") for _ in range(3)]
        TAP.check(all(a.result in ("failed", "timed out") and a.value is None and
                      a.ms < LIMIT_MS for a in answers),
                  "nonsense is no value: " + name, answers)
        sockets = library.open_sockets()
        TAP.check(sockets <= 1 and library.close(), "nor keeps connections: " + name, sockets)
        liar.close()


def classic_nonsense():
    replies = {
        "another key": b"VALUE other 0 3 1\r\nbad\r\nEND\r\n",
        "two values": b"VALUE k 0 3 1\r\nbad\r\nVALUE k 0 3 1\r\nbad\r\nEND\r\n",
        "a reply to a store": b"STORED\r\n",
    }
    for name, reply in replies.items():
        liar = liblarder.Liar(lambda line, r=reply: b"ERROR\r\n" if line == b"mn" else r)
        library = liblarder.Library([liar.name], request_ms=1000, retries=0)
        answer = library.do("get k")
        TAP.check(answer.result == "failed" and answer.value is None,
                  "classic nonsense is no value: " + name, answer)
        library.close()
        liar.close()


def what_nobody_asked_for():
    extra = [b"VA 3 c1 f0 t-1 O%s\r\nbad\r\n"]

    def reply(opaque):
        return b"VA 4 c1 f0 t-1 O%s\r\ngood\r\n" % opaque + b"".join(e % opaque for e in extra)

    liar = meta_liar(reply)
    library = liblarder.Library([liar.name], request_ms=3000)
    answers = [library.do("get k") for _ in range(20)]
    TAP.check(all(a.value in ("good", None) for a in answers),
              "a reply too many is never taken for the next one's", answers)
    library.close()
    liar.close()


def a_proxy_that_hangs_up():
    def answer(line):
        if line == b"version":
            return b"VERSION 1.2.3\r\n"
        return b"VALUE k 0 4 1\r\ngood\r\nEND\r\n" if line.startswith(b"get") else None

    liar = liblarder.Liar(answer)
    library = liblarder.Library([liar.name], request_ms=REQUEST_MS)
    TAP.check(library.do("get k").value == "good" and ":classic" in library.states()[0],
              "who hangs up on meta is asked in classic commands", library.states())
    library.close()
    liar.close()


def a_slow_one():
    def answer(line):
        if line == b"mn":
            return b"MN\r\n"
        time.sleep(0.3)
        return b"VA 4 c1 f0 t-1 O%s\r\nslow\r\n" % opaque_of(line)

    liar = liblarder.Liar(answer)
    library = liblarder.Library([liar.name], request_ms=100, retries=0)
    answers = [library.do("get k%d" % i) for i in range(8)]
    TAP.check(all(a.result in ("timed out", "failed") and a.ms < LIMIT_MS for a in answers),
              "a slow server: each call ends in time", answers)
    TAP.check(library.open_sockets() <= 1 and library.close(), "on one connection at most")
    liar.close()


# ---- pairs ----------------------------------------------------------------------------------


class Pair:
    def __init__(self, **options):
        self.servers = [harness.Server(), harness.Server()]
        options.setdefault("request_ms", REQUEST_MS)
        options.setdefault("failover_ms", PATIENCE_MS)
        self.library = liblarder.Library(["+".join(name_of(s) for s in self.servers)], **options)
        self.do = self.library.do

    def copy(self, index, command):
        """The same asked of one server alone."""
        alone = liblarder.Library([name_of(self.servers[index])], request_ms=REQUEST_MS)
        try:
            return alone.do(command)
        finally:
            alone.close()

    def close(self):
        good = self.library.open_sockets() <= 2
        good = self.library.close() and good
        for server in self.servers:
            if server.alive():
                os.kill(server.pid, signal.SIGCONT)
                server.stop()
        return good


def a_primary_is_killed():
    pair = Pair(write="both")
    pair.do("mset k 100")
    TAP.check(pair.do("mget k 100").number("hits") == 100, "a pair serves", pair.library.states())
    forget(pair.servers[0])
    answer = pair.do("get k5")
    TAP.check(answer.value == "vk5" and answer.number("marks") & 8 and answer.ms < LIMIT_MS,
              "a killed primary: the replica answers", answer)
    many = pair.do("mget k 100")
    TAP.check((many.number("hits"), many.number("wrong")) == (100, 0) and many.ms < LIMIT_MS,
              "and all of many keys", many)
    TAP.check(pair.do("set new v").result == "stored" and pair.do("incr c 1 initial=5").result ==
              "stored" and pair.do("get new").value == "v", "and is written to")
    answer = pair.do("get none")
    TAP.check(answer.result == "miss" and answer.why == "",
              "what the replica does not have is a miss without a reason", answer)
    forget(pair.servers[1])
    answer = pair.do("get k5")
    TAP.check(answer.result == "miss" and answer.why and answer.ms < LIMIT_MS,
              "both killed: a miss with a reason", answer)
    TAP.check(pair.do("set k5 v").result == "failed", "and nothing is stored")
    TAP.check(pair.close(), "no connection of a pair is left behind")


def a_primary_is_stopped():
    pair = Pair(write="both", return_ms=100, failover_ms=FAILOVER_MS)
    fill(pair.servers, 100)
    until(lambda: pair.do("mget k 100").number("hits") == 100)
    stop(pair.servers[0])
    answer = pair.do("get k5")
    TAP.check(answer.value == "vk5" and FAILOVER_MS * 0.5 <= answer.ms < LIMIT_MS,
              "a silent primary: the replica is asked after failover_ms", answer)
    many = pair.do("mget k 100")
    TAP.check((many.number("hits"), many.number("wrong")) == (100, 0) and many.ms < LIMIT_MS,
              "for many keys as well", many)
    answer = pair.do("set k5 new")
    TAP.check(answer.result == "stored" and answer.ms < LIMIT_MS and
              pair.do("get k5").value == "new", "writes go to the replica", answer)
    until(lambda: pair.do("get k5").ms < FAILOVER_MS / 2)
    TAP.check(pair.library.states()[0].startswith(("down", "trying")),
              "the breaker lets nobody wait for it", pair.library.states())
    os.kill(pair.servers[0].pid, signal.SIGCONT)
    TAP.check(until(lambda: pair.do("get k6").number("marks") == 0),
              "it is used again when it answers", pair.library.states())
    TAP.check(pair.close(), "no connection to a stopped server is left behind")


def copies_are_alike():
    pair = Pair(write="both")
    do = pair.do
    do("set s v flags=9 ttl=1000")
    do("set n 5 flags=3 ttl=1000")
    do("incr n 37")
    do("add a x")
    do("append a yz")
    cas = do("get a").number("cas")
    do("cas a other cas=%d" % cas)
    do("prepend a an")
    do("set d v")
    do("delete d")
    do("set t v ttl=5000")
    do("touch t ttl=50")
    do("get s touch=70")
    both = [[pair.copy(i, "get " + key) for key in "snatd"] for i in (0, 1)]
    TAP.check([a.value for a in both[0]] == ["v", "42", "another", "v", None] and
              [a.value for a in both[1]] == [a.value for a in both[0]],
              "both copies have what was written", both)
    flags = [[a.number("flags") for a in copies[:2]] for copies in both]
    TAP.check(flags == [[9, 3], [9, 3]], "with their flags", flags)
    ttls = [[a.number("ttl") for a in copies] for copies in both]
    TAP.check(all(0 < t[0] <= 70 and 50 < t[1] <= 1000 and 0 < t[3] <= 50 for t in ttls),
              "and TTLs", ttls)
    pair.close()


def a_copy_is_repaired():
    pair = Pair(write="both")
    pair.do("set k v flags=4 ttl=500")
    pair.copy(0, "delete k")
    answer = pair.do("get k")
    TAP.check(answer.value == "v" and answer.number("marks") & 8,
              "what the primary lacks comes from the replica", answer)
    TAP.check(until(lambda: pair.do("get k").number("marks") == 0),
              "and is put back where it lacked")
    copy = pair.copy(0, "get k")
    TAP.check(copy.value == "v" and copy.number("flags") == 4 and 0 < copy.number("ttl") <= 500,
              "with its flags and TTL", copy)
    TAP.check(pair.do("get none").result == "miss" and pair.do("get none").why == "",
              "what neither has is a plain miss")
    pair.close()


def a_token_is_of_its_copy():
    pair = Pair(write="both")
    pair.do("set k v")
    pair.copy(0, "delete k")
    token = pair.do("get k").words["cas"]
    TAP.check(int(token) >> 63 == 1, "the replica's tokens are marked", token)
    TAP.check(pair.do("cas k w cas=" + token).result == "stored" and
              pair.copy(0, "get k").value == "w" and pair.copy(1, "get k").value == "w",
              "and are good there, for both copies")
    forget(pair.servers[1])
    TAP.check(pair.do("cas k x cas=" + token).result in ("exists", "failed") and
              pair.copy(0, "get k").value == "w", "a token of a lost copy changes nothing")
    pair.close()


def a_cold_primary():
    pair = Pair(write="both", return_ms=86400000, warm_poll_ms=10, backoff_ms=5, backoff_ms_max=20)
    pair.do("mset k 20")
    forget(pair.servers[0])
    pair.do("get k1")
    pair.servers[0] = again(pair.servers[0])
    TAP.check(until(lambda: pair.do("get k1") and pair.library.states()[0].startswith("warming")),
              "a primary that was started anew is warmed first", pair.library.states())
    answer = pair.do("get k2")
    TAP.check(answer.value == "vk2" and answer.number("marks") & 8, "meanwhile the replica reads",
              answer)
    pair.do("set w x")
    TAP.check(pair.copy(0, "get w").value == "x", "and both are written")
    TAP.check(pair.close(), "and nothing is left behind")


def it_says_whether_it_is_warm():
    warm = [b"0"]
    gone = [False]

    def answer(line):
        if gone[0]:
            return None
        if line == b"mn":
            return b"MN\r\n"
        if line == b"stats larder":
            return b"STAT warm %s\r\nEND\r\n" % warm[0] if warm[0] else b"END\r\n"
        if line == b"stats":
            return b"STAT uptime 999999\r\nEND\r\n"
        return b"VA 3 c1 f0 t-1 O%s\r\nold\r\n" % opaque_of(line)

    liar = liblarder.Liar(answer)
    replica = meta_liar(lambda o: b"VA 3 c1 f0 t-1 O%s\r\nnew\r\n" % o)
    library = liblarder.Library([liar.name + "+" + replica.name], warm_poll_ms=10, return_ms=0,
                                request_ms=REQUEST_MS, failover_ms=PATIENCE_MS, backoff_ms=5,
                                backoff_ms_max=20)
    library.do("get k")
    gone[0] = True
    library.do("get k")
    gone[0] = False
    TAP.check(until(lambda: library.do("get k").value == "new" and
                    library.states()[0].startswith("warming")),
              "a primary that says it is cold is not read", library.states())
    TAP.check(all(library.do("get k").value == "new" for _ in range(50)), "as long as it says so")
    warm[0] = b"1"
    TAP.check(until(lambda: library.do("get k").value == "old"),
              "and is read when it says that it is warm", library.states())
    library.close()
    library = liblarder.Library([liar.name + "+" + replica.name], warm_poll_ms=10,
                                return_ms=86400000, request_ms=REQUEST_MS, backoff_ms=5,
                                failover_ms=PATIENCE_MS)
    warm[0] = b""
    library.do("get k")
    gone[0] = True
    library.do("get k")
    gone[0] = False
    TAP.check(until(lambda: library.do("get k").value == "old"),
              "one that says nothing is read if it is the process that it was", library.states())
    library.close()
    liar.close()
    replica.close()


def one_that_cannot():
    liar = meta_liar(lambda o: b"SERVER_ERROR busy\r\n")
    replica = meta_liar(lambda o: b"VA 5 c1 f0 t-1 O%s\r\nthere\r\n" % o)
    library = liblarder.Library([liar.name + "+" + replica.name], request_ms=REQUEST_MS)
    TAP.check(library.do("get k").value == "there" and library.do("set k v").result == "failed",
              "what a primary has trouble to read is read from the replica")
    library.close()
    library = liblarder.Library([liar.name], request_ms=REQUEST_MS)
    answer = library.do("get k")
    TAP.check(answer.result == "failed" and "busy" in answer.why, "or its words are told", answer)
    library.close()
    liar.close()
    replica.close()


def a_read_is_hedged():
    slow = threading.Event()

    def answer(line):
        if line == b"mn":
            return b"MN\r\n"
        if slow.is_set():
            slow.wait(0.0)
            time.sleep(5.0)
        return b"VA 4 c1 f0 t-1 O%s\r\nhere\r\n" % opaque_of(line)

    liar = liblarder.Liar(answer)
    replica = meta_liar(lambda o: b"VA 5 c1 f0 t-1 O%s\r\nthere\r\n" % o)
    library = liblarder.Library([liar.name + "+" + replica.name], hedge="on", failover_ms=80000,
                                request_ms=REQUEST_MS)
    for _ in range(100):
        library.do("get k")
    slow.set()
    answer = library.do("get k")
    TAP.check(answer.value == "there" and answer.ms < LIMIT_MS,
              "a read that takes longer than most is sent to the replica as well", answer)
    library.close()
    liar.close()
    replica.close()


def hot_keys_are_spread():
    pair = Pair(write="both", spread="on")
    pair.do("set hot v")
    marks = {pair.do("get hot").number("marks") & 8 for _ in range(400)}
    TAP.check(marks == {0, 8}, "a key that is read often is read from both", marks)
    pair.do("set cold v")
    TAP.check({pair.do("get cold").number("marks") & 8 for _ in range(5)} == {0},
              "one that is not, from the primary")
    pair.close()


# ---- cut off --------------------------------------------------------------------------------


def one_is_cut_off():
    name = "a server that is cut off: its calls end in time, and the replica answers"
    if not shutil.which("ip") or os.geteuid() != 0:
        TAP.skip(name, "network namespaces need ip and root")
        return
    space = liblarder.Namespace()
    replica = harness.Server()
    library = None
    try:
        space.open()
        library = liblarder.Library(["%s:11311+%s" % (space.far, name_of(replica))],
                                    write="both", request_ms=REQUEST_MS, return_ms=0,
                                    failover_ms=FAILOVER_MS)
        TAP.check(until(lambda: library.do("set k v").number("marks") == 0 and
                        library.do("get k").number("marks") == 0),
                  "a server in another network is reached", library.states())
        space.cut(True)
        answers = [library.do("get k") for _ in range(5)] + [library.do("set k w")]
        TAP.check(all(a.value == "v" and a.ms < LIMIT_MS for a in answers[:5]) and
                  answers[5].result == "stored", name, answers)
        space.cut(False)
        TAP.check(until(lambda: library.do("get k").number("marks") == 0),
                  "it is used again when the network is", library.states())
    except (subprocess.CalledProcessError, OSError) as error:
        TAP.skip(name, "no network namespaces here: %s" % error)
    finally:
        if library is not None:
            library.close()
        space.close()
        replica.stop()


# ---- threads --------------------------------------------------------------------------------


def threads(servers, seconds, **options):
    words = ["servers=" + servers] + ["%s=%s" % pair for pair in options.items()]
    tests = os.path.dirname(os.path.dirname(liblarder.driver_path()))
    program = os.path.join(tests, "stress", "test_liblarder")
    return subprocess.Popen([program, " ".join(words), "%.1f" % seconds], stdout=subprocess.PIPE)


def many_threads():
    seconds = min(2.0, harness.random_seconds(2))
    servers = [harness.Server() for _ in range(3)]
    names = ["localhost:%d" % servers[0].port, name_of(servers[1]) + "+" + name_of(servers[2])]
    running = threads(",".join(names), seconds, write="both", request_ms=REQUEST_MS,
                      failover_ms=PATIENCE_MS)
    out = running.communicate()[0].decode()
    TAP.check(running.returncode == 0 and " failed=0 wrong=0" in out and "good=0" not in out,
              "eight threads, handles and a pool: no operation fails, no value is wrong", out)
    running = threads(",".join(names), seconds, write="both", request_ms=5000, backoff_ms=20)
    time.sleep(seconds / 2)
    forget(servers[1])
    out = running.communicate()[0].decode()
    TAP.check(running.returncode == 0 and " wrong=0" in out,
              "nor when a server is killed meanwhile", out)
    for server in (servers[0], servers[2]):
        server.stop()


def main():
    if os.environ.get("LARDER_TEST_IO") == "epoll":
        TAP.skip("liblarder and faults", "its other side does not matter to it")
        return TAP.finish()
    for test in (one_is_killed, a_restart_is_not_seen_by_writes, one_is_stopped,
                 nonsense_is_no_value, classic_nonsense, what_nobody_asked_for,
                 a_proxy_that_hangs_up, a_slow_one, a_primary_is_killed, a_primary_is_stopped,
                 copies_are_alike, a_copy_is_repaired, a_token_is_of_its_copy, a_cold_primary,
                 it_says_whether_it_is_warm, one_that_cannot, a_read_is_hedged, hot_keys_are_spread,
                 one_is_cut_off, many_threads):
        begun = time.monotonic()
        test()
        TAP.note("%s: %.1f s" % (test.__name__, time.monotonic() - begun))
    return TAP.finish()


sys.exit(main())
