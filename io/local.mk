# io: completions in batches (uring, epoll, sim); sees base
noinst_LIBRARIES += libio.a
libio_a_CPPFLAGS = $(AM_CPPFLAGS) $(URING_CFLAGS)
libio_a_SOURCES =
libio_a_SOURCES += io/io.h
libio_a_SOURCES += io/listen.h
if URING
# the files that name liburing
endif
