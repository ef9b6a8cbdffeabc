# unit tests of proto: two lines a test, sources are tests/unit/proto/test_NAME.c by default
#     UNIT_TESTS += tests/unit/proto/test_NAME
#     tests_unit_proto_test_NAME_LDADD = $(UNIT_PROTO)
UNIT_PROTO = $(PROTO_LIBS) $(CMOCKA_LIBS)
UNIT_TESTS += tests/unit/proto/test_parser
tests_unit_proto_test_parser_LDADD = $(UNIT_PROTO)
UNIT_TESTS += tests/unit/proto/test_base64
tests_unit_proto_test_base64_LDADD = $(UNIT_PROTO)
UNIT_TESTS += tests/unit/proto/test_binary
tests_unit_proto_test_binary_LDADD = $(UNIT_PROTO)
