/*
 * See refunds.h.
 */
#include "refunds.h"

#include "id_table.h"

void refunds_left(const struct record *record, int64_t *ret_amount, int64_t *ret_quantity)
{
    *ret_amount = record->amount;
    *ret_quantity = record->quantity;
    for (uint32_t i = 0; i < record->refund_count; i++)
        if (record->refunds[i].state == REFUND_APPLIED) {
            *ret_amount -= record->refunds[i].amount;
            *ret_quantity -= record->refunds[i].quantity;
        }
}

void refunds_settle(struct record *record, struct metrics *delta)
{
    int64_t amount = record->amount, quantity = record->quantity;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < record->refund_count; i++) {
        struct record_refund refund = record->refunds[i];
        if (refund.host.data && !id_equal(refund.host, record->host))
            continue;
        bool fits = refund.amount <= amount && refund.quantity <= quantity;
        refund.state = fits ? REFUND_APPLIED : REFUND_VOID;
        refund.host = (struct slice){NULL, 0};
        record->refunds[kept++] = refund;
        if (!fits)
            continue;
        amount -= refund.amount;
        quantity -= refund.quantity;
        delta->v[METRIC_REFUNDS]++;
        delta->v[METRIC_REFUNDED] += refund.amount;
        delta->v[METRIC_RETURNED] += refund.quantity;
    }
    record->refund_count = kept;
}
