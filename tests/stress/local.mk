# threads against threads; also under TSan
#     STRESS_TESTS += tests/stress/test_NAME
#     tests_stress_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
