# scripts against the running server $LARDER; run once a back end (LARDER_TEST_IO=uring|epoll)
#     SYSTEM_TESTS += tests/system/test_NAME.py
EXTRA_DIST += tests/system/harness.py
EXTRA_DIST += tests/system/test_transcripts.py
EXTRA_DIST += tests/system/transcript_format.py
SYSTEM_TESTS += tests/system/test_larder_load.py
