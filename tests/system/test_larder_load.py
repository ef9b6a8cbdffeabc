#!/usr/bin/env python3
# larder: the load generator must notice what a broken server does
"""bench/larder-load against a small server in this process that lies in a known way."""

import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from harness import Tap  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOAD = os.path.join(os.environ.get('TOP_BUILDDIR') or os.path.join(TOP, 'build'),
                    'bench', 'larder-load')
RUN_LIMIT_S = 60
EVERY = 50  # one reply in so many is broken


class Fake:
    """Stores and serves what it is told, and breaks replies by its `breaker`."""

    def __init__(self, breaker=None, on_set=None):
        self.breaker = breaker
        self.on_set = on_set
        self.store = {}
        self.gets = 0
        self.broken = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with link, link.makefile('rwb', buffering=1 << 16) as stream:
                while self.answer(stream):
                    stream.flush()
        except OSError:
            pass  # the generator leaves without reading what is in flight

    def answer(self, stream):
        words = stream.readline().split()
        if not words:
            return False
        if words[0] == b'set':
            value = stream.read(int(words[4]) + 2)[:-2]
            with self.lock:
                self.store[words[1]] = value
            stream.write(self.on_set or b'STORED\r\n')
            return True
        return self.answer_get(stream, words[1:])

    def answer_get(self, stream, keys):
        reply = b''
        for key in keys:
            with self.lock:
                self.gets += 1
                breaks = self.breaker is not None and self.gets % EVERY == 0
                self.broken += breaks
                value = self.store.get(key)
            if value is not None:
                reply += self.block(key, value) if not breaks else self.breaker(self, key, value)
        if reply.endswith(b'CLOSE'):
            stream.write(reply[:-5])
            return False
        stream.write(reply + b'END\r\n')
        return True

    @staticmethod
    def block(key, value, size=None):
        return b'VALUE %s 0 %d\r\n%s\r\n' % (key, size or len(value), value)

    def other(self, key):
        return next(other for other in self.store if other != key)

    def close(self):
        self.listener.close()


def flip(fake, key, value):
    at = fake.broken * 7 % len(value)
    return fake.block(key, value[:at] + bytes([value[at] ^ 16]) + value[at + 1:])


def foreign_value(fake, key, value):
    del value
    return fake.block(key, fake.store[fake.other(key)])


def foreign_key(fake, key, value):
    del value
    other = fake.other(key)
    return fake.block(other, fake.store[other])


def torn(fake, key, value):
    foreign = fake.store[fake.other(key)]
    half = len(value) // 2
    return fake.block(key, value[:half] + foreign[half:])


def short(fake, key, value):
    return fake.block(key, value[:-1])


def flags(fake, key, value):
    return fake.block(key, value).replace(b' 0 ', b' 1 ', 1)


def miss(fake, key, value):
    del fake, key, value
    return b''


def extra(fake, key, value):
    return fake.block(key, value) + b'END\r\n'


def hang_up(fake, key, value):
    return fake.block(key, value)[:60] + b'CLOSE'


def fall_silent(fake, key, value):
    del key, value
    fake.lock.acquire()
    return b''


def stall_once(fake, key, value):
    if fake.broken == 1:
        time.sleep(0.4)
    return fake.block(key, value)


def run(port, *options):
    command = [LOAD, '-p', str(port), '--line', '-k', '200', '-c', '3', '-w', '0', '-D', '30']
    done = subprocess.run(command + list(options), capture_output=True, text=True, check=False,
                          timeout=RUN_LIMIT_S)
    lines = [line for line in done.stdout.splitlines() if line.startswith('result phase=run')]
    words = lines[-1].split()[2:] if lines else []
    numbers = dict((key, float(value)) for key, value in (word.split('=') for word in words))
    return done.returncode, numbers, done.stdout + done.stderr


VARIANTS = (['-P', '1'], ['-P', '16'], ['-m', '8'], ['-v', '20000'])


def check_fault(tap, breaker, name, good):
    for options in VARIANTS:
        fake = Fake(breaker)
        code, numbers, text = run(fake.port, '--preload', '-n', '2000', *options)
        tap.check(good(fake, code, numbers), '%s (%s)' % (name, ' '.join(options)),
                  'exit %d, %d broken of %d\n%s' % (code, fake.broken, fake.gets, text))
        fake.close()


def all_seen(fake, code, numbers):
    # what was in flight at the end is broken here but not counted there
    return code == 1 and 0 < numbers['bad'] <= fake.broken and \
        numbers['bad'] >= fake.broken - 3 * 16 and numbers['misses'] == 0


def only_misses(fake, code, numbers):
    return code == 0 and numbers['bad'] == 0 and 0 < numbers['misses'] <= fake.broken


def all_right(fake, code, numbers):
    return code == 0 and numbers['bad'] == 0 and numbers['misses'] == 0 and \
        2000 <= numbers['hits'] <= fake.gets


def check_broken_links(tap):
    fake = Fake(hang_up)
    code, _, text = run(fake.port, '--preload')
    tap.check(code == 3, 'a connection that ends within a value ends the run', text)
    fake = Fake(extra)
    code, _, text = run(fake.port, '--preload')
    tap.check(code == 3 and 'nobody asked' in text, 'a reply too many ends the run', text)
    fake = Fake(fall_silent)
    code, _, text = run(fake.port, '--preload', '--stall', '0.5')
    tap.check(code == 3 and 'no reply' in text, 'a server that falls silent ends the run', text)
    fake.close()
    code, _, text = run(fake.port)
    tap.check(code == 3, 'no server ends the run', text)


def check_server_errors(tap):
    fake = Fake(on_set=b'SERVER_ERROR out of memory storing object\r\n')
    code, numbers, text = run(fake.port, '-r', '0:1', '-n', '1000')
    tap.check(code == 4 and numbers['errors'] >= 1000 and numbers['stored'] == 0,
              'server errors are counted, not confused with wrong replies', text)


def check_open_loop(tap):
    """One connection, 1000 requests a second for a second, of which one takes 0.4 s: the requests
    that were due meanwhile must show the time that they had to wait."""
    fake = Fake(stall_once)
    code, numbers, text = run(fake.port, '--preload', '-c', '1', '--rate', '1000', '-D', '1.5')
    tap.check(code == 0 and numbers['p90_us'] > 100000 and numbers['max_us'] > 390000,
              'an open loop shows a stall to all that were due during it', text)
    fake = Fake(stall_once)
    code, numbers, text = run(fake.port, '--preload', '-c', '1', '-D', '1.5')
    tap.check(code == 0 and numbers['p90_us'] < 100000 and numbers['max_us'] > 390000,
              'a closed loop shows it once', text)


def main():
    tap = Tap()
    if not os.access(LOAD, os.X_OK):
        tap.skip('the load generator notices what a broken server does', 'make bench was not run')
        return tap.finish()
    check_fault(tap, None, 'a right server passes', all_right)
    check_fault(tap, flip, 'a flipped bit is seen', all_seen)
    check_fault(tap, foreign_value, 'the value of another key is seen', all_seen)
    check_fault(tap, foreign_key, 'a key that was not asked for is seen',
                lambda fake, code, numbers: code == 1 and numbers['bad'] > 0)
    check_fault(tap, torn, 'a torn value is seen', all_seen)
    check_fault(tap, short, 'a short value is seen', all_seen)
    check_fault(tap, flags, 'wrong flags are seen', all_seen)
    check_fault(tap, miss, 'misses are counted', only_misses)
    check_broken_links(tap)
    check_server_errors(tap)
    check_open_loop(tap)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main())
