# store: partitions, index, items; sees slab and base
noinst_LIBRARIES += libstore.a
libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(XXHASH_CFLAGS)
libstore_a_SOURCES =
libstore_a_SOURCES += src/store/store.h
