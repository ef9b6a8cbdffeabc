# server: cores, connections, settings, stats; sees everything
noinst_LIBRARIES += libserver.a
libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(HWLOC_CFLAGS) $(TLS_CFLAGS) $(SASL_CFLAGS)
libserver_a_SOURCES =
libserver_a_SOURCES += src/server/auth_file.c
libserver_a_SOURCES += src/server/auth_file.h
libserver_a_SOURCES += src/server/connection.c
libserver_a_SOURCES += src/server/connection.h
libserver_a_SOURCES += src/server/connection_table.c
libserver_a_SOURCES += src/server/connection_tls.c
libserver_a_SOURCES += src/server/control.c
libserver_a_SOURCES += src/server/control.h
libserver_a_SOURCES += src/server/control_tuning.c
libserver_a_SOURCES += src/server/core.c
libserver_a_SOURCES += src/server/core.h
libserver_a_SOURCES += src/server/counters.def
libserver_a_SOURCES += src/server/dump.c
libserver_a_SOURCES += src/server/dump.h
libserver_a_SOURCES += src/server/housekeeping.c
libserver_a_SOURCES += src/server/housekeeping.h
libserver_a_SOURCES += src/server/listeners.c
libserver_a_SOURCES += src/server/listeners.h
libserver_a_SOURCES += src/server/mailbox.c
libserver_a_SOURCES += src/server/mailbox.h
libserver_a_SOURCES += src/server/options.c
libserver_a_SOURCES += src/server/options.h
libserver_a_SOURCES += src/server/options_table.c
libserver_a_SOURCES += src/server/options_value.c
libserver_a_SOURCES += src/server/process.c
libserver_a_SOURCES += src/server/process.h
libserver_a_SOURCES += src/server/reasons.def
libserver_a_SOURCES += src/server/sasl_library.h
if SASL
libserver_a_SOURCES += src/server/sasl_library.c
else
libserver_a_SOURCES += src/server/sasl_library_none.c
endif
libserver_a_SOURCES += src/server/server.c
libserver_a_SOURCES += src/server/server.h
libserver_a_SOURCES += src/server/server_main.c
libserver_a_SOURCES += src/server/settings.c
libserver_a_SOURCES += src/server/settings.def
libserver_a_SOURCES += src/server/settings.h
libserver_a_SOURCES += src/server/settings_check.c
libserver_a_SOURCES += src/server/settings_listen.c
libserver_a_SOURCES += src/server/stats.c
libserver_a_SOURCES += src/server/stats.def
libserver_a_SOURCES += src/server/stats.h
libserver_a_SOURCES += src/server/stats_conns.c
libserver_a_SOURCES += src/server/stats_general.c
libserver_a_SOURCES += src/server/stats_items.c
libserver_a_SOURCES += src/server/stats_larder.c
libserver_a_SOURCES += src/server/task.c
libserver_a_SOURCES += src/server/task.h
libserver_a_SOURCES += src/server/threads.c
libserver_a_SOURCES += src/server/threads.h
libserver_a_SOURCES += src/server/tls.h
if TLS
libserver_a_SOURCES += src/server/tls.c
else
libserver_a_SOURCES += src/server/tls_none.c
endif
libserver_a_SOURCES += src/server/topology.c
libserver_a_SOURCES += src/server/topology.h
libserver_a_SOURCES += src/server/topology_bind.c
libserver_a_SOURCES += src/server/topology_cgroup.c
libserver_a_SOURCES += src/server/topology_machine.c
libserver_a_SOURCES += src/server/topology_machine.h
libserver_a_SOURCES += src/server/topology_print.c
libserver_a_SOURCES += src/server/uri.c
libserver_a_SOURCES += src/server/uri.h
libserver_a_SOURCES += src/server/usage.c
