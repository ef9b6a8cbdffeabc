# every atomic access a yield point, a seeded scheduler over fibers; only with --enable-schedule
#     SCHEDULE_TESTS += tests/schedules/test_NAME       (between if and endif)
#     tests_schedules_test_NAME_LDADD = $(STORE_LIBS) $(CMOCKA_LIBS)
if SCHEDULE
endif
