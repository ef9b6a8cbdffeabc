# unit tests of client: two lines a test, sources are tests/unit/client/test_NAME.c by default
#     UNIT_TESTS += tests/unit/client/test_NAME
#     tests_unit_client_test_NAME_LDADD = $(UNIT_CLIENT)
UNIT_CLIENT = $(CLIENT_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/client/test_keyhash
tests_unit_client_test_keyhash_LDADD = $(UNIT_CLIENT)

UNIT_TESTS += tests/unit/client/test_near
tests_unit_client_test_near_LDADD = $(UNIT_CLIENT)

UNIT_TESTS += tests/unit/client/test_origin
tests_unit_client_test_origin_LDADD = $(UNIT_CLIENT)

UNIT_TESTS += tests/unit/client/test_record
tests_unit_client_test_record_LDADD = $(UNIT_CLIENT)

UNIT_TESTS += tests/unit/client/test_ring
tests_unit_client_test_ring_LDADD = $(UNIT_CLIENT) -lm

UNIT_TESTS += tests/unit/client/test_ring_vectors
tests_unit_client_test_ring_vectors_LDADD = $(UNIT_CLIENT)
EXTRA_DIST += tests/unit/client/ketama-vectors.tsv
EXTRA_DIST += tests/unit/client/ring-vectors.tsv

UNIT_TESTS += tests/unit/client/test_server_list
tests_unit_client_test_server_list_LDADD = $(UNIT_CLIENT)

UNIT_TESTS += tests/unit/client/test_options
tests_unit_client_test_options_LDADD = $(UNIT_CLIENT)

UNIT_TESTS += tests/unit/client/test_wire
tests_unit_client_test_wire_LDADD = $(UNIT_CLIENT)
