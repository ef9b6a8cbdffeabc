/* larder: a bounded queue of messages to one core */
#include "src/server/mailbox.h"

void mailbox_init(struct mailbox *mailbox) {
    atom_store_relaxed(&mailbox->tail, 0);
    mailbox->head = 0;
    for (uint64_t i = 0; i < MAILBOX_CELLS; i++) {
        atom_store_relaxed(&mailbox->cells[i].sequence, i);
    }
}

bool mailbox_post(struct mailbox *mailbox, const struct mail *mail) {
    uint64_t ticket = atom_load_relaxed(&mailbox->tail);
    for (;;) {
        struct mailbox_cell *cell = &mailbox->cells[ticket % MAILBOX_CELLS];
        uint64_t sequence = atom_load_acquire(&cell->sequence);
        if (sequence < ticket) {
            return false;
        }
        if (sequence > ticket) {
            ticket = atom_load_relaxed(&mailbox->tail);
            continue;
        }
        if (atom_compare_exchange(&mailbox->tail, &ticket, ticket + 1)) {
            cell->mail = *mail;
            atom_store_release(&cell->sequence, ticket + 1);
            return true;
        }
    }
}

bool mailbox_take(struct mailbox *mailbox, struct mail *mail) {
    struct mailbox_cell *cell = &mailbox->cells[mailbox->head % MAILBOX_CELLS];
    if (atom_load_acquire(&cell->sequence) != mailbox->head + 1) {
        return false;
    }
    *mail = cell->mail;
    atom_store_release(&cell->sequence, mailbox->head + MAILBOX_CELLS);
    mailbox->head++;
    return true;
}
