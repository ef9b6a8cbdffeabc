# unit tests of server: two lines a test, sources are tests/unit/server/test_NAME.c by default
#     UNIT_TESTS += tests/unit/server/test_NAME
#     tests_unit_server_test_NAME_LDADD = $(UNIT_SERVER)
UNIT_SERVER = $(SERVER_LIBS) $(CMOCKA_LIBS)
