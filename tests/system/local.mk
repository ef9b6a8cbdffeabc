# scripts against the running server $LARDER; run once a back end (LARDER_TEST_IO=uring|epoll)
#     SYSTEM_TESTS += tests/system/test_NAME.py
EXTRA_DIST += tests/system/differences.py
EXTRA_DIST += tests/system/harness.py
EXTRA_DIST += tests/system/liblarder.py
EXTRA_DIST += tests/system/streams.py
EXTRA_DIST += tests/system/transcript_format.py
SYSTEM_TESTS += tests/system/test_admin.py
SYSTEM_TESTS += tests/system/test_auth.py
SYSTEM_TESTS += tests/system/test_clients.py
SYSTEM_TESTS += tests/system/test_differential.py
SYSTEM_TESTS += tests/system/test_faults.py
SYSTEM_TESTS += tests/system/test_instructions.py
SYSTEM_TESTS += tests/system/test_larder_load.py
SYSTEM_TESTS += tests/system/test_larderctl.py
SYSTEM_TESTS += tests/system/test_liblarder.py
SYSTEM_TESTS += tests/system/test_liblarder_faults.py
SYSTEM_TESTS += tests/system/test_process.py
SYSTEM_TESTS += tests/system/test_ring_agreement.py
SYSTEM_TESTS += tests/system/test_stampede.py
SYSTEM_TESTS += tests/system/test_tls.py
SYSTEM_TESTS += tests/system/test_transcripts.py

# liblarder behind a pipe
SYSTEM_HELPERS = tests/system/liblarder_driver
SYSTEM_HELPERS += tests/system/liblarder_herd
tests_system_liblarder_herd_LDADD = $(CLIENT_LIBS)
tests_system_liblarder_driver_LDADD = $(CLIENT_LIBS)
