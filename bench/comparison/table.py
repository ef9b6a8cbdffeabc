# larder: what bench/compare prints
"""Medians over rounds, ratios to the baseline, and the markdown page."""

import dataclasses
import statistics

BUSY_SHARE = 0.9
WAIT_SHARE = 0.1

median = statistics.median


@dataclasses.dataclass(frozen=True)
class Measured:
    """Results of one cell: for each server one dictionary a round."""
    cell: object
    results: dict
    rate: float = 0.0
    paced: dict = None


def values(results, field):
    return [result[field] for result in results if field in result]


def ratio(results, baseline, field):
    """The median of the ratios of each round: neighbours in time meet the same disturbance."""
    pairs = [(mine[field], its[field]) for mine, its in zip(results, baseline)
             if mine.get(field) and its.get(field)]
    return median([mine / its for mine, its in pairs]) if pairs else None


def spread(numbers):
    """Largest minus smallest, as a share of the median."""
    middle = median(numbers)
    return (max(numbers) - min(numbers)) / middle if middle else 0.0


def number(value, digits=2):
    if value is None:
        return '-'
    return '%.*f' % (digits if value < 100 else max(0, digits - 2), value)


def marks(results):
    """Why throughput and latency of a row may mean nothing."""
    found = ''
    if median(values(results, 'server_busy') or [1.0]) < BUSY_SHARE:
        found += ' (idle)'
    if median(values(results, 'server_wait') or [0.0]) > WAIT_SHARE:
        found += ' (disturbed)'
    return found


def notes(results):
    found = []
    for field in ('misses', 'errors', 'bad'):
        total = sum(values(results, field))
        if total > 0:
            found.append('%d %s' % (total, field))
    return ', '.join(found)


def row(name, measured, baseline):
    """The cells of one line, or the fault."""
    results = measured.results[name]
    if not results:
        return [name, 'failed'] + [''] * 8
    cpu = values(results, 'server_us_per_key')
    reference = measured.results[baseline]
    return [
        name + marks(results),
        '{:,.0f}'.format(median(values(results, 'keys_per_s')) / 1000),
        number(ratio(results, reference, 'keys_per_s')),
        number(median(cpu), 3) if cpu else '-',
        '**%s**' % number(ratio(results, reference, 'server_us_per_key')),
        '%.0f %%' % (100 * spread(cpu)) if cpu else '-',
        number(median(values(results, 'client_us_per_key')), 3),
        ' / '.join(number(median(values(results, field)), 1)
                   for field in ('p50_us', 'p99_us', 'p999_us')),
        notes(results),
    ]


HEAD = ['server', 'k keys/s', 'ratio', 'server CPU µs/key', 'ratio', 'spread', 'client CPU µs/key',
        'p50 / p99 / p99.9 µs', 'notes']


def markdown(lines):
    head, *rest = lines
    text = '| ' + ' | '.join(head) + ' |\n|' + '---|' * len(head) + '\n'
    return text + ''.join('| ' + ' | '.join(line) + ' |\n' for line in rest)


def paced_row(name, measured, baseline):
    results = measured.paced[name]
    reference = measured.paced[baseline]
    if not results:
        return [name, 'failed'] + [''] * 3
    line = [name]
    for field in ('p50_us', 'p99_us', 'p999_us'):
        line.append('%s (%s)' % (number(median(values(results, field)), 1),
                                 number(ratio(results, reference, field))))
    line.append(number(median(values(results, 'server_us_per_key')), 3))
    return line


PACED_HEAD = ['server', 'p50 µs (ratio)', 'p99 µs (ratio)', 'p99.9 µs (ratio)', 'server CPU µs/key']


def cell_text(measured, baseline):
    """One cell, as it is printed and as it stands in the page."""
    text = '### %s\n\n' % measured.cell.name()
    text += markdown([HEAD] + [row(name, measured, baseline) for name in measured.results])
    if measured.paced is not None:
        text += '\nAt a fixed rate of {:,.0f} requests a second:\n\n'.format(measured.rate)
        text += markdown([PACED_HEAD] +
                         [paced_row(name, measured, baseline) for name in measured.paced])
    return text


def summary(measured, baseline):
    """Server CPU per key against the baseline, one line a cell."""
    names = list(measured[0].results)
    lines = [['cell'] + names]
    for cell in measured:
        line = [cell.cell.name()]
        for name in names:
            results = cell.results[name]
            cpu = values(results, 'server_us_per_key')
            share = ratio(results, cell.results[baseline], 'server_us_per_key')
            line.append('%s (%s)' % (number(share), number(median(cpu), 3)) if cpu else 'failed')
        lines.append(line)
    return markdown(lines)


LEGEND = """\
Medians over {rounds} rounds of {seconds:g} s; every round visits the servers one after another. A
multi-get counts its keys. Ratios are to **{baseline}**: the median of each round's ratio. *Server
CPU* is schedstat time of all its threads, soft interrupts inside its system calls included;
*spread* is its largest minus smallest round. *(idle)*: the server had less than 90 % of a CPU to
do, so its throughput and latency say more of the machine and the client than of the server.
*(disturbed)*: its busiest thread waited for a CPU more than 10 % of the time, because something
else ran there. Latencies are those of a saturated closed loop, unless a rate is named. Every reply
was checked byte by byte (those of null: framing only).
"""


def page(measured, described, descriptions, arguments):
    text = '# Comparison, %s\n\n' % described['Date'][:10]
    text += markdown([['', '']] + [[key, value] for key, value in described.items()])
    text += '\n' + markdown([['server', 'version; command']] +
                            [[name, '`%s`' % value] for name, value in descriptions.items()])
    text += '\n' + LEGEND.format(rounds=arguments.rounds, seconds=arguments.seconds,
                                 baseline=arguments.baseline)
    text += '\n## Server CPU per key: ratio (µs)\n\n' + summary(measured, arguments.baseline)
    text += '\n## Cells\n\n'
    return text + '\n'.join(cell_text(cell, arguments.baseline) for cell in measured)
