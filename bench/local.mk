# bench: built by `make bench` (the load generator also by `make check`), never installed.
#     BENCHES += bench/null
#     bench_null_SOURCES = bench/null.c
#     bench_null_LDADD = $(IO_LIBS)
BENCHES =

# the load generator
BENCHES += bench/larder-load
bench_larder_load_SOURCES =
bench_larder_load_SOURCES += bench/codec.c
bench_larder_load_SOURCES += bench/codec.h
bench_larder_load_SOURCES += bench/codec_ascii.c
bench_larder_load_SOURCES += bench/codec_ascii.h
bench_larder_load_SOURCES += bench/conn.c
bench_larder_load_SOURCES += bench/conn.h
bench_larder_load_SOURCES += bench/cputime.c
bench_larder_load_SOURCES += bench/cputime.h
bench_larder_load_SOURCES += bench/dataset.c
bench_larder_load_SOURCES += bench/dataset.h
bench_larder_load_SOURCES += bench/hist.c
bench_larder_load_SOURCES += bench/hist.h
bench_larder_load_SOURCES += bench/load.c
bench_larder_load_SOURCES += bench/load_options.c
bench_larder_load_SOURCES += bench/load_options.h
bench_larder_load_SOURCES += bench/outq.c
bench_larder_load_SOURCES += bench/outq.h
bench_larder_load_SOURCES += bench/plan.c
bench_larder_load_SOURCES += bench/plan.h
bench_larder_load_SOURCES += bench/report.c
bench_larder_load_SOURCES += bench/report.h
bench_larder_load_SOURCES += bench/rng.h
bench_larder_load_SOURCES += bench/worker.c
bench_larder_load_SOURCES += bench/worker.h
bench_larder_load_SOURCES += bench/zipf.c
bench_larder_load_SOURCES += bench/zipf.h
bench_larder_load_LDADD = $(BASE_LIBS) -lm

# the machine's limit
BENCHES += bench/null
bench_null_CPPFLAGS = $(AM_CPPFLAGS) $(URING_CFLAGS)
bench_null_SOURCES =
bench_null_SOURCES += bench/null.c
bench_null_SOURCES += bench/null.h
bench_null_SOURCES += bench/null_epoll.c
bench_null_SOURCES += bench/null_layer.c
bench_null_SOURCES += bench/null_replies.c
if URING
bench_null_SOURCES += bench/null_uring.c
endif
bench_null_LDADD = $(IO_LIBS)

# instructions of a request
BENCHES += bench/instructions
bench_instructions_SOURCES = bench/instructions.c
bench_instructions_LDADD = $(ENGINE_LIBS)
EXTRA_DIST += bench/count

# the client library beside libmemcached; its packages are libmemcached-dev and libmemcached11
if LIBMEMCACHED
BENCHES += bench/client
bench_client_CPPFLAGS = $(AM_CPPFLAGS) $(LIBMEMCACHED_CFLAGS)
bench_client_LDADD = $(CLIENT_LIBS) $(LIBMEMCACHED_LIBS)
else
EXTRA_DIST += bench/client.c
endif

# hit ratios
BENCHES += bench/hit-ratio
bench_hit_ratio_SOURCES =
bench_hit_ratio_SOURCES += bench/cache.h
bench_hit_ratio_SOURCES += bench/cache_lists.c
bench_hit_ratio_SOURCES += bench/cache_server.c
bench_hit_ratio_SOURCES += bench/cache_store.c
bench_hit_ratio_SOURCES += bench/hit_ratio.c
bench_hit_ratio_SOURCES += bench/rng.h
bench_hit_ratio_SOURCES += bench/trace.c
bench_hit_ratio_SOURCES += bench/trace.h
bench_hit_ratio_SOURCES += bench/zipf.c
bench_hit_ratio_SOURCES += bench/zipf.h
bench_hit_ratio_LDADD = $(STORE_LIBS) -lm

# growth of the index
BENCHES += bench/growth
bench_growth_SOURCES = bench/growth.c bench/hist.c bench/hist.h
bench_growth_LDADD = $(STORE_LIBS) -lm

EXTRA_PROGRAMS += $(BENCHES)
if BUILD_TESTS
check_PROGRAMS += bench/larder-load
check_PROGRAMS += bench/instructions
endif
CLEANFILES += $(BENCHES)
.PHONY: bench
bench: $(BENCHES)

# what compares servers
EXTRA_DIST += bench/README.md
EXTRA_DIST += bench/compare
EXTRA_DIST += bench/comparison/__init__.py
EXTRA_DIST += bench/comparison/cells.py
EXTRA_DIST += bench/comparison/machine.py
EXTRA_DIST += bench/comparison/servers.py
EXTRA_DIST += bench/comparison/table.py
EXTRA_DIST += bench/density
