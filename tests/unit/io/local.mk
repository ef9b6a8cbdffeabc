# unit tests of io: two lines a test, sources are tests/unit/io/test_NAME.c by default
#     UNIT_TESTS += tests/unit/io/test_NAME
#     tests_unit_io_test_NAME_LDADD = $(UNIT_IO)
UNIT_IO = $(IO_LIBS) $(CMOCKA_LIBS)
IO_HARNESS = tests/unit/io/harness.c tests/unit/io/harness.h

UNIT_TESTS += tests/unit/io/test_streams
tests_unit_io_test_streams_SOURCES = tests/unit/io/test_streams.c $(IO_HARNESS)
tests_unit_io_test_streams_LDADD = $(UNIT_IO)

UNIT_TESTS += tests/unit/io/test_crowds
tests_unit_io_test_crowds_SOURCES = tests/unit/io/test_crowds.c $(IO_HARNESS)
tests_unit_io_test_crowds_LDADD = $(UNIT_IO)

UNIT_TESTS += tests/unit/io/test_create
tests_unit_io_test_create_LDADD = $(UNIT_IO)

UNIT_TESTS += tests/unit/io/test_flow
tests_unit_io_test_flow_SOURCES = tests/unit/io/test_flow.c $(IO_HARNESS)
tests_unit_io_test_flow_SOURCES += tests/unit/io/echo.c tests/unit/io/echo.h
tests_unit_io_test_flow_LDADD = $(UNIT_IO)

UNIT_TESTS += tests/unit/io/test_listen
tests_unit_io_test_listen_LDADD = $(UNIT_IO)

UNIT_TESTS += tests/unit/io/test_sim
tests_unit_io_test_sim_SOURCES = tests/unit/io/test_sim.c
tests_unit_io_test_sim_SOURCES += tests/unit/io/echo.c tests/unit/io/echo.h
tests_unit_io_test_sim_LDADD = $(UNIT_IO)
