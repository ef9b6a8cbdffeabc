# unit tests of store: sources are tests/unit/store/test_NAME.c and the fixture
#     UNIT_TESTS += tests/unit/store/test_NAME
#     tests_unit_store_test_NAME_SOURCES = tests/unit/store/test_NAME.c $(STORE_FIXTURE)
#     tests_unit_store_test_NAME_LDADD = $(UNIT_STORE)
UNIT_STORE = $(STORE_LIBS) $(CMOCKA_LIBS)
STORE_FIXTURE = tests/unit/store/fixture.c tests/unit/store/fixture.h

UNIT_TESTS += tests/unit/store/test_shared_lines
tests_unit_store_test_shared_lines_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_reassign
tests_unit_store_test_reassign_SOURCES = tests/unit/store/test_reassign.c $(STORE_FIXTURE)
tests_unit_store_test_reassign_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_sizes
tests_unit_store_test_sizes_SOURCES = tests/unit/store/test_sizes.c $(STORE_FIXTURE)
tests_unit_store_test_sizes_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_space
tests_unit_store_test_space_SOURCES = tests/unit/store/test_space.c $(STORE_FIXTURE)
tests_unit_store_test_space_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_upload
tests_unit_store_test_upload_SOURCES = tests/unit/store/test_upload.c $(STORE_FIXTURE)
tests_unit_store_test_upload_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_index
tests_unit_store_test_index_SOURCES = tests/unit/store/test_index.c $(STORE_FIXTURE)
tests_unit_store_test_index_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_layout
tests_unit_store_test_layout_SOURCES = tests/unit/store/test_layout.c $(STORE_FIXTURE)
tests_unit_store_test_layout_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_queue
tests_unit_store_test_queue_SOURCES = tests/unit/store/test_queue.c $(STORE_FIXTURE)
tests_unit_store_test_queue_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_lock
tests_unit_store_test_lock_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_change
tests_unit_store_test_change_SOURCES = tests/unit/store/test_change.c $(STORE_FIXTURE)
tests_unit_store_test_change_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_put
tests_unit_store_test_put_SOURCES = tests/unit/store/test_put.c $(STORE_FIXTURE)
tests_unit_store_test_put_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_read
tests_unit_store_test_read_SOURCES = tests/unit/store/test_read.c $(STORE_FIXTURE)
tests_unit_store_test_read_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_walk
tests_unit_store_test_walk_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_evict
tests_unit_store_test_evict_SOURCES = tests/unit/store/test_evict.c $(STORE_FIXTURE)
tests_unit_store_test_evict_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_expire
tests_unit_store_test_expire_SOURCES = tests/unit/store/test_expire.c $(STORE_FIXTURE)
tests_unit_store_test_expire_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_lend
tests_unit_store_test_lend_SOURCES = tests/unit/store/test_lend.c $(STORE_FIXTURE)
tests_unit_store_test_lend_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_memory
tests_unit_store_test_memory_SOURCES = tests/unit/store/test_memory.c $(STORE_FIXTURE)
tests_unit_store_test_memory_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_sizes_shift
tests_unit_store_test_sizes_shift_SOURCES = tests/unit/store/test_sizes_shift.c $(STORE_FIXTURE)
tests_unit_store_test_sizes_shift_LDADD = $(UNIT_STORE) -lm

# small traces through the store, with the benchmark's own parts
UNIT_TESTS += tests/unit/store/test_hit_ratio
tests_unit_store_test_hit_ratio_SOURCES = tests/unit/store/test_hit_ratio.c bench/trace.c \
	bench/cache_lists.c bench/cache_store.c bench/zipf.c
tests_unit_store_test_hit_ratio_LDADD = $(UNIT_STORE) -lm

# own objects of store and below, without link time optimisation: the linker wraps the lock
UNIT_TESTS += tests/unit/store/test_hold
tests_unit_store_test_hold_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
tests_unit_store_test_hold_CFLAGS = $(AM_CFLAGS) -fno-lto
tests_unit_store_test_hold_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=lock_acquire -Wl,--wrap=lock_try \
	-Wl,--wrap=lock_release -Wl,--wrap=index_remove -Wl,--wrap=index_relocate
tests_unit_store_test_hold_SOURCES = tests/unit/store/test_hold.c $(STORE_FIXTURE) \
	$(libstore_a_SOURCES) $(libslab_a_SOURCES) $(libbase_a_SOURCES)
tests_unit_store_test_hold_LDADD = $(CMOCKA_LIBS)

UNIT_TESTS += tests/unit/store/test_fit
tests_unit_store_test_fit_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_marks
tests_unit_store_test_marks_SOURCES = tests/unit/store/test_marks.c $(STORE_FIXTURE)
tests_unit_store_test_marks_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_plan
tests_unit_store_test_plan_SOURCES = tests/unit/store/test_plan.c $(STORE_FIXTURE)
tests_unit_store_test_plan_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_restart
tests_unit_store_test_restart_SOURCES = tests/unit/store/test_restart.c
tests_unit_store_test_restart_SOURCES += tests/unit/store/restart_rig.c
tests_unit_store_test_restart_SOURCES += tests/unit/store/restart_rig.h $(STORE_FIXTURE)
tests_unit_store_test_restart_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_restart_damage
tests_unit_store_test_restart_damage_SOURCES = tests/unit/store/test_restart_damage.c
tests_unit_store_test_restart_damage_SOURCES += tests/unit/store/restart_rig.c
tests_unit_store_test_restart_damage_SOURCES += tests/unit/store/restart_rig.h $(STORE_FIXTURE)
tests_unit_store_test_restart_damage_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
tests_unit_store_test_restart_damage_LDADD = $(UNIT_STORE)

UNIT_TESTS += tests/unit/store/test_append
tests_unit_store_test_append_SOURCES = tests/unit/store/test_append.c $(STORE_FIXTURE)
tests_unit_store_test_append_LDADD = $(UNIT_STORE)
