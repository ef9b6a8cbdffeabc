"""liblarder's driver behind a pipe, and servers that misbehave, for the tests of the library."""

import os
import re
import select
import socket
import subprocess
import threading
import time

import harness

ANSWER_LIMIT_S = 120.0


def driver_path():
    build = os.environ.get("TOP_BUILDDIR") or os.path.dirname(os.environ.get("LARDER", "build/x"))
    return os.path.join(build, "tests", "system", "liblarder_driver")


class Answer:
    """One line of the driver: what came out, how long it took, and NAME=VALUE words."""

    def __init__(self, text):
        self.text = text
        found = re.match(r"(.*?) (\d+)ms(.*)$", text)
        self.result = found.group(1) if found else text
        self.ms = int(found.group(2)) if found else 0
        rest = found.group(3) if found else ""
        self.why = rest.split(" why=", 1)[1] if " why=" in rest else ""
        self.words = dict(w.split("=", 1) for w in rest.split(" why=")[0].split() if "=" in w)
        self.lines = []

    def __repr__(self):
        return self.text

    @property
    def value(self):
        return self.words.get("value")

    def number(self, name):
        return int(self.words.get(name, "-99"))


class Library:
    """A handle of liblarder in a process of its own."""

    def __init__(self, servers, **options):
        words = ["servers=" + ",".join(servers)]
        options.setdefault("connect_ms", 20000)  # the machine may be slow
        words += ["%s=%s" % (name, value) for name, value in options.items()]
        self.process = subprocess.Popen([driver_path(), " ".join(words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.buffer = b""

    def _line(self):
        end = time.monotonic() + ANSWER_LIMIT_S
        while b"\n" not in self.buffer:
            ready = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]
            data = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                raise AssertionError("the driver %s" % ("ended" if ready else "is stuck"))
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode("latin-1")

    def do(self, command):
        self.begin(command)
        return self.end()

    def begin(self, command):
        self.process.stdin.write(command.encode("latin-1") + b"\n")
        self.process.stdin.flush()

    def end(self):
        lines = []
        line = self._line()
        while line.startswith("+"):
            lines.append(line[1:])
            line = self._line()
        answer = Answer(line)
        answer.lines = lines
        return answer

    def states(self):
        return self.do("states").text.split()[1:]

    def open_sockets(self):
        place = "/proc/%d/fd" % self.process.pid
        links = []
        for name in os.listdir(place):
            try:
                links.append(os.readlink(os.path.join(place, name)))
            except OSError:
                pass
        return sum(link.startswith("socket:") for link in links)

    def close(self):
        """Ends the driver, and sees that it ended well (a sanitizer would not let it)."""
        self.process.stdin.close()
        code = self.process.wait(timeout=ANSWER_LIMIT_S)
        self.process.stdout.close()
        if code != 0:
            raise AssertionError("the driver ended with %d" % code)
        return True


class Liar:
    """A server that says what a function makes of each request line (None: hangs up)."""

    def __init__(self, answer):
        self.answer = answer
        self.accepted = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.name = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock, sock.makefile("rb") as lines:
            try:
                for line in lines:
                    reply = self.answer(line.rstrip(b"\r\n"))
                    if reply is None:
                        return
                    sock.sendall(reply)
            except OSError:
                return

    def close(self):
        self.listener.close()


class Namespace:
    """A network of its own with one server in it, joined by a pair of interfaces."""

    def __init__(self):
        self.name = "larder-%d" % os.getpid()
        self.link = "ld%d" % (os.getpid() % 100000)
        octet = 1 + os.getpid() % 250
        self.near, self.far = "10.213.%d.1" % octet, "10.213.%d.2" % octet
        self.server = None

    def run(self, *words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def open(self):
        self.run("netns", "add", self.name)
        self.run("link", "add", self.link, "type", "veth", "peer", "name", self.link + "p")
        self.run("link", "set", self.link + "p", "netns", self.name)
        self.run("addr", "add", self.near + "/24", "dev", self.link)
        self.run("link", "set", self.link, "up")
        self.run("-n", self.name, "addr", "add", self.far + "/24", "dev", self.link + "p")
        self.run("-n", self.name, "link", "set", self.link + "p", "up")
        self.server = subprocess.Popen(
            ["ip", "netns", "exec", self.name, harness.default_binary(), "-l", self.far, "-p",
             "11311", "-u", "root"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def cut(self, cut):
        self.run("link", "set", self.link, "down" if cut else "up")

    def close(self):
        if self.server is not None:
            self.server.terminate()
            self.server.wait()
        subprocess.run(["ip", "link", "del", self.link], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
