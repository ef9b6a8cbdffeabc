# server: cores, connections, settings, stats; sees everything
noinst_LIBRARIES += libserver.a
libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(HWLOC_CFLAGS)
libserver_a_SOURCES =
