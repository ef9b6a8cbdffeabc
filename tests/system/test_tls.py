#!/usr/bin/env python3
"""TLS: handshakes, versions, certificates of clients, resumption, reloading, and bad clients.

With `--peer BINARY` a memcached built with TLS is run instead; where larder promises more,
memcached is let off. Certificates are made for the run with the `openssl` command.
"""

import argparse
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import harness
from harness import Client, get_value, set_value, wait_until, want

PLACE = tempfile.mkdtemp(prefix="larder-tls-")


def at(name):
    return os.path.join(PLACE, name)


def openssl(*arguments):
    subprocess.run(("openssl",) + arguments, check=True, capture_output=True, timeout=60)


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=" + name, "-keyout", at(name + ".key"),
            "-out", at(name + ".pem"))


def make_certificate(name, authority, rsa=False):
    kind = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl("req", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name, "-keyout",
            at(name + ".key"), "-out", at(name + ".csr"))
    openssl("x509", "-req", "-in", at(name + ".csr"), "-CA", at(authority + ".pem"), "-CAkey",
            at(authority + ".key"), "-CAcreateserial", "-days", "2", "-out", at(name + ".pem"))


def install(name):
    """Puts the certificate where the server looks, at once."""
    for kind in (".pem", ".key"):
        shutil.copy(at(name + kind), at("new" + kind))
        os.rename(at("new" + kind), at("server" + kind))


def words(*more):
    return ["-Z", "-o", ",".join(("ssl_chain_cert=" + at("server.pem"),
                                  "ssl_key=" + at("server.key")) + more)]


PLAIN = "notls:127.0.0.1"


def context(version=None, client=None, authority="root"):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(at(authority + ".pem"))
    if version:
        made.minimum_version = made.maximum_version = version
    if client:
        made.load_cert_chain(at(client + ".pem"), at(client + ".key"))
    return made


class TlsClient(Client):
    """A client over TLS that takes an end without a farewell as an end."""

    def __init__(self, server, made=None, session=None, limit_s=20, port=None):
        raw = socket.create_connection(("127.0.0.1", port or server.port), limit_s)
        raw.settimeout(limit_s)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__((made or context()).wrap_socket(raw, session=session))


def fails(server, made, port=None):
    """Why a client of this kind is refused; None: it is served."""
    try:
        told = TlsClient(server, made, port=port).ask(b"version")
        return None if told.startswith(b"VERSION") else "ended"
    except (OSError, ssl.SSLError) as error:
        return str(error)


def both_versions_are_spoken(server, peer):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = TlsClient(server, context(version))
        want(client.ask(b"version").startswith(b"VERSION"), "%s: no answer" % version)
        want(set_value(client, b"a", b"x" * 100) == b"STORED", "set")
        want(get_value(client, b"a") == b"x" * 100, "get")
        client.close()
    old = context()
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    want(fails(server, old), "TLS 1.1 is spoken")
    told = TlsClient(server).stats(b"settings")
    for key, value in (("ssl_enabled", "yes"), ("ssl_chain_cert", at("server.pem")),
                       ("ssl_verify_mode", "0"), ("ssl_keyformat", "1"),
                       ("ssl_wbuf_size", "16384"), ("ssl_ciphers", "NULL"),
                       ("ssl_ca_cert", "NULL"), ("ssl_session_cache", "no"),
                       ("ssl_min_version", "tlsv1.2")):
        want(told[key] == value, "%s is %s" % (key, told[key]))


def the_least_version_can_be_raised(server, peer):
    want(fails(server, context(ssl.TLSVersion.TLSv1_2)), "TLS 1.2 is spoken")
    want(not fails(server, context(ssl.TLSVersion.TLSv1_3)), "TLS 1.3 is not")


def values_of_all_sizes_pass(server, peer):
    client = TlsClient(server)
    for size in (0, 1, 1000, 15615, 15616, 15617, 16383, 16384, 16385, 40000, 262144, 1000000):
        data = os.urandom(size)
        want(set_value(client, b"k%d" % size, data) == b"STORED", "set of %d" % size)
        want(get_value(client, b"k%d" % size) == data, "get of %d" % size)


def requests_may_be_pipelined(server, peer):
    client = TlsClient(server)
    count = 20000
    wrong = []

    def read():
        for i in range(count):
            if get_reply(client) != b"v%d" % i:
                wrong.append(i)

    def get_reply(who):
        head = who.line()
        data = who.take(int(head.split(b" ")[3]) + 2)[:-2]
        who.line()
        return data

    for i in range(0, count, 500):
        client.send(b"".join(b"set p%d 0 0 %d noreply\r\nv%d\r\n" % (j, len(b"v%d" % j), j)
                             for j in range(i, i + 500)))
    reader = threading.Thread(target=read)
    reader.start()
    for i in range(0, count, 500):
        client.send(b"".join(b"get p%d\r\n" % j for j in range(i, i + 500)))
    reader.join(60)
    want(not reader.is_alive() and not wrong, "wrong: %s" % wrong[:5])


def a_slow_reader_gets_all_of_its_large_values(server, peer):
    client = TlsClient(server)
    data = os.urandom(900000)
    for i in range(4):
        want(set_value(client, b"big%d" % i, data) == b"STORED", "set")
    client.send(b"get big0 big1 big2 big3\r\n" * 6)
    for _ in range(6):
        for i in range(4):
            want(client.line() == b"VALUE big%d 0 900000" % i, "head")
            want(client.take(900002)[:-2] == data, "bytes")
            time.sleep(0.01)
        want(client.line() == b"END", "END")


def commands_before_a_half_close_are_answered(server, peer):
    """The client says that nothing more comes, and still reads."""
    arrive, leave = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context().wrap_bio(arrive, leave)
    sock = socket.create_connection(("127.0.0.1", server.port), 20)
    shake(sock, end, arrive, leave)
    end.write(b"set h 0 0 2\r\nhi\r\nget h\r\n")
    try:
        end.unwrap()
    except ssl.SSLWantReadError:
        pass
    sock.sendall(leave.read())
    sock.shutdown(socket.SHUT_WR)
    got = b""
    while True:
        data = sock.recv(65536)
        if not data:
            break
        arrive.write(data)
        try:
            while True:
                more = end.read(65536)
                if not more:
                    break
                got += more
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
    want(got == b"STORED\r\nVALUE h 0 2\r\nhi\r\nEND\r\n", "got %r" % got)


def shake(sock, end, arrive, leave, byte_by_byte=False):
    while True:
        try:
            end.do_handshake()
            break
        except ssl.SSLWantReadError:
            data = leave.read()
            for i in range(len(data) if byte_by_byte else 1):
                sock.sendall(data[i:i + 1] if byte_by_byte else data)
            more = sock.recv(65536)
            if not more:
                raise harness.Failed("ended in the handshake") from None
            arrive.write(more)
    sock.sendall(leave.read())


def records_may_come_byte_by_byte(server, peer):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        arrive, leave = ssl.MemoryBIO(), ssl.MemoryBIO()
        end = context(version).wrap_bio(arrive, leave)
        sock = socket.create_connection(("127.0.0.1", server.port), 20)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shake(sock, end, arrive, leave, byte_by_byte=True)
        end.write(b"set b 0 0 5\r\nhello\r\n")
        end.write(b"get b\r\n")
        for byte in leave.read():
            sock.sendall(bytes((byte,)))
        got = b""
        while not got.endswith(b"END\r\n"):
            arrive.write(sock.recv(65536))
            try:
                while True:
                    got += end.read(65536)
            except ssl.SSLWantReadError:
                pass
        want(got == b"STORED\r\nVALUE b 0 5\r\nhello\r\nEND\r\n", "got %r" % got)
        sock.close()


def quit_ends_with_a_farewell(server, peer):
    client = TlsClient(server)
    client.send(b"version\r\nquit\r\n")
    want(client.line().startswith(b"VERSION"), "no answer")
    want(client.rest() == b"", "more came")  # an end without close_notify would be an error


def what_is_no_tls_is_refused_and_counted(server, peer):
    for data in (b"get a\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"\x80\x0b" + b"\0" * 22,
                 os.urandom(5000), b"\x16\x03\x01\xff\xff" + b"\1" * 200):
        sock = server.connect()
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
        sock.close()
    client = TlsClient(server)
    arrive, leave = ssl.MemoryBIO(), ssl.MemoryBIO()
    end = context().wrap_bio(arrive, leave)
    sock = server.connect()
    shake(sock, end, arrive, leave)
    sock.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
    if not peer:
        told = client.stats()
        want(int(told["ssl_handshake_errors"]) >= 4, "handshake errors: %s" % (
            told["ssl_handshake_errors"]))
        want(int(told["ssl_proto_errors"]) == 1, "errors later: %s" % told["ssl_proto_errors"])
    want(wait_until(lambda: int(client.stats()["curr_connections"]) <= 3), "not closed")
    want(client.ask(b"version").startswith(b"VERSION"), "no service")


def failures_are_told_to_watchers(server, peer):
    watcher = TlsClient(server)
    want(watcher.ask(b"watch connevents") == b"OK", "no watch")
    sock = server.connect()
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(5):
        line = watcher.line()
        if b"type=conntlserr fd=" in line:
            want(b"msg=error:" in line, "no reason in %r" % line)
            return
    raise harness.Failed("not told")


def clients_can_be_asked_for_certificates(server, peer):
    want(not fails(server, context(client="client")), "a good certificate is refused")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        want(fails(server, context(version)), "none is needed")
        want(fails(server, context(version, client="stranger")), "a stranger's is taken")
    want(TlsClient(server, context(client="client")).stats(b"settings")["ssl_verify_mode"] == "3",
         "settings")


def a_certificate_may_be_asked_for_and_not_shown(server, peer):
    want(not fails(server, context()), "none is refused")
    want(not fails(server, context(client="client")), "a good one is refused")
    want(fails(server, context(client="stranger")), "a stranger's is taken")


def sessions_are_resumed(server, peer):
    made = context(ssl.TLSVersion.TLSv1_2)
    first = TlsClient(server, made)
    want(first.ask(b"version").startswith(b"VERSION"), "no answer")
    before = int(first.stats()["ssl_new_sessions"])
    want(before > 0 or peer, "no session is counted")
    second = TlsClient(server, made, session=first.sock.session)
    want(second.sock.session_reused, "TLS 1.2: not resumed")
    want(int(second.stats()["ssl_new_sessions"]) == before, "a resumed session is counted")
    made = context(ssl.TLSVersion.TLSv1_3)
    first = TlsClient(server, made)
    want(first.ask(b"version").startswith(b"VERSION"), "no answer")
    second = TlsClient(server, made, session=first.sock.session)
    want(second.ask(b"version").startswith(b"VERSION"), "no answer after")
    want(second.sock.session_reused, "TLS 1.3: not resumed")


def shown_name(client):
    for part in client.sock.getpeercert()["subject"]:
        for key, value in part:
            if key == "commonName":
                return value
    return None


def certificates_are_read_again(server, peer):
    old = TlsClient(server)
    want(shown_name(old) == "one", "first %s" % shown_name(old))
    install("two")
    want(old.ask(b"refresh_certs") == b"OK", "refused")
    want(shown_name(TlsClient(server)) == "two", "not read again")
    want(old.ask(b"version").startswith(b"VERSION"), "the connection before is cut")
    with open(at("server.pem"), "w", encoding="ascii") as file:
        file.write("this is no certificate\n")
    told = old.ask(b"refresh_certs")
    want(told.startswith(b"Error loading the certificate chain: " + at("server.pem").encode()),
         "told %r" % told)
    want(old.ask(b"version").startswith(b"VERSION"), "the answer was more than a line")
    want(shown_name(TlsClient(server)) == "two", "bad files did harm")
    shutil.copy(at("one.pem"), at("server.pem"))
    if not peer:
        want(old.ask(b"refresh_certs").startswith(b"Error "), "a key of another certificate")
        want(shown_name(TlsClient(server)) == "two", "bad files did harm")
    install("one")
    server.process.send_signal(signal.SIGHUP)
    want(wait_until(lambda: shown_name(TlsClient(server)) == "one"), "not read on SIGHUP")
    want(int(old.stats()["time_since_server_cert_refresh"]) <= 2, "refreshed when")
    os.unlink(at("server.key"))
    server.process.send_signal(signal.SIGHUP)
    if not peer:
        want(wait_until(lambda: "Could not reload TLS certificates" in server.log()), "not said")
    want(shown_name(TlsClient(server)) == "one", "missing files did harm")
    install("one")


def a_flood_of_handshakes_does_not_stall_a_plain_client(server, peer):
    """Sixty clients shake hands at the same time, again and again, beside a plain one."""
    stop = threading.Event()
    done = []
    tls_port, plain_port = ports_of(server)

    def flood():
        hello = client_hello()
        while not stop.is_set():
            socks = []
            for _ in range(20):
                sock = socket.create_connection(("127.0.0.1", tls_port), 20)
                sock.sendall(hello)
                socks.append(sock)
            for sock in socks:
                sock.recv(1)
                sock.close()
                done.append(1)

    plain = Client(socket.create_connection(("127.0.0.1", plain_port), 20))
    plain.ask(b"version")
    threads = [threading.Thread(target=flood) for _ in range(3)]
    for thread in threads:
        thread.start()
    slowest = 0
    end = time.monotonic() + harness.random_seconds(3)
    asked = 0
    while asked < 100 or time.monotonic() < end:
        began = time.monotonic()
        want(plain.ask(b"get nothing") == b"END", "no answer")
        slowest = max(slowest, time.monotonic() - began)
        asked += 1
    stop.set()
    for thread in threads:
        thread.join()
    told = plain.stats(b"larder") if not peer else {}
    want(peer or int(told["core_0_tls_handshakes_deferred"]) > 0, "no handshake waited")
    want(not fails(server, context(), tls_port), "no TLS afterwards")
    return "%d handshakes, %d asked, slowest %.1f ms, deferred %s" % (
        len(done), asked, slowest * 1000, told.get("core_0_tls_handshakes_deferred", "not told"))


def client_hello():
    leave = ssl.MemoryBIO()
    end = context().wrap_bio(ssl.MemoryBIO(), leave)
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return leave.read()


def ports_of(server):
    """TCP ports in the order of -l."""
    with open(os.path.join(server.dir, "ports"), encoding="ascii") as file:
        return [int(line.split()[2]) for line in file if line.startswith("TCP INET: ")]


def listeners_have_their_own_rules(server, peer):
    tls, plain, without, required = ports_of(server)
    want(fails(server, context(), tls) is None or peer, "the first asks for a certificate")
    client = Client(socket.create_connection(("127.0.0.1", plain), 20))
    want(client.ask(b"version").startswith(b"VERSION"), "notls")
    want(set_value(client, b"shared", b"value") == b"STORED", "set")
    want(get_value(TlsClient(server, port=without), b"shared") == b"value", "btls")
    want(fails(server, context(client="stranger"), without) is None, "btls looks at certificates")
    want(fails(server, context(), required), "mtls needs none")
    want(fails(server, context(client="stranger"), required), "mtls takes a stranger's")
    want(fails(server, context(client="client"), required) is None, "mtls refuses a good one")


def answers_behind_a_refresh_wait_for_it(server, peer):
    client = TlsClient(server)
    client.send(b"set r 0 0 1\r\nx\r\nrefresh_certs\r\nget r\r\nrefresh_certs\r\nversion\r\n")
    told = [client.line() for _ in range(7)]
    want(told[:6] == [b"STORED", b"OK", b"VALUE r 0 1", b"x", b"END", b"OK"], "told %s" % told)
    want(told[6].startswith(b"VERSION"), "told %s" % told)
    for _ in range(20):
        gone = TlsClient(server)
        gone.send(b"refresh_certs\r\n" * 50)
        gone.reset()
    want(client.ask(b"refresh_certs") == b"OK", "refused after others left")


def a_handshake_that_takes_too_long_is_closed(server, peer):
    if peer:
        return "memcached waits for ever"
    client = TlsClient(server)
    silent, half = server.connect(limit_s=20), server.connect(limit_s=20)
    half.sendall(client_hello()[:100])
    want(wait_until(lambda: int(client.stats()["curr_connections"]) == 3), "not accepted")
    want(client.ask(b"debugtime 31") == b"OK", "no debugtime")
    want(silent.recv(1) == b"" and half.recv(1) == b"", "not closed")
    want(client.ask(b"version").startswith(b"VERSION"), "one that is done was closed as well")
    want(client.stats()["ssl_handshake_errors"] == "2", "not counted")
    return None


def idle_clients_get_a_farewell(server, peer):
    idle, client = TlsClient(server), TlsClient(server)
    want(idle.ask(b"version").startswith(b"VERSION"), "no answer")
    want(wait_until(lambda: client.stats()["idle_kicks"] == "1"), "not closed")
    want(idle.rest() == b"", "more came")  # an end without close_notify would be an error


def many_clients_at_once_are_served(server, peer):
    wrong = []

    def work(number):
        try:
            for turn in range(10):
                client = TlsClient(server)
                key = b"m%d-%d" % (number, turn)
                data = os.urandom(1 + number * 3000)
                if set_value(client, key, data) != b"STORED" or get_value(client, key) != data:
                    wrong.append(key)
                client.close()
        except (OSError, ssl.SSLError) as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want(not wrong, "%d: %s" % (len(wrong), wrong[:3]))


def idle_connections_cost_little(server, peer):
    clients = [TlsClient(server) for _ in range(50)]
    for client in clients:
        client.ask(b"version")
    before = server.resident_bytes()
    clients += [TlsClient(server) for _ in range(200)]
    for client in clients:
        client.ask(b"version")
    each = (server.resident_bytes() - before) // 200
    told = clients[0].stats()
    want(each < 64 * 1024 or harness.loose(server), "%d bytes a connection" % each)
    if not peer:
        want(int(told["read_buf_bytes"]) - int(told["read_buf_bytes_free"]) <= 64 * 1024,
             "connection memory in use: %s" % told["read_buf_bytes"])
    return "%d bytes a connection" % each


def bad_options_keep_it_from_starting(server, peer):
    base = [server.binary, "-l", "127.0.0.1", "-p", "-1", "-u", "root"]
    chain, key = "ssl_chain_cert=" + at("one.pem"), "ssl_key=" + at("one.key")
    cases = (
        (64, ["-Z"], "certificate chain"),
        (64, ["-Z", "-o", "ssl_chain_cert=/no/such/file," + key], "/no/such/file"),
        (64, ["-Z", "-o", chain + ",ssl_key=" + at("two.key")], "rror"),
        (64, ["-Z", "-o", chain + "," + key + ",ssl_ciphers=nothing"], "cipher"),
        (64, ["-Z", "-o", chain + "," + key + ",ssl_ca_cert=/no/such/ca"], "CA certificate"),
        (1, ["-Z", "-o", "ssl_verify_mode=4"], "ssl_verify_mode"),
        (1, ["-o", "ssl_key"], "Missing ssl_key argument"),
        (1, ["-o", "ssl_min_version=9"], "ssl_min_version"),
        (64, ["-Z", "-p", "0", "-o", chain + "," + key], "without a TCP port"),
        (71, ["-l", "mtls:127.0.0.1"], "valid only when SSL is enabled"),
    )
    for code, options, says in cases:
        done = subprocess.run(base + options, capture_output=True, timeout=20, check=False)
        said = done.stderr.decode("latin-1")
        want((done.returncode == code and says in said) or (peer and done.returncode != 0),
             "%s: %d %s" % (options, done.returncode, said))


def tests():
    listens = ["-l", PLAIN + ":0,btls:127.0.0.1:0,mtls:127.0.0.1:0"]
    return (
        (both_versions_are_spoken, words()),
        (the_least_version_can_be_raised, words("ssl_min_version=3")),
        (values_of_all_sizes_pass, words() + ["-m", "256"]),
        (requests_may_be_pipelined, words()),
        (a_slow_reader_gets_all_of_its_large_values, words()),
        (commands_before_a_half_close_are_answered, words()),
        (records_may_come_byte_by_byte, words()),
        (quit_ends_with_a_farewell, words()),
        (what_is_no_tls_is_refused_and_counted, words()),
        (failures_are_told_to_watchers, words()),
        (clients_can_be_asked_for_certificates,
         words("ssl_verify_mode=2", "ssl_ca_cert=" + at("root.pem"))),
        (a_certificate_may_be_asked_for_and_not_shown,
         words("ssl_verify_mode=1", "ssl_ca_cert=" + at("root.pem"))),
        (sessions_are_resumed, words("ssl_session_cache")),
        (certificates_are_read_again, words()),
        (a_flood_of_handshakes_does_not_stall_a_plain_client,
         words() + ["-t", "1", "-l", PLAIN + ":0"]),
        (listeners_have_their_own_rules, words("ssl_ca_cert=" + at("root.pem")) + listens),
        (answers_behind_a_refresh_wait_for_it, words()),
        (a_handshake_that_takes_too_long_is_closed, words() + ["-o", "debugtime"]),
        (idle_clients_get_a_farewell, words() + ["-o", "idle_timeout=1"]),
        (many_clients_at_once_are_served, words()),
        (idle_connections_cost_little, words()),
        (bad_options_keep_it_from_starting, words()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    arguments = parser.parse_args()
    binary = arguments.peer or harness.default_binary()
    help_text = subprocess.run([binary, "-h"], capture_output=True, timeout=20, check=False).stdout
    if b"enable-ssl" not in help_text:
        tap = harness.Tap()
        tap.skip("TLS", "this build has none")
        return tap.finish()
    try:
        make_authority("root")
        make_authority("elsewhere")
        make_certificate("one", "root", rsa=True)
        make_certificate("two", "root")
        make_certificate("client", "root")
        make_certificate("stranger", "elsewhere")
        install("one")
        return harness.run_tests(arguments, tests())
    finally:
        shutil.rmtree(PLACE)


if __name__ == "__main__":
    raise SystemExit(main())
