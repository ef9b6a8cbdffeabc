# unit tests of server: two lines a test, sources are tests/unit/server/test_NAME.c by default
#     UNIT_TESTS += tests/unit/server/test_NAME
#     tests_unit_server_test_NAME_LDADD = $(UNIT_SERVER)
UNIT_SERVER = $(SERVER_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/server/test_options
tests_unit_server_test_options_SOURCES = tests/unit/server/test_options.c \
	tests/unit/server/command_line.c tests/unit/server/command_line.h
tests_unit_server_test_options_LDADD = $(UNIT_SERVER)

UNIT_TESTS += tests/unit/server/test_settings
tests_unit_server_test_settings_SOURCES = tests/unit/server/test_settings.c \
	tests/unit/server/command_line.c tests/unit/server/command_line.h
tests_unit_server_test_settings_LDADD = $(UNIT_SERVER)
