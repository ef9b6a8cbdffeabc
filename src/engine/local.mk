# engine: executes requests on the store; sees store, slab, proto and base
noinst_LIBRARIES += libengine.a
libengine_a_SOURCES =
