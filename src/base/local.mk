# base: spans, numbers, asserts, atomics; stands on nothing
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES =
libbase_a_SOURCES += src/base/assert.c
libbase_a_SOURCES += src/base/assert.h
libbase_a_SOURCES += src/base/atomic.h
libbase_a_SOURCES += src/base/hash.h
libbase_a_SOURCES += src/base/copy.h
libbase_a_SOURCES += src/base/number.c
libbase_a_SOURCES += src/base/number.h
libbase_a_SOURCES += src/base/pack.h
libbase_a_SOURCES += src/base/span.h
libbase_a_SOURCES += src/base/text.c
libbase_a_SOURCES += src/base/text.h
