# larder: the servers and the load generator that bench/compare runs
"""Starting, finding ready, filling and ending the servers; running the load generator on one."""

import dataclasses
import os
import pwd
import re
import shlex
import socket
import subprocess
import time

from comparison import machine

READY_SECONDS = 20
END_SECONDS = 10
SETTLE_SECONDS = 10
SETTLED_SHARE = 0.02  # of a CPU
RUN_SECONDS_MAX = 600


class Failure(Exception):
    """What the user is told."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """A server as named on the command line."""
    name: str
    command: str
    is_null: bool = False


def program_of(command):
    words = shlex.split(command)
    if not words:
        raise Failure('an empty command')
    return words


def with_variants(name, command):
    """memcached also with -R 1000: by default it leaves a connection after 20 requests."""
    found = [Spec(name, command)]
    words = program_of(command)
    has_own = any(word.startswith('-R') for word in words)
    if os.path.basename(words[0]).startswith('memcached') and not has_own:
        found.append(Spec(name + ' -R 1000', command + ' -R 1000'))
    return found


def larder_command(arguments):
    command = arguments.larder
    if command is None:
        path = os.path.join(arguments.build, 'larder')
        if not os.access(path, os.X_OK):
            raise Failure('no larder at %s: build it, or say --larder or --no-larder' % path)
        command = shlex.quote(path) + ' -l 127.0.0.1 -U 0 -p {port} -m {memory} -t {threads}'
        if os.geteuid() == 0:
            command += ' -u ' + pwd.getpwuid(0).pw_name
    return command


def specs(arguments):
    found = []
    if not arguments.no_larder:
        found.append(Spec('larder', larder_command(arguments)))
    for text in arguments.server:
        name, equals, command = text.partition('=')
        if not equals or not name:
            raise Failure('--server wants NAME=COMMAND, not "%s"' % text)
        found += with_variants(name, command)
    if not arguments.no_null:
        null = shlex.quote(os.path.join(arguments.build, 'bench', 'null'))
        for back_end in ('epoll', 'uring'):
            found.append(Spec('null, ' + back_end, null + ' -i ' + back_end +
                              ' -p {port} -v {size} -t {threads}', True))
    names = [spec.name for spec in found]
    if len(set(names)) != len(names):
        raise Failure('two servers have the same name')
    if not found:
        raise Failure('no server')
    return found


def default_baseline(found):
    """The first that is neither larder nor store-less."""
    others = [spec.name for spec in found if not spec.is_null and spec.name != 'larder']
    return (others or [found[0].name])[0]


def cpu_set(text):
    """"0,2-3" as a set."""
    cpus = set()
    for part in text.split(','):
        match = re.fullmatch(r'(\d+)(?:-(\d+))?', part)
        if match is None:
            raise Failure('not a list of CPUs: "%s"' % text)
        first = int(match.group(1))
        cpus.update(range(first, int(match.group(2) or first) + 1))
    return cpus


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Server:
    """One running server."""

    def __init__(self, spec, size, memory_mib, arguments):
        self.name = spec.name
        self.is_null = spec.is_null
        self.cpus = cpu_set(arguments.server_cpus)
        self.port = free_port()
        self.socket = None
        if '{socket}' in spec.command:
            self.socket = os.path.join(arguments.scratch, 'socket-%d' % self.port)
        filled = spec.command
        for key, value in {'port': self.port, 'socket': self.socket, 'size': size,
                           'memory': memory_mib,
                           'threads': arguments.threads}.items():
            filled = filled.replace('{%s}' % key, str(value))
        self.command = program_of(filled)
        self.log = os.path.join(arguments.scratch, 'log-%d' % self.port)
        self.process = None
        self.description = machine.without_paths(spec.command)

    def start(self):
        with open(self.log, 'wb') as log:
            try:
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))
            except (OSError, subprocess.SubprocessError) as error:
                raise Failure('%s does not start: %s' % (self.name, error)) from error
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, encoding='utf-8', errors='replace') as log:
                    raise Failure('%s is not ready: %s' % (self.name, log.read()[-500:].strip()))
            time.sleep(0.05)
        if not self.is_null:
            self.description = '%s; %s' % (self.ask_version(), self.description)

    def connect(self):
        if self.socket is not None:
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(5)
            link.connect(self.socket)
            return link
        return socket.create_connection(('127.0.0.1', self.port), timeout=5)

    def answers(self):
        try:
            self.connect().close()
        except OSError:
            return False
        return True

    def ask_version(self):
        try:
            with self.connect() as link:
                link.sendall(b'version\r\n')
                return link.recv(100).decode('latin-1').strip()
        except OSError:
            return 'says no version'

    def stats(self):
        """The general statistics, as a dictionary of texts."""
        found = {}
        with self.connect() as link, link.makefile('rwb') as stream:
            stream.write(b'stats\r\n')
            stream.flush()
            for line in stream:
                words = line.decode('latin-1').split(None, 2)
                if not words or words[0] != 'STAT':
                    break
                found[words[1]] = words[2].strip() if len(words) > 2 else ''
        return found

    def resident_bytes(self):
        with open('/proc/%d/smaps_rollup' % self.process.pid, encoding='ascii') as file:
            for line in file:
                if line.startswith('Rss:'):
                    return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self):
        total = 0
        for task in os.listdir('/proc/%d/task' % self.process.pid):
            try:
                with open('/proc/%d/task/%s/schedstat' % (self.process.pid, task),
                          encoding='ascii') as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass  # a thread that has just ended
        return total / 1e9

    def settle(self):
        """Waits until background work, as the growth of a hash table, is done."""
        deadline = time.monotonic() + SETTLE_SECONDS
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(0.2)
            now = self.cpu_seconds()
            if now - before < 0.2 * SETTLED_SHARE:
                return
            before = now

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Load:
    """The load generator."""

    def __init__(self, arguments):
        self.path = os.path.join(arguments.build, 'bench', 'larder-load')
        self.cpus = arguments.client_cpus
        self.faults = 0
        cpu_set(self.cpus)
        if not os.access(self.path, os.X_OK):
            raise Failure('no load generator at %s: make bench' % self.path)

    def run(self, server, cell, options, threads):
        """The numbers of one run, or None after a fault that was told on stderr."""
        where = ['--socket', server.socket] if server.socket else ['-p', str(server.port)]
        command = [self.path, '--line', '--cpus', self.cpus, '-t', str(threads),
                   '--server-pid', str(server.process.pid), '-k', str(cell.keys),
                   '-v', str(cell.size)] + where + options
        if threads > cell.connections:
            command[command.index('-t') + 1] = str(cell.connections)
        if server.is_null:
            command += ['--check', 'shape']
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=RUN_SECONDS_MAX)
        result = parse_result(done.stdout)
        if done.returncode in (0, 4) and result is not None:
            return result
        self.faults += 1
        print('compare: %s: %s' % (server.name, done.stderr.strip() or 'no result'), flush=True)
        return None


def parse_result(text):
    """The last line of key=value words."""
    lines = [line for line in text.splitlines() if line.startswith('result ')]
    if not lines:
        return None
    pairs = (word.split('=', 1) for word in lines[-1].split()[1:])
    return {key: value if key == 'phase' else float(value) for key, value in pairs}
