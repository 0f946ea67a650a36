/*
 * What an operator should do about an error of Redis. Redis says what it won't do; whoever reads
 * our log or /readyz at night needs to know what to do about it.
 */
#ifndef LIVETALLY_STORE_ADVICE_H
#define LIVETALLY_STORE_ADVICE_H

#include <stddef.h>

/*
 * Writes `text` to out, cut at size; an error that is known as "what is wrong: what to do (redis
 * says: …)". Any other text stays as it is, so one that has been through here may come again.
 */
void advice_write(const char *text, char *out, size_t size);

#endif
