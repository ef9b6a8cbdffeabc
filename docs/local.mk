# docs: pages that ship, and the man pages, which the programs print from their tables
EXTRA_DIST += docs/protection.md
EXTRA_DIST += docs/rings.md
if CROSS_COMPILING
# they cannot run here
else
man1_MANS = docs/larder.1 docs/larderctl.1
man3_MANS = docs/liblarder.3
CLEANFILES += docs/larder.1 docs/larderctl.1 docs/liblarder.3
endif
EXTRA_DIST += docs/liblarder.3.in
docs/liblarder.3: docs/liblarder.3.in src/client/print_options$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) docs && ./src/client/print_options$(EXEEXT) >$@.options && \
	sed -e '/^@OPTIONS@$$/{r $@.options' -e 'd;}' -e 's/@VERSION@/$(PACKAGE_VERSION)/' \
		$(srcdir)/docs/liblarder.3.in >$@.tmp && rm -f $@.options && mv $@.tmp $@
PRINT_MAN = $(AM_V_GEN)$(MKDIR_P) docs && ./$< --help-man </dev/null >$@.tmp && mv $@.tmp $@
docs/larder.1: larder$(EXEEXT)
	$(PRINT_MAN)
docs/larderctl.1: larderctl$(EXEEXT)
	$(PRINT_MAN)

# how liblarder is used; `make check` builds it
exampledir = $(docdir)/examples
dist_example_DATA = docs/examples/counter.c
