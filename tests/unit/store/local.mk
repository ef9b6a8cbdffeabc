# unit tests of store: two lines a test, sources are tests/unit/store/test_NAME.c by default
#     UNIT_TESTS += tests/unit/store/test_NAME
#     tests_unit_store_test_NAME_LDADD = $(UNIT_STORE)
UNIT_STORE = $(STORE_LIBS) $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/store/test_shared_lines
tests_unit_store_test_shared_lines_LDADD = $(UNIT_STORE)
