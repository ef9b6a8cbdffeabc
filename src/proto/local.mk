# proto: bytes to requests, responses to bytes; sees base
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES =
