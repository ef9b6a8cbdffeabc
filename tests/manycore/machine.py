"""Boots a kernel in qemu without hardware virtualisation and returns what it prints.

What it is good for: topology, start and stop, and interleavings. One virtual processor runs at a
time (accel=single), so that time, throughput and races of weakly ordered memory mean nothing here.
"""

import subprocess

from packages import is_elf

EXIT_PORT = 0x501
# qemu ends with (code << 1) | 1; a panic or a power-off ends it with 0
PASSED = 1


class Shape:
    """Processors and nodes of a machine."""

    def __init__(self, name, nodes, cores, threads, node_mib):
        self.name = name
        self.nodes = nodes
        self.cores = cores      # of a node
        self.threads = threads  # of a core
        self.node_mib = node_mib

    @property
    def cpus(self):
        return self.nodes * self.cores * self.threads

    @property
    def physical(self):
        return self.nodes * self.cores

    def node_of(self, cpu):
        return cpu // (self.cores * self.threads)

    def arguments(self):
        """One package a node; the farther apart two nodes' numbers, the farther they are."""
        out = ["-m", "%dM" % (self.nodes * self.node_mib),
               "-smp", "%d,sockets=%d,cores=%d,threads=%d" % (self.cpus, self.nodes, self.cores,
                                                              self.threads)]
        each = self.cores * self.threads
        for node in range(self.nodes):
            out += ["-object", "memory-backend-ram,id=m%d,size=%dM" % (node, self.node_mib),
                    "-numa", "node,nodeid=%d,memdev=m%d,cpus=%d-%d" % (node, node, node * each,
                                                                       node * each + each - 1)]
        for one in range(self.nodes):
            for other in range(one + 1, self.nodes):
                out += ["-numa", "dist,src=%d,dst=%d,val=%d" % (one, other,
                                                                16 if other == one + 1 else 22)]
        return out


SHAPES = {
    # two packages with SMT
    "small": Shape("small", nodes=2, cores=2, threads=2, node_mib=512),
    "large": Shape("large", nodes=4, cores=16, threads=1, node_mib=1024),
}


def command(qemu, shape, kernel, initrd, accel):
    # vendor: qemu's AMD models have no SMT, and Linux mistrusts their time stamp counter
    argv = [qemu.program] + qemu.arguments
    argv += ["-machine", "q35", "-accel", "tcg,thread=" + accel,
             "-cpu", "max,vendor=GenuineIntel"] + shape.arguments()
    if qemu.quick_bios and is_elf(kernel):
        argv += ["-bios", qemu.quick_bios]
    argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
             "-serial", "stdio", "-device", "isa-debug-exit,iobase=0x%x,iosize=1" % EXIT_PORT,
             "-kernel", kernel, "-initrd", initrd, "-append",
             # lpj: 64 processors that share a few would fail to calibrate their delay loops
             "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on "
             "lpj=10400000"]
    return argv


def boot(qemu, argv, limit_s):
    """Runs the machine to its end: (exit code or None when the limit cut it off, its output)."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=qemu.env) as process:
        try:
            output, _ = process.communicate(timeout=limit_s)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            code = None
        except BaseException:
            process.kill()
            raise
    return code, output.decode("latin-1").replace("\r", "")
