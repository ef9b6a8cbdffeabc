# unit tests of slab: two lines a test, sources are tests/unit/slab/test_NAME.c by default
#     UNIT_TESTS += tests/unit/slab/test_NAME
#     tests_unit_slab_test_NAME_LDADD = $(UNIT_SLAB)
UNIT_SLAB = $(SLAB_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/slab/test_bin
tests_unit_slab_test_bin_LDADD = $(UNIT_SLAB)
UNIT_TESTS += tests/unit/slab/test_classes
tests_unit_slab_test_classes_LDADD = $(UNIT_SLAB)
UNIT_TESTS += tests/unit/slab/test_nodes
tests_unit_slab_test_nodes_LDADD = $(UNIT_SLAB)
UNIT_TESTS += tests/unit/slab/test_pool
tests_unit_slab_test_pool_LDADD = $(UNIT_SLAB)
UNIT_TESTS += tests/unit/slab/test_slab_copy
tests_unit_slab_test_slab_copy_LDADD = $(UNIT_SLAB)
# own objects, without link time optimisation: the linker wraps what the system does
UNIT_TESTS += tests/unit/slab/test_faults
tests_unit_slab_test_faults_CFLAGS = $(AM_CFLAGS) -fno-lto
tests_unit_slab_test_faults_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=mmap -Wl,--wrap=mprotect \
	-Wl,--wrap=madvise -Wl,--wrap=munlock -Wl,--wrap=syscall
tests_unit_slab_test_faults_SOURCES = tests/unit/slab/test_faults.c $(libslab_a_SOURCES) \
	$(libbase_a_SOURCES)
tests_unit_slab_test_faults_LDADD = $(CMOCKA_LIBS)
