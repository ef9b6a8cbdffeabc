/* larder: the kinds of store and traffic that the model test runs
 *
 * Purpose: the table.   Owner: the model test.   Threads: any.   Memory: constant.
 * Limits: profile_at(index) for index < profile_count().   Errors: none. */
#ifndef LARDER_TESTS_MODEL_PROFILES_H
#define LARDER_TESTS_MODEL_PROFILES_H

#include "tests/model/operation.h"

unsigned profile_count(void);
const struct profile *profile_at(unsigned index);

#endif
