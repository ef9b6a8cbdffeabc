/* larder: sessions, with the seeds of the meta commands */
#include "tests/fuzz/sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    return fuzz_sessions(data, len);
}
