/* larder: a core's slots for connections, and iovecs for what they have in flight */
#include <stdlib.h>
#include <string.h>

#include "src/server/connection.h"

bool connection_table_init(struct connection_table *table, uint32_t connections_max) {
    *table = (struct connection_table){
        .chunks_max = connections_max / CONNECTION_CHUNK_SLOTS + 1,
    };
    table->chunks = calloc(table->chunks_max, sizeof(table->chunks[0]));
    return table->chunks != NULL;
}

void connection_table_fini(struct connection_table *table) {
    if (table->chunks == NULL) {
        return;
    }
    connection_table_recycle(table);
    ASSERT(table->open == 0);
    for (uint32_t i = 0; i < atom_load_relaxed(&table->chunk_count); i++) {
        free(atom_load_relaxed(&table->chunks[i]));
    }
    free(table->chunks);
    while (table->ops_free != NULL) {
        struct connection_op *op = table->ops_free;
        table->ops_free = op->next;
        free(op);
    }
    *table = (struct connection_table){.chunks = NULL};
}

static bool connection_table_grow(struct connection_table *table) {
    uint32_t count = atom_load_relaxed(&table->chunk_count);
    if (count == table->chunks_max) {
        return false;
    }
    struct connection *chunk = calloc(CONNECTION_CHUNK_SLOTS, sizeof(*chunk));
    if (chunk == NULL) {
        return false;
    }
    for (uint32_t i = CONNECTION_CHUNK_SLOTS; i-- > 0;) {
        atom_store_relaxed(&chunk[i].fd, -1);
        chunk[i].slot_next = table->free;
        table->free = &chunk[i];
    }
    atom_store_release(&table->chunks[count], chunk);
    atom_store_release(&table->chunk_count, count + 1);
    return true;
}

struct connection *connection_table_at(const struct connection_table *table, uint32_t index) {
    uint32_t chunk = index / CONNECTION_CHUNK_SLOTS;
    if (chunk >= atom_load_acquire(&table->chunk_count)) {
        return NULL;
    }
    return atom_load_acquire(&table->chunks[chunk]) + index % CONNECTION_CHUNK_SLOTS;
}

struct connection *connection_table_take(struct connection_table *table) {
    if (table->free == NULL && !connection_table_grow(table)) {
        return NULL;
    }
    struct connection *connection = table->free;
    table->free = connection->slot_next;
    table->open++;
    connection->io = NULL;
    connection->slot_next = NULL;
    connection->send_op = NULL;
    connection->receive_op = NULL;
    connection->send_bytes = 0;
    connection->receive = RECEIVE_IDLE;
    connection->reason = CONNECTION_REASON_NORMAL;
    connection->sending = false;
    connection->recalled = false;
    connection->dirty = false;
    connection->ended = false;
    connection->tls = NULL;
    connection->tls_next = NULL;
    connection->tls_queued = false;
    connection->tls_failed = false;
    connection->tls_ended = false;
    return connection;
}

void connection_table_give(struct connection_table *table, struct connection *connection) {
    atom_store_relaxed(&connection->state, CONNECTION_FREE);
    connection->slot_next = table->free;
    table->free = connection;
    table->open--;
}

void connection_table_recycle(struct connection_table *table) {
    while (table->closed != NULL) {
        struct connection *connection = table->closed;
        table->closed = connection->slot_next;
        connection_table_give(table, connection);
    }
}

struct connection_op *connection_op_take(struct connection_table *table) {
    struct connection_op *op = table->ops_free;
    if (op == NULL) {
        return malloc(sizeof(*op));
    }
    table->ops_free = op->next;
    table->ops_kept--;
    return op;
}

void connection_op_give(struct connection_table *table, struct connection_op **op) {
    if (*op == NULL) {
        return;
    }
    if (table->ops_kept == CONNECTION_OPS_KEPT_MAX) {
        free(*op);
    } else {
        (*op)->next = table->ops_free;
        table->ops_free = *op;
        table->ops_kept++;
    }
    *op = NULL;
}
