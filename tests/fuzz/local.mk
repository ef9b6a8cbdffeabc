# fuzz targets. Each defines LLVMFuzzerTestOneInput(); with --enable-fuzz libFuzzer drives it,
# otherwise replay.c feeds it the corpus, so that every build replays tests/fuzz/corpus/NAME/.
#     FUZZ_TESTS += tests/fuzz/fuzz_NAME
#     tests_fuzz_fuzz_NAME_SOURCES = tests/fuzz/fuzz_NAME.c $(FUZZ_MAIN)
#     tests_fuzz_fuzz_NAME_LDADD = $(PROTO_LIBS) $(FUZZ_LDFLAGS)
#     EXTRA_DIST += tests/fuzz/corpus/NAME
if FUZZ
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
endif
EXTRA_DIST += tests/fuzz/replay.c
EXTRA_DIST += tests/fuzz/run

FUZZ_SESSIONS = tests/fuzz/sessions.c tests/fuzz/sessions.h $(ENGINE_WIRE) $(FUZZ_MAIN)
FUZZ_TESTS += tests/fuzz/fuzz_ascii
tests_fuzz_fuzz_ascii_SOURCES = tests/fuzz/fuzz_ascii.c $(FUZZ_SESSIONS)
tests_fuzz_fuzz_ascii_LDADD = $(ENGINE_LIBS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/ascii
FUZZ_TESTS += tests/fuzz/fuzz_binary
tests_fuzz_fuzz_binary_SOURCES = tests/fuzz/fuzz_binary.c $(FUZZ_SESSIONS)
tests_fuzz_fuzz_binary_LDADD = $(ENGINE_LIBS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/binary
FUZZ_TESTS += tests/fuzz/fuzz_meta
tests_fuzz_fuzz_meta_SOURCES = tests/fuzz/fuzz_meta.c $(FUZZ_SESSIONS)
tests_fuzz_fuzz_meta_LDADD = $(ENGINE_LIBS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/meta
EXTRA_DIST += tests/fuzz/make_corpus.py
FUZZ_TESTS += tests/fuzz/fuzz_login
tests_fuzz_fuzz_login_SOURCES = tests/fuzz/fuzz_login.c $(ENGINE_WIRE) $(FUZZ_MAIN)
tests_fuzz_fuzz_login_LDADD = $(ENGINE_LIBS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/login
FUZZ_TESTS += tests/fuzz/fuzz_replies
tests_fuzz_fuzz_replies_SOURCES = tests/fuzz/fuzz_replies.c $(FUZZ_MAIN)
tests_fuzz_fuzz_replies_LDADD = $(CLIENT_LIBS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/corpus/replies
