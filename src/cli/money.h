/*
 * Amounts for people, in any currency.
 */
#ifndef LIVETALLY_CLI_MONEY_H
#define LIVETALLY_CLI_MONEY_H

#include <stdint.h>

#include "livetally/buffer.h"

#define CURRENCY_DEFAULT "CNY"

/*
 * Appends `minor` units of `currency` (three capitals, ISO 4217) with as many digits as it has, and
 * thousands apart: ¥1,580.00 from 158000 fen, JPY 158,000, KWD 158.000. Any int64 will do.
 */
void money_append(struct buffer *out, int64_t minor, const char *currency);

#endif
