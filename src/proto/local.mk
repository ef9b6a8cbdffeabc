# proto: bytes to requests, responses to bytes; sees base
noinst_LIBRARIES += libproto.a
libproto_a_SOURCES =
libproto_a_SOURCES += src/proto/commands.c
libproto_a_SOURCES += src/proto/commands.def
libproto_a_SOURCES += src/proto/commands.h
libproto_a_SOURCES += src/proto/login.c
libproto_a_SOURCES += src/proto/login.h
libproto_a_SOURCES += src/proto/outcomes.def
libproto_a_SOURCES += src/proto/parser.c
libproto_a_SOURCES += src/proto/parser.h
libproto_a_SOURCES += src/proto/request.h
libproto_a_SOURCES += src/proto/response.c
libproto_a_SOURCES += src/proto/response.h
libproto_a_SOURCES += src/proto/scan.h
