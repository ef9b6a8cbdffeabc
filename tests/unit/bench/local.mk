# unit tests of bench: each compiles the few files that it tests
UNIT_TESTS += tests/unit/bench/test_codec_ascii
tests_unit_bench_test_codec_ascii_SOURCES = tests/unit/bench/test_codec_ascii.c \
	bench/codec.c bench/codec_ascii.c bench/dataset.c bench/outq.c
tests_unit_bench_test_codec_ascii_LDADD = $(BASE_LIBS) $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/bench/test_hist
tests_unit_bench_test_hist_SOURCES = tests/unit/bench/test_hist.c bench/hist.c
tests_unit_bench_test_hist_LDADD = $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/bench/test_plan
tests_unit_bench_test_plan_SOURCES = tests/unit/bench/test_plan.c bench/plan.c bench/zipf.c
tests_unit_bench_test_plan_LDADD = $(CMOCKA_LIBS) -lm
