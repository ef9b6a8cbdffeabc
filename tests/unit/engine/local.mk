# unit tests of engine: two lines a test, sources are tests/unit/engine/test_NAME.c by default
#     UNIT_TESTS += tests/unit/engine/test_NAME
#     tests_unit_engine_test_NAME_LDADD = $(UNIT_ENGINE)
UNIT_ENGINE = $(ENGINE_LIBS) $(CMOCKA_LIBS)
# the engine over a dictionary in place of the store
UNIT_ENGINE_FAKE = libengine.a libproto.a $(BASE_LIBS) $(CMOCKA_LIBS)
FAKE_STORE = tests/unit/engine/fake_store.c tests/unit/engine/fake_store.h
ENGINE_WIRE = tests/unit/engine/wire.c tests/unit/engine/wire.h

UNIT_TESTS += tests/unit/engine/test_engine
tests_unit_engine_test_engine_SOURCES = tests/unit/engine/test_engine.c $(ENGINE_WIRE) $(FAKE_STORE)
tests_unit_engine_test_engine_LDADD = $(UNIT_ENGINE_FAKE)
UNIT_TESTS += tests/unit/engine/test_session
tests_unit_engine_test_session_SOURCES = tests/unit/engine/test_session.c $(ENGINE_WIRE) \
	$(FAKE_STORE)
tests_unit_engine_test_session_LDADD = $(UNIT_ENGINE_FAKE)
UNIT_TESTS += tests/unit/engine/test_auth
tests_unit_engine_test_auth_SOURCES = tests/unit/engine/test_auth.c $(ENGINE_WIRE) $(FAKE_STORE)
tests_unit_engine_test_auth_LDADD = $(UNIT_ENGINE_FAKE)
UNIT_TESTS += tests/unit/engine/test_sasl
tests_unit_engine_test_sasl_SOURCES = tests/unit/engine/test_sasl.c $(ENGINE_WIRE) $(FAKE_STORE)
tests_unit_engine_test_sasl_LDADD = $(UNIT_ENGINE_FAKE)
