# client: where keys live, and larderctl; sees proto and base
noinst_LIBRARIES += libclient.a
libclient_a_CPPFLAGS = $(AM_CPPFLAGS) $(MD_CFLAGS) $(XXHASH_CFLAGS)
libclient_a_SOURCES =
libclient_a_SOURCES += src/client/keyhash.c
libclient_a_SOURCES += src/client/keyhash.h
libclient_a_SOURCES += src/client/ring.c
libclient_a_SOURCES += src/client/ring.h
libclient_a_SOURCES += src/client/ring_jump.c
libclient_a_SOURCES += src/client/ring_ketama.c
libclient_a_SOURCES += src/client/ring_kind.h
libclient_a_SOURCES += src/client/ring_modes.def
libclient_a_SOURCES += src/client/ring_modula.c
libclient_a_SOURCES += src/client/ring_rendezvous.c
libclient_a_SOURCES += src/client/server_list.c
libclient_a_SOURCES += src/client/server_list.h

# larderctl
bin_PROGRAMS += larderctl
larderctl_SOURCES =
larderctl_SOURCES += src/client/ctl.h
larderctl_SOURCES += src/client/ctl_args.c
larderctl_SOURCES += src/client/ctl_commands.def
larderctl_SOURCES += src/client/ctl_exits.def
larderctl_SOURCES += src/client/ctl_map.c
larderctl_SOURCES += src/client/ctl_options.def
larderctl_SOURCES += src/client/ctl_picture.c
larderctl_SOURCES += src/client/ctl_picture.h
larderctl_SOURCES += src/client/ctl_ring.c
larderctl_SOURCES += src/client/ctl_usage.c
larderctl_SOURCES += src/client/larderctl.c
larderctl_LDADD = $(CLIENT_LIBS) -lm
