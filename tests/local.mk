# tests: what each directory is for and how a group is added stands in tests/README.md
#
# A group is a program or script that prints TAP (`ok 1 - name`, `not ok 2 - name`, `1..2`).
# Each kind has a list; `make check` runs them all, scripts/test runs them build by build.
UNIT_TESTS =
TRANSCRIPT_TESTS =
MODEL_TESTS =
SCHEDULE_TESTS =
SIM_TESTS =
STRESS_TESTS =
FUZZ_TESTS =
# scripts (in the source tree) rather than programs
SYSTEM_TESTS =
LINT_TESTS =

include tests/unit/base/local.mk
include tests/unit/bench/local.mk
include tests/unit/proto/local.mk
include tests/unit/slab/local.mk
include tests/unit/store/local.mk
include tests/unit/engine/local.mk
include tests/unit/io/local.mk
include tests/unit/server/local.mk
include tests/unit/client/local.mk
include tests/transcripts/local.mk
include tests/model/local.mk
include tests/schedules/local.mk
include tests/sim/local.mk
include tests/stress/local.mk
include tests/fuzz/local.mk
include tests/system/local.mk
include tests/lint/local.mk
include tests/manycore/local.mk

# programs, built by `make check-programs`
COMPILED_TESTS = $(UNIT_TESTS) $(TRANSCRIPT_TESTS) $(MODEL_TESTS) $(SCHEDULE_TESTS) \
	$(SIM_TESTS) $(STRESS_TESTS) $(FUZZ_TESTS)
SCRIPTED_TESTS = $(SYSTEM_TESTS) $(LINT_TESTS)

if BUILD_TESTS
check_PROGRAMS += $(COMPILED_TESTS) $(SYSTEM_HELPERS)
TESTS = $(COMPILED_TESTS) $(SCRIPTED_TESTS)
endif
EXTRA_DIST += $(SCRIPTED_TESTS)
EXTRA_DIST += tests/README.md
EXTRA_DIST += tests/conformance/README.md
EXTRA_DIST += tests/run-group

# every group finds the server, the sources and the build here
AM_TESTS_ENVIRONMENT = \
	LARDER='$(abs_top_builddir)/larder'; export LARDER; \
	TOP_SRCDIR='$(abs_top_srcdir)'; export TOP_SRCDIR; \
	TOP_BUILDDIR='$(abs_top_builddir)'; export TOP_BUILDDIR; \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT;
TEST_EXTENSIONS = .sh .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)

.PHONY: check-programs check-list
check-programs: $(check_PROGRAMS)
# one line a group: its kind and its path (a program in the build, a script in the sources)
check-list:
	@for t in $(UNIT_TESTS); do echo "unit $$t"; done
	@for t in $(TRANSCRIPT_TESTS); do echo "transcripts $$t"; done
	@for t in $(MODEL_TESTS); do echo "model $$t"; done
	@for t in $(SCHEDULE_TESTS); do echo "schedules $$t"; done
	@for t in $(SIM_TESTS); do echo "sim $$t"; done
	@for t in $(STRESS_TESTS); do echo "stress $$t"; done
	@for t in $(FUZZ_TESTS); do echo "fuzz $$t"; done
	@for t in $(SYSTEM_TESTS); do echo "system $$t"; done
	@for t in $(LINT_TESTS); do echo "lint $$t"; done
