"""What every system test shares: the server under test, its sockets, and TAP.

The binary is LARDER_BIN, else LARDER, else build/larder in the current directory or the tree;
LARDER_TEST_IO chooses the back end (`-o io=...`). A test that is given another server with
`--peer BINARY` runs it with memcached's options only, and expects memcached's replies.
"""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0
REPLY_LIMIT_S = 30.0


def default_binary():
    """The server that ships: LARDER_BIN, LARDER, or build/larder here or in the tree."""
    named = os.environ.get("LARDER_BIN") or os.environ.get("LARDER")
    if named:
        return os.path.abspath(named)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for base in (os.getcwd(), root):
        path = os.path.join(base, "build", "larder")
        if os.path.exists(path):
            return path
    return os.path.join(root, "build", "larder")


def random_seconds(default):
    """How long a test that has no natural end may run: LARDER_TEST_SECONDS, else the default."""
    return float(os.environ.get("LARDER_TEST_SECONDS") or default)


def random_seed():
    """Where random tests begin: LARDER_TEST_SEED, else anywhere."""
    return int(os.environ.get("LARDER_TEST_SEED") or int.from_bytes(os.urandom(4), "little"))


class Tap:
    """Counts and prints results; every name is a sentence."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def _line(self, word, name, suffix=""):
        self.count += 1
        print("%s %d - %s%s" % (word, self.count, name.replace("#", "\\#"), suffix), flush=True)

    def ok(self, name):
        self._line("ok", name)

    def fail(self, name, why=""):
        self.failed += 1
        self._line("not ok", name)
        for line in str(why).splitlines()[:60]:
            print("#   " + line[:400], flush=True)

    def skip(self, name, why):
        self._line("ok", name, " # SKIP " + why)

    def check(self, good, name, why=""):
        if good:
            self.ok(name)
        else:
            self.fail(name, why)
        return bool(good)

    def note(self, text):
        for line in text.splitlines():
            print("# " + line, flush=True)

    def finish(self):
        print("1..%d" % self.count, flush=True)
        return 1 if self.failed else 0


class ServerError(Exception):
    """The server did not start, or ended when it should not have."""


def instrumented(binary):
    """Whether the build carries a sanitizer, whose memory is not the server's."""
    with open(binary, "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def loose(server):
    """Whether memory is not ours to judge: memcached's, or a sanitizer's."""
    return server.peer or instrumented(server.binary)


class Server:
    """One server on a port (or unix socket) of its own, stopped by `stop`."""

    def __init__(self, options=(), binary=None, peer=False, unix=False, limits=None):
        self.binary = binary or default_binary()
        self.peer = peer
        self.dir = tempfile.mkdtemp(prefix="larder-test-")
        self.unix_path = os.path.join(self.dir, "socket") if unix else None
        self.port = None
        self.exit_code = None
        self.killed = False
        self.log_path = os.path.join(self.dir, "stderr")
        self.argv = self._argv(list(options))
        self._start(limits or {})

    def _argv(self, options):
        argv = [self.binary]
        if self.unix_path:
            argv += ["-s", self.unix_path]
        else:
            argv += ["-l", "127.0.0.1", "-p", "-1"]
        if os.geteuid() == 0 and "-u" not in options:
            argv += ["-u", "root"]
        back_end = os.environ.get("LARDER_TEST_IO")
        if back_end and not self.peer:
            argv += ["-o", "io=" + back_end]
        return argv + options

    def _start(self, limits):
        port_file = os.path.join(self.dir, "ports")
        env = dict(os.environ, MEMCACHED_PORT_FILENAME=port_file)

        def apply_limits():
            for what, value in limits.items():
                resource.setrlimit(what, (value, value))

        if not os.path.exists(self.binary):
            raise ServerError("no server at %s (set LARDER_BIN)" % self.binary)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=env, preexec_fn=apply_limits)
        self.pid = self.process.pid
        end = time.monotonic() + START_LIMIT_S
        while not self._is_up(port_file):
            if self.process.poll() is not None:
                self.exit_code = self.process.returncode
                raise ServerError("%s ended with %d: %s" % (" ".join(self.argv), self.exit_code,
                                                            self.log()))
            if time.monotonic() > end:
                self.kill()
                raise ServerError("%s did not listen in time: %s" % (" ".join(self.argv),
                                                                     self.log()))
            time.sleep(0.002)

    def _is_up(self, port_file):
        if self.unix_path:
            probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                probe.connect(self.unix_path)
                return True
            except OSError:
                return False
            finally:
                probe.close()
        try:
            with open(port_file, encoding="ascii") as ports:
                for line in ports:
                    if line.startswith("TCP INET: "):
                        self.port = int(line.split()[2])
        except OSError:
            return False
        return self.port is not None

    def connect(self, receive_bytes=None, limit_s=REPLY_LIMIT_S):
        """A fresh connected socket, no delay, with a limit on every wait."""
        family = socket.AF_UNIX if self.unix_path else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.settimeout(limit_s)
        if self.unix_path:
            sock.connect(self.unix_path)
        else:
            sock.connect(("127.0.0.1", self.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def client(self, **how):
        return Client(self.connect(**how))

    def alive(self):
        return self.process.poll() is None

    def log(self):
        try:
            with open(self.log_path, "rb") as log:
                return log.read()[-4000:].decode("latin-1")
        except OSError:
            return ""

    def resident_bytes(self):
        """Resident size, from the kernel's own exact count."""
        with open("/proc/%d/smaps_rollup" % self.pid, encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Rss:"):
                    return int(line.split()[1]) * 1024
        return 0

    def open_files(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def wait(self, limit_s=STOP_LIMIT_S):
        self.exit_code = self.process.wait(timeout=limit_s)
        return self.exit_code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.killed = True
        self.exit_code = self.process.wait()

    def stop(self, sig=signal.SIGTERM):
        """Ends the server as an operator would; its exit code, or a ServerError."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise ServerError("the server did not end within %d s" % STOP_LIMIT_S) from None
        log = self.log()
        for name in os.listdir(self.dir):
            os.unlink(os.path.join(self.dir, name))
        os.rmdir(self.dir)
        if self.exit_code != 0 and not self.killed:
            raise ServerError("exit code %d: %s" % (self.exit_code, log))
        return self.exit_code


class Client:
    """A classic ASCII client that keeps what it has not yet consumed."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = bytearray()
        self.ended = False

    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        """Receives once; False at the end of the stream."""
        data = self.sock.recv(1 << 18)
        self.buffer += data
        if not data:
            self.ended = True
        return bool(data)

    def take(self, size):
        while len(self.buffer) < size and self.fill():
            pass
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def line(self):
        """One line without its end; b'' and `ended` at the end of the stream."""
        seen = 0
        while True:
            at = self.buffer.find(b"\n", seen)
            if at >= 0:
                return self.take(at + 1)[:-1].rstrip(b"\r")
            seen = len(self.buffer)
            if not self.fill():
                return self.take(seen)

    def ask(self, text):
        """Sends one command line and returns the first line of its reply."""
        self.send(text + b"\r\n")
        return self.line()

    def stats(self, what=b""):
        """The reply of `stats` as a dictionary of strings, in order."""
        self.send(b"stats" + (b" " + what if what else b"") + b"\r\n")
        found = {}
        while True:
            line = self.line()
            if not line.startswith(b"STAT "):
                return found
            words = line.decode("latin-1").split(" ", 2)
            found[words[1]] = words[2] if len(words) > 2 else ""

    def rest(self):
        """Everything up to the end of the stream."""
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with a reset, as a client that died."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Failed(Exception):
    """What a test says when it fails."""


def want(good, why):
    if not good:
        raise Failed(why)


def wait_until(condition, limit_s=60.0):
    """Polls until the condition holds; whether it came to hold."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def set_value(client, key, data, flags=b"0"):
    client.send(b"set %s %s 0 %d\r\n%s\r\n" % (key, flags, len(data), data))
    return client.line()


def get_value(client, key):
    client.send(b"get %s\r\n" % key)
    head = client.line()
    if head == b"END":
        return None
    want(head.startswith(b"VALUE "), "get answered %r" % head)
    data = client.take(int(head.split(b" ")[3]) + 2)[:-2]
    want(client.line() == b"END", "no END")
    return data


class Unread:
    """Tells how many bytes the server has not read yet from its end of a connection.

    A cut between two sends is a cut only when the server has read the first part, so the tests
    ask the kernel instead of sleeping: SIOCOUTQ for unix sockets, the socket-diagnosis netlink
    family (linux/inet_diag.h) for TCP.
    """

    SIOCOUTQ = 0x5411
    NETLINK_SOCK_DIAG = 4
    SOCK_DIAG_BY_FAMILY = 20

    def __init__(self):
        self.netlink = None
        try:
            self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW,
                                         self.NETLINK_SOCK_DIAG)
            self.netlink.settimeout(1.0)
        except OSError:
            pass

    def _unix_bytes(self, sock):
        import fcntl
        return struct.unpack("i", fcntl.ioctl(sock.fileno(), self.SIOCOUTQ, b"\0" * 4))[0]

    def _tcp_bytes(self, sock):
        here, there = sock.getsockname(), sock.getpeername()
        ident = struct.pack(">HH", there[1], here[1])
        ident += socket.inet_aton(there[0]) + b"\0" * 12 + socket.inet_aton(here[0]) + b"\0" * 12
        ident += struct.pack("III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        body = struct.pack("BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFF) + ident
        head = struct.pack("IHHII", 16 + len(body), self.SOCK_DIAG_BY_FAMILY, 1, 1, 0)
        self.netlink.send(head + body)
        reply = self.netlink.recv(8192)
        kind = struct.unpack_from("IH", reply)[1]
        if kind != self.SOCK_DIAG_BY_FAMILY:
            return 0
        return struct.unpack_from("II", reply, 16 + 4 + 48)[1]

    def wait_read(self, sock, limit_s=0.05):
        """Returns when the server has read everything sent, or after the limit."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                if sock.family == socket.AF_UNIX:
                    left = self._unix_bytes(sock)
                elif self.netlink is not None:
                    left = self._tcp_bytes(sock)
                else:
                    time.sleep(0.001)
                    return
            except OSError:
                time.sleep(0.001)
                return
            if left == 0:
                return
            os.sched_yield()


def run_tests(args, tests):
    """Runs (function, options) pairs, each on a server of its own that must end well; TAP.

    A test is called with the server and whether it is memcached; it may return a note.
    """
    tap = Tap()
    for test, options in tests:
        name = test.__name__.replace("_", " ")
        if args.only not in name:
            continue
        server = None
        began = time.monotonic()
        try:
            server = Server(options, binary=args.peer, peer=bool(args.peer))
            told = test(server, bool(args.peer))
            if args.peer:
                server.kill()
            server.stop()
            tap.ok(name)
            tap.note("%.1f s%s" % (time.monotonic() - began, ": " + told if told else ""))
        except (Failed, OSError, ServerError, subprocess.SubprocessError) as error:
            tap.fail(name, "%s %s\n%s" % (type(error).__name__, error,
                                          server.log() if server else ""))
            if server:
                server.kill()
    return tap.finish()


def die(text):
    print("Bail out! " + text, flush=True)
    sys.exit(2)
