# unit tests of store: sources are tests/unit/store/test_NAME.c and the fixture
#     UNIT_TESTS += tests/unit/store/test_NAME
#     tests_unit_store_test_NAME_SOURCES = tests/unit/store/test_NAME.c $(STORE_FIXTURE)
#     tests_unit_store_test_NAME_LDADD = $(UNIT_STORE)
UNIT_STORE = $(STORE_LIBS) $(CMOCKA_LIBS)
STORE_FIXTURE = tests/unit/store/fixture.c tests/unit/store/fixture.h

UNIT_TESTS += tests/unit/store/test_shared_lines
tests_unit_store_test_shared_lines_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_space
tests_unit_store_test_space_SOURCES = tests/unit/store/test_space.c $(STORE_FIXTURE)
tests_unit_store_test_space_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_upload
tests_unit_store_test_upload_SOURCES = tests/unit/store/test_upload.c $(STORE_FIXTURE)
tests_unit_store_test_upload_LDADD = $(UNIT_STORE)
