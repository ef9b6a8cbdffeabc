/* larder: what a failed assertion does */
#include "src/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_fail(const char *what, const char *file, int line) {
    fprintf(stderr, "larder: assertion failed: %s (%s:%d)\n", what, file, line);
    abort();
}
