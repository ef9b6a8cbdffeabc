/* larder: any bytes, in portions, from a client that has to log in
 *
 * Input: byte 0: 1 SASL (else ASCII), 2 the port speaks both protocols; byte 1: bytes of a portion
 *   (0: all); then the stream. The user is "u", the password "p".
 * Checked: no crash, no leak, and nothing is executed before a login has succeeded. */
#include <stdlib.h>

#include "src/engine/auth.h"
#include "src/engine/sasl.h"
#include "tests/unit/engine/wire.h"

enum { OPTION_SASL = 1, OPTION_BOTH = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_locked(const struct wire *wire) {
    const struct counters *counters = &wire->core->counters;

    if (atom_load_relaxed(&counters->auth_cmds) > atom_load_relaxed(&counters->auth_errors)) {
        return;
    }
    uint64_t executed = atom_load_relaxed(&counters->cmd_get) +
                        atom_load_relaxed(&counters->cmd_set) +
                        atom_load_relaxed(&counters->cmd_flush) +
                        atom_load_relaxed(&counters->cmd_touch) +
                        atom_load_relaxed(&counters->cmd_meta) +
                        atom_load_relaxed(&counters->delete_misses) +
                        atom_load_relaxed(&counters->incr_misses) +
                        atom_load_relaxed(&counters->decr_misses) +
                        atom_load_relaxed(&counters->uploads);

    ASSERT(executed == 0);
}

static void run_stream(struct wire *wire, size_t portion_max, struct span stream) {
    struct wire_conn *conn = wire_conn(wire, 0);

    for (size_t at = 0; at < stream.len && conn->open;) {
        size_t left = stream.len - at;
        size_t bytes = portion_max && left > portion_max ? portion_max : left;

        wire_send(wire, 0, stream.data + at, bytes);
        wire_take(conn, conn->output_bytes);
        check_locked(wire);
        at += bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct wire wire;
    struct wire_options options = {.words = "-I 100k"};
    struct auth auth;

    if (len < 2 || !wire_open(&wire, &options)) {
        return 0;
    }
    bool sasl = (data[0] & OPTION_SASL) != 0;

    auth_init(&auth, sasl ? AUTH_SASL : AUTH_ASCII);
    auth.backend = sasl_plain_backend(&auth);
    if (auth_read_users(&auth, span_from_text("u:p\n")) != AUTH_READ_GOOD) {
        abort();
    }
    wire.config.auth = &auth;
    wire.config.protocol = data[0] & OPTION_BOTH ? PARSER_AUTO
                           : sasl                ? PARSER_BINARY_ONLY
                                                 : PARSER_ASCII_ONLY;
    run_stream(&wire, data[1], span_of(data + 2, len - 2));
    wire_hangup(&wire, 0);
    ASSERT(atom_load_relaxed(&wire.core->buffers.used_bytes) ==
           atom_load_relaxed(&wire.core->buffers.free_bytes));
    wire_close(&wire);
    auth_fini(&auth);
    return 0;
}
