/* larder: what the fuzz targets of the protocols share
 *
 * Purpose: sessions over the store, fed with the fuzzer's bytes; the form stands in sessions.c.
 * Owner: none.   Threads: one.   Memory: none kept.   Limits: none.   Errors: asserts. */
#ifndef LARDER_TESTS_FUZZ_SESSIONS_H
#define LARDER_TESTS_FUZZ_SESSIONS_H

#include <stddef.h>
#include <stdint.h>

int fuzz_sessions(const uint8_t *data, size_t len);

#endif
