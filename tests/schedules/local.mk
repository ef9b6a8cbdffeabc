# every atomic access a yield point, a seeded scheduler over fibers; only with --enable-schedule
#     SCHEDULE_TESTS += tests/schedules/test_NAME       (between if and endif)
#     tests_schedules_test_NAME_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
#     tests_schedules_test_NAME_LDADD = $(SCHEDULE_LIBS)
if SCHEDULE
SCHEDULE_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) -DLARDER_SCHEDULE=1
SCHEDULE_LIBS = libschedule.a $(CMOCKA_LIBS)

# base, slab and store once more, on the simulated machine
check_LIBRARIES = libschedule.a
libschedule_a_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
libschedule_a_SOURCES = $(libbase_a_SOURCES) $(libslab_a_SOURCES) $(libstore_a_SOURCES)
libschedule_a_SOURCES += tests/schedules/fiber.c
libschedule_a_SOURCES += tests/schedules/fiber.h
libschedule_a_SOURCES += tests/schedules/machine.c
libschedule_a_SOURCES += tests/schedules/machine.h
libschedule_a_SOURCES += tests/schedules/machine_internal.h
libschedule_a_SOURCES += tests/schedules/memory.c
libschedule_a_SOURCES += tests/schedules/report.c

SCHEDULE_TESTS += tests/schedules/test_machine
tests_schedules_test_machine_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
tests_schedules_test_machine_LDADD = $(SCHEDULE_LIBS)
endif
