# the store against a dictionary, with random operations
#     MODEL_TESTS += tests/model/test_NAME
#     tests_model_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
