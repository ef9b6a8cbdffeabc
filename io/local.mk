# io: completions in batches (uring, epoll, sim); sees base
noinst_LIBRARIES += libio.a
libio_a_CPPFLAGS = $(AM_CPPFLAGS) $(URING_CFLAGS)
libio_a_SOURCES =
if URING
# the files that name liburing
endif
