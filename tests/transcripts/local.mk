# transcripts (> and < lines), in process and over sockets
#     TRANSCRIPT_TESTS += tests/transcripts/test_NAME
#     tests_transcripts_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/transcripts/README.md
EXTRA_DIST += tests/transcripts/admin.txt
EXTRA_DIST += tests/transcripts/arithmetic.txt
EXTRA_DIST += tests/transcripts/auth.txt
EXTRA_DIST += tests/transcripts/auth.users
EXTRA_DIST += tests/transcripts/binary.txt
EXTRA_DIST += tests/transcripts/cas.txt
EXTRA_DIST += tests/transcripts/dumps.txt
EXTRA_DIST += tests/transcripts/expiry.txt
EXTRA_DIST += tests/transcripts/flush.txt
EXTRA_DIST += tests/transcripts/gat.txt
EXTRA_DIST += tests/transcripts/get.txt
EXTRA_DIST += tests/transcripts/lines.txt
EXTRA_DIST += tests/transcripts/meta.txt
EXTRA_DIST += tests/transcripts/noreply.txt
EXTRA_DIST += tests/transcripts/options.txt
EXTRA_DIST += tests/transcripts/pipelining.txt
EXTRA_DIST += tests/transcripts/sizes.txt
EXTRA_DIST += tests/transcripts/stats.txt
EXTRA_DIST += tests/transcripts/storage.txt
EXTRA_DIST += tests/transcripts/touch-delete.txt
EXTRA_DIST += tests/transcripts/tuning.txt
EXTRA_DIST += tests/transcripts/watch.txt

# in process, over a dictionary in place of the store
TRANSCRIPT_TESTS += tests/transcripts/run_inprocess
tests_transcripts_run_inprocess_SOURCES = tests/transcripts/run_inprocess.c \
	tests/transcripts/transcript.c tests/transcripts/transcript.h $(ENGINE_WIRE) $(FAKE_STORE)
tests_transcripts_run_inprocess_CPPFLAGS = $(AM_CPPFLAGS) -DTRANSCRIPTS_WITHOUT_META
tests_transcripts_run_inprocess_LDADD = libengine.a libproto.a $(BASE_LIBS)
# the same over the store
TRANSCRIPT_TESTS += tests/transcripts/run_store
tests_transcripts_run_store_SOURCES = tests/transcripts/run_inprocess.c \
	tests/transcripts/transcript.c tests/transcripts/transcript.h $(ENGINE_WIRE)
tests_transcripts_run_store_LDADD = $(ENGINE_LIBS)
