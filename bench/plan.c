/* larder: which operation comes next */
#include "bench/plan.h"

/* Larger than any number of keys, so prime to all but itself. */
static const uint64_t SPREAD_PRIME = UINT64_C(4294967311);

void plan_seed(struct plan *plan, uint64_t seed) {
    rng_init(&plan->rng, seed);
}

static uint64_t next_number(struct plan *plan) {
    switch (plan->kind) {
    case PLAN_ZIPF:
        return zipf_next(&plan->zipf, &plan->rng) * SPREAD_PRIME % plan->keys;
    case PLAN_HOT:
        if (plan->hot_percent < 100 && rng_below(&plan->rng, 100) >= plan->hot_percent)
            return rng_below(&plan->rng, plan->keys);
        return rng_below(&plan->rng, plan->hot_keys);
    case PLAN_ORDER:
        return plan->order_next++;
    case PLAN_UNIFORM:
        break;
    }
    return rng_below(&plan->rng, plan->keys);
}

static enum op_kind next_kind(struct plan *plan) {
    if (plan->kind == PLAN_ORDER || plan->get_parts == 0)
        return OP_SET;
    if (plan->set_parts == 0)
        return OP_GET;
    uint64_t drawn = rng_below(&plan->rng, (uint64_t)plan->get_parts + plan->set_parts);
    return drawn < plan->get_parts ? OP_GET : OP_SET;
}

bool plan_next(struct plan *plan, struct op *op, uint64_t *tokens) {
    if (plan->kind == PLAN_ORDER && plan->order_next == plan->order_end)
        return false;
    op->kind = next_kind(plan);
    op->keys = op->kind == OP_GET ? plan->keys_per_get : 1;
    for (uint32_t i = 0; i < op->keys; i++)
        tokens[i] = dataset_token(next_number(plan));
    return true;
}
