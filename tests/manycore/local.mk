# a virtual machine of many cores; scripts/test runs it, `make check` does not
EXTRA_DIST += tests/manycore/checks.py
EXTRA_DIST += tests/manycore/guest.sh
EXTRA_DIST += tests/manycore/initramfs.py
EXTRA_DIST += tests/manycore/machine.py
EXTRA_DIST += tests/manycore/packages.py
EXTRA_DIST += tests/manycore/test_many_cores.py
