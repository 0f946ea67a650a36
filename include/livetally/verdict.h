/*
 * What may become of an event, and the codes of PROTOCOL that say why one is rejected.
 * One list; the enum, the wire names, finality and metrics labels all follow from it.
 */
#ifndef LIVETALLY_VERDICT_H
#define LIVETALLY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "livetally/buffer.h"
#include "livetally/slice.h"

enum verdict {
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    VERDICT_PARKED,
    VERDICT_REJECTED,
};

/* name, wire name, final: the same event gets the same answer again */
#define REJECTION_CODES(X)                                                                         \
    X(BAD_JSON, "bad_json", true)                                                                  \
    X(BAD_TYPE, "bad_type", true)                                                                  \
    X(MISSING_FIELD, "missing_field", true)                                                        \
    X(BAD_FIELD, "bad_field", true)                                                                \
    X(BAD_COUNTY, "bad_county", true)                                                              \
    X(BAD_AMOUNT, "bad_amount", true)                                                              \
    X(BAD_QUANTITY, "bad_quantity", true)                                                          \
    X(CURRENCY_MISMATCH, "currency_mismatch", true)                                                \
    X(TOO_OLD, "too_old", true)                                                                    \
    X(CONFLICT, "conflict", true)                                                                  \
    X(SESSION_HOST_MISMATCH, "session_host_mismatch", true)                                        \
    X(REFUND_EXCEEDS_ORDER, "refund_exceeds_order", true)                                          \
    X(TOO_MANY_REFUNDS, "too_many_refunds", true)                                                  \
    X(TOO_MANY_IDS, "too_many_ids", true)                                                          \
    X(OVERFLOW, "overflow", true)                                                                  \
    X(BATCH_TOO_LARGE, "batch_too_large", true)                                                    \
    X(UNKNOWN_SESSION, "unknown_session", false)                                                   \
    X(UNKNOWN_PRODUCT, "unknown_product", false)                                                   \
    X(TIME_IN_FUTURE, "time_in_future", false)                                                     \
    X(FORBIDDEN_HOST, "forbidden_host", false)

enum rejection_code {
#define X(name, wire, final) REJECT_##name,
    REJECTION_CODES(X)
#undef X
        REJECTION_CODE_COUNT
};

const char *rejection_code_name(enum rejection_code code); /* the wire name */
bool rejection_code_final(enum rejection_code code);

#define REJECTION_ECHO_BYTES 64 /* echoed input is cut there, on a UTF-8 boundary */

struct rejection {
    uint32_t index; /* of the event in its message; REJECTION_WHOLE_MESSAGE: the message itself */
    enum rejection_code code;
    const char *field;                 /* static text, or NULL: no single field is at fault */
    char id[REJECTION_ECHO_BYTES + 1]; /* the event's own id as far as known, else "" */
    char error[224];                   /* one sentence: what was expected, what came */
};

#define REJECTION_WHOLE_MESSAGE UINT32_MAX

/* Fills *rejection but for `index`, which the caller knows; id may be absent. */
void rejection_set(struct rejection *rejection, enum rejection_code code, const char *field,
                   struct slice id, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Copies at most REJECTION_ECHO_BYTES of echoed input, cut on a UTF-8 boundary, NUL-terminated. */
void rejection_echo(char out[REJECTION_ECHO_BYTES + 1], struct slice input);
/* Appends one element of an ack's "rejected" array as JSON. */
void rejection_write(struct buffer *out, uint64_t message, const struct rejection *rejection);

#endif
