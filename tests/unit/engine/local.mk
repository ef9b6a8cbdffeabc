# unit tests of engine: two lines a test, sources are tests/unit/engine/test_NAME.c by default
#     UNIT_TESTS += tests/unit/engine/test_NAME
#     tests_unit_engine_test_NAME_LDADD = $(UNIT_ENGINE)
UNIT_ENGINE = $(ENGINE_LIBS) $(CMOCKA_LIBS)
