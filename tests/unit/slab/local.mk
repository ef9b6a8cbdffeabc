# unit tests of slab: two lines a test, sources are tests/unit/slab/test_NAME.c by default
#     UNIT_TESTS += tests/unit/slab/test_NAME
#     tests_unit_slab_test_NAME_LDADD = $(UNIT_SLAB)
UNIT_SLAB = $(SLAB_LIBS) $(CMOCKA_LIBS)
