/*
 * Currencies whose minor unit is no hundredth, as ISO 4217 has them; the pages have the same list.
 * Only yuan have a sign: most signs are those of several currencies.
 */
#include "money.h"

#include <stddef.h>
#include <string.h>

#include "text.h"

static const struct {
    uint32_t digits;
    const char *currencies;
} odd[] = {
    {0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"},
    {3, "BHD IQD JOD KWD LYD OMR TND"},
    {4, "CLF UYW"},
};

static uint32_t minor_digits(const char *currency)
{
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (strstr(odd[i].currencies, currency)) {
            return odd[i].digits;
        }
    }
    return 2;
}

void money_append(struct buffer *out, int64_t minor, const char *currency)
{
    uint64_t size = minor < 0 ? -(uint64_t)minor : (uint64_t)minor;
    uint32_t digits = minor_digits(currency);
    uint64_t unit = 1;
    for (uint32_t i = 0; i < digits; i++) {
        unit *= 10;
    }
    buffer_append_text(out, minor < 0 ? "-" : "");
    if (strcmp(currency, CURRENCY_DEFAULT) == 0) {
        buffer_append_text(out, "¥");
    } else {
        buffer_printf(out, "%s ", currency);
    }
    text_append_grouped(out, size / unit);
    if (digits > 0) {
        buffer_printf(out, ".%0*llu", (int)digits, (unsigned long long)(size % unit));
    }
}
