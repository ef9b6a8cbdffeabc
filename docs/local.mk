# docs: pages that ship, and the man page, which the server prints from its table of settings
if CROSS_COMPILING
# it cannot run here
else
man1_MANS = docs/larder.1
CLEANFILES += docs/larder.1
endif
docs/larder.1: larder$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) docs && ./larder$(EXEEXT) --help-man </dev/null >$@.tmp && mv $@.tmp $@
