# slab: pages and chunks of memory; sees base
noinst_LIBRARIES += libslab.a
libslab_a_SOURCES =
