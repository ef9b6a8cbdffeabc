# bench: built by `make bench`, never installed. A program of its own:
#     BENCHES += bench/null
#     bench_null_SOURCES = bench/null.c
#     bench_null_LDADD = $(IO_LIBS)
BENCHES =

EXTRA_PROGRAMS += $(BENCHES)
CLEANFILES += $(BENCHES)
.PHONY: bench
bench: $(BENCHES)
