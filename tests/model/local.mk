# the store against a dictionary, with random operations
#     MODEL_TESTS += tests/model/test_NAME
#     tests_model_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
MODEL_TESTS += tests/model/test_store
tests_model_test_store_LDADD = $(STORE_LIBS) $(XXHASH_LIBS)
tests_model_test_store_SOURCES =
tests_model_test_store_SOURCES += tests/model/model.c
tests_model_test_store_SOURCES += tests/model/model.h
tests_model_test_store_SOURCES += tests/model/operation.c
tests_model_test_store_SOURCES += tests/model/operation.h
tests_model_test_store_SOURCES += tests/model/places.c
tests_model_test_store_SOURCES += tests/model/profiles.c
tests_model_test_store_SOURCES += tests/model/profiles.h
tests_model_test_store_SOURCES += tests/model/marks.c
tests_model_test_store_SOURCES += tests/model/restarts.c
tests_model_test_store_SOURCES += tests/model/session.c
tests_model_test_store_SOURCES += tests/model/session.h
tests_model_test_store_SOURCES += tests/model/test_store.c
