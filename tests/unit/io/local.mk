# unit tests of io: two lines a test, sources are tests/unit/io/test_NAME.c by default
#     UNIT_TESTS += tests/unit/io/test_NAME
#     tests_unit_io_test_NAME_LDADD = $(UNIT_IO)
UNIT_IO = $(IO_LIBS) $(CMOCKA_LIBS)
IO_HARNESS = tests/unit/io/harness.c tests/unit/io/harness.h

UNIT_TESTS += tests/unit/io/test_streams
tests_unit_io_test_streams_SOURCES = tests/unit/io/test_streams.c $(IO_HARNESS)
tests_unit_io_test_streams_LDADD = $(UNIT_IO)
