# larder: what bench/compare measures
"""A cell is one way to load a server: which operations, how large, how many at a time."""

import dataclasses
import itertools

AXES = {
    'ops': ['get', 'set', 'mix'],
    'sizes': [32, 100, 1024, 4096, 65536, 524288],
    'connections': [1, 50, 500],
    'pipelines': [1, 16, 64],
    'multi-gets': [1, 24, 100],
    'key-sets': ['1m', 'hot'],
}
RATIOS = {'get': '1:0', 'set': '0:1', 'mix': '90:10'}
KEYS = 1000000
HOT_KEYS = 1000
KEY_COST = 100  # bytes of an item that are not its value, roughly
BYTES_IN_FLIGHT_MAX = 1 << 20


@dataclasses.dataclass(frozen=True)
class Cell:
    op: str = 'get'
    size: int = 100
    connections: int = 50
    pipeline: int = 1
    keys_per_get: int = 1
    key_set: str = '1m'
    keys: int = KEYS

    def fitted(self, memory_mib):
        """As many keys as fit into the memory that a server is given."""
        room = memory_mib * 1024 * 1024 // (self.size + KEY_COST)
        return dataclasses.replace(self, keys=max(HOT_KEYS, min(KEYS, room)))

    def memory_mib(self):
        """Room for what the keys cost a server beyond the estimate: nothing shall be evicted."""
        return max(64, int(self.keys * (self.size + 2 * KEY_COST) * 1.5 / 1048576))

    def load_options(self):
        options = ['-r', RATIOS[self.op], '-c', str(self.connections), '-P', str(self.pipeline),
                   '-m', str(self.keys_per_get)]
        if self.key_set == 'hot':
            options += ['-d', 'hot:%d' % HOT_KEYS]
        return options

    def name(self):
        words = [{'get': 'GET', 'set': 'SET', 'mix': '90:10'}[self.op], size_text(self.size)]
        if self.keys_per_get > 1:
            words.append('%d keys a get' % self.keys_per_get)
        words.append('%d conn' % self.connections)
        words.append('pipeline %d' % self.pipeline)
        words.append('%d hot keys' % HOT_KEYS if self.key_set == 'hot'
                     else '{:,} keys'.format(self.keys))
        return ', '.join(words)

    def is_sensible(self):
        """Multi-gets are gets, one at a time, of values that a client would ask for in numbers;
        what is in flight on a connection stays within what its buffers hold."""
        if self.keys_per_get > 1:
            return self.op == 'get' and self.pipeline == 1 and self.size <= 4096
        return self.pipeline == 1 or self.pipeline * self.size <= BYTES_IN_FLIGHT_MAX


def size_text(size):
    return '%d KiB' % (size // 1024) if size >= 1024 else '%d B' % size


HEADLINE = [
    Cell('get', pipeline=1),
    Cell('get', pipeline=16),
    Cell('set', pipeline=16),
    Cell('get', keys_per_get=24),
]


def usual():
    """The headline cells, then one axis at a time away from them."""
    found = list(HEADLINE)
    found += [Cell(op, size, pipeline=pipeline) for size in AXES['sizes']
              for op in AXES['ops'] for pipeline in (1, 16)]
    found += [Cell(op, pipeline=64) for op in AXES['ops']]
    found += [Cell('get', connections=connections, pipeline=pipeline)
              for connections in (1, 500) for pipeline in (1, 16, 64)]
    found += [Cell('get', keys_per_get=keys, key_set=key_set)
              for keys in (24, 100) for key_set in AXES['key-sets']]
    found += [Cell(op, pipeline=pipeline, key_set='hot') for op in ('get', 'set')
              for pipeline in (1, 16, 64)]
    return found


def chosen(arguments, axis):
    """The values asked for on an axis, or None."""
    text = getattr(arguments, axis.replace('-', '_'))
    if text is None:
        return None
    kind = type(AXES[axis][0])
    values = [kind(word) for word in text.split(',')]
    known = AXES[axis] if kind is str else values
    if any(value not in known for value in values) or (kind is int and min(values) < 1):
        raise ValueError('--%s: can\'t use "%s"' % (axis, text))
    return values


def select(arguments):
    """The cells to measure, without repetition, in the order of their meaning."""
    wanted = {axis: chosen(arguments, axis) for axis in AXES}
    if arguments.full:
        found = [Cell(*values) for values in
                 itertools.product(*(wanted[axis] or AXES[axis] for axis in AXES))]
    elif arguments.quick:
        found = HEADLINE
    elif any(wanted.values()):
        defaults = {'ops': ['get', 'set'], 'sizes': [100], 'connections': [50],
                    'pipelines': [1, 16], 'multi-gets': [1], 'key-sets': ['1m']}
        found = [Cell(*values) for values in
                 itertools.product(*(wanted[axis] or defaults[axis] for axis in AXES))]
    else:
        found = usual()
    return [cell for cell in dict.fromkeys(found) if cell.is_sensible()]
