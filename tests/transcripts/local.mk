# transcripts (> and < lines), in process and over sockets
#     TRANSCRIPT_TESTS += tests/transcripts/test_NAME
#     tests_transcripts_test_NAME_LDADD = $(SERVER_LIBS) $(CMOCKA_LIBS)
