# several cores in one thread over the seeded network
#     SIM_TESTS += tests/sim/test_NAME
#     tests_sim_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
