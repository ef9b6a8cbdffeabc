# slab: pages and chunks of memory; sees base
noinst_LIBRARIES += libslab.a
libslab_a_SOURCES =
libslab_a_SOURCES += slab/bin.c
libslab_a_SOURCES += slab/bin.h
libslab_a_SOURCES += slab/classes.c
libslab_a_SOURCES += slab/classes.h
libslab_a_SOURCES += slab/pool.c
libslab_a_SOURCES += slab/pool.h
libslab_a_SOURCES += slab/pool_file.c
libslab_a_SOURCES += slab/pool_lists.c
libslab_a_SOURCES += slab/pool_lists.h
libslab_a_SOURCES += slab/pool_release.c
libslab_a_SOURCES += slab/pool_system.c
libslab_a_SOURCES += slab/slab_copy.c
libslab_a_SOURCES += slab/slab_copy.h
