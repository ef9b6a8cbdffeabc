/* larder: a dictionary that keeps the store's contract, for tests of the engine
 *
 * Purpose: src/store/store.h over a list of malloc'd items: small, obvious, and able to fail on
 *   demand.
 * Owner: the test.   Threads: one.   Memory: malloc.
 * Limits: linear search.   Errors: as store.h. */
#ifndef LARDER_TESTS_UNIT_ENGINE_FAKE_STORE_H
#define LARDER_TESTS_UNIT_ENGINE_FAKE_STORE_H

#include "src/store/store.h"

/* All following allocations fail with STORE_NO_MEMORY while it is set. */
void fake_store_refuse(struct store *store, bool refuse);
/* Uploads fail after so many bytes; 0: they don't. */
void fake_store_upload_limit(struct store *store, uint64_t bytes);
/* store_get calls place() this many times more than needed, as if the item had changed. */
void fake_store_retries(struct store *store, unsigned retries);
/* Lends now out. */
unsigned fake_store_lends(const struct store *store);
size_t fake_store_items(const struct store *store);
/* Uploads not closed. */
unsigned fake_store_uploads(const struct store *store);

#endif
