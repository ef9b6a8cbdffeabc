#!/usr/bin/env python3
"""Clients that misbehave: they stop reading, stop sending, reset, send garbage, come in crowds.

Whatever they do, the server lives, serves the others, keeps its memory within a bound and gives
back what they held. With `--peer BINARY` memcached is run instead; what it does worse is a note.
"""

import argparse
import os
import random
import resource
import select
import socket
import struct
import time

import harness
from harness import Failed, get_value, loose, set_value, wait_until, want

MIB = 1 << 20
IP_BIND_ADDRESS_NO_PORT = 24
WAIT_MAX_S = 20.0  # tells a client that is forgotten from a machine that is busy


def push(clients, payload, quiet_s=0.3):
    """Sends the payload to every client as far as the server reads; the bytes each took.

    Ends when nobody could send for a while: then the server has stopped reading.
    """
    left = {client: memoryview(payload) for client in clients}
    last = time.monotonic()
    while left and time.monotonic() - last < quiet_s:
        _, writable, _ = select.select([], [client.sock for client in left], [], 0.05)
        for client in [c for c in left if c.sock in writable]:
            try:
                sent = client.sock.send(left[client][:1 << 17], socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionError:
                del left[client]
                continue
            last = time.monotonic()
            left[client] = left[client][sent:]
            if not left[client]:
                del left[client]
    return {client: len(payload) - len(left.get(client, b"")) for client in clients}


def others_are_served(server, rounds=200):
    """One good client does its work; how long its slowest exchange took."""
    client = server.client()
    slowest = 0.0
    for number in range(rounds):
        began = time.monotonic()
        want(set_value(client, b"other", b"%d" % number) == b"STORED", "a good set failed")
        want(get_value(client, b"other") == b"%d" % number, "a good get failed")
        slowest = max(slowest, time.monotonic() - began)
    client.close()
    return slowest


def connections_settle(server, count):
    """Waits until the server counts only so many connections, this one included."""
    client = server.client()
    good = wait_until(lambda: int(client.stats()["curr_connections"]) <= count + 1)
    told = "" if good else client.stats(b"conns")
    client.close()
    want(good, "connections are not given back: %s" % told)


def grown(server, before):
    return server.resident_bytes() - before


def bound(server, bytes_held, limit, what):
    """A bound on memory: larder's to keep, else a note."""
    if loose(server) or bytes_held <= limit:
        return "%s: %.1f MiB" % (what, bytes_held / MIB)
    raise Failed("%s: %.1f MiB, at most %.1f" % (what, bytes_held / MIB, limit / MIB))


def a_client_that_does_not_read_is_not_buffered_without_end(server, peer):
    control = server.client()
    want(set_value(control, b"big", b"v" * 100000) == b"STORED", "set")
    others_are_served(server)
    before = server.resident_bytes()
    clients = [server.client(receive_bytes=4096) for _ in range(16)]
    took = push(clients, b"get big\r\n" * 500000)
    told = bound(server, grown(server, before), 32 * MIB, "16 clients hold")
    slowest = others_are_served(server)
    want(slowest < WAIT_MAX_S, "others waited %.1f s" % slowest)
    reader = clients[0]
    reply = b"VALUE big 0 100000\r\n" + b"v" * 100000 + b"\r\nEND\r\n"
    for number in range(50):
        want(reader.take(len(reply)) == reply, "reply %d is damaged" % number)
    for client in clients:
        client.reset()
    connections_settle(server, 1)
    return told + ", %d bytes of requests were taken" % max(took.values())


def a_multi_get_is_suspended_while_nobody_reads(server, peer):
    control = server.client()
    want(set_value(control, b"big", b"v" * 100000) == b"STORED", "set")
    others_are_served(server)
    before = server.resident_bytes()
    clients = [server.client(receive_bytes=4096) for _ in range(32)]
    push(clients, b"get" + b" big" * 5000 + b"\r\n")
    told = bound(server, grown(server, before), 32 * MIB, "32 clients with 500 MB to come hold")
    want(others_are_served(server) < WAIT_MAX_S, "others waited")
    value = b"VALUE big 0 100000\r\n" + b"v" * 100000 + b"\r\n"
    reader = clients[5]
    want(set_value(control, b"big", b"w" * 100000) == b"STORED", "set while suspended")
    for number in range(300):
        got = reader.take(len(value))
        want(got in (value, value.replace(b"v", b"w")), "value %d is torn" % number)
    for client in clients:
        client.reset()
    connections_settle(server, 1)
    return told


def fill(server, count, size):
    """Stores many values in one stream; their keys."""
    client = server.client()
    keys = [b"fill%d" % number for number in range(count)]
    for start in range(0, count, 500):
        part = keys[start:start + 500]
        client.send(b"".join(b"set %s 0 0 %d noreply\r\n%s\r\n" % (key, size, b"f" * size)
                             for key in part))
    want(client.ask(b"version").startswith(b"VERSION"), "fill")
    client.close()
    return keys


def count_present(server, keys):
    client = server.client()
    present = 0
    for start in range(0, len(keys), 50):
        client.send(b"get " + b" ".join(keys[start:start + 50]) + b"\r\n")
        while True:
            line = client.line()
            if line == b"END":
                break
            client.take(int(line.split(b" ")[3]) + 2)
            present += 1
    client.close()
    return present


def clients_that_stop_inside_a_value_do_not_empty_the_cache(server, peer):
    keys = fill(server, 20000, 500)
    clients = [server.client() for _ in range(64)]
    half = push(clients, b"set stalled 0 0 1000000\r\n" + b"x" * 10000)
    want(min(half.values()) > 10000, "the beginning of a value was not read")
    left = count_present(server, keys)
    want(left == len(keys), "%d of 20000 keys are left after 640 KB were sent" % left)
    push(clients, b"x" * 900000)
    left = count_present(server, keys)
    if not peer:
        want(left >= 0.95 * len(keys), "only %d of %d keys are left" % (left, len(keys)))
    want(others_are_served(server) < WAIT_MAX_S, "others waited")
    for client in clients:
        client.reset()
    connections_settle(server, 0)
    client = server.client()
    want(get_value(client, b"stalled") is None, "half a value was stored")
    for number in range(20):
        want(set_value(client, b"after%d" % number, b"y" * 500000) == b"STORED",
             "the memory of the stalled uploads did not come back")
    client.close()
    return "%d of %d keys stayed" % (left, len(keys))


def a_stalled_upload_can_still_be_finished(server, peer):
    client = server.client()
    others = server.client()
    client.send(b"set slow 0 0 300000\r\n" + b"a" * 1000)
    for number in range(5):
        want(set_value(others, b"n%d" % number, b"x" * 1000) == b"STORED", "set")
    want(get_value(others, b"slow") is None, "an unfinished value is visible")
    client.send(b"a" * 299000 + b"\r\n")
    want(client.line() == b"STORED", "the upload was dropped")
    want(get_value(others, b"slow") == b"a" * 300000, "the value is damaged")


def a_reset_inside_a_value_costs_nothing(server, peer):
    rng = random.Random(1)
    control = server.client()
    want(set_value(control, b"kept", b"old") == b"STORED", "set")
    before = server.resident_bytes()
    for _ in range(6):
        for _ in range(150):
            client = server.client()
            size = rng.choice((10, 1000, 20000, 500000))
            cut = rng.randrange(size)
            client.send(b"set kept 0 0 %d\r\n" % size + b"n" * cut)
            client.reset()
        connections_settle(server, 1)
    want(get_value(control, b"kept") == b"old", "half a value replaced the old one")
    return bound(server, grown(server, before), 16 * MIB, "with -m 8 it grew by")


def a_reset_while_replies_are_sent_costs_nothing(server, peer):
    control = server.client()
    want(set_value(control, b"big", b"v" * 500000) == b"STORED", "set")
    for number in range(150):
        client = server.client(receive_bytes=8192)
        client.send(b"get big big big\r\n" * 3)
        if number % 2:
            client.take(1000)
        client.reset()
    connections_settle(server, 1)
    want(get_value(control, b"big") == b"v" * 500000, "the value is damaged")
    want(set_value(control, b"big", b"x") == b"STORED" and get_value(control, b"big") == b"x",
         "the value cannot be replaced")


def clients_that_send_byte_by_byte_are_answered(server, peer):
    clients = [server.client() for _ in range(20)]
    scripts = [b"set s%d 0 0 5\r\nhello\r\nget s%d\r\nincr s%d 1\r\nfoo\r\n" % (n, n, n)
               for n in range(20)]
    for at in range(max(map(len, scripts))):
        for client, script in zip(clients, scripts):
            if at < len(script):
                client.send(script[at:at + 1])
    for number, client in enumerate(clients):
        expected = (b"STORED\r\nVALUE s%d 0 5\r\nhello\r\nEND\r\nCLIENT_ERROR cannot increment "
                    b"or decrement non-numeric value\r\nERROR\r\n" % number)
        want(client.take(len(expected)) == expected, "client %d" % number)
        client.close()


def garbage(rng):
    """Random bytes, with pieces of the protocol among them."""
    pieces = (b"\r\n", b"\n", b"get ", b"gets a b", b"set a 0 0 ", b"set a 0 0 10\r\n", b"5\r\n",
              b" noreply", b"VALUE ", b"incr a ", b"99999999999999999999", b"-1", b"\0", b"\x80\0",
              b"\x80\x01\0\x01\x08\0\0\0\0\0\0\x0a", b"a" * 251, b" " * 120, b"touch a", b"cas ",
              b"stats ", b"mg a v\r\n", b"ms a 5\r\n", b"flush_all 100000\r\n", b"gat 0 ", b"\t")
    out = bytearray()
    for _ in range(rng.randrange(1, 60)):
        if rng.random() < 0.5:
            out += rng.choice(pieces)
        else:
            out += rng.randbytes(rng.randrange(40))
    return bytes(out)


def garbage_in_any_cut_is_survived(server, peer):
    seed = harness.random_seed()
    rng = random.Random(seed)
    end = time.monotonic() + harness.random_seconds(5)
    count = 0
    while time.monotonic() < end:
        client = server.client()
        data = garbage(rng)
        start = 0
        try:
            while start < len(data):
                stop = start + rng.randrange(1, 200)
                client.send(data[start:stop])
                start = stop
            if rng.random() < 0.5:
                client.sock.shutdown(socket.SHUT_WR)
                client.rest()
        except OSError:
            pass
        if rng.random() < 0.3:
            client.reset()
        else:
            client.close()
        count += 1
        want(server.alive(), "the server ended, seed %d" % seed)
    want(others_are_served(server) < WAIT_MAX_S, "others waited, seed %d" % seed)
    connections_settle(server, 0)
    return "seed %d, %d connections" % (seed, count)


def an_endless_line_is_hung_up_on(server, peer):
    client = server.client()
    before = server.resident_bytes()
    sent = 0
    try:
        while sent < 64 * MIB:
            client.sock.sendall(b"x" * 65536)
            sent += 65536
    except OSError:
        pass
    want(sent < 64 * MIB, "64 MiB without a line end were read")
    return bound(server, grown(server, before), 8 * MIB, "it holds")


def an_endless_get_is_bounded(server, peer):
    clients = [server.client() for _ in range(8)]
    before = server.resident_bytes()
    took = push(clients, b"get " + b"kkkkkkkkk " * (16 * MIB // 10))
    told = bound(server, grown(server, before), 32 * MIB, "8 endless gets hold")
    want(others_are_served(server) < WAIT_MAX_S, "others waited")
    for client in clients:
        client.reset()
    connections_settle(server, 0)
    return told + ", %.1f MiB were read" % (max(took.values()) / MIB)


def a_get_of_ten_thousand_keys_is_answered(server, peer):
    client = server.client()
    want(set_value(client, b"k", b"x") == b"STORED", "set")
    client.send(b"get" + b" k nothing" * 5000 + b"\r\n")
    expected = b"VALUE k 0 1\r\nx\r\n" * 5000 + b"END\r\n"
    want(client.take(len(expected)) == expected, "reply")


def many_pipelined_commands_are_answered_in_order(server, peer):
    client = server.client()
    count = 100000
    payload = b"".join(b"set k%d 0 0 6\r\n%06d\r\nget k%d\r\n" % (n % 100, n, n % 100)
                       for n in range(count))
    view = memoryview(payload)
    while view:
        ready, writable, _ = select.select([client.sock], [client.sock], [], 10)
        want(ready or writable, "nothing moves")
        if ready:
            client.fill()
        if writable:
            try:
                view = view[client.sock.send(view[:1 << 18], socket.MSG_DONTWAIT):]
            except BlockingIOError:
                pass
    for n in range(count):
        expected = b"STORED\r\nVALUE k%d 0 6\r\n%06d\r\nEND\r\n" % (n % 100, n)
        want(client.take(len(expected)) == expected, "reply %d" % n)


def files_run_out(server, peer):
    """No file is left for a new connection: the old ones are served and the server sleeps."""
    kept = [server.client() for _ in range(5)]
    want(all(c.ask(b"version").startswith(b"VERSION") for c in kept), "version")
    limit = server.open_files() + 8
    old = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, old[1]))
    crowd = [socket.socket() for _ in range(40)]
    for sock in crowd:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", server.port))
    want(all(c.ask(b"version").startswith(b"VERSION") for c in kept), "old connections starve")
    used = cpu_seconds(server.pid)
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        want(kept[0].ask(b"version").startswith(b"VERSION"), "old connections starve")
        time.sleep(0.01)
    used = (cpu_seconds(server.pid) - used) / (time.monotonic() - began)
    want(peer or used < 0.5, "the server spins: %.0f %% of a core" % (used * 100))
    for sock in crowd:
        harness.Client(sock).reset()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, old)

    def accepted():
        try:
            client = server.client(limit_s=1)
            good = client.ask(b"version").startswith(b"VERSION")
            client.close()
            return good
        except OSError:
            return False

    want(wait_until(accepted), "nobody is accepted any more")
    for client in kept:
        client.close()
    return "%.0f %% of a core while no file is left" % (used * 100)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_connection_too_many_is_told_so(server, peer):
    """Started with -c 40."""
    clients = []
    refused = None
    for _ in range(60):
        client = server.client()
        try:
            client.send(b"version\r\n")
            line = client.line()
        except ConnectionError:
            line = b"reset"
        if line.startswith(b"VERSION"):
            clients.append(client)
            continue
        refused = line
        break
    want(refused in (b"ERROR Too many open connections", b"reset"), "it got %r" % refused)
    want(peer or refused != b"reset", "the message was lost in a reset")
    want(peer or len(clients) == 40, "%d connections were served" % len(clients))
    try:
        want(client.rest() == b"" and client.ended, "the refused connection stays open")
    except ConnectionError:
        pass  # closed with our command unread
    want(int(clients[0].stats()["rejected_connections"]) >= 1, "it was not counted")
    clients.pop().close()

    def accepted():
        again = server.client()
        try:
            if again.ask(b"version").startswith(b"VERSION"):
                clients.append(again)
                return True
        except OSError:
            pass
        again.close()
        return False

    want(wait_until(accepted), "a place that came free is not given away")
    for client in clients:
        client.close()


def raise_file_limit(wanted):
    """Raises our limit as far as it may be; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for value in (wanted, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (value, max(value, hard)))
            return value
        except (ValueError, OSError):
            continue
    return soft


def crowd_size():
    return min(50000, raise_file_limit(60000) - 500)


def idle_connections_cost_little(server, peer):
    """Fifty thousand, or as many as the limits allow; each has asked something once."""
    count = crowd_size()
    warm = [server.client() for _ in range(200)]
    for client in warm:
        client.ask(b"version")
    for client in warm:
        client.reset()
    connections_settle(server, 0)
    before = server.resident_bytes()
    crowd = []
    for number in range(count):
        sock = socket.socket()
        sock.settimeout(10)
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind(("127.0.%d.%d" % (1 + number // 20000, 1), 0))
        sock.connect(("127.0.0.1", server.port))
        sock.send(b"version\r\n")
        crowd.append(sock)
        if number % 64 == 63:
            for each in crowd[-64:]:
                want(each.recv(100).startswith(b"VERSION"), "connection %d" % number)
    each_bytes = grown(server, before) / count
    rng = random.Random(2)
    for sock in rng.sample(crowd[:count - 64], 200):
        sock.send(b"version\r\n")
        want(sock.recv(100).startswith(b"VERSION"), "an idle connection is not served")
    want(loose(server) or each_bytes < 1024,
         "an idle connection costs %d bytes" % each_bytes)
    for sock in crowd:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    connections_settle(server, 0)
    return "%d connections, %d bytes each" % (count, each_bytes)


def connections_that_come_and_go_leave_nothing(server, peer):
    resident = []
    for _ in range(3):
        for _ in range(1500):
            client = server.client()
            client.send(b"get a\r\n")
            want(client.line() == b"END", "get")
            client.reset()
        connections_settle(server, 0)
        resident.append(server.resident_bytes())
    want(loose(server) or resident[2] - resident[1] < 2 * MIB, "memory grows: %s" % resident)


def a_burst_of_sets_is_stored_whole(server, peer):
    """Half of the memory in one stream without replies: nothing is refused, nothing goes."""
    keys = fill(server, 40000, 500)
    present = count_present(server, keys)
    client = server.client()
    stats = client.stats()
    client.close()
    told = "%d of %d keys, %s evictions, %s times no memory" % (
        present, len(keys), stats["evictions"], stats["store_no_memory"])
    want(present == len(keys), told)
    return told


def a_large_value_can_be_replaced_for_ever(server, peer):
    client = server.client()
    for number in range(400):
        want(set_value(client, b"large%d" % (number % 3), b"x" * 700000) == b"STORED",
             "number %d was refused" % number)
    for number in range(400):
        want(set_value(client, b"gone", b"x" * 700000) == b"STORED" and
             client.ask(b"delete gone") == b"DELETED", "number %d was refused" % number)
    client.close()


def a_full_cache_evicts_and_goes_on(server, peer):
    """Four times what fits, in sizes that change: every set is stored."""
    client = server.client()
    for number in range(3000):
        size = (100, 30000, 700, 400000, 5000, 90000)[number * 6 // 3000]
        size += number % 97
        want(set_value(client, b"evict%d" % number, b"x" * size) == b"STORED",
             "number %d of %d bytes was refused" % (number, size))
    stats = client.stats()
    client.close()
    want(int(stats["evictions"]) > 0, "nothing was evicted")
    want(int(stats["store_no_memory"]) == 0, "memory ran out")
    return "%s evictions, %s items stay" % (stats["evictions"], stats["curr_items"])


def an_idle_connection_is_let_go_after_its_time(server, peer):
    """Started with -o idle_timeout=1. One that is inside a value stays."""
    idle = server.client(limit_s=15)
    inside = server.client(limit_s=15)
    want(idle.ask(b"version").startswith(b"VERSION"), "version")
    inside.send(b"set a 0 0 10\r\nabc")
    want(idle.line() == b"" and idle.ended, "it stays")
    inside.send(b"defghij\r\n")
    want(inside.line() == b"STORED", "a connection inside a value was let go")
    want(int(inside.stats()["idle_kicks"]) >= 1, "it was not counted")
    idle.close()
    inside.close()


TESTS = (
    (a_client_that_does_not_read_is_not_buffered_without_end, ["-m", "64"]),
    (a_multi_get_is_suspended_while_nobody_reads, ["-m", "64"]),
    (clients_that_stop_inside_a_value_do_not_empty_the_cache, ["-m", "64"]),
    (a_stalled_upload_can_still_be_finished, []),
    (a_reset_inside_a_value_costs_nothing, ["-m", "8"]),
    (a_reset_while_replies_are_sent_costs_nothing, []),
    (clients_that_send_byte_by_byte_are_answered, []),
    (garbage_in_any_cut_is_survived, []),
    (an_endless_line_is_hung_up_on, []),
    (an_endless_get_is_bounded, []),
    (a_get_of_ten_thousand_keys_is_answered, []),
    (many_pipelined_commands_are_answered_in_order, []),
    (files_run_out, []),
    (one_connection_too_many_is_told_so, ["-c", "40"]),
    (connections_that_come_and_go_leave_nothing, []),
    (a_burst_of_sets_is_stored_whole, ["-m", "64"]),
    (a_large_value_can_be_replaced_for_ever, ["-m", "64"]),
    (a_full_cache_evicts_and_goes_on, ["-m", "64"]),
    (an_idle_connection_is_let_go_after_its_time, ["-o", "idle_timeout=1"]),
    (idle_connections_cost_little, ["-c", str(crowd_size() + 400)]),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
