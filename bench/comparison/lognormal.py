# larder: a store of values whose sizes spread as those of real caches do
"""Fills a server with keys of 16 to 40 bytes and values of log-normal sizes; some are overwritten
with a value of another size. The same seed gives every server the same requests."""

import random

MEDIAN_BYTES = 230
SIGMA = 1.2
VALUE_BYTES_MAX = 500000
MEAN_BYTES = 473  # of the values: MEDIAN_BYTES * exp(SIGMA ** 2 / 2)
KEY_BYTES = (16, 40)
OVERWRITES = 0.3
RECENT = 400000  # overwritten is one of so many last keys
BATCH = 200


class Shortfall(Exception):
    """The server ended the connection."""


def keys_to_fill(memory_mib, overfill):
    """How many keys make `overfill` times the memory, whatever a server adds."""
    return int(overfill * memory_mib * 1048576 / (MEAN_BYTES + sum(KEY_BYTES) / 2 + 21))


def requests(keys, seed):
    """Yields the sets, in order."""
    draw = random.Random(seed)
    noise = draw.randbytes(VALUE_BYTES_MAX)
    stored = 0
    while stored < keys:
        number = stored
        if stored > BATCH and draw.random() < OVERWRITES:
            number -= 1 + draw.randrange(min(stored, RECENT))
        else:
            stored += 1
        size = min(VALUE_BYTES_MAX, max(1, int(draw.lognormvariate(0, SIGMA) * MEDIAN_BYTES)))
        length = KEY_BYTES[0] + number * 2654435761 % (KEY_BYTES[1] - KEY_BYTES[0] + 1)
        key = ('%016x' % (number * 0x9e3779b97f4a7c15 % (1 << 64))).ljust(length, 'k')
        yield b'set %s 0 0 %d\r\n%s\r\n' % (key.encode('ascii'), size, noise[:size])


def fill(link, keys, seed=1):
    """Sends them in batches over the socket; returns how many were refused."""
    refused = 0
    with link, link.makefile('rb') as replies:
        batch = []
        for request in requests(keys, seed):
            batch.append(request)
            if len(batch) == BATCH:
                refused += send(link, replies, batch)
                batch = []
        refused += send(link, replies, batch)
    return refused


def send(link, replies, batch):
    link.settimeout(60)
    link.sendall(b''.join(batch))
    refused = 0
    for _ in batch:
        line = replies.readline()
        if not line:
            raise Shortfall('the connection ended')
        refused += line != b'STORED\r\n'
    return refused
