# engine: executes requests on the store; sees store, slab, proto and base
noinst_LIBRARIES += libengine.a
libengine_a_SOURCES =
libengine_a_SOURCES += src/engine/admin.h
libengine_a_SOURCES += src/engine/buffers.h
libengine_a_SOURCES += src/engine/counters.def
libengine_a_SOURCES += src/engine/counters.h
libengine_a_SOURCES += src/engine/engine.h
libengine_a_SOURCES += src/engine/reply.h
libengine_a_SOURCES += src/engine/session.h
