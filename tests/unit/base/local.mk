# unit tests of base: two lines a test, sources are tests/unit/base/test_NAME.c by default
#     UNIT_TESTS += tests/unit/base/test_NAME
#     tests_unit_base_test_NAME_LDADD = $(UNIT_BASE)
UNIT_BASE = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/base/test_span
tests_unit_base_test_span_LDADD = $(UNIT_BASE)
UNIT_TESTS += tests/unit/base/test_number
tests_unit_base_test_number_LDADD = $(UNIT_BASE)
