# docs: pages that ship, and the man pages, which the programs print from their tables
EXTRA_DIST += docs/protection.md
EXTRA_DIST += docs/rings.md
if CROSS_COMPILING
# they cannot run here
else
man1_MANS = docs/larder.1 docs/larderctl.1
CLEANFILES += docs/larder.1 docs/larderctl.1
endif
PRINT_MAN = $(AM_V_GEN)$(MKDIR_P) docs && ./$< --help-man </dev/null >$@.tmp && mv $@.tmp $@
docs/larder.1: larder$(EXEEXT)
	$(PRINT_MAN)
docs/larderctl.1: larderctl$(EXEEXT)
	$(PRINT_MAN)
