#!/usr/bin/env python3
"""The server as a process: ports, signals, drain, pid file, daemon, unix sockets, exit codes.

With `--peer BINARY` memcached is run instead; where larder promises more, memcached is let off.
"""

import argparse
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time

import harness
from harness import Server, get_value, set_value, wait_until, want


def run_once(server, *options, limit_s=20):
    """Runs the server with options that make it end by itself; exit code and what it said."""
    argv = [server.binary] + list(options)
    done = subprocess.run(argv, capture_output=True, timeout=limit_s, check=False,
                          stdin=subprocess.DEVNULL)
    return done.returncode, (done.stdout + done.stderr).decode("latin-1")


def as_root():
    return ["-u", "root"] if os.geteuid() == 0 else []


def a_second_server_on_the_port_fails_with_71(server, peer):
    code, said = run_once(server, "-l", "127.0.0.1", "-p", str(server.port), *as_root())
    want(code == 71, "exit code %d" % code)
    want("failed to listen on" in said and "Address already in use" in said, said)
    client = server.client()
    want(client.ask(b"version").startswith(b"VERSION"), "the first one is disturbed")


def bad_options_end_with_memcached_s_exit_codes(server, peer):
    cases = ((1, ["--no-such-option"]), (64, ["-p", "70000"]), (1, ["-t", "0"]), (1, ["-c", "0"]),
             (64, ["-I", "2g"]), (64, ["-B", "nothing"]), (1, ["-f", "1"]),
             (1, ["-o", "no_such_word"]))
    for wanted, options in cases:
        if peer and options[0] == "-I":
            continue
        code, said = run_once(server, *(as_root() + options))
        want(code == wanted, "%s: exit code %d, %s" % (options, code, said))
        want(said, "%s: nothing was said" % options)
    if os.geteuid() == 0:
        code, said = run_once(server, "-p", "0")
        want(code == 64 and "-u root" in said, "without -u: %d %s" % (code, said))
        code, said = run_once(server, "-u", "no-such-user-here")
        want(code == 67, "unknown user: %d %s" % (code, said))


def help_and_version_are_told(server, peer):
    for option, begins in (("-V", "memcached 1.6." if peer else "larder "), ("-h", "")):
        code, said = run_once(server, option)
        want(code == 0 and said.startswith(begins), "%s: %d %s" % (option, code, said[:100]))
    if not peer:
        place = tempfile.mkdtemp()
        name = os.path.join(place, "memcached")
        os.symlink(os.path.realpath(server.binary), name)
        done = subprocess.run([name, "-V"], capture_output=True, text=True, check=False)
        shutil.rmtree(place)
        want(done.stdout.startswith("memcached 1.6.45"), "as memcached: " + done.stdout)


def replies_on_their_way_are_delivered_when_it_ends(server, peer):
    """Every signal that ends it, with replies not read yet."""
    unread = harness.Unread()
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        own = Server(["-m", "64"], binary=server.binary, peer=peer)
        client = own.client()
        want(set_value(client, b"a", b"v" * 20000) == b"STORED", "set")
        client.send(b"get a\r\n" * 5)
        unread.wait_read(client.sock, 5.0)
        own.process.send_signal(sig)
        got = client.rest()
        code = own.wait()
        reply = b"VALUE a 0 20000\r\n" + b"v" * 20000 + b"\r\nEND\r\n"
        want(peer or got == reply * 5, "%s: %d of %d bytes came" % (sig, len(got), 5 * len(reply)))
        want(code == 0, "%s: exit code %d" % (sig, code))
        own.stop()


def it_ends_at_once_with_idle_connections(server, peer):
    """The best of some, as a machine may be busy; a drain that waits for its limit takes 1 s."""
    took = []
    while len(took) < 20 and (not took or min(took) >= 0.9):
        other = harness.Server(binary=server.binary, peer=peer)
        clients = [other.client() for _ in range(8)]
        for client in clients:
            client.ask(b"version")
        began = time.monotonic()
        if peer:
            other.kill()
        other.stop()
        took.append(time.monotonic() - began)
        for client in clients:
            client.close()
    want(min(took) < 0.9, "took %s" % took)


def a_client_that_never_reads_does_not_keep_it_from_ending(server, peer):
    own = Server(["-m", "64"], binary=server.binary, peer=peer)
    client = own.client(receive_bytes=4096)
    want(set_value(client, b"a", b"v" * 500000) == b"STORED", "set")
    client.send(b"get a\r\n" * 200)
    harness.Unread().wait_read(client.sock, 0.2)
    idle = own.client()
    inside = own.client()
    inside.send(b"set b 0 0 1000\r\nxyz")
    began = time.monotonic()
    own.process.send_signal(signal.SIGTERM)
    want(own.wait() == 0, "exit code %d" % own.exit_code)
    took = time.monotonic() - began
    idle.close()
    inside.close()
    own.stop()
    return "%.1f s" % took


def the_port_is_free_again_at_once(server, peer):
    own = Server([], binary=server.binary, peer=peer)
    clients = [own.client() for _ in range(20)]
    for client in clients:
        client.ask(b"version")
    port = own.port
    own.stop()
    again = Server(["-p", str(port)], binary=server.binary, peer=peer)
    want(again.port == port, "another port")
    want(again.client().ask(b"version").startswith(b"VERSION"), "it does not serve")
    again.stop()
    for client in clients:
        client.close()


def the_clock_runs(server, peer):
    """Most tests stop it. However slow the machine, a second passes at last."""
    client = server.client()
    client.send(b"set a 0 1 1\r\nx\r\n")
    want(client.line() == b"STORED", "set")
    want(harness.wait_until(lambda: get_value(client, b"a") is None), "it never expires")


def a_hang_up_signal_does_not_end_it(server, peer):
    server.process.send_signal(signal.SIGHUP)
    server.process.send_signal(signal.SIGPIPE)
    client = server.client()
    for _ in range(50):
        want(client.ask(b"version").startswith(b"VERSION"), "it ended")
    want(server.alive(), "it ended")


def the_pid_file_names_it_and_stays_without_d(server, peer):
    place = tempfile.mkdtemp()
    path = os.path.join(place, "pid")
    own = Server(["-P", path], binary=server.binary, peer=peer)
    want(wait_until(lambda: os.path.exists(path)), "no pid file")
    with open(path, encoding="ascii") as file:
        want(file.read().strip() == str(own.pid), "another pid")
    own.stop()
    left = os.listdir(place)
    shutil.rmtree(place)
    want(left == ["pid"], "left: %s" % left)


def a_daemon_lets_go_and_removes_its_pid_file(server, peer):
    place = tempfile.mkdtemp()
    path = os.path.join(place, "pid")
    ports = os.path.join(place, "ports")
    env = dict(os.environ, MEMCACHED_PORT_FILENAME=ports)
    argv = [server.binary, "-d", "-P", path, "-l", "127.0.0.1", "-p", "-1"] + as_root()
    done = subprocess.run(argv, env=env, timeout=20, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    want(done.returncode == 0, "the parent ended with %d" % done.returncode)
    want(wait_until(lambda: os.path.exists(path) and os.path.exists(ports)), "no files")
    with open(path, encoding="ascii") as file:
        pid = int(file.read())
    try:
        want(os.getsid(pid) != os.getsid(0), "it is in our session")
        want(os.readlink("/proc/%d/cwd" % pid) == "/", "it keeps a directory")
        with open(ports, encoding="ascii") as file:
            port = int(file.read().split()[2])
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            want(harness.Client(sock).ask(b"version").startswith(b"VERSION"), "no service")
    finally:
        os.kill(pid, signal.SIGTERM)
    want(wait_until(lambda: gone(pid)), "it does not end")
    want(not os.path.exists(path), "the pid file stays")
    shutil.rmtree(place)


def gone(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def a_unix_socket_has_its_mask_and_replaces_a_stale_one(server, peer):
    for options, mode in (([], 0o700), (["-a", "770"], 0o770), (["-a", "0666"], 0o666)):
        own = Server(options, binary=server.binary, peer=peer, unix=True)
        has = stat.S_IMODE(os.stat(own.unix_path).st_mode)
        client = own.client()
        want(set_value(client, b"a", b"x") == b"STORED" and get_value(client, b"a") == b"x",
             "no service")
        want(client.stats(b"settings")["domain_socket"] == own.unix_path, "settings")
        client.close()
        own.stop()
        want(has == mode, "%s: mode %o" % (options, has))
    place = tempfile.mkdtemp()
    path = os.path.join(place, "stale")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    process = subprocess.Popen([server.binary, "-s", path] + as_root(), stderr=subprocess.DEVNULL)
    sock = socket.socket(socket.AF_UNIX)
    try:
        want(wait_until(lambda: sock.connect_ex(path) == 0), "a stale socket keeps it from serving")
        want(harness.Client(sock).ask(b"version").startswith(b"VERSION"), "no service")
    finally:
        sock.close()
        process.terminate()
        process.wait(20)
        shutil.rmtree(place)


def ports_are_written_where_the_environment_says(server, peer):
    place = tempfile.mkdtemp()
    path = os.path.join(place, "ports")
    env = dict(os.environ, MEMCACHED_PORT_FILENAME=path)
    argv = [server.binary, "-l", "127.0.0.1,::1", "-p", "-1"] + as_root()
    process = subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL)
    try:
        want(wait_until(lambda: os.path.exists(path)), "no file")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        want(len(lines) == 2 and any(x.startswith("TCP INET: ") for x in lines) and
             any(x.startswith("TCP INET6: ") for x in lines), "lines %s" % lines)
        for line in lines:
            host = "::1" if "INET6" in line else "127.0.0.1"
            with socket.create_connection((host, int(line.split()[2])), 10) as sock:
                want(harness.Client(sock).ask(b"version").startswith(b"VERSION"), host)
        want(os.listdir(place) == ["ports"], "left: %s" % os.listdir(place))
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(place)


def connections_are_spread_evenly_over_threads(server, peer):
    """Started with -t 4: forty connections, ten a core."""
    clients = [server.client() for _ in range(40)]
    for client in clients:
        client.ask(b"version")
    if not peer:
        told = clients[0].stats(b"larder")
        counts = [int(told["core_%d_connections" % core]) for core in range(4)]
        want(sum(counts) == 40 and max(counts) - min(counts) <= 1, "spread %s" % counts)
    for client in clients[::2]:
        client.close()
    want(wait_until(lambda: int(clients[1].stats()["curr_connections"]) == 20), "not closed")
    more = [server.client() for _ in range(20)]
    for client in more:
        client.ask(b"version")
    told = clients[1].stats(b"larder") if not peer else {}
    for client in clients + more:
        client.close()
    if not peer:
        counts = [int(told["core_%d_connections" % core]) for core in range(4)]
        want(max(counts) - min(counts) <= 1, "spread after some left: %s" % counts)


def many_threads_work_on_few_keys(server, peer):
    """Eight clients write and read what says who wrote it; nothing torn, nothing foreign."""
    wrong = []

    def work(number):
        client = server.client()
        for turn in range(300):
            key = b"shared%d" % (turn % 3)
            letter = b"abcdefgh"[number:number + 1]
            size = (10, 500, 20000)[turn % 3]
            if set_value(client, key, letter * size) != b"STORED":
                wrong.append("set")
            value = get_value(client, key)
            if value is None or len(value) != size or len(set(value)) != 1:
                wrong.append("torn value of %s" % key)
        client.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    want(not wrong, "%d: %s" % (len(wrong), wrong[:3]))


TESTS = (
    (a_second_server_on_the_port_fails_with_71, []),
    (bad_options_end_with_memcached_s_exit_codes, []),
    (help_and_version_are_told, []),
    (replies_on_their_way_are_delivered_when_it_ends, []),
    (it_ends_at_once_with_idle_connections, []),
    (a_client_that_never_reads_does_not_keep_it_from_ending, []),
    (the_port_is_free_again_at_once, []),
    (the_clock_runs, []),
    (a_hang_up_signal_does_not_end_it, []),
    (the_pid_file_names_it_and_stays_without_d, []),
    (a_daemon_lets_go_and_removes_its_pid_file, []),
    (a_unix_socket_has_its_mask_and_replaces_a_stale_one, []),
    (ports_are_written_where_the_environment_says, []),
    (connections_are_spread_evenly_over_threads, ["-t", "4"]),
    (many_threads_work_on_few_keys, ["-t", "4"]),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="run this memcached instead")
    parser.add_argument("--only", default="", help="only tests whose name contains this")
    return harness.run_tests(parser.parse_args(), TESTS)


if __name__ == "__main__":
    raise SystemExit(main())
