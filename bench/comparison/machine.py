# larder: where bench/compare ran
"""What a reader must know of the machine to judge a table. Names neither the host nor its paths."""

import datetime
import os
import platform
import shlex
import subprocess
import sys


def cpu_field(name):
    with open('/proc/cpuinfo', encoding='utf-8', errors='replace') as file:
        for line in file:
            if line.startswith(name):
                return line.split(':', 1)[1].strip()
    return ''


def read_first_line(path):
    try:
        with open(path, encoding='utf-8') as file:
            return file.readline().strip()
    except OSError:
        return ''


def memory_text():
    with open('/proc/meminfo', encoding='utf-8') as file:
        total_kib = int(file.readline().split()[1])
    return '%.1f GiB' % (total_kib / 1048576)


def revision():
    """The commit of the sources, if they are a git checkout."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    try:
        result = subprocess.run(['git', '-C', top, 'describe', '--always', '--dirty'],
                                capture_output=True, text=True, check=False)
    except OSError:
        return ''
    return result.stdout.strip()


def without_paths(text):
    """A command as it was typed, but with the last part of each absolute path only."""
    words = []
    for word in shlex.split(text):
        key, equals, value = word.partition('=')
        if equals and not key.startswith('/'):
            words.append(key + '=' + without_paths_inside(value))
        else:
            words.append(without_paths_inside(word))
    return ' '.join(shlex.quote(word) if ' ' in word else word for word in words)


def without_paths_inside(text):
    return ' '.join(os.path.basename(part) if part.startswith('/') else part
                    for part in text.split(' '))


def virtual():
    flags = cpu_field('flags').split()
    return 'yes' if 'hypervisor' in flags else 'no'


def describe(arguments):
    """An ordered dictionary of what the page's head says."""
    huge = read_first_line('/sys/kernel/mm/transparent_hugepage/enabled')
    governor = read_first_line('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')
    command = ' '.join(map(shlex.quote, ['bench/' + os.path.basename(sys.argv[0])] + sys.argv[1:]))
    return {
        'Date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'Sources': revision() or 'not a git checkout',
        'CPU': '%s, family %s model %s' % (cpu_field('model name'), cpu_field('cpu family'),
                                           cpu_field('model')),
        'CPUs online': '%d (virtual machine: %s, governor: %s)' % (os.cpu_count(), virtual(),
                                                                   governor or 'not shown'),
        'Memory': memory_text(),
        'Kernel': '%s %s' % (platform.system(), platform.release()),
        'Huge pages': huge,
        'Pinning': 'servers on CPU %s, load generator on CPU %s (%d thread%s)' % (
            arguments.server_cpus, arguments.client_cpus, arguments.client_threads,
            '' if arguments.client_threads == 1 else 's'),
        'Load before': '%.2f (one minute)' % os.getloadavg()[0],
        'Command': '`%s`' % without_paths(command),
    }
