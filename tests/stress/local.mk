# threads against threads; also under TSan
#     STRESS_TESTS += tests/stress/test_NAME
#     tests_stress_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
STRESS_TESTS += tests/stress/test_store
tests_stress_test_store_LDADD = $(STORE_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
tests_stress_test_store_SOURCES =
tests_stress_test_store_SOURCES += tests/stress/reader.c
tests_stress_test_store_SOURCES += tests/stress/stamp.h
tests_stress_test_store_SOURCES += tests/stress/stress.c
tests_stress_test_store_SOURCES += tests/stress/stress.h
tests_stress_test_store_SOURCES += tests/stress/stress_internal.h
tests_stress_test_store_SOURCES += tests/stress/test_store.c
tests_stress_test_store_SOURCES += tests/stress/writer.c

# the client library in eight threads, against the server
STRESS_TESTS += tests/stress/test_liblarder
tests_stress_test_liblarder_LDADD = $(CLIENT_LIBS)

# values that grow in place, a limit that moves
STRESS_TESTS += tests/stress/test_growth
tests_stress_test_growth_LDADD = $(STORE_LIBS) $(XXHASH_LIBS) $(CMOCKA_LIBS)
