# every atomic access a yield point, a seeded scheduler over fibers; only with --enable-schedule
#     SCHEDULE_TESTS += tests/schedules/test_NAME       (between if and endif)
#     tests_schedules_test_NAME_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
#     tests_schedules_test_NAME_LDADD = $(SCHEDULE_LIBS)
if SCHEDULE
SCHEDULE_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS) -DLARDER_SCHEDULE=1
SCHEDULE_LIBS = libschedule.a $(XXHASH_LIBS) $(CMOCKA_LIBS)

# base, slab and store once more, on the simulated machine
check_LIBRARIES = libschedule.a
libschedule_a_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
libschedule_a_SOURCES = $(libbase_a_SOURCES) $(libslab_a_SOURCES) $(libstore_a_SOURCES)
libschedule_a_SOURCES += tests/schedules/clock.c
libschedule_a_SOURCES += tests/schedules/fiber.c
libschedule_a_SOURCES += tests/schedules/fiber.h
libschedule_a_SOURCES += tests/schedules/machine.c
libschedule_a_SOURCES += tests/schedules/machine.h
libschedule_a_SOURCES += tests/schedules/machine_internal.h
libschedule_a_SOURCES += tests/schedules/memory.c
libschedule_a_SOURCES += tests/schedules/report.c
libschedule_a_SOURCES += tests/schedules/runner.c
libschedule_a_SOURCES += tests/schedules/runner.h
libschedule_a_SOURCES += tests/schedules/scenarios.h
libschedule_a_SOURCES += tests/schedules/scenarios_change.c
libschedule_a_SOURCES += tests/schedules/scenarios_growth.c
libschedule_a_SOURCES += tests/schedules/scenarios_index.c
libschedule_a_SOURCES += tests/schedules/scenarios_memory.c
libschedule_a_SOURCES += tests/schedules/world.c
libschedule_a_SOURCES += tests/schedules/world.h

SCHEDULE_TESTS += tests/schedules/test_machine
tests_schedules_test_machine_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
tests_schedules_test_machine_LDADD = $(SCHEDULE_LIBS)

SCHEDULE_TESTS += tests/schedules/test_lock
tests_schedules_test_lock_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
tests_schedules_test_lock_LDADD = $(SCHEDULE_LIBS)

SCHEDULE_TESTS += tests/schedules/test_store
tests_schedules_test_store_CPPFLAGS = $(SCHEDULE_CPPFLAGS)
tests_schedules_test_store_LDADD = $(SCHEDULE_LIBS)

# a planted bug each: the store's file that has it is compiled with the plant and goes before the
# library's
SCHEDULE_TESTS += tests/schedules/plant_length
tests_schedules_plant_length_SOURCES = tests/schedules/test_plant.c src/store/read.c
tests_schedules_plant_length_CPPFLAGS = $(SCHEDULE_CPPFLAGS) -DLARDER_PLANT_LENGTH_UNCHECKED
tests_schedules_plant_length_LDADD = $(SCHEDULE_LIBS)

SCHEDULE_TESTS += tests/schedules/plant_lend
tests_schedules_plant_lend_SOURCES = tests/schedules/test_plant.c src/store/read.c
tests_schedules_plant_lend_CPPFLAGS = $(SCHEDULE_CPPFLAGS) -DLARDER_PLANT_LEND_UNFENCED
tests_schedules_plant_lend_LDADD = $(SCHEDULE_LIBS)

SCHEDULE_TESTS += tests/schedules/plant_miss
tests_schedules_plant_miss_SOURCES = tests/schedules/test_plant.c src/store/read.c
tests_schedules_plant_miss_CPPFLAGS = $(SCHEDULE_CPPFLAGS) -DLARDER_PLANT_MISS_UNVALIDATED
tests_schedules_plant_miss_LDADD = $(SCHEDULE_LIBS)

SCHEDULE_TESTS += tests/schedules/plant_unlink
tests_schedules_plant_unlink_SOURCES = tests/schedules/test_plant.c src/store/lend.c
tests_schedules_plant_unlink_CPPFLAGS = $(SCHEDULE_CPPFLAGS) -DLARDER_PLANT_UNLINK_UNFENCED
tests_schedules_plant_unlink_LDADD = $(SCHEDULE_LIBS)
endif
