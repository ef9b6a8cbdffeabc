# client: where keys live, and larderctl; sees proto and base
noinst_LIBRARIES += libclient.a
libclient_a_CPPFLAGS = $(AM_CPPFLAGS) $(MD_CFLAGS) $(XXHASH_CFLAGS) $(TLS_CFLAGS)
libclient_a_SOURCES =
libclient_a_SOURCES += src/client/batch.c
libclient_a_SOURCES += src/client/bytes.c
libclient_a_SOURCES += src/client/bytes.h
libclient_a_SOURCES += src/client/calls.c
libclient_a_SOURCES += src/client/calls.h
libclient_a_SOURCES += src/client/client.h
libclient_a_SOURCES += src/client/client_options.def
libclient_a_SOURCES += src/client/compute.c
libclient_a_SOURCES += src/client/conn.c
libclient_a_SOURCES += src/client/conn.h
libclient_a_SOURCES += src/client/copies.c
libclient_a_SOURCES += src/client/handle.c
libclient_a_SOURCES += src/client/hot.c
libclient_a_SOURCES += src/client/hot.h
libclient_a_SOURCES += src/client/keyhash.c
libclient_a_SOURCES += src/client/keyhash.h
libclient_a_SOURCES += src/client/large.c
libclient_a_SOURCES += src/client/larder.h
libclient_a_SOURCES += src/client/latency.c
libclient_a_SOURCES += src/client/latency.h
libclient_a_SOURCES += src/client/near.c
libclient_a_SOURCES += src/client/near.h
libclient_a_SOURCES += src/client/loop.c
libclient_a_SOURCES += src/client/node.c
libclient_a_SOURCES += src/client/node_reply.c
libclient_a_SOURCES += src/client/node_warm.c
libclient_a_SOURCES += src/client/op.c
libclient_a_SOURCES += src/client/op_end.c
libclient_a_SOURCES += src/client/op_lines.c
libclient_a_SOURCES += src/client/op_near.c
libclient_a_SOURCES += src/client/op_pair.c
libclient_a_SOURCES += src/client/options.c
libclient_a_SOURCES += src/client/options.h
libclient_a_SOURCES += src/client/origin.c
libclient_a_SOURCES += src/client/origin.h
libclient_a_SOURCES += src/client/pool.c
libclient_a_SOURCES += src/client/record.c
libclient_a_SOURCES += src/client/record.h
libclient_a_SOURCES += src/client/resolve.c
libclient_a_SOURCES += src/client/resolve.h
libclient_a_SOURCES += src/client/result.c
libclient_a_SOURCES += src/client/ring.c
libclient_a_SOURCES += src/client/ring.h
libclient_a_SOURCES += src/client/ring_jump.c
libclient_a_SOURCES += src/client/ring_ketama.c
libclient_a_SOURCES += src/client/ring_kind.h
libclient_a_SOURCES += src/client/ring_modes.def
libclient_a_SOURCES += src/client/ring_modula.c
libclient_a_SOURCES += src/client/ring_rendezvous.c
libclient_a_SOURCES += src/client/secure.h
if TLS
libclient_a_SOURCES += src/client/secure.c
else
libclient_a_SOURCES += src/client/secure_none.c
endif
libclient_a_SOURCES += src/client/server_list.c
libclient_a_SOURCES += src/client/server_list.h
libclient_a_SOURCES += src/client/wire.c
libclient_a_SOURCES += src/client/wire.h
libclient_a_SOURCES += src/client/wire_classic.c
libclient_a_SOURCES += src/client/wire_meta.c

# larderctl
bin_PROGRAMS += larderctl
larderctl_SOURCES =
larderctl_SOURCES += src/client/ctl.h
larderctl_SOURCES += src/client/ctl_args.c
larderctl_SOURCES += src/client/ctl_client.c
larderctl_SOURCES += src/client/ctl_client.h
larderctl_SOURCES += src/client/ctl_commands.def
larderctl_SOURCES += src/client/ctl_dump.c
larderctl_SOURCES += src/client/ctl_exits.def
larderctl_SOURCES += src/client/ctl_items.c
larderctl_SOURCES += src/client/ctl_load.c
larderctl_SOURCES += src/client/ctl_map.c
larderctl_SOURCES += src/client/ctl_options.def
larderctl_SOURCES += src/client/ctl_picture.c
larderctl_SOURCES += src/client/ctl_picture.h
larderctl_SOURCES += src/client/ctl_ring.c
larderctl_SOURCES += src/client/ctl_servers.c
larderctl_SOURCES += src/client/ctl_usage.c
larderctl_SOURCES += src/client/larderctl.c
larderctl_LDADD = $(CLIENT_LIBS) -lm

# liblarder: the same objects for the shared and the static library. larder runs on Linux only, so
# the linker does what libtool would be asked for (docs/decisions.md). Link time optimisation stays
# out of what is installed.
noinst_LIBRARIES += libclientpic.a
libclientpic_a_CPPFLAGS = $(libclient_a_CPPFLAGS)
libclientpic_a_CFLAGS = $(AM_CFLAGS) -fPIC -fvisibility=hidden -fno-lto
libclientpic_a_SOURCES = $(libclient_a_SOURCES)
libclientpic_a_SOURCES += src/base/assert.c
libclientpic_a_SOURCES += src/base/number.c
libclientpic_a_SOURCES += src/proto/base64.c
include_HEADERS = src/client/larder.h
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = liblarder.pc
liblarderdir = $(libdir)
nodist_liblarder_DATA = liblarder.so.$(LARDER_SO) liblarder.a
CLEANFILES += liblarder.so.$(LARDER_SO) liblarder.so.$(LARDER_SO_MAJOR) liblarder.so liblarder.a
CLEANFILES += liblarder.o
EXTRA_DIST += src/client/liblarder.map
LARDER_SO_MAJOR = 0
LARDER_SO = $(LARDER_SO_MAJOR).1.0
LINK_LIBRARY = $(AM_V_CCLD)$(CC) $(LARDER_CFLAGS) $(CFLAGS) -fno-lto

liblarder.so.$(LARDER_SO): libclientpic.a src/client/liblarder.map
	$(LINK_LIBRARY) -shared $(LARDER_LDFLAGS) $(LDFLAGS) -fno-lto -o $@ \
		-Wl,-soname,liblarder.so.$(LARDER_SO_MAJOR) \
		-Wl,--version-script=$(srcdir)/src/client/liblarder.map \
		-Wl,--whole-archive libclientpic.a -Wl,--no-whole-archive $(MD_LIBS) $(TLS_LIBS) -lm
	$(AM_V_at)ln -sf $@ liblarder.so.$(LARDER_SO_MAJOR)
	$(AM_V_at)ln -sf liblarder.so.$(LARDER_SO_MAJOR) liblarder.so

# one object, in which what is hidden is local: the archive shows the same names as the library
liblarder.a: libclientpic.a
	$(AM_V_GEN)rm -f $@ && \
	$(LD) -r -o liblarder.o --whole-archive libclientpic.a && \
	$(OBJCOPY) --localize-hidden liblarder.o && \
	$(AR) $(ARFLAGS) $@ liblarder.o && $(RANLIB) $@

install-data-hook:
	cd $(DESTDIR)$(libdir) && \
	ln -sf liblarder.so.$(LARDER_SO) liblarder.so.$(LARDER_SO_MAJOR) && \
	ln -sf liblarder.so.$(LARDER_SO_MAJOR) liblarder.so
uninstall-hook:
	rm -f $(DESTDIR)$(libdir)/liblarder.so.$(LARDER_SO_MAJOR) $(DESTDIR)$(libdir)/liblarder.so

# prints the options for liblarder.3
noinst_PROGRAMS = src/client/print_options
src_client_print_options_LDADD = $(CLIENT_LIBS)
