/*
 * The parts of a token bucket that nobody needs per message; see meter.h.
 */
#include "livetally/meter.h"

void meter_fill(struct meter *meter, const struct meter_rate *rate, int64_t now_ms)
{
    meter->at_ms = now_ms;
    meter->messages = (int64_t)rate->messages_per_s * rate->burst_ms;
    meter->bytes = (int64_t)rate->bytes_per_s * rate->burst_ms;
}

static int64_t missing_ms(int64_t level, uint32_t per_s)
{
    return per_s && level < 0 ? (-level + per_s - 1) / per_s : 0;
}

int64_t meter_due_ms(const struct meter *meter, const struct meter_rate *rate, int64_t now_ms)
{
    int64_t messages_ms = missing_ms(meter->messages, rate->messages_per_s);
    int64_t bytes_ms = missing_ms(meter->bytes, rate->bytes_per_s);
    int64_t due_ms = meter->at_ms + (messages_ms > bytes_ms ? messages_ms : bytes_ms);

    return due_ms > now_ms ? due_ms : now_ms;
}
