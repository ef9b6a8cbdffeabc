/* larder: a build without libsasl2: a password file is all there is */
#include "src/server/sasl_library.h"

bool sasl_library_is_built_in(void) {
    return false;
}

bool sasl_library_open(struct auth_backend *backend, uint32_t verbosity) {
    (void)backend;
    (void)verbosity;
    return false;
}

void sasl_library_close(struct auth_backend *backend) {
    (void)backend;
}
