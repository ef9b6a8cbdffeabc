# several cores in one thread over the seeded network
#     SIM_TESTS += tests/sim/test_NAME
#     tests_sim_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
SIM_TESTS += tests/sim/test_cores
tests_sim_test_cores_SOURCES = tests/sim/test_cores.c tests/sim/client.c tests/sim/client.h
tests_sim_test_cores_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
