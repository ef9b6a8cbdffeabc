# io: completions in batches (uring, epoll, sim); sees base
noinst_LIBRARIES += libio.a
libio_a_CPPFLAGS = $(AM_CPPFLAGS) $(URING_CFLAGS)
libio_a_SOURCES =
libio_a_SOURCES += io/arena.c
libio_a_SOURCES += io/arena.h
libio_a_SOURCES += io/epoll.c
libio_a_SOURCES += io/io.c
libio_a_SOURCES += io/io.h
libio_a_SOURCES += io/io_core.c
libio_a_SOURCES += io/io_core.h
libio_a_SOURCES += io/listen.c
libio_a_SOURCES += io/listen.h
libio_a_SOURCES += io/sim.h
libio_a_SOURCES += io/sim_core.h
libio_a_SOURCES += io/sim_io.c
libio_a_SOURCES += io/sim_net.c
if URING
# the files that name liburing
libio_a_SOURCES += io/uring.c
libio_a_SOURCES += io/uring.h
libio_a_SOURCES += io/uring_buffers.c
libio_a_SOURCES += io/uring_setup.c
libio_a_SOURCES += io/uring_submit.c
endif
